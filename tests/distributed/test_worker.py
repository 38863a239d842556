"""Workers in one process: what they share out, and what they do when something goes away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from omniedit.distributed.client import HostClient
from omniedit.distributed.pgqueuer import sweep
from omniedit.distributed.worker import Worker, enqueue
from omniedit.errors import JournalError
from omniedit.flow.intent import OnUncertain
from omniedit.journal.postgres import PostgresReader
from omniedit.journal.specimens import all_of
from omniedit.models import Edit, Entry, Status
from omniedit.testing import Sandbox, Settings
from omniedit.testing.postgres import PostgresServer

QUICK = Settings(editing="canned", task_seconds=0.3)


def edits(count: int) -> list[Edit]:
    """Different edits of clips that nobody fetches."""
    return [Edit(f"https://example.com/clips/{number}.mp4", "Make it snow") for number in range(count)]


def a_worker(dsn: str, sandbox: Sandbox, folder: Path, **options: object) -> Worker:
    """A host with quick habits."""
    chosen = {"heartbeat": 3.0, "rest": 0.2, "on_uncertain": OnUncertain.replay} | options
    return Worker(dsn, lambda: a_client(sandbox), folder, **chosen)  # type: ignore[arg-type]


def a_client(sandbox: Sandbox, api_key: str = "sk-sandbox") -> HostClient:
    """A client of one host."""
    return HostClient(api_key, base_url=sandbox.base_url, preflight=False, grace=2.0)


@asynccontextmanager
async def working(*workers: Worker) -> AsyncGenerator[None]:
    """While they work."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(worker.run(stop)) for worker in workers]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def entries(dsn: str) -> list[Entry]:
    """All edits of the journal."""
    reader = PostgresReader(dsn)
    try:
        return await all_of(reader.entries())
    finally:
        await reader.close()


async def until(dsn: str, reached: Callable[[Counter[Status]], bool], seconds: float = 40.0) -> Counter[Status]:
    """Wait until the journal's counts are as wanted."""
    reader = PostgresReader(dsn)
    counts: Counter[Status] = Counter()
    try:
        async with asyncio.timeout(seconds):
            while not reached(counts):
                counts = Counter((await reader.counts()).statuses)
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"never reached; it stands at {counts}")
    finally:
        await reader.close()
    return counts


async def jobs(dsn: str) -> int:
    """Jobs in the queue."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM pgqueuer"))
    finally:
        await connection.close()


async def test_two_hosts_share_a_batch(dsn: str, tmp_path: Path) -> None:
    """Every edit is paid once and saved once, by one of them, and no job is left."""
    async with Sandbox(QUICK) as sandbox:
        submitted = await enqueue(dsn, edits(16), base_url=sandbox.base_url)
        assert (submitted.queued, submitted.known) == (16, 0)
        hosts = [a_worker(dsn, sandbox, tmp_path / name, at_once=10) for name in ("a", "b")]
        async with working(*hosts):
            await until(dsn, lambda counts: counts[Status.saved] == 16)
        assert len(sandbox.accepted) == 16
    saved = [entry.path for entry in await entries(dsn)]
    assert all(path and Path(path).is_file() for path in saved)
    assert {Path(path or "").parent.name for path in saved} == {"a", "b"}
    assert await jobs(dsn) == 0


async def test_a_batch_that_is_queued_twice_is_done_once(dsn: str, tmp_path: Path) -> None:
    """While it waits, while it is worked on, and after it has ended."""
    async with Sandbox(QUICK) as sandbox:
        await enqueue(dsn, edits(8), base_url=sandbox.base_url)
        again = await enqueue(dsn, edits(10), base_url=sandbox.base_url)
        assert (again.queued, again.known) == (2, 8)
        async with working(a_worker(dsn, sandbox, tmp_path)):
            await until(dsn, lambda counts: counts[Status.saved] > 0)
            await enqueue(dsn, edits(10), base_url=sandbox.base_url)
            await until(dsn, lambda counts: counts[Status.saved] == 10)
        last = await enqueue(dsn, edits(10), base_url=sandbox.base_url)
        assert (last.queued, last.known) == (0, 10)
        assert len(sandbox.accepted) == 10


async def test_a_host_that_stops_gives_its_edits_back(dsn: str, tmp_path: Path) -> None:
    """The next one goes on with the tasks that were paid for."""
    slow = Settings(editing="canned", task_seconds=3.0, task_spread=0.0)
    async with Sandbox(slow) as sandbox:
        await enqueue(dsn, edits(4), base_url=sandbox.base_url)
        async with working(a_worker(dsn, sandbox, tmp_path / "first")):
            await until(dsn, lambda counts: counts[Status.pending] + counts[Status.processing] == 4)
        assert await jobs(dsn) == 4
        async with working(a_worker(dsn, sandbox, tmp_path / "second")):
            await until(dsn, lambda counts: counts[Status.saved] == 4)
        assert len(sandbox.accepted) == 4


async def test_work_goes_on_when_the_server_comes_back(
    postgres_server: PostgresServer, dsn: str, tmp_path: Path
) -> None:
    """A restart as by a power cut, in the middle."""
    async with Sandbox(QUICK) as sandbox:
        await enqueue(dsn, edits(16), base_url=sandbox.base_url)
        async with working(*(a_worker(dsn, sandbox, tmp_path / name, at_once=10) for name in "ab")):
            await until(dsn, lambda counts: counts[Status.saved] > 4)
            with postgres_server.stopped():
                await asyncio.sleep(0.5)
            await until(dsn, lambda counts: counts[Status.saved] == 16)
        assert len(sandbox.accepted) == 16


async def test_a_host_can_stop_while_the_server_is_away(
    postgres_server: PostgresServer, dsn: str, tmp_path: Path
) -> None:
    """It says what it can for a while, and does not wait for the server to come back."""
    async with Sandbox(QUICK) as sandbox:
        await enqueue(dsn, edits(4), base_url=sandbox.base_url)
        stop = asyncio.Event()
        host = asyncio.create_task(a_worker(dsn, sandbox, tmp_path, patience=1.0).run(stop))
        await until(dsn, lambda counts: counts[Status.saved] > 0)
        with postgres_server.stopped():
            stop.set()
            async with asyncio.timeout(90):
                await host


async def test_a_request_that_a_stopping_host_cannot_wait_for_is_repeated_by_the_next(dsn: str, tmp_path: Path) -> None:
    """Where uncertain requests are repeated its job goes back into the queue; where they are held for people, not."""
    slow = {"fault": "slow", "seconds": 4.0, "limit": 1}
    async with Sandbox(QUICK, faults=[slow]) as sandbox:
        await enqueue(dsn, edits(1), base_url=sandbox.base_url)
        async with working(a_worker(dsn, sandbox, tmp_path)):
            await until(dsn, lambda counts: counts[Status.submitting] == 1)
        assert [entry.status for entry in await entries(dsn)] == [Status.uncertain]
        assert await jobs(dsn) == 1
        async with working(a_worker(dsn, sandbox, tmp_path)):
            await until(dsn, lambda counts: counts[Status.saved] == 1)
        assert len(sandbox.accepted) == 1


async def test_a_host_that_stops_takes_nothing_more_out_of_the_queue(dsn: str, tmp_path: Path) -> None:
    """While it waits for the answer to a paid request the others find the queue as it was."""
    slow = {"fault": "slow", "seconds": 4.0}
    async with Sandbox(QUICK, faults=[slow]) as sandbox:
        await enqueue(dsn, edits(1500), base_url=sandbox.base_url)
        async with working(a_worker(dsn, sandbox, tmp_path)):
            await until(dsn, lambda counts: counts[Status.submitting] > 0)
            before = await settled(dsn)
        assert await picks(dsn) - before < 100


async def settled(dsn: str) -> int:
    """The jobs that were taken, once the host has all that it wants."""
    before = -1
    while (now := await picks(dsn)) != before:
        before = now
        await asyncio.sleep(0.7)
    return before


async def picks(dsn: str) -> int:
    """How often a job was taken out of the queue so far."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM pgqueuer_log WHERE status = 'picked'"))
    finally:
        await connection.close()


async def test_tables_of_another_version_of_pgqueuer_are_told_and_waited_for(
    dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody upgrades them while the host rests."""
    async with Sandbox(QUICK) as sandbox:
        await enqueue(dsn, edits(1), base_url=sandbox.base_url)
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
        await connection.execute("ALTER TABLE pgqueuer RENAME COLUMN execute_after TO later")
        async with working(a_worker(dsn, sandbox, tmp_path)):
            async with asyncio.timeout(30):
                while "pgq upgrade" not in caplog.text:  # noqa: ASYNC110  # a log gives no events
                    await asyncio.sleep(0.05)
            await connection.execute("ALTER TABLE pgqueuer RENAME COLUMN later TO execute_after")
            await connection.close()
            await until(dsn, lambda counts: counts[Status.saved] == 1)


async def test_a_sweep_forgets_the_tokens_of_hosts_that_are_gone(dsn: str, tmp_path: Path) -> None:
    """Each shift of each host leaves a row behind."""
    async with Sandbox(QUICK) as sandbox:
        await enqueue(dsn, edits(1), base_url=sandbox.base_url)
        async with working(a_worker(dsn, sandbox, tmp_path, max_in_flight=2)):
            await until(dsn, lambda counts: counts[Status.saved] == 1)
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT count(*) FROM omniedit.token") == 1
    await sweep(connection)
    assert await connection.fetchval("SELECT count(*) FROM omniedit.token") == 0
    await connection.close()


async def test_a_host_with_a_wrong_address_ends(tmp_path: Path) -> None:
    """No rest makes it right."""
    worker = Worker("postgresql://me:s3/cr3t@127.0.0.1:1/x", lambda: HostClient("sk-sandbox"), tmp_path, rest=3600.0)
    async with asyncio.timeout(30):
        with pytest.raises(JournalError, match="cannot be read") as refused:
            await worker.run(asyncio.Event())
    assert "cr3t" not in str(refused.value)


async def test_a_host_without_a_good_key_rests_and_tries_again(dsn: str, tmp_path: Path) -> None:
    """Nothing is lost by it: the edits stay queued for whoever can do them."""
    async with Sandbox(QUICK) as sandbox:
        await enqueue(dsn, edits(5), base_url=sandbox.base_url)
        keys = iter(["sk-sandbox-unauthorized", "sk-sandbox-broke"])

        worker = Worker(dsn, lambda: a_client(sandbox, next(keys, "sk-good")), tmp_path, heartbeat=3.0, rest=0.1)
        async with working(worker):
            await until(dsn, lambda counts: counts[Status.saved] == 5, 90.0)
        assert len(sandbox.accepted) == 5


async def test_an_edit_that_fails_is_done_and_not_tried_again(dsn: str, tmp_path: Path) -> None:
    """Its job goes, its end stays in the journal."""
    fails = {"fault": "fail", "code": "content_policy_violation", "limit": 1}
    async with Sandbox(QUICK, faults=[fails]) as sandbox:
        await enqueue(dsn, edits(3), base_url=sandbox.base_url)
        async with working(a_worker(dsn, sandbox, tmp_path)):
            counts = await until(dsn, lambda counts: sum(counts[s] for s in (Status.saved, Status.failed)) == 3)
        assert counts[Status.failed] == 1
    assert await jobs(dsn) == 0


async def test_an_uncertain_edit_is_queued_again_only_when_told_to(dsn: str, tmp_path: Path) -> None:
    """Its request is repeated with the same key, and the service recognises it."""
    lost = {"fault": "lost_reply", "limit": 1}
    async with Sandbox(QUICK, faults=[lost]) as sandbox:
        await enqueue(dsn, edits(1), base_url=sandbox.base_url)
        async with working(a_worker(dsn, sandbox, tmp_path, on_uncertain=OnUncertain.hold)):
            await until(dsn, lambda counts: counts[Status.uncertain] == 1)
        assert (await enqueue(dsn, edits(1), base_url=sandbox.base_url)).queued == 0
        again = await enqueue(dsn, edits(1), base_url=sandbox.base_url, on_uncertain=OnUncertain.replay)
        assert again.queued == 1
        async with working(a_worker(dsn, sandbox, tmp_path)):
            await until(dsn, lambda counts: counts[Status.saved] == 1)
        assert len(sandbox.submissions) == 2
        assert len(sandbox.accepted) == 1

"""One limit for hosts that meet only in the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from omniedit.api.gate import Lane
from omniedit.distributed.client import HostClient
from omniedit.distributed.limit import SharedGate, SharedLimit
from omniedit.distributed.worker import Worker, enqueue
from omniedit.journal.link import Link
from omniedit.journal.postgres import PostgresJournal, PostgresReader
from omniedit.journal.specimens import ORIGIN, new_entry
from omniedit.models import Edit, Status
from omniedit.testing import Limit, Sandbox, Settings
from omniedit.testing.postgres import PostgresServer

KEY = "0123456789abcdef@https://api.evolink.ai"


@asynccontextmanager
async def host(dsn: str, max_rate: float | None = None, max_tasks: int | None = None) -> AsyncGenerator[SharedLimit]:
    """One host: a holder in the journal, and its limit."""
    journal = PostgresJournal(dsn)
    await journal.open(ORIGIN)
    limit = SharedLimit(Link(dsn, patience=5.0), KEY, lambda: journal.holder, max_rate=max_rate, max_tasks=max_tasks)
    try:
        yield limit
    finally:
        await limit.close()
        await journal.close()


async def spend(limit: SharedLimit, times: list[float], until: float) -> None:
    """Send one request after the other, and note when."""
    while asyncio.get_running_loop().time() < until:
        token = await limit.take()
        times.append(asyncio.get_running_loop().time())
        token.accepted()


async def test_a_stated_rate_holds_over_all_hosts(dsn: str) -> None:
    """Whatever span is looked at; and each host gets its share."""
    rate, until = 40.0, asyncio.get_running_loop().time() + 3.0
    sent: list[list[float]] = [[], [], []]
    async with host(dsn, rate) as first, host(dsn, rate) as second, host(dsn, rate) as third:
        hosts = [first, second, third]
        work = [spend(limit, times, until) for limit, times in zip(hosts, sent, strict=True) for _ in range(12)]
        await asyncio.gather(*work)
    moments = sorted(moment for times in sent for moment in times)
    assert all(len(times) > 10 for times in sent)
    for first_one, begin in enumerate(moments):
        for last in range(first_one + 20, len(moments), 10):
            # A timer may be late by a little: what was due before the span then falls into it.
            assert last - first_one + 1 <= (moments[last] - begin) * rate + 2 + 8


async def test_a_refusal_on_one_host_pauses_all(dsn: str) -> None:
    """`Retry-After` is kept by those who never heard it."""
    async with host(dsn) as first, host(dsn) as second:
        for limit in (first, second):
            (await limit.take()).accepted()
        token = await first.take()
        token.refused(1.5)
        await told(dsn, lambda row: row["paused_until"] > 0)
        began = asyncio.get_running_loop().time()
        (await second.take()).accepted()
        assert asyncio.get_running_loop().time() - began > 1.2
        await told(dsn, lambda row: row["rate"] is not None)


async def told(dsn: str, wanted: Callable[[asyncpg.Record], bool]) -> None:
    """Wait until the shared row is as wanted."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(20):
            while not any(map(wanted, await connection.fetch("SELECT * FROM omniedit.key_limit"))):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def test_seats_are_counted_over_all_hosts(dsn: str) -> None:
    """Tokens in use and tasks at work, together never more than the bound; the end of one makes room."""
    async with host(dsn, max_tasks=3) as first, host(dsn, max_tasks=3) as second:
        tokens = [await first.take(), await second.take(), await first.take()]
        waiting = asyncio.ensure_future(second.take())
        await asyncio.wait([waiting], timeout=1.2)
        assert not waiting.done()
        tokens[0].accepted()
        async with asyncio.timeout(20):
            (await waiting).over()
        for token in tokens[1:]:
            token.over()


async def test_a_host_that_idles_keeps_no_seat(dsn: str) -> None:
    """Nobody asks it for anything after a request that came to nothing: it tells the others all the same."""
    async with host(dsn, max_tasks=1) as idle, host(dsn, max_tasks=1) as other:
        for _ in range(2):
            async with asyncio.timeout(20):
                (await idle.take()).over()
                (await other.take()).over()
        assert (idle.held, other.held) == (0, 0)


async def test_tasks_in_the_journal_take_seats(dsn: str) -> None:
    """Also those of hosts that are gone; uncertain ones too, for they may be tasks."""
    async with host(dsn, max_tasks=3) as limit:
        journal = PostgresJournal(dsn)
        await journal.open(ORIGIN)
        live = (Status.submitting, Status.pending, Status.uncertain)
        await journal.admit([new_entry(number, status) for number, status in enumerate(live)])
        await journal.admit([new_entry(10), new_entry(11, Status.downloading), new_entry(12, Status.saved)])
        waiting = asyncio.ensure_future(limit.take())
        await asyncio.wait([waiting], timeout=0.7)
        assert not waiting.done()
        await journal.write(new_entry(1, Status.saved))
        async with asyncio.timeout(20):
            (await waiting).over()
        await journal.close()


async def test_the_seats_of_a_dead_host_come_back(dsn: str) -> None:
    """With its row in the journal."""
    async with host(dsn, max_tasks=2) as alive:
        async with host(dsn, max_tasks=2) as dead:
            await dead.take()
            await dead.take()
            waiting = asyncio.ensure_future(alive.take())
            await asyncio.wait([waiting], timeout=0.7)
            assert not waiting.done()
        async with asyncio.timeout(20):
            (await waiting).over()


async def test_a_cancelled_wait_leaves_its_token_to_others(dsn: str) -> None:
    """And nothing is held for it."""
    async with host(dsn, max_rate=5.0) as limit:
        waits = [asyncio.ensure_future(limit.take()) for _ in range(6)]
        await asyncio.sleep(0)
        for wait in waits[::2]:
            wait.cancel()
        for token in await asyncio.gather(*waits[1::2]):
            token.over()
        assert limit.held == 0


async def test_without_the_server_nobody_gets_a_token(postgres_server: PostgresServer, dsn: str) -> None:
    """And when it is back, everybody does."""
    async with host(dsn) as limit:
        (await limit.take()).accepted()
        with postgres_server.stopped():
            waiting = asyncio.ensure_future(limit.take())
            await asyncio.wait([waiting], timeout=0.3)
            assert not waiting.done()
        async with asyncio.timeout(30):
            (await waiting).over()


async def test_a_turn_tells_both_the_gate_and_the_limit(dsn: str) -> None:
    """Each way of ending a turn ends its token, and is counted by the gate as ever."""
    async with host(dsn) as limit:
        gate = SharedGate(limit)
        for end in ("accepted", "answered", "lost", "unused"):
            with await gate.enter(Lane.SUBMIT) as turn:
                assert limit.held == 1
                getattr(turn, end)()
            assert limit.held == 0
        with await gate.enter(Lane.SUBMIT) as turn:
            turn.refused({"retry-after": "0.2"})
        with await gate.enter(Lane.POLL) as turn:
            assert limit.held == 0
            turn.accepted()
        with pytest.raises(KeyError), await gate.enter(Lane.SUBMIT):
            raise KeyError
        submits = gate.statistics().submit
        assert (submits.accepted, submits.refused, submits.in_flight, limit.held) == (1, 1, 0, 0)
        entering = asyncio.ensure_future(gate.enter(Lane.SUBMIT))
        await asyncio.sleep(0)
        entering.cancel()
        await asyncio.wait([entering])
        assert limit.held == 0


async def test_a_cap_on_live_tasks_is_never_passed(dsn: str, tmp_path: Path) -> None:
    """The service, which knows the cap as well, has nothing to refuse."""
    cap = 4
    settings = Settings(editing="canned", task_seconds=0.6, limits=(Limit(kind="live_tasks", amount=cap),))
    async with Sandbox(settings) as sandbox:
        edits = [Edit(f"https://example.com/clips/{number}.mp4", "Make it snow") for number in range(16)]
        await enqueue(dsn, edits, base_url=sandbox.base_url)
        workers = [
            Worker(
                dsn,
                lambda: HostClient("sk-sandbox", base_url=sandbox.base_url, preflight=False, grace=2.0),
                tmp_path / name,
                max_in_flight=cap,
                heartbeat=3.0,
            )
            for name in "ab"
        ]
        stop = asyncio.Event()
        tasks = [asyncio.create_task(worker.run(stop)) for worker in workers]
        reader = PostgresReader(dsn)
        async with asyncio.timeout(60):
            while (await reader.counts()).statuses.get(Status.saved, 0) < len(edits):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await reader.close()
        stop.set()
        await asyncio.gather(*tasks)
        assert len(sandbox.submissions) == len(sandbox.accepted) == len(edits)

"""Real processes, killed, stopped and continued: every edit is paid once and saved once."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import asyncpg
import pytest

from omniedit.distributed.worker import enqueue
from omniedit.journal.postgres import PostgresReader
from omniedit.journal.specimens import all_of
from omniedit.models import Edit, Entry, Status
from omniedit.testing import BackgroundSandbox, Settings

HOST = Path(__file__).with_name("host_process.py")
QUICK = Settings(editing="canned", task_seconds=0.5)


class Host:
    """A worker in a process, which can be killed and begins anew."""

    def __init__(self, dsn: str, base_url: str, folder: Path, *, heartbeat: float = 3.0, skew: float = 0.0) -> None:
        options = [dsn, base_url, str(folder), str(heartbeat), str(skew)]
        self._command = [sys.executable, str(HOST), *options]
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def kill_and_start(self) -> None:
        """SIGKILL, and a new process."""
        self.kill()
        self.process = self._start()

    def stop(self) -> None:
        """End it as an operator does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()


@asynccontextmanager
async def stopped_at_the_end(*made: Host) -> AsyncGenerator[None]:
    """Hosts of a test, ended side by side and in threads: what they say at the end may go through a wire of ours."""
    try:
        yield
    finally:
        await asyncio.gather(*(asyncio.to_thread(host.stop) for host in made))


def edits(count: int) -> list[Edit]:
    """Different edits of clips that nobody fetches."""
    return [Edit(f"https://example.com/clips/{number}.mp4", "Make it snow") for number in range(count)]


async def entries(dsn: str) -> list[Entry]:
    """All edits of the journal."""
    reader = PostgresReader(dsn)
    try:
        return await all_of(reader.entries())
    finally:
        await reader.close()


async def until(
    dsn: str,
    reached: Callable[[Counter[Status]], bool],
    seconds: float,
    then: Callable[[set[str]], None] = lambda at_work: None,
) -> None:
    """Wait until the journal's counts are as wanted, and do something every second meanwhile with who is at work."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
    loop = asyncio.get_running_loop()
    began = turn = loop.time()
    counts: Counter[Status] = Counter()
    while not reached(counts):
        if loop.time() - began > seconds:
            await connection.close()
            pytest.fail(f"never reached; it stands at {counts}")
        if loop.time() - turn >= 1.0:
            turn = loop.time()
            then({row[0] for row in await connection.fetch("SELECT name FROM omniedit.holder WHERE until > now()")})
        await asyncio.sleep(0.1)
        rows = await connection.fetch("SELECT status, count(*) FROM omniedit.state GROUP BY status")
        counts = Counter({Status(row[0]): row[1] for row in rows})
    await connection.close()


async def test_hosts_that_are_killed_every_second_pay_nothing_twice(dsn: str, tmp_path: Path) -> None:
    """Three hosts whose clocks are an hour apart, a random SIGKILL every second: all are paid once and saved once.

    Who lives and who works is judged by the database's clock alone.
    """
    count, chance = 24, random.Random(7)

    def kill_one(at_work: set[str]) -> None:
        living = [host for host in made if any(name.endswith(f":{host.process.pid}") for name in at_work)]
        if len(living) > 1:  # on a busy machine a host may need seconds to start
            chance.choice(living).kill_and_start()

    with BackgroundSandbox(QUICK) as sandbox:
        await enqueue(dsn, edits(count), base_url=sandbox.base_url)
        made = [Host(dsn, sandbox.base_url, tmp_path, skew=skew) for skew in (-3600.0, 0.0, 3600.0)]
        async with stopped_at_the_end(*made):
            await until(dsn, lambda counts: counts[Status.saved] == count, 120, kill_one)
        assert len(sandbox.accepted) == count
    await all_are_saved_once(dsn, tmp_path, count)


async def all_are_saved_once(dsn: str, folder: Path, count: int) -> None:
    """As many files as edits, and nothing beside them."""
    saved = [Path(entry.path or "") for entry in await entries(dsn)]
    assert len(set(saved)) == count
    assert sorted(folder.rglob("*.mp4")) == sorted(saved)


async def test_a_host_that_stands_still_beyond_its_heartbeat_does_nothing_twice(dsn: str, tmp_path: Path) -> None:
    """Another takes its edits over; awake again, it finds that they are not its own any more, and works on."""
    count = 8
    with BackgroundSandbox(QUICK) as sandbox:
        await enqueue(dsn, edits(count), base_url=sandbox.base_url)
        stalled = Host(dsn, sandbox.base_url, tmp_path, heartbeat=2.0)
        async with stopped_at_the_end(stalled):
            await until(dsn, lambda counts: counts[Status.queued] < count, 60)
            stalled.process.send_signal(signal.SIGSTOP)
            other = Host(dsn, sandbox.base_url, tmp_path, heartbeat=2.0)
            async with stopped_at_the_end(other):
                await until(dsn, lambda counts: counts[Status.saved] == count, 60)
                stalled.process.send_signal(signal.SIGCONT)
            more = edits(count + 2)
            await enqueue(dsn, more, base_url=sandbox.base_url)
            await until(dsn, lambda counts: counts[Status.saved] == count + 2, 60)
        assert len(sandbox.accepted) == count + 2
    await all_are_saved_once(dsn, tmp_path, count + 2)


class Wire:
    """A way to a server on this machine that can be cut."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._there = (parts.hostname or "", parts.port or 0)
        self._address = parts
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.is_cut = False

    @property
    def address(self) -> str:
        """The same address, by way of this wire."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        user = f"{self._address.username}@" if self._address.username else ""
        return self._address._replace(netloc=f"{user}127.0.0.1:{port}").geturl()

    def cut(self) -> None:
        """Nothing goes through any more."""
        self.is_cut = True
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        """New connections go through again."""
        self.is_cut = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection(*self._there)
        self._ends |= {writer, there_writer}
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()
        with suppress(ConnectionError):
            await sink.wait_closed()
        self._ends.discard(sink)


async def test_a_host_that_is_cut_off_from_the_database_does_no_harm(dsn: str, tmp_path: Path) -> None:
    """It goes on speaking with the service for a while; another does its work, and it comes back."""
    count = 8
    with BackgroundSandbox(QUICK) as sandbox:
        await enqueue(dsn, edits(count), base_url=sandbox.base_url)
        async with Wire(dsn) as wire:
            lonely = Host(wire.address, sandbox.base_url, tmp_path, heartbeat=2.0)
            async with stopped_at_the_end(lonely):
                await until(dsn, lambda counts: counts[Status.queued] < count, 60)
                wire.cut()
                other = Host(dsn, sandbox.base_url, tmp_path, heartbeat=2.0)
                async with stopped_at_the_end(other):
                    await until(dsn, lambda counts: counts[Status.saved] == count, 90)
                wire.mend()
                await enqueue(dsn, edits(count + 2), base_url=sandbox.base_url)
                await until(dsn, lambda counts: counts[Status.saved] == count + 2, 90)
        assert len(sandbox.accepted) == count + 2
    await all_are_saved_once(dsn, tmp_path, count + 2)


async def test_hosts_that_are_cut_off_from_the_service_come_back(dsn: str, tmp_path: Path) -> None:
    """Requests that were just leaving are uncertain, and repeated with their keys."""
    count = 8
    with BackgroundSandbox(QUICK) as sandbox:
        async with Wire(sandbox.base_url) as wire:
            await enqueue(dsn, edits(count), base_url=wire.address)
            made = [Host(dsn, wire.address, tmp_path) for _ in range(2)]
            async with stopped_at_the_end(*made):
                await until(dsn, lambda counts: counts[Status.queued] < count, 60)
                wire.cut()
                await asyncio.sleep(2.0)
                wire.mend()
                await until(dsn, lambda counts: counts[Status.saved] == count, 90)
        assert len(sandbox.accepted) == count
    await all_are_saved_once(dsn, tmp_path, count)


async def test_an_enqueuer_that_is_killed_leaves_whole_pages(dsn: str) -> None:
    """What is in the journal is in the queue; enqueuing again adds what is missing, and nothing twice."""
    code = (
        "import asyncio, sys\n"
        "from omniedit import Edit\n"
        "from omniedit.distributed.worker import enqueue\n"
        "edits = (Edit(f'https://example.com/clips/{n}.mp4', 'Make it snow') for n in range(4000))\n"
        "asyncio.run(enqueue(sys.argv[1], edits))"
    )
    enqueuer = subprocess.Popen([sys.executable, "-c", code, dsn])
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
    async with asyncio.timeout(60):
        while not await connection.fetchval("SELECT to_regclass('omniedit.job')"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        while not await connection.fetchval("SELECT count(*) FROM omniedit.job"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    enqueuer.kill()
    enqueuer.wait()
    count = "SELECT (SELECT count(*) FROM omniedit.job), (SELECT count(*) FROM pgqueuer)"
    admitted, queued = await connection.fetchrow(count) or (0, 1)
    assert admitted == queued
    assert admitted % 1000 == 0
    submitted = await enqueue(dsn, edits(4000))
    assert (submitted.queued, submitted.known) == (4000 - admitted, admitted)
    assert tuple(await connection.fetchrow(count) or ()) == (4000, 4000)
    await connection.close()

"""Real processes, killed, stopped and continued: every edit is paid once and saved once."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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

    def __init__(self, dsn: str, base_url: str, folder: Path, heartbeat: float, on_uncertain: str = "replay") -> None:
        self._command = [sys.executable, str(HOST), dsn, base_url, str(folder), str(heartbeat), on_uncertain]
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


@contextmanager
def hosts(count: int, dsn: str, base_url: str, folder: Path, heartbeat: float = 3.0) -> Iterator[list[Host]]:
    """Some hosts, stopped at the end."""
    made = [Host(dsn, base_url, folder, heartbeat) for _ in range(count)]
    try:
        yield made
    finally:
        for host in made:
            host.stop()


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
    dsn: str, reached: Callable[[Counter[Status]], bool], seconds: float, then: Callable[[], None] = lambda: None
) -> None:
    """Wait until the journal's counts are as wanted, and do something every second meanwhile."""
    counts: Counter[Status] = Counter()
    loop = asyncio.get_running_loop()
    began = turn = loop.time()
    while not reached(counts):
        if loop.time() - began > seconds:
            pytest.fail(f"never reached; it stands at {counts}")
        if loop.time() - turn >= 1.0:
            turn = loop.time()
            then()
        await asyncio.sleep(0.1)
        counts = Counter(entry.status for entry in await entries(dsn))


async def test_hosts_that_are_killed_every_second_pay_nothing_twice(dsn: str, tmp_path: Path) -> None:
    """Three hosts, a random SIGKILL every second: all are accepted once and saved once."""
    count, chance = 30, random.Random(7)
    with BackgroundSandbox(QUICK) as sandbox:
        await enqueue(dsn, edits(count), base_url=sandbox.base_url)
        with hosts(3, dsn, sandbox.base_url, tmp_path) as made:
            await until(
                dsn,
                lambda counts: counts[Status.saved] == count,
                120,
                lambda: chance.choice(made).kill_and_start(),
            )
        accepted = Counter(task.prompt for task in sandbox.accepted)
        assert len(sandbox.accepted) == count, accepted
    saved = [Path(entry.path or "") for entry in await entries(dsn)]
    assert len(set(saved)) == count
    assert sorted(tmp_path.glob("*.mp4")) == sorted(saved)

"""Hosts as processes of their own, a service and a database for them, and somebody who kills."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from benchmarks.harness import ROOT
from omniedit.models import Edit, Status

__all__ = ["Host", "edits", "files", "holders", "hosts", "ours", "statuses", "until"]


class Host:
    """A process that can be killed and begins anew."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self.kills = 0
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, cwd=ROOT, stdout=subprocess.DEVNULL, env={**os.environ})

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def kill_and_start(self) -> None:
        """SIGKILL, and a new process."""
        self.kill()
        self.kills += 1
        self.process = self._start()

    def stop(self) -> None:
        """End it as an operator does."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def hosts(commands: Sequence[Sequence[str]]) -> Iterator[list[Host]]:
    """Start them, and stop them at the end."""
    made: list[Host] = []
    try:
        made += [Host(command) for command in commands]
        yield made
    finally:
        for host in made:
            host.stop()


def ours(**options: object) -> list[str]:
    """The command of an omniedit host."""
    return [sys.executable, "-m", "benchmarks.hosts.ours", json.dumps(options, default=str)]


def edits(count: int) -> list[Edit]:
    """Different edits of clips that nobody fetches."""
    return [Edit(f"https://example.com/clips/{number}.mp4", "Make it snow") for number in range(count)]


async def statuses(dsn: str) -> Counter[Status]:
    """Where the edits of a journal stand."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT status, count(*) FROM omniedit.state GROUP BY status")
    finally:
        await connection.close()
    return Counter({Status(row[0]): row[1] for row in rows})


async def until(
    reached: Callable[[], object],
    seconds: float,
    *,
    every: float = 0.1,
    killing: Callable[[], Awaitable[Sequence[Host]]] | None = None,
    period: float = 1.0,
    seed: int = 7,
) -> float:
    """Wait until something holds, killing a random one of some hosts once a period; the seconds that it took.

    Raises:
        TimeoutError: it never held.
    """
    chance, began = random.Random(seed), time.monotonic()
    turn = began + period
    while True:
        found = reached()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return time.monotonic() - began
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not reached in {seconds} s")
        if killing is not None and time.monotonic() >= turn:
            turn = max(turn + period, time.monotonic())
            if at_work := await killing():
                chance.choice(at_work).kill_and_start()
        await asyncio.sleep(every)


async def holders(dsn: str, made: Sequence[Host]) -> list[Host]:
    """Those of some hosts that hold edits of a journal now: one that is only starting has nothing to lose."""
    connection = await asyncpg.connect(dsn)
    try:
        names = {row[0] for row in await connection.fetch("SELECT name FROM omniedit.holder")}
    finally:
        await connection.close()
    return [host for host in made if any(name.endswith(f":{host.process.pid}") for name in names)]


def files(folder: Path) -> int:
    """Results in a folder."""
    return len(list(folder.rglob("*.mp4")))

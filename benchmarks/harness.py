"""What the suites share: contestants that stay alive and take turns, and figures that are ratios with their spread.

A contestant is a process of its own. It warms up once, then works off one portion for each line on its standard input
and answers with a line of JSON: CPU seconds of its own process (`getrusage`), per unit of work. Portions are small and
take turns, so that a busy machine disturbs all contestants alike.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import attrs

__all__ = ["Figure", "HurriedClock", "Worker", "compare", "cpu", "machine", "ratio", "serving", "take_turns"]

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".nox" / "peers" / "bin" / "python"


@attrs.frozen
class Figure:
    """One line of the table."""

    name: str
    value: float
    unit: str = "times"
    low: float | None = None
    high: float | None = None
    bar: float | None = None
    at_least: bool = False
    """Whether the bar is to be reached rather than kept below."""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar is kept; None without one."""
        if self.bar is None:
            return None
        return self.value >= self.bar if self.at_least else self.value <= self.bar


class HurriedClock:
    """Time that runs `speed` times as fast: a client finds its pace, and a task its end, so much sooner.

    What is measured is what the work costs, not how long a careful client feels its way up to an unknown limit.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed

    def monotonic(self) -> float:
        """Hurried seconds."""
        return time.monotonic() * self._speed

    def utcnow(self) -> datetime:
        """The wall clock, which nothing hurries."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait so many hurried seconds."""
        await asyncio.sleep(seconds / self._speed)


class Worker:
    """A contestant in a process of its own."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.hello = self._line()

    def turn(self, order: str = "go") -> dict[str, float]:
        """One portion of work."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        found: dict[str, float] = json.loads(self._line())
        return found

    def close(self) -> None:
        """End it, by closing its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a contestant has died; its last words are above")
        return line.strip()


@contextmanager
def serving(*args: str) -> Iterator[str]:
    """The canned server in a process of its own; gives its address."""
    server = Worker([sys.executable, "-m", "benchmarks.speed.server", *args])
    try:
        yield f"{'https' if '--tls' in args else 'http'}://127.0.0.1:{server.hello}"
    finally:
        server.close()


def compare(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Start all contestants, let them take turns, and give the CPU that each turn cost."""
    return {name: [turn["cpu"] for turn in found] for name, found in take_turns(commands, rounds).items()}


def take_turns(commands: dict[str, list[str]], rounds: int) -> dict[str, list[dict[str, float]]]:
    """Start all contestants, let them take turns, and give what each has told of each turn."""
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for name, command in commands.items():
            workers[name] = Worker(command)
            stack.callback(workers[name].close)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
        for _ in range(rounds):
            for name, worker in workers.items():
                found[name].append(worker.turn())
    return found


def ratio(
    name: str,
    mine: Sequence[float],
    other: Sequence[float],
    *,
    bar: float | None = None,
    at_least: bool = False,
    note: str = "",
) -> Figure:
    """The median of the rounds' ratios, and their quartiles."""
    found = sorted(one / two for one, two in zip(mine, other, strict=True))
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
    return Figure(name, middle, low=low, high=high, bar=bar, at_least=at_least, note=note)


def cpu() -> float:
    """User and system seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def machine() -> dict[str, object]:
    """What it was measured on, and how busy that was."""
    return {"python": platform.python_version(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}

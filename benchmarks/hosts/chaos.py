"""The same batch by everybody, a random SIGKILL again and again: what is billed, and what is saved."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks.harness import ROOT, Figure
from benchmarks.hosts import naive_pgqueuer
from benchmarks.hosts.cluster import Host, edits, files, holders, hosts, ours, statuses, until
from omniedit.distributed.worker import enqueue
from omniedit.models import Status
from omniedit.testing import BackgroundSandbox, Settings
from omniedit.testing.postgres import PostgresServer

__all__ = ["Outcome", "measure", "measure_peers", "run_engine", "run_naive_pgqueuer", "run_ours", "run_ours_on_ray"]

SERVICE = Settings(editing="canned", task_seconds=1.0)
HEARTBEAT = 3.0
SLOW_PERIOD = 5.0  # seconds between two kills, where a worker needs some to start
LONGEST = 900.0  # seconds


@attrs.frozen
class Outcome:
    """What one run came to."""

    edits: int
    billed: int
    files: int
    twice: int
    """Edits that were billed more than once."""
    kills: int
    seconds: float


def _outcome(count: int, sandbox: BackgroundSandbox, folder: Path, kills: int, seconds: float) -> Outcome:
    per_clip: dict[str, int] = {}
    for submission in sandbox.accepted:
        per_clip[submission.source] = per_clip.get(submission.source, 0) + 1
    twice = sum(number > 1 for number in per_clip.values())
    return Outcome(count, len(sandbox.accepted), files(folder), twice, kills, round(seconds, 1))


@contextmanager
def _place() -> Iterator[tuple[Path, BackgroundSandbox]]:
    with tempfile.TemporaryDirectory() as folder, BackgroundSandbox(SERVICE) as sandbox:
        yield Path(folder), sandbox


async def run_ours(server: PostgresServer, count: int, seed: int, period: float) -> Outcome:
    """Three omniedit workers."""
    dsn = server.database()
    with _place() as (folder, sandbox):
        await enqueue(dsn, edits(count), base_url=sandbox.base_url)
        options = {"dsn": dsn, "base_url": sandbox.base_url, "heartbeat": HEARTBEAT, "at_once": 8}
        with hosts([ours(save_to=folder, **options)] * 3) as made:

            async def done() -> bool:
                return (await statuses(dsn))[Status.saved] == count

            seconds = await until(done, LONGEST, killing=lambda: holders(dsn, made), period=period, seed=seed)
        return _outcome(count, sandbox, folder, sum(host.kills for host in made), seconds)


async def run_naive_pgqueuer(server: PostgresServer, count: int, seed: int, period: float) -> Outcome:
    """Three workers with the job in PgQueuer's entrypoint."""
    dsn = server.database()
    await naive_pgqueuer.enqueue(dsn, count)
    with _place() as (folder, sandbox):
        options = [dsn, sandbox.base_url, str(folder), str(HEARTBEAT)]
        command = [sys.executable, "-m", "benchmarks.hosts.naive_pgqueuer", *options]
        with hosts([command] * 3) as made:

            async def done() -> bool:
                return await naive_pgqueuer.left(dsn) == 0

            async def all_of_them() -> list[Host]:
                return made

            seconds = await until(done, LONGEST, killing=all_of_them, period=period, seed=seed)
        return _outcome(count, sandbox, folder, sum(host.kills for host in made), seconds)


def run_engine(name: str, interpreter: str, count: int, period: float) -> Outcome:
    """An engine with a life of its own (`naive_dask`, `naive_ray`), which kills its workers itself."""
    with _place() as (folder, sandbox):
        command = [
            interpreter,
            "-m",
            f"benchmarks.hosts.{name}",
            sandbox.base_url,
            str(folder),
            str(count),
            str(period),
        ]
        return _run(command, count, sandbox, folder, period)


def run_ours_on_ray(server: PostgresServer, interpreter: str, count: int, period: float) -> Outcome:
    """`EditBatches` in two actors, which are killed."""
    script = str(ROOT / "tests" / "distributed" / "ray_process.py")
    with _place() as (folder, sandbox):
        command = [interpreter, script, server.database(), sandbox.base_url, str(folder), str(count), str(period)]
        return _run(command, count, sandbox, folder, period)


def _run(command: list[str], count: int, sandbox: BackgroundSandbox, folder: Path, period: float) -> Outcome:
    began = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True, timeout=LONGEST, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.monotonic() - began
    return _outcome(count, sandbox, folder, int(seconds / period), seconds)


def measure(count: int, rounds: int, period: float) -> list[Figure]:
    """Ours as often as asked, PgQueuer alone once."""
    figures: list[Figure] = []
    with PostgresServer() as server:
        for round_ in range(rounds):
            ours_ = asyncio.run(run_ours(server, count, round_, period))
            figures += _figures(f"omniedit, run {round_ + 1}", ours_, period, strict=True)
        naive = asyncio.run(run_naive_pgqueuer(server, count, 0, period))
        figures += _figures("PgQueuer, the job in its entrypoint", naive, period)
    return figures


def measure_peers(count: int, interpreter: str | None) -> list[Figure]:
    """Engines whose workers need seconds to start: fewer edits, fewer kills, the same for omniedit on one of them."""
    if interpreter is None:
        return []
    figures = _figures(
        "Dask, the job as a task", run_engine("naive_dask", interpreter, count, SLOW_PERIOD), SLOW_PERIOD
    )
    figures += _figures("Ray, the job as a task", run_engine("naive_ray", interpreter, count, SLOW_PERIOD), SLOW_PERIOD)
    with PostgresServer() as server:
        found = run_ours_on_ray(server, interpreter, count, SLOW_PERIOD * 2)
    return [*figures, *_figures("omniedit on Ray", found, SLOW_PERIOD * 2, strict=True)]


def _figures(who: str, outcome: Outcome, period: float, *, strict: bool = False) -> list[Figure]:
    note = f"{outcome.kills} kills in {outcome.seconds:.0f} s"
    told = f"{outcome.edits} edits, a SIGKILL every {period:g} s: {who}"
    bar = outcome.edits if strict else None
    return [
        Figure(f"{told}: billed", outcome.billed, "edits", bar=bar, note=note),
        Figure(f"{told}: files", outcome.files, "files", bar=bar, at_least=True, note=note),
        Figure(f"{told}: billed twice or more", outcome.twice, "edits", bar=0 if strict else None, note=note),
    ]

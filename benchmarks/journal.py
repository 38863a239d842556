"""What a durable write costs, beside one commit per event through aiosqlite, on the same disk in the same run.

    python benchmarks/journal.py [--edits 1000000] [--rounds 3] [--disk DIR] [--json benchmarks/results/journal.json]

Needs aiosqlite; with a C compiler the figures for a disk whose sync takes 1 ms are measured too (a shim before fsync,
over a file system in memory). Contenders take turns within each round, so that a busy machine disturbs both alike; the
time that the disk needs for a commit of its own (4 KiB, fdatasync) is measured between the rounds.

`--edits` is the length of the long journal, a tenth of which already shows whether something grows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import secrets
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import aiosqlite
import attrs

from omniedit.journal import SqliteJournal, SqliteReader
from omniedit.journal.database import writable
from omniedit.journal.rows import KnownJob, state_row
from omniedit.journal.statements import statements
from omniedit.journal.tables import Writing
from omniedit.journal.worker import Call, Worker
from omniedit.models import Answer, Edit, Entry, Outcome, Status

ORIGIN = "https://api.evolink.ai"
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
WAITERS = 1000
SECONDS = 3.0
RATE = 1000
OPEN = 500
LOOKS = 5
SLOW_SYNC = """
#include <unistd.h>
int fsync(int f) { usleep(1000); return 0; }
int fdatasync(int f) { usleep(1000); return 0; }
"""

Figures = dict[str, object]
T = TypeVar("T")


def main() -> None:
    """Measure everything, print it, and keep it as JSON."""
    options = arguments()
    if options.only:
        print(json.dumps(PARTS[options.only](options)))
        return
    with tempfile.TemporaryDirectory(prefix="journal-", dir=options.disk) as folder:
        options.disk = folder
        figures: Figures = {"machine": machine(), "disk": commits(options)}
        slow = slow_disk(options)
        figures["disk_with_1_ms_sync"] = slow
        figures["long"] = long_journal(options)
    text = json.dumps(figures, indent=2)
    print(text)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(f"{text}\n", encoding="utf-8")


def arguments() -> argparse.Namespace:
    """What to measure, and where."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--edits", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--disk", help="folder on the disk to measure; the one for temporary files when not given")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def machine() -> Figures:
    """What it was measured on, and how busy that was."""
    load = round(os.getloadavg()[0], 1)
    return {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load": load,
    }


# -- commits ---------------------------------------------------------------------------------------------------------


def commits(options: argparse.Namespace) -> Figures:
    """Writes per second of both contenders in turn, admissions per second, and an even stream of writes."""
    folder = Path(options.disk)
    ours: list[float] = []
    theirs: list[float] = []
    narrow: list[float] = []
    syncs = sync_times(folder)
    for _ in range(options.rounds):
        ours.append(asyncio.run(grouped(folder)))
        theirs.append(asyncio.run(one_by_one(folder)))
        narrow.append(asyncio.run(narrowest(folder)))
        syncs += sync_times(folder)
    return {
        "sync_ms": milliseconds(syncs),
        "writes_per_s_at_1000_waiters": round(statistics.median(ours)),
        "aiosqlite_same_rows_per_s": round(statistics.median(theirs)),
        "ratio_to_same_rows": ratio(ours, theirs),
        "aiosqlite_narrowest_table_autocommit_per_s": round(statistics.median(narrow)),
        "ratio_to_narrowest_table": ratio(ours, narrow),
        "admissions_per_s_in_batches_of_500": round(asyncio.run(admissions(folder))),
        "stream_of_1000_per_s": asyncio.run(stream(folder)),
        "load": machine()["load"],
    }


def ratio(ours: Sequence[float], others: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return round(statistics.median(mine / other for mine, other in zip(ours, others, strict=True)), 1)


def sync_times(folder: Path) -> list[float]:
    """Seconds that the disk takes to make 4 KiB durable."""
    path = folder / "sync"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.write(descriptor, bytes(1 << 20))
    os.fsync(descriptor)
    times = [timed(lambda: overwrite(descriptor)) for _ in range(200)]
    os.close(descriptor)
    path.unlink()
    return times


def overwrite(descriptor: int) -> None:
    """What a commit needs at least."""
    os.pwrite(descriptor, os.urandom(4096), 0)
    os.fdatasync(descriptor)


async def grouped(folder: Path) -> float:
    """Writes per second through the journal: each waiter writes its next state as soon as the last is durable."""
    journal = SqliteJournal(folder / "grouped.db")
    await journal.open(ORIGIN)
    entries = [sent(new_entry(number)) for number in range(WAITERS)]
    await journal.admit([new_entry(number) for number in range(WAITERS)])
    await asyncio.gather(*(journal.intend(entry) for entry in entries))
    rate = await waiters(lambda number, turn: journal.write(attrs.evolve(entries[number], renewals=turn)))
    await journal.remove()
    return rate


async def one_by_one(folder: Path) -> float:
    """The same rows with the same statement, but with a commit for every event: `execute`, then `commit`."""
    path = folder / "one_by_one.db"
    with writable(path, ORIGIN) as filling:
        Writing(filling).admit([new_entry(number) for number in range(WAITERS)])
    statement = statements("sqlite")["set_state"]
    async with aiosqlite.connect(path) as connection:
        await connection.execute("PRAGMA synchronous = FULL")
        jobs = [KnownJob(number + 1, new_entry(number).target) for number in range(WAITERS)]
        entries = [sent(new_entry(number)) for number in range(WAITERS)]
        turns = asyncio.Lock()

        async def write(number: int, turn: int) -> None:
            row = state_row(attrs.evolve(entries[number], renewals=turn), jobs[number])
            # One transaction is one event's: without the lock a commit would cover whatever others have executed,
            # and an error of one would roll back the writes of others.
            async with turns:
                await connection.execute(statement.sql, statement.values(row))
                await connection.commit()

        rate = await waiters(write)
    path.unlink()
    return rate


async def narrowest(folder: Path) -> float:
    """A commit for every event at its cheapest: two columns, no index, one statement in autocommit mode."""
    path = folder / "narrowest.db"
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = FULL")
        await connection.execute("CREATE TABLE state (key TEXT PRIMARY KEY, renewals INTEGER)")
        keys = [new_entry(number).key for number in range(WAITERS)]
        await connection.executemany("INSERT INTO state VALUES (?, 0)", [(key,) for key in keys])

        async def write(number: int, turn: int) -> None:
            await connection.execute("UPDATE state SET renewals = ? WHERE key = ?", (turn, keys[number]))

        rate = await waiters(write)
    path.unlink()
    return rate


async def waiters(write: Callable[[int, int], Awaitable[object]]) -> float:
    """Calls per second when 1,000 coroutines call again and again."""
    ends = time.perf_counter() + SECONDS

    async def wait(number: int) -> int:
        turn = 0
        while time.perf_counter() < ends:
            turn += 1
            await write(number, turn)
        return turn

    begun = time.perf_counter()
    done = await asyncio.gather(*map(wait, range(WAITERS)))
    return sum(done) / (time.perf_counter() - begun)


async def admissions(folder: Path) -> float:
    """New edits per second, 500 in one call."""
    journal = SqliteJournal(folder / "admissions.db")
    await journal.open(ORIGIN)
    batches = [[new_entry(turn * 500 + number) for number in range(500)] for turn in range(40)]
    begun = time.perf_counter()
    for batch in batches:
        await journal.admit(batch)
    rate = 20_000 / (time.perf_counter() - begun)
    await journal.remove()
    return rate


async def stream(folder: Path, slices: int = 10, seconds: float = 1.0) -> Figures:
    """1,000 writes a second, whether the last ones are done or not; how long each takes and how late the loop is.

    Slice by slice the journal takes turns with a bare file behind the same kind of thread and the same grouping, each
    of whose commits is 4 KiB over what is there and a sync. So the disk's own pauses, which differ by the second where
    others use it as well, are measured in the same run and meet both alike.
    """
    journal = SqliteJournal(folder / "stream.db")
    await journal.open(ORIGIN)
    entries = [new_entry(number) for number in range(WAITERS)]
    await journal.admit(entries)
    syncs: list[float] = []
    bare = Worker("bare", lambda: bare_file(folder / "bare", syncs))
    ours, theirs = Pace(), Pace()
    for _ in range(slices):
        await theirs.keep(lambda _: bare.call(str), seconds)
        await ours.keep(lambda turn: journal.write(attrs.evolve(entries[turn % WAITERS], renewals=turn + 1)), seconds)
    await bare.stop()
    await journal.remove()
    p99 = share(ours.took, 0.99)
    return {
        "sync_ms": milliseconds(syncs),
        "bare_file_ms": milliseconds(theirs.took),
        "commit_ms": milliseconds(ours.took),
        "commit_p99_in_median_syncs": round(p99 / share(syncs, 0.5), 1),
        "commit_p99_beside_sync_p99": round(p99 / share(syncs, 0.99), 1),
        "commit_p99_beside_bare_file_p99": round(p99 / share(theirs.took, 0.99), 1),
        "loop_lag_ms": milliseconds(ours.late),
        "bare_file_loop_lag_ms": milliseconds(theirs.late),
    }


class Pace:
    """An even stream of calls, and what became of it."""

    def __init__(self) -> None:
        self.took: list[float] = []
        self.late: list[float] = []
        self._turn = 0

    async def keep(self, call: Callable[[int], Awaitable[object]], seconds: float) -> None:
        """Make `RATE` calls a second for a while, and wait for the last of them."""
        watching = asyncio.create_task(self._watch())
        begun = time.perf_counter()
        tasks: set[asyncio.Task[None]] = set()
        for number in range(int(seconds * RATE)):
            await asyncio.sleep(begun + number / RATE - time.perf_counter())
            task = asyncio.create_task(self._one(call, self._turn))
            self._turn += 1
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        watching.cancel()

    async def _one(self, call: Callable[[int], Awaitable[object]], turn: int) -> None:
        begun = time.perf_counter()
        await call(turn)
        self.took.append(time.perf_counter() - begun)

    async def _watch(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.005)
            self.late.append(time.perf_counter() - begun - 0.005)


@contextmanager
def bare_file(path: Path, syncs: list[float]) -> Iterator[BareFile]:
    """A file as large as a short log, made durable once."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.write(descriptor, bytes(1 << 20))
    os.fsync(descriptor)
    try:
        yield BareFile(descriptor, syncs)
    finally:
        os.close(descriptor)
        path.unlink()


class BareFile:
    """The least that a commit can be: 4 KiB and a sync for each group."""

    def __init__(self, descriptor: int, syncs: list[float]) -> None:
        self._descriptor = descriptor
        self._syncs = syncs

    def perform(self, calls: Sequence[Call[object]]) -> None:
        """One write for all that waits."""
        self._syncs.append(timed(lambda: overwrite(self._descriptor)))

    def tidy(self) -> None:
        """Nothing is left behind."""


def milliseconds(seconds: Sequence[float]) -> Figures:
    """The middle, and what one in a hundred passes."""
    return {"p50": share(seconds, 0.5) * 1e3, "p99": share(seconds, 0.99) * 1e3}


def slow_disk(options: argparse.Namespace) -> Figures | str:
    """The same figures where a sync takes 1 ms and nothing else takes time."""
    memory = Path("/dev/shm")  # noqa: S108  # the file system in memory, where there is one
    if shutil.which("cc") is None or not memory.is_dir() or sys.platform != "linux":
        return "not measured: needs Linux and a C compiler"
    with tempfile.TemporaryDirectory(prefix="journal-", dir=memory) as folder:
        shim = Path(options.disk) / "slow_sync.so"
        source = shim.with_suffix(".c")
        source.write_text(SLOW_SYNC, encoding="utf-8")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", shim, source], check=True)
        command = [sys.executable, __file__, "--only", "commits", "--disk", folder, "--rounds", str(options.rounds)]
        done = subprocess.run(command, env={**os.environ, "LD_PRELOAD": str(shim)}, check=True, stdout=subprocess.PIPE)
    figures: Figures = json.loads(done.stdout)
    return figures


# -- a long journal --------------------------------------------------------------------------------------------------


def long_journal(options: argparse.Namespace) -> Figures:
    """Size, cold look-ups and the memory of a resume; the last one also for a journal of a hundredth of the length."""
    small, large = (Path(options.disk) / f"{name}.db" for name in ("small", "large"))
    fill(small, options.edits // 100)
    filled = timed(lambda: fill(large, options.edits))
    memory = {name: part("resume", path, edits) for name, path, edits in sized(options.edits, small, large)}
    growth = memory["large"]["peak_mb"] / memory["small"]["peak_mb"] - 1
    return {
        "edits": options.edits,
        "filled_in_s": filled,
        "size_mb": large.stat().st_size / 1e6,
        "bytes_per_edit": large.stat().st_size / options.edits,
        "cold": {
            **part("looks", large, options.edits),
            "status_command_s": status_command(large),
            "load": machine()["load"],
        },
        "resume": {**memory, "growth_of_memory": growth},
    }


def sized(edits: int, small: Path, large: Path) -> Iterator[tuple[str, Path, int]]:
    """The two journals."""
    yield "small", small, edits // 100
    yield "large", large, edits


def part(name: str, path: Path, edits: int) -> dict[str, float]:
    """One measurement in a process of its own, with nothing of the journal in the system's cache."""
    drop_from_cache(path)
    command = [sys.executable, __file__, "--only", name, "--disk", str(path), "--edits", str(edits)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def status_command(path: Path) -> float:
    """Seconds of the whole command, its start included; the median of a few times."""
    command = [sys.executable, "-m", "omniedit", "status", str(path)]

    def once() -> float:
        drop_from_cache(path)
        return timed(lambda: subprocess.run(command, check=True, stdout=subprocess.PIPE))

    return statistics.median(once() for _ in range(LOOKS))


def drop_from_cache(path: Path) -> None:
    """Clean pages are forgotten when asked for."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def fill(path: Path, edits: int) -> None:
    """A batch that was interrupted: all but the last edits are saved, those are under way or waiting."""
    with writable(path, ORIGIN) as connection:
        tables = Writing(connection)
        for first in range(0, edits, WAITERS):
            lives = [life(tables, number, edits) for number in range(first, min(edits, first + WAITERS))]
            while lives:
                connection.execute("BEGIN IMMEDIATE")
                lives = [alive for alive in lives if next(alive, None)]
                connection.execute("COMMIT")


def life(tables: Writing, number: int, edits: int) -> Iterator[bool]:
    """The writes of one edit, one at a time."""
    entry = new_entry(number)
    tables.admit([entry])
    yield True
    entry = sent(entry)
    tables.intend(entry)
    yield True
    task_id = f"task-unified-{1_757_165_031 + number}-{secrets.token_hex(4)}"
    entry = attrs.evolve(entry, status=Status.pending, task_id=task_id, submitted_at=NOW, credits_reserved=63.61)
    tables.answer(Answer(f"{entry.nonce}", Outcome.accepted, NOW, task_id), entry)
    yield True
    if number >= edits - OPEN:
        return
    link = f"https://media.evolink.ai/results/{task_id}/video.mp4"
    entry = attrs.evolve(entry, status=Status.completed, link=link, unfinished_at=NOW, deadline=NOW + timedelta(1))
    tables.write(entry)
    yield True
    done = attrs.evolve(entry, status=Status.saved, path=entry.target, size=4_123_456, credits_used=60.25)
    tables.write(attrs.evolve(done, sha256=secrets.token_hex(32)))


def looks(options: argparse.Namespace) -> Figures:
    """Seconds until the open rows are in hand, and until `status` knows its numbers."""
    return asyncio.run(look(Path(options.disk)))


async def look(path: Path) -> Figures:
    """Each with a reader that has just been made, and a file that nobody has read; the median of a few times."""
    opened: list[float] = []
    counted: list[float] = []
    for _ in range(LOOKS):
        rows, took = await cold(path, lambda reader: all_of(reader.entries(open_only=True)))
        assert len(rows) == OPEN
        opened.append(took)
        counts, took = await cold(path, lambda reader: reader.counts())
        counted.append(took)
    return {
        "open_rows_s": statistics.median(opened),
        "counts_s": statistics.median(counted),
        "statuses": dict(counts.statuses),
    }


async def cold(path: Path, ask: Callable[[SqliteReader], Awaitable[T]]) -> tuple[T, float]:
    """What a reader says, and how long it took."""
    drop_from_cache(path)
    reader = SqliteReader(path)
    begun = time.perf_counter()
    said = await ask(reader)
    took = time.perf_counter() - begun
    await reader.close()
    return said, took


async def all_of(entries: AsyncIterator[Entry]) -> list[Entry]:
    return [entry async for entry in entries]


def resume(options: argparse.Namespace) -> Figures:
    """The same batch again: every edit is offered, and what is open is read."""
    return asyncio.run(offer_all(Path(options.disk), options.edits))


async def offer_all(path: Path, edits: int) -> Figures:
    """In batches of 500, as they come from a manifest."""
    journal = SqliteJournal(path)
    await journal.open(ORIGIN)
    open_rows = sum([1 async for _ in journal.entries(open_only=True)])
    begun = time.perf_counter()
    for first in range(0, edits, 500):
        await journal.admit([new_entry(number) for number in range(first, min(edits, first + 500))])
    rate = edits / (time.perf_counter() - begun)
    await journal.close()
    assert open_rows == min(OPEN, edits)
    return {"peak_mb": peak_mb(), "known_edits_per_s": rate}


def peak_mb() -> float:
    """Of this process alone: what getrusage tells on Linux begins at the peak of the process that started this one."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    # Bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


# -- small things ----------------------------------------------------------------------------------------------------


def new_entry(number: int) -> Entry:
    """Names and a prompt as long as they often are."""
    name = f"{number:07d}-holiday.mp4"
    prompt = "Make the light warmer and remove the people in the background. No dialogue."
    edit = Edit(f"https://bucket.example.com/project-17/clips/{name}", prompt)
    return Entry(edit, target=f"videos/edited/{name}", status=Status.queued, at=NOW)


def sent(entry: Entry) -> Entry:
    """On its way."""
    return attrs.evolve(entry, status=Status.submitting, nonce=secrets.token_hex(16))


def timed(action: Callable[[], object]) -> float:
    """Seconds."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def share(values: Sequence[float], part: float) -> float:
    """The value below which this part of them lies."""
    return sorted(values)[int(len(values) * part)]


PARTS: dict[str, Callable[[argparse.Namespace], Figures]] = {"commits": commits, "looks": looks, "resume": resume}

if __name__ == "__main__":
    main()

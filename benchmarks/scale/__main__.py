"""`python -m benchmarks.scale [--edits 1000000]`: many edits through one journal, killed twice on the way.

A process of its own admits and finishes edits, all that a whole life writes; it is killed (SIGKILL) after about a third
and after about two thirds, and started again on the same file. In the end every edit must be there once and finished.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import attrs

from benchmarks.__main__ import store
from benchmarks.harness import ROOT, Figure
from omniedit import Edit
from omniedit.journal import SqliteJournal, SqliteReader
from omniedit.models import Answer, Entry, Outcome, Status

ORIGIN = "https://api.evolink.ai"
PAGE = 500


def main() -> None:
    """Run it whole, or one process of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=1_000_000)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.into:
        asyncio.run(work(options.into, options.edits))
        return
    with tempfile.TemporaryDirectory() as folder:
        store("scale", measure(Path(folder) / "edits.db", options.edits))


def measure(path: Path, edits: int) -> list[Figure]:
    """Two interruptions, three processes."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.scale", "--edits", str(edits), "--into", str(path)]
    resumed: list[float] = []
    used, most = 0.0, 0.0
    for share in (1 / 3, 2 / 3, 2.0):
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        started = time.perf_counter()
        assert worker.stdout is not None
        for line in worker.stdout:
            word, _, number = line.strip().partition(" ")
            if word == "resumed":
                resumed.append(time.perf_counter() - started)
            if word == "done" and int(number) >= share * edits:
                worker.kill()
        _, _, usage = os.wait4(worker.pid, 0)
        worker.stdout.close()
        used += usage.ru_utime + usage.ru_stime
        most = max(most, usage.ru_maxrss * 1024)
    took = time.perf_counter() - began
    counts = asyncio.run(statuses(path))
    assert counts == {Status.saved: edits}, counts
    name = f"{edits:,} edits through one journal:"
    size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    return [
        Figure(f"{name} saved, after two kills", counts[Status.saved], "edits", bar=edits, at_least=True),
        Figure(f"{name} edits a second, kills and restarts included", edits / took, "edits/s"),
        Figure(f"{name} size", size / edits, "bytes/edit"),
        Figure(f"{name} until the open rows are in hand again, slowest", max(resumed[1:]), "s"),
        Figure(f"{name} CPU of an edit, all three processes", used / edits * 1e6, "us"),
        Figure(f"{name} memory, the largest process", most / 1e6, "MB"),
    ]


async def work(path: Path, edits: int) -> None:
    """Go on where the journal stands: finish what is open, then what was never begun."""
    journal = SqliteJournal(path)
    await journal.open(ORIGIN)
    left = [entry async for entry in journal.entries(open_only=True)]
    print("resumed", flush=True)
    await asyncio.gather(*(finish(journal, entry) for entry in left))
    done = 0
    async for page in pages(journal, edits):
        await asyncio.gather(*(finish(journal, entry) for entry in page if not entry.status.terminal))
        done += PAGE
        print("done", done, flush=True)
    await journal.close()


async def pages(journal: SqliteJournal, edits: int) -> AsyncIterator[list[Entry]]:
    """All edits are offered each time, as when the same command is run again."""
    for first in range(0, edits, PAGE):
        offered = [proposal(number) for number in range(first, min(first + PAGE, edits))]
        yield [held for held in await journal.admit(offered) if isinstance(held, Entry)]


def proposal(number: int) -> Entry:
    """One edit as it is admitted."""
    edit = Edit(f"https://bucket.example.com/clips/{number:07d}-holiday.mp4", "Make the light warmer. No dialogue.")
    return Entry(edit, f"edited/{number:07d}-holiday.mp4", Status.queued, datetime.now(UTC))


async def finish(journal: SqliteJournal, entry: Entry) -> None:
    """What a whole life writes from where it stands: intent, answer, link, saved."""
    now = datetime.now(UTC)
    if entry.status == Status.queued:
        entry = attrs.evolve(entry, status=Status.submitting, nonce=entry.key)
        await journal.intend(entry)
    if entry.status == Status.submitting:
        task_id = f"task-unified-1757165031-{entry.key[:8]}"
        entry = attrs.evolve(entry, status=Status.pending, task_id=task_id, submitted_at=now, credits_reserved=63.61)
        await journal.answer(Answer(f"{entry.nonce}", Outcome.accepted, now, task_id), entry)
    if entry.status == Status.pending:
        entry = attrs.evolve(entry, status=Status.completed, link=f"https://media.evolink.ai/{entry.key}.mp4")
        await journal.write(entry)
    saved = attrs.evolve(entry, status=Status.saved, path=entry.target, size=4_123_456, sha256=entry.key * 2)
    await journal.write(saved)


async def statuses(path: Path) -> dict[Status, int]:
    """What the journal says in the end."""
    reader = SqliteReader(path)
    counts = await reader.counts()
    await reader.close()
    return {Status(status): number for status, number in counts.statuses.items() if number}


if __name__ == "__main__":
    main()

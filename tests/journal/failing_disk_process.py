"""A process whose files may not grow any more for a while, as on a disk that fails.

Usage: failing_disk_process.py JOURNAL

It prints what became of the writes before, during and after, one word each.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from omniedit.journal import SqliteJournal
from omniedit.journal.specimens import ORIGIN, new_entry
from omniedit.models import Entry

EDITS = 300


@contextmanager
def files_that_may_not_grow(size: int) -> Iterator[None]:
    """No file of this process may become larger than this many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def main(path: Path) -> None:
    """Write, fail to write, write again, on one open journal."""
    journal = SqliteJournal(path)
    await journal.open(ORIGIN)
    entries = [new_entry(number) for number in range(EDITS)]
    await journal.admit(entries)
    await write_all(journal, entries, 1)
    with files_that_may_not_grow(path.with_name(f"{path.name}-wal").stat().st_size):
        await write_all(journal, entries, 2)
    await write_all(journal, entries[: EDITS // 2], 3)
    await journal.close()


async def write_all(journal: SqliteJournal, entries: list[Entry], turn: int) -> None:
    """All at once; prints the different results."""
    calls = (journal.write(attrs.evolve(entry, renewals=turn, link="x" * 999)) for entry in entries)
    results = await asyncio.gather(*calls, return_exceptions=True)
    words = sorted({getattr(result, "code", str(result)) for result in results})
    sys.stdout.write(f"{' '.join(words)}\n")


if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    asyncio.run(main(Path(sys.argv[1])))

"""A process that takes edits through a journal and tells, through its standard output, what it was promised.

Usage: writing_process.py JOURNAL FIRST_NUMBER

It prints `NUMBER STEP` after each call that returned: 0 admitted, 1 intended, 2 answered, 3 saved. It never ends by
itself; the test kills it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys

import attrs

from omniedit.journal import SqliteJournal
from omniedit.journal.specimens import NOON, ORIGIN, new_entry
from omniedit.models import Answer, Outcome, Status

WRITERS = 20


async def main(path: str, first: int) -> None:
    """Many edits at once, so that groups are larger than one."""
    journal = SqliteJournal(path)
    await journal.open(ORIGIN)
    numbers = itertools.count(first)
    await asyncio.gather(*(write_on(journal, numbers) for _ in range(WRITERS)))


async def write_on(journal: SqliteJournal, numbers: itertools.count[int]) -> None:
    """One edit after the other."""
    for number in numbers:
        entry = new_entry(number)
        await journal.admit([entry])
        say(number, 0)
        entry = attrs.evolve(entry, status=Status.submitting, nonce=f"{number:032x}", renewals=1)
        await journal.intend(entry)
        say(number, 1)
        task = f"task-unified-{number}"
        entry = attrs.evolve(entry, status=Status.pending, task_id=task, renewals=2)
        await journal.answer(Answer(f"{number:032x}", Outcome.accepted, NOON, task), entry)
        say(number, 2)
        await journal.write(attrs.evolve(entry, status=Status.saved, path=entry.target, renewals=3))
        say(number, 3)


def say(number: int, step: int) -> None:
    """One line in one write: a pipe never tears it."""
    os.write(1, f"{number} {step}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))

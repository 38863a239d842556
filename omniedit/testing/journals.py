"""What a journal on disk holds, read whole: for tests that compare it with what the sandbox saw."""

from __future__ import annotations

from pathlib import Path

from omniedit.journal.sqlite import SqliteReader
from omniedit.models import Entry, Outcome

__all__ = ["read_journal"]


async def read_journal(path: Path) -> tuple[list[Entry], list[str]]:
    """All edits of a journal, and the ids of all accepted requests in it.

    Raises:
        JournalError: there is none, or it cannot be read.
    """
    reader = SqliteReader(path)
    try:
        entries = [entry async for entry in reader.entries()]
        attempts = [one for entry in entries for one in await reader.attempts(entry.key)]
    finally:
        await reader.close()
    return entries, [one.task_id or "" for one in attempts if one.outcome is Outcome.accepted]

"""Memory that survives a crash. What needs a database is loaded when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omniedit.journal.base import Counts, EditHeld, Journal, JournalReader, NameTaken
from omniedit.journal.memory import MemoryJournal
from omniedit.journal.opening import open_journal

if TYPE_CHECKING:
    from omniedit.journal.sqlite import SqliteJournal, SqliteReader

__all__ = [
    "Counts",
    "EditHeld",
    "Journal",
    "JournalReader",
    "MemoryJournal",
    "NameTaken",
    "SqliteJournal",
    "SqliteReader",
    "open_journal",
]


def __getattr__(name: str) -> object:
    if name in {"SqliteJournal", "SqliteReader"}:
        from omniedit.journal import sqlite

        return getattr(sqlite, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

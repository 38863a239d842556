"""Memory that survives a crash."""

from __future__ import annotations

from omniedit.journal.base import Counts, EditHeld, Journal, JournalReader, NameTaken
from omniedit.journal.memory import MemoryJournal
from omniedit.journal.opening import open_journal
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

"""From what a user gives for a journal to a journal."""

from __future__ import annotations

import os

from omniedit.errors import ConfigurationError
from omniedit.journal.base import Journal
from omniedit.journal.memory import MemoryJournal
from omniedit.journal.sqlite import SqliteJournal

__all__ = ["open_journal"]


def open_journal(journal: str | os.PathLike[str] | Journal | None) -> Journal:
    """The store for a path (SQLite), for `postgresql://...`, for None (memory only), or the journal itself.

    It is still to be opened.

    Raises:
        ConfigurationError: the text is an address of a kind of store that does not exist, or its driver is missing.
    """
    match journal:
        case None:
            return MemoryJournal()
        case str() if journal.startswith(("postgresql://", "postgres://")):
            from omniedit.journal.postgres import PostgresJournal

            return PostgresJournal(journal)
        case str() if "://" in journal:
            scheme = journal.partition("://")[0]
            raise ConfigurationError(
                f"there is no journal for addresses that begin with {scheme}://",
                mend="give a path, or postgresql://...",
            )
        case str() | os.PathLike():
            return SqliteJournal(journal)
        case _:
            return journal

"""From what a user gives for a journal to a journal."""

from __future__ import annotations

import os
import re
from pathlib import Path

from omniedit.errors import ConfigurationError
from omniedit.journal.base import Journal, JournalReader
from omniedit.journal.memory import MemoryJournal

__all__ = ["is_dsn", "open_journal", "open_reader", "refuse_address"]

_POSTGRES = ("postgresql://", "postgres://")
# At least two of them: a path may hold one.
_KEYWORDS = re.compile(r"(?i)\b(host|password|dbname)\s*=.*\b(host|user|password|dbname|port)\s*=")
_READERS_PATIENCE = 5.0  # seconds that a server may be away: somebody waits for the answer


def open_journal(journal: str | os.PathLike[str] | Journal | None) -> Journal:
    """The store for a path (SQLite), for `postgresql://...`, for None (memory only), or the journal itself.

    It is still to be opened.

    Raises:
        ConfigurationError: the text is an address of a kind of store that does not exist, or its driver is missing.
    """
    match journal:
        case None:
            return MemoryJournal()
        case str() if is_dsn(journal):
            from omniedit.journal.postgres import PostgresJournal

            return PostgresJournal(journal)
        case str() | os.PathLike():
            refuse_address(journal)
            from omniedit.journal.sqlite import SqliteJournal

            return SqliteJournal(journal)
        case _:
            return journal


def open_reader(journal: str | os.PathLike[str]) -> JournalReader:
    """What looks into the journal at a path or behind `postgresql://...`, and disturbs nobody who works on it.

    Raises:
        ConfigurationError: there is no such kind of store, or its driver is missing.
    """
    if is_dsn(journal):
        from omniedit.journal.postgres import PostgresReader

        return PostgresReader(str(journal), patience=_READERS_PATIENCE)
    refuse_address(journal)
    from omniedit.journal.sqlite import SqliteReader

    return SqliteReader(Path(journal))


def is_dsn(journal: str | os.PathLike[str]) -> bool:
    """Whether this is the address of a database rather than a path."""
    return isinstance(journal, str) and journal.lower().startswith(_POSTGRES)


def refuse_address(journal: str | os.PathLike[str]) -> None:
    """Refuse an address that is none of ours, before it is taken for a path and shown with its password.

    Raises:
        ConfigurationError: there is no such kind of store.
    """
    if isinstance(journal, str) and "://" in journal:
        scheme = journal.partition("://")[0]
        raise ConfigurationError(
            f"there is no journal for addresses that begin with {scheme}://", mend="give a path, or postgresql://..."
        )
    if isinstance(journal, str) and _KEYWORDS.search(journal):
        raise ConfigurationError(
            "a database is given by keywords (host=... dbname=...), which are not read here",
            mend="give postgresql://USER@HOST/DATABASE, with the password in PGPASSWORD or a password file",
        )

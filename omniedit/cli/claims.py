"""Which line of a manifest asks for which edit and which name, for any number of lines in little memory."""

from __future__ import annotations

import sqlite3
import unicodedata
from types import TracebackType
from typing import Self

import attrs

__all__ = ["Claim", "Claims"]


@attrs.frozen
class Claim:
    """What an earlier line asked for."""

    line: int
    name: str
    made: bool
    """The name was made from the source and gives way to one that somebody chose."""


class Claims:
    """A private database that SQLite keeps in memory while it is small, and in a file that has no name beyond that."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE edit (key BLOB PRIMARY KEY, line INTEGER, name TEXT) WITHOUT ROWID;"
            "CREATE TABLE name (name TEXT PRIMARY KEY, line INTEGER, made INTEGER) WITHOUT ROWID;"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def edit(self, key: str, line: int, name: str) -> Claim | None:
        """Claim an edit; the line that asked for the same one before."""
        added = self._database.execute("INSERT OR IGNORE INTO edit VALUES (?, ?, ?)", (bytes.fromhex(key), line, name))
        if added.rowcount:
            return None
        found = self._database.execute("SELECT line, name FROM edit WHERE key = ?", (bytes.fromhex(key),)).fetchone()
        return Claim(found[0], found[1], made=False)

    def count(self) -> int:
        """Edits claimed so far, the same one once."""
        (number,) = self._database.execute("SELECT count(*) FROM edit").fetchone()
        return int(number)

    def name(self, name: str, line: int, *, made: bool) -> Claim | None:
        """Claim a name, compared without case; the line that has it already."""
        folded = unicodedata.normalize("NFC", name).casefold()
        added = self._database.execute("INSERT OR IGNORE INTO name VALUES (?, ?, ?)", (folded, line, made))
        if added.rowcount:
            return None
        found = self._database.execute("SELECT line, made FROM name WHERE name = ?", (folded,)).fetchone()
        return Claim(found[0], name, made=bool(found[1]))

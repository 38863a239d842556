"""Groups of operations on a SQLite connection: one transaction each for the writer, none for the reader."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from omniedit.journal.database import is_of_the_disk, journal_error
from omniedit.journal.tables import Reading, Writing
from omniedit.journal.worker import Call, refuse

__all__ = ["Commits", "Looks"]

# The log is copied into the database after so many operations, or commits: it then holds some megabytes, whether many
# operations shared a commit or none did. A short log is soon used again from its start, and a commit in a file that
# does not grow is cheaper for the file system.
_CHECKPOINT_EVERY = 2_000
_CHECKPOINT_COMMITS = 500


class Looks:
    """Serves readers: every operation is one query, which sees one moment of the journal."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._tables = Reading(connection)

    def perform(self, calls: Sequence[Call[Reading]]) -> None:
        """Run them one after the other; a failure is its own call's."""
        for call in calls:
            try:
                call.run(self._tables)
            except Exception as error:  # noqa: BLE001  # whatever fails, its caller must hear of it
                call.error = journal_error(self._path, error)

    def tidy(self) -> None:
        """Reading leaves nothing behind."""


class Commits:
    """Serves the writer: a group is one transaction, and durable before anybody hears of it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._tables = Writing(connection)
        self._operations = 0
        self._commits = 0

    def perform(self, calls: Sequence[Call[Writing]]) -> None:
        """Commit the group; when something in it cannot be done, each call alone, so that only that one fails."""
        try:
            self._commit(calls)
        except Exception as error:  # noqa: BLE001  # whatever fails, the callers must hear of it
            if len(calls) == 1 or is_of_the_disk(error):
                refuse(calls, journal_error(self._path, error))
                return
            for call in calls:
                self.perform([call])

    @property
    def discarded(self) -> bool:
        """Whether somebody asked for the files to go when the journal is closed."""
        return self._tables.discarded

    def tidy(self) -> None:
        """Copy the log into the database now and then, while no caller waits for this group any more."""
        if self._operations >= _CHECKPOINT_EVERY or self._commits >= _CHECKPOINT_COMMITS:
            self._operations = self._commits = 0
            # What fails here (a full disk) is still in the log, which is durable; the next checkpoint tries again.
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _commit(self, calls: Sequence[Call[Writing]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for call in calls:
                call.run(self._tables)
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._operations += sum(call.weight for call in calls)
        self._commits += 1

    def _roll_back(self) -> None:
        """Some failures have rolled back already."""
        self._tables.forget()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

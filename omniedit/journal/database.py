"""Opening a journal's SQLite file, and saying clearly why it cannot be opened or written.

Everything here runs on one thread, the one that uses the connection.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from omniedit.errors import JournalError
from omniedit.journal.rows import entry_of, pack
from omniedit.journal.statements import migrations, queries

__all__ = ["files_of", "is_of_the_disk", "journal_error", "read_only", "writable"]

# "omni", so that `file` and this library know a journal from any other SQLite database.
_APPLICATION_ID = 0x6F6D6E69
# Pages are kept by the operating system as well; a small cache keeps the memory of a resume flat. KiB.
_CACHE = 2 * 1024
# Checkpoints are made between groups, see `writing`; this bound in pages only holds if they fail.
_LATEST_CHECKPOINT = 16_384
# Another program may look into the file with SQLite's own tools for a moment. Seconds.
_PATIENCE = 2.0

# What opening says where the index of the log cannot be made: in a folder without that right, on a full disk.
_NO_INDEX = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL}
# Primary result codes of SQLite (https://www.sqlite.org/rescode.html): code, what it means, how to mend it.
_REASONS = {
    sqlite3.SQLITE_FULL: ("disk_full", "the disk is full", "free some space and run the same command again"),
    sqlite3.SQLITE_IOERR: ("journal_io_error", "the disk failed", "check the disk, then run the same command again"),
    sqlite3.SQLITE_CORRUPT: (
        "journal_corrupt",
        "the file is damaged",
        "restore it from a copy, or recover it with `sqlite3 FILE .recover`",
    ),
    sqlite3.SQLITE_NOTADB: ("not_a_journal", "the file is no journal", "use another name for the journal"),
    sqlite3.SQLITE_READONLY: (
        "journal_unwritable",
        "the file or its folder cannot be written to",
        "give yourself the right to write there, or use another folder",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "journal_unwritable",
        "the file cannot be opened",
        "check that its folder exists and that you may write there",
    ),
    sqlite3.SQLITE_BUSY: ("journal_busy", "another program writes to it", "let that program end first"),
}


def _primary_code(error: BaseException) -> int:
    """The low byte of SQLite's extended result code; no room for the index of the log is a full disk, too."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return sqlite3.SQLITE_FULL if code == sqlite3.SQLITE_IOERR_SHMSIZE else code & 0xFF


def is_of_the_disk(error: BaseException) -> bool:
    """Whether an error would meet every write, and not only the one that raised it."""
    return _primary_code(error) in _REASONS


def journal_error(path: Path, error: Exception) -> JournalError:
    """What a failure of the store is called for people; our own errors stay what they are."""
    if isinstance(error, JournalError):
        return error
    code, what, mend = _REASONS.get(_primary_code(error), ("journal_error", _describe(error), None))
    return JournalError(f"the journal {path} cannot be used: {what}", code=code, mend=mend)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def files_of(path: Path) -> tuple[Path, ...]:
    """All files of a journal but its lock: the database, its write-ahead log and the index of that log."""
    return path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


@contextmanager
def writable(path: Path, origin: str) -> Generator[sqlite3.Connection]:
    """Open for writing, make or migrate the schema, and check that the journal belongs to the origin.

    The caller holds the lock. Raises `JournalError`.
    """
    _make(path)
    connection = _open(path, "rw")
    try:
        try:
            version = _version(path, connection)
            _keep_private(path)
            _set_up(path, connection)
            _migrate(connection, version)
            _check_origin(path, connection, origin)
            _check_keys(path, connection)
        except sqlite3.Error as error:
            raise journal_error(path, error) from error
        yield connection
    finally:
        connection.close()


@contextmanager
def read_only(path: Path) -> Generator[sqlite3.Connection]:
    """Open for reading while others may write. Raises `JournalError`."""
    _check_file(path)
    connection = _open_to_read(path)
    try:
        try:
            version = _version(path, connection)
        except sqlite3.Error as error:
            raise journal_error(path, error) from error
        if not version:
            raise JournalError(f"{path} is empty: no journal was begun in it", mend="check the path")
        if version != len(migrations("sqlite")):
            raise JournalError(
                f"the journal {path} was made by an older version", mend="run its batch once to bring it up to date"
            )
        yield connection
    finally:
        connection.close()


def _check_file(path: Path) -> None:
    """Say what is wrong with a path before SQLite does, in words that name other causes."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise JournalError(f"there is no journal at {path}", mend="check the path") from None
    except OSError as error:
        raise JournalError(
            f"the journal {path} cannot be read: {error.strerror}", mend="check the path, and who may read it"
        ) from None
    if not stat.S_ISREG(mode):
        raise _no_file(path)


def _no_file(path: Path) -> JournalError:
    return JournalError(f"the journal {path} is no file", mend="give the path of a file")


def _open(path: Path, mode: str) -> sqlite3.Connection:
    try:
        # Transactions are begun and ended by hand; a URI never takes a name such as ":memory:" for something else.
        return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=_PATIENCE)
    except sqlite3.Error as error:
        raise journal_error(path, error) from error


def _open_to_read(path: Path) -> sqlite3.Connection:
    """A write-ahead log needs a file beside it even to be read; where none can be made, nobody writes either."""
    connection = _open(path, "ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        log = files_of(path)[1]
        if _primary_code(error) not in _NO_INDEX or (log.exists() and log.stat().st_size):
            connection.close()
            raise journal_error(path, error) from error
        connection.close()
        return _open(path, "ro&immutable=1")
    return connection


def _make(path: Path) -> None:
    """Create the file with its mode, before SQLite does it with another.

    A file that is there is not opened: closing it again would drop the locks of other connections of this process.
    """
    try:
        if path.exists():
            if not stat.S_ISREG(path.stat().st_mode):
                raise _no_file(path)
            return
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise JournalError(
            f"cannot make the journal {path}: {error.strerror}",
            mend="use an existing folder in which you may write",
            code="journal_unwritable",
        ) from error


def _keep_private(path: Path) -> None:
    """Links are in it. Where a file system has no modes, or the file is somebody else's, nothing can be done."""
    for file in files_of(path):
        with suppress(OSError):
            file.chmod(0o600)


def _version(path: Path, connection: sqlite3.Connection) -> int:
    """The schema version; 0 for an empty file. Nothing is changed before this has passed."""
    tables = _number(connection, "SELECT count(*) FROM sqlite_schema")
    version = _number(connection, "PRAGMA user_version")
    if tables and _number(connection, "PRAGMA application_id") != _APPLICATION_ID:
        raise JournalError(
            f"{path} is a database of another program", mend="use another name for the journal", code="not_a_journal"
        )
    if version > len(migrations("sqlite")):
        raise JournalError(
            f"the journal {path} was made by a newer version of omniedit (its schema is {version})",
            mend="upgrade omniedit",
            code="newer_schema",
        )
    return version


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _set_up(path: Path, connection: sqlite3.Connection) -> None:
    mode = str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
    if mode != "wal":
        raise JournalError(
            f"the file system of {path} cannot hold a write-ahead log", mend="put the journal on a disk of this machine"
        )
    connection.execute("PRAGMA synchronous = FULL")
    # macOS: fsync alone leaves the data in the drive's cache.
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{_CACHE}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_LATEST_CHECKPOINT}")


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Apply what is missing, each migration with its number in one transaction."""
    for number, script in enumerate(migrations("sqlite")[version:], start=version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\n"
            f"PRAGMA application_id = {_APPLICATION_ID};\nPRAGMA user_version = {number};\nCOMMIT;"
        )


def _check_origin(path: Path, connection: sqlite3.Connection, origin: str) -> None:
    sql = queries("sqlite")
    known = connection.execute(sql["get_meta"], {"name": "origin"}).fetchone()
    if known is None:
        connection.execute(sql["put_meta"], {"name": "origin", "value": origin})
    elif known[0] != origin:
        raise JournalError(
            f"the journal {path} belongs to {known[0]}, not to {origin}",
            mend="use another journal for this service",
            code="other_origin",
        )


def _check_keys(path: Path, connection: sqlite3.Connection) -> None:
    """An edit whose key is made in another way would look new, and be paid for again."""
    row = connection.execute(queries("sqlite")["some_job"]).fetchone()
    if row is not None and pack(entry_of(row).key) != row[1]:
        raise JournalError(
            f"the journal {path} was written by a version of omniedit that names edits differently",
            mend="finish it with that version",
            code="other_keys",
        )

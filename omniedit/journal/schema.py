"""Making a journal in a database, bringing it up to date, and saying clearly why it cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omniedit.errors import JournalError
from omniedit.journal.columns import entry_of
from omniedit.journal.statements import migrations, queries

if TYPE_CHECKING:
    from asyncpg import Connection, Record

__all__ = ["check_readable", "prepare"]

# "omni"; one after the other, hosts that start at the same moment make the schema.
_ADVISORY_LOCK = 0x6F6D6E69
_SQL = queries("postgres")


async def prepare(connection: Connection[Record], origin: str) -> None:
    """Make or migrate the schema, and check that the journal belongs to the origin. May be done again.

    Raises:
        JournalError: another origin, a newer schema, another encoding than UTF-8.
    """
    if await _version(connection) != len(migrations("postgres")) or await _origin(connection) is None:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
            await _make(connection, origin)
    await _check_origin(connection, origin)
    await _check_keys(connection)


async def _make(connection: Connection[Record], origin: str) -> None:
    await _check_encoding(connection)
    await _migrate(connection)
    if await _origin(connection) is None:
        await connection.execute(_SQL["put_meta"], "origin", origin)


async def check_readable(connection: Connection[Record]) -> None:
    """Check that there is a journal of this version.

    Raises:
        JournalError: there is none, or one of another version.
    """
    version = await _version(connection)
    if version == 0:
        raise JournalError(
            "there is no journal in this database", mend="run a batch or enqueue first", code="not_a_journal"
        )
    _check_version(version)
    if version < len(migrations("postgres")):
        raise JournalError("the journal was made by an older version", mend="run its batch once to bring it up to date")


async def _check_encoding(connection: Connection[Record]) -> None:
    encoding = await connection.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        raise JournalError(
            f"the database holds text as {encoding}", mend="make one that holds UTF8: createdb -E UTF8 -T template0"
        )


async def _migrate(connection: Connection[Record]) -> None:
    version = await _version(connection)
    _check_version(version)
    if version == 0:
        await connection.execute("CREATE SCHEMA IF NOT EXISTS omniedit")
    for script in migrations("postgres")[version:]:
        await connection.execute(script)
    if version < len(migrations("postgres")):
        await connection.execute(_SQL["put_meta"], "schema", str(len(migrations("postgres"))))


async def _version(connection: Connection[Record]) -> int:
    """The schema version; 0 where there is none."""
    # Not `to_regclass`: it may remember from before the lock that there was no such schema.
    if not await connection.fetchval(_SQL["has_meta"]):
        return 0
    return int(await connection.fetchval(_SQL["get_meta"], "schema") or 0)


def _check_version(version: int) -> None:
    if version > len(migrations("postgres")):
        raise JournalError(
            f"the journal was made by a newer version of omniedit (its schema is {version})",
            mend="upgrade omniedit",
            code="newer_schema",
        )


async def _origin(connection: Connection[Record]) -> str | None:
    found: str | None = await connection.fetchval(_SQL["get_meta"], "origin")
    return found


async def _check_origin(connection: Connection[Record], origin: str) -> None:
    known = await _origin(connection)
    if known != origin:
        raise JournalError(
            f"the journal belongs to {known}, not to {origin}",
            mend="use another database for this service",
            code="other_origin",
        )


async def _check_keys(connection: Connection[Record]) -> None:
    """An edit whose key is made in another way would look new, and be paid for again."""
    row = await connection.fetchrow(_SQL["some_entry"])
    if row is not None and entry_of(row).key != row["key"]:
        raise JournalError(
            "the journal was written by a version of omniedit that names edits differently",
            mend="finish it with that version",
            code="other_keys",
        )

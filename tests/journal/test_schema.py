"""The SQL in its files: migrations, indexes, and what is promised to be found by index."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from omniedit.journal.base import Counts
from omniedit.journal.database import writable
from omniedit.journal.rows import target_mark
from omniedit.journal.specimens import ORIGIN, new_entry
from omniedit.journal.statements import Statement, migrations, queries, statements
from omniedit.journal.tables import Writing
from omniedit.models import Status

TABLES = Path(__file__).parents[2] / "omniedit" / "journal"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty journal, open for writing."""
    with writable(tmp_path / "journal.db", ORIGIN) as connection:
        yield connection


def plan(connection: sqlite3.Connection, query: str) -> str:
    """How SQLite would find the rows."""
    statement = statements("sqlite")[query]
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", [None] * len(statement.names))
    return "\n".join(row[3] for row in rows)


def test_commits_are_synced(connection: sqlite3.Connection) -> None:
    """A commit is on the disk when it returns: write-ahead log, synced at every commit."""
    settings = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert settings == ["wal", 2]


def test_schema_version_is_the_number_of_migrations(connection: sqlite3.Connection) -> None:
    """Every script was applied, and none is applied again."""
    assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations("sqlite")),)
    connection.execute("BEGIN")
    connection.execute("ROLLBACK")


@pytest.mark.parametrize("query", sorted(queries("sqlite")))
def test_query_is_valid_and_used(query: str, connection: sqlite3.Connection) -> None:
    """Each named query can be prepared, and somebody runs it."""
    assert plan(connection, query) or query.startswith(("add_", "put_"))
    assert any(f'"{query}"' in file.read_text() for file in TABLES.glob("*.py"))


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("page_of_open", "USING INDEX state_open (job>?)"),
        ("page_of_open_status", "USING INDEX state_open (job>?)"),
        ("page_of_ended_status", "USING INDEX state_ended (status=? AND job>?)"),
        ("page_of_all", "USING INTEGER PRIMARY KEY (rowid>?)"),
        ("entry_of_key", "sqlite_autoindex_job_1 (key=?)"),
        ("entry_of_nonce", "sqlite_autoindex_attempt_1 (nonce=?)"),
        ("jobs_of_target", "USING INDEX job_target (target_mark=?)"),
        ("attempts_of_key", "attempt USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("key_of_nonce", "sqlite_autoindex_attempt_1 (nonce=?)"),
    ],
)
def test_rows_are_found_by_index(query: str, index: str, connection: sqlite3.Connection) -> None:
    """No table is scanned and nothing is sorted, however long the journal is."""
    steps = plan(connection, query)
    assert index in steps
    assert not re.search(r"^SCAN (?!CONSTANT)|TEMP B-TREE", steps, flags=re.MULTILINE)


def test_counts_read_the_totals_alone(connection: sqlite3.Connection) -> None:
    """However long the journal is, only a row for each status is read."""
    rows = connection.execute(f"EXPLAIN {statements('sqlite')['counts'].sql}").fetchall()
    roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_schema"))
    assert [row[3] for row in rows if row[1] == "OpenRead"] == [roots["total"]]


def test_journal_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    """Its edits are counted once, and go on being counted."""
    path = tmp_path / "journal.db"
    first, second = new_entry(1), attrs.evolve(new_entry(2), credits_reserved=0.1, credits_used=63.61)
    with writable(path, ORIGIN) as connection:
        Writing(connection).admit([first, second])
    with closing(sqlite3.connect(path)) as old:
        old.executescript(
            "DROP TRIGGER state_added; DROP TRIGGER state_moved; DROP TABLE total; DROP INDEX state_ended;"
            "CREATE INDEX state_ended ON state (is_open, status, job, credits_reserved, credits_used)"
            " WHERE is_open = 0; PRAGMA user_version = 1"
        )
    with writable(path, ORIGIN) as connection:
        tables = Writing(connection)
        assert tables.counts() == Counts({Status.queued: 2}, 0.1, 63.61)
        tables.write(attrs.evolve(second, status=Status.failed))
        assert tables.counts() == Counts({Status.queued: 1, Status.failed: 1}, 0.1, 63.61)


def test_targets_that_only_share_a_mark_are_different(connection: sqlite3.Connection) -> None:
    """Two texts may have the same six bytes; the texts decide."""
    tables = Writing(connection)
    first, second = new_entry(1), new_entry(2)
    tables.admit([first])
    connection.execute("UPDATE job SET target_mark = ?", [target_mark(second.target)])
    assert tables.admit([second]) == [second]


def test_parameters_keep_their_order() -> None:
    """Named parameters become positions, also when one is used twice or named in a comment."""
    statement = Statement.of("SELECT :b, :a -- not :c\nWHERE x = :b")
    assert statement.sql.split() == ["SELECT", "?,", "?", "WHERE", "x", "=", "?"]
    assert statement.values({"a": 1, "b": 2, "c": 3}) == (2, 1, 2)


def test_view_can_be_read_with_other_tools(tmp_path: Path) -> None:
    """`SELECT * FROM entry` shows a person what is where."""
    path = tmp_path / "journal.db"
    with writable(path, ORIGIN) as connection:
        Writing(connection).admit([new_entry(7)])
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT source_folder || source_name, prompt FROM entry").fetchone()
    assert row == ("https://example.com/clips/7.mp4", "Make the light warmer")

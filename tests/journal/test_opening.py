"""What a user may give for a journal."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from omniedit.errors import ConfigurationError
from omniedit.journal import MemoryJournal, SqliteJournal, open_journal
from omniedit.journal.opening import is_dsn, open_reader, refuse_address


@pytest.mark.parametrize("kind", [str, Path])
def test_path_is_a_file(kind: type, tmp_path: Path) -> None:
    """As text or as a path; nothing is made before it is opened."""
    path = tmp_path / "journal.db"
    journal = open_journal(kind(path))
    assert isinstance(journal, SqliteJournal)
    assert journal.path == path.resolve()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_memory_and_a_journal_is_itself() -> None:
    """None remembers for this process only."""
    journal = open_journal(None)
    assert isinstance(journal, MemoryJournal)
    assert open_journal(journal) is journal


def test_an_address_of_postgresql_is_a_shared_journal() -> None:
    """Its password is not shown."""
    journal = open_journal("postgresql://me:s3cr3t@db.example.com/edits")
    assert repr(journal) == "PostgresJournal('postgresql://db.example.com/edits')"


@pytest.mark.parametrize("scheme", ["mysql", "postgresql+asyncpg"])
@pytest.mark.parametrize("opened", [open_journal, open_reader, refuse_address])
def test_unknown_address_is_refused(scheme: str, opened: Callable[[str], object]) -> None:
    """It is no path, no file of that name is made, and its password is not shown."""
    with pytest.raises(ConfigurationError, match=re.escape(f"{scheme}://")) as refused:
        opened(f"{scheme}://me:s3cr3t@localhost/edits")
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize("text", ["host=db password=s3cr3t dbname=a", "dbname = a user=me password=s3cr3t"])
@pytest.mark.parametrize("opened", [open_journal, open_reader, refuse_address])
def test_keywords_of_a_database_are_refused(text: str, opened: Callable[[str], object]) -> None:
    """They are no path, and nothing of them is shown."""
    with pytest.raises(ConfigurationError, match="keywords") as refused:
        opened(text)
    assert "s3cr3t" not in str(refused.value)


def test_a_path_may_have_an_equals_sign() -> None:
    """One keyword alone makes no address."""
    assert "runs/host=a/edits.db" in repr(open_journal("runs/host=a/edits.db"))


def test_a_scheme_may_be_in_capitals() -> None:
    """As everywhere in addresses."""
    assert is_dsn("PostgreSQL://me@db.example.com/edits")


def test_repr_names_the_journal(tmp_path: Path) -> None:
    """And nothing of what is in it."""
    path = tmp_path / "journal.db"
    assert repr(open_journal(path)) == f"SqliteJournal({str(path)!r})"
    assert repr(open_journal(None)) == "MemoryJournal(0 edits)"

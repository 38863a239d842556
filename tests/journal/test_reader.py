"""Reading a journal from outside: while a batch writes, after a crash, and where there is none."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from omniedit.errors import JournalError
from omniedit.journal import SqliteJournal, SqliteReader
from omniedit.journal.specimens import ORIGIN, all_of, new_entry
from omniedit.models import Answer, Outcome, Status

WRITER = Path(__file__).with_name("writing_process.py")


async def test_reader_sees_what_another_process_has_committed(tmp_path: Path) -> None:
    """Again and again, never less than before; and after the writer was killed too."""
    path = tmp_path / "journal.db"
    totals: list[int] = []
    with subprocess.Popen([sys.executable, WRITER, path, "0"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            for _ in range(1000):
                process.stdout.readline()
                reader = SqliteReader(path)
                totals.append(sum((await reader.counts()).statuses.values()))
                assert len(await all_of(reader.entries())) >= totals[-1]
                await reader.close()
                if len(totals) >= 10 and totals[-1] > totals[0]:  # the first ten lines may have waited in the pipe
                    break
        finally:
            process.kill()
    assert totals == sorted(totals)
    assert totals[-1] > totals[0]
    reader = SqliteReader(path)
    assert sum((await reader.counts()).statuses.values()) >= totals[-1]
    await reader.close()


async def test_reader_does_not_lock_the_writer_out(tmp_path: Path) -> None:
    """A reader in the middle of its pages, and one of SQLite's own, while the journal is written and closed."""
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    await journal.open(ORIGIN)
    await journal.admit([new_entry(number) for number in range(600)])
    reader = SqliteReader(path)
    pages = aiter(reader.entries())
    await anext(pages)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT * FROM entry").fetchone()
        await asyncio.gather(*(journal.write(attrs.evolve(new_entry(n), status=Status.saved)) for n in range(600)))
        await journal.close()
        assert connection.execute("SELECT count(*) FROM state WHERE is_open").fetchone() == (600,)
    assert len([entry async for entry in pages]) == 599
    assert (await reader.counts()).statuses == {Status.saved: 600}
    await reader.close()


async def test_reading_changes_nothing(tmp_path: Path) -> None:
    """A reader makes no journal where there is none, and cannot write where there is one."""
    reader = SqliteReader(tmp_path / "journal.db")
    with pytest.raises(JournalError, match="there is no journal at"):
        await reader.counts()
    with pytest.raises(JournalError, match="there is no journal at"):
        await reader.entry("0" * 32)
    await reader.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "why"), [("", "is no file"), ("x" * 300, "cannot be read: File name too long")])
async def test_a_path_that_can_be_no_journal_is_named(tmp_path: Path, name: str, why: str) -> None:
    """A folder, and a name that no file has: nobody is sent to look for a broken disk."""
    reader = SqliteReader(tmp_path / name)
    with pytest.raises(JournalError, match=why):
        await reader.counts()
    await reader.close()


@pytest.mark.parametrize("content", [b"", b"\0\0\0\x20ftypisom" * 1000], ids=["empty", "clip"])
async def test_reader_says_what_is_no_journal(content: bytes, tmp_path: Path) -> None:
    """A file that is something else, or nothing yet."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    reader = SqliteReader(path)
    with pytest.raises(JournalError, match=r"clip\.mp4"):
        await reader.counts()
    await reader.close()
    assert path.read_bytes() == content


async def test_closed_reader_stays_closed(tmp_path: Path) -> None:
    """Closing twice is allowed, also when nothing was ever read."""
    reader = SqliteReader(tmp_path / "journal.db")
    await reader.close()
    await reader.close()
    with pytest.raises(JournalError, match="not open"):
        await reader.counts()


async def test_a_task_is_known_wherever_it_stands(tmp_path: Path) -> None:
    """With an accepted request, with one of an earlier life, and with a state alone; strange ids harm nobody."""
    first = attrs.evolve(new_entry(1, Status.submitting), nonce="1" * 32)
    again = attrs.evolve(first, nonce="2" * 32)
    alone = attrs.evolve(new_entry(2, Status.pending), task_id="task-unified-3")
    journal = SqliteJournal(tmp_path / "journal.db")
    await journal.open(ORIGIN)
    await journal.admit([new_entry(1), new_entry(2)])
    for number, entry in enumerate((first, again), start=1):
        task_id = f"task-unified-{number}"
        await journal.intend(entry)
        pending = attrs.evolve(entry, status=Status.pending, task_id=task_id)
        await journal.answer(Answer(entry.nonce or "", Outcome.accepted, entry.at, task_id), pending)
    await journal.write(alone)
    asked = [f"task-unified-{number}" for number in range(6)]
    assert await journal.known_tasks([*asked, "été", "'); --", ""]) == frozenset(asked[1:4])
    assert await journal.known_tasks([]) == frozenset()
    await journal.close()

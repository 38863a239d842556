"""Group commit: few transactions for many writes, and one failing write is one failing write."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from omniedit.errors import JournalError
from omniedit.journal import SqliteJournal, SqliteReader
from omniedit.journal.specimens import ORIGIN, all_of, new_entry
from omniedit.models import Entry

FAILING_DISK = Path(__file__).with_name("failing_disk_process.py")
# Layout of a write-ahead log: https://www.sqlite.org/fileformat2.html#walformat
LOG_HEADER, FRAME_HEADER = 32, 24


def transactions(path: Path) -> int:
    """Commits in the log of an open journal: frames that carry the size of the database."""
    log = path.with_name(f"{path.name}-wal").read_bytes()
    (page,) = struct.unpack_from(">I", log, 8)
    frames = range(LOG_HEADER, len(log), FRAME_HEADER + page)
    return sum(1 for at in frames if struct.unpack_from(">I", log, at + 4)[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal of a test lies."""
    return tmp_path / "journal.db"


async def open_with(path: Path, edits: int) -> tuple[SqliteJournal, list[Entry]]:
    """An open journal and the edits that are in it."""
    journal = SqliteJournal(path)
    await journal.open(ORIGIN)
    entries = [new_entry(number) for number in range(edits)]
    await journal.admit(entries)
    return journal, entries


async def test_thousand_writes_share_a_few_commits(path: Path) -> None:
    """At most 256 in one, so at least 4; and not many more, since the loop hands them over at once."""
    journal, entries = await open_with(path, 1000)
    before = transactions(path)
    await asyncio.gather(*(journal.write(attrs.evolve(entry, renewals=1)) for entry in entries))
    commits = transactions(path) - before
    await journal.close()
    assert 4 <= commits <= 8


async def test_write_is_durable_before_it_returns(path: Path) -> None:
    """Each awaited write has added a commit to the log."""
    journal, entries = await open_with(path, 1)
    for turn in range(5):
        before = transactions(path)
        await journal.write(attrs.evolve(entries[0], renewals=turn + 1))
        assert transactions(path) == before + 1
    await journal.close()


async def test_value_that_sql_cannot_hold_fails_alone(path: Path) -> None:
    """The others of its transaction are committed all the same."""
    journal, entries = await open_with(path, 50)
    wrong: dict[int, dict[str, Any]] = {7: {"size": 2**64}, 20: {"error_message": object()}}
    calls = [journal.write(attrs.evolve(e, renewals=1, **wrong.get(n, {}))) for n, e in enumerate(entries)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    found = await all_of(journal.entries())
    await journal.close()
    assert {n for n, result in enumerate(results) if isinstance(result, JournalError)} == set(wrong)
    assert {n for n, entry in enumerate(found) if entry.renewals == 0} == set(wrong)


async def test_admission_after_a_rollback_finds_its_phrases(path: Path) -> None:
    """Texts that were written in a transaction that failed are written again."""
    journal, _ = await open_with(path, 1)
    fine = attrs.evolve(new_entry(2), target="elsewhere/2.mp4")
    broken = attrs.evolve(new_entry(3), target="elsewhere/3.mp4", size=2**64)
    results = await asyncio.gather(journal.admit([fine, broken]), return_exceptions=True)
    assert isinstance(results[0], JournalError)
    await journal.admit([fine])
    assert await journal.entry(fine.key) == fine
    await journal.close()


async def test_more_calls_than_there_is_room_for(path: Path) -> None:
    """They wait for room, in order; none is lost, and closing waits for them too."""
    journal, entries = await open_with(path, 10)
    calls = [asyncio.ensure_future(journal.write(attrs.evolve(e, renewals=t))) for t in range(600) for e in entries]
    await asyncio.sleep(0)
    await asyncio.gather(journal.close(), journal.close())
    assert all(call.done() for call in calls)
    await asyncio.gather(*calls)
    reader = SqliteReader(path)
    assert {entry.renewals for entry in await all_of(reader.entries())} == {599}
    await reader.close()


async def test_cancelled_callers_leave_the_rest_alone(path: Path) -> None:
    """Some cancelled while they wait for room, some while they wait for their commit."""
    journal, entries = await open_with(path, 3000)
    calls = [asyncio.ensure_future(journal.write(attrs.evolve(entry, renewals=1))) for entry in entries]
    await asyncio.sleep(0)
    for call in calls[::3]:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    kept = [entry for number, entry in enumerate(entries) if number % 3]
    assert [result for number, result in enumerate(results) if number % 3] == [None] * len(kept)
    written = {entry.key for entry in await all_of(journal.entries()) if entry.renewals}
    await journal.close()
    assert written >= {entry.key for entry in kept}


async def test_cancelled_opening_leaves_nothing(path: Path) -> None:
    """No thread, no lock; and the journal can be opened afterwards."""
    journal = SqliteJournal(path)
    opening = asyncio.ensure_future(journal.open(ORIGIN))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("omniedit")]
    await journal.open(ORIGIN)
    await journal.close()


async def test_cancelled_closing_still_closes(path: Path) -> None:
    """What was called is committed, and the lock is given up."""
    journal, entries = await open_with(path, 1)
    last = asyncio.ensure_future(journal.write(attrs.evolve(entries[0], renewals=1)))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(journal.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await last
    await journal.close()
    again = SqliteJournal(path)
    await again.open(ORIGIN)
    assert await again.entry(entries[0].key) == attrs.evolve(entries[0], renewals=1)
    await again.close()


def test_journal_lives_in_one_event_loop(path: Path) -> None:
    """Another loop is refused in words, and may still close it."""
    journal = SqliteJournal(path)
    asyncio.run(journal.open(ORIGIN))
    with pytest.raises(JournalError, match="another event loop"):
        asyncio.run(journal.admit([new_entry(1)]))
    asyncio.run(journal.close())
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_failing_disk_fails_the_waiting_writes_and_no_others(path: Path) -> None:
    """Those that waited get an error and are not in the journal; later ones are, and so are earlier ones."""
    done = subprocess.run([sys.executable, FAILING_DISK, path], capture_output=True, text=True, check=True, timeout=60)
    before, during, after = done.stdout.splitlines()
    assert (before, during, after) == ("None", "journal_io_error", "None")
    reader = SqliteReader(path)
    turns = [entry.renewals for entry in await all_of(reader.entries())]
    await reader.close()
    assert turns == [3] * 150 + [1] * 150


async def write_one_by_one(journal: SqliteJournal, entries: list[Entry]) -> None:
    """4 MB in all."""
    for entry in entries:
        await journal.write(attrs.evolve(entry, error_message="x" * 20_000))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", disk], check=True)


async def test_full_disk_is_survived(small_disk: Path) -> None:
    """It is called by its name; with room again the same journal goes on."""
    ballast = small_disk / "clip.mp4"
    ballast.write_bytes(bytes(1 << 20))
    journal, entries = await open_with(small_disk / "journal.db", 200)
    with pytest.raises(JournalError, match="the disk is full") as caught:
        await write_one_by_one(journal, entries)
    before = await all_of(journal.entries())
    ballast.unlink()
    await journal.write(attrs.evolve(entries[0], renewals=1))
    found = await all_of(journal.entries())
    await journal.close()
    assert caught.value.code == "disk_full"
    assert found == [attrs.evolve(entries[0], renewals=1), *before[1:]]


async def test_journal_on_a_full_disk_can_be_read_and_says_why_it_cannot_be_written(small_disk: Path) -> None:
    """Not even its lock file can be signed there; with room again it opens."""
    path, new = small_disk / "journal.db", small_disk / "new.db"
    journal, entries = await open_with(path, 3)
    await journal.close()
    ballast = small_disk / "clip.mp4"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    for one in (path, new):
        with pytest.raises(JournalError, match="the disk is full") as caught:
            await SqliteJournal(one).open(ORIGIN)
        assert caught.value.code == "disk_full"
    reader = SqliteReader(path)
    assert await all_of(reader.entries()) == entries
    await reader.close()
    ballast.unlink()
    for one in (path, new):
        journal = SqliteJournal(one)
        await journal.open(ORIGIN)
        await journal.close()


async def test_database_held_by_another_program_is_an_error_in_the_end(path: Path) -> None:
    """SQLite's own tools may write for a moment; after some seconds the waiting writes are told."""
    journal, entries = await open_with(path, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="another program writes to it"):
            await journal.write(attrs.evolve(entries[0], renewals=1))
        other.execute("ROLLBACK")
    await journal.write(attrs.evolve(entries[0], renewals=2))
    await journal.close()

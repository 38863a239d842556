"""The file of a journal: whose it is, who may open it, and what is said when it cannot be opened."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from omniedit.errors import JournalBusy, JournalError
from omniedit.journal import Counts, SqliteJournal, SqliteReader
from omniedit.journal.specimens import ORIGIN, new_entry
from omniedit.models import Status


async def make(path: Path, edits: int = 1) -> None:
    """A closed journal with some edits."""
    journal = SqliteJournal(path)
    await journal.open(ORIGIN)
    await journal.admit([new_entry(number) for number in range(edits)])
    await journal.close()


async def refused(path: Path) -> JournalError:
    """The error with which a journal cannot be opened; afterwards nobody holds it."""
    journal = SqliteJournal(path)
    with pytest.raises(JournalError) as caught:
        await journal.open(ORIGIN)
    assert not path.with_name(f"{path.name}.lock").exists()
    assert caught.value.mend
    return caught.value


def change(path: Path, statement: str) -> None:
    """Alter a closed journal behind its back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


@pytest.fixture
def loose_umask() -> Iterator[None]:
    """A umask that would let everybody read new files."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("loose_umask")
async def test_all_files_are_private(tmp_path: Path) -> None:
    """Links are in them: mode 0600, also for a file that was looser before."""
    path = tmp_path / "journal.db"
    await make(path)
    path.chmod(0o664)
    journal = SqliteJournal(path)
    await journal.open(ORIGIN)
    await journal.write(attrs.evolve(new_entry(0), status=Status.saved))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    await journal.close()
    assert modes == dict.fromkeys(["journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock"], 0o600)


async def test_second_open_in_this_process_is_refused(tmp_path: Path) -> None:
    """The same object, another object, and another name of the same file."""
    path, link = tmp_path / "journal.db", tmp_path / "link.db"
    link.symlink_to(path)
    journal = SqliteJournal(path)
    await journal.open(ORIGIN)
    for other in (journal, SqliteJournal(path), SqliteJournal(link)):
        with pytest.raises(JournalBusy, match=r"already open|this process") as caught:
            await other.open(ORIGIN)
        assert caught.value.pid == os.getpid()
    await journal.admit([new_entry(1)])
    await journal.close()


async def test_lock_left_by_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    """The file may still be there; the lock went with its process."""
    path = tmp_path / "journal.db"
    path.with_name("journal.db.lock").write_text("1\n")
    await make(path)
    assert [file.name for file in tmp_path.iterdir()] == ["journal.db"]


@pytest.mark.parametrize("name", [":memory:", "a b?mode=ro#c%41.db", "caf\udce9.db", "雪.db"])
async def test_any_file_name_will_do(name: str, tmp_path: Path) -> None:
    """Names that mean something else to SQLite are names of files here."""
    path = tmp_path / name
    await make(path)
    assert os.listdir(tmp_path) == [name]  # noqa: PTH208  # names, and not paths made from names
    reader = SqliteReader(path)
    assert (await reader.counts()).statuses == {Status.queued: 1}
    await reader.close()


async def test_removed_journal_leaves_nothing(tmp_path: Path) -> None:
    """`remove` takes every file with it; a second call, or one before opening, does nothing."""
    journal = SqliteJournal(tmp_path / "journal.db")
    await journal.remove()
    await journal.open(ORIGIN)
    await journal.admit([new_entry(1)])
    await journal.remove()
    await journal.remove()
    assert list(tmp_path.iterdir()) == []


async def test_journal_can_be_opened_again(tmp_path: Path) -> None:
    """The same object, after it was closed, and after opening failed."""
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    await journal.open(ORIGIN)
    await journal.close()
    with pytest.raises(JournalError, match=r"belongs to https://api\.evolink\.ai, not to http://localhost"):
        await journal.open("http://localhost")
    await journal.open(ORIGIN)
    assert await journal.counts() == Counts({}, 0, 0)
    await journal.close()


async def test_newer_schema_is_refused(tmp_path: Path) -> None:
    """And stays as it is."""
    path = tmp_path / "journal.db"
    await make(path)
    change(path, "PRAGMA user_version = 99")
    before = path.read_bytes()
    error = await refused(path)
    assert (error.code, "newer version" in str(error)) == ("newer_schema", True)
    assert path.read_bytes() == before


async def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    """It is not touched."""
    path = tmp_path / "photos.db"
    change(path, "CREATE TABLE photo (id)")
    path.chmod(0o644)
    before = path.read_bytes()
    assert (await refused(path)).code == "not_a_journal"
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


async def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """A clip given as journal by mistake stays a clip."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\0\0\0\x20ftypisom" * 1000)
    assert (await refused(path)).code == "not_a_journal"
    assert path.read_bytes() == b"\0\0\0\x20ftypisom" * 1000


async def test_damaged_journal_is_refused(tmp_path: Path) -> None:
    """Where the damage is met, it is called damage."""
    path = tmp_path / "journal.db"
    await make(path, edits=500)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * 8192 + whole[12288:])
    assert (await refused(path)).code == "journal_corrupt"


async def test_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    """What a crash in the very first moment leaves behind."""
    path = tmp_path / "journal.db"
    path.touch()
    await make(path, edits=3)
    await make(path)
    reader = SqliteReader(path)
    assert len([entry async for entry in reader.entries()]) == 3
    await reader.close()


async def test_edits_named_in_another_way_are_refused(tmp_path: Path) -> None:
    """If an edit's key were made differently now, it would look new and be paid for again."""
    path = tmp_path / "journal.db"
    await make(path)
    change(path, "UPDATE job SET key = x'00'")
    assert (await refused(path)).code == "other_keys"


@pytest.mark.parametrize("damage", ["UPDATE state SET status = 99", "UPDATE state SET at = 'x'"])
async def test_row_that_another_program_has_written_is_damage(damage: str, tmp_path: Path) -> None:
    """To whoever opens the journal."""
    path = tmp_path / "journal.db"
    await make(path)
    change(path, damage)
    assert (await refused(path)).code == "journal_corrupt"


async def test_attempt_that_another_program_has_written_is_damage(tmp_path: Path) -> None:
    """To whoever reads it."""
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    await journal.open(ORIGIN)
    await journal.admit([new_entry(1)])
    await journal.intend(attrs.evolve(new_entry(1), nonce="n"))
    await journal.close()
    change(path, "UPDATE attempt SET outcome = 99")
    reader = SqliteReader(path)
    with pytest.raises(JournalError, match="damaged") as caught:
        await reader.attempts(new_entry(1).key)
    assert caught.value.code == "journal_corrupt"
    await reader.close()


async def test_missing_folder_is_named(tmp_path: Path) -> None:
    """The message has the path."""
    path = tmp_path / "missing" / "journal.db"
    assert str(path) in str(await refused(path))


async def test_folder_is_no_journal(tmp_path: Path) -> None:
    """Nor is anything else that is no file."""
    path = tmp_path / "folder"
    path.mkdir()
    assert "is no file" in str(await refused(path))
    os.mkfifo(tmp_path / "pipe")
    assert "is no file" in str(await refused(tmp_path / "pipe"))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
async def test_read_only_folder_and_file_are_refused(tmp_path: Path) -> None:
    """Nothing is sent when nothing can be remembered."""
    path = tmp_path / "journal.db"
    await make(path)
    path.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        assert (await refused(path)).code == "journal_unwritable"
    finally:
        tmp_path.chmod(0o700)


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that is `tmp_path/disk`, mounted so that even the superuser cannot write to it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    asyncio.run(make(disk / "journal.db"))
    for options in (["--bind", str(disk)], ["-o", "remount,ro,bind"]):
        if subprocess.run(["mount", *options, str(disk)], capture_output=True, check=False).returncode:
            pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="only root may mount")
async def test_read_only_disk_can_be_read(read_only_disk: Path) -> None:
    """No batch starts there, and `status` still works."""
    assert (await refused(read_only_disk / "journal.db")).code == "journal_unwritable"
    reader = SqliteReader(read_only_disk / "journal.db")
    assert (await reader.counts()).statuses == {Status.queued: 1}
    await reader.close()

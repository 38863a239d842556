"""kill -9 at any moment: what was promised is there, and nothing is half there."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import pytest

from omniedit.errors import JournalBusy
from omniedit.journal import SqliteJournal
from omniedit.journal.specimens import ORIGIN, new_entry
from omniedit.models import Outcome, Status

WRITER = Path(__file__).with_name("writing_process.py")
ROUNDS = 20
STEPS = [Status.queued, Status.submitting, Status.pending, Status.saved]


@contextmanager
def writing(path: Path, first: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes to the journal, killed at the end at the latest."""
    with subprocess.Popen([sys.executable, WRITER, path, str(first)], stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def promises(lines: bytes) -> dict[int, int]:
    """The last step that each edit was promised."""
    words = [line.split() for line in lines.splitlines()]
    return {int(number): int(step) for number, step in words}


def output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    """What the process says."""
    assert process.stdout is not None
    return process.stdout


async def check_round(path: Path, promised: dict[int, int]) -> int:
    """Every promise is kept and the latest edits are whole; gives the number of edits found."""
    journal = SqliteJournal(path)
    await journal.open(ORIGIN)
    try:
        for number, step in promised.items():
            entry = await journal.entry(new_entry(number).key)
            assert entry is not None
            assert entry.renewals >= step
        entries = [entry async for entry in journal.entries()]
        for entry in entries[-200:]:
            assert entry.status == STEPS[entry.renewals]
            attempts = await journal.attempts(entry.key)
            assert [a.nonce for a in attempts] == ([entry.nonce] if entry.renewals else [])
            accepted = [a.task_id for a in attempts if a.outcome is Outcome.accepted]
            assert accepted == ([entry.task_id] if entry.renewals >= 2 else [])
    finally:
        await journal.close()
    return len(entries)


async def test_kill_at_random_moments_loses_no_promise(tmp_path: Path) -> None:
    """One journal, killed and opened again, round after round."""
    path = tmp_path / "journal.db"
    chance = random.Random(7)
    promised: dict[int, int] = {}
    found = 0
    for turn in range(ROUNDS):
        with writing(path, turn * 1_000_000) as process:
            first_line = output(process).readline()
            some = output(process).read(chance.randrange(4000))
            os.kill(process.pid, signal.SIGKILL)
            latest = promises(first_line + some + output(process).read())
        assert latest
        found = await check_round(path, promised | latest)
        promised = dict(chance.sample(sorted({**promised, **latest}.items()), 20))
    assert found >= ROUNDS * 20
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_second_process_is_told_who_holds_the_journal(tmp_path: Path) -> None:
    """It is refused with the holder's pid while the holder lives, and gets in when it was killed."""
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    with writing(path, 0) as process:
        output(process).readline()
        with pytest.raises(JournalBusy, match=str(process.pid)) as caught:
            await journal.open(ORIGIN)
        assert caught.value.pid == process.pid
        process.kill()
        output(process).read()
    await journal.open(ORIGIN)
    assert await journal.entry(new_entry(0).key) is not None
    await journal.close()
    assert [file.name for file in tmp_path.iterdir()] == ["journal.db"]

"""`omniedit enqueue` and `omniedit worker` on a real PostgreSQL."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omniedit.testing import BackgroundSandbox
from omniedit.testing.postgres import PostgresServer, postgres_programs


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    """An empty database."""
    if postgres_programs() is None:
        pytest.skip("no PostgreSQL server is installed (apt-get install postgresql)")
    with PostgresServer() as server:
        yield server.database()


def test_what_is_queued_is_worked_on(
    omniedit: Any, clips: Path, sandbox: BackgroundSandbox, until: Any, dsn: str
) -> None:
    """Queued once however often; a worker saves it and ends well when it is stopped."""
    command = ("enqueue", clips, "ftp://example.com/a.mp4", "--prompt", "x")
    first = omniedit(*command, OMNIEDIT_DSN=dsn)
    assert first.code == 1, first.err
    assert "3 queued, 0 known already, 1 refused" in first.out
    assert "ftp" in first.err
    assert "0 queued, 3 known already" in omniedit(*command, OMNIEDIT_DSN=dsn).out
    worker = omniedit.start("worker", "-o", "out", "--json", OMNIEDIT_DSN=dsn)
    saved = [omniedit.folder / "out" / name for name in ("a.mp4", "b.mp4", "c.mp4")]
    until(lambda: all(path.exists() for path in saved))
    secret = dsn.replace("postgres@", "postgres:s3cret@")
    shown = omniedit("status", OMNIEDIT_DSN=secret)
    assert (shown.code, shown.err) == (0, "")
    assert "3 edits:" in shown.out
    assert f":{worker.pid}" in shown.out
    told = omniedit("status", "--json", "--dsn", secret).objects[0]
    assert len(told["held_by"]) == 1
    sheet = omniedit("report", secret, "-o", "sheet.html")
    assert sheet.code == 0, sheet.err
    assert "c.mp4" in (omniedit.folder / "sheet.html").read_text(encoding="utf-8")
    assert "s3cret" not in shown.out + sheet.out + sheet.err
    worker.send_signal(signal.SIGTERM)
    out, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert b'"status": "saved"' in out
    assert len(sandbox.accepted) == 3
    assert dsn.encode() not in out + err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["enqueue", "-", "--dsn", "postgresql://127.0.0.1:1/x"], "reads no standard input"),
        (["enqueue", "a.mp4", "--dsn", "postgresql://127.0.0.1:1/x"], "--prompt"),
        (["enqueue", "a.mp4", "--prompt", "x"], "--dsn"),
        (["status"], "JOURNAL"),
        (["worker", "-o", "s3:///edited", "--dsn", "postgresql://127.0.0.1:1/x"], "names no bucket"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "s3://bucket/edited"], "into a folder"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "out", "--journal", "postgresql://127.0.0.1:1/x"], "in a file"),
        (["worker", "-o", "out", "--dsn", "postgresql://127.0.0.1:1/x", "--key-file", "none"], "key file"),
    ],
)
def test_wrong_usage_is_exit_2(omniedit: Any, arguments: list[str], words: str) -> None:
    """Told at once, before any database is asked."""
    done = omniedit(*arguments)
    assert done.code == 2
    assert words in done.err


@pytest.mark.parametrize("command", [("status", "--json"), ("report",)])
def test_a_database_that_cannot_be_read_is_said_without_its_password(omniedit: Any, dsn: str, command: Any) -> None:
    """Exit 2, with the host and the reason."""
    secret = dsn.replace("postgres@", "postgres:s3cret@").replace("scratch_1", "postgres")
    done = omniedit(*command, OMNIEDIT_DSN=secret)
    assert done.code == 2
    assert "there is no journal in this database" in done.err
    assert "s3cret" not in done.out + done.err
    assert not list(omniedit.folder.glob("*.html"))

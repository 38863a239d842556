"""The commands that only look: check, credits, status, report, errors, doctor; and the servers."""

from __future__ import annotations

import asyncio
import fcntl
import http.server
import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from omniedit.cli.app import cli
from omniedit.cli.remedies import remedies
from omniedit.journal.database import writable
from omniedit.journal.tables import Writing
from omniedit.models import Edit, Entry, Status
from omniedit.testing import BackgroundSandbox, sample_clip


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A plain web server over the test's folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_check_judges_files_and_urls_alike(omniedit: Any, tmp_path: Path, web: str, sandbox: BackgroundSandbox) -> None:
    """Good shapes pass, long ones do not, over HTTP as well; the service hears nothing of it."""
    sample_clip(tmp_path / "end.mp4", 1.0, layout="moov_at_end")
    sample_clip(tmp_path / "wide.mp4", 1.0, layout="mdat64")
    sample_clip(tmp_path / "silent.mp4", 1.0, audio=False)
    sample_clip(tmp_path / "long.mp4", 12.0, fps=5)
    names = ["end.mp4", "wide.mp4", "silent.mp4", "long.mp4"]
    done = omniedit("check", *names, *(f"{web}/{name}" for name in names), "--json")
    assert done.code == 1
    assert [found["ok"] for found in done.objects] == [True, True, True, False] * 2
    assert "at most 10 s" in done.objects[3]["error"]["message"]
    assert omniedit("check", "end.mp4").code == 0
    assert sandbox.requests == []


def test_check_warns_of_what_only_the_service_cannot_reach(omniedit: Any, clips: Path, web: str) -> None:
    """A clip on this machine is judged, and its address is not passed over in silence."""
    done = omniedit("check", f"{web}/clips/a.mp4", EVOLINK_BASE_URL="https://api.example.com")
    assert done.code == 0
    assert "cannot reach" in done.err


def test_credits_say_what_is_left(omniedit: Any) -> None:
    """In words and in JSON; a refused key is exit 3."""
    assert "remaining: 1,000,000" in omniedit("credits").out
    assert omniedit("credits", "--json").objects[0]["remaining"] == 1_000_000
    refused = omniedit("credits", EVOLINK_API_KEY="sk-sandbox-unauthorized")
    assert refused.code == 3
    assert "EVOLINK_API_KEY" in refused.err


def test_status_and_report_read_a_journal(omniedit: Any, clips: Path) -> None:
    """Counts, failures with their mends, and a sheet; a missing journal is exit 2."""
    assert omniedit("batch", clips, "none.mp4", "--prompt", "x", "-o", "out").code == 1
    shown = omniedit("status", "out/omniedit.db")
    assert (shown.code, shown.err) == (0, "")
    assert "4 edits: 3 saved, 1 rejected" in shown.out
    assert "preflight_failed" in shown.out
    told = omniedit("status", "out/omniedit.db", "--json").objects[0]
    assert told["counts"] == {"saved": 3, "rejected": 1}
    assert told["held_by"] is None
    assert told["failures"][0]["mend"]
    assert omniedit("report", "out/omniedit.db", "-o", "sheet.html").code == 0
    assert "<!doctype html>" in (omniedit.folder / "sheet.html").read_text(encoding="utf-8").lower()
    assert omniedit("status", "none.db").code == 2
    assert omniedit("report", "none.db", "-o", "other.html").code == 2
    assert not (omniedit.folder / "other.html").exists()


def test_status_asks_the_lock_and_not_the_number_in_it(omniedit: Any, clips: Path) -> None:
    """A batch that was killed leaves its number behind, and another process may have it by now."""
    assert omniedit("batch", clips / "a.mp4", "--prompt", "x", "-o", "out").code == 0
    lock = omniedit.folder / "out/omniedit.db.lock"
    lock.write_text(f"{os.getpid()}\n", encoding="ascii")
    assert omniedit("status", "out/omniedit.db", "--json").objects[0]["held_by"] is None
    assert "nobody works on it now" in omniedit("status", "out/omniedit.db").out
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert omniedit("status", "out/omniedit.db", "--json").objects[0]["held_by"] == os.getpid()


def test_doctor_finds_nothing_wrong_where_nothing_is(omniedit: Any, clips: Path) -> None:
    """Key, service, clock, folder, disk, journal."""
    assert omniedit("batch", clips / "a.mp4", "--prompt", "x", "-o", "out").code == 0
    done = omniedit("doctor", "-o", "out", "--json")
    assert done.code == 0, done.out
    found = {finding["name"]: finding["state"] for finding in done.objects}
    assert list(found) == ["versions", "service", "key", "clock", "folder", "disk", "journal"]
    assert found["key"] == found["clock"] == found["journal"] == "ok"


@pytest.mark.parametrize(
    ("environment", "arguments", "name"),
    [
        ({"EVOLINK_API_KEY": ""}, [], "key"),
        ({"EVOLINK_API_KEY": '"sk quoted"'}, [], "key"),
        ({"EVOLINK_API_KEY": "sk-sandbox-unauthorized"}, [], "key"),
        ({"EVOLINK_BASE_URL": "http://127.0.0.1:1"}, [], "service"),
        ({}, ["--journal", "junk.db"], "journal"),
        ({}, ["-o", "/proc/nowhere"], "folder"),
    ],
)
def test_doctor_names_what_is_wrong_and_its_mend(
    omniedit: Any, environment: dict[str, str], arguments: list[str], name: str
) -> None:
    """Exit 1, and something to do."""
    (omniedit.folder / "junk.db").write_bytes(b"no database at all" * 100)
    done = omniedit("doctor", "--json", *arguments, **environment)
    assert done.code == 1
    wrong = [finding for finding in done.objects if finding["state"] == "problem"]
    assert name in {finding["name"] for finding in wrong}
    assert all(finding["mend"] for finding in wrong)


def test_every_error_has_a_meaning_and_a_mend() -> None:
    """Every class of the tree is listed, each with something to do."""
    from omniedit import errors
    from omniedit.errors import OmniEditError

    kinds = {name for name in errors.__all__ if name != "doorway" and issubclass(getattr(errors, name), OmniEditError)}
    listed = list(remedies())
    assert {one.name for one in listed} == kinds | {"ManifestError"}
    assert all(one.meaning and one.mend for one in listed)
    runner = CliRunner()
    shown = runner.invoke(cli, ["errors"])
    assert all(one.mend in shown.output for one in listed)
    assert "content_policy_violation" in shown.output
    narrowed = runner.invoke(cli, ["errors", "unauthorized", "--json"])
    assert [json.loads(line)["name"] for line in narrowed.output.splitlines()] == ["AuthenticationFailed"]


def test_the_sandbox_command_serves(omniedit: Any, clips: Path) -> None:
    """What it prints is enough to use it."""
    server = omniedit.start("sandbox", "--port", "0", "--json")
    origins = json.loads(server.stdout.readline())
    done = omniedit("credits", EVOLINK_BASE_URL=origins["base_url"], EVOLINK_API_KEY=origins["api_key"])
    taken = omniedit("sandbox", "--port", origins["base_url"].rpartition(":")[2])
    (omniedit.folder / "faults.json").write_text('{"faults": [{"fault": "nonsense"}]}', encoding="utf-8")
    broken = omniedit("sandbox", "--port", "0", "--faults", "faults.json")
    server.terminate()
    server.communicate(timeout=60)
    assert done.code == 0
    assert (taken.code, "other ports" in taken.err) == (2, True)
    assert (broken.code, "nonsense" in broken.err) == (2, True)


def test_the_receiver_takes_calls_for_a_journal(omniedit: Any, clips: Path) -> None:
    """It answers beside a journal, and refuses to start without one."""
    assert omniedit("receive", "none.db").code == 2
    assert omniedit("batch", clips / "a.mp4", "--prompt", "x", "-o", "out").code == 0
    server = omniedit.start("receive", "out/omniedit.db", "--port", "0", "--prefix", "hooks/")
    address = server.stdout.readline().decode().split()[-1]
    assert address.endswith("/hooks")
    status = asyncio.run(_post(f"{address}/{'n' * 32}"))
    server.terminate()
    server.communicate(timeout=60)
    assert status == 204
    assert server.returncode == 0


async def _post(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.post(url, json={"id": "task-unified-1-abcdefgh"}) as reply:
        return reply.status


def test_status_stays_short_where_everything_failed(omniedit: Any, tmp_path: Path, sandbox: BackgroundSandbox) -> None:
    """Of thousands of failures the first ones are sorted, and the others counted."""
    failed: dict[str, Any] = {"error_type": "TaskFailed", "error_code": "service_error", "error_message": "No."}
    with writable(tmp_path / "edits.db", sandbox.base_url) as connection:
        connection.execute("BEGIN")
        at = datetime.now(UTC)
        edits = (Edit("https://example.com/a.mp4", f"wish {number}") for number in range(5_020))
        Writing(connection).admit([Entry(edit, f"out/{edit.key}", Status.failed, at, **failed) for edit in edits])
        connection.execute("COMMIT")
    done = omniedit("status", "edits.db")
    assert "5,020 edits: 5,020 failed." in done.out
    assert "5,000 failed service_error" in done.out
    assert "20 more were not looked at" in done.out
    assert omniedit("status", "edits.db", "--json").objects[0]["failures_not_looked_at"] == 20

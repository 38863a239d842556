"""`omniedit batch`: exit codes, lines, resuming, dry runs, manifests from everywhere."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from omniedit.testing import BackgroundSandbox, Settings

FIELDS = {
    *("status", "previous", "source", "prompt", "name", "task_id", "progress"),
    *("path", "error", "credits", "at"),
}
QUICK = Settings(editing="copy", task_seconds=0.3, pending_seconds=0.05)
KEY = "sk-secret-of-the-test"
ASKED = ("--prompt", "x", "-o", "out")
# Root may look into every folder, unless it gives that up.
WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


def rows(*edits: Mapping[str, object]) -> bytes:
    """JSON lines."""
    return "\n".join(json.dumps(edit) for edit in edits).encode()


def test_a_folder_is_edited_and_a_second_run_skips_it(omniedit: Any, clips: Path, sandbox: BackgroundSandbox) -> None:
    """All saved is 0; the same command again sends nothing."""
    done = omniedit("batch", clips, "--prompt", "Make it snow", "-o", "out")
    assert done.code == 0, done.err
    assert sorted(path.name for path in (omniedit.folder / "out").glob("*.mp4")) == ["a.mp4", "b.mp4", "c.mp4"]
    assert (omniedit.folder / "out/omniedit.db").stat().st_mode & 0o777 == 0o600
    assert done.out.count("saved") == 3
    assert "Saved 3 of 3" in done.err
    again = omniedit("batch", clips, "--prompt", "Make it snow", "-o", "out")
    assert (again.code, again.out) == (0, "")
    assert len(sandbox.accepted) == 3


def test_json_lines_carry_every_field_and_a_summary(omniedit: Any, clips: Path) -> None:
    """One object for each change, in the order of an edit's life, then the summary; talk stays out."""
    done = omniedit("batch", clips, "missing.mp4", "--prompt", "雪", "-o", "out", "--json")
    assert done.code == 1
    *changes, last = done.objects
    assert all(set(change) == FIELDS for change in changes)
    of_a = list(dict.fromkeys(change["status"] for change in changes if change["source"].endswith("/a.mp4")))
    assert [status for status in of_a if status != "uploading"] == [
        *("queued", "submitting", "pending", "processing", "completed", "downloading", "saved")
    ]
    # Clips of the same content are uploaded once: two of the three join the upload of the first.
    assert any(change["status"] == "uploading" for change in changes)
    assert {change["prompt"] for change in changes} == {"雪"}
    assert set(last) == {"summary"}
    assert done.summary["counts"] == {"saved": 3, "rejected": 1}
    (refused,) = (change["error"] for change in changes if change["status"] == "rejected")
    assert set(refused) == {"type", "code", "message"}
    assert refused["type"] == "PreflightFailed"


def test_one_bad_edit_does_not_stop_the_others(omniedit: Any, clips: Path) -> None:
    """Empty prompts, wrong schemes, folders: each refused with its mend, the rest saved, exit 1."""
    clip = str(clips / "a.mp4")
    (omniedit.folder / "m.jsonl").write_bytes(
        rows(
            {"source": clip, "prompt": ""},
            {"source": "ftp://example.com/a.mp4", "prompt": "x"},
            {"source": str(omniedit.folder), "prompt": "x"},
            {"source": clip, "prompt": "Make it snow"},
        )
    )
    done = omniedit("batch", "m.jsonl", "-o", "out")
    assert done.code == 1
    assert "Saved 1 of 4" in done.err
    assert "say what to change and what to keep" in done.err
    assert "http or https" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["batch", "-o", "out"], "Missing argument"),
        (["batch", "a.mp4", "-o", "out"], "--prompt"),
        (["batch", "a.mp4", "--prompt", "x"], "--output"),
        (["batch", "nothing-*.mp4", "--prompt", "x", "-o", "out"], "matches nothing"),
        (["batch", "none.csv", "-o", "out"], "cannot be read"),
        (["batch", "m.csv", "a.mp4", "-o", "out"], "give one manifest"),
        (["batch", "m.csv", "--prompt", "x", "-o", "out"], "its own prompts"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "out", "--name", "{nope}"], "unknown field"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "out", "--limit-rate", "fast"], "500k or 5M"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "out", "--max-in-flight", "0"], "x>=1"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "out", "--report", "no/such/sheet.html"], "does not exist"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "out", "--key-file", "none"], "key file"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "out", "--base-url", "http://example.com"], "https"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "file/out"], "cannot be made"),
        (["batch", "wrong.csv", "-o", "out"], "the manifest wrong.csv is refused as a whole"),
        (["batch", "wrong.csv", "-o", "out"], "mend the lines named above"),
        (["batch", "", "--prompt", "x", "-o", "out"], "source is empty"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "out", "--report", f"{'雪' * 100}/s.html"], "name too long"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "out", "--max-credits", "nan"], "no number"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "out", "--max-credits", "-1"], "x>=0"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "out", "--callback-base", "http://example.com"], "https only"),
        (["batch", "a.mp4", "--prompt", "x", "-o", "out", "--callback-base", "here", "--dry-run"], "is no URL"),
        (["receive", "wrong.csv", "--prefix", "a b"], "is no path"),
        (["receive", "wrong.csv", "--prefix", "/{nonce}"], "is no path"),
        (["status", "."], "is no file"),
        (["check", ""], "source is empty"),
        (["edit", "a.mp4", "x", "-o", "雪" * 100], "name too long"),
        (["edit", "a.mp4", "x", "-o", "r\udcff.mp4"], "no UTF-8"),
        (["edit", "a.mp4", ""], "prompt is empty"),
        (["edit", "missing.mp4", "x"], "does not exist"),
    ],
)
def test_wrong_usage_is_exit_2_and_sends_nothing(
    omniedit: Any, sandbox: BackgroundSandbox, arguments: list[str], words: str
) -> None:
    """Nothing reaches the service, nothing is left behind, and the mend is said."""
    (omniedit.folder / "file").touch()
    (omniedit.folder / "wrong.csv").write_text("source,prompt\na.mp4,x\nb.mp4\n", encoding="utf-8")
    done = omniedit(*arguments)
    assert (done.code, done.out if arguments[0] == "batch" else "") == (2, "")
    assert words in done.err
    assert "Traceback" not in done.err
    assert sandbox.requests == []
    assert sorted(path.name for path in omniedit.folder.iterdir()) == ["file", "wrong.csv"]


def test_a_clip_that_cannot_be_looked_at_is_refused_and_the_others_go_on(omniedit: Any, clips: Path) -> None:
    """Its name is too long for any file, or it is a link to itself."""
    (clips / "loop.mp4").symlink_to("loop.mp4")
    done = omniedit("batch", clips, "雪" * 100, "--prompt", "x", "-o", "out")
    assert done.code == 1
    assert "Saved 3 of 5" in done.err
    assert "name too long" in done.err
    assert omniedit("check", "雪" * 100).out.startswith("refuse")


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root cannot give up its rights here")
def test_what_nobody_may_read_is_refused_in_words(omniedit: Any, clips: Path, sandbox: BackgroundSandbox) -> None:
    """A folder without rights as source, output, journal, and place of the sheet."""
    locked = omniedit.folder / "locked"
    locked.mkdir(mode=0)
    commands: dict[tuple[str, ...], int] = {
        ("check", "locked"): 2,
        ("check", "locked/a.mp4"): 1,
        ("batch", "locked", *ASKED): 2,
        ("batch", "clips", *ASKED, "--report", "locked/s.html"): 2,
        ("edit", "clips/a.mp4", "x", "-o", "locked/a.mp4"): 2,
        ("status", "locked/omniedit.db"): 2,
        ("doctor", "-o", "locked/out"): 1,
        ("doctor", "--journal", "locked/omniedit.db"): 1,
    }
    for command, code in commands.items():
        process = omniedit.start(*command, under=WITHOUT_RIGHTS)
        told = b"".join(process.communicate(timeout=60)).decode()
        assert (process.returncode, "Permission denied" in told, "Traceback" in told) == (code, True, False), told
    assert sandbox.submissions == []


def test_the_command_that_goes_on_can_be_pasted_back(omniedit: Any) -> None:
    """Hidden characters, bytes that are no text, quotes and line ends: a shell reads the same arguments again."""
    command = ("batch", "x\u200e.mp4", "r\udcff\\.mp4", "plain name.mp4", "--prompt", "it's\nso", "-o", "out")
    again = omniedit(*command).err.splitlines()[-1].partition("skips what is saved: omniedit ")[2]
    read = subprocess.run(["bash", "-c", f"printf '%s\\0' {again}"], capture_output=True, check=True).stdout
    assert read.split(b"\0")[:-1] == [os.fsencode(argument) for argument in command]
    assert again.isprintable()


def test_a_missing_key_names_its_variable(omniedit: Any, clips: Path) -> None:
    """No key: exit 2, and where one is looked for."""
    done = omniedit("batch", clips, "--prompt", "x", "-o", "out", EVOLINK_API_KEY="")
    assert done.code == 2
    assert "EVOLINK_API_KEY" in done.err
    assert not (omniedit.folder / "out").exists()


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("sk-sandbox-unauthorized", "unauthorized"),
        ("sk-sandbox-broke", "insufficient_quota"),
        ("sk-sandbox-denied", "model_access_denied"),
        ("sk-sandbox-throttled", "rate_limit_exceeded"),
    ],
)
def test_a_service_that_refuses_everything_is_exit_3(
    omniedit: Any, clips: Path, sandbox: BackgroundSandbox, key: str, code: str
) -> None:
    """401, 402, 403 and 429 pause the batch; the same command with a good key goes on."""
    # A submission refused for its rate is waited for, for minutes; an upload is given up sooner.
    throttled = key.endswith("throttled")
    named = [clips] if throttled else [sandbox.host_clip(clips / name) for name in ("a.mp4", "b.mp4")]
    done = omniedit("batch", *named, "--prompt", "x", "-o", "out", "--json", EVOLINK_API_KEY=key)
    assert done.code == 3
    assert done.summary["stopped"]["code"] == code
    firsts = [change["source"] for change in done.objects[:-1] if change["previous"] is None]
    assert len(firsts) == len(set(firsts))
    assert sandbox.accepted == []
    assert "The same command goes on" in done.err
    again = omniedit("batch", *named, "--prompt", "x", "-o", "out")
    assert again.code == 0, again.err


def test_a_used_up_budget_is_exit_3_and_resumable(omniedit: Any, clips: Path, sandbox: BackgroundSandbox) -> None:
    """The budget holds over both runs; with more of it the rest is edited."""
    command = ("batch", clips, "--prompt", "x", "-o", "out")
    done = omniedit(*command, "--max-credits", "130")
    assert done.code == 3
    assert "--max-credits" in done.err
    assert len(sandbox.accepted) == 2
    assert omniedit(*command, "--max-credits", "200").code == 0
    assert len(sandbox.accepted) == 3


def test_an_unreachable_service_is_exit_3(omniedit: Any, clips: Path) -> None:
    """Nobody listens there."""
    done = omniedit(
        *("batch", clips, "--prompt", "x", "-o", "out", "--no-preflight"),
        *("--base-url", "http://127.0.0.1:1", "--files-url", "http://127.0.0.1:1"),
    )
    assert done.code == 3
    assert "check the network" in done.err


def test_a_dry_run_sends_nothing(omniedit: Any, clips: Path, sandbox: BackgroundSandbox) -> None:
    """Names, lengths and credits are shown; no request, no folder, no key needed."""
    done = omniedit(
        *("batch", clips, "no.mp4", "--prompt", "x", "-o", "out", "--dry-run", "--json"), EVOLINK_API_KEY=""
    )
    assert done.code == 1
    *scenes, last = done.objects
    assert [scene["action"] for scene in scenes] == ["send", "send", "send", "refuse"]
    assert scenes[0]["path"] == "out/a.mp4"
    assert scenes[0]["seconds"] == pytest.approx(1.0, abs=0.05)
    assert scenes[0]["credits"] == pytest.approx(6.36, abs=0.4)
    assert last["summary"]["to_send"] == 3
    assert sandbox.requests == []
    assert not (omniedit.folder / "out").exists()


def test_a_name_that_the_locale_cannot_write_is_not_paid_for(
    omniedit: Any, clips: Path, sandbox: BackgroundSandbox
) -> None:
    """It is refused with the mend, the others go on, and with the mend it is edited."""
    clip = str(clips / "a.mp4")
    edits = rows({"source": clip, "prompt": "x", "name": "雪.mp4"}, {"source": clip, "prompt": "y", "name": "b.mp4"})
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = omniedit("batch", "-", "-o", "out", stdin=edits, **ascii_only)
    assert (done.code, len(sandbox.submissions)) == (1, 1)
    assert "cannot be written in ascii" in done.out
    assert "PYTHONUTF8=1" in done.out
    assert omniedit("batch", "-", "-o", "out", stdin=edits).code == 0


def test_a_dry_run_names_a_clip_once(omniedit: Any) -> None:
    """Some errors begin with the clip that they are about, as the line does."""
    done = omniedit("batch", "no.mp4", "--prompt", "x", "-o", "out", "--dry-run")
    assert done.out.startswith("refuse      no.mp4: the clip does not exist")


def test_a_dry_run_knows_what_the_journal_knows(omniedit: Any, clips: Path, sandbox: BackgroundSandbox) -> None:
    """What is saved would be skipped; past reservations price the rest."""
    assert omniedit("batch", clips / "a.mp4", "--prompt", "x", "-o", "out").code == 0
    sent = len(sandbox.requests)
    done = omniedit("batch", clips, "--prompt", "x", "-o", "out", "--dry-run", "--max-credits", "100")
    assert done.code == 0
    assert done.out.count("saved already") == 1
    assert "About 127.2 credits if each reserves" in done.err
    assert "more than --max-credits 100" in done.err
    assert len(sandbox.requests) == sent


def test_a_dry_run_names_as_the_batch_will(omniedit: Any, clips: Path) -> None:
    """Two sources of one name: what is shown is what is made."""
    other = omniedit.folder / "other"
    other.mkdir()
    (other / "a.mp4").write_bytes((clips / "a.mp4").read_bytes())
    command = ("batch", clips / "a.mp4", other / "a.mp4", "--prompt", "x", "-o", "out", "--json")
    shown = {scene["path"] for scene in omniedit(*command, "--dry-run").objects[:-1]}
    made = {change["path"] for change in omniedit(*command).objects[:-1] if change["status"] == "saved"}
    assert len(shown) == 2
    assert shown == made


def test_standard_input_is_a_manifest(omniedit: Any, clips: Path) -> None:
    """JSON lines as they come."""
    edits = [{"source": str(clips / name), "prompt": "x", "name": f"out-{name}"} for name in ("a.mp4", "b.mp4")]
    done = omniedit("batch", "-", "-o", "out", stdin=rows(*edits))
    assert done.code == 0, done.err
    assert sorted(path.name for path in (omniedit.folder / "out").glob("*.mp4")) == ["out-a.mp4", "out-b.mp4"]


def test_a_bad_first_line_on_standard_input_is_exit_2(omniedit: Any, clips: Path, sandbox: BackgroundSandbox) -> None:
    """Nothing has been sent yet, so nothing is."""
    done = omniedit(
        "batch", "-", "-o", "out", stdin=b'{"source": "a.mp4"}\n' + rows({"source": "b.mp4", "prompt": "x"})
    )
    assert done.code == 2
    assert "line 1: prompt is missing" in done.err
    assert sandbox.submissions == []


def test_a_later_bad_line_on_standard_input_is_told_and_left_out(omniedit: Any, clips: Path) -> None:
    """What was sent cannot be unsent: the others go on, and the end is 1."""
    good = {"source": str(clips / "a.mp4"), "prompt": "x"}
    more = {"source": str(clips / "b.mp4"), "prompt": "x"}
    done = omniedit("batch", "-", "-o", "out", stdin=rows(good) + b"\nnonsense\n" + rows(more))
    assert done.code == 1
    assert "line 2: is no JSON" in done.err
    assert "Saved 2 of 2" in done.err


@pytest.mark.omniedit(
    settings=QUICK,
    faults={"faults": [{"fault": "fail", "prompt": "doomed", "first": 1, "code": "service_error"}]},
)
def test_failed_edits_are_tried_again_when_asked(omniedit: Any, clips: Path) -> None:
    """A failed task stays failed until --retry-failed."""
    command = ("batch", clips / "a.mp4", "--prompt", "doomed", "-o", "out")
    done = omniedit(*command)
    assert done.code == 1
    assert "--retry-failed" in done.err
    assert omniedit(*command).code == 1
    assert omniedit(*command, "--retry-failed").code == 0


@pytest.mark.omniedit(settings=QUICK, faults={"faults": [{"fault": "lost_reply", "first": 1}]})
def test_an_uncertain_edit_is_held_until_told_to_repeat(omniedit: Any, clips: Path, sandbox: BackgroundSandbox) -> None:
    """Exit 1 and what can be done; with replay the same key brings the same task: billed once."""
    command = ("batch", sandbox.host_clip(clips / "a.mp4"), "--prompt", "x", "-o", "out")
    done = omniedit(*command)
    assert done.code == 1
    assert "1 uncertain" in done.err
    assert "--on-uncertain replay" in done.err
    status = omniedit("status", "out/omniedit.db")
    assert status.code == 0
    assert sandbox.submissions[0].idempotency_key in status.out
    assert omniedit(*command).code == 1
    assert len(sandbox.submissions) == 1
    assert omniedit(*command, "--on-uncertain", "replay").code == 0
    assert len(sandbox.accepted) == 1


@pytest.mark.omniedit(settings=QUICK, faults={"faults": [{"fault": "lost_reply", "first": 1}]})
def test_a_lost_request_is_found_in_the_listing_when_asked(
    omniedit: Any, clips: Path, sandbox: BackgroundSandbox
) -> None:
    """Held by one command, found by the next: nothing is sent again."""
    command = ("batch", sandbox.host_clip(clips / "a.mp4"), "--prompt", "x", "-o", "out")
    assert omniedit(*command).code == 1
    assert "--settle-by-listing" in omniedit("status", "out/omniedit.db").out
    assert omniedit(*command, "--settle-by-listing").code == 0
    assert len(sandbox.submissions) == len(sandbox.accepted) == 1


def test_an_output_that_exists_is_kept_unless_told(omniedit: Any, clips: Path) -> None:
    """Somebody else's file is not ours to replace."""
    (omniedit.folder / "out").mkdir()
    theirs = omniedit.folder / "out/a.mp4"
    theirs.write_bytes(b"theirs")
    command = ("batch", clips / "a.mp4", "--prompt", "x", "-o", "out")
    done = omniedit(*command)
    assert done.code == 1
    assert "--overwrite" in done.err
    assert theirs.read_bytes() == b"theirs"
    assert omniedit(*command, "--overwrite").code == 0
    assert theirs.read_bytes() != b"theirs"


def test_the_key_stands_nowhere(omniedit: Any, clips: Path) -> None:
    """Not in lines, talk, journal or sheet; a key file may hold it, with a newline."""
    key_file = omniedit.folder / "key"
    key_file.write_text(f"\ufeff{KEY}\n", encoding="utf-8")
    done = omniedit(
        *("batch", clips, "--prompt", "x", "-o", "out", "--json", "--report", "sheet.html"),
        *("--key-file", "key"),
        EVOLINK_API_KEY="",
    )
    assert done.code == 0, done.err
    key_file.unlink()
    written = [path.read_bytes() for path in omniedit.folder.rglob("*") if path.is_file()]
    assert len(written) > 6
    assert not any(KEY.encode() in content for content in [*written, done.out.encode(), done.err.encode()])


def test_a_journal_that_is_held_is_exit_2(omniedit: Any, clips: Path, until: Any) -> None:
    """A second command on the same journal says who holds it; status can read it meanwhile."""
    edit = rows({"source": str(clips / "a.mp4"), "prompt": "x"}) + b"\n"
    first = omniedit.start("batch", "-", "-o", "out")
    first.stdin.write(edit)
    first.stdin.flush()
    until((omniedit.folder / "out/a.mp4").exists)
    second = omniedit("batch", clips, "--prompt", "x", "-o", "out")
    status = omniedit("status", "out/omniedit.db", "--json")
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0, err
    assert b"saved" in out
    assert second.code == 2
    assert f"process {first.pid}" in second.err
    assert status.objects[0]["held_by"] == first.pid


def test_a_closed_output_stops_the_batch_and_loses_nothing(omniedit: Any, clips: Path) -> None:
    """`omniedit batch ... | head -1` ends like an interruption, without a traceback."""
    command = ("batch", clips, "--prompt", "x", "-o", "out", "--json")
    process = omniedit.start(*command)
    process.stdin.close()
    process.stdout.close()
    assert process.wait(timeout=60) == 130
    err = process.stderr.read().decode()
    process.stderr.close()
    assert "standard output is closed" in err
    assert "To go on: omniedit batch" in err
    assert "Traceback" not in err
    assert omniedit(*command).code == 0


@pytest.mark.omniedit(settings=Settings(editing="canned", task_seconds=0.3, pending_seconds=0.05))
def test_two_hundred_clips_are_all_saved(omniedit: Any, clips: Path, sandbox: BackgroundSandbox) -> None:
    """A batch of some size: each edit once, each under its own name, no file unfinished."""
    url = sandbox.host_clip(clips / "a.mp4")
    with (omniedit.folder / "m.csv").open("w", encoding="utf-8") as file:
        file.write("source,prompt,name,variant\n")
        file.writelines(f"{url},x,clip-{number:03},{number}\n" for number in range(200))
    done = omniedit("batch", "m.csv", "-o", "out", "--max-in-flight", "100")
    assert done.code == 0, done.err
    names = sorted(path.name for path in (omniedit.folder / "out").iterdir())
    assert [name for name in names if name.endswith(".mp4")] == [f"clip-{number:03}.mp4" for number in range(200)]
    assert not [name for name in names if "part" in name]
    assert len(sandbox.accepted) == 200
    with sqlite3.connect(omniedit.folder / "out/omniedit.db") as journal:
        assert journal.execute("SELECT count(*) FROM job").fetchone() == (200,)
    journal.close()

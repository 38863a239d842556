"""`omniedit edit`: one clip, its journal beside it, its exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from omniedit.testing import BackgroundSandbox, Settings

QUICK = Settings(editing="copy", task_seconds=0.3, pending_seconds=0.05)


def test_one_clip_is_saved_and_leaves_nothing_beside_it(omniedit: Any, clips: Path) -> None:
    """Without -o it never lands on its source; the journal goes when the clip is there."""
    done = omniedit("edit", "clips/a.mp4", "Make it snow")
    assert done.code == 0, done.err
    assert sorted(path.name for path in omniedit.folder.iterdir()) == ["a-edited.mp4", "clips"]
    assert [line.split()[0] for line in done.out.splitlines()] == [
        *("queued", "uploading", "submitting", "pending", "processing", "completed", "downloading", "saved")
    ]
    assert "Saved a-edited.mp4" in done.err


def test_json_ends_with_a_summary(omniedit: Any, clips: Path) -> None:
    """The same lines as a batch of one."""
    done = omniedit("edit", clips / "a.mp4", "x", "-o", "sub/", "--json")
    assert done.code == 0, done.err
    assert done.summary["counts"] == {"saved": 1}
    assert done.objects[-2]["path"] == "sub/a.mp4"


def test_an_output_that_exists_is_exit_2_and_kept(omniedit: Any, clips: Path, sandbox: BackgroundSandbox) -> None:
    """Nothing is sent for it, and no journal is left."""
    (omniedit.folder / "out.mp4").write_bytes(b"theirs")
    done = omniedit("edit", clips / "a.mp4", "x", "-o", "out.mp4")
    assert done.code == 2
    assert "--overwrite" in done.err
    assert (omniedit.folder / "out.mp4").read_bytes() == b"theirs"
    assert sandbox.submissions == []
    assert not (omniedit.folder / "out.mp4.journal").exists()
    assert omniedit("edit", clips / "a.mp4", "x", "-o", "out.mp4", "--overwrite").code == 0


@pytest.mark.omniedit(
    settings=QUICK, faults={"faults": [{"fault": "fail", "first": 1, "code": "content_policy_violation"}]}
)
def test_a_failed_task_is_exit_1_and_may_be_tried_anew(omniedit: Any, clips: Path) -> None:
    """It was not billed and there is nothing to go on with: the same command is a new try."""
    done = omniedit("edit", clips / "a.mp4", "x", "-o", "out.mp4", "--json")
    assert done.code == 1
    assert "change the prompt or the clip" in done.err
    assert done.summary["counts"] == {"failed": 1}
    assert omniedit("edit", clips / "a.mp4", "x", "-o", "out.mp4").code == 0


@pytest.mark.omniedit(settings=QUICK, faults={"faults": [{"fault": "lost_reply", "first": 1}]})
def test_an_uncertain_edit_keeps_its_journal(omniedit: Any, clips: Path, sandbox: BackgroundSandbox) -> None:
    """A second run sends nothing by itself; with replay the one task is found and saved."""
    command = ("edit", sandbox.host_clip(clips / "a.mp4"), "x", "-o", "out.mp4")
    assert omniedit(*command).code == 1
    assert (omniedit.folder / "out.mp4.journal").exists()
    again = omniedit(*command)
    assert again.code == 1
    assert "--on-uncertain replay" in again.err
    assert len(sandbox.submissions) == 1
    other = omniedit("edit", sandbox.host_clip(clips / "b.mp4"), "y", "-o", "out.mp4")
    assert other.code == 2
    assert "remembers another edit" in other.err
    assert "To go on" not in other.err  # the refused command would only be refused again
    assert (omniedit.folder / "out.mp4.journal").exists()
    assert omniedit(*command, "--on-uncertain", "replay").code == 0
    assert len(sandbox.accepted) == 1
    assert not (omniedit.folder / "out.mp4.journal").exists()


@pytest.mark.omniedit(
    settings=QUICK,
    faults={"faults": [{"fault": "fail", "code": "service_error", "prompt": "doomed"}, {"fault": "cancel"}]},
)
@pytest.mark.parametrize("prompt", ["doomed", "cancelled"])
def test_a_mend_names_no_option_that_edit_does_not_have(omniedit: Any, clips: Path, prompt: str) -> None:
    """What may be tried again is tried by the same command."""
    done = omniedit("edit", clips / "a.mp4", prompt, "-o", "out.mp4")
    assert done.code == 1
    assert "--retry-failed" not in done.out + done.err
    assert "the same command" in done.err


@pytest.mark.omniedit(
    settings=QUICK,
    faults={"faults": [{"fault": "fail", "prompt": "doomed"}, {"fault": "empty_results", "prompt": "empty"}]},
)
@pytest.mark.parametrize("prompt", ["x", "doomed", "empty"])
def test_money_is_what_the_service_said(omniedit: Any, clips: Path, prompt: str) -> None:
    """Reserved and used apart, of a saved edit and of a failed one: the same sums as a batch of one tells."""
    alone = omniedit("edit", clips / "a.mp4", prompt, "-o", "alone.mp4", "--json").summary
    batch = omniedit("batch", clips / "a.mp4", "--prompt", prompt, "-o", "out", "--json").summary
    assert alone["credits_reserved"] == pytest.approx(batch["credits_reserved"], abs=0.001)
    assert alone["credits_used"] == pytest.approx(batch["credits_used"], abs=0.001)
    assert (alone["credits_reserved"] > 60) == (prompt != "doomed")
    assert bool(alone["credits_used"]) == (prompt != "doomed")


@pytest.mark.omniedit(settings=attrs.evolve(QUICK, usage_on_get=False))
def test_what_the_service_does_not_say_was_used_is_not_made_up(omniedit: Any, clips: Path) -> None:
    """Reserved is known from the acceptance; that so much was used, nobody said."""
    summary = omniedit("edit", clips / "a.mp4", "x", "-o", "out.mp4", "--json").summary
    assert summary["credits_reserved"] > 60
    assert summary["credits_used"] == 0.0


@pytest.mark.omniedit(settings=QUICK, faults={"faults": [{"fault": "empty_results", "first": 1}]})
def test_a_paid_task_without_a_result_is_not_called_free(omniedit: Any, clips: Path) -> None:
    """It was probably billed, and nobody is told to submit it again."""
    done = omniedit("batch", clips / "a.mp4", "--prompt", "x", "-o", "out")
    assert done.code == 1
    assert "may have been billed" in done.err
    assert "not billed" not in done.err


@pytest.mark.parametrize("key", ["sk-sandbox-unauthorized", "sk-sandbox-broke", "sk-sandbox-denied"])
def test_a_refused_key_is_exit_3(omniedit: Any, clips: Path, key: str) -> None:
    """The service refuses everything."""
    done = omniedit("edit", clips / "a.mp4", "x", "-o", "out.mp4", "--json", EVOLINK_API_KEY=key)
    assert done.code == 3
    assert done.summary["stopped"]["type"]
    assert "mend:" in done.err

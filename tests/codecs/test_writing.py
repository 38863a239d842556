"""What is sent and shown: the same value makes the same bytes, and no secret is among them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, strategies as st

from omniedit import codecs
from omniedit.changes import Change, Saved, Summary
from omniedit.errors import QuotaExhausted, TaskFailed
from omniedit.models import Edit, Intent, Status

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EDIT = Edit("https://example.com/a.mp4", "雪を降らせて", name="snow.mp4")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def test_paid_request_has_the_documented_fields_and_no_others() -> None:
    """`duration` and `aspect_ratio` do not exist; the callback only when there is one."""
    intent = Intent(EDIT, "https://files.example.com/a.mp4", "n" * 32)
    assert json.loads(codecs.encode_intent(intent)) == {
        "model": "gemini-omni-flash-video-edit",
        "prompt": "雪を降らせて",
        "video_urls": ["https://files.example.com/a.mp4"],
    }
    called = Intent(EDIT, "https://e.com/a.mp4", "n" * 32, "https://cb.example.com/x")
    assert json.loads(codecs.encode_intent(called))["callback_url"] == "https://cb.example.com/x"


@given(texts, texts, st.none() | texts)
def test_same_intent_makes_the_same_bytes(prompt: str, url: str, callback: str | None) -> None:
    """A repeat with the same key must have the same body, also when it is made anew from a journal."""
    first = Intent(Edit("a.mp4", prompt), url, "n", callback)
    second = Intent(Edit("a.mp4", prompt, name="other.mp4"), url, "m", callback)
    assert codecs.encode_intent(first) == codecs.encode_intent(second)
    assert json.loads(codecs.encode_intent(first))["prompt"] == prompt


def test_bulk_look_is_a_list_of_ids() -> None:
    """As the service's own clients send it."""
    assert json.loads(codecs.encode_ids(["a", "b"])) == {"task_ids": ["a", "b"]}


def test_change_has_every_promised_field() -> None:
    """The object of `--json`, complete also where nothing is known."""
    error = TaskFailed("content_policy_violation: no", code="content_policy_violation", task_id="t1", mend="change it")
    change = Change(EDIT, Status.failed, Status.processing, 40, at=NOW, task_id="t1", error=error, credits=1.5)
    shown = codecs.encode_change(change)
    assert set(shown) == {
        *("status", "previous", "source", "prompt", "name", "task_id", "progress", "path", "error", "credits", "at"),
    }
    assert (shown["status"], shown["previous"], shown["at"]) == ("failed", "processing", "2026-11-22T12:00:00+00:00")
    described = shown["error"]
    assert isinstance(described, dict)
    assert described["type"], described["code"] == ("TaskFailed", "content_policy_violation")
    first = codecs.encode_change(Change(EDIT, Status.queued, at=NOW))
    assert (first["previous"], first["path"], first["error"], first["task_id"]) == (None, None, None, None)
    json.dumps([shown, first])


def test_saved_and_summary_are_plain_json() -> None:
    """Paths and statuses as text."""
    saved = Saved(EDIT, Path("out/snow.mp4"), "t1", "0" * 64, 17, 1.5, 2.5)
    assert codecs.encode_saved(saved)["path"] == "out/snow.mp4"
    summary = Summary({Status.saved: 2, Status("reviewing"): 1}, 3.0, 4.0, 5.0, stopped=QuotaExhausted("empty"))
    shown = json.loads(json.dumps(codecs.encode_summary(summary)))
    assert shown["counts"] == {"saved": 2, "reviewing": 1}
    assert shown["stopped"]["code"] == "insufficient_quota"
    assert codecs.encode_summary(Summary({}, 0.0, 0.0, 0.0))["stopped"] is None

"""The vocabulary: statuses are an open set, identities are content, and no repr shows a link."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
from hypothesis import given, strategies as st

from omniedit.models import Edit, Entry, Hosted, MediaFacts, Reply, Status, Task

NOW = datetime(2026, 11, 22, tzinfo=UTC)
URL = "https://example.com/a.mp4"


def test_ends_are_ends() -> None:
    """Six of them; everything else goes on."""
    ends = {status for status in Status if status.terminal}
    assert ends == {"saved", "failed", "cancelled", "rejected", "expired", "uncertain"}


@pytest.mark.parametrize("word", ["reviewing", "throttled", "in_queue", "審査中"])
def test_statuses_never_seen_before_are_members(word: str) -> None:
    """Equal to their text, hashable like it, never an end, not among the known ones."""
    status = Status(word)
    assert status == word == str(status) == status.value
    assert (status.known, status.terminal) == (False, False)
    assert {status: 1}[Status(word)] == 1
    assert status not in list(Status)
    assert pickle.loads(pickle.dumps(status)) == copy.deepcopy(status) == status  # noqa: S301 - our own bytes


def test_spellings_are_one() -> None:
    """Case, space around it, and the second spelling of cancelled."""
    assert Status("canceled") is Status(" Cancelled ") is Status.cancelled
    assert Status("PENDING") is Status.pending
    assert Status.pending.known


@pytest.mark.parametrize("value", ["", "   ", "\x00\x1b", 5, None, [], True])
def test_what_is_no_word_is_no_status(value: object) -> None:
    """Neither empty nor unprintable, nor anything but text."""
    with pytest.raises(ValueError, match="is not a valid Status"):
        Status(value)  # type: ignore[arg-type]


@given(st.text(max_size=400))
def test_any_text_makes_a_short_printable_status_that_stays_itself(text: str) -> None:
    """A hostile reply fills neither memory nor a terminal, and a journal gives back what it was given."""
    try:
        status = Status(text)
    except ValueError:
        assert not text.isprintable() or not text.strip()
        return
    assert 0 < len(status) <= 64
    assert Status(str(status)) == status


def test_identity_is_content_and_never_position() -> None:
    """Source, prompt, model and variant; neither name nor callback."""
    edit = Edit(URL, "snow")
    same = Edit(URL, "snow", name="x.mp4", callback_url="https://cb.example.com/")
    assert edit.key == same.key
    assert len(edit.key) == 32
    assert int(edit.key, 16) >= 0
    others = [Edit(URL + "?", "snow"), Edit(URL, "snow "), Edit(URL, "snow", variant=1), Edit(URL, "snow", model="m")]
    assert len({edit.key, *(other.key for other in others)}) == 5


def test_identity_does_not_change_between_versions() -> None:
    """Journals are found again by it: a change here would bill everything twice."""
    assert Edit(URL, "雪").key == "a669c67d2cc54df3d5690588cac7f696"
    assert Edit("a.mp4", "snow").key == "fc1733f290b7909beea0225b35f2186e"


anything = st.none() | st.integers() | st.text() | st.binary() | st.lists(st.text(), max_size=2)


@given(anything, anything, anything, anything)
def test_making_an_edit_never_raises_on_its_content(
    source: object, prompt: object, name: object, variant: object
) -> None:
    """What is wrong is said when it is submitted, all at once: one bad row cannot end a batch."""
    edit = Edit(source, prompt, name=name, variant=variant)  # type: ignore[arg-type]
    assert len(edit.key) == 32


def test_edits_are_frozen_and_travel() -> None:
    """Paths become text, unsupported fields are kept, and a pickled edit is the same edit."""
    edit = Edit(Path("clips/a.mp4"), "snow", name="b.mp4", variant=3, duration=5)  # type: ignore[arg-type]
    assert edit.source == str(Path("clips/a.mp4"))
    assert dict(edit.unsupported) == {"duration": 5}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        edit.prompt = "rain"  # type: ignore[misc]
    with pytest.raises(TypeError):
        edit.unsupported["size"] = 1  # type: ignore[index]
    again = pickle.loads(pickle.dumps(edit))  # noqa: S301 - our own bytes
    assert (again, again.key, dict(again.unsupported)) == (edit, edit.key, {"duration": 5})
    assert hash(again) == hash(edit)


def test_no_repr_shows_a_link_or_a_body() -> None:
    """Links to results are not public, and logs are made of reprs."""
    secret = "https://media.example.com/secret-token.mp4"
    values = [
        Task("t", Status.completed, results=(secret,), extra={"result": secret}),
        Entry(Edit(URL, "snow"), "a.mp4", Status.completed, NOW, link=secret, video_url=secret, callback_url=secret),
        Hosted(secret),
        Reply(200, {}, secret.encode()),
    ]
    assert [value for value in values if "secret" in repr(value)] == []


def test_credits_are_what_was_used_or_else_reserved() -> None:
    """Nought used is something known."""
    assert Task("t", Status.completed, credits_reserved=60.0).credits == 60.0
    assert Task("t", Status.completed, credits_reserved=60.0, credits_used=0.0).credits == 0.0
    assert Entry(Edit(URL, "x"), "a", Status.saved, NOW, credits_reserved=6.0, credits_used=5.0).credits == 5.0
    assert Entry(Edit(URL, "x"), "a", Status.saved, NOW).credits is None


def test_frame_rate_needs_frames_and_length() -> None:
    """Nothing is divided by nought."""
    facts = MediaFacts("isom", 1, 10.0, 10.005, 160, 90, 240, "avc1", "mp4a")
    assert facts.frame_rate == 24.0
    assert attrs.evolve(facts, duration=0.0).frame_rate is None
    assert attrs.evolve(facts, frames=None).frame_rate is None


def test_edits_can_be_evolved() -> None:
    """Everything else is as it was, also what the service has no field for; the identity is made anew."""
    edit = Edit("a.mp4", "Make it snow", name="n", duration=5)  # type: ignore[arg-type]
    other = attrs.evolve(edit, variant=2)
    assert other == Edit("a.mp4", "Make it snow", name="n", variant=2, duration=5)  # type: ignore[arg-type]
    assert other.key == Edit("a.mp4", "Make it snow", variant=2).key
    assert attrs.evolve(edit) == edit
    assert attrs.evolve(Edit("a.mp4", "x"), prompt="y").unsupported == {}

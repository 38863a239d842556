"""Preflight: every reason at once, each with its field and its mend, and nothing that the service would take."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from omniedit.core.preflight import check_edit, check_media, is_url, refuse_clip, refuse_edit
from omniedit.errors import InvalidEdit, PreflightFailed
from omniedit.models import Edit, MediaFacts

URL = "https://example.com/a.mp4"
GOOD = MediaFacts(
    brand="isom",
    size=1000,
    duration=10.0,
    container_duration=10.005,
    width=1280,
    height=720,
    frames=240,
    video_codec="avc1",
    audio_codec="mp4a",
)


@pytest.mark.parametrize(
    "edit",
    [
        Edit(URL, "Make it snow"),
        Edit("http://example.com:8080/a.mp4?x=1&y=2", "雪を降らせて"),
        Edit("clips/a.mp4", "x", name="snow", variant=3, model="gemini-omni-1.1-flash-video-edit"),
        Edit("a b:c.mp4", "x", callback_url="https://example.com/done?x=1"),
        Edit("C:\\clips\\a.mp4", "x"),
        Edit("https://8.8.8.8/a.mp4", "x"),
        Edit(f"https://{'a' * 63}.example.com./a.mp4", "x"),
        Edit(URL + "?next=https://example.com/b.mp4", "x"),
        Edit(URL + "?size=1,https://example.com/b.mp4", "x"),
        Edit(URL, "x", variant=2**63 - 1),
    ],
)
def test_a_good_edit_is_let_through(edit: Edit) -> None:
    """No reason, no exception."""
    assert check_edit(edit) == ()
    refuse_edit(edit)


def made(**fields: Any) -> Edit:
    """An edit as a careless caller makes it."""
    return Edit(**{"source": URL, "prompt": "x", **fields})


@pytest.mark.parametrize(
    ("fields", "field", "why", "mend"),
    [
        ({"prompt": ""}, "prompt", "empty", "what to change"),
        ({"prompt": " \n"}, "prompt", "empty", "what to change"),
        ({"prompt": None}, "prompt", "not NoneType", "one string"),
        ({"prompt": "a\ud800"}, "prompt", "half characters", "UTF-8"),
        ({"source": ["a", "b"]}, "source", "not a list", "one edit for each"),
        ({"source": None}, "source", "not a NoneType", "one URL or path"),
        ({"source": " "}, "source", "empty", "path of a clip"),
        ({"source": "a\0b"}, "source", "no path", "path of a clip"),
        ({"source": "a\ud800"}, "source", "no path", "path of a clip"),
        ({"source": f"{URL} {URL}"}, "source", "more than one URL", "exactly one"),
        ({"source": f"{URL},http://b/c.mp4"}, "source", "more than one URL", "exactly one"),
        ({"source": f"{URL}?x=1, ;http://b/c.mp4"}, "source", "more than one URL", "exactly one"),
        ({"source": "ftp://example.com/a.mp4"}, "source", "scheme 'ftp'", "http or https"),
        ({"source": "file:///a.mp4"}, "source", "scheme 'file'", "path alone"),
        ({"source": "s3://bucket/a.mp4"}, "source", "scheme 's3'", "http or https"),
        ({"source": "data:video/mp4;base64,AAAA"}, "source", "scheme 'data'", "http or https"),
        ({"source": "https://"}, "source", "no URL", "wrong host"),
        ({"source": "https://[/a"}, "source", "no URL", "wrong host"),
        ({"source": "https://h:99999/a"}, "source", "no URL", "wrong host"),
        ({"source": "https://example..com/a.mp4"}, "source", "no URL", "wrong host"),
        ({"source": "https://.example.com/a.mp4"}, "source", "no URL", "wrong host"),
        ({"source": f"https://{'a' * 64}.com/a.mp4"}, "source", "no URL", "wrong host"),
        ({"source": "https://example.com/a b.mp4"}, "source", "no URL", "spaces"),
        ({"source": "https://example.com/a.mp4\n"}, "source", "no URL", "line ends"),
        ({"source": "https://u:p@example.com/a.mp4"}, "source", "password", "presigned"),
        ({"source": "http://127.0.0.1/a.mp4"}, "source", "cannot reach", "local file"),
        ({"source": "http://[::ffff:10.0.0.1]/a.mp4"}, "source", "cannot reach", "local file"),
        ({"source": "http://nas.local/a.mp4"}, "source", "cannot reach", "local file"),
        ({"callback_url": "http://example.com/"}, "callback_url", "scheme 'http'", "https only"),
        ({"callback_url": ""}, "callback_url", "one URL", "leave it out"),
        ({"callback_url": 5}, "callback_url", "one URL", "leave it out"),
        ({"callback_url": "https:///x"}, "callback_url", "no URL", "https URL"),
        ({"callback_url": "https://example..com/x"}, "callback_url", "no URL", "https URL"),
        ({"callback_url": "https://h:x/"}, "callback_url", "no URL", "https URL"),
        ({"callback_url": "https://localhost/x"}, "callback_url", "private", "public address"),
        ({"callback_url": "https://192.168.1.4/x"}, "callback_url", "private", "public address"),
        ({"callback_url": "https://e.com/" + "x" * 2035}, "callback_url", "2049 characters", "2048"),
        ({"model": ""}, "model", "no model's name", "leave it out"),
        ({"model": "a b"}, "model", "no model's name", "leave it out"),
        ({"model": None}, "model", "no model's name", "leave it out"),
        ({"variant": "2"}, "variant", "no whole number", "0, 1, 2"),
        ({"variant": True}, "variant", "no whole number", "0, 1, 2"),
        ({"variant": -1}, "variant", "no whole number", "0, 1, 2"),
        ({"variant": 2**63}, "variant", "too large", "below 2**63"),
        ({"variant": 10**400}, "variant", "too large", "below 2**63"),
        ({"name": "../a"}, "name", "leaves the output folder", "plain file name"),
        ({"duration": 5}, "duration", "not a field", "prompt"),
        ({"aspect_ratio": "9:16"}, "aspect_ratio", "not a field", "prompt"),
        ({"negative_prompt": "rain"}, "negative_prompt", "not a field", "No dialogue"),
        ({"seed": 7}, "seed", "not a field", "leave it out"),
    ],
)
def test_a_wrong_edit_is_told_what_and_how_to_mend_it(fields: dict[str, Any], field: str, why: str, mend: str) -> None:
    """One error with its field, its words and its way out."""
    (error,) = check_edit(made(**fields))
    assert error.field == field
    assert why in error.message
    assert mend in (error.mend or "")
    with pytest.raises(InvalidEdit) as caught:
        refuse_edit(made(**fields))
    assert caught.value.field == field


@pytest.mark.parametrize("other", [None, "a.mp4", {"source": "a.mp4", "prompt": "snow"}])
def test_what_is_no_edit_is_told_so(other: Any) -> None:
    """With what it is."""
    with pytest.raises(InvalidEdit, match=f"must be an Edit, not a {type(other).__name__}"):
        refuse_edit(other)


def test_all_reasons_come_at_once() -> None:
    """In the order of the fields, in one error."""
    edit = made(
        prompt="", source="ftp://x/", callback_url="http://10.0.0.1/" + "x" * 2048, duration=3, aspect_ratio="1:1"
    )
    fields = [error.field for error in check_edit(edit)]
    assert fields == ["prompt", "source", "callback_url", "callback_url", "callback_url", "aspect_ratio", "duration"]
    with pytest.raises(InvalidEdit) as caught:
        refuse_edit(edit)
    assert caught.value.field == "prompt"
    for word in ("prompt is empty", "scheme 'ftp'", "duration", "aspect_ratio"):
        assert word in caught.value.message
    assert "https only" in (caught.value.mend or "")


def test_beside_a_local_service_local_addresses_are_fine() -> None:
    """The sandbox fetches from loopback and calls back over http; other schemes stay refused."""
    edit = made(source="http://127.0.0.1:8000/a.mp4", callback_url="http://localhost:9/x")
    assert len(check_edit(edit)) == 3
    assert check_edit(edit, local_service=True) == ()
    refuse_edit(edit, local_service=True)
    assert check_edit(made(callback_url="ftp://localhost/x"), local_service=True)
    assert check_edit(made(callback_url="http://example.com/x"), local_service=True)
    assert check_edit(made(callback_url="https://192.168.1.4/x"), local_service=True)


@pytest.mark.parametrize("duration", [None, 0.5, 10.0, 10.005, 10.1])
def test_a_clip_of_ten_seconds_is_taken(duration: float | None) -> None:
    """With the tolerance of 0.1 s, judged by the video track; what is unknown is not refused."""
    assert check_media(attrs.evolve(GOOD, duration=duration, container_duration=30.0)) == ()
    refuse_clip(attrs.evolve(GOOD, duration=duration), "a.mp4")


@pytest.mark.parametrize(
    ("change", "reasons", "mend"),
    [
        ({"duration": 10.11}, ("is 10.11 s long, at most 10 s are taken",), "-t 10"),
        ({"duration": 30.0}, ("is 30.00 s long, at most 10 s are taken",), "-t 10"),
        ({"duration": 0.0}, ("has a length of zero",), "at least one frame"),
        ({"video_codec": None}, ("has no video track",), "at least one frame"),
        ({"brand": "qt  "}, ("is a QuickTime movie, not an mp4",), "-c copy clip.mp4"),
    ],
)
def test_a_wrong_clip_is_refused(change: dict[str, Any], reasons: tuple[str, ...], mend: str) -> None:
    """With words that complete "the clip ..."."""
    assert check_media(attrs.evolve(GOOD, **change)) == reasons
    with pytest.raises(PreflightFailed) as caught:
        refuse_clip(attrs.evolve(GOOD, **change), "a.mp4")
    assert caught.value.reasons == reasons
    assert "a.mp4" in caught.value.message
    assert mend in (caught.value.mend or "")


def test_a_clip_may_be_wrong_in_more_than_one_way() -> None:
    """All reasons, not only the first."""
    assert len(check_media(attrs.evolve(GOOD, brand="qt  ", duration=60.0))) == 2


@pytest.mark.parametrize(("source", "expected"), [(URL, True), ("DATA:x", True), ("a.mp4", False), ("C:\\a", False)])
def test_what_is_a_url_and_what_a_path(*, source: str, expected: bool) -> None:
    """A path is everything without `://`."""
    assert is_url(source) is expected


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.none() | st.text(max_size=60))
def test_no_text_makes_the_check_raise(source: str, prompt: str, callback: str, name: str | None) -> None:
    """Errors are values, whatever people write."""
    for error in check_edit(Edit(source, prompt, callback_url=callback, name=name)):
        assert error.field
        assert error.mend

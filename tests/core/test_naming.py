"""Names: nothing leaves its folder, everything fits, what people wrote wrongly is said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from omniedit.core.naming import (
    MOST_BYTES,
    beside,
    check_name,
    check_path,
    check_template,
    fallback_name,
    part_name,
    render,
    safe_name,
    stem_of,
)
from omniedit.errors import InvalidEdit
from omniedit.models import Edit

CLIP = Edit("https://example.com/clips/harbour.mp4", "Make it snow")


@pytest.mark.parametrize(
    ("template", "index", "expected"),
    [
        ("{stem}", None, "harbour.mp4"),
        ("{index:05}-{name}", 7, "00007-harbour.mp4"),
        ("{index}", None, "0.mp4"),
        ("{key}", None, f"{CLIP.key}.mp4"),
        ("{stem}-{key8}-{variant}", None, f"harbour-{CLIP.key[:8]}-0.mp4"),
        ("{{{stem}}}", None, "{harbour}.mp4"),
        ("../{stem}", None, "_harbour.mp4"),
        ("a/b/{stem}", None, "a_b_harbour.mp4"),
        ("", None, "clip.mp4"),
        ("con", None, "_con.mp4"),
    ],
)
def test_a_template_makes_a_safe_name(template: str, index: int | None, expected: str) -> None:
    """It cannot leave the folder, whatever it says."""
    assert render(template, CLIP, index) == expected


def test_a_template_is_text() -> None:
    """What comes from a program may be anything."""
    given: Any = 3
    with pytest.raises(InvalidEdit, match="the name template 3 is no text"):
        check_template(given)


def test_the_name_of_an_edit_wins_over_the_template() -> None:
    """And is checked, not mended."""
    assert render("{stem}", Edit("a.mp4", "x", name="warm")) == "warm.mp4"
    with pytest.raises(InvalidEdit, match="leaves the output folder"):
        render("{stem}", Edit("a.mp4", "x", name="../warm.mp4"))


@pytest.mark.parametrize(
    "template",
    ["{", "}", "{colour}", "{stem.__class__}", "{stem[0]}", "{stem!z}", "{stem:{key}}", "{}", "{0}", "{index:x!}"],
)
def test_a_template_that_names_no_edit_is_refused(template: str) -> None:
    """With the fields that exist."""
    with pytest.raises(InvalidEdit) as caught:
        check_template(template)
    assert caught.value.field == "name"
    assert "{stem}" in (caught.value.mend or "")


@pytest.mark.parametrize(
    ("source", "stem"),
    [
        ("https://example.com/a/b%20c.mp4?sig=1#t", "b c"),
        ("https://example.com/", "clip"),
        ("https://example.com", "clip"),
        ("https://example.com/dir/", "dir"),
        ("https://example.com/%2e%2e%2fetc%2fpasswd", "_etc_passwd"),
        ("https://example.com/a%00b.mp4", "a_b"),
        ("https://example.com/%ff.mp4", "\ufffd"),
        ("http://[", "clip"),
        ("clips/harbour.mov", "harbour"),
        ("harbour", "harbour"),
        ("/clips/..", "clip"),
        (".hidden.mp4", "hidden"),
        ("-rf.mp4", "rf"),
        ("a.tar.gz", "a.tar"),
        ("v1.final-version", "v1.final-version"),
        ("海辺.mp4", "海辺"),
        ("e\u0301.mp4", "é"),
        ("nul.mp4", "_nul"),
        ("nul .x.mp4", "_nul .x"),
        ("a\x85\u2028\u061cb.mp4", "a__b"),
        ("gnp\u202e4pm.mp4", "gnp4pm"),
        (["a", "b"], "clip"),
    ],
)
def test_the_stem_of_a_source_is_safe(source: object, stem: str) -> None:
    """The last segment, decoded, without its suffix."""
    assert stem_of(source) == stem


@pytest.mark.parametrize(
    "name", ["warm.mp4", "warm", "WARM.MP4", "a.b.c", "海辺.mp4", "a" * 251 + ".mp4", "console.mp4"]
)
def test_a_good_name_is_kept(name: str) -> None:
    """`.mp4` is added when it is missing."""
    assert check_name(name) == (name if name.lower().endswith(".mp4") else name + ".mp4")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "names no file"),
        (".", "names no file"),
        ("..", "names no file"),
        ("  ", "names no file"),
        ("../a.mp4", "leaves"),
        ("/etc/a.mp4", "leaves"),
        ("a/b.mp4", "leaves"),
        ("a\\b.mp4", "leaves"),
        ("C:a.mp4", "leaves"),
        ("a\0.mp4", "characters"),
        ("a\n.mp4", "characters"),
        ("a?.mp4", "characters"),
        ("a\ud800.mp4", "characters"),
        ("a\x9b.mp4", "characters"),
        ("a\u2028.mp4", "characters"),
        ("a\u2029.mp4", "characters"),
        ("a\u061c.mp4", "characters"),
        ("a\u202e4pm.exe", "characters"),
        ("a.mp4.", "ends with"),
        ("a.mp4 ", "ends with"),
        (" a.mp4", "begins with"),
        ("CON", "reserved"),
        ("con.mp4", "reserved"),
        ("com1.x.mp4", "reserved"),
        ("con .x", "reserved"),
        ("nul .mp4", "reserved"),
        ("a" * 252, "256 bytes"),
        ("é" * 126 + ".mp4", "256 bytes"),
        (7, "must be text"),
        (None, "must be text"),
    ],
)
def test_a_wrong_name_is_refused(name: object, why: str) -> None:
    """It names the field and the mend."""
    with pytest.raises(InvalidEdit, match=why) as caught:
        check_name(name)
    assert caught.value.field == "name"
    assert caught.value.mend


@pytest.mark.parametrize(
    "path", ["a", "out/CON.mp4", "../a:b?.mp4", "out/" + "é" * 127, "x" * 300 + "/a.mp4", "\udcff/a.mp4"]
)
def test_a_path_that_was_chosen_is_kept(path: str) -> None:
    """Whoever writes it knows the system it is for."""
    assert check_path(path) == path


@pytest.mark.parametrize("path", ["", ".", "/", "new/..", "a\0.mp4", "\udcff.mp4", "雪" * 100])
def test_a_path_that_no_file_can_have_is_refused(path: str) -> None:
    """It names the field and the mend."""
    with pytest.raises(InvalidEdit, match="names no file") as caught:
        check_path(path)
    assert caught.value.field == "save_to"
    assert caught.value.mend


def test_a_taken_name_gets_a_mark() -> None:
    """The edit's key, or the task's end."""
    assert fallback_name("warm.mp4", CLIP) == f"warm-{CLIP.key[:8]}.mp4"
    assert beside("warm", "a/b") == "warm-a_b.mp4"
    assert len(beside("é" * 120 + ".mp4", "12345678").encode()) <= MOST_BYTES


def test_the_unfinished_file_lies_beside_its_target() -> None:
    """Names too long for a suffix are cut, and stay apart."""
    assert part_name("warm.mp4") == "warm.mp4.part"
    assert part_name("warm.mp4", ".part.json") == "warm.mp4.part.json"
    long = ["a" * 250 + end + ".mp4" for end in "xy"]
    parts = {part_name(name, suffix) for name in long for suffix in (".part", ".part.json")}
    assert len(parts) == 4
    assert all(len(part.encode()) <= MOST_BYTES for part in parts)


@given(st.text(max_size=300))
def test_any_text_becomes_a_name_that_is_accepted(text: str) -> None:
    """What the library makes up passes its own check, with room for every suffix."""
    name = safe_name(text)
    assert check_name(name + ".mp4") == name + ".mp4"
    assert len(part_name(beside(name + ".mp4", "12345678"), ".part.json").encode()) <= MOST_BYTES


@given(st.text(max_size=80), st.text(max_size=20))
def test_no_source_and_no_template_leaves_the_folder(source: str, template: str) -> None:
    """One plain component, or a refusal."""
    try:
        name = render(template, Edit(source, "x"))
    except InvalidEdit:
        return
    assert "/" not in name
    assert name.endswith(".mp4")
    assert name not in {".", ".."}

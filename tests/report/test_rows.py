"""What a sheet says of an edit is what its entry says, in bounds; sums count what is known and nothing twice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import attrs
import pytest

from omniedit.models import Edit, Status
from omniedit.report.clips import Clip, Recent, find_clip, relative_url
from omniedit.report.rows import Group, Sums, group_of, row_of

if TYPE_CHECKING:
    from tests.report.conftest import Gallery


@pytest.mark.parametrize("status", [*Status, Status("throttled")], ids=str)
def test_every_status_has_its_section(status: Status) -> None:
    """Saved is saved; every other end needs somebody; everything else, known or not, is under way."""
    expected = Group.saved if status == "saved" else Group.attention if status.terminal else Group.open
    assert group_of(status) is expected


def test_row_tells_what_the_entry_tells(gallery: Gallery) -> None:
    """Names, sums, times and clips."""
    before, after = find_clip(str(gallery.before)), find_clip(str(gallery.after))
    assert before
    assert after
    assert row_of(gallery.entry(), before, after, gallery.folder) == {
        "status": "saved",
        "group": "saved",
        "name": "after.mp4",
        "prompt": "Make it snow",
        "source": str(gallery.before),
        "before": {"id": before.id, "href": "before.mp4"},
        "after": {"id": after.id, "href": "after.mp4"},
        "task": "task-unified-1795165200-abcdefgh",
        "sha256": "5e" * 32,
        "size": gallery.after.stat().st_size,
        "credits": 25.5,
        "accepted": "2026-11-20T09:00:00+00:00",
        "at": "2026-11-20T09:01:20+00:00",
        "seconds": 80.0,
    }


def test_row_leaves_out_what_nobody_knows(gallery: Gallery) -> None:
    """An edit that has only been queued has no task, no time, no credits."""
    entry = attrs.evolve(
        gallery.failed("q.mp4"),
        status=Status.queued,
        submitted_at=None,
        task_id=None,
        credits_reserved=None,
        error_type=None,
        error_code=None,
        error_message=None,
    )
    assert row_of(entry, None, None, gallery.folder).keys() == {
        *("status", "group", "name", "prompt", "source", "reserved", "at")
    }


def test_row_offers_a_source_on_the_web_only_without_its_secrets(gallery: Gallery) -> None:
    """A plain URL can be played; a signed one is neither played nor shown in full."""
    plain = row_of(gallery.entry(source="https://example.com/a.mp4"), None, None, gallery.folder)
    signed = row_of(gallery.entry(source="https://example.com/a.mp4?Signature=xyzzy"), None, None, gallery.folder)
    assert plain["before"] == {"url": "https://example.com/a.mp4"}
    assert signed["source"] == "https://example.com/a.mp4?…"
    assert "before" not in signed
    assert "xyzzy" not in str(signed)


def test_row_never_carries_links_or_nonces(gallery: Gallery) -> None:
    """Links to results and hosted sources are not public, and a sheet is passed around."""
    entry = attrs.evolve(
        gallery.entry(),
        link="https://media.example.com/secret",
        video_url="https://host.example.com/secret",
        callback_url="https://me.example.com/secret",
        nonce="secret-nonce-0001",
    )
    assert "secret" not in str(row_of(entry, None, None, gallery.folder))


def test_row_is_bounded_and_takes_any_text(gallery: Gallery) -> None:
    """However long or strange the texts are, and even when an edit holds no text at all."""
    long = "x" * 100_000
    entry = gallery.failed(long, long, source=long, error_message=long)
    assert len(str(row_of(entry, None, None, gallery.folder))) < 15_000
    odd = attrs.evolve(entry, edit=Edit(cast("str", 12), cast("str", None)))
    assert row_of(odd, None, None, gallery.folder)["prompt"] == "None"


def test_failed_edits_cost_nothing(gallery: Gallery) -> None:
    """What was reserved for a failed task is not billed; for others, reserved and used are told apart."""
    sums = Sums()
    for entry in [
        gallery.entry(),
        gallery.failed(),
        gallery.entry(status=Status.processing, credits_used=None, size=None),
        gallery.failed(status=Status.queued, submitted_at=None, credits_reserved=None),
    ]:
        sums.add(entry)
    assert (sums.used, sums.reserved) == (25.5, 26.0)
    assert "credits" not in row_of(gallery.failed(), None, None, gallery.folder)


def test_sums_count_edits_sections_bytes_and_time(gallery: Gallery) -> None:
    """The first acceptance, the last change, bytes on disk, and whether anything lies on the web."""
    sums = Sums()
    assert (sums.total, sums.first, sums.last) == (0, None, None)
    late = gallery.entry().at + timedelta(minutes=5)
    for entry in [gallery.entry(), gallery.failed(at=late), gallery.entry(status=Status("throttled"), size=None)]:
        sums.add(entry)
    assert sums.total == 3
    assert [sums.of(group) for group in Group] == [1, 1, 1]
    assert sums.size == gallery.after.stat().st_size
    assert (sums.first, sums.last) == (gallery.entry().submitted_at, late)
    assert not sums.remote
    sums.add(gallery.entry(source="https://example.com/a.mp4"))
    assert sums.remote


@pytest.mark.parametrize("path", [None, "", "missing.mp4", "bad\x00name.mp4", "x" * 5000, "."])
def test_what_is_no_file_is_no_clip(path: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing raises."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.mp4").touch()
    assert find_clip(path) is None
    assert find_clip("empty.mp4") is None


@pytest.mark.parametrize("text", [b"ftyp", b"ftypisom", b"key = ftyp of a text", b"\x1a\x45\xdf\xa3 webm", b"secret"])
def test_what_does_not_begin_as_an_mp4_is_no_clip(text: bytes, tmp_path: Path) -> None:
    """Whatever it is called."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(text)
    assert find_clip(str(path)) is None


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("a b#c?d%41.mp4", "a%20b%23c%3Fd%2541.mp4"),
        ("javascript:alert(1).mp4", "javascript%3Aalert%281%29.mp4"),
        ('"><script>.mp4', "%22%3E%3Cscript%3E.mp4"),
        ("雪.mp4", "%E9%9B%AA.mp4"),
        ("\udcff.mp4", "%FF.mp4"),
    ],
)
def test_references_are_relative_and_quoted(name: str, url: str, tmp_path: Path) -> None:
    """Any name the file system allows makes a relative URL that means this file."""
    assert relative_url(Clip(str(tmp_path / name), 1), tmp_path) == url
    assert relative_url(Clip(str(tmp_path / name), 1), tmp_path / "sheets") == f"../{url}"


def test_recent_forgets_the_oldest() -> None:
    """Memory is bounded; what was seen lately is known."""
    recent = Recent(2)
    assert [recent.add(name) for name in "abacb"] == [True, True, False, True, True]

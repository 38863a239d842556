"""Clips made in code, in every layout that a client has to understand."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Literal

import av
import pytest

from omniedit.testing import is_whole, sample_clip

Layout = Literal["faststart", "moov_at_end", "fragmented", "mdat64"]


def boxes(path: Path) -> list[tuple[str, int]]:
    """Top-level boxes: name and size field (1 announces a 64-bit size)."""
    data, found, at = path.read_bytes(), list[tuple[str, int]](), 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        found.append((name.decode(), size))
        at += size if size != 1 else struct.unpack_from(">Q", data, at + 8)[0]
    return found


@pytest.mark.parametrize("layout", ["faststart", "moov_at_end", "fragmented", "mdat64"])
def test_every_layout_plays(tmp_path: Path, layout: Layout) -> None:
    """Each has the frames, the sound, the size and the rate that were asked for."""
    path = sample_clip(tmp_path / "clip.mp4", 0.5, size=(96, 54), fps=12, layout=layout)
    with av.open(str(path)) as clip:
        frames = list(clip.decode(video=0))
        assert len(frames) == 6
        assert (frames[0].width, frames[0].height) == (96, 54)
        assert clip.streams.audio[0].codec_context.name == "aac"


def test_layouts_differ_where_they_should(tmp_path: Path) -> None:
    """Moov first, moov last, fragments, and a 64-bit mdat."""
    faststart = [name for name, _ in boxes(sample_clip(tmp_path / "a.mp4", 0.3))]
    assert faststart.index("moov") < faststart.index("mdat")
    late = [name for name, _ in boxes(sample_clip(tmp_path / "b.mp4", 0.3, layout="moov_at_end"))]
    assert late.index("moov") > late.index("mdat")
    assert "moof" in dict(boxes(sample_clip(tmp_path / "c.mp4", 0.3, layout="fragmented")))
    assert dict(boxes(sample_clip(tmp_path / "d.mp4", 0.3, layout="mdat64")))["mdat"] == 1


@pytest.mark.parametrize("layout", ["faststart", "moov_at_end", "fragmented", "mdat64"])
def test_a_clip_is_whole_until_a_byte_is_missing(tmp_path: Path, layout: Layout) -> None:
    """At its end, or in the middle; and what is no mp4 is never whole."""
    path = sample_clip(tmp_path / "clip.mp4", 0.3, layout=layout)
    data = path.read_bytes()
    assert is_whole(path)
    for broken in (data[:-1], data[: len(data) // 2], data[4:], data + b"\0" * 9, b"", b"<html>not an mp4</html>"):
        path.write_bytes(broken)
        assert not is_whole(path)


def test_a_clip_without_sound(tmp_path: Path) -> None:
    """audio=False leaves the sound track out."""
    with av.open(str(sample_clip(tmp_path / "clip.mp4", 0.3, audio=False))) as clip:
        assert not clip.streams.audio


def test_scenes_move(tmp_path: Path) -> None:
    """The first and the last frame differ."""
    with av.open(str(sample_clip(tmp_path / "clip.mp4", 1.0, scene="street"))) as clip:
        frames = [bytes(frame.reformat(format="gray").planes[0]) for frame in clip.decode(video=0)]
    assert frames[0] != frames[-1]

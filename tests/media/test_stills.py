"""Stills are real pictures of real clips: upright, bounded, of the right moment; a bad file gives none."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from omniedit.errors import ConfigurationError
from omniedit.media.stills import Still, StillFormat, take_still

av = pytest.importorskip("av")

RED, GREEN, BLUE = (200, 40, 40), (40, 160, 60), (40, 60, 190)
# Display matrices of a track header (ISO 14496-12, 8.3.2), 16.16 fixed point, by degrees clockwise.
MATRICES = {
    90: (0, 1, 0, -1, 0, 0, 0, 0, 0x4000),
    180: (-1, 0, 0, 0, -1, 0, 0, 0, 0x4000),
    270: (0, -1, 0, 1, 0, 0, 0, 0, 0x4000),
}


def write_clip(
    path: Path,
    colours: list[tuple[int, int, int]],
    *,
    size: tuple[int, int] = (320, 180),
    lower: tuple[int, int, int] | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Write one second of H.264 for each colour, at 8 pictures a second; `lower` paints the lower half."""
    width, height = size
    with av.open(str(path), "w", format="mp4") as clip:
        stream = clip.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for colour in colours:
            upper, under = (bytes((*half, 255)) * width * (height // 2) for half in (colour, lower or colour))
            for _ in range(8):
                frame = av.VideoFrame.from_bytes(upper + under, width, height, format="rgba")
                clip.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=matrix_for(height))))
        clip.mux(stream.encode(None))
    return path


def matrix_for(height: int) -> str:
    """Untagged clips are read with the matrix that goes with their height."""
    return "ITU709" if height >= 720 else "ITU601"


def turn(path: Path, degrees: int) -> None:
    """Write a rotation into the track header, as phones do."""
    data = bytearray(path.read_bytes())
    matrix = [value * 0x10000 for value in MATRICES[degrees]]
    start = data.index(b"tkhd") + 4 + 40  # version 0: times, id, duration, layer and volume come before the matrix
    data[start : start + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(data)


def pixel(still: Still | None, x: float, y: float) -> tuple[int, int, int]:
    """The colour at a place, both coordinates 0 to 1."""
    assert still is not None
    with av.open(io.BytesIO(still.data)) as picture:
        frame = next(picture.decode(video=0)).reformat(format="rgb24", src_colorspace="ITU601")
        assert (frame.width, frame.height) == (still.width, still.height)
        plane = frame.planes[0]
        at = int(y * (frame.height - 1)) * plane.line_size + int(x * (frame.width - 1)) * 3
        red, green, blue = bytes(plane)[at : at + 3]
        return red, green, blue


def near(colour: tuple[int, int, int], wanted: tuple[int, int, int]) -> bool:
    """Whether two colours look alike, after a lossy codec or two."""
    return all(abs(one - other) <= 14 for one, other in zip(colour, wanted, strict=True))


@pytest.mark.parametrize(
    ("kind", "magic"), [("webp", b"RIFF"), ("jpeg", b"\xff\xd8\xff"), ("png", b"\x89PNG")], ids=["webp", "jpeg", "png"]
)
def test_still_is_a_picture_of_the_asked_kind(kind: StillFormat, magic: bytes, tmp_path: Path) -> None:
    """The bytes are what the media type says, and show what the clip shows."""
    still = take_still(write_clip(tmp_path / "a.mp4", [RED]), kind=kind, edge=160)
    assert still is not None
    assert still.data.startswith(magic)
    assert (still.mime, still.width, still.height) == (f"image/{kind}", 160, 90)
    assert near(pixel(still, 0.5, 0.5), RED)


@pytest.mark.parametrize(("at", "colour"), [(0.0, RED), (0.5, RED), (1.5, GREEN), (2.5, BLUE), (60.0, BLUE)])
def test_still_shows_the_asked_moment(at: float, colour: tuple[int, int, int], tmp_path: Path) -> None:
    """The picture is that of the moment; past the end it is the last one."""
    assert near(pixel(take_still(write_clip(tmp_path / "a.mp4", [RED, GREEN, BLUE]), at=at), 0.5, 0.5), colour)


@pytest.mark.parametrize(
    ("degrees", "size", "upper"), [(90, (108, 192), None), (180, (192, 108), BLUE), (270, (108, 192), None)]
)
def test_still_is_upright(
    degrees: int, size: tuple[int, int], upper: tuple[int, int, int] | None, tmp_path: Path
) -> None:
    """A clip that a phone stored lying down is shown as a player shows it."""
    clip = write_clip(tmp_path / "a.mp4", [RED], lower=BLUE)
    turn(clip, degrees)
    still = take_still(clip, edge=192)
    assert still is not None
    assert (still.width, still.height) == size
    if upper:
        assert near(pixel(still, 0.5, 0.1), upper)
        return
    # Turned clockwise, what was above is on the right.
    right, left = (RED, BLUE) if degrees == 90 else (BLUE, RED)
    assert near(pixel(still, 0.9, 0.5), right)
    assert near(pixel(still, 0.1, 0.5), left)


@pytest.mark.parametrize(("size", "edge", "expected"), [((720, 1280), 480, (270, 480)), ((64, 48), 480, (64, 48))])
def test_still_keeps_the_shape_and_is_never_enlarged(
    size: tuple[int, int], edge: int, expected: tuple[int, int], tmp_path: Path
) -> None:
    """The longest edge is bounded whichever it is, and a small clip stays small."""
    still = take_still(write_clip(tmp_path / "a.mp4", [GREEN], size=size), edge=edge)
    assert still is not None
    assert (still.width, still.height) == expected


def test_still_of_an_untagged_hd_clip_has_its_colours(tmp_path: Path) -> None:
    """Without a tag, clips of 720 lines are read with the matrix of BT.709, as players do."""
    still = take_still(write_clip(tmp_path / "a.mp4", [GREEN], size=(1280, 720)), kind="png")
    assert near(pixel(still, 0.5, 0.5), GREEN)


def test_still_has_square_pixels(tmp_path: Path) -> None:
    """An anamorphic clip is shown as wide as it is meant to be."""
    still = take_still(write_clip(tmp_path / "a.mp4", [RED], size=(160, 120), aspect=Fraction(4, 3)))
    assert still is not None
    assert (still.width, still.height) == (214, 120)


def test_bad_files_give_no_still(tmp_path: Path) -> None:
    """Missing, empty, cut short, no video, not a file at all: None, and no exception."""
    whole = write_clip(tmp_path / "whole.mp4", [RED]).read_bytes()
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "page.mp4").write_text("<!doctype html><p>Not found</p>")
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    for name in ["missing.mp4", "empty.mp4", "page.mp4", "cut.mp4", "folder.mp4", "pipe.mp4"]:
        assert take_still(tmp_path / name) is None, name


def test_sound_alone_gives_no_still(tmp_path: Path) -> None:
    """A file with no video track holds no picture."""
    with av.open(str(tmp_path / "a.mp4"), "w") as clip:
        stream = clip.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        clip.mux([*stream.encode(frame), *stream.encode(None)])
    assert take_still(tmp_path / "a.mp4") is None


def test_playlist_in_disguise_opens_nothing(tmp_path: Path) -> None:
    """A list of other files, named as a clip, is not followed."""
    clip = write_clip(tmp_path / "real.mp4", [RED])
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {clip.name}\n")
    assert take_still(tmp_path / "list.mp4") is None


def test_name_that_looks_like_an_address_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative names with a colon are names, not protocols."""
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "concat:a.mp4", [RED])
    assert take_still("concat:a.mp4") is not None


@pytest.mark.parametrize("edge", [0, 15, 1921])
def test_edge_out_of_bounds_is_refused(edge: int, tmp_path: Path) -> None:
    """The size of a still is bounded on both sides."""
    with pytest.raises(ConfigurationError, match=f"edge is {edge}"):
        take_still(tmp_path / "a.mp4", edge=edge)


@pytest.mark.parametrize(
    ("lacking", "code", "words"),
    [
        ("import sys; sys.modules['av'] = None", "extra_missing", "omniedit[report]"),
        ("import av.codec; av.codec.codecs_available.clear()", "encoder_missing", "cannot write webp"),
    ],
    ids=["PyAV", "encoder"],
)
def test_what_is_missing_is_named(lacking: str, code: str, words: str) -> None:
    """Without PyAV, or with one that was built without encoders, the error says what to install."""
    program = (
        f"{lacking}\n"
        "from omniedit.media.stills import take_still\n"
        "try: take_still('a.mp4')\n"
        "except Exception as error: print(type(error).__name__, error.code, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith(f"{ConfigurationError.__name__} {code} ")
    assert words in done.stdout

"""One picture out of a clip, small and ready for a page. Needs PyAV: the extra `report`.

Everything here blocks for some tens of milliseconds (it decodes up to the asked moment), so call it in a thread; PyAV
lets other threads run meanwhile. Nothing is fetched: a path is a regular file or nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, cast

import attrs

from omniedit.errors import ConfigurationError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

__all__ = ["Still", "StillFormat", "check_stills", "take_still"]

StillFormat = Literal["webp", "jpeg", "png"]

EDGE_LIMITS = (16, 1920)
"""Smallest and largest longest edge of a still, pixels."""
# Frames decoded before the best one so far is taken: ten seconds at 24 per second, the longest clip there is.
_MOST_FRAMES = 240
# A frame larger than 8192 x 8192 comes from no camera; decoding one would cost hundreds of megabytes.
_MOST_PIXELS = 8192 * 8192
_UNSPECIFIED, _BT709 = 2, 1  # matrix coefficients as numbered by ITU-T H.273, table 4


@attrs.frozen
class _Encoding:
    mime: str
    codec: str
    pixels: str
    options: dict[str, str]


_ENCODINGS: dict[StillFormat, _Encoding] = {
    "webp": _Encoding("image/webp", "libwebp", "yuv420p", {"quality": "66"}),
    "jpeg": _Encoding("image/jpeg", "mjpeg", "yuvj420p", {"qmin": "4", "qmax": "4"}),
    "png": _Encoding("image/png", "png", "rgb24", {}),
}


@attrs.frozen
class Still:
    """One picture, encoded."""

    data: bytes = attrs.field(repr=False)
    mime: str
    """Such as `image/webp`."""
    width: int
    """Pixels, as displayed: rotated upright, with square pixels."""
    height: int


def check_stills(kind: StillFormat = "webp") -> None:
    """Make sure that stills of this format can be taken on this machine.

    Raises:
        ConfigurationError: PyAV is not installed, or was built without the encoder.
    """
    try:
        import av.codec
    except ImportError:
        raise ConfigurationError(
            "pictures of clips need PyAV, which is not installed",
            mend='install it with: pip install "omniedit[report]"',
            code="extra_missing",
        ) from None
    if _ENCODINGS[kind].codec not in av.codec.codecs_available:
        raise ConfigurationError(
            f"the installed PyAV {av.__version__} cannot write {kind}",
            mend="install PyAV from a wheel: pip install --force-reinstall --only-binary av av",
            code="encoder_missing",
        )


def take_still(
    path: str | os.PathLike[str], *, at: float = 0.5, edge: int = 480, kind: StillFormat = "webp"
) -> Still | None:
    """Take the picture shown at a moment of a clip.

    Args:
        path: a video file.
        at: seconds from the start; the last picture counts where the clip is shorter. Early moments are cheap.
        edge: longest edge of the picture at most, in pixels; it is never enlarged.
        kind: `webp`, `jpeg` or `png`.

    Returns None when the file is missing, is no regular file, or holds no picture that can be decoded.

    Raises:
        ConfigurationError: PyAV is missing, or `edge` is not between 16 and 1920.
    """
    check_stills(kind)
    if not EDGE_LIMITS[0] <= edge <= EDGE_LIMITS[1]:
        raise ConfigurationError(f"edge is {edge}; it must be between {EDGE_LIMITS[0]} and {EDGE_LIMITS[1]} pixels")
    if not Path(path).is_file():
        return None
    import av
    import av.error

    try:
        # Only as mp4: a playlist in disguise could make FFmpeg open other files.
        with av.open(str(Path(path).absolute()), format="mp4") as clip:
            return _take(clip, at, edge, _ENCODINGS[kind])
    except (av.error.FFmpegError, OSError, ValueError, IndexError):  # damaged, no video track, no such decoder
        return None


def _take(clip: InputContainer, at: float, edge: int, how: _Encoding) -> Still | None:
    stream = clip.streams.video[0]
    if stream.codec_context.width * stream.codec_context.height > _MOST_PIXELS:
        return None
    stream.codec_context.thread_count = 1  # stills are taken several at a time
    frame = _frame_at(clip.decode(stream), at)
    if frame is None:
        return None
    width, height = _size(frame, stream.sample_aspect_ratio, edge)
    picture = _upright(_scaled(frame, width, height, how.pixels), frame.rotation)
    return Still(_encode(picture, how), how.mime, picture.width, picture.height)


def _frame_at(frames: Iterator[VideoFrame], at: float) -> VideoFrame | None:
    last = None
    for last in islice(frames, _MOST_FRAMES):
        if last.pts is None or last.time >= at:
            break
    return last


def _size(frame: VideoFrame, aspect: Fraction | None, edge: int) -> tuple[int, int]:
    """Size with square pixels, within the edge, even (chroma is stored for two by two pixels)."""
    width = frame.width * float(aspect or 1)
    shrink = min(1.0, edge / max(width, frame.height))
    return _even(width * shrink), _even(frame.height * shrink)


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)


def _scaled(frame: VideoFrame, width: int, height: int, pixels: str) -> VideoFrame:
    # Both JPEG and WebP are read with the matrix of BT.601. An untagged clip of HD size is played with that of BT.709.
    high = frame.colorspace == _BT709 or (frame.colorspace == _UNSPECIFIED and frame.height >= 720)
    source = "ITU709" if high else None
    return frame.reformat(width, height, pixels, src_colorspace=source, dst_colorspace="ITU601", interpolation="AREA")


def _upright(frame: VideoFrame, rotation: int) -> VideoFrame:
    """Turn a picture that a phone has stored lying down; the angle is counterclockwise, in degrees."""
    match rotation % 360:
        case 90:
            return _filtered(frame, ("transpose", "cclock"))
        case 270:
            return _filtered(frame, ("transpose", "clock"))
        case 180:
            return _filtered(frame, ("hflip", None), ("vflip", None))
        case _:
            return frame


def _filtered(frame: VideoFrame, *steps: tuple[str, str | None]) -> VideoFrame:
    import av.filter

    graph = av.filter.Graph()
    frame.time_base = frame.time_base or Fraction(1, 24)
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    nodes = [source, *(graph.add(name, options) for name, options in steps), graph.add("buffersink")]
    graph.link_nodes(*nodes).configure()
    graph.vpush(frame)
    return graph.vpull()


class _Encoder(Protocol):
    """The part of PyAV's encoders that is used here: its own types leave it unsaid what a packet holds."""

    width: int
    height: int
    pix_fmt: str
    time_base: Fraction
    options: dict[str, str]
    thread_count: int

    def encode(self, frame: VideoFrame | None) -> list[bytes]:
        """Packets, which are bytes-like; None asks for the rest."""
        ...


def _encode(frame: VideoFrame, how: _Encoding) -> bytes:
    import av

    encoder = cast("_Encoder", av.CodecContext.create(how.codec, "w"))
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, how.pixels
    encoder.time_base = Fraction(1, 24)
    encoder.options = how.options
    encoder.thread_count = 1
    return b"".join([*encoder.encode(frame), *encoder.encode(None)])

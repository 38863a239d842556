"""Sample clips made in code: a moving scene with sound. Needs PyAV."""

# PyAV's own annotations leave packets and stream options open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import struct
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.frame import VideoFrame

__all__ = ["SCENES", "make_clip"]

SceneName = Literal["harbour", "hills", "street"]
SCENES: tuple[SceneName, ...] = ("harbour", "hills", "street")

_SAMPLE_RATE = 48_000
_SAMPLES = 1024
Colour = tuple[int, int, int]
# sky at the top, sky at the horizon, ground, moving thing
_PALETTES: dict[SceneName, tuple[Colour, Colour, Colour, Colour]] = {
    "harbour": ((70, 120, 190), (190, 205, 215), (40, 80, 110), (200, 70, 50)),
    "hills": ((110, 150, 210), (225, 215, 190), (80, 125, 60), (230, 200, 80)),
    "street": ((120, 125, 150), (205, 190, 185), (95, 90, 95), (60, 110, 170)),
}


def make_clip(
    path: Path,
    seconds: float = 2.0,
    *,
    size: tuple[int, int] = (320, 180),
    fps: int = 24,
    audio: bool = True,
    scene: SceneName = "harbour",
    layout: Literal["faststart", "moov_at_end", "fragmented"] = "faststart",
) -> Path:
    """Write an mp4 (H.264, AAC) of ``seconds`` seconds; returns its path."""
    import av

    flags = {"faststart": "+faststart", "moov_at_end": "", "fragmented": "frag_keyframe+empty_moov+default_base_moof"}
    options = {"movflags": flags[layout]} if flags[layout] else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4", options=options) as clip:
        _write_tracks(clip, _Painter(size, scene), max(1, round(seconds * fps)), fps, audio=audio)
    return path


def _write_tracks(clip: OutputContainer, painter: _Painter, frames: int, fps: int, *, audio: bool) -> None:
    video = clip.add_stream("libx264", rate=fps)
    video.width, video.height = painter.width, painter.height
    video.pix_fmt = "yuv420p" if painter.width % 2 == 0 and painter.height % 2 == 0 else "yuv444p"
    video.codec_context.options = {"preset": "ultrafast", "crf": "23"}
    video.codec_context.thread_count = 1
    sound = _Sound(clip) if audio else None
    for number in range(frames):
        frame = painter.frame(number / fps)
        frame.pts, frame.time_base = number, Fraction(1, fps)
        clip.mux(video.encode(frame))
        if sound is not None:
            sound.until((number + 1) / fps)
    clip.mux(video.encode(None))
    if sound is not None:
        sound.end(frames / fps)


class _Painter:
    """Paints a sky, a sun, a ground and something that crosses it, as RGB rows."""

    def __init__(self, size: tuple[int, int], scene: SceneName) -> None:
        self.width, self.height = size
        top, horizon, ground, self._thing = _PALETTES[scene]
        edge = self.height * 3 // 5
        sky = [_mix(top, horizon, y / max(1, edge)) for y in range(edge)]
        land = [_mix(ground, _mix(ground, (0, 0, 0), 0.5), y / self.height) for y in range(self.height - edge)]
        self._rows = [bytes(colour) * self.width for colour in (*sky, *land)]

    def frame(self, seconds: float) -> VideoFrame:
        import av

        rows = [bytearray(row) for row in self._rows]
        unit = max(2, self.height // 9)
        self._disc(rows, (self.width * 3 // 4, unit + unit // 2), unit, (250, 225, 150))
        left = int((seconds * 0.25 % 1.2 - 0.1) * self.width)
        bob = int(math.sin(seconds * 4) * unit / 4)
        top = self.height * 3 // 5 - unit // 2 + bob
        self._box(rows, (left, top), (3 * unit, unit), self._thing)
        self._box(rows, (left + unit, top - unit), (unit, unit), (240, 240, 235))
        picture = av.VideoFrame(self.width, self.height, "rgb24")
        padding = bytes(picture.planes[0].line_size - 3 * self.width)
        picture.planes[0].update(b"".join(bytes(row) + padding for row in rows))
        return picture

    def _box(self, rows: list[bytearray], at: tuple[int, int], size: tuple[int, int], colour: Colour) -> None:
        (x, y), (width, height) = at, size
        left, right = max(0, x), min(self.width, x + width)
        if right <= left:
            return
        for row in rows[max(0, y) : max(0, y + height)]:
            row[left * 3 : right * 3] = bytes(colour) * (right - left)

    def _disc(self, rows: list[bytearray], centre: tuple[int, int], radius: int, colour: Colour) -> None:
        x, y = centre
        for offset in range(-radius, radius + 1):
            half = int(math.sqrt(radius * radius - offset * offset))
            self._box(rows, (x - half, y + offset), (2 * half + 1, 1), colour)


class _Sound:
    """A soft tone that rises and falls, in mono AAC."""

    def __init__(self, clip: OutputContainer) -> None:
        self._clip = clip
        self._stream = clip.add_stream("aac", rate=_SAMPLE_RATE, layout="mono")
        self._position = 0

    def until(self, seconds: float) -> None:
        """Write sound up to this moment of the film."""
        while (left := round(seconds * _SAMPLE_RATE) - self._position) >= _SAMPLES:
            self._write(min(left, _SAMPLES))

    def end(self, seconds: float) -> None:
        """Write the last, shorter piece."""
        if (left := round(seconds * _SAMPLE_RATE) - self._position) > 0:
            self._write(left)
        self._clip.mux(self._stream.encode(None))

    def _write(self, samples: int) -> None:
        import av

        times = ((self._position + n) / _SAMPLE_RATE for n in range(samples))
        tone = (0.2 * math.sin(2 * math.pi * 330 * t) * (0.6 + 0.4 * math.sin(2 * math.pi * t)) for t in times)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=samples)
        frame.planes[0].update(struct.pack(f"{samples}f", *tone).ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = _SAMPLE_RATE, self._position, Fraction(1, _SAMPLE_RATE)
        self._clip.mux(self._stream.encode(frame))
        self._position += samples


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * min(1.0, share)) for a, b in zip(first, second, strict=True))
    return (red, green, blue)

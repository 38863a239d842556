"""One real edit: decode, filter, encode, with length, size, frame times and sound kept.

Runs in a process of its own (see ``worker``), because it burns CPU. Needs PyAV. Its wheels are built without some GPL
filters (``eq``, ``boxblur``) and without ``drawtext``, so no plan uses those; a filter that is missing at run time is
left out, and when nothing is left the default grade takes its place.
"""

# PyAV's own annotations leave packets and stream options open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import av.error
import av.filter
from attrs import frozen

from omniedit.sandbox.lettering import Canvas, caption_strip
from omniedit.sandbox.weather import sheets
from omniedit.sandbox.wishes import DEFAULT_GRADE, Plan, plan_for

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.filter.context import FilterContext
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["EditRefused", "edit_clip", "video_seconds"]

SILENCE_RATE = 48_000
_TURNS = {90: ("transpose", "cclock"), 180: ("hflip", ""), 270: ("transpose", "clock")}


@frozen
class EditRefused(Exception):
    """The clip breaks a rule of the service: a task error code and a message."""

    code: str
    message: str


def edit_clip(source: Path, target: Path, prompt: str, *, max_seconds: float) -> float:
    """Edit ``source`` into ``target`` as the prompt asks; returns the length of the video in seconds.

    Raises ``EditRefused`` for a clip that is no mp4, has no video, or is longer than ``max_seconds``.
    """
    try:
        with av.open(str(source)) as clip:
            seconds = _checked_seconds(clip, max_seconds)
            with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as edited:
                _Edit(clip, edited, plan_for(prompt), seconds).run()
    except av.error.FFmpegError as error:
        raise EditRefused("video_probe_failed", f"The video could not be read: {error.strerror}.") from None
    return seconds


def video_seconds(clip: InputContainer) -> float:
    """Length of the video track; where the container does not say (fragmented files), its packets are counted."""
    stream = clip.streams.video[0]
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    ends = [_packet_end(packet) for packet in clip.demux(stream) if packet.pts is not None]
    return float(max(ends, default=Fraction(0)))


def _first_frame(clip: InputContainer) -> VideoFrame:
    """The first frame, which tells size, pixels and rotation; the clip is wound back."""
    clip.seek(0)
    first = next(clip.decode(video=0), None)
    if first is None:
        raise EditRefused("video_probe_failed", "The video track has no frames.")
    clip.seek(0)
    return first


def _packet_end(packet: Packet[VideoStream]) -> Fraction:
    return Fraction((packet.pts or 0) + (packet.duration or 0)) * Fraction(packet.time_base)


def _checked_seconds(clip: InputContainer, max_seconds: float) -> float:
    if "mp4" not in clip.format.name:
        raise EditRefused("invalid_parameters", f"The video must be an mp4, not {clip.format.name}.")
    if not clip.streams.video:
        raise EditRefused("video_probe_failed", "The file has no video track.")
    seconds = video_seconds(clip)
    if seconds > max_seconds:
        raise EditRefused("invalid_parameters", f"The video is {seconds:.2f} s long; at most 10 s are allowed.")
    return seconds


class _Edit:
    """The streams of one edit."""

    def __init__(self, clip: InputContainer, edited: OutputContainer, plan: Plan, seconds: float) -> None:
        self._clip = clip
        self._out = edited
        self._seconds = seconds
        self._video_in: VideoStream = clip.streams.video[0]
        self._graph = _Graph(_first_frame(clip), plan)
        self._video_out = self._new_video()

    def run(self) -> None:
        sound = self._clip.streams.audio[0] if self._clip.streams.audio else None
        if sound is None:
            silent = self._out.add_stream("aac", rate=SILENCE_RATE, layout="mono")
            self._pass_frames(None, None)
            self._silence(silent)
        elif sound.codec_context.name == "aac":
            self._pass_frames(sound, self._out.add_stream_from_template(sound))
        else:
            self._pass_frames(sound, self._out.add_stream("aac", rate=sound.codec_context.sample_rate))

    def _new_video(self) -> VideoStream:
        stream = self._out.add_stream("libx264", rate=self._video_in.average_rate or 24)
        stream.codec_context.options = {"preset": "veryfast", "crf": "20"}
        stream.codec_context.thread_count = 1
        stream.width, stream.height = self._graph.width, self._graph.height
        stream.pix_fmt = self._graph.pixels
        stream.codec_context.time_base = self._graph.time_base
        return stream

    def _pass_frames(self, sound: AudioStream | None, target: AudioStream | None) -> None:
        for packet in self._clip.demux(*(s for s in (self._video_in, sound) if s is not None)):
            if packet.stream is self._video_in:
                for frame in packet.decode():
                    if isinstance(frame, av.VideoFrame):
                        self._frame(frame)
            elif sound is not None and target is not None:
                self._sound(cast("Packet[AudioStream]", packet), sound, target)
        self._frame(None)
        if target is not None and sound is not None and sound.codec_context.name != "aac":
            self._out.mux(target.encode(None))

    def _sound(self, packet: Packet[AudioStream], sound: AudioStream, target: AudioStream) -> None:
        """AAC is passed on as it is, anything else encoded again."""
        if sound.codec_context.name != "aac":
            for frame in packet.decode():
                self._out.mux(target.encode(frame))
        elif packet.dts is not None:
            packet.stream = target
            self._out.mux(packet)

    def _frame(self, frame: VideoFrame | None) -> None:
        """Filter and encode one frame; None: the last one is through."""
        for done in self._graph.push(frame):
            self._out.mux(self._video_out.encode(done))
        if frame is None:
            self._out.mux(self._video_out.encode(None))

    def _silence(self, stream: AudioStream) -> None:
        """A silent AAC track: the service always returns sound, so a clip without any gets silence [S]."""
        remaining, position = round(self._seconds * SILENCE_RATE), 0
        while remaining > 0:
            samples = min(1024, remaining)
            frame = av.AudioFrame(format="fltp", layout="mono", samples=samples)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.sample_rate, frame.pts, frame.time_base = SILENCE_RATE, position, Fraction(1, SILENCE_RATE)
            self._out.mux(stream.encode(frame))
            remaining, position = remaining - samples, position + samples
        self._out.mux(stream.encode(None))


class _Graph:
    """The filter chain of a plan, built for the first frame's size and pixel format."""

    def __init__(self, first: VideoFrame, plan: Plan) -> None:
        turned = first.rotation % 180 != 0
        self.width = first.height if turned else first.width
        self.height = first.width if turned else first.height
        # 4:2:0 needs even sides.
        self.pixels = "yuv420p" if self.width % 2 == 0 and self.height % 2 == 0 else "yuv444p"
        self.time_base = first.time_base or Fraction(1, 90_000)
        self._graph = av.filter.Graph()
        self._source = self._buffer(first)
        self._tail: FilterContext = self._source
        self._sheets: list[tuple[FilterContext, VideoFrame]] = []
        self._build(first, plan)
        self._sink = self._graph.add("buffersink")
        self._tail.link_to(self._sink)
        self._graph.configure()
        for buffer, picture in self._sheets:
            buffer.push(picture)
            buffer.push(None)

    def push(self, frame: VideoFrame | None) -> list[VideoFrame]:
        """Hand in a frame (None: the end) and take what comes out."""
        self._source.push(frame)
        done: list[VideoFrame] = []
        while True:
            try:
                done.append(self._sink.pull())  # type: ignore[arg-type]
            except (BlockingIOError, EOFError):
                return done

    def _build(self, first: VideoFrame, plan: Plan) -> None:
        turn = _TURNS.get(first.rotation % 360)
        available = av.filter.filters_available
        steps = [step for step in plan.filters if step[0] in available]
        if not steps and not plan.weather and plan.caption is None:
            steps = [step for step in DEFAULT_GRADE if step[0] in available]
        for name, arguments in (*((turn,) if turn else ()), *steps):
            self._then(name, arguments)
        for sheet in (sheet for kind in plan.weather for sheet in sheets(kind, self.width, self.height)):
            self._lay(sheet.canvas, sheet.overlay)
        if plan.caption is not None:
            self._lay(caption_strip(plan.caption, self.width, self.height), "x=0:y=main_h-overlay_h:eof_action=repeat")
        self._then("format", f"pix_fmts={self.pixels}")

    def _buffer(self, frame: VideoFrame) -> FilterContext:
        return self._graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or Fraction(1, 90_000),
        )

    def _then(self, name: str, arguments: str) -> None:
        step = self._graph.add(name, arguments or None)
        self._tail.link_to(step)
        self._tail = step

    def _lay(self, canvas: Canvas, arguments: str) -> None:
        """Lay one still picture over every frame."""
        picture = _picture(canvas)
        buffer = self._buffer(picture)
        overlay = self._graph.add("overlay", arguments)
        self._tail.link_to(overlay, 0, 0)
        buffer.link_to(overlay, 0, 1)
        self._tail = overlay
        self._sheets.append((buffer, picture))


def _picture(canvas: Canvas) -> VideoFrame:
    frame = av.VideoFrame(canvas.width, canvas.height, "rgba")
    plane = frame.planes[0]
    row, padding = canvas.width * 4, bytes(plane.line_size - canvas.width * 4)
    rows = (canvas.data[start : start + row] for start in range(0, len(canvas.data), row))
    plane.update(b"".join(bytes(line) + padding for line in rows))
    frame.pts, frame.time_base = 0, Fraction(1, 90_000)
    return frame

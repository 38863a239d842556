"""What single boxes of an mp4 say: bytes in, frozen values out (ISO/IEC 14496-12).

Rules of this room:
- pure: whole boxes come in as bytes, nothing is fetched here;
- every field is read through bounds-checked helpers; what contradicts itself raises `Broken`, nothing else;
- work is bounded: at most `MOST_BOXES` boxes and `MOST_TRACKS` tracks of one box are looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import attrs

from omniedit.errors import OmniEditError

__all__ = [
    "Box",
    "Broken",
    "Fragment",
    "Index",
    "MOST_BOXES",
    "MOST_TRACKS",
    "Movie",
    "Track",
    "boxes",
    "header",
    "last_fragment_offset",
    "read_fragment",
    "read_index",
    "read_movie",
]

MOST_BOXES = 10_000
MOST_TRACKS = 64
_UNKNOWN_32 = 0xFFFF_FFFF
_UNKNOWN_64 = 0xFFFF_FFFF_FFFF_FFFF
_MOST_ENTRIES = 65_536


class Broken(OmniEditError):
    """The bytes are not what the format says. It never leaves this room: the walk turns it into a reason."""


class Box(NamedTuple):
    """One box inside some bytes; `start` and `end` bound its payload. Many are made: a tuple is the cheapest value."""

    kind: bytes
    start: int
    end: int


@attrs.frozen
class Track:
    """One `trak`. Times are in units of `timescale` a second."""

    id: int
    handler: bytes
    enabled: bool
    timescale: int
    duration: int
    """From the media header; 0 when it does not say."""
    edited: float
    """Seconds that the edit list shows; 0.0 without one."""
    width: int
    height: int
    samples: int
    codec: str | None
    default_sample_duration: int = 0
    """From `trex`, for fragments that do not say."""

    @property
    def seconds(self) -> float:
        """What is shown of the track; 0.0 when nobody says."""
        return self.edited or (self.duration / self.timescale if self.timescale else 0.0)


@attrs.frozen
class Movie:
    """One `moov`."""

    seconds: float
    """From the movie header; 0.0 when it does not say."""
    tracks: tuple[Track, ...]
    fragmented: bool
    fragmented_seconds: float
    """From `mehd`; 0.0 without one."""

    def best(self, handler: bytes) -> Track | None:
        """The longest track of a kind, enabled ones first: QuickTime keeps chapter pictures in disabled ones."""
        tracks = [track for track in self.tracks if track.handler == handler]
        return max(tracks, key=lambda track: (track.enabled, track.seconds), default=None)


@attrs.frozen
class Fragment:
    """What one `moof` holds of one track, in the track's units."""

    start: int
    duration: int
    samples: int


@attrs.frozen
class Index:
    """What one `sidx` is for."""

    track: int
    seconds: float
    reach: int
    """Bytes from the end of the index to the end of what it tells of."""


def header(data: bytes, at: int = 0) -> tuple[bytes, int, int]:
    """Kind, whole size and header length of the box at a place; size 0 means "to the end of the file"."""
    size, kind = _u32(data, at), data[at + 4 : at + 8]
    length = 8
    if size == 1:
        size, length = _u64(data, at + 8), 16
    if 0 < size < length or len(kind) < 4:
        raise Broken(f"the box at byte {at} claims to be {size} bytes long")
    return kind, size, length


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes of a payload, in order. A last box that is cut, or padding after it, is `Broken` or left out."""
    for _ in range(MOST_BOXES):
        if end - start < 8:
            return
        size, kind = _HEAD.unpack_from(data, start)
        length = 8
        if size < 8:
            kind, size, length = header(data, start)
        stop = end if size == 0 else start + size
        if stop > end:
            raise Broken(f"box {_show(kind)} reaches beyond the box that holds it")
        yield Box(kind, start + length, stop)
        start = stop
    raise Broken("one box holds too many boxes")


def read_movie(data: bytes, start: int, end: int) -> Movie:
    """Read the payload of a `moov` box."""
    timescale, duration = 0, 0
    traks: list[Box] = []
    extends: Box | None = None
    for box in boxes(data, start, end):
        match box.kind:
            case b"mvhd":
                timescale, duration = _times(data, box)
            case b"trak":
                traks.append(box)
            case b"mvex":
                extends = box
            case b"cmov":
                raise Broken("its movie header is compressed, as old QuickTime did")
            case _:
                pass
    if len(traks) > MOST_TRACKS:
        raise Broken(f"it has {len(traks)} tracks")
    fragments, defaults = _read_extends(data, extends)
    tracks = tuple(_read_track(data, trak, timescale, defaults) for trak in traks)
    return Movie(
        seconds=_seconds(duration, timescale),
        tracks=tracks,
        fragmented=extends is not None,
        fragmented_seconds=_seconds(fragments, timescale),
    )


def read_fragment(data: bytes, start: int, end: int, track: Track) -> Fragment:
    """Read what the payload of a `moof` box holds of one track."""
    base: int | None = None
    duration = samples = 0
    for traf in boxes(data, start, end):
        if traf.kind != b"traf":
            continue
        inside = list(boxes(data, traf.start, traf.end))
        each = _own_sample_duration(data, inside, track)
        if each is None:
            continue
        for box in inside:
            if box.kind == b"tfdt" and base is None:
                base = _u64(data, box.start + 4) if _version(data, box) else _u32(data, box.start + 4)
            elif box.kind == b"trun":
                count, length = _read_run(data, box, each)
                samples += count
                duration += length
    return Fragment(start=base or 0, duration=duration, samples=samples)


def read_index(data: bytes, box: Box) -> Index:
    """Read a segment index (`sidx`)."""
    wide = _version(data, box)
    timescale, at = _u32(data, box.start + 8), box.start + (28 if wide else 20)
    first = _u64(data, at - 8) if wide else _u32(data, at - 4)
    entries = range(at + 4, at + 4 + 12 * _u16(data, at + 2), 12)
    return Index(
        track=_u32(data, box.start + 4),
        seconds=_seconds(sum(_u32(data, entry + 4) for entry in entries), timescale),
        reach=first + sum(_u32(data, entry) & 0x7FFF_FFFF for entry in entries),
    )


def last_fragment_offset(data: bytes, start: int, end: int, track: int) -> int | None:
    """Where the last indexed `moof` of a track begins, from the payload of a `mfra` box."""
    found: int | None = None
    for box in boxes(data, start, end):
        if box.kind != b"tfra" or _u32(data, box.start + 4) != track:
            continue
        wide, count = _version(data, box), _u32(data, box.start + 12)
        numbers = sum(((_u32(data, box.start + 8) >> shift) & 3) + 1 for shift in (0, 2, 4))
        entry = (16 if wide else 8) + numbers
        at = box.start + 16 + entry * (count - 1)
        if count and at + entry <= box.end:
            found = _u64(data, at + 8) if wide else _u32(data, at + 4)
    return found


def _read_extends(data: bytes, extends: Box | None) -> tuple[int, dict[int, int]]:
    """Duration from `mehd` in movie units, and the default sample duration of each track."""
    duration, defaults = 0, dict[int, int]()
    for box in boxes(data, extends.start, extends.end) if extends else ():
        if box.kind == b"mehd":
            duration = _u64(data, box.start + 4) if _version(data, box) else _u32(data, box.start + 4)
        elif box.kind == b"trex":
            defaults[_u32(data, box.start + 4)] = _u32(data, box.start + 12)
    return duration, defaults


def _read_track(data: bytes, trak: Box, movie_timescale: int, defaults: dict[int, int]) -> Track:
    found = _find(data, trak, b"tkhd", b"mdia", b"edts")
    head, media = found.get(b"tkhd"), found.get(b"mdia")
    if head is None or media is None:
        raise Broken("a track has no header")
    number, enabled, width, height = _read_track_header(data, head)
    inside = _find(data, media, b"mdhd", b"hdlr", b"minf")
    timescale, duration = _times(data, inside[b"mdhd"]) if b"mdhd" in inside else (0, 0)
    handler = _bytes(data, inside[b"hdlr"].start + 8, 4) if b"hdlr" in inside else b""
    codec, samples, size = _read_tables(data, inside.get(b"minf"))
    return Track(
        id=number,
        handler=handler,
        enabled=enabled,
        timescale=timescale,
        duration=duration,
        edited=_seconds(_read_edits(data, found.get(b"edts")), movie_timescale),
        width=width or size[0],
        height=height or size[1],
        samples=samples,
        codec=codec,
        default_sample_duration=defaults.get(number, 0),
    )


def _read_track_header(data: bytes, box: Box) -> tuple[int, bool, int, int]:
    """Track number, whether it is enabled, and its size in pixels (16.16 fixed point)."""
    wide = _version(data, box)
    number = _u32(data, box.start + (20 if wide else 12))
    at = box.start + (88 if wide else 76)
    return number, bool(_u32(data, box.start) & 1), _u32(data, at) >> 16, _u32(data, at + 4) >> 16


def _read_edits(data: bytes, edits: Box | None) -> int:
    """What the edit list shows of the media, in movie units; empty edits only delay it and do not count."""
    total = 0
    for box in boxes(data, edits.start, edits.end) if edits else ():
        if box.kind != b"elst":
            continue
        wide, count = _version(data, box), _u32(data, box.start + 4)
        entry, empty = (20, _UNKNOWN_64) if wide else (12, _UNKNOWN_32)
        if count * entry > box.end - box.start:
            raise Broken("an edit list is cut off")
        read = _u64 if wide else _u32
        for at in range(box.start + 8, box.start + 8 + min(count, _MOST_ENTRIES) * entry, entry):
            if read(data, at + (8 if wide else 4)) != empty:
                total += read(data, at)
    return total


def _read_tables(data: bytes, info: Box | None) -> tuple[str | None, int, tuple[int, int]]:
    """Codec, number of samples and coded size, from the sample tables."""
    table = _find(data, info, b"stbl").get(b"stbl") if info else None
    found = _find(data, table, b"stsd", b"stsz", b"stz2") if table else {}
    sizes = found.get(b"stsz") or found.get(b"stz2")
    samples = _u32(data, sizes.start + 8) if sizes else 0
    described = found.get(b"stsd")
    entry = next(boxes(data, described.start + 8, described.end), None) if described else None
    if entry is None:
        return None, samples, (0, 0)
    size = (_u16(data, entry.start + 24), _u16(data, entry.start + 26)) if entry.end - entry.start >= 28 else (0, 0)
    return _show(entry.kind), samples, size


def _own_sample_duration(data: bytes, inside: list[Box], track: Track) -> int | None:
    """The duration of a sample that does not say, when this `traf` belongs to the track; else None."""
    for box in inside:
        if box.kind == b"tfhd" and _u32(data, box.start + 4) == track.id:
            flags = _u32(data, box.start)
            at = box.start + 8 + (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0)
            return _u32(data, at) if flags & 0x8 else track.default_sample_duration
    return None


def _read_run(data: bytes, box: Box, each: int) -> tuple[int, int]:
    """Number of samples and their duration in one `trun`."""
    flags, count = _u32(data, box.start), _u32(data, box.start + 4)
    if not flags & 0x100:
        return count, count * each
    at = box.start + 8 + (4 if flags & 0x1 else 0) + (4 if flags & 0x4 else 0)
    entry = 4 * sum(bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800))
    if at + count * entry > box.end:
        raise Broken("a fragment is cut off")
    # Every field is 32 bits wide: all are read at once, and the duration is the first of each entry.
    fields = struct.unpack_from(f">{count * entry // 4}I", data, at)
    return count, sum(fields[:: entry // 4])


def _find(data: bytes, parent: Box, *kinds: bytes) -> dict[bytes, Box]:
    """The first box of each of these kinds."""
    found: dict[bytes, Box] = {}
    for box in boxes(data, parent.start, parent.end):
        if box.kind in kinds:
            found.setdefault(box.kind, box)
    return found


def _times(data: bytes, box: Box) -> tuple[int, int]:
    """Timescale and duration of `mvhd` or `mdhd`; a duration of all ones means "unknown" and becomes 0."""
    if _version(data, box):
        timescale, duration, unknown = _u32(data, box.start + 20), _u64(data, box.start + 24), _UNKNOWN_64
    else:
        timescale, duration, unknown = _u32(data, box.start + 12), _u32(data, box.start + 16), _UNKNOWN_32
    return timescale, 0 if duration == unknown else duration


def _seconds(duration: int, timescale: int) -> float:
    return duration / timescale if timescale else 0.0


def _version(data: bytes, box: Box) -> bool:
    """Whether a full box has 64-bit fields (version 1)."""
    return _bytes(data, box.start, 1) == b"\x01"


def _bytes(data: bytes, at: int, length: int) -> bytes:
    found = data[at : at + length]
    if len(found) < length:
        raise Broken("a box is shorter than its fields")
    return found


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(_bytes(data, at, 2), "big")


def _u32(data: bytes, at: int) -> int:
    try:
        value: int = _U32.unpack_from(data, at)[0]
    except struct.error:
        raise Broken("a box is shorter than its fields") from None
    return value


def _u64(data: bytes, at: int) -> int:
    return int.from_bytes(_bytes(data, at, 8), "big")


_U32 = struct.Struct(">I")
_HEAD = struct.Struct(">I4s")


def _show(kind: bytes) -> str:
    """A four-character code for people: what cannot be printed becomes a dot."""
    return "".join(chr(code) if 32 <= code < 127 else "." for code in kind).strip()

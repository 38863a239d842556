"""Walk over the boxes of an mp4 without reading it: a generator asks for ranges of bytes and is fed them.

Rules of this room:
- sans-I/O: the same walk serves a local file and HTTP Range requests;
- bounded: without the `moov` box at most `MOST_READ` bytes are asked for, in at most the given number of reads, and
  a `moov` of more than `MOST_MOOV` bytes is refused; to look whether a file is whole takes as much again;
- nothing raises: what is not an mp4 ends the walk with `NotAnMp4` and a reason for people.

The usual clip costs one read (moov in front) or two (moov at the end). The length of a fragmented file stands in
`mehd`, else in its segment index, else in the last fragment (found through `mfra`), else it is summed while reads
last, else it is unknown. Source: ISO/IEC 14496-12.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum

import attrs

from omniedit.core import boxes as b
from omniedit.models import MediaFacts

__all__ = ["MOST_MOOV", "MOST_READ", "Need", "NotAnMp4", "Piece", "Walk", "step", "walk"]

MOST_READ = 64 * 1024
MOST_MOOV = 16 * 1024 * 1024
# Bytes read at first and at each later hop: with four reads 16 KiB and the rest of the moov, over HTTP.
_FIRST = 8 * 1024
_HOP = 2560
# Bytes of the header of a box, and so many boxes that are looked at to tell whether a file is whole.
_HEADER = 16
_MOST_CHECKED = MOST_READ // _HEADER
_FIRST_KINDS = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"uuid"})
_MEDIA = frozenset({b"mdat", b"imda"})
# What a fragment begins with, or the boxes that stand before it.
_FRAGMENT_KINDS = frozenset({b"moof", b"sidx", b"styp"})
# How other things begin that people take for an mp4.
_OTHERS = (
    (b"\x1a\x45\xdf\xa3", "a WebM or Matroska file"),
    (b"RIFF", "an AVI or WAV file"),
    (b"GIF8", "a GIF picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"FLV", "a Flash video"),
    (b"\x47\x40", "an MPEG transport stream"),
    (b"\x00\x00\x01\xba", "an MPEG program stream"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"{", "a JSON text"),
    (b"<?xml", "an XML text"),
    (b"<", "an HTML page"),
    (b"#EXTM3U", "an HLS playlist"),
)


@attrs.frozen
class Need:
    """Ask for these bytes; only at the end of the file may fewer come back."""

    offset: int
    length: int


@attrs.frozen
class Piece:
    """The bytes asked for, and the size of the whole file as soon as it is known."""

    data: bytes = attrs.field(repr=False)
    size: int | None = None


@attrs.frozen
class NotAnMp4:
    """Why the bytes are no mp4, for people: it completes "the file ..."."""

    reason: str


Walk = Generator[Need, Piece, MediaFacts | NotAnMp4]


def walk(reads: int = 4, *, whole: bool = False) -> Walk:
    """Walk over one file. Drive it with `step`.

    Args:
        reads: how many ranges may be asked for, the first included. Files need few, HTTP should have few.
        whole: refuse a file that is cut off behind its moov, within a box or before media data. That asks for the
            headers of up to 4096 boxes more, one by one, and is meant for a local file; what they do not tell passes.
    """
    try:
        return (yield from _scan(_Bytes(reads), whole=whole))
    except b.Broken as broken:
        return NotAnMp4(f"is no whole mp4: {broken}")


def step(walking: Walk, piece: Piece | None = None) -> Need | MediaFacts | NotAnMp4:
    """What a walk asks for next, or how it ended; `piece` answers its last need, and is left out at first."""
    try:
        return next(walking) if piece is None else walking.send(piece)
    except StopIteration as end:
        result: MediaFacts | NotAnMp4 = end.value
        return result


class _Bytes:
    """The bytes seen last, and what may still be asked for."""

    __slots__ = ("_data", "_reads", "_start", "_unread", "size")

    def __init__(self, reads: int, size: int | None = None) -> None:
        self._data, self._start = b"", 0
        self._reads, self._unread = reads, MOST_READ
        self.size = size

    def has(self, offset: int, length: int) -> bool:
        """Whether these bytes are here already."""
        return self._start <= offset and offset + length <= self._start + len(self._data)

    def affordable(self, length: int = _HOP) -> bool:
        """Whether one more hop fits the budget."""
        return self._reads > 0 and self._unread >= length

    def at(self, offset: int, length: int, ahead: int = _HOP) -> Generator[Need, Piece, bytes]:
        """Bytes from a place on, fewer at the end of the file; fetches what is missing, and a little more."""
        if not self.has(offset, length) and not self._ends_at(offset):
            yield from self._fetch(offset, max(length, ahead))
        begin = offset - self._start
        return self._data[begin : begin + length]

    def movie(self, offset: int, length: int) -> Generator[Need, Piece, bytes]:
        """The whole `moov` and the header behind it, outside the budget of bytes."""
        self._unread += length
        data = yield from self.at(offset, length + 16, ahead=0)
        if len(data) < length:
            raise b.Broken("the file ends inside its moov box")
        return data[:length]

    def _ends_at(self, offset: int) -> bool:
        """Whether the file is known to end inside what is here: asking for more would bring nothing."""
        end = self._start + len(self._data)
        return self.size is not None and self._start <= offset and end >= self.size

    def _fetch(self, offset: int, length: int) -> Generator[Need, Piece, None]:
        end = self._start + len(self._data)
        kept = self._data[offset - self._start :] if self._start <= offset <= end else b""
        missing = length - len(kept)
        if self._reads <= 0 or missing > self._unread:
            raise b.Broken("its boxes are scattered too widely to be found")
        self._reads -= 1
        self._unread -= missing
        piece = yield Need(offset + len(kept), missing)
        self.size = self.size if piece.size is None else piece.size
        self._data, self._start = kept + piece.data[:missing], offset


def _scan(source: _Bytes, *, whole: bool) -> Walk:
    """Go over the boxes of the file until what matters is known."""
    brand, offset, late = "", 0, False
    first = yield from source.at(0, 16, ahead=_FIRST)
    if (reason := _other(first)) is not None:
        return NotAnMp4(reason)
    while True:
        head = yield from source.at(offset, 16)
        if len(head) < 8:
            return NotAnMp4("has no moov box: it is cut off, or still being written")
        kind, size, length = b.header(head)
        _check_whole(kind, offset + size, source.size)
        match kind:
            case b"ftyp":
                major = yield from source.at(offset + length, 4)
                brand = major.decode("latin-1")
            case b"moov":
                facts = yield from _judge(source, _Place(offset, size, length), brand, late=late)
                if whole and not late:
                    end = offset + size if size else source.size or 0
                    yield from _check_media(end, source.size, fragmented=facts.fragmented)
                return facts
            case b"mdat" | b"moof":
                late = True
            case _:
                pass
        if size == 0:
            return NotAnMp4("has no moov box: it is cut off, or still being written")
        offset += size


@attrs.frozen
class _Place:
    """Where the moov lies in the file."""

    offset: int
    size: int
    header: int


def _judge(source: _Bytes, moov: _Place, brand: str, *, late: bool) -> Generator[Need, Piece, MediaFacts]:
    size = moov.size or (source.size or 0) - moov.offset
    if not 0 < size <= MOST_MOOV:
        raise b.Broken(f"its moov box claims {size} bytes")
    data = yield from source.movie(moov.offset, size)
    movie = b.read_movie(data, moov.header, len(data))
    video, audio = movie.best(b"vide"), movie.best(b"soun")
    end, frames = moov.offset + size, video.samples if video else 0
    seconds = video.seconds or movie.seconds if video else movie.seconds
    if movie.fragmented and video is not None:
        seconds, frames = yield from _fragmented(source, end, movie, video)
    else:
        yield from _check_next(source, end)
    return MediaFacts(
        brand=brand,
        size=source.size,
        duration=seconds if seconds or not movie.fragmented else None,
        container_duration=movie.seconds or movie.fragmented_seconds or None,
        width=(video.width or None) if video else None,
        height=(video.height or None) if video else None,
        frames=frames or None,
        video_codec=(video.codec or "unknown") if video else None,
        audio_codec=(audio.codec or "unknown") if audio else None,
        fragmented=movie.fragmented,
        moov_at_end=late,
    )


def _check_next(source: _Bytes, offset: int) -> Generator[Need, Piece, None]:
    """A file whose mdat follows the moov shows here whether it is cut off; it is never worth a read."""
    while source.has(offset, 16):
        head = yield from source.at(offset, 16)
        kind, size, _ = b.header(head)
        _check_whole(kind, offset + size, source.size)
        if size == 0:
            return
        offset += size


def _check_media(offset: int, size: int | None, *, fragmented: bool) -> Generator[Need, Piece, None]:
    """A file that was cut off between two boxes has no broken one; what tells is that its media data is missing."""
    source = _Bytes(_MOST_CHECKED, size)
    kind, fragments, data = b"", 0, 0
    while offset != source.size:
        if not source.affordable(_HEADER):
            return
        head = yield from source.at(offset, _HEADER, ahead=_HEADER)
        if len(head) < 8:
            break
        kind, length, _ = b.header(head)
        _check_whole(kind, offset + length, source.size)
        fragments, data = fragments + (kind == b"moof"), data + (kind in _MEDIA)
        if length == 0 or (data and not fragmented):
            return
        offset += length
    if not data or (kind == b"moof" and fragments > data):
        raise b.Broken("it ends before its media data")


class _Stop(Enum):
    """Why there is no next fragment."""

    end = "end"
    lost = "lost"
    """Reads are used up before the end was seen."""


@attrs.frozen
class _Found:
    """One fragment that holds video, and where the box behind its `moof` begins."""

    fragment: b.Fragment
    behind: int


def _fragmented(
    source: _Bytes, offset: int, movie: b.Movie, video: b.Track
) -> Generator[Need, Piece, tuple[float, int]]:
    """Seconds and frames of a fragmented file; 0 for what cannot be known cheaply."""
    if movie.fragmented_seconds:
        return movie.fragmented_seconds, 0
    if (seconds := (yield from _indexed(source, offset, video))) > 0:
        return seconds, 0
    found = yield from _next_fragment(source, offset, None, video)
    if not isinstance(found, _Found):
        return (video.seconds or movie.seconds, video.samples) if found is _Stop.end else (0.0, 0)
    begin = 0 if video.samples else found.fragment.start
    place, stop = yield from _last_place(source, video)
    frames, complete = video.samples, place <= found.behind
    last = found
    while isinstance(found, _Found):
        last, frames = found, frames + found.fragment.samples
        found = yield from _next_fragment(source, max(place, found.behind), stop, video)
    if found is _Stop.lost or not video.timescale:
        return 0.0, 0
    end = last.fragment.start + last.fragment.duration
    return max(0, end - begin) / video.timescale, frames if complete else 0


def _indexed(source: _Bytes, offset: int, video: b.Track) -> Generator[Need, Piece, float]:
    """Seconds from a segment index in front of the first fragment; 0.0 without one that is for all of them."""
    while source.has(offset, 16):
        head = yield from source.at(offset, 16)
        kind, size, length = b.header(head)
        if kind == b"moof" or size == 0:
            return 0.0
        if kind == b"sidx" and source.has(offset, size):
            data = yield from source.at(offset, size)
            index = b.read_index(data, b.Box(kind, length, size))
            if index.track == video.id:
                more = yield from _goes_on(source, offset + size + index.reach)
                return 0.0 if more else index.seconds
        offset += size
    return 0.0


def _goes_on(source: _Bytes, offset: int) -> Generator[Need, Piece, bool]:
    """Whether more fragments follow where an index ends: some muxers write one index for each fragment."""
    if not source.has(offset, 8) and not source.affordable():
        return False
    head = yield from source.at(offset, 8)
    return head[4:8] in _FRAGMENT_KINDS


def _next_fragment(
    source: _Bytes, offset: int, stop: int | None, video: b.Track
) -> Generator[Need, Piece, _Found | _Stop]:
    """The first fragment from a place on that holds video; `stop` is where fragments end, when known."""
    while offset != (stop or source.size):
        if not source.has(offset, 16) and not source.affordable():
            return _Stop.lost
        head = yield from source.at(offset, 16)
        if len(head) < 8:
            return _Stop.end
        kind, size, length = b.header(head)
        _check_whole(kind, offset + size, source.size)
        if size == 0 or kind == b"mfra":
            return _Stop.end
        if kind == b"moof":
            data = yield from source.at(offset, size)
            fragment = b.read_fragment(data, length, len(data), video)
            if fragment.samples:
                return _Found(fragment, offset + size)
        offset += size
    return _Stop.end


def _last_place(source: _Bytes, video: b.Track) -> Generator[Need, Piece, tuple[int, int | None]]:
    """Where the last indexed fragment begins and where fragments end, from the random access box at the end."""
    size = source.size or 0
    if size < _HOP or not source.affordable():
        return 0, None
    tail = yield from source.at(size - _HOP, _HOP)
    begin = len(tail) - (int.from_bytes(tail[-4:], "big") if tail[-12:-8] == b"mfro" else 0)
    if not 0 <= begin <= len(tail) - 16:
        return 0, None
    kind, _, length = b.header(tail, begin)
    if kind != b"mfra":
        return 0, None
    place = b.last_fragment_offset(tail, begin + length, len(tail), video.id)
    return place or 0, size - len(tail) + begin


def _check_whole(kind: bytes, end: int, size: int | None) -> None:
    if size is not None and end > size:
        raise b.Broken(f"box {kind.decode('latin-1')!r} should end at byte {end}, the file has {size}")


def _other(first: bytes) -> str | None:
    """What the file is instead of an mp4, when its first bytes say so."""
    if not first:
        return "is empty"
    if first[4:8] in _FIRST_KINDS:
        return None
    text = first.lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, what in _OTHERS:
        if first.startswith(magic) or text.startswith(magic):
            return f"is no mp4 but {what}"
    return "is no mp4: it does not begin with a box that one can begin with"

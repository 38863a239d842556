"""The box walker: right on real clips, unmoved by hostile ones, and never greedy."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from hypothesis import given, strategies as st

from omniedit.core import boxes
from omniedit.core.mp4 import MOST_READ, Need, NotAnMp4, Piece, step, walk
from omniedit.models import MediaFacts
from omniedit.testing import sample_clip

UNKNOWN = 0xFFFF_FFFF


@attrs.frozen
class Walked:
    """How a walk ended, and what it asked for."""

    result: MediaFacts | NotAnMp4
    needs: tuple[Need, ...]

    @property
    def facts(self) -> MediaFacts:
        """The facts, when there are some."""
        assert isinstance(self.result, MediaFacts), self.result
        return self.result

    @property
    def reason(self) -> str:
        """The refusal, when there is one."""
        assert isinstance(self.result, NotAnMp4), self.result
        return self.result.reason


def walked(data: bytes, reads: int = 4, *, size_known: bool = True, whole: bool = False) -> Walked:
    """Walk over bytes."""
    walking, needs = walk(reads, whole=whole), list[Need]()
    now = step(walking)
    while isinstance(now, Need):
        needs.append(now)
        piece = data[now.offset : now.offset + now.length]
        now = step(walking, Piece(piece, len(data) if size_known else None))
    return Walked(now, tuple(needs))


def box(kind: bytes, *payload: bytes) -> bytes:
    """One box."""
    data = b"".join(payload)
    return struct.pack(">I4s", len(data) + 8, kind) + data


def wide_box(kind: bytes, payload: bytes) -> bytes:
    """One box with a 64-bit size."""
    return struct.pack(">I4sQ", 1, kind, len(payload) + 16) + payload


def ints(*values: int) -> bytes:
    """32-bit fields."""
    return b"".join(struct.pack(">I", value) for value in values)


def mvhd(timescale: int = 1000, duration: int = 0, *, wide: bool = False) -> bytes:
    """Movie header."""
    if wide:
        return box(b"mvhd", b"\x01\0\0\0", bytes(16), ints(timescale), struct.pack(">Q", duration), bytes(80))
    return box(b"mvhd", bytes(12), ints(timescale, duration), bytes(80))


def track(
    number: int = 1,
    *,
    handler: bytes = b"vide",
    duration: int = 2000,
    timescale: int = 1000,
    enabled: bool = True,
    wide: bool = False,
    size: tuple[int, int] = (64, 48),
    samples: int = 48,
    entry: bytes | None = None,
    edits: bytes = b"",
    sizes: bytes = b"stsz",
) -> bytes:
    """One track; every argument is what its box says."""
    flags = b"\0\0\0\x01" if enabled else bytes(4)
    if wide:
        head = b"\x01" + flags[1:] + bytes(16) + ints(number) + bytes(64)
        media = box(b"mdhd", b"\x01\0\0\0", bytes(16), ints(timescale), struct.pack(">Q", duration), bytes(4))
    else:
        head = flags + bytes(8) + ints(number) + bytes(60)
        media = box(b"mdhd", bytes(12), ints(timescale, duration), bytes(4))
    tkhd = box(b"tkhd", head, ints(size[0] << 16, size[1] << 16))
    if entry is None:
        entry = box(b"avc1", bytes(24), struct.pack(">HH", 320, 240), bytes(50))
    table = box(b"stbl", box(b"stsd", ints(0, 1), entry), box(sizes, ints(0, 0, samples)))
    inside = (media, box(b"hdlr", bytes(8), handler, bytes(12)), box(b"minf", table))
    return box(b"trak", tkhd, edits, box(b"mdia", *inside))


def clip(*parts: bytes, brand: bytes = b"isom") -> bytes:
    """A whole file: `ftyp`, then these boxes."""
    return box(b"ftyp", brand, bytes(4)) + b"".join(parts)


def elst(*entries: tuple[int, int], wide: bool = False) -> bytes:
    """An edit list of (duration, media time)."""
    form = ">QQI" if wide else ">III"
    head = b"\x01\0\0\0" if wide else bytes(4)
    listed = b"".join(struct.pack(form, *entry, 0x10000) for entry in entries)
    return box(b"edts", box(b"free"), box(b"elst", head, ints(len(entries)), listed))


def moof(
    start: int, samples: int, each: int | None = 100, *, track_id: int = 1, wide: bool = False, own: bool = False
) -> bytes:
    """One fragment; `each` None leaves the duration of a sample to the track."""
    tfhd = box(
        b"tfhd", ints(0x20008 if own else 0x3), ints(track_id), b"" if own else bytes(12), ints(50) if own else b""
    )
    tfdt = box(b"tfdt", b"\x01\0\0\0", struct.pack(">Q", start)) if wide else box(b"tfdt", bytes(4), ints(start))
    if each is None:
        trun = box(b"trun", ints(0x1, samples, 0))
    else:
        trun = box(b"trun", ints(0x305, samples, 0, 0), ints(*[each, 7] * samples))
    return box(b"moof", box(b"mfhd", bytes(8)), box(b"traf", tfhd, tfdt, trun))


def mvex(each: int = 0, *, mehd: int | None = None, wide: bool = False) -> bytes:
    """The promise of fragments."""
    told = b""
    if mehd is not None:
        told = box(b"mehd", b"\x01\0\0\0", struct.pack(">Q", mehd)) if wide else box(b"mehd", bytes(4), ints(mehd))
    return box(b"mvex", told, box(b"trex", bytes(4), ints(1, 1, each, 0, 0)), box(b"free"))


def mfra(*places: tuple[int, int], track_id: int = 1, wide: bool = False) -> bytes:
    """The index at the end: (time, offset) of fragments."""
    form = ">QQBBB" if wide else ">IIBBB"
    listed = b"".join(struct.pack(form, *place, 1, 1, 1) for place in places)
    tfra = box(b"tfra", b"\x01\0\0\0" if wide else bytes(4), ints(track_id, 0, len(places)), listed)
    other = box(b"tfra", bytes(4), ints(99, 0, 0))
    size = 8 + len(tfra) + len(other) + 16
    return box(b"mfra", tfra, other, box(b"mfro", bytes(4), ints(size)))


PLAIN = clip(box(b"moov", mvhd(1000, 2021), track()), box(b"mdat", bytes(100)))


@pytest.mark.parametrize("layout", ["faststart", "moov_at_end", "mdat64"])
@pytest.mark.parametrize("audio", [True, False])
def test_a_real_clip_is_read_in_few_bytes(*, tmp_path: Path, layout: str, audio: bool) -> None:
    """Wherever its moov lies: length, size, codecs and frames, within 16 KiB and the moov, in four reads."""
    data = sample_clip(tmp_path / "a.mp4", 2.0, size=(160, 90), audio=audio, layout=layout).read_bytes()  # type: ignore[arg-type]
    found = walked(data)
    assert found.facts.duration == pytest.approx(2.0, abs=0.01)
    assert (found.facts.width, found.facts.height, found.facts.frames) == (160, 90, 48)
    assert found.facts.frame_rate == pytest.approx(24, abs=0.2)
    assert found.facts.video_codec == "avc1"
    assert found.facts.audio_codec == ("mp4a" if audio else None)
    assert found.facts.moov_at_end is (layout != "faststart")
    assert found.facts.size == len(data)
    assert len(found.needs) <= 4
    assert sum(need.length for need in found.needs) <= 16 * 1024 + moov_size(data)


def moov_size(data: bytes) -> int:
    """Bytes of the moov box."""
    return int.from_bytes(data[(at := data.index(b"moov") - 4) : at + 4], "big")


@pytest.mark.parametrize("seconds", [10.005, 30.0])
def test_sound_may_outlast_the_video_which_is_what_counts(tmp_path: Path, seconds: float) -> None:
    """The container of a clip with AAC is a little longer than its video track."""
    data = sample_clip(tmp_path / "a.mp4", seconds, size=(64, 48)).read_bytes()
    facts = walked(data).facts
    assert facts.duration == pytest.approx(seconds, abs=0.05)
    assert facts.container_duration is not None
    assert facts.container_duration >= (facts.duration or 0) - 0.05


def test_a_real_fragmented_clip_tells_its_length(tmp_path: Path) -> None:
    """Over HTTP as well, within the same budget."""
    data = sample_clip(tmp_path / "a.mp4", 4.0, size=(160, 90), layout="fragmented").read_bytes()
    found = walked(data)
    assert found.facts.fragmented
    assert found.facts.duration == pytest.approx(4.0, abs=0.1)
    assert len(found.needs) <= 4


@pytest.mark.parametrize("size_known", [True, False])
def test_the_size_of_the_file_need_not_be_known(*, size_known: bool) -> None:
    """A server may keep it to itself."""
    facts = walked(PLAIN, size_known=size_known).facts
    assert (facts.duration, facts.size) == (2.0, len(PLAIN) if size_known else None)


def test_the_brand_is_told_as_it_stands() -> None:
    """QuickTime's has two spaces; a file without `ftyp` has none."""
    assert walked(clip(box(b"moov", mvhd(), track()), brand=b"qt  ")).facts.brand == "qt  "
    assert walked(box(b"moov", mvhd(), track())).facts.brand == ""


def test_64_bit_fields_are_read() -> None:
    """Version 1 of every box, and 64-bit box sizes."""
    moov = wide_box(b"moov", mvhd(1000, 2000, wide=True) + track(wide=True, edits=elst((1500, 0), wide=True)))
    facts = walked(clip(wide_box(b"mdat", bytes(9000)), moov)).facts
    assert (facts.duration, facts.container_duration, facts.width) == (1.5, 2.0, 64)


def test_the_edit_list_says_what_is_shown() -> None:
    """Trimmed media counts as trimmed; an empty edit only delays it."""
    trimmed = track(duration=5000, edits=elst((500, UNKNOWN), (2000, 100)))
    assert walked(clip(box(b"moov", mvhd(1000, 2500), trimmed))).facts.duration == 2.0
    assert walked(clip(box(b"moov", mvhd(0, 2500), trimmed))).facts.duration == 5.0


@pytest.mark.parametrize(
    ("duration", "movie", "expected"), [(UNKNOWN, 3000, 3.0), (0, 3000, 3.0), (0, 0, 0.0), (0, UNKNOWN, 0.0)]
)
def test_the_container_answers_for_a_track_that_does_not_know(duration: int, movie: int, expected: float) -> None:
    """All ones mean "unknown"; a file that is not fragmented and has no length has the length zero."""
    assert walked(clip(box(b"moov", mvhd(1000, movie), track(duration=duration)))).facts.duration == expected


def test_the_longest_enabled_video_track_counts() -> None:
    """QuickTime keeps chapter pictures in a disabled video track."""
    tracks = (track(1, duration=9000, enabled=False), track(2, duration=1000), track(3, duration=2000))
    assert walked(clip(box(b"moov", mvhd(), *tracks))).facts.duration == 2.0


def test_a_clip_without_video_says_so() -> None:
    """Sound alone has a length, no picture."""
    sound = track(handler=b"soun", entry=box(b"mp4a", bytes(20)))
    facts = walked(clip(box(b"moov", mvhd(1000, 2000), sound))).facts
    assert (facts.video_codec, facts.audio_codec, facts.duration, facts.width) == (None, "mp4a", 2.0, None)


def test_missing_tables_leave_facts_open() -> None:
    """No sample description, no size in the header, compact sample sizes."""
    bare = track(entry=b"", size=(0, 0), sizes=b"stz2")
    facts = walked(clip(box(b"moov", mvhd(), bare))).facts
    assert (facts.video_codec, facts.width, facts.height, facts.frames) == ("unknown", None, None, 48)
    coded = walked(clip(box(b"moov", mvhd(), track(size=(0, 0))))).facts
    assert (coded.width, coded.height) == (320, 240)
    short = walked(clip(box(b"moov", mvhd(), track(size=(0, 0), entry=box(b"av\x001", bytes(4)))))).facts
    assert (short.video_codec, short.width) == ("av.1", None)
    empty = box(b"trak", box(b"tkhd", bytes(84)), box(b"mdia"))
    unknown = walked(clip(box(b"moov", mvhd(), empty, track()), box(b"mdat"))).facts
    assert unknown.duration == 2.0
    untabled = box(b"trak", box(b"tkhd", bytes(84)), box(b"mdia", box(b"hdlr", bytes(8), b"vide"), box(b"minf")))
    assert walked(clip(box(b"moov", mvhd(), untabled))).facts.video_codec == "unknown"


# --- fragments ----------------------------------------------------------------------------------------------------


def head(
    *, each: int = 0, samples: int = 0, mehd: int | None = None, wide: bool = False, timescale: int = 1000
) -> bytes:
    """The front of a fragmented file."""
    first = track(duration=samples * 100, samples=samples, timescale=timescale)
    return clip(box(b"moov", mvhd(1000, 0), first, mvex(each, mehd=mehd, wide=wide)))


@pytest.mark.parametrize("wide", [True, False])
def test_the_promised_length_of_fragments_is_believed(*, wide: bool) -> None:
    """`mehd` spares looking at fragments."""
    facts = walked(head(mehd=4000, wide=wide) + moof(0, 5)).facts
    assert (facts.duration, facts.container_duration, facts.fragmented) == (4.0, 4.0, True)


@pytest.mark.parametrize("wide", [True, False])
def test_fragments_are_summed_when_nothing_is_promised(*, wide: bool) -> None:
    """Each says when it begins; the last one decides, and the first counts when the track begins late."""
    fragments = moof(5000, 10, wide=wide) + box(b"mdat", bytes(10)) + moof(6000, 10, wide=wide) + box(b"mdat")
    facts = walked(head() + fragments).facts
    assert (facts.duration, facts.frames) == (2.0, 20)


@pytest.mark.parametrize(("own", "expected"), [(True, 0.5), (False, 1.0)])
def test_a_sample_may_leave_its_duration_to_fragment_or_track(*, own: bool, expected: float) -> None:
    """`tfhd` before `trex`."""
    data = head(each=100) + moof(0, 10, None, own=own) + box(b"mdat")
    assert walked(data).facts.duration == expected


def test_samples_in_the_moov_come_before_the_fragments() -> None:
    """The usual file of a recorder that was stopped properly."""
    data = head(samples=10) + moof(1000, 10) + box(b"mdat")
    assert (walked(data).facts.duration, walked(data).facts.frames) == (2.0, 20)


def test_a_fragmented_file_without_fragments_is_what_its_moov_says() -> None:
    """Or nothing is known at all."""
    assert walked(head(samples=10)).facts.duration == 1.0
    assert walked(head(samples=10) + box(b"mdat", bytes(10))).facts.duration == 1.0
    assert walked(head()).facts.duration is None
    assert walked(head(samples=10) + struct.pack(">I4s", 0, b"mdat") + bytes(30)).facts.duration == 1.0


def test_fragments_of_other_tracks_are_passed_over() -> None:
    """Only video counts."""
    sound = moof(0, 99, track_id=2)
    assert walked(head() + sound + box(b"mdat") + moof(0, 10) + box(b"mdat")).facts.duration == 1.0


def sidx(total: int, *, track_id: int = 1, wide: bool = False, reach: int = 200) -> bytes:
    """A segment index of two equal segments, with a gap of 50 bytes before them."""
    times = struct.pack(">QQ", 0, 50) if wide else ints(0, 50)
    entries = b"".join(ints((reach - 50) // 2, total // 2, 0) for _ in range(2))
    return box(b"sidx", b"\x01\0\0\0" if wide else bytes(4), ints(track_id, 1000), times, b"\0\0\0\x02", entries)


@pytest.mark.parametrize("wide", [True, False])
def test_a_segment_index_tells_the_length(*, wide: bool) -> None:
    """Of the video track, not of another."""
    data = head() + sidx(9000, track_id=2) + sidx(3000, wide=wide) + moof(0, 5) + box(b"mdat", bytes(9000))
    assert walked(data).facts.duration == 3.0


def test_a_foreign_index_helps_nobody() -> None:
    """Then fragments are looked at."""
    assert walked(head() + sidx(9000, track_id=2) + moof(0, 10)).facts.duration == 1.0
    assert walked(head() + sidx(0) + moof(0, 10)).facts.duration == 1.0


@pytest.mark.parametrize("behind", [b"styp", b"sidx", b"moof"])
def test_an_index_of_some_fragments_is_not_that_of_all(behind: bytes) -> None:
    """Some muxers write one in front of each fragment."""
    fragments = [moof(start, 10) + box(b"mdat", bytes(212)) for start in (0, 1000, 2000)]
    index = sidx(1000, reach=len(fragments[0]))
    before = {b"styp": box(b"styp", b"msdh") + index, b"sidx": index, b"moof": b""}[behind]
    assert walked(head() + index + before.join(fragments)).facts.duration == 3.0
    assert walked(head() + index + fragments[0] + box(b"free", bytes(9))).facts.duration == 1.0


def test_an_index_is_believed_where_no_read_is_left_to_look_behind_it() -> None:
    """Better than to know nothing."""
    data = head() + sidx(3000, reach=50_000) + moof(0, 10) + box(b"mdat", bytes(60_000))
    assert walked(data, 1).facts.duration == 3.0


def long_fragmented(count: int, *, wide: bool = False, index: bool = True) -> bytes:
    """Fragments of a second with much data behind each."""
    data, places = head(), list[tuple[int, int]]()
    for number in range(count):
        places.append((number * 1000, len(data)))
        data += moof(number * 1000, 10) + box(b"mdat", bytes(30_000))
    return data + (mfra(*places, wide=wide) if index else b"")


@pytest.mark.parametrize("wide", [True, False])
def test_the_last_fragment_is_found_through_the_index_at_the_end(*, wide: bool) -> None:
    """Thirty fragments cost no more reads than two."""
    found = walked(long_fragmented(30, wide=wide))
    assert found.facts.duration == 30.0
    assert found.facts.frames is None
    assert len(found.needs) <= 4


def test_without_an_index_reads_are_not_spent_for_ever() -> None:
    """The length stays unknown over HTTP; a local file affords more reads."""
    data = long_fragmented(8, index=False)
    assert walked(data, 4).facts.duration is None
    assert walked(data, 32).facts.duration == 8.0
    assert walked(long_fragmented(60, index=False), 99).facts.duration is None
    assert walked(head() + box(b"free", bytes(50_000)) + moof(0, 10), 1).facts.duration is None


@pytest.mark.parametrize(
    "tail",
    [
        mfra(track_id=1),
        mfra((0, 200), track_id=2),
        box(b"free", bytes(8)) + box(b"mfro", bytes(4), ints(24)),
        box(b"mfro", bytes(4), ints(9)),
        box(b"mfro", bytes(4), ints(99_999)),
        box(b"mfra", box(b"tfra", bytes(4), ints(1, 0, 5), bytes(3)), box(b"mfro", bytes(4), ints(51))),
    ],
)
def test_a_useless_index_is_not_believed(tail: bytes) -> None:
    """Empty, of another track, not an index, or with a wrong size: fragments are walked instead."""
    data = head() + moof(0, 10) + box(b"mdat", bytes(3000)) + moof(1000, 10) + box(b"mdat", bytes(3000)) + tail
    assert walked(data, 32).facts.duration == 2.0


def test_a_track_without_timescale_has_no_length_in_fragments() -> None:
    """Nothing is divided by zero."""
    assert walked(head(timescale=0) + moof(0, 5)).facts.duration is None


# --- what is no mp4 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<!doctype html><html>", "an HTML page"),
        (b"\n\n  <html>", "an HTML page"),
        (b"<?xml version='1.0'?>", "an XML text"),
        (b'{"error": 1}', "a JSON text"),
        (b"\x1a\x45\xdf\xa3" + bytes(20), "WebM"),
        (b"RIFF" + bytes(20), "AVI"),
        (b"\x89PNG" + bytes(20), "a PNG picture"),
        (bytes(100), "does not begin with a box"),
        (b"abc", "does not begin with a box"),
        (box(b"ftyp", b"isom"), "no moov box"),
        (box(b"ftyp", b"isom") + struct.pack(">I4s", 0, b"mdat") + bytes(50), "no moov box"),
        (PLAIN[:-1], "should end at byte"),
        (PLAIN[:200], "should end at byte"),
        (clip(struct.pack(">I4s", 4, b"moov")), "claims to be 4 bytes"),
        (clip(b"\0\0\0\x01moov" + bytes(4)), "shorter than its fields"),
        (clip(wide_box(b"mdat", b"")[:8] + struct.pack(">Q", 3) + bytes(9)), "claims to be 3 bytes"),
        (clip(box(b"moov", box(b"cmov", bytes(20)))), "compressed"),
        (clip(box(b"moov", box(b"trak"))), "a track has no header"),
        (clip(box(b"moov", *[track()] * 65)), "65 tracks"),
        (clip(box(b"moov", mvhd()[:20].replace(b"\0\0\0\x6c", b"\0\0\0\x14", 1))), "shorter than its fields"),
        (clip(box(b"moov", struct.pack(">I4s", 99, b"trak"))), "beyond the box that holds it"),
        (clip(box(b"moov", struct.pack(">I4s", 99, b"\x00\xff\x01\x02"))), "beyond the box that holds it"),
        (clip(box(b"moov", box(b"free") * 10_001)), "too many boxes"),
        (clip(box(b"moov", mvhd(), track(edits=box(b"edts", box(b"elst", ints(0, 2**31)))))), "edit list is cut off"),
        (head() + box(b"moof", box(b"traf", box(b"tfhd", ints(0, 1)), box(b"trun", ints(0x100, 9**9)))), "is cut off"),
        (head() + moof(0, 5) + box(b"mdat", bytes(30))[:-9], "should end at byte"),
    ],
)
def test_what_is_no_mp4_is_told_why(data: bytes, reason: str) -> None:
    """In words that complete "the file ..."."""
    assert reason in walked(data).reason


def test_a_cut_off_moov_is_noticed_when_nobody_tells_the_size() -> None:
    """The bytes themselves end too early."""
    assert "ends inside its moov" in walked(PLAIN[:200], size_known=False).reason


@pytest.mark.parametrize("claimed", [17 * 1024 * 1024, 2**62])
def test_a_huge_moov_is_refused_before_it_is_read(claimed: int) -> None:
    """Memory is not handed out on a stranger's word."""
    data = clip(struct.pack(">I4sQ", 1, b"moov", claimed) + bytes(100))
    found = walked(data, size_known=False)
    assert "claims" in found.reason
    assert sum(need.length for need in found.needs) <= MOST_READ


def test_a_moov_that_reaches_to_the_end_needs_the_size() -> None:
    """Size 0 means "to the end of the file"."""
    data = clip(struct.pack(">I4s", 0, b"moov") + mvhd(1000, 2000) + track())
    assert walked(data).facts.duration == 2.0
    assert "claims" in walked(data, size_known=False).reason


def test_scattered_boxes_are_not_followed_for_ever() -> None:
    """The number of reads is bounded, and so are their bytes."""
    data = clip(*[box(b"free", bytes(20_000))] * 40, box(b"moov", mvhd(), track()))
    for reads in (1, 4, 1000):
        found = walked(data, reads)
        assert "scattered" in found.reason
        assert len(found.needs) <= reads
        assert sum(need.length for need in found.needs) <= MOST_READ


def test_boxes_behind_a_front_moov_are_checked_when_they_are_at_hand() -> None:
    """A last box that reaches to the end of the file is fine."""
    data = clip(box(b"moov", mvhd(), track()), box(b"free"), struct.pack(">I4s", 0, b"mdat") + bytes(40))
    assert walked(data).facts.duration == 2.0


# --- media data ---------------------------------------------------------------------------------------------------

FRONT = clip(box(b"moov", mvhd(), track()))
DATA = box(b"mdat", bytes(40))
TO_THE_END = struct.pack(">I4s", 0, b"mdat") + bytes(40)


@pytest.mark.parametrize(
    "data",
    [
        FRONT,
        FRONT + box(b"free", bytes(5000)),
        FRONT + box(b"free") + b"\0\0\0\x10",
        clip(struct.pack(">I4s", 0, b"moov") + mvhd() + track()),
        head() + moof(0, 10),
        head(mehd=1000) + moof(0, 10),
        head() + moof(0, 10) + DATA + moof(1000, 10),
    ],
)
def test_a_file_that_ends_before_its_media_data_is_not_whole(data: bytes) -> None:
    """Cut off between two boxes, none of which is broken; what only its facts are asked of has them all the same."""
    assert walked(data, whole=True).reason == "is no whole mp4: it ends before its media data"
    assert walked(data).facts.video_codec is not None


def test_a_cut_between_boxes_is_seen_without_the_size() -> None:
    """The end of the bytes is the end of the file."""
    assert "media data" in walked(FRONT, whole=True, size_known=False).reason


@pytest.mark.parametrize(
    "data",
    [
        FRONT + DATA,
        FRONT + box(b"free", bytes(5000)) + DATA,
        FRONT + TO_THE_END,
        FRONT + box(b"imda", bytes(40)),
        clip(DATA, box(b"moov", mvhd(), track())),
        head() + moof(0, 10) + DATA,
        head() + moof(0, 10) + moof(0, 10, track_id=2) + DATA,
        head() + moof(0, 10) + DATA + moof(1000, 10) + TO_THE_END,
        head() + moof(0, 10) + DATA + DATA + moof(1000, 10),
        head() + moof(0, 10) + DATA + mfra((0, 0)),
    ],
)
def test_media_data_may_lie_in_many_ways(data: bytes) -> None:
    """A clip that is paid for is refused only where it is certain that something is missing."""
    assert walked(data, whole=True).facts.video_codec == "avc1"


def test_a_cut_in_any_fragment_is_seen() -> None:
    """However many came before it, and whether or not the samples begin in the moov."""
    many = b"".join(moof(number * 1000, 10) + box(b"mdat", bytes(3000)) for number in range(100))
    for whole in (head() + many, head() + DATA + many):
        assert walked(whole, whole=True).facts.video_codec == "avc1"
        assert "should end at byte" in walked(whole[:-1], whole=True).reason
    assert "media data" in walked((head() + many)[:-3008], whole=True).reason


def test_what_too_many_boxes_hide_is_let_pass() -> None:
    """Their number is bounded, and so is what is read of them."""
    far = FRONT + box(b"free", bytes(2000)) * 4094
    assert "media data" in walked(far, whole=True).reason
    found = walked(far + box(b"free") * 4, whole=True)
    assert found.facts.duration == 2.0
    assert sum(need.length for need in found.needs) <= 2 * MOST_READ


@pytest.mark.parametrize("last", [wide_box(b"free", bytes(5)), struct.pack(">I4s", 0, b"free") + bytes(5)])
def test_every_way_to_write_a_size_is_read_inside_boxes_too(last: bytes) -> None:
    """64-bit, and "to the end of the box that holds it"."""
    assert walked(clip(box(b"moov", mvhd(), track(), last))).facts.duration == 2.0
    assert "claims to be 4 bytes" in walked(clip(box(b"moov", struct.pack(">I4s", 4, b"free")))).reason


def mutations() -> Iterator[bytes]:
    """Files of every kind for the fuzzer to spoil."""
    yield PLAIN
    yield head() + sidx(3000) + moof(0, 3) + box(b"mdat", bytes(50))
    yield long_fragmented(2)
    yield clip(wide_box(b"mdat", bytes(40)), box(b"moov", mvhd(wide=True), track(wide=True, edits=elst((5, 0)))))


@given(
    data=st.sampled_from(list(mutations())),
    spots=st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=8)), max_size=6),
    end=st.integers(0, 70_000),
    known=st.booleans(),
    reads=st.integers(1, 40),
)
def test_no_spoiled_file_raises_or_makes_the_walk_greedy(
    *, data: bytes, spots: list[tuple[int, bytes]], end: int, known: bool, reads: int
) -> None:
    """Whatever the bytes: an answer, few reads, few bytes, no surprise."""
    spoiled = bytearray(data[:end])
    for at, patch in spots:
        spoiled[at : at + len(patch)] = patch
    found = walked(bytes(spoiled), reads, size_known=known)
    assert isinstance(found.result, MediaFacts | NotAnMp4)
    assert len(found.needs) <= reads
    assert all(need.length > 0 and need.offset >= 0 for need in found.needs)


@given(st.binary(max_size=400))
def test_no_bytes_at_all_make_a_box_reader_raise_anything_else(data: bytes) -> None:
    """Only `Broken` comes out of the readers."""
    video = boxes.Track(
        1, b"vide", enabled=True, timescale=1, duration=0, edited=0, width=0, height=0, samples=0, codec=None
    )
    whole = boxes.Box(b"sidx", 0, len(data))
    for read in (
        lambda: boxes.read_movie(data, 0, len(data)),
        lambda: boxes.read_fragment(data, 0, len(data), video),
        lambda: boxes.read_index(data, whole),
        lambda: boxes.last_fragment_offset(data, 0, len(data), 1),
    ):
        try:
            read()
        except boxes.Broken as broken:
            assert broken.message  # noqa: PT017 - readers may also succeed

"""Edits are real: measured on the frames of what comes back over HTTP."""

from __future__ import annotations

import asyncio
import io
import math
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from attrs import frozen

from omniedit.sandbox.wishes import WISHES, plan_for
from omniedit.testing import Settings, sample_clip

QUICK = Settings(task_seconds=0.01)


@frozen
class Look:
    """What a clip looks like, from its sixth frame."""

    size: tuple[int, int]
    seconds: float
    frames: int
    sound: float | None
    red: float
    green: float
    blue: float
    luma: bytes
    width: int

    @property
    def light(self) -> float:
        """Mean luma."""
        return sum(self.luma) / len(self.luma)

    @property
    def spread(self) -> float:
        """Standard deviation of the luma: contrast."""
        mean = self.light
        return math.sqrt(sum((value - mean) ** 2 for value in self.luma) / len(self.luma))

    @property
    def colour(self) -> float:
        """How far the mean colour is from grey."""
        return max(self.red, self.green, self.blue) - min(self.red, self.green, self.blue)

    @property
    def flat(self) -> float:
        """Share of the dots that are like the one below."""
        pairs = list(zip(self.luma, self.luma[self.width :], strict=False))
        return sum(abs(a - b) <= 1 for a, b in pairs) / len(pairs)

    @property
    def detail(self) -> float:
        """Mean step between neighbours: blurred pictures have less."""
        steps = [abs(a - b) for a, b in zip(self.luma, self.luma[1:], strict=False)]
        return sum(steps) / len(steps)

    def part(self, left: float, top: float, right: float, bottom: float) -> float:
        """Mean luma of a part, in shares of the frame."""
        height = len(self.luma) // self.width
        rows = range(int(top * height), int(bottom * height))
        columns = range(int(left * self.width), int(right * self.width))
        values = [self.luma[y * self.width + x] for y in rows for x in columns]
        return sum(values) / len(values)


def look(data: bytes) -> Look:
    """Decode a clip."""
    with av.open(io.BytesIO(data), "r") as clip:
        frames = list(clip.decode(video=0))
        video, sound = clip.streams.video[0], clip.streams.audio[0] if clip.streams.audio else None
        frame = frames[5]
        rgb = plane(frame.reformat(format="rgb24"), 3)
        return Look(
            size=(frame.width, frame.height),
            seconds=length(video),
            frames=len(frames),
            sound=None if sound is None else length(sound),
            red=sum(rgb[0::3]) / len(rgb) * 3,
            green=sum(rgb[1::3]) / len(rgb) * 3,
            blue=sum(rgb[2::3]) / len(rgb) * 3,
            luma=plane(frame.reformat(format="gray"), 1),
            width=frame.width,
        )


def length(track: av.VideoStream | av.AudioStream) -> float:
    """Seconds of one track."""
    assert track.duration is not None
    assert track.time_base is not None
    return float(track.duration * track.time_base)


def plane(frame: av.VideoFrame, depth: int) -> bytes:
    """The bytes of a packed picture without padding."""
    data, stride, row = bytes(frame.planes[0]), frame.planes[0].line_size, frame.width * depth
    return b"".join(data[y * stride : y * stride + row] for y in range(frame.height))


def mirrored(before: Look, after: Look) -> bool:
    """The sun stands on the other side."""
    return (before.part(0.6, 0, 1, 0.4) > before.part(0, 0, 0.4, 0.4)) and (
        after.part(0.6, 0, 1, 0.4) < after.part(0, 0, 0.4, 0.4)
    )


SEEN: dict[str, Callable[[Look, Look], bool]] = {
    "warmer": lambda old, new: new.red > old.red + 5 and new.blue < old.blue - 5,
    "colder": lambda old, new: new.red < old.red - 5 and new.blue > old.blue + 5,
    "black and white": lambda old, new: new.colour < 3 < old.colour,
    "sepia": lambda old, new: new.red > new.green > new.blue,
    "brighter": lambda old, new: new.light > old.light + 15,
    "darker": lambda old, new: new.light < old.light - 15,
    "more contrast": lambda old, new: new.spread > old.spread * 1.2,
    "saturated": lambda old, new: new.colour > old.colour * 1.3,
    "muted": lambda old, new: new.colour < old.colour * 0.7,
    "fog": lambda old, new: new.spread < old.spread * 0.7 and new.light > old.light,
    "inverted": lambda old, new: (old.blue - old.red) * (new.blue - new.red) < 0,
    "blur": lambda old, new: new.detail < old.detail * 0.9,
    "sharper": lambda old, new: new.luma != old.luma and new.detail > old.detail,
    "grain": lambda old, new: new.detail > old.detail * 2,
    "mirror": mirrored,
    "upside down": lambda old, new: old.part(0, 0, 1, 0.3) > old.part(0, 0.7, 1, 1) > new.part(0, 0, 1, 0.3) - 3,
    "vignette": lambda old, new: new.part(0, 0, 0.1, 0.1) < old.part(0, 0, 0.1, 0.1) - 15,
    "cinematic": lambda old, new: new.part(0, 0, 1, 0.08) < 25 < old.part(0, 0, 1, 0.08),
    "cartoon": lambda old, new: new.flat > old.flat + 0.15,
    "sketch": lambda old, new: new.light > 200 and new.colour < 3,
    "pixelated": lambda old, new: new.luma != old.luma and new.part(0.2, 0, 0.8, 0.2) != old.part(0.2, 0, 0.8, 0.2),
    "snow": lambda old, new: new.detail > old.detail * 1.5 and new.light > old.light,
    "rain": lambda old, new: new.detail > old.detail * 1.3,
    "caption": lambda old, new: new.part(0, 0.9, 0.1, 1) < old.part(0, 0.9, 0.1, 1) - 10,
}  # fmt: skip


@pytest.fixture(scope="module")
def before(clip: Path) -> Look:
    """The clip as it was."""
    return look(clip.read_bytes())


@pytest.fixture(scope="module")
def after(start: Any) -> dict[str, Look]:
    """The clip after each wish of the table, named by its first English word, edited by one sandbox."""

    async def edit_all() -> dict[str, Look]:
        prompts = {wish.name: f"Please: {wish.en.split(', ')[0]}." for wish in WISHES}
        async with start(QUICK) as caller:
            results = await asyncio.gather(*(caller.edited(prompt) for prompt in prompts.values()))
        return {name: look(result) for name, result in zip(prompts, results, strict=True)}

    return asyncio.run(edit_all())


@pytest.mark.parametrize("name", [wish.name for wish in WISHES])
def test_a_wish_is_seen_on_the_frames(before: Look, after: dict[str, Look], name: str) -> None:
    """Each wish of the table changes the frames as asked, and nothing else: size, length, frames and sound stay."""
    edited = after[name]
    assert SEEN[name](before, edited)
    assert (edited.size, edited.frames) == (before.size, before.frames)
    assert edited.seconds == pytest.approx(before.seconds, abs=0.05)
    assert edited.sound == pytest.approx(before.sound, abs=0.05)


@pytest.mark.parametrize(
    ("prompt", "wishes"),
    [
        ("もっと暖かい光にして、雪を降らせて", ("warmer", "snow")),
        ("白黒映画みたいに", ("cinematic", "black and white")),
        ("左右反転して明るくして", ("mirror", "brighter")),
        ("ぼかして、字幕「おわり」を入れて", ("blur", "caption")),
        ("让画面更暖，下雪", ("warmer", "snow")),
        ("变成黑白，增加对比度", ("more contrast", "black and white")),
        ("镜像并调暗", ("mirror", "darker")),
        ("Make it snow, but do not blur it", ("snow",)),
        ("warmer, no snow, without rain", ("warmer",)),
        ("暖かく、雪なしで", ("warmer",)),
        ("更冷，不要雪", ("colder",)),
        ('Add the caption "Make it dark and blurry"', ("caption",)),
        ("Turn the car into a boat", ("default grade",)),
        ("snowman", ("default grade",)),
    ],
)
def test_wishes_are_understood_in_three_languages(prompt: str, wishes: tuple[str, ...]) -> None:
    """Several at once, negated ones left out, quoted text is never a wish."""
    assert plan_for(prompt).wishes == wishes


@pytest.mark.parametrize(
    ("prompt", "caption"),
    [
        ('caption "Hello"', "Hello"),
        ("字幕「こんにちは」", "こんにちは"),
        ("加标题《你好》", "你好"),
        ("add text 'The End'", "The End"),
        ("add a title", "Caption"),
        ('make it like "Hello"', None),
    ],
)
def test_captions_take_the_quoted_text(prompt: str, caption: str | None) -> None:
    """Whatever the quotes, and only when a caption is asked for."""
    assert plan_for(prompt).caption == caption


def test_every_wish_has_words_in_three_languages() -> None:
    """And each word leads to its wish; the eight best known ones are there."""
    for wish in WISHES:
        assert wish.en
        assert wish.ja
        assert wish.zh
        for word in wish.words:
            assert wish.name in plan_for(word).wishes
    assert len(WISHES) >= 8


async def test_an_unknown_wish_gets_a_visible_grade(start: Any, before: Look) -> None:
    """Nobody can mistake it for the source."""
    async with start(QUICK) as caller:
        after = look(await caller.edited("Turn the boat into a whale"))
    differences = [abs(a - b) for a, b in zip(before.luma, after.luma, strict=True)]
    assert sum(differences) / len(differences) > 5


async def test_wishes_combine(start: Any, before: Look) -> None:
    """Warm, mirrored and captioned in one edit."""
    async with start(QUICK) as caller:
        after = look(await caller.edited("Mirror it, make it warmer and add the caption 'Ahoy'"))
    assert mirrored(before, after)
    assert SEEN["warmer"](before, after)
    assert SEEN["caption"](before, after)


async def test_a_silent_clip_gets_a_silent_track(start: Any, tmp_path: Path) -> None:
    """The service always returns sound."""
    silent = sample_clip(tmp_path / "silent.mp4", 1.0, audio=False)
    async with start(QUICK) as caller:
        caller.clip_url = caller.sandbox.host_clip(silent)
        after = look(await caller.edited("warmer"))
    assert after.sound == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("layout", "size"), [("fragmented", (160, 90)), ("moov_at_end", (161, 91)), ("mdat64", (90, 160))]
)
async def test_other_layouts_and_odd_sizes_are_edited(
    start: Any, tmp_path: Path, layout: Any, size: tuple[int, int]
) -> None:
    """Fragmented, moov last, 64-bit mdat; odd and upright sizes are kept."""
    source = sample_clip(tmp_path / "clip.mp4", 0.6, size=size, layout=layout)
    async with start(QUICK) as caller:
        caller.clip_url = caller.sandbox.host_clip(source)
        after = look(await caller.edited("warmer"))
    assert after.size == size


async def test_ten_seconds_are_the_limit(start: Any, tmp_path: Path) -> None:
    """10.08 s of video pass (tolerance 0.1 s), 10.5 s fail as a task, because submit does not look at the clip."""
    ok = sample_clip(tmp_path / "ok.mp4", 121 / 12, size=(64, 36), fps=12)
    long = sample_clip(tmp_path / "long.mp4", 10.5, size=(64, 36), fps=12)
    async with start(QUICK) as caller:
        caller.clip_url = caller.sandbox.host_clip(ok)
        fine = await caller.ended(await caller.accepted())
        caller.clip_url = caller.sandbox.host_clip(long)
        refused = await caller.ended(await caller.accepted())
    assert fine["status"] == "completed"
    assert refused["status"] == "failed"
    assert refused["progress"] == 0
    assert (refused["error"]["code"], refused["error"]["type"]) == ("invalid_parameters", "task_error")
    assert "10.50 s" in refused["error"]["message"]
    assert caller.sandbox.billed == [caller.sandbox.accepted[0]]


async def test_what_is_no_mp4_fails(start: Any, tmp_path: Path) -> None:
    """Text, another container, a missing file, an unreachable host: failed tasks, never broken ones."""
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    with av.open(str(tmp_path / "clip.mkv"), "w", format="matroska") as other:
        stream = other.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        for _ in range(3):
            other.mux(stream.encode(av.VideoFrame(64, 36, "yuv420p")))
        other.mux(stream.encode(None))
    async with start(QUICK) as caller:
        hosted = [caller.sandbox.host_clip(path) for path in (text, tmp_path / "clip.mkv", tmp_path / "missing.mp4")]
        codes = []
        for url in (*hosted, "http://127.0.0.1:9/none.mp4"):
            caller.clip_url = url
            task = await caller.ended(await caller.accepted())
            codes.append((task["status"], task["error"]["code"]))
    assert codes == [
        ("failed", "video_probe_failed"),
        ("failed", "invalid_parameters"),
        ("failed", "video_probe_failed"),
        ("failed", "video_probe_failed"),
    ]


async def test_inputs_are_bounded(start: Any) -> None:
    """A clip over the size cap is refused while it is fetched."""
    async with start(Settings(task_seconds=0.01, max_input_bytes=1000)) as caller:
        task = await caller.ended(await caller.accepted())
    assert task["error"]["code"] == "invalid_parameters"
    assert "100 MB" in task["error"]["message"]


async def test_the_same_bytes_and_prompt_are_edited_once(start: Any) -> None:
    """Three tasks at once share one result on disk; another prompt makes another."""
    async with start(QUICK) as caller:
        ids = [await caller.accepted("warmer") for _ in range(3)]
        for task_id in ids:
            await caller.ended(task_id)
        await caller.ended(await caller.accepted("colder"))
        paths = [task.outcome.path for task in caller.sandbox.accepted]
    assert len(set(paths[:3])) == 1
    assert len(set(paths)) == 2


async def test_the_cache_is_bounded_and_gone_at_the_end(start: Any) -> None:
    """The least recently used result gives way and its link answers 404; closing removes the folder."""
    async with start(Settings(task_seconds=0.01, cache_bytes=1)) as caller:
        first = await caller.ended(await caller.accepted("warmer"))
        await caller.ended(await caller.accepted("colder"))
        gone = await caller.get(first["results"][0], key=None)
        folder = caller.sandbox.accepted[-1].outcome.path.parent
        assert len(list(folder.iterdir())) == 1
    assert gone.status == 404
    assert not folder.exists()


async def test_an_edit_that_takes_too_long_fails(start: Any) -> None:
    """The stuck process is killed, and the next task gets another one."""
    settings = Settings(task_seconds=0.01, edit_timeout=0.02, edit_workers=1)
    async with start(settings) as caller:
        tasks = [await caller.ended(await caller.accepted(prompt)) for prompt in ("warmer", "colder")]
    assert [task["error"]["code"] for task in tasks] == ["generation_timeout"] * 2


async def test_the_server_answers_while_it_edits(start: Any, tmp_path: Path) -> None:
    """Twenty reads are answered while one long edit runs in another process."""
    large = sample_clip(tmp_path / "large.mp4", 2.0, size=(640, 360))
    async with start(QUICK) as caller:
        caller.clip_url = caller.sandbox.host_clip(large)
        task_id = await caller.accepted("Blur, rain and snow")
        statuses = [(await caller.task(task_id))["status"] for _ in range(20)]
        done = await caller.ended(task_id)
    assert set(statuses) <= {"pending", "processing"}
    assert done["status"] == "completed"


@pytest.mark.parametrize("editing", ["copy", "canned"])
async def test_load_tests_can_do_without_edits(start: Any, clip: Path, editing: Any) -> None:
    """The input as it is, or one tiny clip that plays, without fetching anything."""
    async with start(Settings(task_seconds=0.01, editing=editing)) as caller:
        result = await caller.edited("warmer")
        fetched = [request for request in caller.sandbox.requests if request.path.startswith("/clips/")]
    if editing == "copy":
        assert result == clip.read_bytes()
        assert len(fetched) == 1
    else:
        assert look(result).size == (64, 36)
        assert fetched == []


def turned(path: Path) -> Path:
    """The clip with a display matrix that turns it by a quarter clockwise, as phones write it."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 90 << 16, 0, 1 << 30)
    path.write_bytes(data)
    return path


async def test_turned_clips_come_back_upright(start: Any, tmp_path: Path) -> None:
    """What a phone filmed on its side keeps the size and the way up that people see."""
    source = turned(sample_clip(tmp_path / "phone.mp4", 0.6))
    async with start(QUICK) as caller:
        caller.clip_url = caller.sandbox.host_clip(source)
        after = look(await caller.edited("warmer"))
    assert after.size == (90, 160)
    # The sky, bright at its lower edge, was the upper part; a quarter turn puts it on the right.
    assert after.part(0.45, 0, 0.6, 1) > after.part(0, 0, 0.3, 1) + 20


async def test_other_sound_is_encoded_again(start: Any, tmp_path: Path) -> None:
    """AC-3 in, AAC out, of the same length."""
    path = tmp_path / "ac3.mp4"
    with av.open(str(path), "w", format="mp4") as clip:
        video = clip.add_stream("libx264", rate=12)
        video.width, video.height, video.pix_fmt = 64, 36, "yuv420p"
        sound = clip.add_stream("ac3", rate=48_000, layout="stereo")
        for number in range(12):
            frame = av.VideoFrame(64, 36, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 12)
            clip.mux(video.encode(frame))
        for number in range(31):
            noise = av.AudioFrame(format="fltp", layout="stereo", samples=1536)
            for plane_of_sound in noise.planes:
                plane_of_sound.update(bytes(plane_of_sound.buffer_size))
            noise.sample_rate, noise.pts, noise.time_base = 48_000, number * 1536, Fraction(1, 48_000)
            clip.mux(sound.encode(noise))
        clip.mux(video.encode(None))
        clip.mux(sound.encode(None))
    async with start(QUICK) as caller:
        caller.clip_url = caller.sandbox.host_clip(path)
        after = await caller.edited("warmer")
    with av.open(io.BytesIO(after), "r") as edited:
        assert edited.streams.audio[0].codec_context.name == "aac"
    assert look(after).sound == pytest.approx(1.0, abs=0.06)

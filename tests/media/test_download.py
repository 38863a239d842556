"""Downloads against a host that cuts, stalls, lies, changes its mind and leads astray: exact bytes or a typed error."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from omniedit.errors import DownloadFailed, LinkExpired, OmniEditError
from omniedit.media.download import Downloader
from omniedit.media.part import PartFile
from tests.media.conftest import Act, Host, Instant, Serve, start, stop, tiny_clip

TASK = "task-unified-1700000000-abcd1234"
CLIP, OTHER = tiny_clip(b"one" * 60), tiny_clip(b"two" * 61)
SOUND_ONLY = tiny_clip(b"").replace(b"vide", b"soun")


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def sha256(data: bytes) -> str:
    """Digest, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


@asynccontextmanager
async def downloading(**options: Any) -> AsyncIterator[Downloader]:
    """A downloader that may use loopback and does not wait between tries."""
    async with Downloader(**{"allow_private": True, "clock": Instant(), **options}) as downloader:
        yield downloader


async def fails(downloader: Downloader, url: str, target: Path) -> DownloadFailed:
    """The error that a download ends with."""
    with pytest.raises(DownloadFailed) as caught:
        await downloader.download(url, target, task_id=TASK)
    assert caught.value.task_id == TASK
    assert "secret" not in str(caught.value)
    return caught.value


# --- the straight way ----------------------------------------------------------------------------------------------


async def test_a_clip_is_saved_whole(serve: Serve, tmp_path: Path, real_clip: bytes) -> None:
    """Exact bytes, their sha256, and nothing beside them."""
    host = await serve([real_clip])
    target, seen = tmp_path / "a.mp4", list[tuple[int, int | None]]()
    async with downloading() as downloader:
        done = await downloader.download(host.url, target, on_progress=lambda now, all_: seen.append((now, all_)))
    assert (done.path, done.sha256, done.size) == (target, sha256(real_clip), len(real_clip))
    assert target.read_bytes() == real_clip
    assert names(tmp_path) == ["a.mp4"]
    assert seen[-1] == (len(real_clip), len(real_clip))
    assert target.stat().st_mode & 0o777 == 0o644 & ~current_umask()


def current_umask() -> int:
    """The process's umask."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


async def test_a_media_host_learns_nothing(serve: Serve, tmp_path: Path) -> None:
    """No key, no nonce, no cookie; our own name, and no wish for compression."""
    host = await serve([CLIP], Act(status=302, headers=(("Location", "/b.mp4"), ("Set-Cookie", "a=b"))))
    async with downloading() as downloader:
        await downloader.download(host.url, tmp_path / "a.mp4")
    assert [asked.path for asked in host.asked] == ["/a.mp4?sig=secret", "/b.mp4"]
    for asked in host.asked:
        assert set(asked.headers) == {"host", "user-agent", "accept", "accept-encoding"}
        assert asked.headers["user-agent"].startswith("omniedit/")
        assert asked.headers["accept-encoding"] == "identity"


async def test_what_is_verified_is_told_before_the_name_exists(serve: Serve, tmp_path: Path) -> None:
    """So that the journal knows the file before anybody else does."""
    host = await serve([CLIP])
    target, told = tmp_path / "a.mp4", list[object]()

    async def on_verified(digest: str, size: int) -> None:
        told.append((digest, size, target.exists(), (tmp_path / "a.mp4.part").read_bytes()))

    async with downloading() as downloader:
        await downloader.download(host.url, target, on_verified=on_verified)
    assert told == [(sha256(CLIP), len(CLIP), False, CLIP)]


async def test_a_body_of_unknown_length_is_judged_by_its_boxes(serve: Serve, tmp_path: Path) -> None:
    """Chunked answers announce no length."""
    host = await serve([CLIP], Act(chunked=True))
    async with downloading() as downloader:
        await downloader.download(host.url, tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == CLIP


async def test_a_large_body_goes_through_blocks(serve: Serve, tmp_path: Path) -> None:
    """More than a few blocks of it, and not a whole number of them."""
    content = tiny_clip(os.urandom(3 * 1024 * 1024 + 17))
    host = await serve([content], Act(cut=2_000_000))
    async with downloading() as downloader:
        done = await downloader.download(host.url, tmp_path / "a.mp4")
    assert done.sha256 == sha256(content) == sha256((tmp_path / "a.mp4").read_bytes())
    begun = int(str(host.ranges[1]).removeprefix("bytes=").removesuffix("-"))
    assert 1024 * 1024 <= begun <= 2_000_000


# --- cuts, stalls, lies --------------------------------------------------------------------------------------------


async def test_a_cut_at_any_byte_is_continued_there(serve: Serve, tmp_path: Path) -> None:
    """Every boundary of a small file: exact bytes, and not one of them fetched twice."""
    host = await serve([CLIP])
    async with downloading() as downloader:
        for cut in range(len(CLIP)):
            host.script, host.asked = [Act(cut=cut)], []
            target = tmp_path / f"{cut}.mp4"
            await downloader.download(host.url, target)
            assert target.read_bytes() == CLIP
            assert host.ranges == [None, f"bytes={cut}-" if cut else None]


ACTS = st.builds(
    Act,
    status=st.sampled_from([None] * 8 + [403, 404, 416, 429, 500, 503]),
    headers=st.sampled_from([()] * 8 + [(("Content-Type", "text/html"),), (("Content-Encoding", "gzip"),)]),
    version=st.integers(0, 1),
    strong=st.sampled_from([True, True, True, False]),
    ranges=st.sampled_from([True, True, False]),
    announce=st.sampled_from([0] * 6 + [7, -7]),
    chunked=st.sampled_from([False, False, True]),
    cut=st.none() | st.integers(0, len(OTHER)),
    hang=st.sampled_from([None] * 12 + [100]),
)


async def play(script: list[Act]) -> list[str]:
    """Download from a host that follows a script, three times at most: how each ended."""
    host, server = await start([CLIP, OTHER], *script)
    folder = Path(tempfile.mkdtemp())
    target, ends = folder / "a.mp4", list[str]()
    try:
        async with downloading(stall_timeout=0.1) as downloader:
            for _ in range(3):
                try:
                    done = await downloader.download(host.url, target, task_id=TASK)
                except DownloadFailed as error:
                    ends.append("a file in spite of it" if target.exists() else f"refused: {error.code}")
                else:
                    content = target.read_bytes()
                    right = content in {CLIP, OTHER} and done.sha256 == sha256(content) and names(folder) == ["a.mp4"]
                    ends.append("saved" if right else "a wrong file")
                    break
        return ends
    finally:
        await stop(server)
        shutil.rmtree(folder)


@settings(max_examples=150)
@given(st.lists(ACTS, max_size=8))
def test_no_sequence_of_mishaps_makes_a_wrong_file(script: list[Act]) -> None:
    """Cuts, stalls, new versions, lost ranges, wrong lengths, pages, refusals: exact bytes, or a typed error."""
    *refused, last = asyncio.run(play(script))
    assert all(end.startswith("refused: ") for end in refused)
    assert last == "saved" or last.startswith("refused: ")


async def test_a_new_version_begins_the_file_anew(serve: Serve, tmp_path: Path) -> None:
    """`If-Range` finds out; the bytes of the old version are thrown away."""
    host = await serve([CLIP, OTHER], Act(cut=99), Act(version=1))
    async with downloading() as downloader:
        await downloader.download(host.url, tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == OTHER
    assert host.asked[1].headers["if-range"] == '"v0"'


async def test_a_host_that_forgets_ranges_sends_everything_again(serve: Serve, tmp_path: Path) -> None:
    """A 200 to a range request is a whole body."""
    host = await serve([CLIP], Act(cut=99), Act(ranges=False))
    async with downloading() as downloader:
        await downloader.download(host.url, tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == CLIP


async def test_without_a_strong_validator_nothing_is_continued(serve: Serve, tmp_path: Path) -> None:
    """A weak one does not promise the same bytes."""
    host = await serve([CLIP], Act(cut=99, strong=False))
    async with downloading() as downloader:
        await downloader.download(host.url, tmp_path / "a.mp4")
    assert host.ranges == [None, None]


@pytest.mark.parametrize(
    ("content", "act", "code"),
    [
        (b"<!doctype html><p>please log in", Act(), "not_a_video"),
        (CLIP, Act(headers=(("Content-Type", "text/html"),)), "not_a_video"),
        (b"x" * 500, Act(), "not_a_video"),
        (SOUND_ONLY, Act(), "not_a_video"),
        (CLIP[:-20], Act(), "not_a_video"),
        (CLIP[: CLIP.index(b"mdat") - 4], Act(), "not_a_video"),
        (CLIP, Act(headers=(("Content-Encoding", "gzip"),)), "encoded"),
        (CLIP, Act(announce=5, ranges=False), "cut"),
        (CLIP, Act(announce=5), "wrong_range"),
        (b"", Act(), "cut"),
        (CLIP, Act(status=500), "media_host_failed"),
        (CLIP, Act(status=201), "media_host_failed"),
    ],
)
async def test_what_is_no_clip_never_becomes_a_file(
    serve: Serve, tmp_path: Path, content: bytes, act: Act, code: str
) -> None:
    """After a few tries there is an error, and no file."""
    host = await serve([content], *[act] * 50)
    async with downloading() as downloader:
        error = await fails(downloader, host.url, tmp_path / "a.mp4")
    assert error.code == code
    assert "a.mp4" not in names(tmp_path)
    assert len(host.asked) <= 7


async def test_a_bad_body_is_fetched_again(serve: Serve, tmp_path: Path) -> None:
    """A page in between is no reason to give up."""
    host = await serve([b"<html>busy</html>", CLIP], Act(), Act(version=1))
    async with downloading() as downloader:
        await downloader.download(host.url, tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == CLIP


async def test_the_host_may_ask_to_wait(serve: Serve, tmp_path: Path) -> None:
    """`Retry-After` is kept."""
    clock = Instant()
    host = await serve([CLIP], Act(status=503, headers=(("Retry-After", "17"),)))
    async with downloading(clock=clock) as downloader:
        await downloader.download(host.url, tmp_path / "a.mp4")
    assert clock.slept == [17.0]


@pytest.mark.parametrize("act", [Act(hang=0), Act(hang=100), Act(drip=0.05)])
async def test_a_host_that_stalls_or_drips_is_left(serve: Serve, tmp_path: Path, act: Act) -> None:
    """A timeout on progress, not on the whole; what came is kept."""
    host = await serve([CLIP], act)
    async with downloading(stall_timeout=0.3) as downloader:
        await downloader.download(host.url, tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == CLIP
    assert len(host.asked) == 2


@pytest.mark.parametrize("act", [Act(), Act(chunked=True)])
async def test_a_clip_over_the_cap_is_refused(serve: Serve, tmp_path: Path, act: Act) -> None:
    """Announced or not."""
    host = await serve([CLIP], act)
    async with downloading(cap=200) as downloader:
        error = await fails(downloader, host.url, tmp_path / "a.mp4")
    assert error.code == "too_large"
    assert names(tmp_path) == []


async def test_a_host_that_is_not_there_is_tried_a_few_times(tmp_path: Path, unused_tcp_port: int) -> None:
    """Connections that are refused say so."""
    async with downloading() as downloader:
        error = await fails(downloader, f"http://127.0.0.1:{unused_tcp_port}/", tmp_path / "a.mp4")
    assert error.code == "connect_failed"


async def test_a_name_that_nobody_knows_says_so(tmp_path: Path) -> None:
    """`.invalid` never resolves."""
    async with downloading() as downloader:
        error = await fails(downloader, "http://media.invalid/", tmp_path / "a.mp4")
    assert error.code == "name_lookup_failed"


# --- links that die -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_link_that_is_dead_at_first_has_an_error_of_its_own(serve: Serve, tmp_path: Path, status: int) -> None:
    """One request, and the engine can look for a fresh link."""
    host = await serve([CLIP], Act(status=status))
    async with downloading() as downloader:
        error = await fails(downloader, host.url, tmp_path / "a.mp4")
    assert isinstance(error, LinkExpired)
    assert error.code == "link_dead"
    assert len(host.asked) == 1


async def test_a_link_that_dies_on_the_way_is_continued_by_a_fresh_one(serve: Serve, tmp_path: Path) -> None:
    """Another host, the same file: only the rest is fetched."""
    old = await serve([CLIP], Act(cut=150), Act(status=403))
    new = await serve([CLIP])
    async with downloading() as downloader:
        assert isinstance(await fails(downloader, old.url, tmp_path / "a.mp4"), LinkExpired)
        await downloader.download(new.url, tmp_path / "a.mp4")
    assert new.ranges == ["bytes=150-"]
    assert (tmp_path / "a.mp4").read_bytes() == CLIP


async def test_a_link_that_dies_after_the_last_byte_is_not_needed(serve: Serve, tmp_path: Path) -> None:
    """Everything lies on disk: no request is made."""
    host = await serve([CLIP])
    part = PartFile(tmp_path / "a.mp4")
    part.open()
    part.begin(_receive(CLIP))
    part.write(memoryview(CLIP))
    part.close()
    async with downloading() as downloader:
        await downloader.download(host.url, tmp_path / "a.mp4")
    assert host.asked == []
    assert names(tmp_path) == ["a.mp4"]


def _receive(content: bytes) -> Any:
    from omniedit.core.transfer import Receive

    return Receive(0, '"v0"', len(content))


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://169.254.169.254/latest/meta-data/", "unsafe_address"),
        ("http://[::ffff:169.254.169.254]/", "unsafe_address"),
        ("http://[fe80::1]/", "unsafe_address"),
        ("file:///etc/passwd", "unsafe_redirect"),
        ("ftp://example.com/a.mp4", "unsafe_redirect"),
        ("http://user:password@127.0.0.1/", "unsafe_redirect"),
        ("/again", "unsafe_redirect"),
    ],
)
async def test_a_hostile_redirect_leads_nowhere(serve: Serve, tmp_path: Path, location: str, code: str) -> None:
    """Not even beside a local service; loops end after five hops."""
    host = await serve([CLIP], *[Act(status=307, headers=(("Location", location),))] * 9)
    async with downloading() as downloader:
        error = await fails(downloader, host.url, tmp_path / "a.mp4")
    assert error.code == code
    assert len(host.asked) <= 6
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"])
async def test_beside_a_public_service_nothing_is_fetched_from_this_machine(
    serve: Serve, tmp_path: Path, name: str
) -> None:
    """However the address is written."""
    host = await serve([CLIP])
    async with Downloader() as downloader:
        error = await fails(downloader, f"http://{name}:{host.port}/", tmp_path / "a.mp4")
    assert error.code == "unsafe_address"
    assert host.asked == []


# --- the disk -------------------------------------------------------------------------------------------------------


async def test_a_taken_name_is_left_alone(serve: Serve, tmp_path: Path) -> None:
    """The paid clip is kept under a free name; a second one under yet another."""
    host = await serve([CLIP, OTHER])
    target = tmp_path / "a.mp4"
    target.write_text("mine")
    (tmp_path / "a-abcd1234.mp4").write_text("mine too")
    async with downloading() as downloader:
        done = await downloader.download(host.url, target, task_id=TASK)
    assert done.path == tmp_path / "a-abcd1234-2.mp4"
    assert done.path.read_bytes() == CLIP
    assert target.read_text() == "mine"


async def test_a_taken_name_is_replaced_when_that_is_wanted(serve: Serve, tmp_path: Path) -> None:
    """In one step: there is never no file."""
    host = await serve([CLIP])
    target = tmp_path / "a.mp4"
    target.write_text("old")
    async with downloading() as downloader:
        done = await downloader.download(host.url, target, overwrite=True)
    assert done.path == target
    assert target.read_bytes() == CLIP
    assert names(tmp_path) == ["a.mp4"]


async def test_the_same_clip_under_its_name_is_not_saved_twice(serve: Serve, tmp_path: Path) -> None:
    """An interruption between naming and remembering leaves no copy."""
    host = await serve([CLIP])
    async with downloading() as downloader:
        first = await downloader.download(host.url, tmp_path / "a.mp4", task_id=TASK)
        done = await downloader.download(host.url, tmp_path / "a.mp4", task_id=TASK)
        assert first.path == done.path == tmp_path / "a.mp4"
        assert await downloader.settled(done.path, done.sha256, done.size) == done.path
        assert await downloader.settled(done.path, "0" * 64, done.size) is None
        assert await downloader.settled(tmp_path / "b.mp4", done.sha256, done.size) is None
    assert names(tmp_path) == ["a.mp4"]


async def test_what_was_saved_beside_a_taken_name_is_found_again(serve: Serve, tmp_path: Path) -> None:
    """By content, under the name that the task would get."""
    host = await serve([CLIP])
    (tmp_path / "a.mp4").write_text("mine")
    async with downloading() as downloader:
        done = await downloader.download(host.url, tmp_path / "a.mp4", task_id=TASK)
        assert await downloader.settled(tmp_path / "a.mp4", done.sha256, done.size, task_id=TASK) == done.path


async def test_symbolic_links_in_the_way_are_not_followed(serve: Serve, tmp_path: Path) -> None:
    """Neither at the unfinished file, nor at its note, nor at the target."""
    host = await serve([CLIP])
    outside = tmp_path / "outside"
    outside.write_text("precious")
    folder = tmp_path / "out"
    folder.mkdir()
    async with downloading() as downloader:
        for name in ("a.mp4.part", "a.mp4.part.json"):
            (folder / name).symlink_to(outside)
            assert (await fails(downloader, host.url, folder / "a.mp4")).code == "unsafe_path"
            (folder / name).unlink()
        (folder / "a.mp4").symlink_to(outside)
        done = await downloader.download(host.url, folder / "a.mp4", task_id=TASK)
        assert done.path.name == "a-abcd1234.mp4"
        await downloader.download(host.url, folder / "a.mp4", overwrite=True)
    assert outside.read_text() == "precious"
    assert not (folder / "a.mp4").is_symlink()


async def test_a_hard_link_in_the_way_is_not_written_through(serve: Serve, tmp_path: Path) -> None:
    """As a crash between naming and tidying leaves one, or a stranger."""
    host = await serve([CLIP])
    (tmp_path / "other").write_text("precious")
    os.link(tmp_path / "other", tmp_path / "a.mp4.part")
    async with downloading() as downloader:
        await downloader.download(host.url, tmp_path / "a.mp4")
    assert (tmp_path / "other").read_text() == "precious"
    assert (tmp_path / "a.mp4").read_bytes() == CLIP


@pytest.mark.parametrize("name", ["a.mp4.part", "a.mp4.part.json"])
async def test_a_folder_in_the_way_is_said(serve: Serve, tmp_path: Path, name: str) -> None:
    """It is not removed."""
    host = await serve([CLIP])
    (tmp_path / name).mkdir()
    async with downloading() as downloader:
        assert (await fails(downloader, host.url, tmp_path / "a.mp4")).code == "unsafe_path"


async def test_a_missing_folder_is_said_before_anything_is_fetched(serve: Serve, tmp_path: Path) -> None:
    """With its name."""
    host = await serve([CLIP])
    async with downloading() as downloader:
        error = await fails(downloader, host.url, tmp_path / "gone" / "a.mp4")
    assert error.code == "folder_missing"
    assert "gone" in error.message
    assert host.asked == []


async def test_a_folder_that_vanishes_is_said(serve: Serve, tmp_path: Path) -> None:
    """In the last moment, when everything is there."""
    host = await serve([CLIP])
    folder = tmp_path / "out"
    folder.mkdir()

    async def vanish(_sha256: str, _size: int) -> None:
        shutil.rmtree(folder)

    async with downloading() as downloader:
        with pytest.raises(DownloadFailed) as caught:
            await downloader.download(host.url, folder / "a.mp4", on_verified=vanish)
    assert caught.value.code == "folder_missing"


async def test_a_disk_without_room_is_said_with_the_bytes_needed(serve: Serve, tmp_path: Path) -> None:
    """Before the body is read, when its length is known."""
    host = await serve([CLIP], Act(announce=10**17))
    async with downloading(cap=10**18) as downloader:
        error = await fails(downloader, host.url, tmp_path / "a.mp4")
    assert error.code == "disk_full"
    assert str(10**17 + len(CLIP)) in error.message
    assert "resume" in (error.mend or "")


SMALL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from omniedit.errors import DownloadFailed
from omniedit.media.download import Downloader
async def main():
    async with Downloader(allow_private=True) as downloader:
        try:
            await downloader.download(sys.argv[1], Path(sys.argv[2]))
        except DownloadFailed as error:
            print(error.code)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
asyncio.run(main())
"""


async def run_python(code: str, *arguments: object) -> str:
    """Run a program of its own and read what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *map(str, arguments), stdout=subprocess.PIPE
    )
    out, _ = await process.communicate()
    return out.decode().strip()


async def test_a_disk_that_fills_up_keeps_what_fits(serve: Serve, tmp_path: Path) -> None:
    """The next run, with more room, goes on from there."""
    content = tiny_clip(os.urandom(2_000_000))
    host = await serve([content], Act(chunked=True))
    assert await run_python(SMALL_DISK, host.url, tmp_path / "a.mp4") == "disk_full"
    assert json.loads((tmp_path / "a.mp4.part.json").read_bytes())["size"] == 1024 * 1024
    async with downloading() as downloader:
        done = await downloader.download(host.url, tmp_path / "a.mp4")
    assert done.sha256 == sha256(content)
    assert host.ranges[-1] == f"bytes={1024 * 1024}-"


@pytest.fixture
def lying_disk(tmp_path: Path) -> Iterator[tuple[Path, list[str]]]:
    """A folder that takes more than is behind it, as thin volumes do, and the command that puts more behind it."""
    back, front = tmp_path / "back", tmp_path / "front"
    image, more = back / "image", ["mount", "-o", "remount,size=64m", str(back)]
    steps = [
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(back)],
        ["truncate", "-s", "16m", str(image)],
        ["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", str(image)],
        ["mount", "-o", "loop", str(image), str(front)],
    ]
    back.mkdir()
    front.mkdir()
    try:
        if os.geteuid() != 0 or not all(_works(step) for step in steps):
            pytest.skip("making a file system is not allowed here")
        yield front, more
    finally:
        for one in (front, back):
            _works(["umount", str(one)])


def _works(command: list[str]) -> bool:
    """Whether a program is there and succeeds."""
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
    except OSError:
        return False


async def test_bytes_that_the_disk_lost_are_fetched_again(serve: Serve, lying_disk: tuple[Path, list[str]]) -> None:
    """After a sync that failed they can still be read, and the next sync succeeds without them."""
    folder, more = lying_disk
    content = tiny_clip(os.urandom(6_000_000))
    host = await serve([content])
    async with downloading() as downloader:
        error = await fails(downloader, host.url, folder / "a.mp4")
        assert error.code in {"disk_full", "disk_error"}
        assert not [name for name in names(folder) if name.startswith("a.mp4")]
        assert _works(more)
        done = await downloader.download(host.url, folder / "a.mp4")
    assert done.sha256 == sha256(content)
    assert len(host.asked) == 2


# --- interruptions --------------------------------------------------------------------------------------------------


async def until(condition: Any) -> None:
    """Wait, five seconds at most."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.005)


async def test_a_cancelled_download_leaves_a_rest_that_is_continued(serve: Serve, tmp_path: Path) -> None:
    """No name, no lock, no thread; the bytes that came are not fetched again."""
    host = await serve([CLIP], Act(hang=120))
    seen: list[int] = []
    async with downloading() as downloader:
        task = asyncio.create_task(downloader.download(host.url, tmp_path / "a.mp4"))
        await until(lambda: host.asked)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not (tmp_path / "a.mp4").exists()
        await downloader.download(host.url, tmp_path / "a.mp4", on_progress=lambda now, _: seen.append(now))
    assert host.ranges in ([None, "bytes=120-"], [None, None])
    assert (tmp_path / "a.mp4").read_bytes() == CLIP


@settings(max_examples=40)
@given(st.floats(0, 0.03))
def test_cancelled_at_any_moment_nothing_is_left_half_done(moment: float) -> None:
    """Afterwards the same download goes through."""

    async def scenario() -> None:
        host, server = await start([CLIP], Act(cut=100))
        folder = Path(tempfile.mkdtemp())
        try:
            async with downloading() as downloader:
                task = asyncio.create_task(downloader.download(host.url, folder / "a.mp4"))
                await asyncio.wait([task], timeout=moment)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                if (folder / "a.mp4").exists():
                    assert (folder / "a.mp4").read_bytes() == CLIP
                await _once_free(downloader, host, folder / "a.mp4")
                assert names(folder) == ["a.mp4"]
                assert (folder / "a.mp4").read_bytes() == CLIP
        finally:
            await stop(server)
            shutil.rmtree(folder)

    asyncio.run(scenario())


async def _once_free(downloader: Downloader, host: Host, target: Path) -> None:
    """A cancelled download lets go of its file within a moment: a thread closes it."""
    for _ in range(200):
        try:
            await downloader.download(host.url, target)
        except DownloadFailed as error:
            if error.code != "busy":
                raise
            await asyncio.sleep(0.01)
        else:
            return
    pytest.fail("the file was never let go of")


KILLED = """
import asyncio, sys
from pathlib import Path
from omniedit.media.download import Downloader
async def main():
    async with Downloader(allow_private=True) as downloader:
        await downloader.download(sys.argv[1], Path(sys.argv[2]))
asyncio.run(main())
"""


async def test_a_killed_process_is_followed_by_one_that_goes_on(serve: Serve, tmp_path: Path) -> None:
    """The note tells how far the bytes can be believed, also when more of them, or other ones, lie there."""
    content = tiny_clip(os.urandom(2_500_000))
    host = await serve([content], Act(hang=2_200_000))
    note = tmp_path / "a.mp4.part.json"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, host.url, str(tmp_path / "a.mp4"))
    await until(
        lambda: note.exists() and note.read_bytes() and json.loads(note.read_bytes())["size"] == 2 * 1024 * 1024
    )
    process.send_signal(signal.SIGKILL)
    await process.wait()
    with (tmp_path / "a.mp4.part").open("ab") as part:
        part.write(b"what a crash left behind")
    async with downloading() as downloader:
        done = await downloader.download(host.url, tmp_path / "a.mp4")
    assert host.ranges == [None, f"bytes={2 * 1024 * 1024}-"]
    assert done.sha256 == sha256(content)


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"not json",
        b"[]",
        b'{"etag": null, "length": 5, "size": 5, "sha256": ""}',
        b'{"etag": "\\"v0\\"", "length": 400, "size": 50, "sha256": "00"}',
        b'{"etag": "\\"v0\\"", "length": 400, "size": -50, "sha256": "00"}',
        b'{"etag": "\\"v0\\"", "length": 400, "size": 99999, "sha256": "00"}',
    ],
)
async def test_a_rest_that_its_note_does_not_bear_out_is_thrown_away(serve: Serve, tmp_path: Path, note: bytes) -> None:
    """A power cut costs bytes, never correctness."""
    host = await serve([CLIP])
    (tmp_path / "a.mp4.part").write_bytes(b"\0" * 60)
    (tmp_path / "a.mp4.part.json").write_bytes(note)
    async with downloading() as downloader:
        await downloader.download(host.url, tmp_path / "a.mp4")
    assert host.ranges == [None]
    assert (tmp_path / "a.mp4").read_bytes() == CLIP


async def test_the_note_never_holds_the_link(serve: Serve, tmp_path: Path) -> None:
    """Links are signed, and files are copied around."""
    host = await serve([CLIP], Act(cut=100), Act(status=403))
    async with downloading() as downloader:
        await fails(downloader, host.url, tmp_path / "a.mp4")
    note = json.loads((tmp_path / "a.mp4.part.json").read_bytes())
    assert note == {"etag": '"v0"', "length": len(CLIP), "size": 100, "sha256": sha256(CLIP[:100])}


async def test_two_downloads_of_one_target_do_not_meet(serve: Serve, tmp_path: Path) -> None:
    """The second is told; the first is not disturbed."""
    host = await serve([CLIP], Act(hang=100))
    async with downloading(stall_timeout=0.5) as downloader:
        first = asyncio.create_task(downloader.download(host.url, tmp_path / "a.mp4"))
        await until(lambda: host.asked)
        assert (await fails(downloader, host.url, tmp_path / "a.mp4")).code == "busy"
        await first
    assert (tmp_path / "a.mp4").read_bytes() == CLIP


CONTENDER = """
import asyncio, sys
from pathlib import Path
from omniedit.errors import DownloadFailed
from omniedit.media.download import Downloader
async def main():
    async with Downloader(allow_private=True) as downloader:
        for _ in range(20):
            try:
                done = await downloader.download(sys.argv[1], Path(sys.argv[2]))
                print("saved", done.path.name)
            except DownloadFailed as error:
                print(error.code)
asyncio.run(main())
"""


async def test_two_processes_on_one_target_make_one_file(serve: Serve, tmp_path: Path) -> None:
    """Each try ends with the one file, or is told that another process is at it."""
    content = tiny_clip(os.urandom(700_000))
    host = await serve([content])
    outputs = await asyncio.gather(*(run_python(CONTENDER, host.url, tmp_path / "a.mp4") for _ in range(2)))
    lines = {line for output in outputs for line in output.splitlines()}
    assert "saved a.mp4" in lines
    assert lines <= {"saved a.mp4", "busy"}
    assert (tmp_path / "a.mp4").read_bytes() == content
    assert names(tmp_path) == ["a.mp4"]


async def test_a_closed_downloader_may_be_closed_again(serve: Serve, tmp_path: Path) -> None:
    """Once it was used, and when it never was."""
    host, used = await serve([CLIP]), Downloader(allow_private=True)
    await used.download(host.url, tmp_path / "a.mp4")
    for downloader in (used, Downloader()):
        await downloader.close()
        await downloader.close()
    assert names(tmp_path) == ["a.mp4"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("omniedit")]


def test_a_file_that_was_closed_before_it_was_opened_stays_closed(tmp_path: Path) -> None:
    """As happens when a download is cancelled before its first step."""
    part = PartFile(tmp_path / "a.mp4")
    part.close()
    part.open()
    assert names(tmp_path) == []


async def test_errors_of_a_hook_end_the_download_and_keep_the_bytes(serve: Serve, tmp_path: Path) -> None:
    """A journal that cannot write must not lose a clip."""
    host = await serve([CLIP])

    async def refuse(_sha256: str, _size: int) -> None:
        raise OmniEditError("no")

    async with downloading() as downloader:
        with pytest.raises(OmniEditError, match="no"):
            await downloader.download(host.url, tmp_path / "a.mp4", on_verified=refuse)
        await downloader.download(host.url, tmp_path / "a.mp4")
    assert len(host.asked) == 1


async def test_what_lies_in_the_way_of_a_note_costs_nothing_that_came_before(serve: Serve, tmp_path: Path) -> None:
    """Neither the foreign file nor the bytes of an earlier run are removed."""
    host = await serve([CLIP])
    (tmp_path / "a.mp4.part").write_bytes(CLIP[:100])
    (tmp_path / "a.mp4.part.json").mkdir()
    async with downloading() as downloader:
        assert (await fails(downloader, host.url, tmp_path / "a.mp4")).code == "unsafe_path"
    assert names(tmp_path) == ["a.mp4.part", "a.mp4.part.json"]
    assert (tmp_path / "a.mp4.part").read_bytes() == CLIP[:100]

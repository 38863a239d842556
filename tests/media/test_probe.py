"""Probes: a local file or a URL is judged by its boxes alone, and what cannot be read is said plainly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from omniedit.errors import PreflightFailed
from omniedit.media.probe import probe_file, probe_url
from omniedit.media.web import MediaWeb
from omniedit.testing import sample_clip
from tests.media.conftest import Act, Serve, box, tiny_clip

LAYOUTS = ["faststart", "moov_at_end", "fragmented", "mdat64"]
CLIP = tiny_clip(b"one" * 60)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One clip in every layout."""
    folder = tmp_path_factory.mktemp("layouts")
    return {
        layout: sample_clip(folder / f"{layout}.mp4", 3.0, size=(320, 180), layout=layout)  # type: ignore[arg-type]
        for layout in LAYOUTS
    }


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_file_and_url_tell_the_same(serve: Serve, clips: dict[str, Path], layout: str) -> None:
    """Over HTTP in at most four requests, and without the key or anything like it."""
    path = clips[layout]
    host = await serve([path.read_bytes()])
    async with MediaWeb(allow_private=True) as web:
        remote = await probe_url(web, host.url)
    local = await probe_file(path)
    assert remote == local
    assert local.duration == pytest.approx(3.0, abs=0.05)
    assert (local.width, local.height, local.size) == (320, 180, path.stat().st_size)
    assert len(host.asked) <= 4
    assert all("authorization" not in asked.headers for asked in host.asked)


async def test_a_host_that_ignores_ranges_is_read_from_the_start(serve: Serve, clips: dict[str, Path]) -> None:
    """One request is enough when the moov lies in front."""
    host = await serve([clips["faststart"].read_bytes()], *[Act(ranges=False)] * 9)
    async with MediaWeb(allow_private=True) as web:
        facts = await probe_url(web, host.url)
    assert facts.video_codec == "avc1"
    assert len(host.asked) == 1


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_clip_that_would_have_to_be_downloaded_is_taken_unseen(serve: Serve, *, chunked: bool) -> None:
    """The service has the last word; its beginning is known."""
    late = box(b"ftyp", b"mp42") + box(b"mdat", bytes(300_000)) + box(b"moov", bytes(100))
    host = await serve([late], Act(ranges=False, chunked=chunked))
    async with MediaWeb(allow_private=True) as web:
        facts = await probe_url(web, host.url)
    assert (facts.brand, facts.duration, facts.video_codec) == ("mp42", None, "unknown")
    assert facts.size == (None if chunked else len(late))


async def test_a_moov_a_little_further_on_is_reached_without_ranges(serve: Serve) -> None:
    """What lies before it is read and thrown away."""
    clip = box(b"ftyp", b"isom") + box(b"mdat", bytes(30_000)) + CLIP[12:]
    host = await serve([clip], Act(ranges=False))
    async with MediaWeb(allow_private=True) as web:
        assert (await probe_url(web, host.url)).duration == 2.0


async def test_an_empty_brand_is_none_when_unseen(serve: Serve) -> None:
    """Old QuickTime files have no `ftyp`."""
    host = await serve([box(b"mdat", bytes(300_000))], Act(ranges=False))
    async with MediaWeb(allow_private=True) as web:
        assert (await probe_url(web, host.url)).brand == ""


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_host_that_sends_less_than_was_asked_for_is_asked_for_the_rest(
    serve: Serve, clips: dict[str, Path], layout: str
) -> None:
    """An answer may hold a part of the range (RFC 9110, 15.3.7): that is not where the file ends."""
    path = clips[layout]
    host = await serve([path.read_bytes()], *[Act(most=700)] * 64)
    async with MediaWeb(allow_private=True) as web:
        assert await probe_url(web, host.url) == await probe_file(path)


async def test_a_range_that_is_cut_off_is_not_where_the_file_ends(serve: Serve, clips: dict[str, Path]) -> None:
    """What is missing is asked for again."""
    host = await serve([clips["faststart"].read_bytes()], Act(cut=1000))
    async with MediaWeb(allow_private=True) as web:
        assert (await probe_url(web, host.url)).video_codec == "avc1"
    assert host.ranges[:2] == ["bytes=0-8191", "bytes=1000-8191"]


async def test_a_host_that_sends_next_to_nothing_at_a_time_is_given_up(serve: Serve) -> None:
    """Whether the clip is good is not known, so another try may succeed."""
    host = await serve([CLIP], *[Act(most=1)] * 100)
    async with MediaWeb(allow_private=True) as web:
        with pytest.raises(PreflightFailed) as caught:
            await probe_url(web, host.url)
    assert caught.value.code == "source_unreachable"
    assert len(host.asked) == 64


async def test_redirects_are_followed_once(serve: Serve, clips: dict[str, Path]) -> None:
    """Later reads go where they led."""
    data = clips["moov_at_end"].read_bytes()
    host = await serve([data], Act(status=302, headers=(("Location", "/elsewhere.mp4"),)))
    async with MediaWeb(allow_private=True) as web:
        await probe_url(web, host.url)
    paths = [asked.path for asked in host.asked]
    assert paths[0] == "/a.mp4?sig=secret"
    assert set(paths[1:]) == {"/elsewhere.mp4"}


@pytest.mark.parametrize(
    ("content", "act", "reason", "passing"),
    [
        (b"<html>log in</html>", Act(), "an HTML page", False),
        (b"", Act(), "is empty", False),
        (CLIP[:-9], Act(ranges=False), "should end at byte", False),
        (CLIP, Act(status=404), "does not exist (404)", False),
        (CLIP, Act(status=410), "does not exist any more", False),
        (CLIP, Act(status=401), "without credentials", False),
        (CLIP, Act(status=403), "without credentials", False),
        (CLIP, Act(status=451), "answered 451", False),
        (CLIP, Act(status=500), "answered 500", True),
        (CLIP, Act(status=206), "another range", True),
        (CLIP, Act(status=302, headers=(("Location", "ftp://x/"),)), "scheme 'ftp'", False),
        (CLIP, Act(cut=0), "connection", True),
        (CLIP, Act(hang=10), "did not answer", True),
    ],
)
async def test_a_source_that_cannot_be_taken_is_told_why(
    serve: Serve, content: bytes, act: Act, reason: str, *, passing: bool
) -> None:
    """What may pass has another code and another mend; the query of the URL is never shown."""
    host = await serve([content], *[act] * 4)
    async with MediaWeb(allow_private=True) as web:
        with pytest.raises(PreflightFailed) as caught:
            await probe_url(web, host.url, timeout=1.0)
    assert reason in caught.value.message
    assert caught.value.reasons
    assert "secret" not in str(caught.value)
    assert (caught.value.code == "source_unreachable") is passing
    assert ("--no-preflight" in (caught.value.mend or "")) is passing


async def test_beside_a_public_service_a_private_source_is_refused(serve: Serve) -> None:
    """The service could not fetch it either."""
    host = await serve([CLIP])
    async with MediaWeb() as web:
        with pytest.raises(PreflightFailed, match="no public address"):
            await probe_url(web, host.url)


async def test_a_file_that_cannot_be_taken_is_told_why(tmp_path: Path) -> None:
    """Missing, a folder, a pipe, a page, a name that no file can have."""
    page = tmp_path / "page.mp4"
    page.write_text("<html>")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    for path, reason in [
        (tmp_path / "gone.mp4", "does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe.mp4", "is no file"),
        (page, "an HTML page"),
        (tmp_path / "a\0b", "cannot be read"),
        (tmp_path / "loop.mp4", "cannot be read"),
    ]:
        with pytest.raises(PreflightFailed) as caught:
            await probe_file(path)
        assert reason in caught.value.message
        assert reason in caught.value.reasons[0]
        assert caught.value.message.count(str(path)) == 1

"""Sources: checked once, hosted once, remembered while they live, and refused with a way out."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest
from aiohttp import ClientSession, web

from omniedit.core.linkexpiry import expiry_in
from omniedit.errors import ConfigurationError, HostingFailed, OmniEditError, PreflightFailed, TransportFailed
from omniedit.flow.hosts import FunctionHost, Host, OnUpload, S3Host, ServiceFiles
from omniedit.flow.sharing import Shared
from omniedit.flow.sources import Sources
from omniedit.journal.memory import MemoryJournal
from omniedit.models import Edit, Hosted
from omniedit.testing import FakeClock, sample_clip

PROMPT = "Make it snow"


@attrs.define
class Shelf:
    """A host that keeps count."""

    name: str = "shelf"
    hosted: list[Path] = attrs.field(factory=list)
    now: int = 0
    most: int = 0
    life: timedelta | None = None
    clock: FakeClock | None = None
    before: Callable[[Path], None] | None = None

    async def host(self, path: Path, *, on_progress: OnUpload | None = None) -> Hosted:
        """Take a while."""
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.02)
        finally:
            self.now -= 1
        if self.before is not None:
            self.before(path)
        self.hosted.append(path)
        if on_progress is not None:
            on_progress(path.stat().st_size, path.stat().st_size)
        expires = self.clock.utcnow() + self.life if self.clock and self.life else None
        return Hosted(f"https://shelf.example/{len(self.hosted)}.mp4", expires)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Clips of one second, and one that is too long."""
    folder = tmp_path_factory.mktemp("sources")
    return {
        "a": sample_clip(folder / "a.mp4", 1.0, size=(64, 48), scene="harbour"),
        "b": sample_clip(folder / "b.mp4", 1.5, size=(64, 48), audio=False),
        "long": sample_clip(folder / "long.mp4", 11.0, size=(64, 48), fps=10, audio=False),
    }


@attrs.define
class Files:
    """A web server with the clips, and how often it was asked."""

    port: int = 0
    asked: list[str] = attrs.field(factory=list)
    refuse: int = 0

    def url(self, name: str) -> str:
        """A link."""
        return f"http://127.0.0.1:{self.port}/{name}"


@pytest.fixture
async def files(clips: dict[str, Path]) -> AsyncIterator[Files]:
    """Serve the clips; the next `refuse` requests are answered 503."""
    state = Files()

    async def serve(request: web.Request) -> web.StreamResponse:
        state.asked.append(request.path)
        if state.refuse:
            state.refuse -= 1
            return web.Response(status=503)
        path = clips.get(request.match_info["name"])
        return web.FileResponse(path) if path else web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{name}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    state.port = runner.addresses[0][1]
    yield state
    await runner.cleanup()


@pytest.fixture
async def sources(fake_clock: FakeClock) -> AsyncIterator[Sources]:
    """Sources beside a local service, hosted on a shelf."""
    found = Sources(Shelf(), local_service=True, clock=fake_clock)
    yield found
    await found.close()


def shelf_of(sources: Sources) -> Shelf:
    """The host of the fixture."""
    host = sources.host
    assert isinstance(host, Shelf)
    return host


async def test_a_url_is_checked_and_passed_on(files: Files, sources: Sources) -> None:
    """With the length of the clip, for the estimate of the costs."""
    clip = await sources.resolve(Edit(files.url("a"), PROMPT))
    assert clip.url == files.url("a")
    assert clip.seconds == pytest.approx(1.0, abs=0.01)


async def test_many_edits_of_one_url_are_checked_once(files: Files, sources: Sources) -> None:
    """At the same time or later."""
    await asyncio.gather(*(sources.resolve(Edit(files.url("a"), PROMPT, variant=n)) for n in range(20)))
    count = len(files.asked)
    await sources.resolve(Edit(files.url("a"), "Another wish"))
    assert len(files.asked) == count <= 4


@pytest.mark.parametrize(("name", "reason"), [("long", "at most 10 s"), ("nothing", "does not exist")])
async def test_a_wrong_url_is_refused(files: Files, sources: Sources, name: str, reason: str) -> None:
    """And looked at again the next time: it may have been mended."""
    for _ in range(2):
        with pytest.raises(PreflightFailed, match=reason):
            await sources.resolve(Edit(files.url(name), PROMPT))
    assert shelf_of(sources).hosted == []


async def test_a_host_that_is_busy_for_a_moment_is_asked_again(
    files: Files, sources: Sources, fake_clock: FakeClock
) -> None:
    """Once, after a pause."""
    files.refuse = 1
    task = asyncio.create_task(sources.resolve(Edit(files.url("a"), PROMPT)))
    while not task.done():
        await asyncio.sleep(0.01)
        await fake_clock.advance(1)
    assert (await task).seconds


async def test_a_host_that_stays_away_is_told_with_the_way_round(
    files: Files, sources: Sources, fake_clock: FakeClock
) -> None:
    """`--no-preflight`: the service may reach what we cannot."""
    files.refuse = 99
    task = asyncio.create_task(sources.resolve(Edit(files.url("a"), PROMPT)))
    while not task.done():
        await asyncio.sleep(0.01)
        await fake_clock.advance(1)
    with pytest.raises(PreflightFailed, match="no-preflight"):
        await task
    assert len(files.asked) == 2


async def test_without_preflight_a_url_is_not_looked_at(files: Files) -> None:
    """The service has the last word."""
    sources = Sources(preflight=False)
    clip = await sources.resolve(Edit(files.url("long"), PROMPT))
    assert (clip.url, clip.seconds, files.asked) == (files.url("long"), None, [])
    await sources.close()


async def test_beside_a_public_service_a_private_url_is_refused(files: Files) -> None:
    """The service could not fetch it."""
    sources = Sources()
    with pytest.raises(PreflightFailed, match="no public address"):
        await sources.resolve(Edit(files.url("a"), PROMPT))
    await sources.close()


async def test_a_local_file_is_checked_and_hosted(clips: dict[str, Path], sources: Sources) -> None:
    """Progress is told."""
    seen: list[tuple[int, int]] = []
    clip = await sources.resolve(Edit(clips["a"], PROMPT), on_upload=lambda sent, size: seen.append((sent, size)))
    assert clip.url == "https://shelf.example/1.mp4"
    assert clip.seconds == pytest.approx(1.0, abs=0.01)
    assert seen == [(clips["a"].stat().st_size,) * 2]


async def test_a_wrong_local_file_is_never_hosted(clips: dict[str, Path], sources: Sources, tmp_path: Path) -> None:
    """Too long, missing, or a name that no file has."""
    for source, reason in [(clips["long"], "at most 10 s"), (tmp_path / "no.mp4", "does not exist")]:
        with pytest.raises(PreflightFailed, match=reason):
            await sources.resolve(Edit(source, PROMPT))
    assert shelf_of(sources).hosted == []


async def test_without_preflight_a_missing_file_is_still_missing(tmp_path: Path) -> None:
    """There is nothing to host."""
    sources = Sources(Shelf(), preflight=False)
    with pytest.raises(PreflightFailed, match="cannot be read"):
        await sources.resolve(Edit(tmp_path / "no.mp4", PROMPT))
    with pytest.raises(PreflightFailed, match="cannot be read"):
        await sources.resolve(Edit(tmp_path, PROMPT))
    await sources.close()


async def test_without_a_host_a_local_file_is_refused_with_a_way_out(clips: dict[str, Path]) -> None:
    """Give one, or a URL."""
    sources = Sources()
    with pytest.raises(HostingFailed, match="public URL"):
        await sources.resolve(Edit(clips["a"], PROMPT))
    await sources.close()


async def test_one_content_is_uploaded_once(clips: dict[str, Path], sources: Sources, tmp_path: Path) -> None:
    """Under any name, at the same time or later, while the journal remembers it."""
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clips["a"].read_bytes())
    journal = MemoryJournal()
    await journal.open("https://api.example")
    edits = [Edit(path, PROMPT, variant=n) for n in range(5) for path in (clips["a"], copy)]
    found = await asyncio.gather(*(sources.resolve(edit, journal) for edit in edits))
    assert len({clip.url for clip in found}) == 1
    await sources.resolve(Edit(copy, "Another wish"), journal)
    assert len(shelf_of(sources).hosted) == 1
    await sources.resolve(Edit(clips["b"], PROMPT), journal)
    assert len(shelf_of(sources).hosted) == 2
    await journal.close()


async def test_a_hosted_copy_is_used_only_while_it_lives_long_enough(
    clips: dict[str, Path], fake_clock: FakeClock
) -> None:
    """A task waits in a queue before its clip is fetched: the last hour does not count."""
    shelf = Shelf(life=timedelta(hours=3), clock=fake_clock)
    sources, journal = Sources(shelf, clock=fake_clock), MemoryJournal()
    await journal.open("https://api.example")
    for hours, uploads in [(0, 1), (1.9, 1), (0.2, 2)]:
        await fake_clock.advance(hours * 3600)
        await sources.resolve(Edit(clips["a"], PROMPT), journal)
        assert len(shelf.hosted) == uploads
    await journal.close()
    await sources.close()


async def test_uploads_are_bounded(tmp_path: Path, clips: dict[str, Path]) -> None:
    """So many at once, and not more."""
    paths = [tmp_path / f"{number}.mp4" for number in range(8)]
    for number, path in enumerate(paths):
        path.write_bytes(clips["a"].read_bytes() + bytes([0, 0, 0, 9]) + b"free" + bytes([number]))
    shelf = Shelf()
    sources = Sources(shelf, uploads=2)
    await asyncio.gather(*(sources.resolve(Edit(path, PROMPT)) for path in paths))
    assert (shelf.most, len(shelf.hosted)) == (2, 8)
    await sources.close()


async def test_a_file_that_changes_while_it_is_uploaded_is_not_submitted(
    tmp_path: Path, clips: dict[str, Path]
) -> None:
    """Nobody knows what was hosted."""
    path = tmp_path / "a.mp4"
    path.write_bytes(clips["a"].read_bytes())

    def change(found: Path) -> None:
        with found.open("ab") as file:
            file.write(b"more")

    sources = Sources(Shelf(before=change))
    with pytest.raises(HostingFailed, match="changed while"):
        await sources.resolve(Edit(path, PROMPT))
    await sources.close()


# --- what is shared ---------------------------------------------------------------------------------------------------


async def test_a_shared_run_goes_on_while_somebody_waits() -> None:
    """And is cancelled with the last one."""
    shared: Shared[str, int] = Shared()
    began, cancelled = 0, 0
    gate = asyncio.Event()

    async def work() -> int:
        nonlocal began, cancelled
        began += 1
        try:
            await gate.wait()
        except asyncio.CancelledError:
            cancelled += 1
            raise
        return 7

    waiters = [asyncio.create_task(shared.get("a", work)) for _ in range(3)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    await asyncio.sleep(0.01)
    assert (began, cancelled) == (1, 0)
    for waiter in waiters[1:]:
        waiter.cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    assert (began, cancelled) == (1, 1)
    gate.set()
    assert await shared.get("a", work) == 7
    assert began == 2


async def test_the_error_of_a_shared_run_reaches_everybody() -> None:
    """And the next one starts afresh."""
    shared: Shared[str, int] = Shared()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise OmniEditError("no")

    async def good() -> int:
        return 1

    found = await asyncio.gather(*(shared.get("a", fail) for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in found] == ["no"] * 3
    assert await shared.get("a", good) == 1


# --- hosts ------------------------------------------------------------------------------------------------------------


async def test_the_service_may_refuse_a_clip(tmp_path: Path) -> None:
    """Then its error says what else can be done."""

    async def refuse(path: Path, on_progress: OnUpload | None) -> Hosted:
        raise HostingFailed(f"{path.name}: only images", code="unsupported_type")

    host = ServiceFiles(refuse)
    assert isinstance(host, Host)
    with pytest.raises(HostingFailed, match="only images") as caught:
        await host.host(tmp_path / "a.mp4")
    assert caught.value.code == "unsupported_type"
    assert "S3Host" in (caught.value.mend or "")


async def test_the_service_may_take_a_clip(tmp_path: Path) -> None:
    """Path and progress are handed on; other errors pass as they are."""
    seen: list[tuple[int, int]] = []

    async def take(path: Path, on_progress: OnUpload | None) -> Hosted:
        if on_progress is None:
            raise TransportFailed("no answer")
        on_progress(1, 2)
        return Hosted(f"https://files.example/{path.name}")

    host = ServiceFiles(take, name="service-files:https://files.example")
    hosted = await host.host(tmp_path / "a.mp4", on_progress=lambda sent, size: seen.append((sent, size)))
    assert (hosted.url, seen) == ("https://files.example/a.mp4", [(1, 2)])
    with pytest.raises(TransportFailed):
        await host.host(tmp_path / "a.mp4")


async def upload_somewhere(path: Path) -> str:
    """What a user writes."""
    assert path.is_absolute()
    return f"https://mine.example/{path.name}"


async def test_a_function_can_be_a_host(clips: dict[str, Path], fake_clock: FakeClock) -> None:
    """It gives a URL, or a URL with its end; its name tells it from others."""
    seen: list[tuple[int, int]] = []
    host = FunctionHost(upload_somewhere)
    hosted = await host.host(clips["a"], on_progress=lambda sent, size: seen.append((sent, size)))
    assert hosted == Hosted("https://mine.example/a.mp4")
    assert seen == [(clips["a"].stat().st_size,) * 2]
    assert host.name.endswith("upload_somewhere")

    async def with_end(path: Path) -> Hosted:
        return Hosted("https://mine.example/x", fake_clock.utcnow())

    assert (await FunctionHost(with_end, name="mine").host(clips["a"])).expires_at == fake_clock.utcnow()


async def test_a_function_that_fails_says_so(clips: dict[str, Path], tmp_path: Path) -> None:
    """With its own error as the cause; errors of this library pass through."""

    async def broken(path: Path) -> str:
        raise KeyError("secret")

    async def wrong(path: Path) -> str:
        return "s3://bucket/a.mp4"

    async def refuses(path: Path) -> str:
        raise HostingFailed("quota")

    with pytest.raises(HostingFailed, match="raised KeyError") as caught:
        await FunctionHost(broken).host(clips["a"])
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(HostingFailed, match="no http or https URL"):
        await FunctionHost(wrong).host(clips["a"])
    with pytest.raises(HostingFailed, match="quota"):
        await FunctionHost(refuses).host(clips["a"])
    with pytest.raises(HostingFailed, match="cannot be read"):
        await FunctionHost(upload_somewhere).host(tmp_path / "no.mp4")


@pytest.mark.parametrize("end", [datetime(2030, 1, 1), "tomorrow"])  # noqa: DTZ001  # that is what is refused
async def test_an_end_without_a_time_zone_is_refused(clips: dict[str, Path], end: datetime) -> None:
    """It would be another moment on every machine, and some journals could not hold it."""

    async def upload(_path: Path) -> Hosted:
        return Hosted("https://cdn.example.com/a.mp4", end)

    with pytest.raises(HostingFailed, match="no moment"):
        await FunctionHost(upload).host(clips["a"])


async def test_a_url_with_an_end_of_line_is_tidied(clips: dict[str, Path]) -> None:
    """As programs print it; one with such a thing inside is refused."""
    answers = iter(["https://cdn.example.com/a.mp4\n", "https://cdn.example.com/\na.mp4"])

    async def upload(_path: Path) -> str:
        return next(answers)

    host = FunctionHost(upload)
    assert (await host.host(clips["a"])).url == "https://cdn.example.com/a.mp4"
    with pytest.raises(HostingFailed, match="no http or https URL"):
        await host.host(clips["a"])


# --- S3 ---------------------------------------------------------------------------------------------------------------

SECRET = "a-secret-nobody-sees"


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A real S3-compatible server on loopback with an empty bucket; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(port)
        put = f"import urllib.request as u; u.urlopen(u.Request('{url}/clips', method='PUT'))"
        subprocess.run([sys.executable, "-c", put], check=True)
        yield url
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    """Until somebody listens; a minute at most."""
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the S3 server did not start")


def s3(endpoint: str, clock: FakeClock, bucket: str = "clips") -> S3Host:
    """A host over the server."""
    return S3Host(
        bucket,
        endpoint=endpoint,
        region="us-east-1",
        access_key_id="AKIAEXAMPLE",
        secret_access_key=SECRET,
        session_token="token",
        clock=clock,
    )


async def fetch(url: str) -> tuple[bytes, str]:
    """What the service would get, without credentials."""
    async with ClientSession() as session, session.get(url) as reply:
        assert reply.status == 200
        return await reply.read(), reply.headers["Content-Type"]


@pytest.mark.parametrize("size", [1000, 20_000_000])
async def test_a_bucket_hosts_clips_small_and_large(
    bucket: str, fake_clock: FakeClock, tmp_path: Path, size: int
) -> None:
    """One request or several parts: the link gives the exact bytes, and its end is known."""
    path, seen = tmp_path / "a.mp4", list[tuple[int, int]]()
    path.write_bytes(os.urandom(size))
    hosted = await s3(bucket, fake_clock).host(path, on_progress=lambda sent, all_: seen.append((sent, all_)))
    assert await fetch(hosted.url) == (path.read_bytes(), "video/mp4")
    assert hosted.expires_at == fake_clock.utcnow() + timedelta(hours=24)
    assert expiry_in(hosted.url) is not None
    assert seen[-1] == (size, size)
    assert seen == sorted(seen)
    assert SECRET not in hosted.url
    assert "X-Amz-Signature" in parse_qs(urlsplit(hosted.url).query)


async def test_a_local_file_goes_through_a_bucket(bucket: str, clips: dict[str, Path], fake_clock: FakeClock) -> None:
    """The whole way; the name of the file stays here."""
    sources = Sources(s3(bucket, fake_clock), local_service=True)
    clip = await sources.resolve(Edit(clips["a"], PROMPT))
    assert (await fetch(clip.url))[0] == clips["a"].read_bytes()
    assert (await sources.check(clip.url)).duration == pytest.approx(1.0, abs=0.01)
    assert "/a.mp4" not in clip.url
    await sources.close()


async def test_a_bucket_that_is_not_there_says_so(bucket: str, clips: dict[str, Path], fake_clock: FakeClock) -> None:
    """Without the store's own words, which may hold credentials."""
    host = s3(bucket, fake_clock, "missing")
    with pytest.raises(HostingFailed, match="refused it or could not be reached") as caught:
        await host.host(clips["a"])
    assert SECRET not in str(caught.value) + repr(host)
    assert "AKIAEXAMPLE" not in str(caught.value) + repr(host)


@pytest.mark.parametrize(
    ("lifetime", "endpoint"), [(timedelta(days=8), None), (timedelta(0), None), (timedelta(1), "::nonsense")]
)
def test_a_wrong_bucket_is_refused_at_once(lifetime: timedelta, endpoint: str | None) -> None:
    """Before anything is uploaded."""
    with pytest.raises(ConfigurationError):
        S3Host("clips", lifetime=lifetime, endpoint=endpoint, region="us-east-1")


@pytest.mark.parametrize("prefix", ["a//b/", "../up/", "a/./b/", "tab\t/", "half\ud800/"])
def test_a_prefix_that_no_object_can_have_is_refused_at_once(prefix: str) -> None:
    """Every upload would fail."""
    with pytest.raises(ConfigurationError, match="no object can have the key"):
        S3Host("clips", prefix=prefix, region="us-east-1")


async def test_odd_characters_in_a_prefix_reach_the_service(bucket: str, tmp_path: Path) -> None:
    """The link is what the store understands."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"clip")
    host = S3Host("clips", prefix="ключ/ü #?%20+&=*'()/", endpoint=bucket, access_key_id="a", secret_access_key=SECRET)
    assert await fetch((await host.host(path)).url) == (b"clip", "video/mp4")


async def test_the_environment_names_the_store(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for results; the journal tells it from any other store."""
    names = {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": SECRET, "REGION": "us-east-1", "ENDPOINT_URL": bucket}
    for name, value in names.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    path = tmp_path / "a.mp4"
    path.write_bytes(b"clip")
    host = S3Host("clips")
    assert (await fetch((await host.host(path)).url))[0] == b"clip"
    assert host.name == f"s3:{bucket}/clips/omniedit/"


@pytest.mark.parametrize("endpoint", [f"https://me:{SECRET}@s3.example.com", f"me:{SECRET}@s3.example.com"])
def test_credentials_in_an_endpoint_are_refused(endpoint: str) -> None:
    """They would be written into the journal, in the name of the host."""
    with pytest.raises(ConfigurationError, match="credentials") as caught:
        S3Host("clips", endpoint=endpoint, region="us-east-1")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("given", [{"access_key_id": "a"}, {"secret_access_key": SECRET}])
def test_half_of_the_credentials_is_refused(given: dict[str, str]) -> None:
    """And not replaced by what the environment has."""
    with pytest.raises(ConfigurationError, match="half"):
        S3Host("clips", region="us-east-1", **given)  # type: ignore[arg-type]


def test_without_the_extra_the_bucket_says_how_to_get_it() -> None:
    """In a process that cannot import obstore."""
    code = (
        "import sys; sys.modules['obstore.store'] = None; sys.modules['obstore'] = None\n"
        "from omniedit.flow.hosts import S3Host\n"
        "try: S3Host('clips')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.startswith("ConfigurationError")
    assert "omniedit[s3]" in out


async def test_hosts_that_give_no_hosted_are_told_so(tmp_path: Path) -> None:
    """Whatever a host of one's own gives back."""

    class Plain:
        name = "plain"

        async def host(self, path: Path, *, on_progress: OnUpload | None = None) -> Hosted:
            return "https://shelf.example/1.mp4"  # type: ignore[return-value]

    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"clip")
    with pytest.raises(HostingFailed, match="plain gave a str"):
        await Sources(Plain(), preflight=False).resolve(Edit(clip, PROMPT))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_shared_work_may_begin_at_once() -> None:
    """On a loop with eager tasks it begins, and may end, before anybody knows of it."""
    loop, shared = asyncio.get_running_loop(), Shared[str, int]()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]

    async def at_once() -> int:
        return 1

    async def later() -> int:
        await asyncio.sleep(0)
        return 2

    try:
        assert [await shared.get("a", at_once), await shared.get("a", later)] == [1, 2]
    finally:
        loop.set_task_factory(None)

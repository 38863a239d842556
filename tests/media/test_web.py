"""The way to media hosts, and what downloads share on it."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from omniedit.core.transfer import Fetch
from omniedit.media.limits import HostSlots, RateLimit
from omniedit.media.resolver import GuardedResolver, UnsafeAddressError
from omniedit.media.web import FetchError, MediaWeb, Reply
from tests.media.conftest import Act, Serve, tiny_clip

CLIP = tiny_clip(b"one" * 60)


class Names(AbstractResolver):
    """Names that lead where a test wants them to; another place each time, when there are several."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Answer; the last answer for ever."""
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in answer
        ]

    async def close(self) -> None:
        """Remember it."""
        self.closed = True


async def status_of(web: MediaWeb, url: str) -> int:
    """Fetch, and read to the end."""

    def take(reply: Reply) -> int:
        while reply.read(4096):
            pass
        return reply.status

    return await web.get(url, Fetch().headers, take)


@pytest.mark.parametrize(
    "addresses",
    [("127.0.0.1",), ("8.8.8.8", "127.0.0.1"), ("10.0.0.1", "8.8.8.8"), ("169.254.169.254",), ("0.0.0.0",)],  # noqa: S104
)
async def test_a_name_is_judged_by_all_its_addresses(serve: Serve, addresses: tuple[str, ...]) -> None:
    """After the lookup, before connecting: one private address among public ones spoils it."""
    host = await serve([CLIP])
    async with MediaWeb(resolver=Names(addresses)) as web:
        with pytest.raises(FetchError) as caught:
            await status_of(web, f"http://media.example:{host.port}/a.mp4")
    assert caught.value.failure.code == "unsafe_address"
    assert caught.value.failure.final
    assert host.asked == []


async def test_a_redirect_to_a_name_is_judged_like_any_other(serve: Serve) -> None:
    """Beside a local service loopback is fine, a metadata service behind a name is not."""
    host = await serve([CLIP], Act(status=302, headers=(("Location", "http://metadata.example/"),)))
    async with MediaWeb(allow_private=True, resolver=Names(("127.0.0.1",), ("8.8.8.8", "169.254.169.254"))) as web:
        with pytest.raises(FetchError) as caught:
            await status_of(web, f"http://media.example:{host.port}/a.mp4")
    assert caught.value.failure.code == "unsafe_address"


@pytest.mark.parametrize("name", ["media..example", "a" * 64 + ".example"])
async def test_a_redirect_to_a_name_that_no_lookup_takes_fails_like_any_lookup(serve: Serve, name: str) -> None:
    """Before anybody is asked for it."""
    host = await serve([CLIP], Act(status=302, headers=(("Location", f"http://{name}/a.mp4"),)))
    async with MediaWeb(allow_private=True) as web:
        with pytest.raises(FetchError) as caught:
            await status_of(web, f"http://127.0.0.1:{host.port}/a.mp4")
    assert caught.value.failure.code == "name_lookup_failed"


async def test_a_name_that_answers_differently_the_next_time_gains_nothing(serve: Serve) -> None:
    """The connection goes to the addresses that were judged, not to those of a second lookup."""
    host = await serve([CLIP])
    names = Names(("127.0.0.1",), ("8.8.8.8",))
    async with MediaWeb(allow_private=True, resolver=names) as web:
        assert await status_of(web, f"http://media.example:{host.port}/a.mp4") == 200
    assert names.closed


@pytest.mark.parametrize("one", ["１", "①", "¹", "\U0001ccf1"])
async def test_an_address_in_other_digits_is_still_one(serve: Serve, one: str) -> None:
    """A host is mapped before it is looked up, so 127.0.0.1 can be written in many ways, some newer than Python."""
    host = await serve([CLIP])
    async with MediaWeb() as web:
        with pytest.raises(FetchError) as caught:
            await status_of(web, f"http://{one}27.0.0.1:{host.port}/a.mp4")
    assert caught.value.failure.code == "unsafe_address"
    assert caught.value.failure.final
    assert host.asked == []


async def test_a_redirect_to_an_address_in_other_digits_is_refused(serve: Serve) -> None:
    """Bytes of a header are read as Latin-1, which has superscript digits."""
    act = Act(status=302, headers=(("Location", "http://¹69.254.¹69.254/latest/"),))
    host = await serve([CLIP], act)
    async with MediaWeb(allow_private=True) as web:
        with pytest.raises(FetchError) as caught:
            await status_of(web, host.url)
    assert caught.value.failure.code == "unsafe_address"


async def test_the_guard_lets_good_names_through() -> None:
    """With the answers as they are."""
    guard = GuardedResolver(allow_private=False, resolver=Names(("8.8.8.8",), ("10.0.0.1",)))
    assert [found["host"] for found in await guard.resolve("media.example")] == ["8.8.8.8"]
    with pytest.raises(UnsafeAddressError, match=r"10\.0\.0\.1"):
        await guard.resolve("media.example")


async def test_a_link_outside_ascii_is_encoded(serve: Serve) -> None:
    """One inside it is taken as it is: its signature depends on every character."""
    host = await serve([CLIP])
    async with MediaWeb(allow_private=True) as web:
        await status_of(web, f"http://127.0.0.1:{host.port}/海.mp4")
        await status_of(web, f"http://127.0.0.1:{host.port}/a%2Fb+c.mp4?x=%7E%20&y=a+b#part")
    assert [asked.path for asked in host.asked] == ["/%E6%B5%B7.mp4", "/a%2Fb+c.mp4?x=%7E%20&y=a+b"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/my clip.mp4?x=a b", "/my%20clip.mp4?x=a%20b"),
        ("/a%2Fb c.mp4", "/a%2Fb%20c.mp4"),
        ("/a\x7f.mp4 ", "/a%7F.mp4"),
    ],
)
async def test_what_no_request_can_hold_is_encoded(serve: Serve, path: str, asked: str) -> None:
    """Hosts that name files by their titles write spaces into links and redirects."""
    host = await serve([CLIP], Act(), Act(status=302, headers=(("Location", path),)))
    async with MediaWeb(allow_private=True) as web:
        assert await status_of(web, f"http://127.0.0.1:{host.port}{path}") == 200
        assert await status_of(web, host.url) == 200
    assert [one.path for one in host.asked] == [asked, "/a.mp4?sig=secret", asked]


async def test_a_redirect_outside_ascii_is_read_as_utf_8(serve: Serve) -> None:
    """Hosts write it so, whatever the header's charset was once meant to be."""
    host = await serve([CLIP], Act(status=302, headers=(("Location", "/海.mp4".encode().decode("latin-1")),)))
    async with MediaWeb(allow_private=True) as web:
        assert await status_of(web, host.url) == 200
    assert host.asked[-1].path == "/%E6%B5%B7.mp4"


async def test_an_answer_that_is_no_http_is_a_lost_connection(serve: Serve) -> None:
    """Not a crash."""
    host = await serve([CLIP], Act(status=200, headers=(("Bad\0name", "x"),)))
    async with MediaWeb(allow_private=True) as web:
        with pytest.raises(FetchError) as caught:
            await status_of(web, host.url)
    assert caught.value.failure.code == "connection_lost"


async def test_so_many_requests_to_one_host_at_a_time() -> None:
    """The others wait in order; other hosts do not; what is not in use is forgotten."""
    slots, most, now = HostSlots(2), 0, 0

    async def use(host: str) -> None:
        nonlocal most, now
        async with slots.hold(host):
            now += host == "a"
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= host == "a"

    await asyncio.gather(*(use(host) for host in "aaaaabb"))
    assert most == 2
    assert slots.hosts == frozenset()


async def test_without_a_limit_nobody_waits() -> None:
    """And nothing is kept."""
    slots = HostSlots(None)
    async with slots.hold("a"), slots.hold("a"):
        assert slots.hosts == frozenset()


def test_the_rate_is_shared_and_kept() -> None:
    """Two downloads of 1,000 bytes at 100 bytes a second take 20 seconds together."""
    rate, clocks = RateLimit(100), [0.0, 0.0]
    for turn in range(20):
        clocks[turn % 2] += rate.take(100, clocks[turn % 2])
    assert sorted(clocks) == pytest.approx([19, 20], abs=0.1)


def test_time_that_passed_unused_is_not_saved_up() -> None:
    """A pause is followed by the rate, not by a flood."""
    rate = RateLimit(100)
    assert rate.take(1000, 1000.0) == pytest.approx(10, abs=0.1)
    assert rate.take(1000, 5000.0) == pytest.approx(10, abs=0.1)


def test_without_a_rate_nothing_waits() -> None:
    """Nor does a trickle under it."""
    assert RateLimit(None).take(10**9, 0.0) == 0
    assert RateLimit(1e6).take(1000, 0.0) == 0


def test_under_a_low_rate_little_is_read_at_once() -> None:
    """So that bytes come steadily; without one a whole block is read."""
    assert RateLimit(None).piece(500_000) == 500_000
    assert RateLimit(1e9).piece(500_000) == 500_000
    assert RateLimit(1e6).piece(500_000) == 50_000
    assert RateLimit(100).piece(500_000) == 4096

"""Connections to media hosts: kept, found dead, stopped, encrypted; whatever happens, no thread stays behind."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal

import attrs
import pytest
import trustme

from omniedit.core.transfer import Fetch
from omniedit.media.web import FetchError, MediaWeb, Reply, default_tls

BODY = bytes(range(256)) * 64


def whole(reply: Reply) -> bytes:
    """Read to the end."""
    pieces = list[bytes]()
    while piece := reply.read(5000):
        pieces.append(piece)
    return b"".join(pieces)


async def read(web: MediaWeb, url: str) -> bytes:
    """A body."""
    return await web.get(url, Fetch().headers, whole)


def answer(body: bytes = BODY, length: int | None = None, *more: str) -> bytes:
    """An answer that keeps the connection open."""
    head = ("HTTP/1.1 200 OK", f"Content-Length: {len(body) if length is None else length}", *more)
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@attrs.define
class Keeper:
    """A host that answers every request of a connection with what comes next in its script, or in the same way."""

    script: list[bytes | None]
    """`None` closes the connection instead of answering."""
    then: Literal["keep", "close", "abort"] = "keep"
    """What is done with the connection after an answer; `abort` does without TLS's goodbye."""
    port: int = 0
    connections: int = 0
    asked: int = 0
    closed: asyncio.Event = attrs.field(factory=asyncio.Event)

    def url(self, scheme: str = "http") -> str:
        """Where it is."""
        return f"{scheme}://localhost:{self.port}/a.mp4"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.asked += 1
                said = self.script.pop(0) if self.script else answer()
                if said is None:
                    break
                writer.write(said)
                await writer.drain()
                if self.then != "keep":
                    break
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self.closed.set()
            writer.close() if self.then == "close" else writer.transport.abort()


@asynccontextmanager
async def keeping(
    *script: bytes | None, then: Literal["keep", "close", "abort"] = "keep", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Keeper]:
    """A running host."""
    keeper = Keeper(list(script), then)
    running = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await keeper.serve(reader, writer)
        finally:
            running.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    keeper.port = server.sockets[0].getsockname()[1]
    try:
        yield keeper
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@asynccontextmanager
async def asking(**options: object) -> AsyncIterator[MediaWeb]:
    """A way to hosts on this machine; no thread of it is left."""
    async with MediaWeb(**{"allow_private": True, "stall_timeout": 5.0, **options}) as web:  # type: ignore[arg-type]
        yield web
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("omniedit-media")]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs."""
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """What the host shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    """What trusts it."""
    context = default_tls()
    authority.configure_trust(context)
    return context


async def test_a_connection_is_used_again() -> None:
    """As long as the host keeps it open and the last answer was read to its end."""
    async with keeping() as host, asking() as web:
        for _ in range(3):
            assert await read(web, host.url()) == BODY
        assert (host.connections, host.asked) == (1, 3)


async def test_a_connection_whose_answer_was_not_read_is_not_used_again() -> None:
    """The rest of it would pass for the next answer."""
    async with keeping() as host, asking() as web:
        assert await web.get(host.url(), {}, lambda reply: reply.read(10)) == BODY[:10]
        assert await read(web, host.url()) == BODY
        assert host.connections == 2


async def test_a_host_that_does_not_want_to_keep_a_connection_is_believed() -> None:
    """`Connection: close`, or an old version of the protocol."""
    old = answer().replace(b"HTTP/1.1", b"HTTP/1.0")
    async with keeping(answer(BODY, None, "Connection: close"), old) as host, asking() as web:
        for _ in range(3):
            assert await read(web, host.url()) == BODY
        assert host.connections == 3


@pytest.mark.parametrize("said", [None, b"garbage that is no answer\r\n\r\n"])
async def test_a_kept_connection_that_turns_out_dead_is_replaced(said: bytes | None) -> None:
    """Nobody notices: the request is a GET, and nothing of an answer came."""
    async with keeping(answer(), said) as host, asking() as web:
        assert await read(web, host.url()) == BODY
        assert await read(web, host.url()) == BODY
        assert host.connections == 2


async def test_what_a_host_sends_too_much_is_not_taken_for_the_next_answer() -> None:
    """Neither when it was read with the body nor when it came later."""
    async with keeping(answer(BODY + b"x" * 40_000, len(BODY))) as host, asking() as web:
        assert await read(web, host.url()) == BODY
        assert await read(web, host.url()) == BODY
        assert host.connections == 2


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n1234567890",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length 5\r\n\r\n12345",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_an_answer_whose_end_nobody_knows_is_none(said: bytes) -> None:
    """Two lengths, or none that is a number; a head that is malformed or has no end."""
    async with keeping(said) as host, asking() as web:
        with pytest.raises(FetchError) as caught:
            await read(web, host.url())
    assert caught.value.failure.code == "connection_lost"
    assert not caught.value.failure.final


@pytest.mark.parametrize(
    ("said", "came"),
    [
        (answer(BODY, len(BODY) + 1), BODY),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n5\r\n123", b"12345123"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\nzz\r\n", b"12345"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n" + BODY, BODY),
    ],
)
@pytest.mark.parametrize("block", [5, 8000, 1 << 20])
async def test_what_came_before_a_body_broke_is_given_first(said: bytes, came: bytes, block: int) -> None:
    """And then it is said that it broke, however much is asked for at a time."""
    got = list[bytes]()

    def take(reply: Reply) -> None:
        while piece := reply.read(block):
            got.append(piece)

    async with keeping(said, then="close") as host, asking() as web:
        with pytest.raises(FetchError) as caught:
            await web.get(host.url(), {}, take)
    assert caught.value.failure.code == "cut"
    assert b"".join(got) == came


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints\r\nLink: </x>"])
async def test_interim_answers_are_passed_over(interim: bytes) -> None:
    """A host may send them unasked, and several (RFC 9110, section 15.2)."""
    async with keeping((b"HTTP/1.1 " + interim + b"\r\n\r\n") * 2 + answer()) as host, asking() as web:
        assert await read(web, host.url()) == BODY
        assert await read(web, host.url()) == BODY
        assert host.connections == 1


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        (_CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n"),
        (_CHUNKED, b"1;" + b"e" * 60_000 + b"\r\nx\r\n"),
    ],
)
async def test_a_host_that_sends_for_ever_around_a_body_is_given_up(begin: bytes, again: bytes) -> None:
    """Interim answers, trailers, extensions of chunks: all of it is progress, and none of it is the clip."""

    async def go_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begin)
        with suppress(ConnectionError):
            while True:
                writer.write(again * (20_000 // len(again) + 1))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(go_on, "127.0.0.1", 0)
    async with asking() as web, asyncio.timeout(60):
        with pytest.raises(FetchError) as caught:
            await read(web, f"http://localhost:{server.sockets[0].getsockname()[1]}/")
    server.close()
    await server.wait_closed()
    assert caught.value.failure.code == "endless"
    assert not caught.value.failure.final


async def test_a_body_in_chunks_of_one_byte_is_read() -> None:
    """Slow, wasteful, and legal, however much longer the lines are than the body."""
    said = _CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY * 6) + b"0\r\n\r\n"
    async with keeping(said) as host, asking() as web:
        assert await web.get(host.url(), {}, lambda reply: reply.read(1 << 20)) == BODY * 6


async def test_a_head_that_drips_is_given_up() -> None:
    """A byte now and then is as good as silence."""
    async with asking(stall_timeout=0.3) as web:

        async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for byte in answer():
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)
                if writer.is_closing():
                    return
            writer.close()

        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        with pytest.raises(FetchError) as caught:
            await read(web, f"http://localhost:{server.sockets[0].getsockname()[1]}/")
        server.close()
        await asyncio.sleep(0.1)
    assert caught.value.failure.code == "stalled"


# --- leaving -------------------------------------------------------------------------------------------------------


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - threads and the other side tell nobody
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("secure", [False, True])
async def test_cancelled_while_a_host_is_silent(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, *, secure: bool
) -> None:
    """The thread that waits for it ends at once, and the host sees the connection go."""
    tls = {"tls": client_tls} if secure else {}
    silent = answer(b"a", 10)
    async with keeping(silent, tls=server_tls if secure else None) as host, asking(stall_timeout=600.0, **tls) as web:
        came = threading.Event()

        def take(reply: Reply) -> None:
            reply.read(1)
            came.set()
            reply.read(9)

        task = asyncio.create_task(web.get(host.url("https" if secure else "http"), {}, take))
        await until(came.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            await host.closed.wait()


async def test_cancelled_while_a_host_does_not_shake_hands(client_tls: ssl.SSLContext) -> None:
    """A connection that never becomes a TLS one is left at once as well."""
    connected = asyncio.Event()

    async def be_silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await gone.wait()
        writer.close()

    gone = asyncio.Event()
    server = await asyncio.start_server(be_silent, "127.0.0.1", 0)
    async with asking(stall_timeout=600.0, tls=client_tls) as web:
        port = server.sockets[0].getsockname()[1]
        task = asyncio.create_task(read(web, f"https://localhost:{port}/a.mp4"))
        await connected.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        async with asyncio.timeout(10):
            with pytest.raises(asyncio.CancelledError):
                await task
    gone.set()
    server.close()
    await server.wait_closed()


async def test_cancelled_while_waiting_for_a_free_thread() -> None:
    """The request is never sent; the one that is under way goes on."""
    gate = threading.Event()
    async with keeping() as host, asking(at_once=1) as web:
        first = asyncio.create_task(web.get(host.url(), {}, lambda reply: (gate.wait(10), reply.read(len(BODY)))[1]))
        await until(lambda: host.asked == 1)
        second = asyncio.create_task(read(web, host.url()))
        await until(lambda: host.connections == 2)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.set()
        assert await first == BODY
        assert host.asked == 1


async def test_closing_breaks_off_what_is_under_way() -> None:
    """It ends with an error, not with a wait for the host."""
    async with keeping(answer(b"a", 10)) as host, asking(stall_timeout=600.0) as web:
        task = asyncio.create_task(read(web, host.url()))
        await until(lambda: host.asked == 1)
        await web.close()
        with pytest.raises(FetchError) as caught:
            await task
    assert caught.value.failure.code in {"cut", "connection_lost"}


async def test_a_wait_for_the_rate_is_broken_off() -> None:
    """However long it was to be."""
    waiting = threading.Event()

    def take(reply: Reply) -> None:
        waiting.set()
        reply.wait(600)

    async with keeping() as host, asking() as web:
        task = asyncio.create_task(web.get(host.url(), {}, take))
        await until(waiting.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


# --- TLS -----------------------------------------------------------------------------------------------------------


async def test_over_tls_it_is_the_same(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """With the certificate judged, and the connection kept."""
    async with keeping(tls=server_tls) as host, asking(tls=client_tls) as web:
        for _ in range(2):
            assert await read(web, host.url("https")) == BODY
        assert host.connections == 1


async def test_a_certificate_of_nobody_is_refused(server_tls: ssl.SSLContext) -> None:
    """Before anything is asked."""
    async with keeping(tls=server_tls) as host, asking() as web:
        with pytest.raises(FetchError) as caught:
            await read(web, host.url("https"))
        assert host.asked == 0
    assert caught.value.failure.code == "tls_failed"


async def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, client_tls: ssl.SSLContext) -> None:
    """It may be trusted, and is still not this host's."""
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(other)
    async with keeping(tls=other) as host, asking(tls=client_tls) as web:
        with pytest.raises(FetchError) as caught:
            await read(web, host.url("https"))
    assert caught.value.failure.code == "tls_failed"


async def test_an_encrypted_body_without_a_length_that_is_cut_off_has_no_end(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """Anybody on the way can end a connection, but nobody can say goodbye in the host's name."""
    said = b"HTTP/1.1 200 OK\r\n\r\n" + BODY
    async with keeping(said, said, then="abort", tls=server_tls) as host, asking(tls=client_tls) as web:
        with pytest.raises(FetchError) as caught:
            await read(web, host.url("https"))
    assert caught.value.failure.code == "connection_lost"
    async with keeping(said, then="close", tls=server_tls) as host, asking(tls=client_tls) as web:
        assert await read(web, host.url("https")) == BODY

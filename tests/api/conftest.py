"""Servers on loopback that answer as a test says, byte by byte where that matters."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import pytest

Answer = Callable[["Heard", asyncio.StreamWriter], Awaitable[None]]


@attrs.frozen
class Heard:
    """One request as it came in."""

    line: str
    headers: dict[str, str]
    body: bytes


@attrs.define
class Stranger:
    """A server that speaks just enough HTTP; `heard` holds every request that came in whole."""

    port: int = 0
    heard: list[Heard] = attrs.field(factory=list[Heard])
    connections: int = 0

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://127.0.0.1:{self.port}"


async def hear(reader: asyncio.StreamReader) -> Heard | None:
    """The next request of a connection; None when there is none."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    line, *rest = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (part.partition(":") for part in rest)}
    return Heard(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Stranger]:
    """A server that answers every request with what `answer` writes."""
    stranger, running = Stranger(), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stranger.connections += 1
        try:
            while (heard := await hear(reader)) is not None:
                stranger.heard.append(heard)
                await answer(heard, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    stranger.port = server.sockets[0].getsockname()[1]
    try:
        yield stranger
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()


def reply(status: int = 200, body: bytes = b"{}", **headers: str) -> Answer:
    """A plain answer; the connection stays open."""
    return raw(written(status, body, **headers))


def written(status: int, body: bytes, **headers: str) -> bytes:
    """The bytes of an answer; underscores in the names of headers are hyphens."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def raw(data: bytes, *, then: str = "wait") -> Answer:
    """These bytes, then `wait` for more requests, `close`, or `reset` the connection."""

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        if then == "close":
            writer.close()

    return answer


async def silence(heard: Heard, writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.sleep(3600)


async def until(ready: Callable[[], object]) -> None:
    """Wait for what a server will see; the test's own bound is pytest's."""
    while not ready():  # noqa: ASYNC110 - the servers of this file tell nobody
        await asyncio.sleep(0.01)


@attrs.frozen
class Strangers:
    """What the tests of this folder make servers with."""

    serving = staticmethod(serving)
    reply = staticmethod(reply)
    raw = staticmethod(raw)
    written = staticmethod(written)
    silence = staticmethod(silence)
    until = staticmethod(until)


@pytest.fixture
def strangers() -> Strangers:
    """Makes servers."""
    return Strangers()


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port

"""A media host that does what it is told, byte by byte, and clips to serve."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime

import attrs
import pytest
import pytest_asyncio

from omniedit.testing import sample_clip


@attrs.frozen
class Act:
    """How one request is answered; the default is to be an honest host."""

    status: int | None = None
    """Answer with this status and a short text."""
    headers: tuple[tuple[str, str], ...] = ()
    version: int = 0
    """Which of the host's contents, each with an ETag of its own."""
    strong: bool = True
    """Send a strong ETag."""
    ranges: bool = True
    """Understand `Range`."""
    most: int | None = None
    """Bytes of a range that are sent at most."""
    announce: int = 0
    """Bytes that the announced length is off by."""
    chunked: bool = False
    """Announce no length."""
    cut: int | None = None
    """Break the connection after so many bytes of the body."""
    hang: int | None = None
    """Say nothing more after so many bytes of the body."""
    drip: float | None = None
    """Seconds between single bytes."""


@attrs.define
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]


@attrs.define
class Host:
    """A running host."""

    contents: tuple[bytes, ...]
    script: list[Act] = attrs.field(factory=list)
    asked: list[Asked] = attrs.field(factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """A link to the clip."""
        return f"http://127.0.0.1:{self.port}/a.mp4?sig=secret"

    @property
    def ranges(self) -> list[str | None]:
        """The ranges asked for."""
        return [asked.headers.get("range") for asked in self.asked]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, one request."""
        try:
            asked = _read(await reader.readuntil(b"\r\n\r\n"))
            self.asked.append(asked)
            act = self.script.pop(0) if self.script else Act()
            await self._act(act, asked, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _act(self, act: Act, asked: Asked, writer: asyncio.StreamWriter) -> None:
        status, headers, body = self._plan(act, asked)
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
        writer.write(head.encode("latin-1") + b"Connection: close\r\n\r\n")
        if act.drip is not None:
            for byte in body:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(act.drip)
            return
        sent = body[: min(part for part in (act.cut, act.hang, len(body)) if part is not None)]
        writer.write(_chunked(sent, whole=len(sent) == len(body)) if act.chunked else sent)
        await writer.drain()
        if act.hang is not None:
            await asyncio.sleep(60)

    def _plan(self, act: Act, asked: Asked) -> tuple[int, list[tuple[str, str]], bytes]:
        if act.status is not None:
            body = b"<html>no</html>"
            return act.status, [("Content-Length", str(len(body))), *act.headers], body
        content = self.contents[act.version]
        etag = f'"v{act.version}"' if act.strong else f'W/"v{act.version}"'
        headers = [("ETag", etag), ("Content-Type", "video/mp4"), *act.headers]
        status, body = 200, content
        wanted = asked.headers.get("range", "").removeprefix("bytes=")
        if act.ranges and wanted and asked.headers.get("if-range", etag) == etag:
            first, _, last = wanted.partition("-")
            body = content[int(first) : int(last) + 1 if last else None][: act.most]
            end = int(first) + len(body) - 1
            status = 206 if body else 416
            span = f"{first}-{end}" if body else "*"
            headers.append(("Content-Range", f"bytes {span}/{len(content)}"))
        length = ("Transfer-Encoding", "chunked") if act.chunked else ("Content-Length", str(len(body) + act.announce))
        return status, [*headers, length], body


def _read(head: bytes) -> Asked:
    first, *rest = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in rest if line)
    return Asked(first.split()[1], {name.lower(): value for name, _, value in pairs})


def _chunked(body: bytes, *, whole: bool) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body) + (b"0\r\n\r\n" if whole else b"") if body else b""


Serve = Callable[..., Awaitable[Host]]


async def start(contents: Sequence[bytes], *script: Act) -> tuple[Host, asyncio.Server]:
    """Begin to serve these contents on loopback."""
    host = Host(tuple(contents), list(script))
    server = await asyncio.start_server(host.answer, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    return host, server


async def stop(server: asyncio.Server) -> None:
    """Stop it, and whoever is still being answered."""
    server.close()
    others = [task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") == "Host.answer"]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """What starts hosts: give it the contents, then how the first requests are answered."""
    servers: list[asyncio.Server] = []

    async def begin(contents: Sequence[bytes], *script: Act) -> Host:
        host, server = await start(contents, *script)
        servers.append(server)
        return host

    yield begin
    for server in servers:
        await stop(server)


def box(kind: bytes, *payload: bytes) -> bytes:
    """One box of an mp4."""
    data = b"".join(payload)
    return struct.pack(">I4s", len(data) + 8, kind) + data


def tiny_clip(filling: bytes) -> bytes:
    """The smallest file that passes for a clip: a moov with a video track, and an mdat."""
    head = box(b"mvhd", bytes(12), struct.pack(">II", 1000, 2000), bytes(8))
    media = box(b"mdhd", bytes(12), struct.pack(">II", 1000, 2000)) + box(b"hdlr", bytes(8), b"vide")
    track = box(b"trak", box(b"tkhd", bytes(84)), box(b"mdia", media))
    return box(b"ftyp", b"isom") + box(b"moov", head, track) + box(b"mdat", filling)


class Instant:
    """A clock whose waits are over at once; how long they were to be is kept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    def utcnow(self) -> datetime:
        """Now."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Do not wait."""
        self.slept.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture(scope="session")
def real_clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two seconds of moving pictures with sound."""
    return sample_clip(tmp_path_factory.mktemp("clips") / "a.mp4", 2.0, size=(160, 90)).read_bytes()

"""The door: the only place that holds the API key and speaks HTTP with the service's own origins.

It sends what `api.wire` builds and hands back whole replies. It never repeats a request, never follows a redirect
(the key would go with it), and never waits for the gate: callers pass it first, so that waiting there does not count
against an HTTP timeout.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import attrs

from omniedit import codecs
from omniedit.api import wire
from omniedit.api.bounds import within
from omniedit.core.arguments import read_seconds
from omniedit.errors import ConfigurationError, HostingFailed, ServiceError, TransportFailed, doorway
from omniedit.models import Intent, Reply

if TYPE_CHECKING:
    from types import TracebackType

    from omniedit.models import Hosted

__all__ = ["Departure", "Door", "Timeouts"]

T = TypeVar("T")

_LARGEST_REPLY = 4 << 20  # bytes: fifty tasks are about 100 KB; what is longer is cut, and then cannot be read
_SUCCESS = range(200, 300)
_CONNECTIONS = 64  # more than the engine has workers, so that nobody waits for one inside an HTTP timeout
_IDLE = 30.0  # seconds a connection for looks is kept
# A paid request must not meet a connection that the server is just closing: its outcome would be unknown. Servers keep
# idle connections for five seconds and more, so one that was idle for less than a second is safe to use again.
_IDLE_TO_PAY = 1.0
_SHORTEST_SECRET = 12  # characters: a shorter key is a word of a test, which answers may hold in any other sense
_NOT_SENT_UPLOAD = "nothing was submitted; host the clip elsewhere and pass its URL"


@attrs.frozen
class Timeouts:
    """Bounds on waiting for the service, in seconds. Waiting at the gate is not part of those on one request.

    Raises:
        ConfigurationError: one is no time.
    """

    connect: float = 15.0
    submit: float = 90.0
    """From the first byte sent up to the whole answer. Too short a bound makes uncertain what would have been paid."""
    read: float = 30.0
    stall: float = 60.0
    """An upload may stand still for this long, and its whole answer may take this long after the last byte."""
    retry_after: float = 3600.0
    """The longest `Retry-After` that is believed. Where clients of one key differ, the longest of all holds."""

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(Timeouts):
            value = read_seconds(f"timeouts.{field.name}", getattr(self, field.name))
            object.__setattr__(self, field.name, value)  # the value is frozen from here on


@attrs.define(eq=False, repr=False)
class Departure:
    """What is known of a paid request that got no answer."""

    left: bool = False
    """Whether any byte of it may have left this machine."""


class Door:
    """A session with the service.

    Args:
        api_key: sent as a bearer token to `base_url` and `files_url`, nowhere else; in no repr, log or error.
        base_url: the API's origin.
        files_url: the file API's origin.
        timeouts: bounds on one request.
        user_agent: how we introduce ourselves.
        ssl_context: for a service behind a private authority.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = wire.API_URL,
        files_url: str = wire.FILES_URL,
        timeouts: Timeouts | None = None,
        user_agent: str = "omniedit",
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._headers = {"Authorization": _bearer(api_key), "Accept": "application/json"}
        self.base_url = wire.normalize_origin(base_url, name="base_url")
        self.files_url = wire.normalize_origin(files_url, name="files_url")
        self.key_fingerprint = hashlib.sha256(api_key.encode()).hexdigest()[:16]
        self._secret = api_key if len(api_key) >= _SHORTEST_SECRET else ""
        self._timeouts = _kind("timeouts", timeouts, Timeouts) or Timeouts()
        self._to_connect = aiohttp.ClientTimeout(total=None, connect=self._timeouts.connect)
        self._to_read = aiohttp.ClientTimeout(
            total=self._timeouts.read + self._timeouts.connect, connect=self._timeouts.connect
        )
        self._user_agent = user_agent
        self._ssl = _kind("ssl_context", ssl_context, ssl.SSLContext)
        self._session: aiohttp.ClientSession | None = None
        self._paying: aiohttp.ClientSession | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Door {self.base_url} {'closed' if self._closed else 'open'}>"

    @property
    def local(self) -> bool:
        """Whether the service is on this machine, as the sandbox is."""
        return wire.is_loopback(self.base_url)

    @property
    def longest_submit(self) -> float:
        """Seconds after which a paid request has an answer, or none that anybody would read."""
        return self._timeouts.connect + self._timeouts.submit

    @property
    def longest_pause(self) -> float:
        """Seconds of a `Retry-After` that are believed."""
        return self._timeouts.retry_after

    async def submit(self, intent: Intent, departure: Departure | None = None) -> Reply:
        """Send the paid request once.

        Args:
            intent: the request.
            departure: filled in on the way, for whoever cancels the call: shield it, else its outcome is unknown.

        Raises:
            TransportFailed: no answer; its `sent` tells whether the request may have left.
        """
        departure = departure or Departure()
        request = wire.submission(intent)
        try:
            with doorway("submitting the edit", idempotency_key=intent.nonce):
                async with within(self.longest_submit):
                    return await self._send(self._opened_to_pay(), request, self._to_connect, departure)
        except TransportFailed as error:
            error.sent = error.sent and departure.left
            raise

    async def ask(self, request: wire.Request) -> Reply:
        """Send a request that costs nothing and may be repeated.

        Raises:
            TransportFailed: no answer.
        """
        with doorway(f"{request.method} {request.path.partition('?')[0]}"):
            return await self._send(self._opened(), request, self._to_read)

    async def upload(self, path: Path, on_progress: Callable[[int, int], None] | None = None) -> Hosted:
        """Put a local file into the service's file storage, streamed from disk.

        Args:
            path: the file.
            on_progress: called with bytes sent and bytes in all, on the event loop.

        Raises:
            HostingFailed: refused; nothing was submitted.
            TransportFailed: no answer; nothing was submitted.
        """
        name = _plain(path.name)
        with doorway(f"uploading {name}"):
            async with within(self._timeouts.connect + self._timeouts.stall) as moved:
                with _Counted(path, moved, on_progress) as file:
                    reply = await self._send_file(file, name)
        return _read_upload(reply, name)

    async def _send_file(self, file: _Counted, name: str) -> Reply:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("file", file, filename=name, content_type="video/mp4")
        form.add_field("file_name", name)
        async with self._opened().post(
            self.files_url + wire.UPLOAD_PATH,
            data=form,
            headers=self._headers,
            timeout=self._to_connect,
            allow_redirects=False,
        ) as response:
            return await self._heard(response)

    async def close(self) -> None:
        """Close all connections; a second call does nothing."""
        self._closed = True
        for session in (self._session, self._paying):
            if session is not None:
                await session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(
        self,
        session: aiohttp.ClientSession,
        request: wire.Request,
        bounds: aiohttp.ClientTimeout,
        departure: Departure | None = None,
    ) -> Reply:
        async with session.request(
            request.method,
            self.base_url + request.path,
            data=request.body,
            headers={**request.headers, **self._headers} if request.headers else self._headers,
            timeout=bounds,
            allow_redirects=False,
            trace_request_ctx=departure,
        ) as response:
            return await self._heard(response)

    async def _heard(self, response: aiohttp.ClientResponse) -> Reply:
        """The whole answer. It may quote what was sent, and its words are shown and kept: never the key.

        The body of a success stays as it came, since links may hold anything; `wire` quietens its words.
        """
        body = await _whole(response)
        if self._secret and response.status not in _SUCCESS:
            body = body.replace(self._secret.encode(), b"(key)")
        return Reply(response.status, response.headers, body, self._secret)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = self._made(_IDLE, [])
        return self._session

    def _opened_to_pay(self) -> aiohttp.ClientSession:
        if self._paying is None:
            self._paying = self._made(_IDLE_TO_PAY, [_departures()])
        return self._paying

    def _made(self, idle: float, traces: list[aiohttp.TraceConfig]) -> aiohttp.ClientSession:
        if self._closed:
            raise ConfigurationError("the client is closed", mend="use it inside `async with Client() as client:`")
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=self._ssl or True, keepalive_timeout=idle),
            headers={"User-Agent": self._user_agent},
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=None if self.local else _proxy_of(self.base_url),
            trace_configs=traces,
        )


def _kind(name: str, value: T | None, kind: type[T]) -> T | None:
    if value is not None and not isinstance(value, kind):
        raise ConfigurationError(
            f"{name} must be a {kind.__name__}, not {type(value).__name__}",
            mend=f"give a {kind.__name__}, or leave it out",
        )
    return value


def _departures() -> aiohttp.TraceConfig:
    """Notes that the first byte of a request is about to be written; waiting for a connection comes before it."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_note_departure)
    return trace


async def _note_departure(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    departure = context.trace_request_ctx
    if isinstance(departure, Departure):
        departure.left = True


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment names, read once: aiohttp's own reading would repeat it for each request."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return None if proxy_bypass(host) else getproxies().get(parts.scheme)


def _bearer(api_key: str) -> str:
    if not api_key or api_key.strip() != api_key or not api_key.isascii() or not api_key.isprintable():
        raise ConfigurationError(
            "the API key is empty or holds characters that no key has",
            mend="set EVOLINK_API_KEY to the key alone, without spaces, quotes or a newline",
        )
    return f"Bearer {api_key}"


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The whole answer, or as much of it as any answer of the service can have."""
    content = response.content
    body = await content.read(_LARGEST_REPLY)
    while not content.at_eof() and len(body) < _LARGEST_REPLY:
        body += await content.read(_LARGEST_REPLY - len(body))
    return body


class _Counted(io.BufferedReader):
    """A file that tells how far it has been read; aiohttp reads it in a thread, with its length known.

    It is read as fast as the network takes it: a piece that is asked for says that the one before has left.
    """

    def __init__(self, path: Path, on_read: Callable[[], None], on_progress: Callable[[int, int], None] | None) -> None:
        super().__init__(io.FileIO(path, "rb"))
        self._size = os.fstat(self.fileno()).st_size
        self._on_read = on_read
        self._tell = on_progress
        self._loop = asyncio.get_running_loop()

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(size)
        self._loop.call_soon_threadsafe(self._on_read)
        if self._tell is not None:
            self._loop.call_soon_threadsafe(self._tell, self.tell(), self._size)
        return chunk


def _plain(name: str) -> str:
    """A file name that fits into a header line."""
    return "".join(char if char.isascii() and char.isprintable() and char not in '"\\' else "_" for char in name)


def _read_upload(reply: Reply, name: str) -> Hosted:
    try:
        if reply.status != 200:
            raise wire.refusal(reply, f"uploading {name}")
        return codecs.decode_upload(reply.body)
    except ServiceError as error:
        if error.status in {401, 402, 403, 429} or error.status >= 500:
            raise
        words = wire.quiet(reply, error.message)
        cause = error if words == error.message else None  # which a traceback would show
        raise HostingFailed(f"{name}: {words}", code=error.code, mend=_NOT_SENT_UPLOAD) from cause

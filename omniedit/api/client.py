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
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import attrs

from omniedit import codecs
from omniedit.api import wire
from omniedit.errors import ConfigurationError, HostingFailed, ServiceError, UnexpectedReply, doorway
from omniedit.models import Hosted, Intent, Reply

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Door", "Timeouts"]

_LARGEST_REPLY = 4 << 20  # bytes: fifty tasks are about 100 KB
_CONNECTIONS = 64  # more than the engine has workers, so that nobody waits for one inside an HTTP timeout
_IDLE = 30.0  # seconds a connection for looks is kept
# A paid request must not meet a connection that the server is just closing: its outcome would be unknown. Servers keep
# idle connections for five seconds and more, so one that was idle for less than a second is safe to use again.
_IDLE_TO_PAY = 1.0
_NOT_SENT_UPLOAD = "nothing was submitted; host the clip elsewhere and pass its URL"


@attrs.frozen
class Timeouts:
    """Bounds on one request, in seconds. Waiting at the gate is not part of them."""

    connect: float = 15.0
    submit: float = 90.0
    """From the first byte sent up to the whole answer. Too short a bound makes uncertain what would have been paid."""
    read: float = 30.0
    stall: float = 60.0
    """The answer to an upload may take this long after the last byte."""


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
        self._authorization = _bearer(api_key)
        self.base_url = wire.normalize_origin(base_url, name="base_url")
        self.files_url = wire.normalize_origin(files_url, name="files_url")
        self.key_fingerprint = hashlib.sha256(api_key.encode()).hexdigest()[:16]
        self._timeouts = timeouts or Timeouts()
        self._user_agent = user_agent
        self._ssl = ssl_context
        self._session: aiohttp.ClientSession | None = None
        self._paying: aiohttp.ClientSession | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Door {self.base_url} {'closed' if self._closed else 'open'}>"

    @property
    def local(self) -> bool:
        """Whether the service is on this machine, as the sandbox is."""
        return wire.is_loopback(self.base_url)

    async def submit(self, intent: Intent) -> Reply:
        """Send the paid request once. Cancelling it leaves the outcome unknown: shield it.

        Raises:
            TransportFailed: no answer; its `sent` tells whether the request may have left.
        """
        with doorway("submitting the edit", idempotency_key=intent.nonce):
            return await self._send(self._opened_to_pay(), wire.submission(intent), self._timeouts.submit)

    async def ask(self, request: wire.Request) -> Reply:
        """Send a request that costs nothing and may be repeated.

        Raises:
            TransportFailed: no answer.
        """
        with doorway(f"{request.method} {request.path.partition('?')[0]}"):
            return await self._send(self._opened(), request, self._timeouts.read)

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
        bounds = aiohttp.ClientTimeout(total=None, connect=self._timeouts.connect, sock_read=self._timeouts.stall)
        with doorway(f"uploading {name}"), _Counted(path, on_progress) as file:
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("file", file, filename=name, content_type="video/mp4")
            form.add_field("file_name", name)
            async with self._opened().post(
                self.files_url + wire.UPLOAD_PATH,
                data=form,
                headers=self._headers(),
                timeout=bounds,
                allow_redirects=False,
            ) as response:
                reply = await _whole(response)
        return _read_upload(reply, name)

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

    async def _send(self, session: aiohttp.ClientSession, request: wire.Request, seconds: float) -> Reply:
        bounds = aiohttp.ClientTimeout(total=None, connect=self._timeouts.connect, sock_read=seconds)
        async with (
            asyncio.timeout(seconds + self._timeouts.connect),
            session.request(
                request.method,
                self.base_url + request.path,
                data=request.body,
                headers={**request.headers, **self._headers()},
                timeout=bounds,
                allow_redirects=False,
            ) as response,
        ):
            return await _whole(response)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": self._authorization, "Accept": "application/json"}

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = self._made(_IDLE)
        return self._session

    def _opened_to_pay(self) -> aiohttp.ClientSession:
        if self._paying is None:
            self._paying = self._made(_IDLE_TO_PAY)
        return self._paying

    def _made(self, idle: float) -> aiohttp.ClientSession:
        if self._closed:
            raise ConfigurationError("the client is closed", mend="use it inside `async with Client() as client:`")
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=self._ssl or True, keepalive_timeout=idle),
            headers={"User-Agent": self._user_agent},
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=None if self.local else _proxy_of(self.base_url),
        )


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


async def _whole(response: aiohttp.ClientResponse) -> Reply:
    body = await response.content.read(_LARGEST_REPLY)
    while not response.content.at_eof():
        more = await response.content.read(_LARGEST_REPLY)
        body += more
        if len(body) > _LARGEST_REPLY:
            raise UnexpectedReply(f"a reply of more than {_LARGEST_REPLY} bytes", status=response.status)
    return Reply(response.status, {name.lower(): value for name, value in response.headers.items()}, body)


class _Counted(io.BufferedReader):
    """A file that tells how far it has been read; aiohttp reads it in a thread, with its length known."""

    def __init__(self, path: Path, on_progress: Callable[[int, int], None] | None) -> None:
        super().__init__(io.FileIO(path, "rb"))
        self._size = os.fstat(self.fileno()).st_size
        self._tell = on_progress
        self._loop = asyncio.get_running_loop()

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(size)
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
        if error.status in {401, 402, 403}:
            raise
        raise HostingFailed(f"{name}: {error.message}", code=error.code, mend=_NOT_SENT_UPLOAD) from error

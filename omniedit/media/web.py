"""The way to media hosts: GET without a key, with redirects and addresses judged at every hop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from omniedit.core.transfer import Failure, follow, refuse_url, stalled
from omniedit.errors import TransportFailed
from omniedit.media.limits import HostSlots
from omniedit.media.resolver import GuardedResolver, UnsafeAddressError

__all__ = ["FetchError", "MediaWeb"]

_CONNECT_TIMEOUT = 15.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Bytes that aiohttp holds for one stream before it stops reading from the socket (it stops at twice this).
_STREAM_BUFFER = 256 * 1024


class FetchError(TransportFailed):
    """A GET that brought no answer worth reading. Downloads and probes turn it into what it means for them."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, code=failure.code)
        self.failure = failure


class MediaWeb:
    """A session of its own for media hosts: no key, no cookies, no decompression, no environment proxies.

    Args:
        allow_private: loopback and private addresses are fine, because the service itself is on one, or because the
            addresses are the user's own. Metadata and link-local addresses never are.
        stall_timeout: seconds without any byte after which a host counts as dead.
        per_host: most requests to one host at a time; None for no limit.
        tls: certificates to trust instead of the system's.
        resolver: looks names up, instead of the system; its answers are judged all the same.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        stall_timeout: float = 30.0,
        per_host: int | None = None,
        tls: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._guard = GuardedResolver(allow_private=allow_private, resolver=resolver)
        self._allow_private = allow_private
        self._stall_timeout = stall_timeout
        self._slots = HostSlots(per_host)
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; a second call does nothing."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await self._guard.close()

    @asynccontextmanager
    async def get(self, url: str, headers: Mapping[str, str]) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """The answer to a GET, after at most five redirects; its body is not read yet.

        Raises:
            FetchError: the host cannot be reached, stalls, or leads to a place that is not followed. Also raised for
                what breaks while the body is read inside the context.
        """
        hops = 0
        while True:
            if (failure := refuse_url(url, allow_private=self._allow_private)) is not None:
                raise FetchError(failure)
            async with self._open(url, headers) as reply:
                if reply.status not in _REDIRECTS:
                    yield reply
                    return
                target = follow(url, reply.headers.get("Location"), hops)
            if isinstance(target, Failure):
                raise FetchError(target)
            url, hops = target, hops + 1

    @asynccontextmanager
    async def _open(self, url: str, headers: Mapping[str, str]) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        try:
            # A presigned URL is taken as it is: quoting it again would break its signature.
            address = URL(url.partition("#")[0], encoded=url.isascii())
            async with self._slots.hold(address.host or ""):
                reply = await self._ask(address, headers)
                try:
                    yield reply
                finally:
                    reply.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise FetchError(self._failure(error)) from None

    async def _ask(self, address: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        async with asyncio.timeout(_CONNECT_TIMEOUT + self._stall_timeout):
            return await self._ready().get(address, headers=headers, allow_redirects=False)

    def _ready(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=self._stall_timeout)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    resolver=self._guard,
                    ssl=self._tls if self._tls is not None else True,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": _user_agent(), "Accept": "*/*"},
                auto_decompress=False,
                timeout=timeout,
                read_bufsize=_STREAM_BUFFER,
            )
        return self._session

    def _failure(self, error: Exception) -> Failure:
        match error:
            case aiohttp.ClientConnectorDNSError() if isinstance(error.os_error, UnsafeAddressError):
                return Failure("unsafe_address", str(error.os_error), final=True)
            case aiohttp.ClientConnectorDNSError():
                return Failure("name_lookup_failed", f"the name {error.host} cannot be looked up")
            case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
                return Failure("tls_failed", "the media host's certificate or TLS cannot be trusted")
            case aiohttp.ClientConnectorError():
                return Failure("connect_failed", f"no connection to {error.host}: {error.os_error.strerror}")
            case aiohttp.InvalidURL():
                return Failure("invalid_url", "the link is no URL that can be fetched", final=True)
            case aiohttp.ClientPayloadError():
                return Failure("cut", "the connection broke before the announced end")
            case TimeoutError():
                return stalled(self._stall_timeout)
            case _:
                return Failure("connection_lost", f"the connection broke ({type(error).__name__})")


@cache
def _user_agent() -> str:
    """Say who asks: some media hosts refuse the default names of HTTP libraries."""
    try:
        return f"omniedit/{version('omniedit')}"
    except PackageNotFoundError:
        return "omniedit"

"""The way to media hosts: GET without a key, with redirects and addresses judged at every hop."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from types import TracebackType
from typing import Self, TypeVar

import aiohappyeyeballs
from aiohttp.abc import AbstractResolver
from yarl import URL

from omniedit.core.addresses import forbidden
from omniedit.core.transfer import Failure, follow, refuse_url
from omniedit.media.idle import IdleLines
from omniedit.media.limits import HostSlots
from omniedit.media.line import Ask, FetchError, Line, Moved, Reply, Stale
from omniedit.media.resolver import GuardedResolver, UnsafeAddressError

__all__ = ["FetchError", "MediaWeb", "Reply"]

_T = TypeVar("_T")
_CONNECT_TIMEOUT = 15.0
_NO_URL_CHARACTER = re.compile(r"[\x00-\x20\x7f]")
# Seconds after which the next address of a host is tried beside the last one (RFC 8305, 5).
_NEXT_ADDRESS = 0.25


class MediaWeb:
    """Connections of their own for media hosts: no key, no cookies, no decompression, no environment proxies.

    Args:
        allow_private: loopback and private addresses are fine, because the service itself is on one, or because the
            addresses are the user's own. Metadata and link-local addresses never are.
        at_once: answers that are read at a time, each in a thread of its own; more wait for a free one.
        stall_timeout: seconds without any byte, or with less than 4 KiB, after which a host counts as dead.
        per_host: most requests to one host at a time; None for no limit.
        tls: certificates to trust instead of the system's.
        resolver: looks names up, instead of the system; its answers are judged all the same.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        at_once: int = 64,
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
        self._idle = IdleLines()
        self._busy: set[Line] = set()
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="omniedit-media")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Break off all connections; a second call does nothing."""
        self._idle.close()
        for line in self._busy:
            line.stop()
        await self._guard.close()
        await asyncio.to_thread(self._threads.shutdown)

    async def get(self, url: str, headers: Mapping[str, str], take: Callable[[Reply], _T]) -> _T:
        """Send a GET, follow at most five redirects, and give the answer to `take`, which reads its body.

        `take` runs in a thread and may block. When the waiting is cancelled its connection is broken at once, and it
        has ended when this method raises.

        Raises:
            FetchError: the host cannot be reached, stalls, or leads to a place that is not followed. Also raised for
                what breaks while the body is read.
        """
        hops = 0
        while True:
            if (failure := refuse_url(url, allow_private=self._allow_private)) is not None:
                raise FetchError(failure)
            # A presigned URL is taken as it is: quoting it again would break its signature.
            address = _parsed(url)
            async with self._slots.hold(address.host or ""):
                taken = await self._ask(address, headers, take)
            if not isinstance(taken, Moved):
                return taken
            target = follow(url, taken.location, hops)
            if isinstance(target, Failure):
                raise FetchError(target)
            url, hops = target, hops + 1

    async def _ask(self, address: URL, headers: Mapping[str, str], take: Callable[[Reply], _T]) -> _T | Moved:
        ask = Ask(str(address), address.raw_path_qs, {**_fields(address), **headers})
        while True:
            line = self._idle.take(address.origin()) or await self._connect(address)
            taken = await self._use(line, address, partial(line.get, ask, take))
            if not isinstance(taken, Stale):
                return taken

    async def _use(self, line: Line, address: URL, call: Callable[[], _T]) -> _T:
        """Give a line to a thread, and keep it for the next one if it can be used again."""
        self._busy.add(line)
        try:
            return await self._run(line, call)
        finally:
            self._busy.remove(line)
            if line.reusable:
                self._idle.put(address.origin(), line)
            else:
                line.close()

    async def _run(self, line: Line, call: Callable[[], _T]) -> _T:
        job = self._threads.submit(call)
        running = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            line.stop()
            if not job.cancel():
                await _ended(running)
            raise

    async def _connect(self, address: URL) -> Line:
        host, port = address.raw_host or "", address.port or 0
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                found = await self._addresses(host, port)
                sock = await aiohappyeyeballs.start_connection(  # pyright: ignore[reportUnknownMemberType]
                    found, happy_eyeballs_delay=_NEXT_ADDRESS
                )
        except (TimeoutError, OSError) as error:
            raise FetchError(_no_connection(host, error)) from None
        return Line(
            sock, host, tls=self._context() if address.scheme == "https" else None, patience=self._stall_timeout
        )

    async def _addresses(self, host: str, port: int) -> list[_AddrInfo]:
        literal = _literal(host, port)
        if literal is not None:
            # Judged with the URL as it is written; but an address may only come of a host when that is mapped (UTS 46).
            if forbidden((host,), allow_private=self._allow_private) is not None:
                raise UnsafeAddressError(f"the link leads to {host}, which is no public address")
            return [literal]
        answers = await self._guard.resolve(host, port, socket.AF_UNSPEC)
        found = [one for answer in answers if (one := _literal(answer["host"], port)) is not None]
        if not found:
            raise socket.gaierror
        return found

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = default_tls()
        return self._tls


def default_tls() -> ssl.SSLContext:
    """What media hosts are trusted by if nothing else is given: the system's authorities.

    A connection that ends without TLS's own goodbye has failed. Python before 3.11.4 tells OpenSSL 3 to overlook it
    (its option ``OP_IGNORE_UNEXPECTED_EOF``, which older versions of OpenSSL do not know).
    """
    tls = ssl.create_default_context()
    tls.set_alpn_protocols(["http/1.1"])
    tls.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", ssl.Options(0))
    return tls


_AddrInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]


def _literal(host: str, port: int) -> _AddrInfo | None:
    """An address to connect to, if a host is one."""
    try:
        version_ = ip_address(host).version
    except ValueError:
        return None
    if version_ == 4:
        return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))
    return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0))


async def _ended(running: asyncio.Future[_T]) -> None:
    """Wait for a thread whose connection is broken, however often the waiting itself is cancelled."""
    while not running.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([running])
    if not running.cancelled():
        running.exception()  # looked at: nobody else will


def _parsed(url: str) -> URL:
    bare = url.partition("#")[0].strip()
    if (
        bare.isascii()
    ):  # no request line can hold a space; hosts that name files by their titles write them all the same
        bare = _NO_URL_CHARACTER.sub(lambda found: f"%{ord(found[0]):02X}", bare)
    try:
        return URL(bare, encoded=bare.isascii())
    except ValueError:
        raise FetchError(Failure("invalid_url", "the link is no URL that can be fetched", final=True)) from None


def _fields(address: URL) -> dict[str, str]:
    host = address.raw_host or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if address.is_default_port() else f":{address.port}"
    return {"Host": f"{host}{port}", "User-Agent": _user_agent(), "Accept": "*/*"}


def _no_connection(host: str, error: OSError) -> Failure:
    match error:
        case UnsafeAddressError():
            return Failure("unsafe_address", str(error), final=True)
        case socket.gaierror():
            return Failure("name_lookup_failed", f"the name {host} cannot be looked up")
        case TimeoutError():
            return Failure("connect_failed", f"no connection to {host} within {_CONNECT_TIMEOUT:g} s")
        case _:
            return Failure("connect_failed", f"no connection to {host}: {error.strerror or type(error).__name__}")


@cache
def _user_agent() -> str:
    """Say who asks: some media hosts refuse the default names of HTTP libraries."""
    try:
        return f"omniedit/{version('omniedit')}"
    except PackageNotFoundError:
        return "omniedit"

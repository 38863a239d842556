"""One connection to a media host: a GET goes out, its answer comes in. Blocking; used by one thread at a time.

A result is received, hashed and written by the thread that reads its socket: handing every piece through the event
loop to another thread costs more than the work itself. HTTP is read by the standard library's client; what stands
here is what it lacks: a host that drips is noticed, and one that sends for ever without sending a body; bytes that came
before a connection broke are not lost with it, and another thread can stop the line at any moment.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import TYPE_CHECKING, TypeVar, cast

import attrs

from omniedit.core.transfer import Failure, stalled
from omniedit.errors import TransportFailed

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Ask", "FetchError", "Line", "Moved", "Reply", "Stale"]

_T = TypeVar("_T")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# A host that sends less than this within the patience is as good as dead: a drop now and then keeps no slot busy.
_LEAST_PROGRESS = 4096
# Bytes of lines that may come without a body between them: interim answers, heads, sizes of chunks, trailers.
_MOST_LINES = 256 * 1024
# Bytes of lines that a byte of the body makes good: it may be a chunk of its own, and the line of its size takes three.
_LINES_PER_BYTE = 4
# Bytes of the read buffer in front of a body; larger reads go past it, straight into the caller's memory.
_HEAD_BUFFER = 16 * 1024


class FetchError(TransportFailed):
    """A GET that brought no answer worth reading. Downloads and probes turn it into what it means for them."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, code=failure.code)
        self.failure = failure


@attrs.frozen
class Ask:
    """One GET: where, as which host, with which headers. No key is ever among them."""

    url: str
    target: str
    """Path and query, quoted."""
    headers: Mapping[str, str]
    """With `Host`."""


@attrs.frozen
class Stale:
    """The host closed an idle connection before this request reached it: ask again on a new one."""


@attrs.frozen
class Moved:
    """A redirect; where to is for others to judge."""

    location: str | None


class Line:
    """A connection that is open, with TLS on it where that is wanted.

    Args:
        sock: connected.
        host: whom the certificate must name.
        tls: None for plain http.
        patience: seconds without any byte, or with next to none, after which the host counts as dead.
    """

    def __init__(self, sock: socket.socket, host: str, *, tls: ssl.SSLContext | None, patience: float) -> None:
        self._sock = sock
        self._host, self._tls, self._patience = host, tls, patience
        self._served = 0
        self._reusable = False
        self._stopped = threading.Event()
        sock.settimeout(patience)

    def get(self, ask: Ask, take: Callable[[Reply], _T]) -> _T | Moved | Stale:
        """Send a GET and give its answer to `take`, unless it is a redirect or the connection had died unnoticed.

        Raises:
            FetchError: there is no answer worth reading.
        """
        self._reusable = False
        intake = _Intake(self._sock, self._patience)
        try:
            self._encrypt()
            response = _begin(_Wire(self._sock, intake), ask)
        except (OSError, HTTPException, ValueError) as error:
            failure = intake.broken or _failure(error, self._patience)
            if self._served and failure.code != "stalled" and not self._stopped.is_set():
                return Stale()
            raise FetchError(failure) from None
        with closing(response):
            reply = Reply(ask.url, response, intake, self._stopped)
            taken = Moved(_as_sent(reply.headers.get("location"))) if reply.status in _REDIRECTS else take(reply)
            self._served += 1
            self._reusable = response.isclosed() and not response.will_close and intake.broken is None
            return taken

    def _encrypt(self) -> None:
        if self._tls is not None and not isinstance(self._sock, ssl.SSLSocket):
            # A connection that ends without TLS's own goodbye may have been cut by anybody: that is no end.
            encrypted = self._tls.wrap_socket(
                self._sock, server_hostname=self._host, suppress_ragged_eofs=False, do_handshake_on_connect=False
            )
            self._sock = encrypted  # before the handshake, so that it can be stopped
            if self._stopped.is_set():
                raise ConnectionAbortedError
            encrypted.do_handshake()

    @property
    def reusable(self) -> bool:
        """Whether the last answer was read to its end and the host keeps the connection open."""
        return self._reusable and not self._stopped.is_set()

    def stop(self) -> None:
        """End what another thread does with this line, at once; it finds the connection broken."""
        self._stopped.set()
        with suppress(OSError):  # it may be broken already
            # Not that of a TLS socket, which would take the encryption away under the reader's feet.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; nobody may be using it. A second call does nothing."""
        self._sock.close()


class Reply:
    """The answer to a GET whose body is not read yet."""

    def __init__(self, url: str, response: HTTPResponse, intake: _Intake, stopped: threading.Event) -> None:
        self.url = url
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        """With lower-case names."""
        self._response, self._intake, self._stopped = response, intake, stopped

    def fill(self, block: memoryview) -> int:
        """Fill a block; fewer bytes at the end of the body and where it broke, and 0 after the end.

        Raises:
            FetchError: it broke, and all that came before was given.
        """
        self._complain()
        self._intake.rest()
        before = self._intake.body
        try:
            count = self._response.readinto(block)
            cut = count < len(block) and bool(self._response.length)
        except (HTTPException, ValueError):  # between the chunks of a body, or within one: what came is in the block
            count, cut = self._intake.body - before, True
        if cut and self._intake.broken is None:
            self._intake.broken = Failure("cut", "the connection broke before the announced end")
        if not count:
            self._complain()
        return count

    def read(self, count: int) -> bytes:
        """So many bytes; fewer at the end.

        Raises:
            FetchError: it broke.
        """
        block = bytearray(count)
        return bytes(block[: self.fill(memoryview(block))])

    def wait(self, seconds: float) -> None:
        """Let time pass, as a rate wants it.

        Raises:
            FetchError: the line was stopped meanwhile.
        """
        if self._stopped.wait(seconds):
            raise FetchError(Failure("connection_lost", "the download was stopped"))

    def _complain(self) -> None:
        if self._intake.broken is not None:
            raise FetchError(self._intake.broken)


class _Intake(io.RawIOBase):
    """The bytes of one answer. Where they break off it keeps the reason and says that they end: nothing is lost."""

    def __init__(self, sock: socket.socket, patience: float) -> None:
        self.sock, self.patience = sock, patience
        self.broken: Failure | None = None
        self.body = 0
        """Bytes of the body that were read."""
        self.rest()

    def rest(self) -> None:
        """Begin to watch the pace anew: what was before was our own time."""
        self._began, self._bytes = time.monotonic(), 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Wait for bytes."""
        if self.broken is not None:
            return 0
        try:
            count = self.sock.recv_into(buffer)
        except OSError as error:
            self.broken = _failure(error, self.patience)
            return 0
        self._bytes += count
        if self._bytes >= _LEAST_PROGRESS:
            self.rest()
        elif time.monotonic() - self._began > self.patience:
            self.broken = stalled(self.patience)
        return count


class _Reader(io.BufferedReader):
    """What reads the bytes of one answer, in lines around its body. Too many lines break it off."""

    def __init__(self, intake: _Intake) -> None:
        super().__init__(intake, _HEAD_BUFFER)
        self._intake, self._left = intake, _MOST_LINES

    def readline(self, size: int | None = -1, /) -> bytes:
        """A line around the body."""
        line = super().readline(size)
        self._left -= len(line)
        if self._left < 0 and self._intake.broken is None:
            self._intake.broken = Failure("endless", "the media host sends on and on, and next to nothing of the clip")
        return line

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """A piece of the body."""
        count = super().readinto(buffer)
        self._intake.body += count
        self._left = min(self._left + _LINES_PER_BYTE * count, _MOST_LINES)
        return count


class _Answer(HTTPResponse):
    """An answer behind all interim ones; the standard library passes over 100 alone (RFC 9110, section 15.2)."""

    def _read_status(self) -> tuple[str, int, str]:
        # Typed here: to type checkers the method is private.
        read = cast("Callable[[], tuple[str, int, str]]", getattr(super(), "_read_status"))  # noqa: B009
        version, status, reason = read()
        return version, 100 if 101 < status < 200 else status, reason


class _Wire:
    """What the standard library's client takes for its socket."""

    def __init__(self, sock: socket.socket, intake: _Intake) -> None:
        self._intake = intake
        intake.sock = sock
        self.sendall = sock.sendall

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The side that is read."""
        return _Reader(self._intake)

    def close(self) -> None:
        """Do nothing: the connection is closed by whoever holds the line."""


def _begin(wire: _Wire, ask: Ask) -> HTTPResponse:
    """Send the request and read the head of its answer."""
    connection = HTTPConnection("", 80)
    connection.sock = wire
    connection.response_class = _Answer
    connection.putrequest("GET", ask.target, skip_host=True, skip_accept_encoding=True)
    for name, value in ask.headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    if not _is_clear(response.headers):
        response.close()
        raise HTTPException
    return response


def _is_clear(headers: Message) -> bool:
    """Whether a head is well formed, and tells one length at most: else nobody knows where the body ends.

    RFC 9112, section 6.3.
    """
    lengths = set(headers.get_all("content-length", []))
    return not headers.defects and len(lengths) <= 1 and all(one.isascii() and one.isdigit() for one in lengths)


def _as_sent(header: str | None) -> str | None:
    """A header in the UTF-8 that hosts write it in; the standard library takes every byte for a character."""
    try:
        return header and header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header


def _failure(error: Exception, patience: float) -> Failure:
    match error:
        case TimeoutError():
            return stalled(patience)
        # The second is what Python before 3.11.4 makes of it.
        case ssl.SSLEOFError() | ssl.SSLError(reason="UNEXPECTED_EOF_WHILE_READING"):
            return Failure("connection_lost", "the connection broke")
        case ssl.SSLError():
            return Failure("tls_failed", "the media host's certificate or TLS cannot be trusted")
        case _:
            return Failure("connection_lost", f"the connection broke ({type(error).__name__})")

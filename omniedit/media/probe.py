"""What a clip is, from its boxes: a local file or a URL, without reading it whole."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from omniedit.core.mp4 import Need, NotAnMp4, Piece, Walk, step, walk
from omniedit.core.transfer import Failure, read_number
from omniedit.errors import PreflightFailed
from omniedit.media.part import read_facts
from omniedit.media.web import FetchError, MediaWeb, Reply
from omniedit.models import MediaFacts

__all__ = ["probe_file", "probe_path", "probe_url"]

_TIMEOUT = 60.0
# Bytes read and thrown away at most when a host ignores ranges; a clip whose moov lies further on is taken unseen.
_MOST_SKIPPED = 64 * 1024
# Requests at most to a host that sends less at a time than it is asked for, as it may (RFC 9110, 15.3.7).
_MOST_REQUESTS = 64
_UNSEEN = "try again, or use --no-preflight to submit it unseen: the service has the last word"


async def probe_file(path: Path) -> MediaFacts:
    """Facts about a local clip; only its boxes are read, in a thread, because a disk may be far away.

    Raises:
        PreflightFailed: there is no such file, it cannot be read, or it is no mp4.
    """
    return await asyncio.to_thread(probe_path, path)


def probe_path(path: Path) -> MediaFacts:
    """The same, blocking.

    Raises:
        PreflightFailed: as `probe_file`.
    """
    try:
        # Not blocking: opening a pipe would wait for a writer.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise _failed(str(path), "is a folder" if stat.S_ISDIR(found.st_mode) else "is no file")
            facts = read_facts(file, found.st_size)
        finally:
            os.close(file)
    except FileNotFoundError:
        raise _failed(str(path), "does not exist", "check the path") from None
    except PreflightFailed:
        raise  # a ValueError too, and said already
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _failed(str(path), f"cannot be read: {reason}") from None
    return _judged(str(path), facts)


async def probe_url(web: MediaWeb, url: str, *, timeout: float = _TIMEOUT) -> MediaFacts:  # noqa: ASYNC109
    """Facts about a clip on the web: at most four Range requests, 16 KiB and the `moov` box. No key is sent.

    A host that sends less at a time than it is asked for is asked for the rest, in 64 requests at most.
    A host that ignores ranges is read from the start, as far as 64 KiB; when the `moov` lies further on, only what
    the beginning tells is known (`video_codec` is `unknown`, `duration` None).

    Args:
        web: the session to ask through; it judges redirects and addresses.
        url: where the clip lies.
        timeout: seconds for everything together.

    Raises:
        PreflightFailed: it is no mp4, or it cannot be read from here; `code` is `source_unreachable` when another
            try may succeed.
    """
    try:
        async with asyncio.timeout(timeout):
            facts = await _Remote(web, url).walk()
    except FetchError as error:
        raise _unreachable(url, error.failure) from None
    except TimeoutError:
        raise _unreachable(url, Failure("timeout", f"it did not answer within {timeout:g} s")) from None
    return _judged(_bare(url), facts)


class _Remote:
    """A file on the web, read in ranges while the host plays along."""

    def __init__(self, web: MediaWeb, url: str) -> None:
        self._web, self._url = web, url
        self._requests = 0

    async def walk(self) -> MediaFacts | NotAnMp4:
        """Answer what a walk asks for."""
        walking = walk()
        now = step(walking)
        while isinstance(now, Need):
            now = await self._answer(walking, now)
        return now

    async def _answer(self, walking: Walk, need: Need) -> Need | MediaFacts | NotAnMp4:
        """Ask for what a walk needs, and for the rest of it until it is there."""
        came: bytes | Need | MediaFacts | NotAnMp4 = b""
        while isinstance(came, bytes):
            self._requests += 1
            if self._requests > _MOST_REQUESTS:
                raise FetchError(Failure("short_ranges", "it sends too little at a time"))
            headers = {"Accept-Encoding": "identity", "Range": _range(_rest(need, came))}
            came = await self._web.get(self._url, headers, partial(self._go_on, walking, need, came))
        return came

    def _go_on(self, walking: Walk, need: Need, came: bytes, reply: Reply) -> bytes | Need | MediaFacts | NotAnMp4:
        """Feed a walk with what has come, or give it back when there is more of it; in a thread."""
        # The walk goes on where the redirects led, which spares their repetition.
        self._url = reply.url
        if reply.status == 200:
            return _walk_stream(walking, need, reply)
        piece = _piece(_rest(need, came), reply)
        data = came + piece.data
        whole = len(data) == need.length or need.offset + len(data) == piece.size
        return step(walking, Piece(data, piece.size)) if whole or not piece.data else data


def _rest(need: Need, came: bytes) -> Need:
    return Need(need.offset + len(came), need.length - len(came))


def _piece(need: Need, reply: Reply) -> Piece:
    content_range = reply.headers.get("content-range", "")
    size = read_number(content_range.rpartition("/")[2])
    if reply.status == 416:
        return Piece(b"", size)
    if reply.status != 206:
        raise FetchError(Failure(str(reply.status), f"it answered {reply.status}", final=400 <= reply.status < 500))
    if not content_range.lower().startswith(f"bytes {need.offset}-"):
        raise FetchError(Failure("wrong_range", "it sent another range than was asked for"))
    return Piece(reply.read(need.length), size)


def _walk_stream(walking: Walk, need: Need, reply: Reply) -> MediaFacts | NotAnMp4:
    """Go on with a host that sends everything from the start: forwards only, and not far."""
    size, here, first = read_number(reply.headers.get("content-length", "")), 0, b""
    now: Need | MediaFacts | NotAnMp4 = need
    while isinstance(now, Need):
        if now.offset < here or now.offset - here > _MOST_SKIPPED:
            return _unseen(first, size)
        reply.read(now.offset - here)
        data = reply.read(now.length)
        here, first = now.offset + len(data), first or data
        now = step(walking, Piece(data, size))
    return now


def _unseen(first: bytes, size: int | None) -> MediaFacts:
    """What the beginning of an mp4 tells when its `moov` cannot be reached."""
    brand = first[8:12].decode("latin-1") if first[4:8] == b"ftyp" else ""
    return MediaFacts(
        brand=brand,
        size=size,
        duration=None,
        container_duration=None,
        width=None,
        height=None,
        frames=None,
        video_codec="unknown",
        audio_codec=None,
        moov_at_end=True,
    )


def _range(need: Need) -> str:
    return f"bytes={need.offset}-{need.offset + need.length - 1}"


def _judged(where: str, facts: MediaFacts | NotAnMp4) -> MediaFacts:
    if isinstance(facts, NotAnMp4):
        raise _failed(where, facts.reason, "give an mp4")
    return facts


def _failed(where: str, reason: str, mend: str = "give the path of an mp4 that can be read") -> PreflightFailed:
    return PreflightFailed(f"{where}: the clip {reason}", reasons=(reason,), mend=mend)


_STATUSES: Mapping[str, str] = {
    "401": "cannot be read without credentials (401)",
    "403": "cannot be read without credentials, or its link is dead (403)",
    "404": "does not exist (404)",
    "410": "does not exist any more (410)",
}


def _unreachable(url: str, failure: Failure) -> PreflightFailed:
    reason = _STATUSES.get(failure.code, f"cannot be looked at from here: {failure.message}")
    error = _failed(_bare(url), reason, "check the URL: the service must be able to fetch it without credentials")
    if not failure.final:
        error.code, error.mend = "source_unreachable", _UNSEEN
    return error


def _bare(url: str) -> str:
    """A URL without its query: signatures are no business of a message."""
    return url.partition("?")[0]

"""Where the service calls when a task has ended: a handler for any aiohttp application, and a process of its own.

A call changes nothing but the moment of the next look; where a paid request was lost it says which task to look at. It
is answered at once: known or not, repeated or late, what is well formed gets 204, the rest 400, 404 or 413, and nothing
tells a stranger which nonces exist.

In the process that runs the edits, mount `Receiver(client.hint)`. When calls arrive at another process, that one runs
`Receiver(Spool(...).write)` beside the journal and the workers read along (`Spool.follow`).
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, unquote

import attrs
from aiohttp import web

from omniedit.api.notice import LARGEST_NOTICE, Notice, read_notice
from omniedit.journal.base import JournalReader

__all__ = ["Receiver", "ReceiverStatistics", "Spool", "spool_beside"]

_log = logging.getLogger("omniedit.callbacks")
_ANSWER_WITHIN = 0.8  # seconds: the caller waits for ten, the promise is one
_LINE = 4096  # bytes: more than the longest nonce and task id take
_LARGEST_SPOOL = 1 << 20  # bytes; then it begins anew, since every hint in it is old
_READ_EVERY = 0.2  # seconds

Hint = Callable[[str, str | None], bool | Awaitable[bool]]
"""Takes the nonce of a call's path and the task id in its body, which is not to be believed."""


@attrs.define
class ReceiverStatistics:
    """Calls so far."""

    known: int = 0
    unknown: int = 0
    """Well formed, but of nobody here: late, repeated, forged, or another worker's."""
    malformed: int = 0
    slow: int = 0
    """Answered before it was known whose they were."""


class Receiver:
    """Takes calls and passes on hints.

    Args:
        hint: takes a nonce and a task id, and tells whether the nonce is known; `client.hint`, or a spool's `write`.
    """

    def __init__(self, hint: Hint) -> None:
        self._hint = hint
        self.statistics = ReceiverStatistics()

    def add_to(self, app: web.Application, prefix: str = "/omniedit") -> None:
        """Mount the handler below a path; `callback_base` is the public address of that path."""
        app.router.add_post(f"{prefix.rstrip('/')}/{{nonce}}", self.handle)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one call."""
        try:
            body = await _bounded_body(request)
        except web.RequestPayloadError:
            self.statistics.malformed += 1
            return _broken(request)
        if body is None:
            self.statistics.malformed += 1
            return web.Response(status=413)
        notice = read_notice(request.match_info["nonce"], body)
        if notice is None:
            self.statistics.malformed += 1
            return web.Response(status=400)
        await self._pass_on(notice)
        return web.Response(status=204)

    async def _pass_on(self, notice: Notice) -> None:
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                told = self._hint(notice.nonce, notice.task_id)
                known = await told if inspect.isawaitable(told) else told
        except TimeoutError:
            self.statistics.slow += 1
            return
        if known:
            self.statistics.known += 1
        else:
            self.statistics.unknown += 1

    @asynccontextmanager
    async def served(self, host: str, port: int, prefix: str = "/omniedit") -> AsyncGenerator[str]:
        """Serve calls while the block runs; gives the address to reach it at on this machine."""
        app = web.Application(client_max_size=LARGEST_NOTICE)
        self.add_to(app, prefix)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            name, bound = runner.addresses[0][:2]
            _log.info("callbacks.serving host=%s port=%s prefix=%s", name, bound, prefix)
            shown = f"[{name}]" if ":" in name else name
            yield f"http://{shown}:{bound}{prefix}"
        finally:
            await runner.cleanup()


async def _bounded_body(request: web.Request) -> bytes | None:
    """The body, or None when it is too large; never more of it in memory than the limit."""
    if (request.content_length or 0) > LARGEST_NOTICE:
        return None
    body = bytearray()
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            async for chunk in request.content.iter_chunked(16 << 10):
                body += chunk
                if len(body) > LARGEST_NOTICE:
                    return None
    except TimeoutError:
        return None
    return bytes(body)


def _broken(request: web.Request) -> web.Response:
    """The answer to a body that is not encoded as it says: what follows on its connection cannot be read either."""
    request.content.feed_eof()  # else aiohttp reads on after the answer, and logs the error that is answered here
    answer = web.Response(status=400)
    answer.force_close()
    return answer


def spool_beside(journal: str | os.PathLike[str]) -> Path:
    """Where hints for the workers of a journal lie."""
    path = Path(journal)
    return path.with_name(path.name + ".hints")


class Spool:
    """Hints from a receiver process to the workers of one journal: a small file, one nonce and task id a line.

    Only nonces that the journal knows are written, so that strangers cannot fill the disk.
    """

    def __init__(self, path: Path, journal: JournalReader | None = None) -> None:
        self._path = path
        self._journal = journal
        self._at = 0

    async def write(self, nonce: str, task_id: str | None = None) -> bool:
        """Append a nonce that the journal knows; False when it knows none such."""
        if self._journal is not None and await self._journal.by_nonce(nonce) is None:
            return False
        line = f"{nonce} {quote(task_id or '')}\n".encode("ascii")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        file = os.open(self._path, flags, 0o600)
        try:
            if os.fstat(file).st_size > _LARGEST_SPOOL:
                os.ftruncate(file, 0)
            os.write(file, line)
        finally:
            os.close(file)
        return True

    async def follow(self, hint: Callable[[str, str | None], bool]) -> None:
        """Pass on what is appended, until cancelled."""
        while True:
            await asyncio.sleep(_READ_EVERY)
            self.read(hint)

    def read(self, hint: Callable[[str, str | None], bool]) -> None:
        """Pass on what has come since the last time."""
        size = self._size()
        if size < self._at:
            self._at = 0
        if size == self._at:
            return
        with self._path.open("rb") as file:
            file.seek(self._at)
            text = file.read(_LARGEST_SPOOL + _LINE)
        whole, newline, _ = text.rpartition(b"\n")
        for line in whole.splitlines():
            nonce, _, task_id = line.decode("ascii", "replace").partition(" ")
            hint(nonce, unquote(task_id) or None)
        self._at += len(whole) + len(newline)

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

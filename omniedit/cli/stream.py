"""JSON lines from standard input, as they come and no faster than they are taken."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import CancelledError

from omniedit.cli.manifest import ManifestError, read_json_line
from omniedit.models import Edit

__all__ = ["edits_from_stdin"]

_CHUNK = 64 << 10
_LONGEST = 1 << 20  # bytes of one line
_MOST_CHUNKS = 4  # read ahead


async def edits_from_stdin(on_bad_line: Callable[[ManifestError], None]) -> AsyncIterator[Edit]:
    """The edits on standard input. A line that cannot be used is told and left out.

    Raises:
        ManifestError: the first line of all cannot be used, so that nothing has been sent.
    """
    good = False
    number = 0
    async for raw in _lines():
        number += 1
        try:
            edit = _edit_of(number, raw)
        except ManifestError as error:
            if not good:
                raise
            on_bad_line(error)
            continue
        if edit is not None:
            good = True
            yield edit


def _edit_of(number: int, raw: bytes) -> Edit | None:
    if len(raw) > _LONGEST:
        raise ManifestError(number, f"is longer than {_LONGEST:,} bytes", mend="write one JSON object a line")
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise ManifestError(number, "is not UTF-8", mend="write UTF-8") from None
    return read_json_line(number, text) if text.strip() else None


async def _lines() -> AsyncIterator[bytes]:
    """Lines without their ends. Of one that is too long only the beginning is kept, too long still."""
    rest = b""
    async for chunk in _chunks():
        *whole, last = chunk.split(b"\n")
        for line in whole:
            yield rest + line
            rest = b""
        rest = (rest + last)[: _LONGEST + 1]
    if rest:
        yield rest


async def _chunks() -> AsyncIterator[bytes]:
    """What a thread reads: it may wait for a pipe for ever, and then ends with the process."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[bytes](_MOST_CHUNKS)
    reader = threading.Thread(target=_read, args=(loop, queue), name="omniedit-stdin", daemon=True)
    reader.start()
    while chunk := await queue.get():
        yield chunk


def _read(loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[bytes]) -> None:
    descriptor = sys.stdin.fileno()
    while True:
        try:
            chunk = os.read(descriptor, _CHUNK)
        except OSError:
            chunk = b""
        try:
            asyncio.run_coroutine_threadsafe(queue.put(chunk), loop).result()
        except (RuntimeError, CancelledError):
            return  # the loop is closed, or is just being closed
        if not chunk:
            return

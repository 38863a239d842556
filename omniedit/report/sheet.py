"""The shell around the sheet: reads entries, takes stills in a few threads, writes, and puts the sheet in its place.

Nothing but a finished sheet is ever seen under its name, and whatever stops the work, an error or a cancellation,
leaves no trace of it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import attrs

from omniedit.errors import ConfigurationError, OmniEditError
from omniedit.journal.base import JournalReader
from omniedit.media.stills import check_stills, take_still
from omniedit.models import Entry
from omniedit.report.draft import Draft, check_target, workshop
from omniedit.report.page import build_page, readable_size
from omniedit.report.spool import Spool

__all__ = ["EMBED_LIMIT", "ReportFacts", "write_report"]

Entries = JournalReader | Iterable[Entry] | AsyncIterable[Entry]
P = ParamSpec("P")
T = TypeVar("T")

EMBED_LIMIT = 32 << 20
"""Bytes of clips that one file carries unless told otherwise."""
POSTER_LIMIT = 64 << 20
"""Bytes of pictures that one file carries; edits beyond show a picture once their clip is loaded."""
_ENTRIES = 256  # read before they are set down
_CLIPS = 32  # stills in memory at a time
_THREADS = min(4, os.cpu_count() or 1)


@attrs.frozen
class ReportFacts:
    """What was written."""

    path: Path
    """The HTML file, absolute."""
    edits: int
    bytes: int
    """Of the file, and of the pictures beside it."""


async def write_report(
    entries: Entries,
    path: str | os.PathLike[str],
    *,
    title: str = "Before and after",
    embed_limit: int = EMBED_LIMIT,
    folder: bool = False,
) -> ReportFacts:
    """Write a contact sheet: every edit with its clips before and after, in one HTML file that needs no network.

    Args:
        entries: a journal, or any reader or iterable of its entries, of any length; it may be in use.
        path: the HTML file, or with `folder` the folder it goes into; a sheet that is there is replaced.
        title: heading of the sheet.
        embed_limit: bytes. When all clips together have at most so many, the sheet carries them and can be sent to
            somebody; otherwise it refers to them where they lie.
        folder: put the pictures into files beside the sheet (`index.html`): for batches of tens of thousands.

    A source on the web is never fetched: the sheet offers it as a link, and to load it on a click. Without PyAV (the
    extra `report`) the sheet is written without pictures and says so. Memory does not grow with the number of edits.
    A cancellation waits for the picture being taken, and leaves nothing behind.

    Raises:
        ConfigurationError: the place is no place for a sheet: no folder, or a file that is none of ours.
        OmniEditError: it could not be written (`code` is `report_failed`): disk full, no permission.
        JournalError: the journal could not be read.
    """
    if embed_limit < 0:
        raise ConfigurationError(f"embed_limit is {embed_limit}; it must be 0 or more bytes")
    try:
        sheet = check_target(path, folder=folder)
        with workshop(sheet.parent) as scratch, ThreadPoolExecutor(_THREADS, "omniedit-report") as pool:
            spool = Spool(scratch, sheet.parent)
            posters = f"posters-{secrets.token_hex(4)}" if folder else None
            return await _Work(pool, sheet, title, spool, embed_limit, posters).run(entries)
    except OSError as error:
        raise OmniEditError(
            f"the report {os.fspath(path)} could not be written: {error.strerror or error}",
            mend="free some space, or name another place",
            code="report_failed",
        ) from error


@attrs.frozen
class _Work:
    pool: ThreadPoolExecutor
    sheet: Path
    title: str
    spool: Spool
    embed_limit: int
    posters: str | None

    async def run(self, entries: Entries) -> ReportFacts:
        async with aclosing(_pages(entries)) as pages:
            async for page in pages:
                await self._thread(self.spool.add, page)
        draft = self._draft()
        await self._thread(draft.begin, self.spool)
        if _lacking() is None:
            await self._add_stills(draft)
        if self._embedded:
            await self._embed_clips(draft)
        size = await self._thread(draft.publish)
        return ReportFacts(self.sheet, self.spool.sums.total, size)

    @property
    def _embedded(self) -> bool:
        return self.posters is None and self.spool.clip_bytes <= self.embed_limit

    def _draft(self) -> Draft:
        notes = [f"There are no pictures: {lacking}."] if (lacking := _lacking()) else []
        if not self._embedded:
            size = readable_size(self.spool.clip_bytes)
            notes.append(f"The clips ({size}) are played from where they lie: move the sheet together with them.")
        page = build_page(self.title, self.spool.sums, embedded=self._embedded, posters=self.posters, notes=notes)
        return Draft(self.spool.scratch, self.sheet, page, self.posters)

    async def _add_stills(self, draft: Draft) -> None:
        take = partial(take_still, edge=self._edge)
        for clips in self.spool.clips(_CLIPS):
            stills = await asyncio.gather(*(self._thread(take, clip.path) for clip in clips))
            await self._thread(draft.add_stills, [(c, s) for c, s in zip(clips, stills, strict=True) if s])
            if self.posters is None and draft.size > POSTER_LIMIT:
                return

    @property
    def _edge(self) -> int:
        """Longest edge of a picture in pixels: smaller where one file carries thousands."""
        if self.posters or self.spool.sums.total <= 500:
            return 480
        return 360 if self.spool.sums.total <= 2000 else 256

    async def _embed_clips(self, draft: Draft) -> None:
        for clips in self.spool.clips(_CLIPS):
            for clip in clips:
                await self._thread(draft.embed, clip)

    async def _thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.pool, partial(function, *args, **kwargs))


def _lacking() -> str | None:
    """Why no pictures can be taken, in the words of the error; None when they can."""
    try:
        check_stills()
    except ConfigurationError as error:
        return str(error)
    return None


async def _pages(entries: Entries) -> AsyncGenerator[list[Entry], None]:
    page: list[Entry] = []
    async with aclosing(_each(entries)) as each:
        async for entry in each:
            page.append(entry)
            if len(page) >= _ENTRIES:
                yield page
                page = []
    if page:
        yield page


async def _each(entries: Entries) -> AsyncGenerator[Entry, None]:
    match entries:
        case Iterable():
            for entry in entries:
                yield entry
        case AsyncIterable():
            async for entry in entries:
                yield entry
        case _:
            async for entry in entries.entries():
                yield entry

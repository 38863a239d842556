"""From a run to its end: everything that happens goes to a display, an early end is told from the journal."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path
from typing import Protocol, TypeVar

from omniedit.changes import Change, Summary
from omniedit.cli.display import Display
from omniedit.cli.survey import survey
from omniedit.cli.words import Conclusion, clean, counted, same_command
from omniedit.errors import JournalError
from omniedit.models import Status

__all__ = ["follow", "tell_interrupted"]

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Run(Protocol[T_co]):
    """`EditRun` or `Batch`: awaited for its result, iterated for its changes."""

    def __await__(self) -> Generator[object, None, T_co]: ...

    def __aiter__(self) -> AsyncIterator[Change]: ...


async def follow(run: Run[T], display: Display, reword: Callable[[Change], Change] | None = None) -> T:
    """Show every change of a run, reworded if need be; its result, or what it raises.

    Cancelled, it leaves the run to its client, which books what is being paid for when it is closed.
    """
    async for change in run:
        await display.show(change if reword is None else reword(change))
    return await run


async def tell_interrupted(display: Display, journal: Path) -> None:
    """After an early end: what is in flight, what is uncertain, and the command that goes on."""
    try:
        seen = await survey(journal)
    except JournalError:
        return  # it ended before anything was written
    elapsed = time.monotonic() - display.began
    await display.finish(Summary(seen.counts, seen.credits_reserved, seen.credits_used, elapsed))
    in_flight = {s: n for s, n in seen.counts.items() if not s.terminal and s not in _UNSENT}
    waiting = sum(n for s, n in seen.counts.items() if s in _UNSENT)
    headline = (
        f"Interrupted. In flight: {counted(in_flight) or 'nothing'}; {waiting:,} not submitted yet; "
        f"{seen.counts.get(Status.saved, 0):,} saved. Nothing paid is lost."
    )
    uncertain = [
        f"Uncertain: {clean(entry.edit.source)} (Idempotency-Key {entry.nonce}): nobody knows whether it was accepted."
        for entry in seen.uncertain
    ]
    display.conclude(Conclusion(headline, hints=(*uncertain, f"To go on: {clean(same_command())}")))


_UNSENT = {Status.queued, Status.uploading}

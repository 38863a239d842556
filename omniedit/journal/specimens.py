"""What the checks of the contract are made of: entries that are hard to keep, and a few words to say what is wanted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from omniedit.errors import JournalError
from omniedit.journal.base import Journal
from omniedit.models import Edit, Entry, Status

__all__ = ["Factory", "MANY", "NOON", "ORIGIN", "all_of", "full_entry", "new_entry", "opened", "refuses", "same"]

Factory = Callable[[], Journal]
"""Gives a new, unopened journal on the same store each time."""

ORIGIN = "https://api.evolink.ai"
"""The service that the journals of these checks belong to."""
NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)
"""A moment that a store in milliseconds would lose."""
MANY = 700
"""More than any store should hold in one page."""


def new_entry(number: int, status: Status = Status.queued) -> Entry:
    """One of many edits that are alike."""
    edit = Edit(f"https://example.com/clips/{number}.mp4", "Make the light warmer")
    return Entry(edit, target=f"edited/{number}.mp4", status=status, at=NOON)


def full_entry() -> Entry:
    """Every field holds something that a careless store would lose."""
    edit = Edit(
        "clips/caf\udce9 №1.mp4",
        "Make it snow: 雪\n\0'; DROP TABLE job; --",
        name="snow ❄.mp4",
        callback_url="https://example.com/hook?a=1",
        model="another-model",
        variant=-(2**63),
    )
    return Entry(
        edit,
        target="edited/snow ❄.mp4",
        status=Status("warming up"),
        at=NOON.astimezone(),
        video_url="https://files.example.com/1.mp4?signature=%2F",
        callback_url="https://example.com/hook/abc",
        nonce="0123456789abcdef" * 2,
        task_id="task-unified-1757165031-uyujaw3d",
        submitted_at=NOON + timedelta(microseconds=1),
        unfinished_at=NOON + timedelta(days=40_000),
        link="https://media.example.com/1.mp4",
        deadline=datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        renewals=3,
        path="edited/snow ❄ (2).mp4",
        sha256="0" * 63 + "a",
        size=2**40,
        credits_reserved=63.61,
        credits_used=0.1,
        error_type="TaskFailed",
        error_code="content_policy_violation",
        error_message="nothing \udcff to see\0here",
    )


def same(found: object, wanted: object) -> None:
    """`assert found == wanted` that also holds under `python -O`."""
    if found != wanted:
        raise AssertionError(f"found {found!r}, not {wanted!r}")


async def refuses(call: Awaitable[object]) -> None:
    """Wants a `JournalError`."""
    try:
        await call
    except JournalError:
        return
    raise AssertionError("this should have been a JournalError")


@asynccontextmanager
async def opened(factory: Factory, origin: str = ORIGIN) -> AsyncGenerator[Journal]:
    """The journal, open; closed at the end."""
    journal = factory()
    await journal.open(origin)
    try:
        yield journal
    finally:
        await journal.close()


async def all_of(entries: AsyncIterator[Entry]) -> list[Entry]:
    """A whole iteration."""
    return [entry async for entry in entries]

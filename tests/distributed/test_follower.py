"""One host's follower: whoever asked for an edit and went away, or met an error, leaves nothing held for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omniedit.changes import Change
from omniedit.distributed.client import HostClient
from omniedit.distributed.follower import Follower
from omniedit.journal.postgres import PostgresJournal
from omniedit.models import Edit, Entry, Status
from omniedit.testing import Sandbox, Settings

QUICK = Settings(editing="canned", task_seconds=0.2)


def a_follower(dsn: str, sandbox: Sandbox, folder: Path, on_change: Callable[[Change], None] | None = None) -> Follower:
    """One host."""
    client = HostClient("sk-sandbox", base_url=sandbox.base_url, preflight=False)
    return Follower(client, PostgresJournal(dsn), folder, on_change=on_change)


async def queued(follower: Follower, count: int) -> list[str]:
    """New edits in the journal, held by nobody; their keys."""
    edits = [Edit(f"https://example.com/clips/{number}.mp4", "Make it snow") for number in range(count)]
    now = datetime.now(UTC)
    entries = [Entry(edit, f"{number}.mp4", Status.queued, now) for number, edit in enumerate(edits)]
    await follower.journal.admit(entries)
    keys = [edit.key for edit in edits]
    await follower.journal.let_go(keys)
    return keys


async def test_a_cancelled_call_leaves_the_edit_to_the_follower(dsn: str, tmp_path: Path) -> None:
    """Wherever the call stood, in the middle of the claim too: the next one sees the end of the edit."""
    async with Sandbox(QUICK) as sandbox, a_follower(dsn, sandbox, tmp_path) as follower:
        keys = await queued(follower, 6)
        for turns, key in enumerate(keys):
            call = asyncio.ensure_future(follower.follow(key))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        async with asyncio.timeout(30):
            ends = await asyncio.gather(*map(follower.follow, keys))
        assert ends == [Status.saved] * len(keys)
        assert len(sandbox.accepted) == len(keys)


async def test_an_error_that_nobody_foresaw_is_told_and_leaves_nothing_held(dsn: str, tmp_path: Path) -> None:
    """Here the caller's own: it is raised to whoever follows the edit, and another host may have it."""

    def broken(_change: Change) -> None:
        raise ZeroDivisionError

    async with Sandbox(QUICK) as sandbox, a_follower(dsn, sandbox, tmp_path, broken) as follower:
        (key,) = await queued(follower, 1)
        with pytest.raises(ZeroDivisionError):
            await follower.follow(key)
        assert follower.following == 0
        async with a_follower(dsn, sandbox, tmp_path) as another, asyncio.timeout(30):
            assert await another.follow(key) == Status.saved


async def test_an_edit_that_stays_uncertain_is_not_held(dsn: str, tmp_path: Path) -> None:
    """A host that leaves it to people keeps it from no other that was told to repeat it."""
    async with (
        Sandbox(QUICK, faults=[{"fault": "lost_reply", "limit": 1}]) as sandbox,
        a_follower(dsn, sandbox, tmp_path) as first,
        a_follower(dsn, sandbox, tmp_path) as second,
    ):
        (key,) = await queued(first, 1)
        async with asyncio.timeout(30):
            assert await first.follow(key) == Status.uncertain
            assert await first.follow(key) == Status.uncertain
            while key not in await second.journal.claim([key]):  # noqa: ASYNC110  # a database gives no events
                await asyncio.sleep(0.05)

"""Plain batches of several processes on one database: what one works on is left to it, and only that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from omniedit import Edit, JournalBusy, Status
from omniedit.journal.postgres import PostgresJournal
from omniedit.models import Answer, Entry, Outcome
from omniedit.testing import Sandbox, Settings

NOW = datetime.now(UTC)
QUICK = Settings(editing="canned", task_seconds=0.6)
EDITS = [Edit(f"https://example.com/clips/{number}.mp4", "Make it snow") for number in range(4)]


@asynccontextmanager
async def another_host(dsn: str, sandbox: Sandbox) -> AsyncGenerator[PostgresJournal]:
    """Somebody else with the same database."""
    journal = PostgresJournal(dsn, name="another")
    await journal.open(sandbox.base_url)
    try:
        yield journal
    finally:
        await journal.close()


@pytest.mark.parametrize("status", [Status.queued, Status.submitting, Status.processing])
async def test_an_edit_that_another_host_works_on_ends_alone(dsn: str, tmp_path: Path, status: Status) -> None:
    """It is named with its holder; the others are saved, and it can be run again once it is free."""
    async with Sandbox(QUICK) as sandbox, another_host(dsn, sandbox) as another:
        task_id = "task-unified-1-abcdefgh" if status == Status.processing else None
        theirs = Entry(EDITS[0], "0.mp4", status, NOW, nonce="n" * 32, task_id=task_id)
        await another.admit([theirs])
        async with sandbox.client(journal=PostgresJournal(dsn), preflight=False) as client:
            summary = await client.batch(EDITS, save_to=tmp_path)
        assert summary.counts == {Status.saved: 3, status: 1}
        assert summary.stopped is None
        (left,) = summary.failures
        assert isinstance(left.error, JournalBusy)
        assert "another" in str(left.error)
        assert await another.entry(theirs.key) == theirs
        assert len(sandbox.accepted) == 3


async def test_an_edit_that_is_taken_over_ends_alone(dsn: str, tmp_path: Path) -> None:
    """In the middle, as after a pause that was too long: the others of the batch go on."""
    async with Sandbox(QUICK) as sandbox, another_host(dsn, sandbox) as another:
        journal = PostgresJournal(dsn)
        async with sandbox.client(journal=journal, preflight=False) as client:
            batch = client.batch(EDITS, save_to=tmp_path)
            async for change in batch:
                if change.edit == EDITS[0] and change.status == Status.pending and change.previous:
                    await journal.let_go([EDITS[0].key])
                    assert await another.claim([EDITS[0].key])
            summary = await batch
        assert summary.counts[Status.saved] == 3
        assert [type(failure.error) for failure in summary.failures] == [JournalBusy]
        assert summary.stopped is None


async def test_a_single_edit_that_another_host_works_on_is_refused(dsn: str, tmp_path: Path) -> None:
    """With its holder's name."""
    async with Sandbox(QUICK) as sandbox, another_host(dsn, sandbox) as another:
        await another.admit([Entry(EDITS[0], "0.mp4", Status.queued, NOW)])
        async with sandbox.client(journal=PostgresJournal(dsn), preflight=False) as client:
            with pytest.raises(JournalBusy, match="another"):
                await client.edit(EDITS[0], save_to=tmp_path / "0.mp4")


async def test_two_batches_share_their_edits(dsn: str, tmp_path: Path) -> None:
    """Begun at the same moment with the same edits: each is paid once and saved once."""
    async with Sandbox(QUICK) as sandbox:
        first, second = (sandbox.client(journal=PostgresJournal(dsn), preflight=False) for _ in range(2))
        async with first, second:
            summaries = await asyncio.gather(*(client.batch(EDITS, save_to=tmp_path) for client in (first, second)))
        assert sum(summary.saved for summary in summaries) >= len(EDITS)
        assert len(sandbox.accepted) == len(EDITS)
    assert len(list(tmp_path.rglob("*.mp4"))) == len(EDITS)


@pytest.mark.parametrize("on_uncertain", ["hold", "replay"])
async def test_an_answer_that_came_late_is_followed(dsn: str, tmp_path: Path, on_uncertain: str) -> None:
    """A host that had been declared dead brought the task's id home: nothing is sent again."""
    async with Sandbox(QUICK) as sandbox, another_host(dsn, sandbox) as another:
        async with sandbox.client(preflight=False) as client:
            task = await client.submit(EDITS[0])
        theirs = Entry(EDITS[0], "0.mp4", Status.submitting, NOW, nonce="n" * 32)
        await another.admit([attrs.evolve(theirs, status=Status.queued, nonce=None)])
        await another.intend(theirs)
        await another.write(attrs.evolve(theirs, status=Status.uncertain))
        await another.answer(Answer("n" * 32, Outcome.accepted, NOW, task.id))
        async with sandbox.client(journal=PostgresJournal(dsn), preflight=False, on_uncertain=on_uncertain) as client:
            summary = await client.batch(EDITS[:1], save_to=tmp_path)
        assert summary.ok
        assert len(sandbox.submissions) == 1

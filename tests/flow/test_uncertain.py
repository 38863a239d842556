"""Paid requests of which nobody knows the outcome: held, repeated when told to, settled by what comes late."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import timedelta
from typing import Any

import attrs
import pytest

from omniedit import JournalError, MemoryJournal, Status, SubmissionUncertain
from omniedit.models import Answer, Entry, Outcome

LOST: dict[str, Any] = {"fault": "lost_reply"}
NO_ANSWERS: list[dict[str, Any]] = [
    LOST,
    {"fault": "reset_after"},
    {"fault": "hang", "accept": True},
    {"fault": "cut_json"},
    {"fault": "html", "accept": True},
    {"fault": "wrong_length"},
    {"fault": "status", "status": 500, "accept": True},
    {"fault": "status", "status": 502, "accept": True, "body": "html"},
    {"fault": "status", "status": 503, "accept": True, "body": "empty"},
    {"fault": "status", "status": 504, "accept": True, "retry_after": 1},
    {"fault": "reset_before"},
    {"fault": "status", "status": 500},
    {"fault": "status", "status": 503},
]


def nonces(world: Any) -> list[str]:
    """The idempotency keys of all requests that were read, in order."""
    return [submission.idempotency_key for submission in world.sandbox.submissions]


@pytest.mark.parametrize("fault", NO_ANSWERS, ids=lambda fault: "-".join(map(str, fault.values())))
async def test_no_answer_means_one_request_and_a_held_edit(world: Any, fault: dict[str, Any]) -> None:
    """However it was lost: one POST, `uncertain`, and the same command again sends nothing."""
    async with world([fault | {"nth": [1]}]) as w:
        for _ in range(3):
            async with w.client() as client:
                run = client.edit(w.edit(), save_to=w.out / "a.mp4")
                changes = await w.watch(run)
                assert changes[-1].status == Status.uncertain
                with pytest.raises(SubmissionUncertain) as caught:
                    await run
                assert caught.value.idempotency_key
        async with asyncio.timeout(20):  # a request that hangs is in the log once the sandbox notices that we have left
            while not w.lines("/v1/videos/generations", "POST"):  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0.02)
        assert w.lines("/v1/videos/generations", "POST") == 1
        assert w.check(files=0) is None


@pytest.mark.parametrize("fault", [fault for fault in NO_ANSWERS if fault.get("fault") != "reset_before"][:10])
async def test_replay_with_an_honoured_key_finds_the_task(world: Any, fault: dict[str, Any]) -> None:
    """The same key and body: the original task comes back, and is billed once."""
    async with world([fault | {"nth": [1]}]) as w, w.client(on_uncertain="replay") as client:
        changes = await w.watch(client.edit(w.edit(), save_to=w.out / "a.mp4"))
        statuses = [change.status for change in changes if change.status != change.previous]
        assert statuses[:4] == ["queued", "submitting", "uncertain", "submitting"]
        assert statuses[-1] == "saved"
        assert len(set(nonces(w))) == 1
        assert [submission.replayed for submission in w.sandbox.submissions] == [False, True]
        w.check(posts=2, files=1)


async def test_replay_in_a_later_run_sends_the_same_bytes(world: Any) -> None:
    """Held by one command, repeated by the next: key and body come from the journal."""
    journal = MemoryJournal()
    async with world([LOST | {"nth": [1]}]) as w:
        async with w.client(journal=journal) as client:
            await client.batch(w.edits(3), save_to=w.out)
        async with w.client(journal=journal) as client:
            summary = await client.batch(w.edits(3), save_to=w.out, on_uncertain="replay")
            attempts = [one for edit in w.edits(3) for one in await journal.attempts(edit.key)]
        assert summary.counts == {Status.saved: 3}
        assert sum("recognised the key" in (one.detail or "") for one in attempts) == 1
        assert sum(submission.replayed for submission in w.sandbox.submissions) == 1
        w.check(posts=4, files=3)


async def test_conflict_leaves_it_uncertain_and_is_not_repeated(world: Any) -> None:
    """The service saw the key with another body: nobody can say more."""
    async with world([LOST | {"nth": [1]}], idempotency="conflict") as w, w.client(on_uncertain="replay") as client:
        changes = await w.watch(client.edit(w.edit(), save_to=w.out / "a.mp4"))
        assert changes[-1].status == Status.uncertain
        w.check(posts=2, files=0)


async def test_outcome_unknown_to_the_service_is_asked_a_few_times(world: Any) -> None:
    """Then it is held."""
    async with world([LOST | {"nth": [1]}], idempotency="unknown") as w, w.client(on_uncertain="replay") as client:
        changes = await w.watch(client.edit(w.edit(), save_to=w.out / "a.mp4"))
        assert changes[-1].status == Status.uncertain
        assert len(set(nonces(w))) == 1
        w.check(posts=4, files=0)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 413])
async def test_second_refusal_leaves_it_uncertain(world: Any, status: int) -> None:
    """A refusal of the repeat says nothing of the first request: it is never free to be ordered anew."""
    faults = [LOST | {"nth": [1]}, {"fault": "status", "status": status}]
    async with world(faults) as w:
        async with w.client(on_uncertain="replay") as client:
            changes = await w.watch(client.edit(w.edit(), save_to=w.out / "a.mp4"))
            assert changes[-1].status == Status.uncertain
        w.sandbox.faults.clear()
        async with w.client() as client:
            with pytest.raises(SubmissionUncertain):
                await client.edit(w.edit(), save_to=w.out / "a.mp4")
        w.check(posts=1, files=0)


@pytest.mark.parametrize(
    "refusal", [{"status": 429, "retry_after": 1}, {"status": 429}, {"status": 503, "retry_after": 1}]
)
async def test_repeat_without_room_keeps_its_key_through_a_crash(world: Any, refusal: dict[str, Any]) -> None:
    """A repeat that found no room must not become a fresh order, not even for the next process."""
    faults = [LOST | {"nth": [1]}, {"fault": "status", **refusal}]
    async with world(faults) as w:
        async with w.client(on_uncertain="replay", grace=0.2) as client:
            run = client.edit(w.edit(), save_to=w.out / "a.mp4")

            async def wait() -> None:
                await run

            waiting = asyncio.create_task(wait())
            while w.lines("/v1/videos/generations", "POST") < 2:  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0.005)
        await asyncio.wait([waiting])
        assert waiting.exception() is not None
        w.sandbox.faults.clear()
        async with w.client() as client:
            with pytest.raises(SubmissionUncertain):
                await client.edit(w.edit(), save_to=w.out / "a.mp4")
        async with w.client(on_uncertain="replay") as client:
            await client.edit(w.edit(), save_to=w.out / "a.mp4")
        assert len(set(nonces(w))) == 1
        assert len(w.sandbox.accepted) == 1
        w.check(files=1)


async def test_repeats_wait_until_there_is_room(world: Any) -> None:
    """A storm of refusals between the lost reply and the repeat that is heard."""
    storm = {"fault": "status", "status": 429, "retry_after": 0, "nth": [2, 3, 4, 5, 6, 7]}
    async with world([LOST | {"nth": [1]}, storm]) as w, w.client(on_uncertain="replay") as client:
        saved = await client.edit(w.edit(), save_to=w.out / "a.mp4")
        assert saved.task_id == w.sandbox.accepted[0].id
        w.check(posts=2, files=1)


async def test_key_that_the_service_forgot_is_not_used_again(world: Any) -> None:
    """After a day a repeat might be a second order: it is held instead."""
    async with world([LOST | {"nth": [1]}]) as w:
        async with w.client() as client:
            await client.batch(w.edits(1), save_to=w.out)
        w.clock.shift = timedelta(hours=25)
        async with w.client(on_uncertain="replay") as client:
            assert (await client.batch(w.edits(1), save_to=w.out)).counts == {Status.uncertain: 1}
        w.check(posts=1, files=0)


async def test_service_without_idempotency_is_only_repeated_when_told_to(world: Any) -> None:
    """Held by default: that a repeat may be billed twice is the user's decision, and only then."""
    async with world([LOST | {"nth": [1]}], idempotency="ignored") as w:
        async with w.client() as client:
            await client.batch(w.edits(1), save_to=w.out)
        w.check(posts=1)


async def test_late_answer_is_followed(world: Any) -> None:
    """An attempt that was booked as accepted wins over whatever the state says."""
    journal = MemoryJournal()
    async with world([LOST | {"nth": [1]}]) as w:
        async with w.client(journal=journal) as client:
            await client.batch(w.edits(1), save_to=w.out)
            (attempt,) = await journal.attempts(w.edit().key)
            (task,) = w.sandbox.accepted
            await journal.answer(Answer(attempt.nonce, Outcome.accepted, w.clock.utcnow(), task.id))
        async with w.client(journal=journal) as client:
            batch = client.batch(w.edits(1), save_to=w.out)
            changes = await w.watch(batch)
            assert changes[0].status == Status.pending
            assert (await batch).counts == {Status.saved: 1}
        w.check(posts=1, files=1)


class Failing(MemoryJournal):
    """A journal whose disk is full for some calls."""

    def __init__(self, *calls: str, times: int = 1_000_000) -> None:
        super().__init__()
        self.calls = calls
        self.left = times

    def fail(self, call: str) -> None:
        """Raise when it is this call's turn."""
        if call in self.calls and self.left > 0:
            self.left -= 1
            raise JournalError("database or disk is full", code="disk_full")

    async def intend(self, entry: Entry) -> None:
        """Before the request leaves."""
        self.fail("intend")
        await super().intend(entry)

    async def answer(self, answer: Answer, entry: Entry | None = None) -> None:
        """After it was answered."""
        self.fail(f"answer {answer.outcome}")
        await super().answer(answer, entry)

    async def write(self, entry: Entry) -> None:
        """Everything else."""
        self.fail(f"write {entry.status}")
        await super().write(entry)


async def test_nothing_is_sent_that_cannot_be_written_down(world: Any) -> None:
    """Write ahead: without an intent there is no request, for nobody in the batch."""
    async with world() as w, w.client(journal=Failing("intend")) as client:
        summary = await client.batch(w.edits(10), save_to=w.out)
        assert isinstance(summary.stopped, JournalError)
        assert summary.counts == {Status.queued: 10}
        w.check(posts=0, files=0)


async def test_answer_that_cannot_be_written_stops_everything_and_says_the_id_aloud(
    world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is sent after it, every id is in the log, and the next run does not order again."""
    journal = Failing("answer accepted")
    async with world(task_seconds=0.4) as w:
        with caplog.at_level(logging.CRITICAL, logger="omniedit"):
            async with w.client(journal=journal) as client:
                summary = await client.batch(w.edits(40), save_to=w.out)
        assert isinstance(summary.stopped, JournalError)
        told = caplog.text
        assert [task.id for task in w.sandbox.accepted if task.id not in told] == []
        posted = len(w.sandbox.submissions)
        assert posted < 40
        journal.left = 0
        async with w.client(journal=journal) as client:
            again = await client.batch(w.edits(40), save_to=w.out)
        assert again.counts[Status.uncertain] == posted
        w.check(posts=40, files=40 - posted)


async def test_short_trouble_with_the_disk_loses_no_answer(world: Any) -> None:
    """A task id is tried to be written a few times before it is given up."""
    async with world() as w, w.client(journal=Failing("answer accepted", times=2)) as client:
        assert (await client.batch(w.edits(3), save_to=w.out)).counts == {Status.saved: 3}
        w.check(posts=3, files=3)


@pytest.mark.parametrize("call", ["write processing", "write completed", "write downloading", "write saved"])
async def test_state_that_cannot_be_written_stops_and_is_resumable(world: Any, call: str) -> None:
    """The run ends, nothing hangs; when the disk is better the same command finishes without paying."""
    journal = Failing(call)
    async with world(task_seconds=0.5) as w:
        async with w.client(journal=journal) as client:
            await client.batch(w.edits(6), save_to=w.out)
        journal.left = 0
        async with w.client(journal=journal) as client:
            summary = await client.batch(w.edits(6), save_to=w.out)
        assert summary.counts == {Status.saved: 6}
        w.check(posts=6, files=6)


STANDING = [*Status, Status("reviewing")]


@pytest.mark.parametrize("status", STANDING)
async def test_every_status_of_a_journal_is_taken_up_rightly(world: Any, status: Status) -> None:
    """As if the last process had died there: what has a task is followed, what has none is paid once."""
    with_task = status not in {*("queued", "uploading", "submitting", "rejected", "uncertain")}
    journal = MemoryJournal()
    async with world() as w:
        entry = Entry(w.edit(), str(w.out / "00000.mp4"), Status.queued, w.clock.utcnow(), nonce="n" * 32)
        await journal.open(w.sandbox.base_url)
        await journal.admit([entry])
        if status not in {*("queued", "uploading")}:
            await journal.intend(attrs.evolve(entry, status=Status.submitting))
        task_id = None
        if with_task:
            async with w.client(journal=None) as other:
                task_id = (await other.submit(w.edit())).id
                _ = [change async for change in other.watch(task_id)]
            await journal.answer(Answer("n" * 32, Outcome.accepted, w.clock.utcnow(), task_id))
        told: dict[str, Any] = {"error_type": "TaskFailed", "error_code": "content_policy_violation"}
        told = told if status.terminal else {}
        found: dict[str, Any] = {"path": str(w.out / "00000.mp4"), "sha256": "0" * 64, "size": 1}
        found = found if status == Status.saved else {}
        await journal.write(attrs.evolve(entry, status=status, task_id=task_id, **told, **found))
        await journal.close()
        before = len(w.sandbox.submissions)
        async with w.client(journal=journal) as client:
            batch = client.batch(w.edits(1), save_to=w.out)
            await w.watch(batch)
            summary = await batch
        held = {Status.submitting: Status.uncertain, Status.uncertain: Status.uncertain}
        ends = held | {Status.failed: Status.failed, Status.cancelled: Status.cancelled}
        assert summary.counts == {ends.get(status, Status.saved): 1}
        paid = status in {*("queued", "uploading", "rejected")}
        assert len(w.sandbox.submissions) - before == paid
        w.check()


async def test_storm_of_lost_replies_never_pays_twice(world: Any) -> None:
    """Every third reply is lost: each edit is accepted once, each lost one is held, all in one pass."""
    async with world([LOST | {"every": 3}]) as w, w.client() as client:
        batch = client.batch(w.edits(30), save_to=w.out)
        await w.watch(batch)
        summary = await batch
        assert summary.counts == {Status.saved: 20, Status.uncertain: 10}
        assert Counter(nonces(w)).most_common(1)[0][1] == 1
        w.check(posts=30, files=20)

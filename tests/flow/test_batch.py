"""Many edits: any input, bounded memory, budgets, one failure among many, and the same command again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from omniedit import Edit, JournalBusy, MemoryJournal, Status
from omniedit.errors import BudgetExhausted, HostingFailed, InvalidEdit, JournalError
from omniedit.flow.hosts import OnUpload
from omniedit.flow.intake import Intake
from omniedit.models import Answer, Entry, Hosted
from omniedit.testing import Limit


async def test_batch_saves_every_edit_once(world: Any) -> None:
    """A list, watched and summed up."""
    async with world() as w, w.client() as client:
        batch = client.batch(w.edits(30), save_to=w.out)
        changes = await w.watch(batch)
        summary = await batch
        assert (summary.counts, summary.ok, summary.stopped) == ({Status.saved: 30}, True, None)
        assert summary.credits_used == pytest.approx(sum(task.charged for task in w.sandbox.accepted))
        assert summary.credits_reserved == pytest.approx(sum(task.reserved for task in w.sandbox.accepted))
        assert Counter(change.status for change in changes)[Status.saved] == 30
        w.check(posts=30, files=30)


@pytest.mark.parametrize("kind", ["generator", "async generator", "async iterator", "tuple", "nothing"])
async def test_any_input_will_do(world: Any, kind: str) -> None:
    """Of any length, read once."""
    async with world() as w, w.client() as client:

        def generated() -> Iterator[Edit]:
            yield from w.edits(7)

        async def generated_later() -> AsyncIterator[Edit]:
            for edit in w.edits(7):
                await asyncio.sleep(0.001)
                yield edit

        inputs: dict[str, Any] = {
            "generator": generated(),
            "async generator": generated_later(),
            "async iterator": aiter(generated_later()),
            "tuple": tuple(w.edits(7)),
            "nothing": [],
        }
        summary = await client.batch(inputs[kind], save_to=w.out)
        count = 0 if kind == "nothing" else 7
        assert (summary.total, summary.saved) == (count, count)
        w.check(posts=count, files=count)
        for name, edits in inputs.items():
            if name != kind and hasattr(edits, "aclose"):
                await edits.aclose()


async def test_same_edit_twice_in_one_batch_is_one_edit(world: Any) -> None:
    """Unless the variant differs."""
    async with world() as w, w.client() as client:
        edits = [*w.edits(3), *w.edits(3), w.edit(0, variant=1)]
        summary = await client.batch(edits, save_to=w.out)
        assert summary.counts == {Status.saved: 4}
        assert len(w.sandbox.submissions) == 4


async def test_one_failure_does_not_stop_the_others(world: Any) -> None:
    """Wrong edits, refused ones, failed ones, cancelled ones, and one whose name is taken."""
    faults = [
        {"fault": "fail", "code": "content_policy_violation", "prompt": "wish 1."},
        {"fault": "cancel", "prompt": "wish 2."},
        {"fault": "empty_results", "prompt": "wish 3."},
        {"fault": "status", "status": 400, "prompt": "wish 4."},
        {"fault": "lost_reply", "prompt": "wish 5."},
    ]
    async with world(faults) as w, w.client() as client:
        wrong = [Edit("", ""), w.edit(11, name="00000.mp4"), w.edit(12, name="../x.mp4"), w.edit(13, variant=2**63)]
        edits = [*w.edits(5), *wrong, *w.edits(10)]
        batch = client.batch(edits, save_to=w.out)
        await w.watch(batch)
        summary = await batch
        assert summary.counts == {
            Status.saved: 5,
            Status.failed: 2,
            Status.cancelled: 1,
            Status.uncertain: 1,
            Status.rejected: 5,
        }
        codes = {change.error.code for change in summary.failures}
        assert codes == {
            *("content_policy_violation", "request_cancelled", "no_results", "service_error", "submission_uncertain"),
            *("invalid_edit", "name_taken"),
        } | (codes & {"invalid_name"})
        w.check(posts=9, files=5)  # the refusal of the gateway never reached the service


async def test_endless_input_is_read_only_as_fast_as_edits_leave(world: Any) -> None:
    """Memory is bounded: what waits, and what nobody has read, is."""
    async with world(task_seconds=0.5) as w, w.client(max_in_flight=4) as client:
        taken = 0

        def endless() -> Iterator[Edit]:
            nonlocal taken
            while True:
                taken += 1
                yield w.edit(taken)

        batch = client.batch(endless(), save_to=w.out)
        seen = 0
        async for change in batch:
            seen += change.status == Status.saved
            if seen == 5:
                break
        statistics = batch.statistics()
        assert taken <= 600
        assert statistics.live <= 600
        assert not statistics.exhausted
        w.check()


async def test_slow_reader_holds_the_input_back(world: Any) -> None:
    """A reader that takes nothing stops the intake, not the edits under way; nothing is lost when it goes on."""
    async with world() as w, w.client(journal=MemoryJournal()) as client:
        taken = 0

        def many() -> Iterator[Edit]:
            nonlocal taken
            for number in range(20_000):
                taken += 1
                yield Edit("", f"wish {number}")  # refused at once: two changes each

        batch = client.batch(many(), save_to=w.out)
        reading = aiter(batch)
        await anext(reading)
        await asyncio.sleep(0.7)
        assert taken < 12_000
        rest = [change async for change in reading]
        assert (taken, len(rest)) == (20_000, 39_999)
        assert (await batch).counts == {Status.rejected: 20_000}
        assert len((await batch).failures) == 1000


async def test_input_that_raises_ends_the_batch_after_what_was_accepted(world: Any) -> None:
    """The input's own error is raised; accepted tasks are saved first."""
    async with world() as w, w.client() as client:

        async def broken() -> AsyncIterator[Edit]:
            yield w.edit(0)
            while not w.sandbox.accepted:  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0.01)
            raise ZeroDivisionError("row 2")

        batch = client.batch(broken(), save_to=w.out)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError, match="row 2"):
                await batch
        w.check(posts=1, files=1)


@pytest.mark.parametrize("limit", [0.0, 63.0, 64.0, 200.0, 700.0])
async def test_budget_is_never_passed_and_used_up(world: Any, limit: float) -> None:
    """What is reserved stays below, nothing is sent beyond it, and the reason is said."""
    async with world(task_seconds=20.0) as w, w.client() as client:
        batch = client.batch(w.edits(12), save_to=w.out, max_credits=limit)
        await w.watch(batch)
        summary = await batch
        reserved = sum(task.reserved for task in w.sandbox.accepted)
        assert reserved <= limit
        assert len(w.sandbox.accepted) == int(limit // 63.62)
        assert isinstance(summary.stopped, BudgetExhausted)
        w.check(posts=int(limit // 63.62), files=int(limit // 63.62))


async def test_budget_gets_back_what_a_failed_task_was_not_billed(world: Any) -> None:
    """Also where the service says in so many words that it used nothing."""
    async with world([{"fault": "fail", "nth": 1}]) as w, w.client() as client:
        failed = asyncio.Event()

        async def edits() -> AsyncIterator[Edit]:
            first, second = w.edits(2)
            yield first
            await failed.wait()
            yield second

        batch = client.batch(edits(), save_to=w.out, max_credits=64.0)
        async for change in batch:
            if change.status == Status.failed:
                failed.set()
        assert (await batch).counts == {Status.failed: 1, Status.saved: 1}
        assert [task.charged > 0 for task in w.sandbox.accepted] == [False, True]


async def test_budget_of_a_later_run_counts_no_failed_task(world: Any) -> None:
    """The journal keeps that nothing was used, and of what was reserved that it was given back."""
    async with world([{"fault": "fail", "nth": 1}]) as w:
        for batch, status in (("one", Status.failed), ("two", Status.saved)):
            async with w.client() as client:
                summary = await client.batch(w.edits(1, batch), save_to=w.folder / batch, max_credits=64.0)
            assert (summary.counts, summary.stopped) == ({status: 1}, None)


async def test_budget_counts_earlier_runs(world: Any) -> None:
    """The same command again does not get the same money again; more money goes on where it stopped."""
    async with world() as w:
        for limit, saved in ((140.0, 2), (140.0, 2), (200.0, 3), (10_000.0, 6)):
            async with w.client() as client:
                summary = await client.batch(w.edits(6), save_to=w.out, max_credits=limit)
            assert len(w.sandbox.accepted) == saved
            assert summary.saved == saved
        w.check(posts=6, files=6)


async def test_budget_counts_what_may_have_been_accepted(world: Any) -> None:
    """A lost reply may have cost as much as any other, also in the next run."""
    async with world([{"fault": "lost_reply", "nth": 1}]) as w:
        for _ in range(2):
            async with w.client() as client:
                summary = await client.batch(w.edits(3), save_to=w.out, max_credits=127.5)
            assert isinstance(summary.stopped, BudgetExhausted)
        w.check(posts=2)


@pytest.mark.parametrize("wrong", [Edit("https://clips.example.com/a.mp4", "wish"), None])
async def test_one_edit_is_no_batch(world: Any, wrong: Any) -> None:
    """It would end at once, with nothing done and no error."""
    async with world() as w, w.client() as client:
        with pytest.raises(InvalidEdit, match="many edits"):
            client.batch(wrong, save_to=w.out)


@pytest.mark.parametrize("wrong", ["a.mp4", None])
async def test_what_is_no_edit_is_named_with_its_place(world: Any, wrong: Any) -> None:
    """As an error of the input."""
    async with world() as w, w.client() as client:
        with pytest.raises(InvalidEdit, match="number 2 of the batch"):
            await client.batch([w.edit(), wrong], save_to=w.out)


async def test_same_path_in_two_batches_of_one_client_is_one_journal(world: Any) -> None:
    """Whatever it is called: the second call resumes, and is not refused as another holder."""
    async with world() as w, w.client(journal=None) as client:
        (w.folder / "link.db").symlink_to(w.journal)
        for path in (w.journal, str(w.journal), w.folder / "link.db"):
            assert (await client.batch(w.edits(2), save_to=w.out, journal=path)).saved == 2
        w.check(posts=2, files=2)


async def test_budget_counts_accepted_edits_of_which_nobody_said_the_price(world: Any) -> None:
    """Each is taken to cost what the longest clip costs, also in the next run; failed ones cost nothing."""
    journal = MemoryJournal()
    async with world([{"fault": "fail", "prompt": "wish 1."}]) as w:
        async with w.client(journal=journal) as client:
            await client.batch(w.edits(3), save_to=w.out)
            for entry in [entry async for entry in journal.entries()]:
                await journal.write(attrs.evolve(entry, credits_reserved=None))
        for limit, posts in ((190.0, 3), (195.0, 4)):
            async with w.client(journal=journal) as client:
                summary = await client.batch(w.edits(2, "more"), save_to=w.folder / "more", max_credits=limit)
            assert isinstance(summary.stopped, BudgetExhausted)
            w.check(posts=posts)


async def test_failed_tasks_give_their_credits_back(world: Any) -> None:
    """They are not billed, so the budget lets others through."""
    faults = [{"fault": "fail", "code": "service_error", "prompt": "wish 0."}]
    async with world(faults) as w, w.client() as client:
        summary = await client.batch(w.edits(2), save_to=w.out, max_credits=100.0)
        assert summary.counts.get(Status.failed) == 1
        async with w.client(journal=w.folder / "other.db") as other:
            again = await other.batch(w.edits(1, "more"), save_to=w.folder / "more", max_credits=100.0)
        assert again.saved == 1


@pytest.mark.parametrize(("code", "again"), [("service_error", True), ("content_policy_violation", False)])
async def test_retry_failed_asks_the_code(world: Any, code: str, *, again: bool) -> None:
    """Only where the same edit may do better; a retry is a new request with a key of its own."""
    async with world([{"fault": "fail", "code": code, "limit": 1}]) as w:
        for retry, expected in ((False, Status.failed), (True, Status.saved if again else Status.failed)):
            if not retry:
                async with w.client() as client:
                    await client.batch(w.edits(1), save_to=w.out)
            async with w.client() as client:
                batch = client.batch(w.edits(1), save_to=w.out, retry_failed=retry)
                await w.watch(batch)
                assert (await batch).counts == {expected: 1}
        keys = [submission.idempotency_key for submission in w.sandbox.submissions]
        assert len(set(keys)) == len(keys) == 1 + again


async def test_same_command_again_pays_nothing_and_skips_what_is_saved(world: Any) -> None:
    """Whole and unchanged files are left alone."""
    async with world() as w:
        for _ in range(3):
            async with w.client() as client:
                summary = await client.batch(w.edits(8), save_to=w.out)
            assert summary.counts == {Status.saved: 8}
        w.check(posts=8, files=8)
        assert w.lines("/results/") == 8


async def test_missing_and_changed_files_are_fetched_again(world: Any) -> None:
    """While their links live, and without paying; a changed file is kept, since it is somebody's work."""
    async with world() as w:
        async with w.client() as client:
            await client.batch(w.edits(4), save_to=w.out)
        (w.out / "00000.mp4").unlink()
        (w.out / "00001.mp4").write_bytes((w.out / "00001.mp4").read_bytes() + b"\0\0\0\x08free")
        async with w.client() as client:
            batch = client.batch(w.edits(4), save_to=w.out)
            changes = await w.watch(batch)
            assert (await batch).counts == {Status.saved: 4}
        fetched = {change.edit.prompt for change in changes if change.status == Status.downloading}
        assert fetched == {"wish 0.", "wish 1."}
        w.check(posts=4, files=5)


async def test_moved_folder_is_found_again(world: Any) -> None:
    """The results moved with their folder: nothing is fetched, nothing is paid."""
    async with world() as w:
        async with w.client() as client:
            await client.batch(w.edits(3), save_to=w.out)
        w.out.rename(w.folder / "moved")
        async with w.client() as client:
            assert (await client.batch(w.edits(3), save_to=w.folder / "moved")).saved == 3
        w.check(posts=3, files=3)
        assert w.lines("/results/") == 3


async def test_two_batches_of_the_same_edits_at_once_pay_once(world: Any) -> None:
    """In one process, on one journal: what the first works on the second leaves alone, and says so."""
    async with world() as w, w.client() as client:
        batches = [client.batch(w.edits(20), save_to=w.out) for _ in range(2)]

        async def total(batch: Any) -> Any:
            return await batch

        one, two = await asyncio.gather(*map(total, batches))
        assert one.total == two.total == 20
        assert one.saved + two.saved == 20
        assert {change.error.code for change in (*one.failures, *two.failures)} == {"under_way"}
        w.check(posts=20, files=20)


async def test_two_batches_of_different_edits_share_a_client(world: Any) -> None:
    """Each has its own summary."""
    async with world() as w, w.client() as client:
        async with asyncio.TaskGroup() as group:
            for wish in ("snow", "rain"):

                async def run(wish: str = wish) -> None:
                    assert (await client.batch(w.edits(5, wish), save_to=w.folder / wish)).saved == 5

                group.create_task(run())
        w.check(posts=10, files=10)


async def test_two_clients_on_one_journal_file_are_refused(world: Any) -> None:
    """The second one sends nothing."""
    async with world() as w, w.client() as one, w.client() as two:
        await one.batch(w.edits(2), save_to=w.out)
        with pytest.raises(JournalBusy):
            await two.batch(w.edits(4), save_to=w.out)
        with pytest.raises(JournalBusy):
            await two.edit(w.edit(9), save_to=w.out / "x.mp4")
        w.check(posts=2, files=2)


async def test_journal_of_another_service_is_refused(world: Any) -> None:
    """Ids of one service mean nothing to another."""
    async with world() as w, world() as other:
        async with w.client() as client:
            await client.batch(w.edits(1), save_to=w.out)
        async with other.client() as client:
            with pytest.raises(JournalError):
                await client.batch(other.edits(1), save_to=other.out)
        other.check(posts=0)


async def test_live_tasks_stay_below_a_stated_limit(world: Any) -> None:
    """`max_in_flight` bounds unfinished tasks."""
    limits = (Limit(kind="live_tasks", amount=3, lanes=("submit",)),)
    async with world(limits=limits, task_seconds=1.0) as w, w.client(max_in_flight=3) as client:
        summary = await client.batch(w.edits(12), save_to=w.out)
        assert summary.saved == 12
        refused = [submission for submission in w.sandbox.requests if submission.status == 429]
        assert refused == []


async def test_statistics_of_bare_calls_are_those_of_the_gate(world: Any) -> None:
    """Nothing else is at work for them; nothing is told before the first."""
    async with world(task_seconds=60.0) as w, w.client() as client:
        assert client.statistics() is None
        task = await client.submit(w.edit())
        await client.task(task.id)
        told = client.statistics()
        assert told is not None
        assert (told.gate.submit.accepted, told.gate.poll.accepted, told.gate.submit.level) == (1, 1, 1)
        assert (told.live, told.looks, told.bytes, told.lag) == (0, 0, 0, 0.0)
        await client.batch(w.edits(1, "another"), save_to=w.out)
        after = client.statistics()
        assert after is not None
        assert (after.gate.submit.accepted, after.ended) == (2, 1)


async def test_statistics_tell_what_is_going_on(world: Any) -> None:
    """Before, while and after."""
    async with world(task_seconds=3.0) as w, w.client() as client:
        batch = client.batch(w.edits(5), save_to=w.out)
        assert client.statistics() is None
        assert batch.statistics().live == 0
        async for change in batch:
            if change.status == Status.processing:
                now = batch.statistics()
                assert (now.taken, now.live > 0, now.engine is not None) == (5, True, True)
                assert "running" in repr(batch)
        done = batch.statistics()
        assert (done.live, done.exhausted, done.unread) == (0, True, 0)
        assert done.credits_reserved > 0
        assert done.commits is not None
        assert done.commits > 5
        assert done.engine is not None
        assert done.engine.bytes == sum(path.stat().st_size for path in w.out.glob("*.mp4"))
        assert 0 < done.engine.bytes_per_second <= done.engine.bytes
        assert "finished" in repr(batch)


class ForgetfulJournal(MemoryJournal):
    """A journal that takes no answers, in its own words or in foreign ones."""

    def __init__(self, kind: type[Exception]) -> None:
        super().__init__()
        self._kind = kind

    async def answer(self, answer: Answer, entry: Entry | None = None) -> None:
        """Fail."""
        raise self._kind("the disk is gone")


@pytest.mark.parametrize("kind", [JournalError, RuntimeError])
@pytest.mark.parametrize("limit", [None, 200.0])
async def test_answer_that_cannot_be_booked_ends_those_who_wait_for_money_too(
    world: Any, kind: type[Exception], limit: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing more is paid for, the id of what was paid is said aloud, and the batch comes to its end."""
    async with world() as w, w.client(journal=ForgetfulJournal(kind)) as client:
        async with asyncio.timeout(30):
            summary = await client.batch(w.edits(40), save_to=w.out, max_credits=limit)
        assert isinstance(summary.stopped, JournalError)
        assert (summary.total, summary.saved) == (40, 0)
        assert 1 <= len(w.sandbox.submissions) <= (24 if limit is None else 1)
        assert all(task.id in caplog.text for task in w.sandbox.accepted)


async def test_hosts_that_break_end_their_own_edit_alone(world: Any, tmp_path: Path) -> None:
    """A host may be anybody's: its failure is told as its own, and the others go on."""

    class Broken:
        name = "broken"

        async def host(self, path: Path, *, on_progress: OnUpload | None = None) -> Hosted:
            raise RuntimeError("no such bucket")

    clip = tmp_path / "mine.mp4"
    clip.write_bytes(b"clip")
    async with world() as w, w.client(host=Broken()) as client:
        summary = await client.batch([Edit(clip, "x"), w.edit()], save_to=w.out)
        assert summary.counts == {Status.rejected: 1, Status.saved: 1}
        assert isinstance(summary.failures[0].error, HostingFailed)


async def test_failed_task_of_an_earlier_run_takes_nothing_from_what_this_run_reserved(world: Any) -> None:
    """The sum is of this run; what comes back of an earlier one was never in it."""
    journal = MemoryJournal()
    async with world([{"fault": "fail", "prompt": "old 0."}], task_seconds=20.0) as w:
        async with w.client(journal=journal) as client:
            async for change in client.batch(w.edits(1, "old"), save_to=w.out):
                if change.status == Status.pending:
                    break
        async with w.client(journal=journal) as client:
            summary = await client.batch(w.edits(1, "new"), save_to=w.out)
        assert summary.counts == {Status.failed: 1, Status.saved: 1}
        assert summary.credits_reserved == w.sandbox.accepted[1].reserved


@pytest.mark.parametrize("wrong", ["raises", "no edit"])
async def test_what_an_input_gave_before_it_broke_is_taken(world: Any, wrong: str) -> None:
    """As from an input that comes one by one: the journal has it, and the error is raised."""

    def edits() -> Iterator[Any]:
        yield from w.edits(3)
        if wrong == "raises":
            raise ZeroDivisionError("row 4")
        yield "no edit"

    journal = MemoryJournal()
    async with world() as w, w.client(journal=journal) as client:
        batch = client.batch(edits(), save_to=w.out)
        for _ in range(2):
            with pytest.raises((ZeroDivisionError, InvalidEdit), match=r"row 4|number 4"):
                await batch
        assert sum((await journal.counts()).statuses.values()) == 3
        assert batch.statistics().taken == 3


async def test_slow_input_gives_short_pages() -> None:
    """While it is asked nothing else goes on; so it is not asked for a whole page at once."""

    def edits() -> Iterator[Edit]:
        for number in range(3):
            time.sleep(0.06)
            yield Edit(f"{number}.mp4", "x")

    intake = Intake(edits())
    assert [len(await intake.page(128, lambda: False)) for _ in range(4)] == [1, 1, 1, 0]
    assert (intake.taken, intake.exhausted) == (3, True)

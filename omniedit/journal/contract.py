"""The contract of `omniedit.journal.base` as checks that any store can be put to.

A check is a coroutine function that takes a factory and raises `AssertionError` where the contract is broken. Each
check wants a store of its own, empty; the factory may be called more than once and gives a new, unopened journal on
that same store each time (or the same object again, where a store lives only in its object):

    @pytest.mark.parametrize("check", journal_contract, ids=lambda check: check.__name__)
    async def test_my_store_keeps_the_contract(check, tmp_path):
        await check(lambda: MyJournal(tmp_path / "journal"))
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import attrs

from omniedit.errors import JournalError
from omniedit.journal.base import Counts, NameTaken
from omniedit.journal.specimens import MANY, NOON, ORIGIN, Factory, all_of, full_entry, new_entry, opened, refuses, same
from omniedit.models import Answer, Attempt, Edit, Hosted, Outcome, Status

__all__ = ["Check", "Factory", "journal_contract"]

Check = Callable[[Factory], Awaitable[None]]


async def an_entry_comes_back_as_it_was(factory: Factory) -> None:
    """Whatever text, time or number it holds, also after the journal was opened again."""
    full, bare = full_entry(), new_entry(0)
    async with opened(factory) as journal:
        same(await journal.admit([full, bare]), [full, bare])
        same([await journal.entry(full.key), await journal.entry(bare.key)], [full, bare])
    async with opened(factory) as journal:
        same(await all_of(journal.entries()), [full, bare])


async def a_job_is_written_once(factory: Factory) -> None:
    """The first edit of a key stays, with its name, its callback and its target."""
    first = new_entry(1)
    other = Edit(first.edit.source, first.edit.prompt, name="other.mp4")
    second = attrs.evolve(first, edit=other, target="other.mp4", path="other.mp4")
    now = attrs.evolve(first, path="other.mp4")
    async with opened(factory) as journal:
        same(await journal.admit([first, second]), [first, first])
        same(await journal.admit([second]), [first])
        await journal.write(second)
        same(await journal.entry(first.key), now)
        same(await journal.admit([first]), [now])


async def a_target_has_one_holder(factory: Factory) -> None:
    """Compared without case, inside one call and across calls; who was refused was not written."""
    first = new_entry(1)
    rival = attrs.evolve(new_entry(2), target="EDITED/1.MP4")
    sharp = attrs.evolve(new_entry(3), target="edited/straße.mp4")
    sharper = attrs.evolve(new_entry(4), target="edited/STRASSE.mp4")
    async with opened(factory) as journal:
        same(await journal.admit([first, rival, sharp]), [first, NameTaken(rival.target, first.key), sharp])
        same(
            await journal.admit([sharper, rival]),
            [NameTaken(e.target, h.key) for e, h in [(sharper, sharp), (rival, first)]],
        )
        same(await journal.entry(rival.key), None)
        same(await all_of(journal.entries()), [first, sharp])


async def an_empty_target_names_no_file(factory: Factory) -> None:
    """Any number of edits may have it."""
    entries = [attrs.evolve(new_entry(number), target="") for number in range(3)]
    async with opened(factory) as journal:
        same(await journal.admit(entries), entries)


async def an_edit_that_cannot_be_written_is_refused(factory: Factory) -> None:
    """And with it its whole call, of which nothing is written; what others wrote at the same time stays."""
    bad = attrs.evolve(new_entry(1), edit=Edit("a.mp4", "Snow", variant=2**70))
    async with opened(factory) as journal:
        results = await asyncio.gather(
            journal.admit([new_entry(2), bad]), journal.admit([new_entry(3)]), return_exceptions=True
        )
        same([type(result) for result in results], [JournalError, type(results[1])])
        same(await all_of(journal.entries()), [new_entry(3)])


async def a_state_is_replaced_as_a_whole(factory: Factory) -> None:
    """What the new state does not say is gone."""
    entry = new_entry(1)
    full = attrs.evolve(full_entry(), edit=entry.edit, target=entry.target)
    async with opened(factory) as journal:
        await journal.admit([entry])
        await journal.write(full)
        same(await journal.entry(entry.key), full)
        await journal.write(entry)
        same(await journal.entry(entry.key), entry)


async def a_state_is_what_was_written(factory: Factory) -> None:
    """Whatever it says of nonces and tasks, and whatever the attempts say of them, before and after."""
    first, second = (attrs.evolve(new_entry(n, Status.submitting), nonce=f"{n}" * 32) for n in (1, 2))
    guessed = attrs.evolve(first, task_id="task-unified-1")
    borrowed = attrs.evolve(second, nonce=first.nonce, task_id="task-unified-2")
    async with opened(factory) as journal:
        await journal.admit([new_entry(1), new_entry(2)])
        await journal.intend(first)
        await journal.answer(Answer("1" * 32, Outcome.unknown, NOON, "task-unified-1"), guessed)
        await journal.answer(Answer("1" * 32, Outcome.accepted, NOON, "task-unified-2"))
        await journal.write(borrowed)
        same([await journal.entry(first.key), await journal.entry(second.key)], [guessed, borrowed])
        same(await journal.by_nonce("1" * 32), guessed)


async def every_status_survives(factory: Factory) -> None:
    """Those that are named here, and those that only the service knows."""
    statuses = [*Status, Status("throttled"), Status("7"), Status("été")]
    entries = [new_entry(number, status) for number, status in enumerate(statuses)]
    async with opened(factory) as journal:
        await journal.admit(entries)
        found = await all_of(journal.entries())
        same([entry.status for entry in found], statuses)
        same((await journal.counts()).statuses, dict.fromkeys(statuses, 1))


async def an_unknown_edit_is_refused(factory: Factory) -> None:
    """Nothing can be written about an edit that was never admitted."""
    entry = attrs.evolve(new_entry(1), nonce="nonce-of-nobody-1")
    async with opened(factory) as journal:
        await refuses(journal.write(entry))
        await refuses(journal.intend(entry))
        await refuses(journal.answer(Answer("nonce-of-nobody-1", Outcome.accepted, NOON)))
        same(await journal.entry(entry.key), None)
        same(await journal.by_nonce("nonce-of-nobody-1"), None)
        same(list(await journal.attempts(entry.key)), [])


async def an_intent_is_state_and_attempt(factory: Factory) -> None:
    """Both are there, and the edit is found by its nonce, after the journal was opened again too."""
    entry = attrs.evolve(new_entry(1, Status.submitting), nonce="a-Nonce_of.16-or-more")
    async with opened(factory) as journal:
        await journal.admit([new_entry(1), new_entry(2)])
        await refuses(journal.intend(attrs.evolve(entry, nonce=None)))
        await journal.intend(entry)
    async with opened(factory) as journal:
        same(await journal.entry(entry.key), entry)
        same(await journal.by_nonce("a-Nonce_of.16-or-more"), entry)
        same(list(await journal.attempts(entry.key)), [Attempt("a-Nonce_of.16-or-more", entry.key, NOON)])


async def a_nonce_belongs_to_one_edit(factory: Factory) -> None:
    """An intent with the nonce of another edit is refused, and changes nothing."""
    first = attrs.evolve(new_entry(1, Status.submitting), nonce="ab" * 16)
    async with opened(factory) as journal:
        await journal.admit([new_entry(1), new_entry(2)])
        await journal.intend(first)
        await refuses(journal.intend(attrs.evolve(new_entry(2, Status.submitting), nonce=first.nonce)))
        await refuses(journal.answer(Answer("ab" * 16, Outcome.refused, NOON), new_entry(2, Status.failed)))
        same(await all_of(journal.entries()), [first, new_entry(2)])
        same((await journal.attempts(first.key))[0].outcome, Outcome.sent)


async def an_answer_is_booked_whoever_holds_the_edit(factory: Factory) -> None:
    """Also late, when the edit has moved on to another attempt; the state stays unless one is given."""
    first, second = (attrs.evolve(new_entry(1, Status.submitting), nonce=letter * 32) for letter in "ab")
    moved_on = attrs.evolve(second, status=Status.pending, task_id="task-unified-2")
    async with opened(factory) as journal:
        await journal.admit([new_entry(1)])
        await journal.intend(first)
        await journal.intend(second)
        await journal.answer(Answer("b" * 32, Outcome.accepted, NOON, "task-unified-2"), moved_on)
        await journal.answer(Answer("a" * 32, Outcome.accepted, NOON, "task-unified-1"))
        same(await journal.entry(first.key), moved_on)
        same(await journal.by_nonce("a" * 32), moved_on)
        same(
            [(attempt.nonce, attempt.outcome, attempt.task_id) for attempt in await journal.attempts(first.key)],
            [(n * 32, Outcome.accepted, f"task-unified-{t}") for n, t in [("a", 1), ("b", 2)]],
        )


async def accepted_stays_accepted(factory: Factory) -> None:
    """No later answer and no repeat takes an accepted task back; a second task id is kept as detail."""
    entry = attrs.evolve(new_entry(1, Status.submitting), nonce="c" * 32)
    later = [
        Answer("c" * 32, Outcome.refused, NOON, detail="insufficient_quota"),
        Answer("c" * 32, Outcome.unknown, NOON, detail="timeout"),
        Answer("c" * 32, Outcome.accepted, NOON, "task-unified-1"),
        Answer("c" * 32, Outcome.accepted, NOON),
    ]
    async with opened(factory) as journal:
        await journal.admit([entry])
        await journal.intend(entry)
        await journal.answer(Answer("c" * 32, Outcome.unknown, NOON, detail="connection_lost"))
        await journal.answer(Answer("c" * 32, Outcome.accepted, NOON, "task-unified-1"))
        accepted = (await journal.attempts(entry.key))[0]
        same((accepted.outcome, accepted.task_id), (Outcome.accepted, "task-unified-1"))
        for answer in later:
            await journal.answer(answer)
        await journal.intend(entry)
        same(list(await journal.attempts(entry.key)), [accepted])
        await journal.answer(Answer("c" * 32, Outcome.accepted, NOON, "task-unified-2"))
        twice = (await journal.attempts(entry.key))[0]
        same((twice.outcome, twice.task_id), (Outcome.accepted, "task-unified-1"))
        same("task-unified-2" in (twice.detail or ""), True)


async def a_repeat_opens_the_attempt_again(factory: Factory) -> None:
    """The same nonce again is the same row, sent once more."""
    entry = attrs.evolve(new_entry(1, Status.submitting), nonce="d" * 32)
    async with opened(factory) as journal:
        await journal.admit([entry])
        await journal.intend(entry)
        await journal.answer(Answer("d" * 32, Outcome.refused, NOON, detail="rate_limit_exceeded"))
        await journal.intend(attrs.evolve(entry, at=NOON + timedelta(hours=1)))
        attempts = await journal.attempts(entry.key)
        same([(a.nonce, a.outcome, a.at) for a in attempts], [("d" * 32, Outcome.sent, NOON)])


async def iteration_keeps_the_order_of_admission(factory: Factory) -> None:
    """Across pages, for all, for the open ones and for some statuses."""
    statuses = [Status.saved, Status.queued, Status.failed, Status("throttled"), Status.pending, Status.uncertain]
    entries = [new_entry(number, statuses[number % len(statuses)]) for number in range(MANY)]
    some = [Status.pending, Status.saved, Status("throttled"), Status.pending]
    async with opened(factory) as journal:
        await journal.admit(entries)
        same(await all_of(journal.entries()), entries)
        same(await all_of(journal.entries(open_only=True)), [e for e in entries if not e.status.terminal])
        same(await all_of(journal.entries(statuses=some)), [e for e in entries if e.status in some])
        both = [e for e in entries if e.status in some and not e.status.terminal]
        same(await all_of(journal.entries(open_only=True, statuses=some)), both)
        same(await all_of(journal.entries(statuses=[])), [])


async def iteration_lives_with_writes(factory: Factory) -> None:
    """Writing while iterating is allowed; no entry is seen twice, and leaving early leaves nothing open."""
    async with opened(factory) as journal:
        await journal.admit([new_entry(number) for number in range(MANY)])
        seen: list[str] = []
        async for entry in journal.entries(statuses=[Status.queued, Status.saved]):
            seen.append(entry.key)
            await journal.write(attrs.evolve(entry, status=Status.saved))
        same(len(seen), MANY)
        same(len(set(seen)), MANY)
        async for entry in journal.entries():
            same(entry.key, seen[0])
            break


async def counts_add_up(factory: Factory) -> None:
    """Edits per status, and credits of all edits whatever became of them; nothing at all counts as nothing."""
    entries = [
        attrs.evolve(new_entry(1, Status.saved), credits_reserved=50.5, credits_used=40.25),
        attrs.evolve(new_entry(2, Status.failed), credits_reserved=10.0),
        attrs.evolve(new_entry(3, Status.pending), credits_reserved=0.5),
        new_entry(4, Status.saved),
    ]
    async with opened(factory) as journal:
        same(await journal.counts(), Counts({}, 0.0, 0.0))
        await journal.admit(entries)
        wanted = {Status.saved: 2, Status.failed: 1, Status.pending: 1}
        same(await journal.counts(), Counts(wanted, 61.0, 40.25))


async def writes_of_one_edit_keep_their_order(factory: Factory) -> None:
    """The state is that of the call made last, however many are under way."""
    async with opened(factory) as journal:
        entries = [new_entry(number) for number in range(20)]
        await asyncio.gather(*(journal.admit([entry]) for entry in entries))
        rounds = [attrs.evolve(entry, renewals=turn) for turn in range(1, 101) for entry in entries]
        await asyncio.gather(*(journal.write(entry) for entry in rounds))
        found = {entry.renewals for entry in await all_of(journal.entries())}
        same(found, {100})


async def a_failing_call_fails_alone(factory: Factory) -> None:
    """Calls that are refused do no harm to those that are written together with them."""
    good = [new_entry(number) for number in range(50)]
    bad = [new_entry(number) for number in range(100, 150)]
    async with opened(factory) as journal:
        await journal.admit(good)
        calls = [journal.write(attrs.evolve(e, renewals=1)) for pair in zip(good, bad, strict=True) for e in pair]
        results = await asyncio.gather(*calls, return_exceptions=True)
        same([type(result) for result in results], [type(None), JournalError] * 50)
        same(await all_of(journal.entries()), [attrs.evolve(entry, renewals=1) for entry in good])


async def a_cancelled_call_does_no_harm(factory: Factory) -> None:
    """Whether it was written or not: the others are, nothing is half written, and closing works."""
    entries = [new_entry(number) for number in range(100)]
    async with opened(factory) as journal:
        await journal.admit(entries)
        intents = [attrs.evolve(entry, status=Status.submitting, nonce=f"nonce-{entry.key}") for entry in entries]
        tasks = [asyncio.ensure_future(journal.intend(intent)) for intent in intents]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        same(results[1::2], [None] * 50)
    async with opened(factory) as journal:
        for entry, intent in zip(entries, intents, strict=True):
            written = bool(await journal.attempts(entry.key))
            same(await journal.entry(entry.key), intent if written else entry)
        same([bool(await journal.attempts(entry.key)) for entry in entries[1::2]], [True] * 50)


async def a_journal_belongs_to_one_service(factory: Factory) -> None:
    """Another origin is refused, and the right one still gets in."""
    async with opened(factory) as journal:
        await journal.admit([new_entry(1)])
    journal = factory()
    await refuses(journal.open("http://127.0.0.1:8080"))
    await journal.close()
    async with opened(factory) as journal:
        same(await all_of(journal.entries()), [new_entry(1)])


async def a_closed_journal_refuses_calls(factory: Factory) -> None:
    """Before it is opened and after it was closed, which may be said twice; what was called before is written."""
    journal = factory()
    await refuses(journal.admit([new_entry(1)]))
    await refuses(journal.counts())
    await journal.open(ORIGIN)
    last = asyncio.ensure_future(journal.admit([new_entry(1)]))
    await asyncio.sleep(0)
    await journal.close()
    await journal.close()
    same(list(await last), [new_entry(1)])
    await refuses(journal.write(new_entry(1)))
    await refuses(journal.entry(new_entry(1).key))


async def an_upload_is_remembered_while_it_lives(factory: Factory) -> None:
    """By content and host; the newest wins; one without an end lives on."""
    soon = Hosted("https://files.example.com/1.mp4", NOON + timedelta(hours=72))
    ever = Hosted("https://files.example.com/2.mp4")
    content = "ab" * 32
    async with opened(factory) as journal:
        same(await journal.recall_upload(content, "evolink", NOON), None)
        await journal.remember_upload(content, "evolink", soon)
        await journal.remember_upload(content, "s3", ever)
        same(await journal.recall_upload(content, "evolink", NOON), soon)
        same(await journal.recall_upload(content, "evolink", NOON + timedelta(hours=72)), None)
    async with opened(factory) as journal:
        same(await journal.recall_upload(content, "s3", NOON + timedelta(days=3650)), ever)
        await journal.remember_upload(content, "evolink", ever)
        same(await journal.recall_upload(content, "evolink", NOON + timedelta(days=4)), ever)


journal_contract: Sequence[Check] = (
    an_entry_comes_back_as_it_was,
    a_job_is_written_once,
    a_target_has_one_holder,
    an_empty_target_names_no_file,
    an_edit_that_cannot_be_written_is_refused,
    a_state_is_replaced_as_a_whole,
    a_state_is_what_was_written,
    every_status_survives,
    an_unknown_edit_is_refused,
    an_intent_is_state_and_attempt,
    a_nonce_belongs_to_one_edit,
    an_answer_is_booked_whoever_holds_the_edit,
    accepted_stays_accepted,
    a_repeat_opens_the_attempt_again,
    iteration_keeps_the_order_of_admission,
    iteration_lives_with_writes,
    counts_add_up,
    writes_of_one_edit_keep_their_order,
    a_failing_call_fails_alone,
    a_cancelled_call_does_no_harm,
    a_journal_belongs_to_one_service,
    a_closed_journal_refuses_calls,
    an_upload_is_remembered_while_it_lives,
)
"""Every check of the contract, each to be run on an empty store."""

"""Whatever is done in whatever order: the SQLite journal holds what the one in memory holds."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import attrs
from hypothesis import Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from omniedit.errors import JournalError
from omniedit.journal import Journal, MemoryJournal, SqliteJournal
from omniedit.journal.specimens import ORIGIN, all_of
from omniedit.models import Answer, Edit, Entry, Outcome, Status

# Few of each, so that they meet: the same clip twice, the same target in other letters, the same nonce again.
NUMBERS = st.integers(0, 4)
NONCES = st.sampled_from(["ab" * 16, "cd" * 16, "Nonce.of-words_1", "0" * 31, "12" * 17])
TASKS = st.sampled_from(["task-unified-1", "task-unified-2", "0", ""])
STATUSES = st.sampled_from([*Status, Status("throttled"), Status("3")])
TEXTS = st.none() | st.text(max_size=5) | st.sampled_from(["0", "caf\udce9/x.mp4", "/", "ab" * 32])
TARGETS = st.sampled_from(["a/x.mp4", "a/X.mp4", "ax.mp4", "b/straße", "b/STRASSE", "", "0", "a/0"])
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # aware by `timezones`
CREDITS = st.none() | st.integers(0, 8000).map(lambda eighths: eighths / 8)  # sums of these are exact in any order


def edit_of(number: int, name: str | None) -> Edit:
    """One of a handful."""
    source, prompt = (
        ["clips/1.mp4", "1.mp4", "https://example.com/", "caf\udce9", "0"][number],
        ["Snow", "0"][number % 2],
    )
    return Edit(source, prompt, name=name, callback_url=["https://example.com/", None][number % 2], variant=number // 4)


EDITS = st.builds(edit_of, NUMBERS, st.none() | TARGETS)
STATES = st.fixed_dictionaries(
    {"status": STATUSES, "at": TIMES},
    optional={
        "video_url": TEXTS,
        "callback_url": TEXTS,
        "nonce": st.none() | NONCES,
        "task_id": st.none() | TASKS,
        "submitted_at": st.none() | TIMES,
        "unfinished_at": st.none() | TIMES,
        "link": TEXTS,
        "deadline": st.none() | TIMES,
        "renewals": st.integers(0, 3),
        "path": TEXTS | TARGETS,
        "sha256": st.none() | st.sampled_from(["ab" * 32, "a", "AB", "", "été"]),
        "size": st.none() | st.integers(0, 2**63 - 1),
        "credits_reserved": CREDITS,
        "credits_used": CREDITS,
        "error_type": TEXTS,
        "error_code": TEXTS,
        "error_message": TEXTS,
    },
)
ENTRIES = st.builds(lambda edit, target, state: Entry(edit, target, **state), EDITS, TARGETS, STATES)
ANSWERS = st.builds(Answer, NONCES, st.sampled_from(Outcome), TIMES, st.none() | TASKS, TEXTS)


class SameAsInMemory(RuleBasedStateMachine):
    """Does everything to both, and compares what they say and what they hold."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="journal-"))
        self.model = MemoryJournal()
        self.journal = SqliteJournal(self.folder / "journal.db")
        self.runner.run(self.model.open(ORIGIN))
        self.runner.run(self.journal.open(ORIGIN))

    def teardown(self) -> None:
        """Nothing is left behind."""
        self.runner.run(self.journal.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    def both(self, call: Callable[[Journal], Awaitable[object]]) -> None:
        """The same call gives the same result, or is refused with the same words."""
        assert self.runner.run(attempt(call, self.journal)) == self.runner.run(attempt(call, self.model))

    @rule(entries=st.lists(ENTRIES, max_size=5))
    def admit(self, entries: list[Entry]) -> None:
        """Several at once, known or not."""
        self.both(lambda journal: journal.admit(entries))

    @rule(entry=ENTRIES)
    def write(self, entry: Entry) -> None:
        """Any state after any other."""
        self.both(lambda journal: journal.write(entry))

    @rule(entry=ENTRIES)
    def intend(self, entry: Entry) -> None:
        """With and without a nonce, new or known."""
        self.both(lambda journal: journal.intend(entry))

    @rule(answer=ANSWERS, entry=st.none() | ENTRIES)
    def answer(self, answer: Answer, entry: Entry | None) -> None:
        """To attempts that exist and to others."""
        self.both(lambda journal: journal.answer(answer, entry))

    @rule(entry=ENTRIES, nonce=NONCES, task=TASKS)
    def submit(self, entry: Entry, nonce: str, task: str) -> None:
        """The usual way, which chance alone would seldom take."""
        sent = attrs.evolve(entry, nonce=nonce, status=Status.submitting)
        accepted = attrs.evolve(sent, task_id=task, status=Status.pending)
        self.both(lambda journal: journal.admit([entry]))
        self.both(lambda journal: journal.intend(sent))
        self.both(lambda journal: journal.answer(Answer(nonce, Outcome.accepted, entry.at, task), accepted))

    @rule()
    def reopen(self) -> None:
        """What is on the disk is all there is."""
        self.runner.run(self.journal.close())
        self.runner.run(self.journal.open(ORIGIN))

    @rule(open_only=st.booleans(), statuses=st.none() | st.lists(STATUSES, max_size=4))
    def iterate(self, *, open_only: bool, statuses: list[Status] | None) -> None:
        """The same entries in the same order."""
        self.both(lambda journal: all_of(journal.entries(open_only=open_only, statuses=statuses)))

    @rule(nonce=NONCES)
    def look_up(self, nonce: str) -> None:
        """By nonce."""
        self.both(lambda journal: journal.by_nonce(nonce))

    @invariant()
    def hold_the_same(self) -> None:
        """All entries, all attempts, all counts."""
        self.both(lambda journal: journal.counts())
        self.both(everything)


async def attempt(call: Callable[[Journal], Awaitable[object]], journal: Journal) -> object:
    """The result, or what the refusal says."""
    try:
        return await call(journal)
    except JournalError as refusal:
        return str(refusal), refusal.code


async def everything(journal: Journal) -> object:
    """Each entry with its attempts."""
    return [(entry, list(await journal.attempts(entry.key))) for entry in await all_of(journal.entries())]


TestSameAsInMemory = SameAsInMemory.TestCase
# Without shrinking: a history this short can be read, and shortening it takes minutes.
TestSameAsInMemory.settings = settings(max_examples=40, stateful_step_count=25, phases=[Phase.generate])

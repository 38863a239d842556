"""What a journal's operations are in PostgreSQL, a group at a time, each group in one transaction.

Rules of this module:
- the rows concerned are locked first, in the order of their numbers, so that no two groups wait for each other;
- then it is judged, in the order of the calls, in plain Python over what was read; what is refused has written nothing;
- at last everything is written, one statement for each table;
- a group may be performed again from its start, when nobody knows whether its commit arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from omniedit.errors import JournalBusy, JournalError
from omniedit.journal.base import EditHeld, NameTaken
from omniedit.journal.columns import (
    attempt_columns,
    attempt_of,
    entry_of,
    job_columns,
    state_columns,
    target_mark,
    text,
)
from omniedit.journal.groups import Call
from omniedit.journal.rules import answered, check_edit, nonce_of, not_admitted, resent, unknown_nonce
from omniedit.journal.statements import queries
from omniedit.models import Answer, Attempt, Entry, Hosted

if TYPE_CHECKING:
    from asyncpg import Connection, Record

__all__ = ["Admission", "Asked", "Claim", "LetGo", "Move", "Upload", "admit", "lease_lost", "perform"]


@attrs.frozen
class Admission:
    """Write edits that are new. Its result is a list of `Entry | NameTaken | EditHeld`."""

    entries: Sequence[Entry]


@attrs.frozen
class Move:
    """Replace a state, add or answer an attempt, or both."""

    entry: Entry | None
    answer: Answer | None = None
    is_intent: bool = False

    @property
    def nonce(self) -> str | None:
        """The nonce of the attempt concerned."""
        if self.answer is not None:
            return self.answer.nonce
        return self.entry.nonce if self.is_intent and self.entry is not None else None


@attrs.frozen
class Claim:
    """Hold edits that nobody holds. Its result is a dict of the entries by key, without those that others hold."""

    keys: Sequence[str]


@attrs.frozen
class LetGo:
    """Hold edits no longer."""

    keys: Sequence[str]


@attrs.frozen
class Upload:
    """Remember where a content is hosted."""

    content: str
    host: str
    hosted: Hosted


Asked = Admission | Move | Claim | LetGo | Upload
_SQL = queries("postgres")


def lease_lost() -> JournalError:
    """The error of whoever was declared dead by others."""
    return JournalError(
        "this process was silent for so long that others have taken over its edits",
        mend="open the journal again; what was accepted is on record",
        code="lease_lost",
    )


async def perform(connection: Connection[Record], holder: int, calls: Sequence[Call[Asked]]) -> None:
    """Serve a group of calls of one kind: each gets its result or its error."""
    for call in calls:
        call.result, call.error = None, None
    async with connection.transaction():
        alive = await connection.fetchval(_SQL["fence"], holder) is not None
        match calls[0].asked:
            case Move():
                await _move(connection, holder if alive else None, calls)
            case _ if not alive:
                raise lease_lost()
            case Admission():
                await _admit(connection, holder, calls)
            case Claim():
                await _claim(connection, holder, calls)
            case LetGo():
                keys = [key for call in calls if isinstance(call.asked, LetGo) for key in call.asked.keys]
                await connection.execute(_SQL["let_go"], holder, keys)
            case Upload():
                await _remember(connection, calls)


# --- moves ----------------------------------------------------------------------------------------------------------


async def _move(connection: Connection[Record], holder: int | None, calls: Sequence[Call[Asked]]) -> None:
    """Without a holder only answers are booked: they are never fenced."""
    moves = [call.asked for call in calls if isinstance(call.asked, Move)]
    jobs: Mapping[str, _Job] = {}
    if holder is not None:
        jobs = await _locked(connection, holder, [move.entry.key for move in moves if move.entry is not None])
    nonces = list({nonce for move in moves if (nonce := move.nonce) is not None})
    rows = await connection.fetch(_SQL["attempts_of_nonces"], nonces) if nonces else []
    judgement = _Judgement(jobs if holder is not None else None, {row["nonce"]: attempt_of(row) for row in rows})
    for call, move in zip(calls, moves, strict=True):
        try:
            judgement.take(move)
        except JournalError as refusal:
            call.error = refusal
    if judgement.states:
        states = [(jobs[key].number, entry) for key, entry in judgement.states.items()]
        await connection.execute(_SQL["set_states"], holder, *state_columns(states))
    if judgement.changed:
        attempts = [judgement.attempts[nonce] for nonce in judgement.changed]
        await connection.execute(_SQL["put_attempts"], *attempt_columns(attempts))


@attrs.frozen
class _Job:
    """A locked row of `state`."""

    number: int
    phase: int
    mine: bool
    stranger: str | None
    """Name of the living holder that is not this journal."""

    @property
    def is_free(self) -> bool:
        """Whether it has not ended and nobody holds it."""
        return bool(self.phase) and not self.mine and self.stranger is None


async def _locked(connection: Connection[Record], holder: int, keys: Iterable[str]) -> dict[str, _Job]:
    """Lock the states of some edits. Who lives is asked behind the lock: it may have waited."""
    rows = await connection.fetch(_SQL["lock_states"], list(dict.fromkeys(keys)))
    others = list({row["holder"] for row in rows} - {None, holder})
    living = await _living(connection, others) if others else {}
    return {
        row["key"]: _Job(row["job"], row["phase"], row["holder"] == holder, living.get(row["holder"])) for row in rows
    }


async def _living(connection: Connection[Record], holders: Sequence[int]) -> dict[int, str]:
    return {row["id"]: row["name"] for row in await connection.fetch(_SQL["living_holders"], holders)}


class _Judgement:
    """What a group of moves makes of the states and attempts that it has read; each move sees those before it."""

    def __init__(self, jobs: Mapping[str, _Job] | None, attempts: dict[str, Attempt]) -> None:
        self._jobs = jobs
        self.attempts = attempts
        self.changed: dict[str, None] = {}
        self.states: dict[str, Entry] = {}

    def take(self, move: Move) -> None:
        """Book one move.

        Raises:
            JournalError: it is refused. The answer in it is booked all the same when only its state may not be moved.
        """
        if move.answer is not None:
            self._answer(move.answer, move.entry)
        if move.entry is None:
            return
        self._check(move.entry)
        if move.is_intent:
            self._intend(move.entry)
        self.states[move.entry.key] = move.entry

    def _answer(self, answer: Answer, entry: Entry | None) -> None:
        known = self.attempts.get(answer.nonce)
        if known is None:
            raise unknown_nonce(answer.nonce)
        self._keep(answered(known, answer, entry))

    def _intend(self, entry: Entry) -> None:
        nonce = nonce_of(entry)
        known = self.attempts.get(nonce)
        self._keep(Attempt(nonce, entry.key, entry.at) if known is None else resent(known, entry))

    def _keep(self, attempt: Attempt) -> None:
        self.attempts[attempt.nonce] = attempt
        self.changed[attempt.nonce] = None

    def _check(self, entry: Entry) -> None:
        """Fence: only the holder moves an edit."""
        if self._jobs is None:
            raise lease_lost()
        job = self._jobs.get(entry.key)
        if job is None:
            raise not_admitted(entry.key)
        if job.stranger is not None:
            raise _busy(entry.key, job.stranger)


def _busy(key: str, stranger: str) -> JournalBusy:
    return JournalBusy(
        f"edit {key} is being worked on by {stranger}",
        mend="let one process run the batch, or share it among workers",
        code="edit_held",
    )


# --- admission, claims, uploads ---------------------------------------------------------------------------------------


async def _admit(connection: Connection[Record], holder: int, calls: Sequence[Call[Asked]]) -> None:
    good: list[Call[Asked]] = []
    for call in calls:
        try:
            for entry in _admitted_by(call):
                check_edit(entry.edit)
            good.append(call)
        except JournalError as refusal:
            call.error = refusal
    entries = [entry for call in good for entry in _admitted_by(call)]
    added, old = await _add(connection, entries, holder)
    jobs = await _locked(connection, holder, [entry.key for entry in old])
    await _hold(connection, holder, jobs)
    # Behind the lock: what was read before it may have been paid for and let go of since.
    found = {**added, **await _known(connection, old)}
    for call in good:
        _answer_admission(call, found, jobs)


def _admitted_by(call: Call[Asked]) -> Sequence[Entry]:
    return call.asked.entries if isinstance(call.asked, Admission) else ()


async def _hold(connection: Connection[Record], holder: int, jobs: Mapping[str, _Job]) -> None:
    free = [job.number for job in jobs.values() if job.is_free]
    if free:
        await connection.execute(_SQL["hold"], holder, free)


def _answer_admission(call: Call[Asked], found: Mapping[str, Entry | NameTaken], jobs: Mapping[str, _Job]) -> None:
    call.result = [_shown_as(found[entry.key], jobs.get(entry.key)) for entry in _admitted_by(call)]


def _shown_as(found: Entry | NameTaken, job: _Job | None) -> Entry | NameTaken | EditHeld:
    """What an admitter is told of an edit: one that a stranger holds is not ours to move."""
    if job is None or job.stranger is None or isinstance(found, NameTaken):
        return found
    return EditHeld(found, job.stranger)


async def admit(
    connection: Connection[Record], entries: Sequence[Entry], holder: int | None
) -> dict[str, Entry | NameTaken]:
    """Keep the first edit of each key and of each target; new ones are the holder's, if any. In a transaction.

    What is there by key: an edit that was known already may be moved on by its holder at any moment.
    """
    added, old = await _add(connection, entries, holder)
    return {**added, **await _known(connection, old)}


async def _add(
    connection: Connection[Record], entries: Sequence[Entry], holder: int | None
) -> tuple[dict[str, Entry], list[Entry]]:
    """Write what is new; that by key, and the entries that were not written."""
    first = {entry.key: entry for entry in reversed(entries)}
    wanted = [first[key] for key in dict.fromkeys(entry.key for entry in entries)]
    rows = await connection.fetch(_SQL["add_jobs"], *job_columns(wanted)) if wanted else []
    if rows:
        states = [(int(row["job"]), first[row["key"]]) for row in rows]
        await connection.execute(_SQL["add_states"], holder, *state_columns(states))
    added = {row["key"]: first[row["key"]] for row in rows}
    return added, [entry for entry in wanted if entry.key not in added]


async def _known(connection: Connection[Record], entries: Sequence[Entry]) -> dict[str, Entry | NameTaken]:
    """What the journal has of entries that were not written."""
    if not entries:
        return {}
    rows = await connection.fetch(_SQL["entries_of_keys"], [entry.key for entry in entries])
    known: dict[str, Entry | NameTaken] = {row["key"]: entry_of(row) for row in rows}
    missing = [entry for entry in entries if entry.key not in known]
    if missing:
        known.update(await _rivals(connection, missing))
    return known


async def _rivals(connection: Connection[Record], entries: Sequence[Entry]) -> dict[str, NameTaken]:
    """Who has the targets of entries that were not written."""
    marks = {entry.key: target_mark(entry.target) for entry in entries}
    rows = await connection.fetch(_SQL["keys_of_marks"], list(marks.values()))
    holders = {row["mark"]: row["key"] for row in rows}
    return {entry.key: NameTaken(entry.target, holders[marks[entry.key]]) for entry in entries}


async def _claim(connection: Connection[Record], holder: int, calls: Sequence[Call[Asked]]) -> None:
    keys = [key for call in calls if isinstance(call.asked, Claim) for key in call.asked.keys]
    jobs = await _locked(connection, holder, keys)
    mine = {key: job for key, job in jobs.items() if job.stranger is None}
    await _hold(connection, holder, mine)
    rows = await connection.fetch(_SQL["entries_of_keys"], list(mine))
    found = {row["key"]: entry_of(row) for row in rows}
    for call in calls:
        if isinstance(call.asked, Claim):
            call.result = {key: found[key] for key in call.asked.keys if key in found}


async def _remember(connection: Connection[Record], calls: Sequence[Call[Asked]]) -> None:
    for call in calls:
        if isinstance(call.asked, Upload):
            upload, hosted = call.asked, call.asked.hosted
            await connection.execute(
                _SQL["put_upload"], upload.content, upload.host, text(hosted.url), hosted.expires_at
            )

"""What every store must do alike: pure functions over values, without I/O and without a clock.

Rules of this module: a store reads rows, asks here what they become, and writes that. Nothing here knows of SQL.
"""

from __future__ import annotations

import os

import attrs

from omniedit.errors import JournalBusy, JournalError
from omniedit.models import Answer, Attempt, Edit, Entry, Outcome

__all__ = [
    "already_open",
    "answered",
    "check_edit",
    "fold",
    "nonce_of",
    "nonce_taken",
    "not_admitted",
    "not_open",
    "resent",
    "unknown_nonce",
]

# SQL integers are 64 bits wide and signed.
_INTEGERS = range(-(2**63), 2**63)


def fold(target: str) -> str:
    """What two targets are compared by: names that differ only in case are one file on many file systems."""
    return target.casefold()


def resent(attempt: Attempt, entry: Entry) -> Attempt:
    """The attempt after the same nonce was intended again: open once more, unless it was accepted."""
    if attempt.key != entry.key:
        raise nonce_taken(attempt.nonce, entry.key, attempt.key)
    return attempt if attempt.outcome is Outcome.accepted else attrs.evolve(attempt, outcome=Outcome.sent)


def answered(attempt: Attempt, answer: Answer, entry: Entry | None) -> Attempt:
    """The attempt after its answer: accepted stays accepted, and a second accepted task is kept as detail."""
    if entry is not None and entry.key != attempt.key:
        raise JournalError(
            f"the answer to an attempt of edit {attempt.key} came with the state of edit {entry.key}",
            mend="write the two apart",
            idempotency_key=attempt.nonce,
        )
    if attempt.outcome is Outcome.accepted:
        return attrs.evolve(attempt, detail=_also_accepted(attempt, answer))
    return attrs.evolve(
        attempt, outcome=answer.outcome, task_id=answer.task_id or attempt.task_id, detail=answer.detail
    )


def _also_accepted(attempt: Attempt, answer: Answer) -> str | None:
    if answer.outcome is not Outcome.accepted or answer.task_id in {None, attempt.task_id}:
        return attempt.detail
    note = f"also accepted as {answer.task_id}"
    known = attempt.detail.split("; ") if attempt.detail else []
    return attempt.detail if note in known else "; ".join([*known, note])


def nonce_of(entry: Entry) -> str:
    """The nonce that an intent must carry."""
    if entry.nonce is None:
        raise JournalError(f"the intent of edit {entry.key} has no nonce", mend="give the entry its nonce first")
    return entry.nonce


def check_edit(edit: Edit) -> None:
    """Refuse an edit that no store can give back as it was: what is no text cannot be written as text.

    Callers without a type checker may have erred.

    Raises:
        JournalError: names the field; nothing was written.
    """
    wrong = [name for name in ("source", "prompt", "model") if not isinstance(getattr(edit, name), str)]
    wrong += [name for name in ("name", "callback_url") if not isinstance(getattr(edit, name), str | None)]
    if not _is_integer(edit.variant):
        wrong.append("variant")
    if wrong:
        raise JournalError(
            f"edit {edit.key} cannot be written down: {', '.join(wrong)} has the wrong type or size",
            mend="use text, and a 64-bit number for the variant",
        )


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and value in _INTEGERS


def nonce_taken(nonce: str, key: str, holder: str) -> JournalError:
    """The error of an intent whose nonce was used for another edit."""
    return JournalError(
        f"the nonce of edit {key} already belongs to edit {holder}",
        mend="make a new nonce for every edit",
        idempotency_key=nonce,
    )


def not_admitted(key: str) -> JournalError:
    """The error of a write for an edit that the journal does not know."""
    return JournalError(f"edit {key} was never admitted to this journal", mend="admit it first")


def unknown_nonce(nonce: str) -> JournalError:
    """The error of an answer to an attempt that was never intended."""
    return JournalError("no attempt with this nonce was ever intended", mend="intend it first", idempotency_key=nonce)


def not_open() -> JournalError:
    """The error of any call before `open` and after `close`."""
    return JournalError("the journal is not open", mend="open it first, and close it last")


def already_open() -> JournalBusy:
    """The error of opening one object twice."""
    error = JournalBusy("this journal is already open", mend="use one journal per client or batch at a time")
    error.pid = os.getpid()
    return error

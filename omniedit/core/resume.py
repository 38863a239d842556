"""What to do with an edit that a journal knows already.

Rules of this room (`core`): pure and synchronous; no I/O, no clock, no randomness; a decision goes out as a value.

Rules of this file: what is saved is checked and skipped, what was accepted is followed, what was refused is tried
again, what is uncertain is held unless a replay was asked for, and what failed stays failed unless a retry was asked
for and its code allows one. A task that the service did not know may have been paid for: it is looked for again. An
intent without an answer is uncertain: the process died in between. What the attempts know comes before what the state
says: an answer may have come late. An uncertain request is repeated only while the service is likely to remember its
key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum

from omniedit.core.lifecycle import UNKNOWN_TASK, may_retry
from omniedit.models import Attempt, Entry, Outcome, Status

__all__ = ["Plan", "REPLAYABLE", "SET_BACK", "accepted_attempt", "may_replay", "plan"]

REPLAYABLE = timedelta(hours=24)
"""How long a service is thought to remember an `Idempotency-Key`; it publishes nothing, others promise a day."""

SET_BACK = timedelta(hours=1)
"""How far the wall clock may have been set back since the request left: beyond it, nobody knows its age."""


class Plan(Enum):
    """The next thing to do with an edit."""

    submit = "submit"
    resubmit = "resubmit"
    """Submit again what ended: a refused, or a failed one."""
    follow = "follow"
    find = "find"
    """The service did not know its task: follow it once more, it may know it by now."""
    fetch = "fetch"
    look_again = "look_again"
    """Its link was dead: ask once more for a fresh one."""
    check = "check"
    """See whether the saved file is still there."""
    orphan = "orphan"
    """The process died between the intent and the answer: make it uncertain first."""
    replay = "replay"
    hold = "hold"
    """Uncertain: show it, and do nothing."""
    skip = "skip"


def plan(entry: Entry, *, replay: bool, retry_failed: bool) -> Plan:
    """Decide what to do with an edit.

    Args:
        entry: the edit as the journal has it.
        replay: repeat uncertain requests with the same key.
        retry_failed: submit failed ones again where their code allows it.
    """
    match entry.status:
        case Status.queued | Status.uploading:
            return Plan.submit
        case Status.submitting:
            return Plan.orphan
        case Status.uncertain:
            return Plan.replay if replay else Plan.hold
        case Status.completed | Status.downloading:
            return Plan.fetch
        case Status.saved:
            return Plan.check
        case Status.expired:
            return Plan.look_again
        case Status.rejected:
            return Plan.resubmit
        case Status.failed if entry.error_code == UNKNOWN_TASK and entry.task_id:
            return Plan.find
        case Status.failed | Status.cancelled:
            return Plan.resubmit if retry_failed and may_retry(entry) else Plan.skip
        case _:
            return Plan.follow


def accepted_attempt(attempts: Sequence[Attempt]) -> Attempt | None:
    """The attempt of which a late answer says that it was accepted, whatever the state says."""
    return next((one for one in attempts if one.outcome is Outcome.accepted and one.task_id), None)


def may_replay(entry: Entry, attempts: Sequence[Attempt], now: datetime) -> bool:
    """Whether an uncertain request is young enough to be repeated with its key.

    A repeat after the service has forgotten the key would be a second order. So would one of a request from the
    future: it left under a clock that was wrong, and may be of any age.
    """
    first = next((one.at for one in attempts if one.nonce == entry.nonce), entry.at)
    return -SET_BACK <= now - first < REPLAYABLE

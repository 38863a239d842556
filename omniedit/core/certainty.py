"""What is certain after a paid request: that it was accepted, that it was not, or neither.

Rules of this room (`core`): pure and synchronous; no I/O, no clock, no randomness; a decision goes out as a value.

Rules of this file, in this order:
1. The service's own word comes first: `idempotency_conflict` and `paid_outcome_unknown` are unknown, whatever status
   they come with: both say that an earlier request with this key was seen.
2. Accepted: a 2xx with an id.
3. Refused for certain: the request never left (name lookup, connect, TLS); any 4xx but 409; 503 with `Retry-After`.
4. Unknown: everything else. A timeout, a connection lost after the request was written, 500, 502, 504, a plain 503,
   a redirect, a 2xx that cannot be read, a crash or a cancellation in between.

Nobody repeats an unknown one unless told to. When a repeat of an unknown one is refused, for whatever reason, the
first one is still unknown: `after_replay` says so, and whether one more repeat could tell more.
"""

from __future__ import annotations

import attrs

__all__ = ["Accepted", "Answered", "Refused", "Silent", "Unknown", "Verdict", "after_replay", "judge"]

_CONFLICT_CODE = "idempotency_conflict"
_UNKNOWN_CODES = frozenset({_CONFLICT_CODE, "paid_outcome_unknown"})
_CONFLICT = 409


@attrs.frozen
class Answered:
    """An HTTP answer came."""

    status: int
    task_id: str | None = None
    code: str | None = None
    """The service's error code, when the body could be read."""
    retry_after: bool = False
    """Whether the header `Retry-After` was there."""
    replayed: bool = False
    """Whether the header `Idempotency-Replayed: true` was there."""


@attrs.frozen
class Silent:
    """No answer came."""

    sent: bool
    """Whether any byte of the request may have left this machine."""
    reason: str = "no answer"


@attrs.frozen
class Accepted:
    """There is a task, and it will be billed."""

    task_id: str
    replayed: bool = False
    """The service recognised the key and gave the original task: no new charge."""


@attrs.frozen
class Refused:
    """There is no task: the request may be sent again."""

    reason: str
    waits: bool = False
    """Whether the refusal was for lack of room (429, 503 with `Retry-After`) and not of this edit."""
    left: bool = True
    """Whether the request reached the service at all."""


@attrs.frozen
class Unknown:
    """There may be a task."""

    reason: str
    again: bool = True
    """Whether a repeat with the same key might tell more."""
    waits: bool = False
    """Whether a repeat was refused for lack of room: it said nothing, and is worth another try."""


Verdict = Accepted | Refused | Unknown


def judge(outcome: Answered | Silent) -> Verdict:
    """Decide what is certain after one paid request."""
    match outcome:
        case Silent(sent=False, reason=reason):
            return Refused(f"the request never left: {reason}", left=False)
        case Silent(reason=reason):
            return Unknown(f"the request left, then: {reason}")
        case Answered(code=code) if code in _UNKNOWN_CODES:
            return Unknown(f"the service answered {code}", again=code != _CONFLICT_CODE)
        case Answered(status=status, task_id=str(task_id)) if _is_success(status) and task_id:
            return Accepted(task_id, outcome.replayed)
        case _:
            return _judge_status(outcome)


def _is_success(status: int) -> bool:
    return 200 <= status < 300  # RFC 9110, section 15.3


def _judge_status(answer: Answered) -> Refused | Unknown:
    match answer.status:
        case 429:
            return Refused("429: too many requests", waits=True)
        case 503 if answer.retry_after:
            return Refused("503 with Retry-After", waits=True)
        case status if 400 <= status < 500 and status != _CONFLICT:  # RFC 9110, section 15.5
            return Refused(f"{status}: {answer.code or 'refused'}")
        case status if _is_success(status):
            return Unknown(f"{status}, but no task id could be read")
        case status:
            return Unknown(f"{status}: {answer.code or 'no word on the request'}")


def after_replay(verdict: Verdict) -> Verdict:
    """The same, for a repeat of a request whose outcome was unknown: only an acceptance settles it.

    A repeat that found no room, or never left, says nothing and may be tried again. Any other refusal speaks of the
    repeat and not of the first request, and another repeat would be refused as well.
    """
    match verdict:
        case Refused(reason=reason, waits=waits, left=left):
            return Unknown(f"the repeat was refused ({reason})", again=waits or not left, waits=waits)
        case _:
            return verdict

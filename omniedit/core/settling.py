"""Which task of a listing belongs to a paid request whose answer was lost.

Rules of this room (`core`): pure and synchronous; no I/O, no clock, no randomness; a decision goes out as a value.

Rules of this file: a listing names tasks, not requests; so a task is given to a request only where nothing else is
possible: the same model, made between the request and the end of its patience, unknown to the journal; and it must be
the only such task, and the request the only open one of that time. Where anything is in doubt nothing is settled. That
no such task is listed proves nothing: it may be made later. A call that comes under a request's secret nonce says
which request it means; the task that it names must still be one that can have been made of it. All moments are by the
service's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs

from omniedit.models import Task

__all__ = ["Open", "SKEW", "is_alone", "is_plausible", "match", "possible"]

SKEW = timedelta(seconds=5)
"""How far two clocks, and moments written in whole seconds, may be apart."""


@attrs.frozen
class Open:
    """A paid request of which nobody knows the outcome."""

    nonce: str
    model: str
    at: datetime
    """When it was about to leave."""


def is_alone(wanted: Open, others: Sequence[Open], patience: timedelta) -> bool:
    """Whether no other request was open at about the same time; one whose answer is still awaited is open as well.

    Args:
        wanted: the request.
        others: all open requests of the same key.
        patience: how long after a request left a task may still be made of it.
    """
    span = patience + 2 * SKEW  # from one window's begin to its end
    return all(abs(other.at - wanted.at) > span for other in others if other.nonce != wanted.nonce)


def possible(wanted: Open, tasks: Sequence[Task], patience: timedelta) -> list[Task]:
    """The tasks that may have been made of a request, by their time; those without one may be any request's."""
    begin, end = wanted.at - SKEW, wanted.at + patience + SKEW
    return [task for task in tasks if task.created is None or begin <= task.created <= end]


def match(wanted: Open, strangers: Sequence[Task]) -> Task | None:
    """The task of a request that is alone, among the possible ones that no other request owns."""
    if len(strangers) != 1 or strangers[0].created is None or strangers[0].model != wanted.model:
        return None
    return strangers[0]


def is_plausible(wanted: Open, task: Task) -> bool:
    """Whether a task that a call names can have been made of the request whose nonce the call came under.

    The nonce stands in for being alone, and there is no latest moment: a repeat under the same nonce may make the task
    much later.
    """
    return task.model == wanted.model and task.created is not None and task.created >= wanted.at - SKEW

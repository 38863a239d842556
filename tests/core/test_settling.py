"""A task is given to a lost request only where nothing else is possible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
from hypothesis import given, strategies as st

from omniedit.core.settling import SKEW, Open, is_alone, is_plausible, match, possible
from omniedit.models import Status, Task

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PATIENCE = timedelta(seconds=100)
LOST = Open("n1", "m", NOW)


def task(seconds: float, name: str = "t1", model: str = "m") -> Task:
    """A task of the listing, made so long after the request."""
    return Task(name, Status.processing, model=model, created=NOW + timedelta(seconds=seconds))


def settle(wanted: Open, others: list[Open], tasks: list[Task]) -> Task | None:
    """The three questions, in order."""
    alone = is_alone(wanted, others, PATIENCE)
    return match(wanted, possible(wanted, tasks, PATIENCE)) if alone else None


def test_the_only_possible_task_is_found() -> None:
    """From a little before the request to a little after the end of its patience."""
    for seconds in (-5, 0, 1, 99, 105):
        found = settle(LOST, [LOST], [task(seconds), task(-6, "early"), task(106, "late")])
        assert found is not None
        assert found.id == "t1"


def test_anything_in_doubt_settles_nothing() -> None:
    """Two tasks, another request of that time, another model, a task without a moment, or none at all."""
    assert settle(LOST, [], []) is None
    assert settle(LOST, [], [task(1), task(2, "t2")]) is None
    assert settle(LOST, [], [task(1), task(2, "t2", "other")]) is None
    assert settle(LOST, [], [task(1, model="other")]) is None
    assert settle(LOST, [], [task(1), attrs.evolve(task(1), id="t2", created=None)]) is None
    assert settle(LOST, [], [task(-6)]) is None
    assert settle(LOST, [], [task(106)]) is None
    for seconds in (-110, -1, 0, 1, 110):
        other = Open("n2", "m", NOW + timedelta(seconds=seconds))
        assert settle(LOST, [LOST, other], [task(1)]) is None


def test_requests_of_another_time_are_no_rivals() -> None:
    """Their tasks would have been made at another time as well."""
    far = [Open("n2", "m", NOW + sign * (PATIENCE + 3 * SKEW)) for sign in (-1, 1)]
    assert settle(LOST, far, [task(1)]) is not None


def test_a_task_that_a_call_names_must_fit_what_can_be_compared() -> None:
    """Of the same model, made since the request left; a repeat under the same nonce may make it much later."""
    for seconds in (-5, 0, 90, 86_400):
        assert is_plausible(LOST, task(seconds))
    assert not is_plausible(LOST, task(-6))
    assert not is_plausible(LOST, task(1, model="other"))
    assert not is_plausible(LOST, attrs.evolve(task(1), created=None))


moments = st.integers(-300, 300)


@given(st.lists(moments, max_size=4), st.lists(moments, max_size=4))
def test_no_task_is_ever_given_to_two_requests(requests: list[int], tasks: list[int]) -> None:
    """Whatever was open and whatever is listed."""
    opens = [Open(str(number), "m", NOW + timedelta(seconds=at)) for number, at in enumerate(requests)]
    listed = [task(at, f"t{number}") for number, at in enumerate(tasks)]
    found = [settle(one, opens, listed) for one in opens]
    given_away = [one.id for one in found if one is not None]
    assert len(set(given_away)) == len(given_away)

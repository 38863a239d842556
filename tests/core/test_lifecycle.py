"""The table of moves, what a look at a task changes, and what a journal remembers of an error."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given, strategies as st

from omniedit import errors
from omniedit.changes import Change
from omniedit.core.lifecycle import (
    REOPENED,
    TABLE,
    IllegalMove,
    error_of,
    follows,
    may_retry,
    move,
    observe,
    standing,
)
from omniedit.errors import LinkExpired, OmniEditError, TaskCancelled, TaskFailed
from omniedit.models import Edit, Entry, Status, Task

S = Status
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)
EDIT = Edit("https://example.com/a.mp4", "make it warmer")
ODD = Status("reviewing")
OTHER = Status("throttled")
ALL = (*Status, ODD, OTHER)


def entry(status: Status, **facts: object) -> Entry:
    """An edit that stands there, with a task."""
    return attrs.evolve(Entry(EDIT, "out/a.mp4", status, NOW, task_id="task-unified-1-a", nonce="n" * 32), **facts)  # type: ignore[arg-type]


def task(status: Status | str, progress: int = 0, **facts: object) -> Task:
    """What the service says."""
    return attrs.evolve(Task("task-unified-1-a", Status(status), progress), **facts)  # type: ignore[arg-type]


def statuses(changes: tuple[Change, ...]) -> list[Status]:
    """The statuses told, in order."""
    return [change.status for change in changes]


def test_table_names_every_status_and_only_known_ones() -> None:
    """No status is forgotten, and ends lead nowhere without a reopening."""
    assert set(TABLE) == set(Status)
    assert all(nexts <= set(Status) for nexts in (*TABLE.values(), *REOPENED.values()))
    assert {status for status, nexts in TABLE.items() if not nexts} == {s for s in Status if s.terminal}
    assert set(REOPENED) == {s for s in Status if s.terminal}


def test_only_a_task_that_was_paid_for_can_be_pending() -> None:
    """Nothing but a paid request, or late news of one, leads to a task."""
    leading = {status for status in ALL if follows(S.pending, status)}
    assert leading == {S.submitting}
    reopened = {status for status in ALL if follows(S.pending, status, reopening=True)} - leading
    assert reopened == {S.uncertain, S.failed}


def test_nothing_that_has_a_task_can_be_submitted_again_without_a_retry() -> None:
    """From a task no way leads back to `submitting`, not even by reopening, but through an end that is not billed."""
    for status in (S.pending, S.processing, S.completed, S.downloading, S.saved, S.expired, ODD):
        assert not follows(S.submitting, status, reopening=True)
        assert not follows(S.queued, status, reopening=True)


@pytest.mark.parametrize("before", ALL)
def test_every_pair_of_statuses_moves_by_the_table_or_not_at_all(before: Status) -> None:
    """An illegal move raises and changes nothing; a legal one gives one change."""
    start = entry(before)
    for after, reopening in itertools.product(ALL, (False, True)):
        by_table = after in TABLE[before] if before.known and after.known else None
        if not follows(after, before, reopening=reopening):
            with pytest.raises(IllegalMove, match=f"{before} cannot become {after}"):
                move(start, after, LATER, reopening=reopening)
            assert start == entry(before)
            continue
        step = move(start, after, LATER, reopening=reopening)
        assert step.entry.status == after
        assert step.entry.at == LATER
        assert [(c.previous, c.status) for c in step.changes] == [(before, after)]
        assert by_table is not False or reopening


def test_unknown_statuses_stand_beside_processing() -> None:
    """They follow what `processing` follows, lead where it leads, and follow each other."""
    assert follows(ODD, S.pending)
    assert follows(ODD, S.processing)
    assert follows(S.processing, ODD)
    assert follows(OTHER, ODD)
    assert not follows(ODD, ODD)
    assert follows(S.completed, ODD)
    assert not follows(ODD, S.queued)
    assert not follows(ODD, S.completed)


def test_move_keeps_what_becomes_known() -> None:
    """Facts, the error and the path go where they belong."""
    error = LinkExpired("gone", code="link_dead")
    step = move(entry(S.downloading), S.expired, LATER, progress=100, error=error, deadline=NOW, credits_used=3.0)
    assert (step.entry.error_type, step.entry.error_code, step.entry.error_message) == (
        "LinkExpired",
        "link_dead",
        "gone",
    )
    (change,) = step.changes
    assert (change.error, change.deadline, change.credits, change.progress, change.path) == (error, NOW, 3.0, 100, None)
    saved = move(entry(S.downloading), S.saved, LATER, path="out/a.mp4").changes[0]
    assert str(saved.path) == "out/a.mp4"
    again = move(attrs.evolve(step.entry, path="out/a.mp4"), S.downloading, LATER, reopening=True)
    assert again.entry.error_type is None
    assert again.changes[0].path is None


def test_first_change_has_no_previous_status() -> None:
    """What stands in a journal is told as it stands, with the error it remembers."""
    held = entry(S.uncertain, error_type="SubmissionUncertain", error_code="submission_uncertain", error_message="who?")
    change = standing(held, LATER, 7)
    assert (change.previous, change.status, change.progress, change.at) == (None, S.uncertain, 7, LATER)
    assert isinstance(change.error, errors.SubmissionUncertain)
    assert standing(entry(S.pending), LATER).error is None
    other = OmniEditError("x")
    assert standing(held, LATER, error=other).error is other


LOOKS = [
    (S.pending, "pending", []),
    (S.pending, "processing", [S.processing]),
    (S.pending, "completed", [S.processing, S.completed]),
    (S.pending, "failed", [S.failed]),
    (S.pending, "cancelled", [S.cancelled]),
    (S.pending, "canceled", [S.cancelled]),
    (S.pending, "reviewing", [ODD]),
    (S.processing, "pending", []),
    (S.processing, "processing", []),
    (S.processing, "completed", [S.completed]),
    (S.processing, "reviewing", [ODD]),
    (ODD, "reviewing", []),
    (ODD, "throttled", [OTHER]),
    (ODD, "processing", [S.processing]),
    (ODD, "pending", []),
    (ODD, "completed", [S.completed]),
    (ODD, "failed", [S.failed]),
    *((status, "processing", []) for status in Status if status not in {S.pending, S.processing}),
    *((status, "completed", []) for status in Status if status not in {S.pending, S.processing}),
    *((status, "failed", []) for status in Status if status not in {S.pending, S.processing}),
]


def test_look_tells_every_status_on_the_way_and_none_backwards() -> None:
    """Late looks are ignored; a look from further on fills the gap."""
    for before, said, told in LOOKS:
        step = observe(entry(before), 0, task(said), LATER)
        assert statuses(step.changes) == told, (before, said)
        assert step.entry.status == (told[-1] if told else before)
        assert [change.previous for change in step.changes] == [before, *told][:-1], (before, said)


@pytest.mark.parametrize("before", [S.pending, S.processing, ODD])
def test_words_of_our_own_from_the_service_say_nothing(before: Status) -> None:
    """A service that calls a running task `queued` or `expired` ends nothing here."""
    ours = set(Status) - {S.pending, S.processing, S.completed, S.failed, S.cancelled}
    for word in ours:
        start = entry(before)
        assert observe(start, 0, task(word, 50), LATER).entry is start, word


@given(st.lists(st.sampled_from([*ALL, Status("saved"), Status("queued")]), max_size=12), st.integers(0, 100))
def test_any_order_of_looks_makes_legal_moves_only(said: list[Status], progress: int) -> None:
    """Whatever a service says, and in whatever order: the stream obeys the table and never goes on after an end."""
    now, last = entry(S.pending), S.pending
    for status in said:
        step = observe(now, 0, task(status, progress), LATER)
        for change in step.changes:
            assert change.previous == last
            assert change.status == last or follows(change.status, last)
            last = change.status
        now = step.entry
    assert now.status == last


def test_progress_moves_only_forwards() -> None:
    """The same status with more progress is a change of its own; less is none."""
    more = observe(entry(S.processing), 10, task("processing", 40), LATER)
    assert [(c.status, c.previous, c.progress) for c in more.changes] == [(S.processing, S.processing, 40)]
    assert not observe(entry(S.processing), 40, task("processing", 40), LATER).changes
    assert not observe(entry(S.processing), 40, task("processing", 0), LATER).changes


def test_unfinished_looks_move_the_moment_after_which_links_live() -> None:
    """A look that finds the task unfinished proves that no link is older; one that finds it done does not."""
    assert observe(entry(S.pending), 0, task("processing"), LATER).entry.unfinished_at == LATER
    assert observe(entry(S.pending), 0, task("reviewing"), LATER).entry.unfinished_at == LATER
    assert observe(entry(S.pending, unfinished_at=NOW), 0, task("completed"), LATER).entry.unfinished_at == NOW


def test_a_look_that_shows_no_more_than_progress_leaves_the_entry_the_same_object() -> None:
    """When that look was is told with the look that shows the end."""
    start = entry(S.processing, unfinished_at=NOW, credits_reserved=60.0)
    assert observe(start, 10, task("processing", 40, credits_reserved=60.0), LATER).entry is start
    done = observe(start, 40, task("completed"), LATER + timedelta(hours=1), unfinished_at=LATER)
    assert done.entry.unfinished_at == LATER
    assert start.unfinished_at == NOW


def test_credits_are_kept_as_told_and_given_back_by_failures() -> None:
    """Failed tasks are not billed, unless the service says that they were."""
    start = entry(S.pending, credits_reserved=60.0)
    done = observe(start, 0, task("completed", credits_used=12.0), LATER).entry
    assert (done.credits_reserved, done.credits_used, done.credits) == (60.0, 12.0, 12.0)
    changed = observe(start, 0, task("processing", credits_reserved=61.0), LATER).entry
    assert changed.credits_reserved == 61.0
    failed = observe(start, 0, task("failed"), LATER)
    assert (failed.entry.credits, failed.changes[0].credits) == (None, None)
    free = observe(start, 0, task("failed", credits_used=0.0), LATER).entry
    assert (free.credits_reserved, free.credits_used) == (None, 0.0)
    assert observe(start, 0, task("failed", credits_used=2.0), LATER).entry.credits == 2.0


@pytest.mark.parametrize(
    ("said", "code", "status", "kind"),
    [
        ("failed", "content_policy_violation", S.failed, TaskFailed),
        ("failed", None, S.failed, TaskFailed),
        ("failed", "request_cancelled", S.cancelled, TaskCancelled),
        ("cancelled", None, S.cancelled, TaskCancelled),
        ("canceled", "whatever", S.cancelled, TaskCancelled),
    ],
)
def test_bad_ends_carry_code_and_task(said: str, code: str | None, status: Status, kind: type[OmniEditError]) -> None:
    """A cancelled task may also appear as failed with a code of its own."""
    step = observe(entry(S.processing), 0, task(said, error_code=code, error_message=None), LATER)
    (change,) = step.changes
    assert change.status == status
    assert type(change.error) is kind
    assert change.error is not None
    assert change.error.task_id == "task-unified-1-a"
    assert change.error.code == (code or ("request_cancelled" if said != "failed" else "unknown_error"))
    assert "not billed" in str(change.error)


@pytest.mark.parametrize(
    ("status", "code", "again"),
    [
        (S.failed, "service_error", True),
        (S.failed, "quota_exceeded", True),
        (S.cancelled, "request_cancelled", True),
        (S.failed, "content_policy_violation", False),
        (S.failed, "no_results", False),
        (S.failed, "task_not_found", False),
        (S.failed, "never_heard_of", False),
        (S.failed, None, False),
        (S.expired, "service_error", False),
        (S.uncertain, "service_error", False),
        (S.saved, None, False),
    ],
)
def test_only_unbilled_failures_may_be_submitted_again(status: Status, code: str | None, *, again: bool) -> None:
    """What may have been billed is never submitted again, whatever its code."""
    assert may_retry(entry(status, error_code=code)) is again


@pytest.mark.parametrize(
    ("code", "mend"),
    [
        ("service_error", "not billed; submit it again later"),
        ("content_policy_violation", "not billed; change the prompt"),
        ("no_results", "may have been billed: ask the service"),
        ("task_not_found", "the next run looks for it once more"),
    ],
)
def test_a_remembered_failure_says_what_to_do_about_it(code: str, mend: str) -> None:
    """Nobody is told that something was not billed when nobody knows."""
    error = error_of(entry(S.failed, error_type="TaskFailed", error_code=code, error_message="it failed"))
    assert error is not None
    assert mend in (error.mend or "")


def test_remembered_errors_come_back_as_their_class() -> None:
    """Class, code and message survive a journal; an unknown class becomes the root."""
    kept = entry(S.failed, error_type="TaskFailed", error_code="service_error", error_message="busy")
    error = error_of(kept)
    assert type(error) is TaskFailed
    assert (error.code, error.message, error.task_id, error.idempotency_key) == (
        "service_error",
        "busy",
        kept.task_id,
        kept.nonce,
    )
    assert "submit it again later" in (error.mend or "")
    assert error_of(entry(S.pending)) is None
    newer = error_of(entry(S.failed, error_type="FromTheFuture"))
    assert type(newer) is OmniEditError
    assert newer.message
    assert newer.mend is None
    assert type(error_of(entry(S.failed, error_type="doorway"))) is OmniEditError

"""What is done with an edit that a journal knows already."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from omniedit.core.resume import REPLAYABLE, SET_BACK, Plan, accepted_attempt, may_replay, plan
from omniedit.models import Attempt, Edit, Entry, Outcome, Status

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ENTRY = Entry(Edit("https://example.com/a.mp4", "make it warmer"), "a.mp4", Status.queued, NOW, nonce="n1")
PLANS = {
    Status.queued: Plan.submit,
    Status.uploading: Plan.submit,
    Status.submitting: Plan.orphan,
    Status.pending: Plan.follow,
    Status.processing: Plan.follow,
    Status("reviewing"): Plan.follow,
    Status.completed: Plan.fetch,
    Status.downloading: Plan.fetch,
    Status.saved: Plan.check,
    Status.failed: Plan.skip,
    Status.cancelled: Plan.skip,
    Status.rejected: Plan.resubmit,
    Status.expired: Plan.look_again,
    Status.uncertain: Plan.hold,
}


def test_every_status_has_a_plan() -> None:
    """No status of a journal is left without one."""
    assert set(PLANS) >= set(Status)


def test_plan_without_orders() -> None:
    """Without orders nothing that may have been paid for is paid for again."""
    entries = {status: attrs.evolve(ENTRY, status=status, error_code="service_error") for status in PLANS}
    assert {status: plan(entry, replay=False, retry_failed=False) for status, entry in entries.items()} == PLANS


@pytest.mark.parametrize("code", ["service_error", "content_policy_violation", "no_results", None])
def test_plan_with_every_order(code: str | None) -> None:
    """Replay touches uncertain ones only; a retry failed and cancelled ones only, and not every code."""
    retried = Plan.resubmit if code == "service_error" else Plan.skip
    orders = {Status.uncertain: Plan.replay, Status.failed: retried, Status.cancelled: retried}
    entries = {status: attrs.evolve(ENTRY, status=status, error_code=code) for status in PLANS}
    plans = {status: plan(entry, replay=True, retry_failed=True) for status, entry in entries.items()}
    assert plans == PLANS | orders


def test_a_task_that_the_service_did_not_know_is_looked_for_again() -> None:
    """With every order and with none: it may have been paid for. Without an id nothing can be looked for."""
    gone = attrs.evolve(ENTRY, status=Status.failed, task_id="t", error_code="task_not_found")
    for order in (False, True):
        assert plan(gone, replay=order, retry_failed=order) is Plan.find
        assert plan(attrs.evolve(gone, task_id=None), replay=order, retry_failed=order) is Plan.skip
        assert plan(attrs.evolve(gone, status=Status.cancelled), replay=order, retry_failed=order) is Plan.skip


def test_edits_with_a_task_are_never_planned_to_be_submitted() -> None:
    """From an accepted task no plan leads to a second request."""
    for status in (Status.pending, Status.processing, Status.completed, Status.downloading, Status.saved):
        entry = attrs.evolve(ENTRY, status=status, task_id="t", error_code="service_error")
        assert plan(entry, replay=True, retry_failed=True) not in {Plan.submit, Plan.resubmit, Plan.replay}


def test_late_acceptance_is_found_among_the_attempts() -> None:
    """Whatever the state says: an attempt with a task was accepted."""
    refused = Attempt("n0", ENTRY.key, NOW, Outcome.refused)
    nameless = Attempt("n1", ENTRY.key, NOW, Outcome.accepted)
    accepted = Attempt("n2", ENTRY.key, NOW, Outcome.accepted, "task-unified-1-a")
    assert accepted_attempt([refused, nameless]) is None
    assert accepted_attempt([refused, nameless, accepted]) is accepted
    assert accepted_attempt([]) is None


def test_repeats_end_when_the_service_may_have_forgotten_the_key() -> None:
    """A key is trusted for a day from its first use, however often it was repeated."""
    entry = attrs.evolve(ENTRY, at=NOW + timedelta(hours=20))
    attempts = [Attempt("n0", ENTRY.key, NOW - timedelta(days=9)), Attempt("n1", ENTRY.key, NOW)]
    assert may_replay(entry, attempts, NOW + REPLAYABLE - timedelta(seconds=1))
    assert not may_replay(entry, attempts, NOW + REPLAYABLE)
    assert may_replay(entry, attempts, NOW - SET_BACK)
    assert not may_replay(entry, attempts, NOW - SET_BACK - timedelta(seconds=1))
    assert may_replay(entry, [], NOW + REPLAYABLE)
    assert not may_replay(entry, [], NOW + REPLAYABLE + timedelta(hours=20))

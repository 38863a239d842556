"""What is certain after a paid request: a table over every outcome."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given, strategies as st

from omniedit.core.certainty import Accepted, Answered, Refused, Silent, Unknown, Verdict, after_replay, judge

ID = "task-unified-1-a"
REFUSED_FOR_CERTAIN: list[Answered | Silent] = [
    Silent(sent=False, reason="name lookup"),
    Silent(sent=False, reason="connection refused"),
    Silent(sent=False, reason="TLS"),
    Silent(sent=False, reason="cancelled before it left"),
    *(Answered(status) for status in range(400, 500) if status != 409),
    *(Answered(status, code="invalid_request") for status in (400, 401, 402, 403, 404, 413, 422, 429)),
    Answered(400, task_id=ID),
    Answered(503, retry_after=True),
    Answered(429, retry_after=True),
]
ACCEPTED = [
    Answered(200, task_id=ID),
    Answered(201, task_id=ID),
    Answered(202, task_id=ID, code="odd"),
    Answered(299, task_id=ID),
    Answered(200, task_id=ID, replayed=True),
]
UNKNOWN: list[Answered | Silent] = [
    Silent(sent=True, reason="timeout"),
    Silent(sent=True, reason="reset"),
    Silent(sent=True, reason="cancelled while waiting"),
    *(Answered(status) for status in range(500, 600)),
    *(Answered(status, code="internal_error") for status in (500, 502, 503, 504)),
    Answered(500, retry_after=True),
    Answered(504, retry_after=True),
    Answered(500, task_id=ID),
    Answered(409),
    Answered(409, code="conflict"),
    *(Answered(status) for status in range(300, 400)),
    *(Answered(status) for status in range(100, 200)),
    Answered(200),
    Answered(200, task_id=""),
    Answered(204),
    Answered(200, code="paid_outcome_unknown"),
    *(Answered(status, code="paid_outcome_unknown") for status in (400, 404, 409, 422, 425, 429, 500)),
    *(Answered(status, code="idempotency_conflict") for status in (400, 409, 422, 429)),
    Answered(503, code="paid_outcome_unknown", retry_after=True),
    Answered(600),
    Answered(0),
]


def test_refused_for_certain() -> None:
    """There is no task: the request may be sent again."""
    assert [outcome for outcome in REFUSED_FOR_CERTAIN if not isinstance(judge(outcome), Refused)] == []


def test_accepted() -> None:
    """There is a task, by its id."""
    assert [judge(outcome) for outcome in ACCEPTED] == [Accepted(ID, outcome.replayed) for outcome in ACCEPTED]


def test_unknown() -> None:
    """There may be a task: nobody sends it again unless told to."""
    assert [outcome for outcome in UNKNOWN if not isinstance(judge(outcome), Unknown)] == []


def test_lack_of_room_is_told_from_a_refusal_of_the_edit() -> None:
    """Only 429 and 503 with `Retry-After` are worth waiting for; what never left says so."""
    verdicts = {outcome: judge(outcome) for outcome in REFUSED_FOR_CERTAIN}
    waits = {outcome for outcome, verdict in verdicts.items() if isinstance(verdict, Refused) and verdict.waits}
    assert {outcome.status for outcome in waits if isinstance(outcome, Answered)} == {429, 503}
    stayed = {outcome for outcome, verdict in verdicts.items() if isinstance(verdict, Refused) and not verdict.left}
    assert stayed == {outcome for outcome in verdicts if isinstance(outcome, Silent)}


answers = st.builds(
    Answered,
    status=st.sampled_from([*HTTPStatus, 0, 299, 599, 999]).map(int),
    task_id=st.none() | st.sampled_from(["", ID]),
    code=st.none() | st.sampled_from(["", "x", "paid_outcome_unknown", "idempotency_conflict", "429"]),
    retry_after=st.booleans(),
    replayed=st.booleans(),
)
silences = st.builds(Silent, sent=st.booleans(), reason=st.text(max_size=5))


@given(answers | silences)
def test_every_outcome_has_a_verdict_and_only_a_2xx_with_an_id_is_a_task(outcome: Answered | Silent) -> None:
    """The judgement is total; a refusal needs a 4xx, or a 503 that names a time, or a request that never left."""
    match judge(outcome):
        case Accepted(task_id=task_id):
            assert isinstance(outcome, Answered)
            assert task_id == ID
            assert 200 <= outcome.status < 300
        case Refused():
            stayed = isinstance(outcome, Silent) and not outcome.sent
            client_error = isinstance(outcome, Answered) and 400 <= outcome.status < 500 and outcome.status != 409
            no_room = isinstance(outcome, Answered) and outcome.status == 503 and outcome.retry_after
            assert stayed or client_error or no_room
        case Unknown(reason=reason):
            assert reason


@given(answers | silences)
def test_no_refusal_of_a_repeat_settles_the_first_request(outcome: Answered | Silent) -> None:
    """After a repeat there is a task, or it is as unknown as before: never is it free to be ordered anew."""
    verdict = after_replay(judge(outcome))
    assert isinstance(verdict, Accepted | Unknown)


REPEATS: list[tuple[Verdict, Verdict]] = [
    (Accepted(ID, replayed=True), Accepted(ID, replayed=True)),
    (Unknown("x", again=False), Unknown("x", again=False)),
    (Refused("full", waits=True), Unknown("the repeat was refused (full)", again=True, waits=True)),
    (Refused("away", left=False), Unknown("the repeat was refused (away)", again=True)),
    (Refused("402"), Unknown("the repeat was refused (402)", again=False)),
]


@pytest.mark.parametrize(("verdict", "after"), REPEATS, ids=repr)
def test_repeats_are_repeated_only_while_that_could_tell_more(verdict: Verdict, after: Verdict) -> None:
    """Lack of room and a missing network say nothing; any other refusal would come again."""
    assert after_replay(verdict) == after


@pytest.mark.parametrize(("code", "again"), [("idempotency_conflict", False), ("paid_outcome_unknown", True)])
def test_conflicts_are_not_repeated(code: str, *, again: bool) -> None:
    """A conflict stays one; an outcome that is not known yet may be known later."""
    verdict = judge(Answered(409, code=code))
    assert isinstance(verdict, Unknown)
    assert verdict.again is again

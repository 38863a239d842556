"""Every documented reply is read, every wrong one is an `UnexpectedReply` that shows the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from omniedit import codecs
from omniedit.codecs.reading import strict_json
from omniedit.errors import UnexpectedReply
from omniedit.models import Status

ID = "task-unified-1757165031-abcd1234"
SUBMITTED: dict[str, Any] = {
    "created": 1757165031,
    "id": ID,
    "model": "gemini-omni-flash-video-edit",
    "object": "video.generation.task",
    "progress": 0,
    "status": "pending",
    "task_info": {"can_cancel": False, "estimated_time": 60},
    "type": "video",
    "usage": {"billing_rule": "per_token", "credits_reserved": 63.6, "user_group": "default"},
}
COMPLETED = SUBMITTED | {"progress": 100, "status": "completed", "results": ["https://media.evolink.ai/a.mp4"]}
FAILED = SUBMITTED | {
    "status": "failed",
    "error": {"code": "content_policy_violation", "message": "No.", "type": "task_error"},
}


def raw(value: object) -> bytes:
    """A reply's body."""
    return json.dumps(value).encode()


def test_submission_is_read() -> None:
    """The documented example, whole."""
    task = codecs.decode_task(raw(SUBMITTED))
    assert (task.id, task.status, task.progress, task.model) == (ID, Status.pending, 0, SUBMITTED["model"])
    assert (task.estimated_time, task.can_cancel, task.credits_reserved, task.credits_used) == (60.0, False, 63.6, None)
    assert task.created == datetime.fromtimestamp(1757165031, UTC)
    assert (task.results, task.error_code, dict(task.extra)) == ((), None, {})


def test_ends_are_read() -> None:
    """Results of a completed task; the error of a failed one."""
    assert codecs.decode_task(raw(COMPLETED)).results == ("https://media.evolink.ai/a.mp4",)
    failed = codecs.decode_task(raw(FAILED))
    assert (failed.status, failed.error_code, failed.error_message) == (
        Status.failed,
        "content_policy_violation",
        "No.",
    )


TASKS: list[tuple[str, dict[str, Any], dict[str, object]]] = [
    ("nothing but id and status", {"id": ID, "status": "pending"}, {"progress": 0, "model": "", "created": None}),
    ("no usage", SUBMITTED | {"usage": None}, {"credits_reserved": None}),
    ("no task_info", SUBMITTED | {"task_info": None}, {"estimated_time": None}),
    ("an unknown status", SUBMITTED | {"status": "Reviewing"}, {"status": Status("reviewing")}),
    ("the other spelling", SUBMITTED | {"status": "canceled"}, {"status": Status.cancelled}),
    ("unknown keys", SUBMITTED | {"fallback_suggestion": "x"}, {"extra": {"fallback_suggestion": "x"}}),
    ("empty results", COMPLETED | {"results": []}, {"results": (), "status": Status.completed}),
    ("null results", COMPLETED | {"results": None}, {"results": ()}),
    ("an integer code", FAILED | {"error": {"code": 1234, "message": "x"}}, {"error_code": "1234"}),
    ("an error that is text", FAILED | {"error": "broken"}, {"error_code": None, "error_message": "broken"}),
    ("an error that is a list", FAILED | {"error": [1]}, {"error_code": None, "error_message": None}),
    ("progress beyond its ends", SUBMITTED | {"progress": 250.7}, {"progress": 100}),
    ("negative progress", SUBMITTED | {"progress": -3}, {"progress": 0}),
    ("fractional progress", SUBMITTED | {"progress": 33.9}, {"progress": 33}),
    ("no sensible estimate", SUBMITTED | {"task_info": {"estimated_time": -5}}, {"estimated_time": None}),
    ("a moment no calendar has", SUBMITTED | {"created": 1e18}, {"created": None}),
    ("created_at", {"id": ID, "status": "pending", "created_at": 0}, {"created": datetime.fromtimestamp(0, UTC)}),
    ("used credits", COMPLETED | {"usage": {"credits_used": 12}}, {"credits_used": 12.0}),
    ("used credits of the listing", COMPLETED | {"usage": None, "credits_used": 13}, {"credits_used": 13.0}),
    ("the cost", COMPLETED | {"usage": {"cost": {"credits": 14, "usd": 0.2}}}, {"credits_used": 14.0}),
    (
        "the bill",
        COMPLETED | {"usage": None, "billing": {"reserved_credits": 60, "charged_credits": 15}},
        {"credits_used": 15.0, "credits_reserved": 60.0},
    ),
]


@pytest.mark.parametrize(("name", "reply", "facts"), TASKS, ids=[name for name, _, _ in TASKS])
def test_generous_about_what_is_missing_or_new(name: str, reply: dict[str, Any], facts: dict[str, object]) -> None:
    """What has been seen, or may come, is read."""
    task = codecs.decode_task(raw(reply))
    assert {fact: getattr(task, fact) for fact in facts} == facts, name


ODD: list[dict[str, Any]] = [
    {"progress": "100"},
    {"progress": True},
    {"created": "2026-11-22T12:00:00Z"},
    {"created_at": "2026-11-22T12:00:00Z"},
    {"model": 5},
    {"task_info": []},
    {"task_info": {"estimated_time": "60", "can_cancel": False}},
    {"task_info": {"can_cancel": 1}},
    {"usage": []},
    {"usage": {"cost": {"credits": "2"}}},
    {"billing": "none"},
    {"billing": {"charged_credits": {}}},
    {"credits_used": "13"},
    {"usage": [], "billing": "none", "progress": "100"},
]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_odd_fields_hide_no_result(odd: dict[str, Any]) -> None:
    """They are read as missing, and everything else as it is."""
    task = codecs.decode_task(raw(COMPLETED | odd | {"more": 1}))
    plain = {name: part for name, part in COMPLETED.items() if name not in odd}
    assert task == codecs.decode_task(raw(plain | {"more": 1}))
    assert (task.status, task.results) == (Status.completed, tuple(COMPLETED["results"]))
    assert codecs.decode_tasks(raw({"data": [COMPLETED | odd | {"more": 1}]}))[0] == (task,)


def test_an_odd_field_hides_no_failure() -> None:
    """Nor why a task failed."""
    task = codecs.decode_task(raw(FAILED | {"usage": []}))
    assert (task.status, task.error_code) == (Status.failed, "content_policy_violation")


WRONG: list[tuple[bytes, str]] = [
    (b"", "$"),
    (b"<html><body>Bad gateway</body></html>", "$"),
    (raw(SUBMITTED)[:40], "$"),
    (b"\xff\xfe", "$"),
    (b"NaN", "$"),
    (b"[" * 100_000, "$"),
    (raw([]), "$"),
    (raw("text"), "$"),
    (raw(None), "$"),
    (raw({}), "$.id"),
    (raw({"id": ID}), "$.status"),
    (raw({"id": 5, "status": "pending"}), "$.id"),
    (raw({"id": "", "status": "pending"}), "$.id"),
    (raw({"id": "x" * 257, "status": "pending"}), "$.id"),
    (raw({"id": "a\x1b[2J", "status": "pending"}), "$.id"),
    (raw({"id": ID, "status": 7}), "$.status"),
    (raw({"id": ID, "status": " "}), "$.status"),
    (raw({"id": ID, "status": "\x00\x01"}), "$.status"),
    (raw(SUBMITTED | {"progress": 10**400}), "$"),
    (raw(COMPLETED | {"results": "https://media.evolink.ai/a.mp4"}), "$.results"),
    (raw(COMPLETED | {"results": [None]}), "$.results"),
    (b'{"id": "' + ID.encode() + b'", "status": "pending", "progress": 1e999}', "$"),
    (b'{"id": "\\ud800", "status": "pending"}', "$"),
]


def test_wrong_shapes_show_the_place() -> None:
    """In words that fit on a line, whatever was sent."""
    for body, path in WRONG:
        with pytest.raises(UnexpectedReply) as caught:
            codecs.decode_task(body)
        assert caught.value.path == path, body[:60]
        assert len(str(caught.value)) < 300


def test_wrong_tasks_of_a_list_show_their_number() -> None:
    """The second of three is wrong, and the path says so."""
    good = raw(SUBMITTED)
    for body, path in WRONG:
        if path != "$":
            with pytest.raises(UnexpectedReply) as caught:
                codecs.decode_tasks(b'{"data": [%b, %b, %b]}' % (good, body, good))
            assert caught.value.path == path.replace("$", "$.data[1]", 1)


def test_lists_are_read() -> None:
    """A bulk look, a page of the listing, and what is neither."""
    row = {"id": ID, "model": "m", "type": "video", "status": "completed", "progress": 100, "created_at": 1757165031}
    listed = {"data": [row | {"has_results": True, "credits_used": 9.5}], "total": 17, "page": 1, "page_size": 20}
    tasks, total = codecs.decode_tasks(raw(listed))
    assert (total, [task.id for task in tasks], tasks[0].credits_used) == (17, [ID], 9.5)
    assert codecs.decode_tasks(raw({"data": []})) == ((), None)
    assert codecs.decode_tasks(raw({"data": [], "total": "many"})) == ((), None)
    for body in (raw({}), raw({"data": {}}), raw([])):
        with pytest.raises(UnexpectedReply) as caught:
            codecs.decode_tasks(body)
        assert caught.value.path == "$.data"


@pytest.mark.parametrize(
    ("body", "task_id"),
    [
        (raw(SUBMITTED), ID),
        (raw({"id": ID, "status": 5, "progress": []}), ID),
        (raw({"status": "pending"}), None),
        (raw({"id": 5}), None),
        (raw({"id": ""}), None),
        (raw({"id": "x" * 257}), None),
        (raw({"id": "a\nb"}), None),
        (raw([ID]), None),
        (raw(SUBMITTED)[:60], None),
        (b"<html>", None),
        (b"", None),
        (b"[" * 100_000, None),
    ],
)
def test_id_of_an_acceptance_is_found_in_what_is_otherwise_unreadable(body: bytes, task_id: str | None) -> None:
    """The id is what was paid for; a broken neighbour must not lose it."""
    assert codecs.decode_task_id(body) == task_id


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (raw({"error": {"code": "x", "message": "y", "type": "z", "param": "p"}}), "x", "y"),
        (raw({"error": {"code": 402, "message": None}}), "402", None),
        (raw({"error": "out of order"}), None, "out of order"),
        (raw({"success": False, "code": 1001, "msg": "no videos"}), "1001", "no videos"),
        (raw({"error": {"message": "one\n\ttwo\x1b[31m"}}), None, "one two[31m"),
        (raw({"error": {"message": "x" * 9000}}), None, "x" * 500),
        (raw({"error": {"code": {}, "message": []}}), None, None),
        (raw({"error": None}), None, None),
        (raw([1]), None, None),
        (b"<html>502</html>", None, None),
        (b"", None, None),
    ],
)
def test_errors_are_read_as_far_as_they_can_be(body: bytes, code: str | None, message: str | None) -> None:
    """One error must never hide another, nor write over a terminal."""
    said = codecs.decode_error(body)
    assert (said.code, said.message) == (code, message)


def test_balance_is_read() -> None:
    """With and without a limit of the key's own; an odd one shows the place."""
    token = {"remaining_credits": 5.5, "unlimited_credits": False, "used_credits": 1}
    body = raw({"success": True, "data": {"token": token, "user": {"remaining_credits": 70, "used_credits": 2}}})
    assert codecs.decode_balance(body) == codecs.Balance(5.5, 1.0, False, 70.0, 2.0)
    unlimited = codecs.decode_balance(raw({"data": {"token": {"unlimited_credits": True}}}))
    assert unlimited == codecs.Balance(None, None, True, None, None)
    assert codecs.decode_balance(raw({"data": {}})) == codecs.Balance(None, None, False, None, None)
    for wrong, path in (({}, "$.data"), ({"data": []}, "$.data"), ({"data": {"user": {"used_credits": "x"}}}, None)):
        with pytest.raises(UnexpectedReply) as caught:
            codecs.decode_balance(raw(wrong))
        assert caught.value.path == (path or "$.data.user.used_credits")


def test_upload_is_read() -> None:
    """With a moment in UTC; a moment without an offset cannot be placed and is left out."""
    data = {"file_url": "https://files.evolink.ai/a.mp4", "expires_at": "2026-11-25T20:00:00+08:00"}
    hosted = codecs.decode_upload(raw({"success": True, "code": 200, "data": data}))
    assert (hosted.url, hosted.expires_at) == (data["file_url"], datetime(2026, 11, 25, 12, tzinfo=UTC))
    beyond = ("0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00")  # in UTC
    for odd in ("2026-11-25T20:00:00", "soon", "", None, *beyond):
        assert codecs.decode_upload(raw({"success": True, "data": data | {"expires_at": odd}})).expires_at is None


@pytest.mark.parametrize(
    ("reply", "path", "words"),
    [
        ({"success": False, "code": 1001, "msg": "no videos"}, "$.success", "no videos"),
        ({"success": "true", "data": {}}, "$.success", "no reason given"),
        ([], "$.success", "no reason given"),
        ({"success": True}, "$.data", "an object expected"),
        ({"success": True, "data": {}}, "$.data.file_url", "missing"),
        ({"success": True, "data": {"file_url": 1}}, "$.data.file_url", "text expected"),
        ({"success": True, "data": {"file_url": ""}}, "$.data.file_url", "no http"),
        ({"success": True, "data": {"file_url": "file:///a.mp4"}}, "$.data.file_url", "no http"),
        ({"success": True, "data": {"file_url": "https:///a.mp4"}}, "$.data.file_url", "no http"),
        ({"success": True, "data": {"file_url": "https://[a/"}}, "$.data.file_url", "no http"),
    ],
)
def test_refused_uploads_say_why(reply: object, path: str, words: str) -> None:
    """`success: false` may come with HTTP 200."""
    with pytest.raises(UnexpectedReply, match=words) as caught:
        codecs.decode_upload(raw(reply))
    assert caught.value.path == path


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
near_tasks = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys((*COMPLETED, "error", "billing", "created_at", "credits_used", "data"), json_values),
)
bodies = st.binary(max_size=60) | (near_tasks | json_values).map(lambda value: json.dumps(value).encode())
READERS = (codecs.decode_task, codecs.decode_tasks, codecs.decode_balance, codecs.decode_upload)


@given(bodies)
def test_arbitrary_bytes_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    """No reply makes any other exception, and none makes a value that cannot be written down."""
    codecs.decode_task_id(body)
    codecs.decode_error(body)
    for reading in READERS:
        with suppress(UnexpectedReply):
            repr(reading(body)).encode()


@given(bodies)
def test_both_parsers_take_and_refuse_the_same(body: bytes) -> None:
    """The extra `fast` changes the speed, not what a reply means."""
    orjson = pytest.importorskip("orjson")

    def outcome(parse: Callable[[bytes], object]) -> object:
        try:
            return repr(parse(body))
        except ValueError:
            return ValueError

    ours, theirs = outcome(strict_json), outcome(orjson.loads)
    assert (ours is ValueError) == (theirs is ValueError)


@pytest.mark.parametrize("body", [b"NaN", b"1e999", b'"\\ud800"', b"\xef\xbb\xbf{}", b"\xff", b"-Infinity"])
def test_what_is_no_json_is_refused_without_the_extra_too(body: bytes) -> None:
    """Numbers without an end, halves of characters, byte order marks."""
    with pytest.raises(ValueError, match=r".+"):
        strict_json(body)


@given(st.fixed_dictionaries({"id": st.text("abc-123_", min_size=1, max_size=30), "status": st.sampled_from(Status)}))
def test_good_tasks_come_through_unchanged(fields: dict[str, Any]) -> None:
    """What is written is what is read."""
    task = codecs.decode_task(raw(fields))
    assert (task.id, task.status) == (fields["id"], fields["status"])
    assert codecs.decode_task_id(raw(fields)) == fields["id"]

"""Requests as values, and replies as what they mean."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given, strategies as st
from yarl import URL

from omniedit import errors
from omniedit.api import wire
from omniedit.core.certainty import Accepted, Refused, Unknown, judge
from omniedit.errors import ConfigurationError, InvalidRequest, ServiceError, UnexpectedReply
from omniedit.models import Edit, Intent, Reply

ID = "task-unified-1757165031-abcd1234"
INTENT = Intent(Edit("a.mp4", "snow"), "https://example.com/a.mp4", "n" * 32)
TASK = {"id": ID, "status": "pending"}
HTML = b"<!DOCTYPE html><html><h1>502</h1><script>secret()</script></html>"


def reply(status: int, body: object = None, **headers: str) -> Reply:
    """A reply with a JSON body, or these bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


def test_paid_request_carries_its_key() -> None:
    """The same intent makes the same request; the API key is no part of it."""
    request = wire.submission(INTENT)
    assert (request.method, request.path) == ("POST", "/v1/videos/generations")
    assert request.headers["Idempotency-Key"] == INTENT.nonce
    assert request == wire.submission(INTENT)
    assert "snow" not in repr(request)
    assert not {"authorization"} & {name.lower() for name in request.headers}


def test_looks_and_listing_are_built() -> None:
    """Where the service documents them, or its clients send them."""
    assert wire.look(ID).path == f"/v1/tasks/{ID}"
    assert json.loads(wire.looks([ID]).body or b"") == {"task_ids": [ID]}
    listing = urlsplit(wire.listing(model="m&m", page=2).path)
    assert parse_qs(listing.query) == {"type": ["video"], "model": ["m&m"], "page": ["2"], "page_size": ["50"]}
    assert wire.balance().path == "/v1/credits"


@pytest.mark.parametrize("task_id", ["", ".", "..", "a\nb", "a\x00", "\ud800", "x" * 257, None, 7])
def test_what_is_no_id_is_never_sent(task_id: Any) -> None:
    """Nor could an acceptance carry it."""
    with pytest.raises(InvalidRequest, match="is no task id"):
        wire.look(task_id)
    assert isinstance(judge(wire.answered(reply(200, {"id": task_id, "status": "pending"}))), Unknown)


@given(st.text(max_size=30) | st.text("./%?#\\ab", max_size=6))
def test_every_accepted_id_can_be_looked_at(task_id: str) -> None:
    """Whatever a task is called, its name arrives: HTTP's own reading of the path changes nothing of it."""
    verdict = judge(wire.answered(reply(200, {"id": task_id, "status": "pending"})))
    if isinstance(verdict, Accepted):
        sent = URL("http://127.0.0.1" + wire.look(task_id).path).raw_path
        assert unquote(sent.removeprefix("/v1/tasks/")) == task_id


@given(st.text(max_size=30))
def test_a_look_never_leaves_the_tasks(task_id: str) -> None:
    """Whatever is asked for: the path has three parts and no query."""
    try:
        path = wire.look(task_id).path
    except InvalidRequest:
        return
    parts = urlsplit(path)
    assert (parts.path.count("/"), parts.query, parts.fragment) == (3, "", "")
    assert path.isascii()
    assert path.split("/")[-1].strip(".")


GOOD_ORIGINS = {
    "https://api.evolink.ai": "https://api.evolink.ai",
    " https://api.evolink.ai/ ": "https://api.evolink.ai",
    "https://proxy.example.com:8443/evolink/": "https://proxy.example.com:8443/evolink",
    "http://127.0.0.1:8080": "http://127.0.0.1:8080",
    "http://127.9.9.9": "http://127.9.9.9",
    "http://[::1]:80": "http://[::1]:80",
    "http://localhost:1": "http://localhost:1",
}
BAD_ORIGINS = [
    *("", "api.evolink.ai", "ftp://api.evolink.ai", "https://", "file:///etc/passwd", "http://[::1", "https://x:99999"),
    *("http://api.evolink.ai", "http://127.evil.example", "http://localhost.evil.example", "http://10.0.0.1"),
    *("https://user:secret@x", "https://secret@x", "https://x?key=secret", "https://x#secret", "http://@127.0.0.1"),
    *("https://api..example.com", "https://.example.com", f"https://{'a' * 64}.example.com"),
    *("http://user:secret@example.com", "http://127.0.0.1@evil.example", "ftp://user:secret@x"),
]


def test_origins_are_normalised() -> None:
    """One spelling, since journals belong to an origin."""
    assert {url: wire.normalize_origin(url, name="base_url") for url in GOOD_ORIGINS} == GOOD_ORIGINS


@pytest.mark.parametrize("url", BAD_ORIGINS)
def test_origins_that_would_give_the_key_away_are_refused(url: str) -> None:
    """In the clear, to a name that only looks like this machine, or with a secret in the address."""
    with pytest.raises(ConfigurationError, match="base_url") as caught:
        wire.normalize_origin(url, name="base_url")
    assert "secret" not in str(caught.value)


def test_only_this_machine_is_loopback() -> None:
    """By address, or by its one name."""
    assert wire.is_loopback("http://127.0.0.1:5")
    assert wire.is_loopback("http://LOCALHOST")
    assert [url for url in BAD_ORIGINS if wire.is_loopback(url)] == ["http://@127.0.0.1"]


KINDS: dict[int, type[ServiceError]] = {
    400: errors.InvalidRequest,
    401: errors.AuthenticationFailed,
    402: errors.QuotaExhausted,
    403: errors.AccessDenied,
    404: errors.InvalidRequest,
    409: errors.InvalidRequest,
    413: errors.InvalidRequest,
    429: errors.RateLimited,
    500: errors.ServiceUnavailable,
    502: errors.ServiceUnavailable,
    503: errors.ServiceUnavailable,
    504: errors.ServiceUnavailable,
    302: UnexpectedReply,
    199: UnexpectedReply,
}


@pytest.mark.parametrize("status", KINDS)
def test_refusals_become_their_class(status: int) -> None:
    """With the service's code and words where there are any, and without its HTML."""
    said = {"error": {"code": "some_code", "message": "some words"}}
    error = wire.refusal(reply(status, said, x_request_id="r1"), "reading", task_id=ID, idempotency_key="n1")
    assert type(error) is KINDS[status]
    assert (error.status, error.request_id, error.code) == (status, "r1", "some_code")
    assert (error.task_id, error.idempotency_key) == (ID, "n1")
    assert "some words" in str(error)
    for body in (HTML, b"", b'{"error": {"code": "some'):
        plain = wire.refusal(reply(status, body), "reading")
        assert type(plain) is KINDS[status]
        assert plain.code == KINDS[status].default_code
        assert "secret" not in str(plain)


@pytest.mark.parametrize(
    ("status", "body", "unknown"),
    [
        (404, {"error": {"code": "task_not_found"}}, True),
        (400, {"error": {"code": "invalid_task_id", "param": "task_id"}}, True),
        (404, {"error": {"code": "not_found"}}, False),
        (404, {"error": "not found"}, False),
        (404, HTML, False),
        (404, b"", False),
        (400, {"error": {"code": "invalid_request"}}, False),
        (408, HTML, False),
        (403, {"error": {"code": "task_not_found"}}, False),
        (503, {"error": {"code": "task_not_found"}}, False),
    ],
)
def test_only_the_service_can_say_that_a_task_is_unknown(status: int, body: object, unknown: bool) -> None:  # noqa: FBT001
    """A page of the gateway in front is no word about a task."""
    assert wire.is_task_unknown(wire.refusal(reply(status, body), "reading")) is unknown


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_read_where_it_means_something(status: int) -> None:
    """Seconds; nothing where there is none."""
    error = wire.refusal(reply(status, {}, retry_after="7"), "reading")
    assert isinstance(error, errors.RateLimited | errors.ServiceUnavailable)
    assert error.retry_after == 7.0
    bare: Any = wire.refusal(reply(status, {}), "reading")
    assert bare.retry_after is None


def test_task_is_read_and_another_one_is_refused() -> None:
    """A reply that speaks of another task than the one asked for is no news of it."""
    assert wire.read_task(reply(200, TASK), task_id=ID).id == ID
    assert wire.read_task(reply(201, TASK)).id == ID
    with pytest.raises(UnexpectedReply, match="asked for"):
        wire.read_task(reply(200, TASK), task_id="task-unified-2-other")
    with pytest.raises(UnexpectedReply) as caught:
        wire.read_task(reply(200, HTML, x_request_id="r1"), task_id=ID)
    assert (caught.value.status, caught.value.request_id, caught.value.task_id) == (200, "r1", ID)
    with pytest.raises(errors.AuthenticationFailed):
        wire.read_task(reply(401, {}), task_id=ID)


def test_lists_and_balance_are_read_or_refused() -> None:
    """By id; a page with its total; a refusal as its class."""
    listed = reply(200, {"data": [TASK], "total": 1})
    assert set(wire.read_tasks(listed)) == {ID}
    assert (wire.read_page(listed).total, wire.read_page(listed).tasks[0].id) == (1, ID)
    assert wire.read_balance(reply(200, {"data": {}})).remaining is None
    for reading in (wire.read_tasks, wire.read_page, wire.read_balance):
        with pytest.raises(InvalidRequest):
            reading(reply(404, {}))


PAID: list[tuple[Reply, type[object]]] = [
    (reply(200, TASK), Accepted),
    (reply(200, {"id": ID, "status": 5}), Accepted),
    (reply(200, TASK, idempotency_replayed="True"), Accepted),
    (reply(200, HTML), Unknown),
    (reply(200, b'{"id": "task-unif'), Unknown),
    (reply(200, {"error": {"code": "x"}}), Unknown),
    (reply(302, TASK), Unknown),
    (reply(400, {"error": {"code": "invalid_request"}}), Refused),
    (reply(401, HTML), Refused),
    (reply(402, b""), Refused),
    (reply(409, {"error": {"code": "idempotency_conflict"}}), Unknown),
    (reply(422, {"error": {"code": "paid_outcome_unknown"}}), Unknown),
    (reply(413, HTML), Refused),
    (reply(429, {"error": {}}), Refused),
    (reply(500, HTML), Unknown),
    (reply(502, HTML), Unknown),
    (reply(503, HTML), Unknown),
    (reply(503, HTML, retry_after="5"), Refused),
    (reply(504, b"", retry_after="5"), Unknown),
]


def test_replies_to_the_paid_request_are_judged_by_what_they_say() -> None:
    """From bytes to a verdict: JSON, HTML, cut and empty bodies."""
    assert [(r.status, r.body) for r, kind in PAID if type(judge(wire.answered(r))) is not kind] == []
    replayed = judge(wire.answered(reply(200, TASK, idempotency_replayed="true")))
    assert replayed == Accepted(ID, replayed=True)

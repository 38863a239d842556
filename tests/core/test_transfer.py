"""Transfer: what to ask for, what to believe, when to try again and when to stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from omniedit.core.transfer import (
    MOST_SIZE,
    NEAR_DEADLINE,
    Failure,
    Fetch,
    Part,
    Receive,
    Retry,
    Tries,
    Verify,
    after_failure,
    broken_body,
    download_order,
    end_of_body,
    first_step,
    follow,
    grace_of_link,
    is_near,
    read_reply,
    refuse_url,
    stalled,
)
from omniedit.errors import DownloadFailed, LinkExpired

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HALF = Part(50, '"v1"', 100)
REST = Fetch(50, '"v1"')
LINK = "https://media.example/a.mp4"


@pytest.mark.parametrize(
    ("part", "step"),
    [
        (Part(), Fetch()),
        (Part(50, None, 100), Fetch()),
        (HALF, REST),
        (Part(50, '"v1"', None), REST),
        (Part(100, '"v1"', 100), Verify()),
        (Part(101, '"v1"', 100), Fetch()),
    ],
)
def test_only_a_known_version_is_continued(part: Part, step: Fetch | Verify) -> None:
    """Without a strong validator the file begins again; a whole one is only verified."""
    assert first_step(part) == step


def test_a_range_is_asked_for_only_with_its_condition() -> None:
    """And an encoding never."""
    assert Fetch().headers == {"Accept-Encoding": "identity"}
    assert REST.headers == {"Accept-Encoding": "identity", "Range": "bytes=50-", "If-Range": '"v1"'}


@pytest.mark.parametrize(
    ("headers", "etag", "length"),
    [
        ({"etag": '"v1"', "content-length": "100"}, '"v1"', 100),
        ({"etag": 'W/"v1"', "content-length": "100"}, None, 100),
        ({"etag": "v1"}, None, None),
        ({"etag": '"' + "x" * 300 + '"'}, None, None),
        ({"content-length": "-5", "content-encoding": "identity"}, None, None),
        ({"content-length": "٣", "content-type": "application/octet-stream"}, None, None),
    ],
)
def test_a_whole_body_begins_the_file_anew(headers: dict[str, str], etag: str | None, length: int | None) -> None:
    """Only a strong validator is remembered."""
    assert read_reply(HALF, REST, 200, headers) == Receive(0, etag, length)


@pytest.mark.parametrize(
    ("part", "headers", "length"),
    [
        (HALF, {"content-range": "bytes 50-99/100", "etag": '"v1"'}, 100),
        (HALF, {"content-range": "bytes 50-59/100"}, 100),
        (HALF, {"content-range": "Bytes 50-99/*"}, 100),
        (Part(50, '"v1"', None), {"content-range": "bytes 50-99/*"}, None),
        (Part(50, '"v1"', None), {"content-range": "bytes 50-99/100"}, 100),
    ],
)
def test_a_range_continues_exactly_what_is_there(part: Part, headers: dict[str, str], length: int | None) -> None:
    """Same place, same validator, same length."""
    assert read_reply(part, REST, 206, headers) == Receive(50, '"v1"', length)


@pytest.mark.parametrize(
    ("fetch", "headers", "code"),
    [
        (REST, {"content-range": "bytes 49-99/100"}, "wrong_range"),
        (REST, {"content-range": "bytes */100"}, "wrong_range"),
        (REST, {"content-type": "multipart/byteranges"}, "wrong_range"),
        (Fetch(), {"content-range": "bytes 0-99/100"}, "wrong_range"),
        (REST, {"content-range": "bytes 50-99/100", "etag": '"v2"'}, "changed"),
        (REST, {"content-range": "bytes 50-119/120", "etag": '"v1"'}, "changed"),
    ],
)
def test_another_range_or_version_is_thrown_away(fetch: Fetch, headers: dict[str, str], code: str) -> None:
    """Bytes of two versions are never mixed."""
    failure = read_reply(HALF, fetch, 206, headers)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.discard, failure.final) == (code, True, False)


@pytest.mark.parametrize(
    ("status", "headers", "code", "final"),
    [
        (200, {"content-encoding": "gzip"}, "encoded", True),
        (206, {"content-encoding": "br"}, "encoded", True),
        (200, {"content-type": "text/html; charset=utf-8"}, "not_a_video", False),
        (200, {"content-length": str(MOST_SIZE + 1)}, "too_large", True),
        (400, {}, "link_dead", True),
        (401, {}, "link_dead", True),
        (403, {}, "link_dead", True),
        (404, {}, "link_dead", True),
        (410, {}, "link_dead", True),
        (408, {}, "media_host_failed", False),
        (425, {}, "media_host_failed", False),
        (429, {}, "media_host_failed", False),
        (500, {}, "media_host_failed", False),
        (503, {}, "media_host_failed", False),
        (204, {}, "media_host_failed", False),
        (304, {}, "media_host_failed", False),
        (416, {}, "wrong_range", False),
    ],
)
def test_an_answer_without_the_clip_is_a_failure(
    *, status: int, headers: dict[str, str], code: str, final: bool
) -> None:
    """Some pass, some mean that the link leads nowhere."""
    failure = read_reply(Part(), Fetch(), status, headers)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.final) == (code, final)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT", "date": "Thu, 01 Jan 2026 12:00:00 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, None),
        ({"retry-after": "soon", "date": "Thu, 01 Jan 2026 12:00:00 GMT"}, None),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 -0000", "date": "Thu, 01 Jan 2026 12:00:00 GMT"}, 30.0),
        ({}, None),
    ],
)
def test_both_forms_of_retry_after_are_read(headers: dict[str, str], seconds: float | None) -> None:
    """The date counts from the answer's own date: clocks differ."""
    failure = read_reply(Part(), Fetch(), 503, headers)
    assert isinstance(failure, Failure)
    assert failure.retry_after == seconds


@pytest.mark.parametrize(
    ("receive", "size", "code"),
    [
        (Receive(0, None, 100), 100, None),
        (Receive(0, None, None), 100, None),
        (Receive(0, None, None), 0, "cut"),
        (Receive(0, None, 0), 0, "cut"),
        (Receive(0, None, 100), 99, "cut"),
        (Receive(50, '"v1"', 100), 120, "wrong_length"),
        (Receive(0, None, None), 1001, "too_large"),
    ],
)
def test_the_end_of_a_body_is_judged_by_its_length(receive: Receive, size: int, code: str | None) -> None:
    """Too short is continued, too long is thrown away."""
    verdict = end_of_body(receive, size, cap=1000)
    assert (verdict.code if isinstance(verdict, Failure) else None) == code


def test_the_cap_can_be_set() -> None:
    """An announced length over it ends the download before a byte is read."""
    failure = read_reply(Part(), Fetch(), 200, {"content-length": "11"}, cap=10)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.final) == ("too_large", True)


def test_what_is_no_clip_is_fetched_again_from_the_start() -> None:
    """It is thrown away, and a few more tries are worth it."""
    failure = broken_body("has no moov box", size=7)
    assert (failure.discard, failure.final) == (True, False)
    assert "has no moov box" in failure.message


def test_a_dead_link_is_renewed_elsewhere() -> None:
    """Its error has a class and a code of its own."""
    error = after_failure(Failure("link_dead", "the media host answered 403", final=True), Tries(), 0, 0.5)
    assert isinstance(error, LinkExpired)
    assert error.code == "link_dead"


def test_a_final_failure_ends_at_once() -> None:
    """With its code and a way out."""
    error = after_failure(Failure("too_large", "too large", final=True), Tries(), 0, 0.5)
    assert isinstance(error, DownloadFailed)
    assert error.code == "too_large"
    assert error.mend


def test_pauses_grow_with_fruitless_tries_and_end() -> None:
    """Half a second doubled each time, jittered by half."""
    tries, delays = Tries(), list[float]()
    while isinstance(step := after_failure(stalled(30), tries, 0, 1.0), Retry):
        tries = step.tries
        delays.append(step.delay)
    assert delays == [1.0, 2.0, 4.0, 8.0]
    assert isinstance(step, DownloadFailed)
    assert step.code == "stalled"
    low = after_failure(stalled(30), Tries(), 0, 0.0)
    assert isinstance(low, Retry)
    assert low.delay == 0.5


def test_a_try_that_brought_bytes_is_not_counted_against_the_file() -> None:
    """But even those are bounded."""
    tries, count = Tries(), 0
    while isinstance(step := after_failure(Failure("cut", "cut"), tries, count + 1, 0.0), Retry):
        assert step.delay == 0.25
        tries, count = step.tries, count + 1
    assert count == 199


def test_bytes_that_were_there_before_are_no_progress() -> None:
    """A file that is thrown away again and again ends, though each try brings bytes."""
    tries = Tries()
    for size in (80, 0, 80, 0, 80):
        step = after_failure(Failure("not_a_video", "no clip", discard=True), tries, size, 0.0)
        assert isinstance(step, Retry)
        tries = step.tries
    assert isinstance(after_failure(Failure("not_a_video", "no clip"), tries, 0, 0.0), DownloadFailed)


@pytest.mark.parametrize(("asked", "delay"), [(None, 0.5), (0.1, 0.5), (20.0, 20.0), (9999.0, 300.0)])
def test_the_server_may_ask_for_a_longer_pause(asked: float | None, delay: float) -> None:
    """Never a shorter one, and not for ever."""
    step = after_failure(Failure("media_host_failed", "503", retry_after=asked), Tries(), 0, 0.0)
    assert isinstance(step, Retry)
    assert step.delay == delay


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://cdn.example/b.mp4?x=1", "https://cdn.example/b.mp4?x=1"),
        ("/b.mp4", "https://media.example/b.mp4"),
        ("b.mp4", "https://media.example/b.mp4"),
        ("//cdn.example/b.mp4", "https://cdn.example/b.mp4"),
    ],
)
def test_a_redirect_is_followed(location: str, target: str) -> None:
    """Absolute or relative."""
    assert follow(LINK, location, 0) == target


@pytest.mark.parametrize(
    ("location", "hops", "why"),
    [
        ("https://cdn.example/", 5, "more than 5"),
        (None, 0, "where to"),
        ("", 0, "where to"),
        ("file:///etc/passwd", 0, "where to"),
        ("ftp://cdn.example/", 0, "scheme 'ftp'"),
        ("http://media.example/a.mp4", 0, "down to http"),
        ("https://user:pw@cdn.example/", 0, "user name"),
        ("https://[/", 0, "no URL"),
        ("https://cdn.example:x/", 0, "no URL"),
    ],
)
def test_a_hostile_redirect_is_not_followed(location: str | None, hops: int, why: str) -> None:
    """And the download ends there."""
    failure = follow(LINK, location, hops)
    assert isinstance(failure, Failure)
    assert failure.final
    assert why in failure.message


def test_http_may_lead_up_to_https() -> None:
    """Only the way down is closed."""
    assert follow("http://media.example/", LINK, 0) == LINK


@pytest.mark.parametrize(
    ("url", "allow_private", "code"),
    [
        (LINK, False, None),
        ("http://8.8.8.8/", False, None),
        ("http://127.0.0.1/", False, "unsafe_address"),
        ("http://127.0.0.1/", True, None),
        ("http://10.0.0.1/", True, None),
        ("http://169.254.169.254/", True, "unsafe_address"),
        ("http://[fe80::1]/", True, "unsafe_address"),
        ("http://0x7f.1/", False, "unsafe_address"),
        ("file:///etc/passwd", True, "unsafe_redirect"),
        ("http:///a", True, "unsafe_redirect"),
        ("http://[", True, "unsafe_redirect"),
    ],
)
def test_a_link_to_a_forbidden_place_is_refused(*, url: str, allow_private: bool, code: str | None) -> None:
    """Before anything is looked up."""
    failure = refuse_url(url, allow_private=allow_private)
    assert (failure.code if failure else None) == code


def test_downloads_go_by_deadline_and_the_hopeless_come_last() -> None:
    """What cannot be met any more must not take the others down with it."""
    expected = timedelta(seconds=10)
    deadlines = [NOON + timedelta(seconds=5), None, NOON + timedelta(hours=2), NOON + timedelta(seconds=20)]
    ordered = sorted(deadlines, key=lambda deadline: download_order(deadline, NOON, expected))
    assert ordered == [deadlines[3], deadlines[2], None, deadlines[0]]


def test_a_link_that_should_live_is_tried_again_in_growing_steps() -> None:
    """From its deadline on there is nothing to wait for."""
    young = [grace_of_link(NOON + timedelta(seconds=1), NOON, renewals) for renewals in range(5)]
    assert young == [0.0, 2.0, 15.0, 15.0, 15.0]
    assert grace_of_link(NOON, NOON, 0) is None
    assert grace_of_link(None, NOON, 0) is None


def test_the_near_deadline_is_half_an_hour() -> None:
    """From there on nothing goes first."""
    assert is_near(NOON + NEAR_DEADLINE, NOON)
    assert not is_near(NOON + NEAR_DEADLINE + timedelta(seconds=1), NOON)
    assert not is_near(None, NOON)


@given(
    status=st.integers(100, 599),
    headers=st.dictionaries(
        st.sampled_from(["etag", "content-range", "content-length", "content-type", "retry-after", "date"]),
        st.text(max_size=30),
    ),
)
def test_no_answer_raises(status: int, headers: dict[str, str]) -> None:
    """Headers come from outside."""
    assert isinstance(read_reply(HALF, REST, status, headers), Receive | Failure)


@given(st.text(max_size=60))
def test_no_location_raises(location: str) -> None:
    """Redirects come from outside as well."""
    assert isinstance(follow(LINK, location, 0), str | Failure)
    refuse_url(location, allow_private=False)

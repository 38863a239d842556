"""Every known form of a limit in headers, and none that raises."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st
from multidict import CIMultiDict

from omniedit.core.ratehints import NO_HINT, Hint, read_hint

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
UNIX = int(NOW.timestamp())
DATE = {"Date": "Sun, 01 Mar 2026 12:00:00 GMT"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("1m30s", 90.0),
        ("250ms", 0.25),
        ("Sun, 01 Mar 2026 12:00:20 GMT", 20.0),
        ("Sun, 01 Mar 2026 11:59:00 GMT", 0.0),
        ("Sun, 01 Mar 2026 12:00:20 -0000", 20.0),
        ("-3", None),
        ("soon", None),
        ("nan", None),
        ("1x2s", None),
        ("..s", None),
        ("1m..s", None),
        ("9" * 400 + "h", None),
        ("1" + "0" * 308 + "h", None),
        ("", None),
        ("5, 7", 7.0),
        ("7,5", 7.0),
        ("5, soon", 5.0),
        ("Sun, 01 Mar 2026 12:00:20 GMT, 30", 30.0),
        ("5, Sun, 01 Mar 2026 12:00:20 GMT", 20.0),
        ("Sunday, 01-Mar-26 12:00:20 GMT, Sun, 01 Mar 2026 12:00:10 GMT", 20.0),
    ],
)
def test_retry_after_is_seconds_a_span_a_date_or_the_longest_of_several(text: str, seconds: float | None) -> None:
    """Whatever else it says is as good as nothing."""
    assert read_hint({"Retry-After": text, **DATE}).retry_after == seconds


def test_a_line_for_each_policy_reads_as_one_line_for_all() -> None:
    """Lines of a list may come apart; of two waits the longer one counts."""
    lines = CIMultiDict(
        [
            ("RateLimit", '"day";r=900;t=4000'),
            ("RateLimit", '"minute";r=3;t=20'),
            ("RateLimit-Policy", '"minute";q=100;w=60'),
            ("Retry-After", "5"),
            ("Retry-After", "7"),
        ]
    )
    read = read_hint(lines)
    assert (read.remaining, read.reset, read.retry_after) == (3, 20, 7)


def test_a_date_is_measured_with_the_servers_clock() -> None:
    """The reply's own date stands above ours; without either a date says nothing."""
    headers = {"retry-after": "Sun, 01 Mar 2026 12:00:30 GMT"}
    assert read_hint(headers).retry_after is None
    assert read_hint(headers, NOW).retry_after == 30.0
    assert read_hint(headers | DATE, datetime(2031, 1, 1, tzinfo=UTC)).retry_after == 30.0
    assert read_hint(headers | {"date": "gibberish"}, NOW).retry_after == 30.0


@pytest.mark.parametrize(
    ("headers", "hint"),
    [
        ({"RateLimit": '"default";r=50;t=30'}, Hint(remaining=50, reset=30)),
        (
            {"RateLimit": '"day";r=900;t=4000, "minute";r=3;t=20', "RateLimit-Policy": '"minute";q=100;w=60'},
            Hint(remaining=3, reset=20),
        ),
        ({"RateLimit": "limit=100, remaining=50, reset=30"}, Hint(remaining=50, reset=30)),
        (
            {"RateLimit-Limit": "100, 100;w=60", "RateLimit-Remaining": "9", "RateLimit-Reset": "4"},
            Hint(remaining=9, reset=4),
        ),
        ({"RateLimit-Limit": "100;w=60", "RateLimit-Remaining": "9"}, Hint(remaining=9)),
        (
            {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(UNIX + 12)},
            Hint(remaining=0, reset=12),
        ),
        ({"X-Rate-Limit-Remaining": "7", "X-Rate-Limit-Reset": str((UNIX + 5) * 1000)}, Hint(remaining=7, reset=5)),
        (
            {"x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1m2s"},
            Hint(remaining=59, reset=62),
        ),
        ({"X-RateLimit-Remaining": "many", "X-RateLimit-Reset": "later"}, Hint()),
        ({"Content-Type": "video/mp4", "X-Request-Id": "r"}, NO_HINT),
        ({}, NO_HINT),
    ],
)
def test_the_forms_of_the_drafts_and_the_common_ones(headers: dict[str, str], hint: Hint) -> None:
    """The tightest of several policies counts."""
    assert read_hint(headers | DATE) == hint


def test_a_unix_time_without_any_clock_says_nothing() -> None:
    """It cannot be turned into seconds."""
    assert read_hint({"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": str(UNIX)}).reset is None


NAMES = ["Retry-After", "RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Reset", "Date"]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30) | st.from_regex(r"[0-9.,;=\"a-z ]{0,30}")))
def test_no_header_raises(headers: dict[str, str]) -> None:
    """Numbers come out, or nothing, and never less than none."""
    hint = read_hint(headers, NOW)
    for number in (hint.retry_after, hint.remaining, hint.reset):
        assert number is None or number >= 0

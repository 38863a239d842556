"""When links die: the service's promise, or earlier when the URL says so."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from omniedit.core.linkexpiry import LINK_LIFE, expiry_in, link_deadline

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EPOCH = int(NOON.timestamp())


def policy(text: object) -> str:
    """A CloudFront policy as it stands in a URL."""
    encoded = base64.b64encode(json.dumps(text).encode()).decode()
    return encoded.translate(str.maketrans("+=/", "-_~"))


def until(epoch: object) -> object:
    """A policy document."""
    return {"Statement": [{"Resource": "x", "Condition": {"DateLessThan": {"AWS:EpochTime": epoch}}}]}


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260101T110000Z&X-Amz-Expires=3600&X-Amz-Signature=ab",
        "x-amz-date=20260101T110000Z&x-amz-expires=3600",
        f"AWSAccessKeyId=A&Signature=B&Expires={EPOCH}",
        "X-Goog-Date=20260101T113000Z&X-Goog-Expires=1800",
        f"GoogleAccessId=a&Expires={EPOCH}&Signature=x",
        "sv=2024-11-04&se=2026-01-01T12%3A00%3A00Z&sr=b&sig=abc",
        "se=2026-01-01T14%3A00%3A00%2B02%3A00&sig=abc",
        "se=2026-01-01T12%3A00%3A00&sig=abc",
        f"Expires={EPOCH}&Signature=a&Key-Pair-Id=b",
        f"Policy={policy(until(EPOCH))}&Signature=a&Key-Pair-Id=b",
        f"q-sign-time={EPOCH - 99}%3B{EPOCH}",
        "x-oss-date=20260101T110000Z&x-oss-expires=3600",
        f"Expires={EPOCH + 500}&Policy={policy(until(EPOCH))}",
    ],
)
def test_the_expiry_of_every_signer_is_read(query: str) -> None:
    """Amazon, Google, Azure, CloudFront, Tencent, Alibaba; the earliest when there are several."""
    assert expiry_in(f"https://media.example/a.mp4?{query}") == NOON


@pytest.mark.parametrize(
    "query",
    [
        "",
        "Expires=soon",
        "Expires=12",
        "Expires=99999999999",
        "Expires=٣٠٠٠٠٠٠٠٠٠",
        "X-Amz-Date=20260101T110000Z",
        "X-Amz-Date=yesterday&X-Amz-Expires=60",
        "X-Amz-Date=20260101T110000Z&X-Amz-Expires=-1",
        "X-Amz-Date=99991231T235959Z&X-Amz-Expires=999999999",
        "se=2026-01-01T12%3A00%3A00Z",
        "se=tomorrow&sig=a",
        "se=0001-01-01T00%3A00%3A00%2B08%3A00&sig=a",
        "se=9999-12-31T23%3A59%3A59-08%3A00&sig=a",
        "Policy=%%%",
        f"Policy={policy([])}",
        f"Policy={policy({'Statement': [{}]})}",
        f"Policy={policy(until('never'))}",
        f"Policy={policy(until([]))}",
        "Policy=" + "A" * 9000,
        "&".join(f"a{number}=1" for number in range(300)),
    ],
)
def test_an_expiry_that_cannot_be_read_is_none(query: str) -> None:
    """Then the documented 24 hours hold."""
    url = f"https://media.example/a.mp4?{query}"
    assert expiry_in(url) is None
    assert link_deadline(url, NOON) == NOON + LINK_LIFE


def test_a_broken_url_has_no_expiry() -> None:
    """It fails later, with its own message."""
    assert expiry_in("http://[") is None


@pytest.mark.parametrize(("hours", "expected"), [(1, 1), (23, 23), (48, 24)])
def test_the_earlier_of_promise_and_signature_counts(hours: int, expected: int) -> None:
    """A signature that lives longer than promised promises nothing."""
    url = f"https://media.example/a.mp4?Expires={EPOCH + hours * 3600}"
    assert link_deadline(url, NOON) == NOON + timedelta(hours=expected)


@given(st.text(max_size=200))
def test_no_query_raises(query: str) -> None:
    """Links come from outside."""
    found = expiry_in("https://media.example/a.mp4?" + query)
    assert found is None or found.tzinfo is not None

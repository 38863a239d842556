"""When a link to a result dies: what the service promises, and what the URL itself says.

Rules of this room:
- pure; an expiry that cannot be read is none, never an error: the documented 24 hours hold then;
- the earliest of all that is known wins.

Sources: the service's documentation (24 hours), and the query forms of presigned URLs as Amazon (Signature V2 and V4,
CloudFront canned and custom policies), Google (V2 and V4), Azure (`se` of a shared access signature), Alibaba and
Tencent document them.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

__all__ = ["LINK_LIFE", "expiry_in", "link_deadline"]

LINK_LIFE = timedelta(hours=24)
"""How long a result's link lives, as documented."""
_PAIRS = (("x-amz-date", "x-amz-expires"), ("x-goog-date", "x-goog-expires"), ("x-oss-date", "x-oss-expires"))
# Unix times between 2001 and 2100: anything else in `Expires` is not a time.
_PLAUSIBLE = range(10**9, 4_102_444_800)
_LONGEST_POLICY = 8192


def link_deadline(url: str, unfinished_at: datetime) -> datetime:
    """The instant from which a link is treated as dead.

    Args:
        url: the link.
        unfinished_at: the last moment at which the task was known to be unfinished; the link is not older.
    """
    promised = unfinished_at + LINK_LIFE
    written = expiry_in(url)
    return promised if written is None else min(promised, written)


def expiry_in(url: str) -> datetime | None:
    """The expiry that a presigned URL carries; None when it carries none that can be read."""
    try:
        query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query, max_num_fields=200)}
    except ValueError:
        return None
    return min(_expiries(query), default=None)


def _expiries(query: Mapping[str, str]) -> Iterator[datetime]:
    for begin, life in _PAIRS:
        if (start := _compact_time(query.get(begin, ""))) and _is_number(query.get(life, "")):
            yield from _after(start, int(query[life][:9]))
    for text in (query.get("expires", ""), query.get("q-sign-time", "").partition(";")[2]):
        yield from _unix(text)
    if "sig" in query and (end := _iso_time(query.get("se", ""))):
        yield end
    yield from _policy(query.get("policy", ""))


def _after(start: datetime, seconds: int) -> Iterator[datetime]:
    try:
        yield start + timedelta(seconds=seconds)
    except OverflowError:
        return


def _unix(text: str) -> Iterator[datetime]:
    if _is_number(text) and len(text) < 12 and int(text) in _PLAUSIBLE:
        yield datetime.fromtimestamp(int(text), UTC)


def _is_number(text: str) -> bool:
    """Whether it is written with the ten ASCII digits alone."""
    return text.isascii() and text.isdecimal()


def _compact_time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _iso_time(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # a zone may carry the first or the last year out of the calendar
        return None


def _policy(text: str) -> Iterator[datetime]:
    """CloudFront writes a JSON policy as base64 in which `+=/` became `-_~`."""
    if not text or len(text) > _LONGEST_POLICY:
        return
    try:
        policy = json.loads(base64.b64decode(text.translate(str.maketrans("-_~", "+=/"))))
        statements = policy["Statement"]
        ends = [statement["Condition"]["DateLessThan"]["AWS:EpochTime"] for statement in statements]
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        return
    for end in ends:
        yield from _unix(str(end))

"""What a reply says about limits, read from its headers.

Rules of this room:

- `Retry-After` is seconds or an HTTP date (RFC 9110, section 10.2.3). A date is measured against the reply's own
  `Date`, so a wrong clock on either side does no harm. Of several values, in one line or in a line each, the longest
  wait counts: whoever put them there asks for no less.
- What is left until when is read from `RateLimit` in the form of the current IETF draft (`"default";r=50;t=30`), in
  that of draft 7 (`limit=100, remaining=50, reset=30`) and in the fields of drafts 0 to 6; so are the common
  `X-RateLimit-*`, `X-Rate-Limit-*` and `X-RateLimit-*-Requests`. A reset is a number of seconds, a span
  such as `1m30s`, or, above a billion, a Unix time in seconds or milliseconds, measured against `Date` again. The
  limit itself is not read: the governor learns it.
- Of several policies the one with the least remaining counts, whether they stand in one line or in a line each. Of
  other fields that are there twice, the first counts.
- What cannot be read is as good as absent: a header never raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from math import isfinite

from attrs import frozen

from omniedit.core.httpdate import read_date

__all__ = ["Hint", "NO_HINT", "read_hint"]

_NAMES = re.compile(r"(?i)(x-)?rate-?limit(-(remaining|reset)(-requests)?)?|retry-after")
_LISTS = frozenset({"ratelimit", "retry-after"})  # whose lines are read as one list (RFC 9110, section 5.3)
# Compiled when the first reply has them: most services send none.
_PARAMETER = r"(?i)\b([a-z]+)\s*=\s*\"?([0-9.]+)"
_SPAN = r"(?i)([0-9.]+)\s*(ms|s|m|h)"
_BETWEEN = r",(?!\s*[0-9]{1,2}[\s-]+[A-Za-z])"  # not the comma of a date: `Sun, 01 Mar`, `Sunday, 01-Mar`
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_UNIX_FROM = 1e9  # no service asks to wait thirty years, so this is a date in seconds
_UNIX_MS_FROM = 1e11  # and this one in milliseconds


@frozen
class Hint:
    """What a reply said about limits; None where it said nothing. Times are seconds from the reply on."""

    retry_after: float | None = None
    remaining: float | None = None  # requests left until `reset`
    reset: float | None = None


NO_HINT = Hint()


def read_hint(headers: Mapping[str, str], utcnow: datetime | None = None) -> Hint:
    """Read all known forms; `utcnow` stands in where a reply has no `Date` to measure a date against."""
    if not headers:
        return NO_HINT
    found = _found(headers)
    if not found:
        return NO_HINT
    now = read_date(next((headers[name] for name in headers if name.lower() == "date"), "")) or utcnow
    remaining, reset = _state(found)
    return Hint(_longest(found.get("retry-after"), now), remaining, _after(reset, now))


def _found(headers: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers.items():
        if name[:1] in "xXrR" and _NAMES.fullmatch(name):
            key = name.lower()
            if key in found and key in _LISTS:
                found[key] += f", {value}"
            else:
                found.setdefault(key, value)
    return found


def _longest(text: str | None, now: datetime | None) -> float | None:
    """The longest wait of those that can be read."""
    if text is None:
        return None
    waits = [_after(item.strip(), now) for item in re.split(_BETWEEN, text)]
    return max((wait for wait in waits if wait is not None), default=None)


def _after(text: str | None, now: datetime | None) -> float | None:
    """Seconds until what `text` names: a number, a span, a Unix time or an HTTP date."""
    if text is None:
        return None
    number = _number(text)
    if number is None:
        number = _span(text)
    if number is not None and number < _UNIX_FROM:
        return max(number, 0.0)
    if now is None:
        return None
    if number is not None:
        unix = number / 1000 if number >= _UNIX_MS_FROM else number
        return max(unix - now.timestamp(), 0.0)
    date = read_date(text)
    return max((date - now).total_seconds(), 0.0) if date else None


def _state(found: Mapping[str, str]) -> tuple[float | None, str | None]:
    """Remaining requests and the text of the reset: of the tightest policy, or of the separate fields."""
    tightest: tuple[float | None, str | None] = (None, None)
    for item in _combined(found).split(","):
        fields = _parameters(item if "=" in item and ";" in item else _combined(found))
        remaining = _number(fields.get("r", fields.get("remaining", "")))
        if remaining is not None and (tightest[0] is None or remaining < tightest[0]):
            tightest = remaining, fields.get("t", fields.get("reset"))
    if tightest[0] is not None:
        return tightest
    return _number(_field(found, "remaining") or ""), _field(found, "reset")


def _combined(found: Mapping[str, str]) -> str:
    return found.get("ratelimit") or found.get("x-ratelimit") or ""


def _field(found: Mapping[str, str], kind: str) -> str | None:
    return next((found[name] for name in found if name.removesuffix("-requests").endswith(f"limit-{kind}")), None)


def _parameters(text: str) -> dict[str, str]:
    return {match[1].lower(): match[2] for match in re.finditer(_PARAMETER, text)}


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and number >= 0 else None


def _span(text: str) -> float | None:
    parts = re.findall(_SPAN, text)
    if not parts or re.sub(_SPAN, "", text).strip():
        return None
    seconds = 0.0
    for amount, unit in parts:
        number = _number(amount)
        if number is None:
            return None
        seconds += number * _SECONDS[unit.lower()]
    return seconds if isfinite(seconds) else None

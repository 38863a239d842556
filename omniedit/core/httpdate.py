"""Dates in headers.

Rules of this room (`core`): pure and synchronous; no I/O, no clock, no randomness; a decision goes out as a value.

Rules of this file: every form that RFC 9110 (section 5.6.7) allows is read; a date without a zone is one of GMT; what
cannot be read is as good as absent: a header never raises.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["read_date"]


def read_date(text: str) -> datetime | None:
    """The moment that a header such as `Date` or `Retry-After` names, aware; None when it names none."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)

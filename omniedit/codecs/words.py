"""Small words that all readers share: ids, statuses, kinds of JSON values, foreign errors."""

from __future__ import annotations

from typing import cast

import attrs

from omniedit.errors import UnexpectedReply
from omniedit.models import Status

__all__ = ["Balance", "ErrorBody", "STATUSES", "is_id", "kind_of", "read_error_body", "unexpected"]

_LONGEST_ID = 256  # characters; the documented ids have about 32
STATUSES = {str(status): status for status in Status}
"""The words that are known: a look-up that takes a fifth of the enumeration's own."""
_MESSAGE_LENGTH = 500  # characters of a foreign message that are kept


@attrs.frozen
class ErrorBody:
    """The service's `error` object; every part may be missing."""

    code: str | None = None
    message: str | None = None
    type: str | None = None
    param: str | None = None


@attrs.frozen
class Balance:
    """What `GET /v1/credits` tells, in credits."""

    remaining: float | None
    """Left for this key; None when the key has no limit of its own or the service did not say."""
    used: float | None
    unlimited: bool
    """Whether the key has no limit of its own (the account's still holds)."""
    account_remaining: float | None
    account_used: float | None


def is_id(text: str) -> bool:
    """Ids are opaque; but one that cannot be shown, or fills a page, is none."""
    return 0 < len(text) <= _LONGEST_ID and text.isprintable()


def kind_of(value: object) -> str:
    """What a JSON value is, in words for an error."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"


def read_error_body(value: object, _: object) -> ErrorBody:
    """Errors are read as far as they can be: one must never hide another."""
    if isinstance(value, str):
        return ErrorBody(message=_shown(value))
    if not isinstance(value, dict):
        return ErrorBody()
    parts = cast("dict[str, object]", value)

    def part(name: str) -> str | None:
        found = parts.get(name)
        return _shown(str(found)) if isinstance(found, str | int) else None

    return ErrorBody(part("code"), part("message"), part("type"), part("param"))


def _shown(text: str) -> str:
    """Foreign words on one line, without what a terminal or a log would take for a command."""
    line = " ".join(text[: 4 * _MESSAGE_LENGTH].split())
    return "".join(char for char in line if char.isprintable())[:_MESSAGE_LENGTH]


def unexpected(message: str, path: str) -> UnexpectedReply:
    """A reply of the wrong shape, with the path to the place."""
    error = UnexpectedReply(message)
    error.path = path
    return error

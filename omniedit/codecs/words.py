"""Small words that all readers share: ids, statuses, kinds of JSON values."""

from __future__ import annotations

from typing import TypeGuard

from omniedit.errors import UnexpectedReply
from omniedit.models import Status

__all__ = ["STATUSES", "is_id", "kind_of", "unexpected"]

_LONGEST_ID = 256  # characters; the documented ids have about 32
_STEPS = frozenset({".", ".."})  # where an id stands in a path, these lead elsewhere however they are written
STATUSES = {str(status): status for status in Status}
"""The words that are known: a look-up that takes a fifth of the enumeration's own."""


def is_id(value: object) -> TypeGuard[str]:
    """Ids are opaque; but one that cannot be shown, fills a page, or is a step on a path, is none."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isprintable() and value not in _STEPS


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


def unexpected(message: str, path: str) -> UnexpectedReply:
    """A reply of the wrong shape, with the path to the place."""
    error = UnexpectedReply(message)
    error.path = path
    return error

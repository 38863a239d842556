"""What the service says besides tasks: why it refuses, and what is left to spend. Loaded when it says so."""

from __future__ import annotations

from typing import cast

import attrs

__all__ = ["Balance", "ErrorBody", "read_error_body"]

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

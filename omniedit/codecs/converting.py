"""The long way from a JSON value to a model: through the converter, which can say what is wrong and where.

Loaded with the first value that needs it: building the converter takes longer than a first request does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar, cast
from urllib.parse import urlsplit

import cattrs

from omniedit.codecs.answers import Balance, ErrorBody
from omniedit.codecs.shapes import (
    CONVERTER,
    EXPLAINING,
    TASK_KEYS,
    BillingShape,
    CostShape,
    CreditsShape,
    FileShape,
    PurseShape,
    TaskInfoShape,
    TaskShape,
    UsageShape,
)
from omniedit.codecs.words import is_id, unexpected
from omniedit.models import Hosted, Task

__all__ = ["balance", "hosted", "task"]

_T = TypeVar("_T")
_ESSENTIAL = frozenset({"id", "status", "results"})


def task(value: object, root: str) -> Task:
    """A task in any of its shapes."""
    wire = _readable(value, root)
    if not is_id(wire.id):
        raise unexpected(f"no task id at {root}.id: {wire.id[:40]!r}", f"{root}.id")
    parts = cast("dict[str, object]", value)
    info, error = wire.task_info or TaskInfoShape(), wire.error or ErrorBody()
    reserved, used = _credits(wire)
    return Task(
        id=wire.id,
        status=wire.status,
        progress=_percent(wire.progress),
        model=wire.model or "",
        created=_moment(wire.created if wire.created is not None else wire.created_at),
        results=tuple(wire.results or ()),
        can_cancel=bool(info.can_cancel),
        estimated_time=_positive(info.estimated_time),
        credits_reserved=reserved,
        credits_used=used,
        error_code=error.code,
        error_message=error.message,
        extra={key: parts[key] for key in parts.keys() - TASK_KEYS},
    )


def _readable(value: object, root: str) -> TaskShape:
    """A task without its odd fields: none but those that tell how it stands may hide that it is paid for and done."""
    try:
        return CONVERTER.structure(value, TaskShape)
    except (TypeError, ValueError, KeyError):
        return _structure(_without_odd_fields(value), TaskShape, root)


def _without_odd_fields(value: object) -> object:
    if not isinstance(value, dict):
        return value
    parts = cast("dict[str, object]", value)
    return {name: part for name, part in parts.items() if name in _ESSENTIAL or _fits(name, part)}


def _fits(name: str, part: object) -> bool:
    try:
        CONVERTER.structure({"id": "any", "status": "pending", name: part}, TaskShape)
    except (TypeError, ValueError, KeyError):
        return False
    return True


def _credits(wire: TaskShape) -> tuple[float | None, float | None]:
    """Reserved and used, from the places in which the service has been seen to tell them."""
    usage, billing = wire.usage or UsageShape(), wire.billing or BillingShape()
    cost = usage.cost or CostShape()
    reserved = _first(usage.credits_reserved, billing.reserved_credits)
    return reserved, _first(usage.credits_used, wire.credits_used, billing.charged_credits, cost.credits)


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _percent(value: float | None) -> int:
    return 0 if value is None or value != value else int(min(max(value, 0.0), 100.0))  # noqa: PLR0124  # NaN


def _positive(value: float | None) -> float | None:
    return value if value is not None and 0 < value < float("inf") else None


def _moment(seconds: float | None) -> datetime | None:
    """Unix seconds; a moment that no calendar has is left out rather than an error."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def balance(value: object) -> Balance:
    """The reply of the credits call."""
    purses = _structure(value, CreditsShape).data
    token, user = purses.token or PurseShape(), purses.user or PurseShape()
    return Balance(
        remaining=token.remaining_credits,
        used=token.used_credits,
        unlimited=bool(token.unlimited_credits),
        account_remaining=user.remaining_credits,
        account_used=user.used_credits,
    )


def hosted(value: object, root: str) -> Hosted:
    """The `data` of the reply to an upload."""
    stored = _structure(value, FileShape, root)
    if not _is_web(stored.file_url):
        raise unexpected(f"no http(s) URL at {root}.file_url: {stored.file_url[:40]!r}", f"{root}.file_url")
    return Hosted(stored.file_url, _iso_moment(stored.expires_at))


def _iso_moment(text: str | None) -> datetime | None:
    """ISO 8601 with an offset; without one it cannot be placed in time, and is left out like one no calendar has."""
    try:
        moment = datetime.fromisoformat(text) if text else None
        return moment.astimezone(UTC) if moment is not None and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


def _structure(value: object, shape: type[_T], root: str = "$") -> _T:
    """Fill a shape; when that fails, do it again with the converter that tells where."""
    try:
        return CONVERTER.structure(value, shape)
    except (TypeError, ValueError, KeyError):
        return _explained(value, shape, root)


def _explained(value: object, shape: type[_T], root: str) -> _T:
    try:
        return EXPLAINING.structure(value, shape)
    except (cattrs.BaseValidationError, TypeError, ValueError, KeyError) as error:
        path, reason = _first_fault(error, root)
        raise unexpected(f"{reason} at {path}", path) from None


def _first_fault(error: BaseException, root: str) -> tuple[str, str]:
    """Follow the first sub-error of a cattrs group down to its place."""
    if isinstance(error, cattrs.ClassValidationError):
        inner, rest = error.group_exceptions()
        if inner:
            first, note = inner[0]
            return _first_fault(first, f"{root}.{note.name}")
        return _first_fault(rest[0], root)
    if isinstance(error, KeyError):
        return root, "missing"
    return root, str(error)

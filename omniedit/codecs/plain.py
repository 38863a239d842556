"""The short way for tasks that look exactly as documented, which is nearly every look at one.

Rules of this room:
- what is read here is what the converter would read, value for value (a test compares them);
- anything unusual, be it a new key, another type or a value out of range, is left to the converter, which takes three
  times as long and can say what is wrong and where.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from omniedit.codecs.words import STATUSES, is_id
from omniedit.models import Task

__all__ = ["read_plain"]

_KEYS = frozenset({
    "created", "id", "model", "object", "progress", "results", "status", "task_info", "type", "usage",
})  # fmt: skip
_INFO_KEYS = frozenset({"can_cancel", "estimated_time"})
_USAGE_KEYS = frozenset({"billing_rule", "credits_reserved", "user_group"})
_LAST_MOMENT = (1 << 32) - 1  # seconds; every platform's calendar reaches as far
_LARGEST = 1e9  # seconds, credits
_NOTHING: dict[str, object] = {}


def read_plain(value: object) -> Task | None:
    """A task as the service documents it; None where the converter has to look."""
    try:
        parts = _object(value, _KEYS)
        info = _object(parts.get("task_info", _NOTHING), _INFO_KEYS)
        usage = _object(parts.get("usage", _NOTHING), _USAGE_KEYS)
        return Task(
            id=_id(parts["id"]),
            status=STATUSES[_text(parts["status"])],
            progress=_whole(parts["progress"], 100),
            model=_text(parts["model"]),
            created=datetime.fromtimestamp(_whole(parts["created"], _LAST_MOMENT), UTC),
            results=_texts(parts["results"]) if "results" in parts else (),
            can_cancel=_flag(info.get("can_cancel")),
            estimated_time=_amount(info.get("estimated_time")),
            credits_reserved=_amount(usage.get("credits_reserved")),
            extra={},
        )
    except (KeyError, TypeError):
        return None


def _object(value: object, keys: frozenset[str]) -> dict[str, object]:
    if type(value) is dict and (found := cast("dict[str, object]", value)).keys() <= keys:
        return found
    raise TypeError


def _id(value: object) -> str:
    if type(value) is str and is_id(value):
        return value
    raise TypeError


def _text(value: object) -> str:
    if type(value) is str:
        return value
    raise TypeError


def _texts(value: object) -> tuple[str, ...]:
    if type(value) is list:
        return tuple(map(_text, cast("list[object]", value)))
    raise TypeError


def _whole(value: object, most: int) -> int:
    if type(value) is int and 0 <= value <= most:
        return value
    raise TypeError


def _flag(value: object) -> bool:
    if value is None or type(value) is bool:
        return bool(value)
    raise TypeError


def _amount(value: object) -> float | None:
    if value is None:
        return None
    if (type(value) is float or type(value) is int) and 0 < value < _LARGEST:
        return float(value)
    raise TypeError

"""From bytes to models; where a reply is wrong, the path to the place is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Never, TypeVar, cast

import attrs
import cattrs

from omniedit.codecs.plain import read_plain
from omniedit.codecs.shapes import (
    CONVERTER,
    EXPLAINING,
    TASK_KEYS,
    BillingShape,
    CostShape,
    CreditsShape,
    ErrorBody,
    FileShape,
    PurseShape,
    TaskInfoShape,
    TaskShape,
    UsageShape,
    is_id,
    kind_of,
    read_error_body,
)
from omniedit.errors import UnexpectedReply
from omniedit.models import Hosted, Task

__all__ = [
    "Balance",
    "decode_balance",
    "decode_error",
    "decode_task",
    "decode_task_id",
    "decode_tasks",
    "decode_upload",
    "strict_json",
]

_T = TypeVar("_T")


def strict_json(body: bytes) -> object:
    """JSON as RFC 8259 has it, and as the faster parser reads it: UTF-8, finite numbers, whole characters."""
    text = body.decode()
    value: object = _DECODER.decode(text)
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair could be written nowhere
    return value


def _no_number(text: str) -> Never:
    raise ValueError(f"{text} is no number of JSON")


def _whole(text: str) -> int:
    _finite(text)  # what no float can hold, no field of ours can
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


# Made once: `json.loads` with options makes a decoder for each body, and that takes longer than decoding a task.
_DECODER = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite, parse_int=_whole)

_loads: Callable[[bytes], object]
try:  # the `fast` extra
    import orjson

    _loads = orjson.loads
except ImportError:
    _loads = strict_json


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


def _parse(body: bytes) -> object:
    try:
        return _loads(body)
    except (ValueError, RecursionError):
        raise _unexpected(f"the body is no JSON: {_glimpse(body)}", "$") from None


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
        raise _unexpected(f"{reason} at {path}", path) from None


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


def _unexpected(message: str, path: str) -> UnexpectedReply:
    error = UnexpectedReply(message)
    error.path = path
    return error


def _glimpse(body: bytes) -> str:
    text = body[:80].decode("utf-8", "replace")
    return repr(text) if text else "it is empty"


def decode_task(body: bytes) -> Task:
    """A task from a reply to a submission or a look.

    Raises:
        UnexpectedReply: no JSON, or a field of the wrong kind; `path` leads to it.
    """
    return _task(_parse(body), "$")


def decode_task_id(body: bytes) -> str | None:
    """The id in a reply whose other parts may be unreadable; None when there is none."""
    try:
        parsed = _loads(body)
    except (ValueError, RecursionError):
        return None
    found = cast("dict[str, object]", parsed).get("id") if isinstance(parsed, dict) else None
    return found if isinstance(found, str) and is_id(found) else None


def decode_tasks(body: bytes) -> tuple[tuple[Task, ...], int | None]:
    """The tasks under `data` of a bulk or listing reply, and the listing's `total` when it has one.

    Raises:
        UnexpectedReply: as for `decode_task`.
    """
    parsed = _parse(body)
    rows = cast("dict[str, object]", parsed).get("data") if isinstance(parsed, dict) else None
    if not isinstance(rows, list):
        raise _unexpected(f"a list expected at $.data, found {kind_of(rows)}", "$.data")
    total = cast("dict[str, object]", parsed).get("total")
    tasks = tuple(_task(row, f"$.data[{index}]") for index, row in enumerate(cast("list[object]", rows)))
    return tasks, total if isinstance(total, int) else None


def _task(value: object, root: str) -> Task:
    return read_plain(value) or _converted(value, root)


def _converted(value: object, root: str) -> Task:
    wire = _structure(value, TaskShape, root)
    if not is_id(wire.id):
        raise _unexpected(f"no task id at {root}.id: {wire.id[:40]!r}", f"{root}.id")
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


def decode_error(body: bytes) -> ErrorBody:
    """The `error` object of a refusal; empty when the body is HTML, cut, or not there. Never raises."""
    try:
        parsed = _loads(body)
    except (ValueError, RecursionError):
        return ErrorBody()
    if not isinstance(parsed, dict):
        return ErrorBody()
    parts = cast("dict[str, object]", parsed)
    # The file API has no `error` object but `code` and `msg` at the top.
    return read_error_body(parts.get("error", {"code": parts.get("code"), "message": parts.get("msg")}), None)


def decode_balance(body: bytes) -> Balance:
    """The reply of `GET /v1/credits`.

    Raises:
        UnexpectedReply: as for `decode_task`.
    """
    purses = _structure(_parse(body), CreditsShape).data
    token, user = purses.token or PurseShape(), purses.user or PurseShape()
    return Balance(
        remaining=token.remaining_credits,
        used=token.used_credits,
        unlimited=bool(token.unlimited_credits),
        account_remaining=user.remaining_credits,
        account_used=user.used_credits,
    )


def decode_upload(body: bytes) -> Hosted:
    """The reply of the file API to an upload.

    Raises:
        UnexpectedReply: `success` is not true, or there is no link; the service's words are in the message.
    """
    parsed = _parse(body)
    parts = cast("dict[str, object]", parsed) if isinstance(parsed, dict) else {}
    if parts.get("success") is not True:
        said = decode_error(body)
        raise _unexpected(f"the file was not taken: {said.message or said.code or 'no reason given'}", "$.success")
    stored = _structure(parts.get("data"), FileShape, "$.data")
    return Hosted(stored.file_url, _iso_moment(stored.expires_at))


def _iso_moment(text: str | None) -> datetime | None:
    """ISO 8601 with an offset; without one it cannot be placed in time and is left out."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo else None

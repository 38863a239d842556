"""One converter between bytes and models; where a reply is wrong, the path to the place is kept.

Rules of this room:
- what the service may leave out is optional here, what it may add survives in `Task.extra`;
- statuses are an open set and never an error;
- a wrong shape is `UnexpectedReply` with the path, such as `$.task_info.estimated_time`;
- bytes made here are the same for the same value, on every machine and with every extra installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar, cast

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

from omniedit.changes import Change, Saved, Summary
from omniedit.errors import OmniEditError, UnexpectedReply
from omniedit.models import Hosted, Intent, Status, Task

__all__ = [
    "Balance",
    "ErrorBody",
    "decode_balance",
    "decode_error",
    "decode_task",
    "decode_task_id",
    "decode_tasks",
    "decode_upload",
    "describe_error",
    "encode_change",
    "encode_ids",
    "encode_intent",
    "encode_saved",
    "encode_summary",
]

_T = TypeVar("_T")
_MESSAGE_LENGTH = 500  # characters of a foreign message that are kept

_loads: Callable[[bytes], object]
try:  # the `fast` extra
    import orjson

    _loads = orjson.loads
except ImportError:
    _loads = json.loads


class _Mismatch(ValueError):
    """A value of another type than the field needs."""


# --- what the wire looks like -------------------------------------------------------------------------------------


@attrs.frozen
class _TaskInfo:
    can_cancel: bool | None = None
    estimated_time: float | None = None


@attrs.frozen
class _Cost:
    credits: float | None = None


@attrs.frozen
class _Usage:
    credits_reserved: float | None = None
    credits_used: float | None = None
    cost: _Cost | None = None


@attrs.frozen
class _Billing:
    reserved_credits: float | None = None
    charged_credits: float | None = None


@attrs.frozen
class ErrorBody:
    """The service's `error` object; every part may be missing."""

    code: str | None = None
    message: str | None = None
    type: str | None = None
    param: str | None = None


@attrs.frozen
class _Task:
    id: str
    status: Status
    progress: float | None = None
    model: str | None = None
    created: float | None = None
    created_at: float | None = None
    results: list[str] | None = None
    task_info: _TaskInfo | None = None
    usage: _Usage | None = None
    billing: _Billing | None = None
    credits_used: float | None = None
    error: ErrorBody | None = None


@attrs.frozen
class _Purse:
    remaining_credits: float | None = None
    used_credits: float | None = None
    unlimited_credits: bool | None = None


@attrs.frozen
class _Purses:
    token: _Purse | None = None
    user: _Purse | None = None


@attrs.frozen
class _Credits:
    data: _Purses


@attrs.frozen
class _File:
    file_url: str
    expires_at: str | None = None


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


_TASK_KEYS = frozenset(field.name for field in attrs.fields(_Task)) | {"object", "type"}


def _text(value: object, _: object) -> str:
    if isinstance(value, str):
        return value
    raise _Mismatch(f"text expected, found {_kind(value)}")


def _number(value: object, _: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _Mismatch(f"a number expected, found {_kind(value)}")


def _flag(value: object, _: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _Mismatch(f"true or false expected, found {_kind(value)}")


def _status(value: object, _: object) -> Status:
    if isinstance(value, str) and value.strip():
        return Status(value)
    raise _Mismatch(f"a status word expected, found {_kind(value)}")


def _texts(value: object, _: object) -> list[str]:
    if not isinstance(value, list):
        raise _Mismatch(f"a list expected, found {_kind(value)}")
    items = cast("list[object]", value)
    for index, item in enumerate(items):
        if not isinstance(item, str):
            raise _Mismatch(f"text expected at [{index}], found {_kind(item)}")
    return cast("list[str]", items)


def _kind(value: object) -> str:
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


def _configured() -> cattrs.Converter:
    """The one converter; strict about types, generous about what is missing or new."""
    made = cattrs.Converter(detailed_validation=True)
    made.register_structure_hook(str, _text)
    made.register_structure_hook(float, _number)
    made.register_structure_hook(bool, _flag)
    made.register_structure_hook(Status, _status)
    made.register_structure_hook_func(lambda kind: kind == list[str], _texts)
    made.register_structure_hook(ErrorBody, _error_body)
    for shape in (_TaskInfo, _Cost, _Usage, _Billing, _Task, _Purse, _Purses, _Credits, _File):
        made.register_structure_hook(shape, _object_hook(made, shape))
    return made


def _object_hook(made: cattrs.Converter, shape: type[_T]) -> Callable[[object, object], _T]:
    fill = make_dict_structure_fn(shape, made)

    def structure(value: object, kind: object) -> _T:
        if not isinstance(value, dict):
            raise _Mismatch(f"an object expected, found {_kind(value)}")
        return fill(cast("dict[str, object]", value), cast("type[_T]", kind))

    return structure


def _error_body(value: object, _: object) -> ErrorBody:
    """Errors are read as far as they can be: one must never hide another."""
    if isinstance(value, str):
        return ErrorBody(message=value[:_MESSAGE_LENGTH])
    if not isinstance(value, dict):
        return ErrorBody()
    parts = cast("dict[str, object]", value)

    def part(name: str) -> str | None:
        found = parts.get(name)
        return str(found)[:_MESSAGE_LENGTH] if isinstance(found, str | int) else None

    return ErrorBody(part("code"), part("message"), part("type"), part("param"))


_CONVERTER = _configured()


# --- reading --------------------------------------------------------------------------------------------------------


def _parse(body: bytes) -> object:
    try:
        return _loads(body)
    except (ValueError, RecursionError):
        raise _unexpected(f"the body is no JSON: {_glimpse(body)}", "$") from None


def _structure(value: object, shape: type[_T], root: str = "$") -> _T:
    try:
        return _CONVERTER.structure(value, shape)
    except (cattrs.BaseValidationError, ValueError, KeyError) as error:
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
    return found if isinstance(found, str) and found else None


def decode_tasks(body: bytes) -> tuple[tuple[Task, ...], int | None]:
    """The tasks under `data` of a bulk or listing reply, and the listing's `total` when it has one.

    Raises:
        UnexpectedReply: as for `decode_task`.
    """
    parsed = _parse(body)
    rows = cast("dict[str, object]", parsed).get("data") if isinstance(parsed, dict) else None
    if not isinstance(rows, list):
        raise _unexpected(f"a list expected at $.data, found {_kind(rows)}", "$.data")
    total = cast("dict[str, object]", parsed).get("total")
    tasks = tuple(_task(row, f"$.data[{index}]") for index, row in enumerate(cast("list[object]", rows)))
    return tasks, total if isinstance(total, int) else None


def _task(value: object, root: str) -> Task:
    wire = _structure(value, _Task, root)
    if not wire.id:
        raise _unexpected(f"an empty task id at {root}.id", f"{root}.id")
    parts = cast("dict[str, object]", value)
    info = wire.task_info or _TaskInfo()
    reserved, used = _credits(wire)
    error = wire.error or ErrorBody()
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
        extra={key: parts[key] for key in parts.keys() - _TASK_KEYS},
    )


def _credits(wire: _Task) -> tuple[float | None, float | None]:
    """Reserved and used, from the places in which the service has been seen to tell them."""
    usage, billing = wire.usage or _Usage(), wire.billing or _Billing()
    cost = usage.cost or _Cost()
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
    return _error_body(parts.get("error", {"code": parts.get("code"), "message": parts.get("msg")}), None)


def decode_balance(body: bytes) -> Balance:
    """The reply of `GET /v1/credits`.

    Raises:
        UnexpectedReply: as for `decode_task`.
    """
    purses = _structure(_parse(body), _Credits).data
    token, user = purses.token or _Purse(), purses.user or _Purse()
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
    stored = _structure(parts.get("data"), _File, "$.data")
    return Hosted(stored.file_url, _iso_moment(stored.expires_at))


def _iso_moment(text: str | None) -> datetime | None:
    """ISO 8601 with an offset; without one it cannot be placed in time and is left out."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo else None


# --- writing --------------------------------------------------------------------------------------------------------


def encode_intent(intent: Intent) -> bytes:
    """The body of the paid request: the same intent always makes the same bytes."""
    body: dict[str, object] = {
        "model": intent.edit.model,
        "prompt": intent.edit.prompt,
        "video_urls": [intent.video_url],
    }
    if intent.callback_url is not None:
        body["callback_url"] = intent.callback_url
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def encode_ids(task_ids: list[str]) -> bytes:
    """The body of the bulk look."""
    return json.dumps({"task_ids": task_ids}, separators=(",", ":")).encode()


def describe_error(error: OmniEditError | None) -> dict[str, object] | None:
    """An error as `{type, code, message}`, for machines."""
    if error is None:
        return None
    return {"type": type(error).__name__, "code": error.code, "message": str(error)}


def encode_change(change: Change) -> dict[str, object]:
    """A change as one JSON object of the command line."""
    return {
        "status": str(change.status),
        "previous": None if change.previous is None else str(change.previous),
        "source": change.edit.source,
        "prompt": change.edit.prompt,
        "name": change.edit.name,
        "task_id": change.task_id,
        "progress": change.progress,
        "path": None if change.path is None else str(change.path),
        "error": describe_error(change.error),
        "credits": change.credits,
        "at": change.at.isoformat(),
    }


def encode_saved(saved: Saved) -> dict[str, object]:
    """A saved clip as a JSON object."""
    return {
        "source": saved.edit.source,
        "prompt": saved.edit.prompt,
        "path": str(saved.path),
        "task_id": saved.task_id,
        "sha256": saved.sha256,
        "size": saved.size,
        "credits": saved.credits,
        "elapsed": saved.elapsed,
    }


def encode_summary(summary: Summary) -> dict[str, object]:
    """A summary as the last line's `summary` object."""
    counts: Mapping[Status, int] = summary.counts
    return {
        "counts": {str(status): count for status, count in counts.items()},
        "credits_reserved": summary.credits_reserved,
        "credits_used": summary.credits_used,
        "elapsed": summary.elapsed,
        "stopped": describe_error(summary.stopped),
    }

"""From bytes to models; where a reply is wrong, the path to the place is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Never, cast

from omniedit.codecs.plain import read_plain
from omniedit.codecs.words import is_id, kind_of, unexpected
from omniedit.models import Task

if TYPE_CHECKING:
    from omniedit.codecs.answers import Balance, ErrorBody
    from omniedit.models import Hosted

__all__ = [
    "decode_balance",
    "decode_error",
    "decode_task",
    "decode_task_id",
    "decode_tasks",
    "decode_upload",
    "strict_json",
]


_SURELY_FINITE = 300  # digits: no float that is finite has ten more


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
    if len(text) > _SURELY_FINITE:
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


def _parse(body: bytes) -> object:
    try:
        return _loads(body)
    except (ValueError, RecursionError):
        raise unexpected(f"the body is no JSON: {_glimpse(body)}", "$") from None


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
        raise unexpected(f"a list expected at $.data, found {kind_of(rows)}", "$.data")
    total = cast("dict[str, object]", parsed).get("total")
    tasks = tuple(_task(row, f"$.data[{index}]") for index, row in enumerate(cast("list[object]", rows)))
    return tasks, total if isinstance(total, int) else None


def _task(value: object, root: str) -> Task:
    plain = read_plain(value)
    if plain is not None:
        return plain
    from omniedit.codecs import converting

    return converting.task(value, root)


def decode_error(body: bytes) -> ErrorBody:
    """The `error` object of a refusal; empty when the body is HTML, cut, or not there. Never raises."""
    from omniedit.codecs.answers import ErrorBody, read_error_body

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
    from omniedit.codecs import converting

    return converting.balance(_parse(body))


def decode_upload(body: bytes) -> Hosted:
    """The reply of the file API to an upload.

    Raises:
        UnexpectedReply: `success` is not true, or there is no link; the service's words are in the message.
    """
    parsed = _parse(body)
    parts = cast("dict[str, object]", parsed) if isinstance(parsed, dict) else {}
    if parts.get("success") is not True:
        said = decode_error(body)
        raise unexpected(f"the file was not taken: {said.message or said.code or 'no reason given'}", "$.success")
    from omniedit.codecs import converting

    return converting.hosted(parts.get("data"), "$.data")

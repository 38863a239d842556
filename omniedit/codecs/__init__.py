"""One converter between bytes and models; where a reply is wrong, the path to the place is kept.

Rules of this room:
- what the service may leave out is optional here, what it may add survives in `Task.extra`;
- statuses are an open set and never an error;
- a wrong shape is `UnexpectedReply` with the path, such as `$.data.user.used_credits`; of a task only what tells how it
  stands must be right, and other fields of the wrong kind are read as missing;
- bytes made here are the same for the same value, on every machine and with every extra installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from omniedit.codecs.reading import (
    decode_balance,
    decode_error,
    decode_task,
    decode_task_id,
    decode_tasks,
    decode_upload,
)
from omniedit.codecs.words import is_id
from omniedit.codecs.writing import (
    describe_error,
    encode_change,
    encode_ids,
    encode_intent,
    encode_saved,
    encode_summary,
)

if TYPE_CHECKING:
    from omniedit.codecs.answers import Balance, ErrorBody

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
    "is_id",
]


def __getattr__(name: str) -> object:
    if name in {"Balance", "ErrorBody"}:
        from omniedit.codecs import answers

        return getattr(answers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""What the wire looks like, and the one converter for it: strict about types, generous about what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

from omniedit.codecs.answers import ErrorBody, read_error_body
from omniedit.codecs.words import kind_of
from omniedit.models import Status

__all__ = [
    "BillingShape",
    "CONVERTER",
    "CostShape",
    "CreditsShape",
    "EXPLAINING",
    "FileShape",
    "PurseShape",
    "TASK_KEYS",
    "TaskInfoShape",
    "TaskShape",
    "UsageShape",
]

_T = TypeVar("_T")


@attrs.frozen
class TaskInfoShape:
    """`task_info` of a task."""

    can_cancel: bool | None = None
    estimated_time: float | None = None


@attrs.frozen
class CostShape:
    """`usage.cost` of a task."""

    credits: float | None = None


@attrs.frozen
class UsageShape:
    """`usage` of a task."""

    credits_reserved: float | None = None
    credits_used: float | None = None
    cost: CostShape | None = None


@attrs.frozen
class BillingShape:
    """`billing` of a task, as the service's newer clients read it."""

    reserved_credits: float | None = None
    charged_credits: float | None = None


@attrs.frozen
class TaskShape:
    """A task, in a submission's reply, a look, a bulk look or a listing."""

    id: str
    status: Status
    progress: float | None = None
    model: str | None = None
    created: float | None = None
    created_at: float | None = None
    results: list[str] | None = None
    task_info: TaskInfoShape | None = None
    usage: UsageShape | None = None
    billing: BillingShape | None = None
    credits_used: float | None = None
    error: ErrorBody | None = None


@attrs.frozen
class PurseShape:
    """One balance."""

    remaining_credits: float | None = None
    used_credits: float | None = None
    unlimited_credits: bool | None = None


@attrs.frozen
class PursesShape:
    """The balances of the key and of its account."""

    token: PurseShape | None = None
    user: PurseShape | None = None


@attrs.frozen
class CreditsShape:
    """The reply of the credits call."""

    data: PursesShape


@attrs.frozen
class FileShape:
    """The `data` of the file API's reply to an upload."""

    file_url: str
    expires_at: str | None = None


TASK_KEYS = frozenset(field.name for field in attrs.fields(TaskShape)) | {"object", "type"}


def _text(value: object, _: object) -> str:
    if isinstance(value, str):
        return value
    raise TypeError(f"text expected, found {kind_of(value)}")


def _number(value: object, _: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise TypeError(f"a number expected, found {kind_of(value)}")


def _flag(value: object, _: object) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError(f"true or false expected, found {kind_of(value)}")


def _status(value: object, _: object) -> Status:
    if isinstance(value, str) and value.strip():
        return Status(value)
    raise ValueError(f"a status word expected, found {kind_of(value)}")


def _texts(value: object, _: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError(f"a list expected, found {kind_of(value)}")
    items = cast("list[object]", value)
    for index, item in enumerate(items):
        if not isinstance(item, str):
            raise TypeError(f"text expected at [{index}], found {kind_of(item)}")
    return cast("list[str]", items)


def _configured(*, explains: bool) -> cattrs.Converter:
    """The converter; strict about types, generous about what is missing or new.

    One that explains keeps the path to what is wrong, and takes twice as long.
    """
    made = cattrs.Converter(detailed_validation=explains)
    made.register_structure_hook(str, _text)
    made.register_structure_hook(float, _number)
    made.register_structure_hook(bool, _flag)
    made.register_structure_hook(Status, _status)
    made.register_structure_hook_func(lambda kind: kind == list[str], _texts)
    made.register_structure_hook(ErrorBody, read_error_body)
    for shape in (
        TaskInfoShape,
        CostShape,
        UsageShape,
        BillingShape,
        TaskShape,
        PurseShape,
        PursesShape,
        CreditsShape,
        FileShape,
    ):
        made.register_structure_hook(shape, _object_hook(made, shape))
    return made


def _object_hook(made: cattrs.Converter, shape: type[_T]) -> Callable[[object, object], _T]:
    fill = make_dict_structure_fn(shape, made, _cattrs_detailed_validation=made.detailed_validation)

    def structure(value: object, kind: object) -> _T:
        if not isinstance(value, dict):
            raise TypeError(f"an object expected, found {kind_of(value)}")
        return fill(cast("dict[str, object]", value), cast("type[_T]", kind))

    return structure


CONVERTER = _configured(explains=False)
EXPLAINING = _configured(explains=True)

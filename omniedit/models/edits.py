"""What is asked for and what the service answers: edits, their statuses, requests, replies, tasks."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Never

import attrs

__all__ = ["DEFAULT_MODEL", "DEFAULT_TEMPLATE", "Edit", "Intent", "Reply", "Status", "Task"]

DEFAULT_MODEL = "gemini-omni-flash-video-edit"
DEFAULT_TEMPLATE = "{stem}"
"""How a batch names its results: after their sources."""
_EMPTY: Mapping[str, object] = MappingProxyType({})
# A status is a short word; anything longer is cut so that a hostile reply cannot fill memory or a terminal.
_STATUS_LENGTH = 64


class Status(StrEnum):
    """Where an edit stands. Local, then remote, then local again; the ends last.

    The service's statuses are an open set: `Status("throttled")` gives a member with that value which is not in
    `list(Status)`, is never terminal, and compares equal to its text. Compare with `==`, not `is`.
    """

    queued = "queued"
    uploading = "uploading"
    submitting = "submitting"
    pending = "pending"
    processing = "processing"
    completed = "completed"
    downloading = "downloading"
    saved = "saved"
    failed = "failed"
    cancelled = "cancelled"
    rejected = "rejected"
    expired = "expired"
    uncertain = "uncertain"

    @property
    def terminal(self) -> bool:
        """Whether this is an end. `uncertain` is one, though `resume` may lead out of it."""
        return self in _ENDS

    @property
    def known(self) -> bool:
        """Whether the service's documentation, or this library, names this status."""
        return self._value_ in Status._value2member_map_

    def __reduce_ex__(self, _protocol: object) -> tuple[type[Status], tuple[str]]:
        """By value: until 3.11.4 Python pickles by name, and knows no name for what was never seen before."""
        return type(self), (self._value_,)

    @classmethod
    def _missing_(cls, value: object) -> Status | None:
        if not isinstance(value, str):
            return None
        text = "".join(char for char in value[: 4 * _STATUS_LENGTH] if char.isprintable())
        text = text.strip().lower()[:_STATUS_LENGTH].strip()
        text = "cancelled" if text == "canceled" else text
        if not text:
            return None
        if text in cls._value2member_map_:
            return cls(text)
        member = str.__new__(cls, text)
        member._name_ = text
        member._value_ = text
        return member


_ENDS = frozenset({"saved", "failed", "cancelled", "rejected", "expired", "uncertain"})


@attrs.frozen(init=False)
class Edit:
    """One clip and one sentence: what is to be changed, and what is to be kept.

    Args:
        source: an http(s) URL of an mp4, or the path of a local one; at most 10 s long.
        prompt: the wish, in any language. Negative wishes are written into it ("No dialogue").
        name: the name of the result's file inside the output folder; made from the source when not given.
        callback_url: where the service tells that the task has ended; https, at most 2048 characters, public.
        model: the service's name of the model.
        variant: another number asks for another result of the same clip and sentence.

    Making an `Edit` never raises on its content: what is wrong with it is said, all at once and before anything is
    sent, when it is submitted (`InvalidEdit`), so that one bad row cannot end a batch.
    """

    source: str
    prompt: str
    name: str | None = None
    callback_url: str | None = None
    model: str = DEFAULT_MODEL
    variant: int = 0
    # Fields that the service does not have (`duration`, `aspect_ratio`, ...): kept for preflight to name them.
    unsupported: Mapping[str, object] = attrs.field(default=_EMPTY, repr=False, hash=False)
    key: str = attrs.field(default="", eq=False, repr=False)
    """Stable identity: 32 hexadecimal digits made from source, prompt, model and variant, never from position."""

    def __init__(
        self,
        source: str | os.PathLike[str],
        prompt: str,
        *,
        name: str | None = None,
        callback_url: str | None = None,
        model: str = DEFAULT_MODEL,
        variant: int = 0,
        **unsupported: Never,
    ) -> None:
        where = os.fspath(source) if isinstance(source, os.PathLike) else source
        more = _carried(unsupported)
        values: dict[str, object] = {
            "source": where,
            "prompt": prompt,
            "name": name,
            "callback_url": callback_url,
            "model": model,
            "variant": variant,
            "unsupported": MappingProxyType(more) if more else _EMPTY,
            "key": _identity(where, prompt, model, variant),
        }
        for field, value in values.items():
            object.__setattr__(self, field, value)  # the value is frozen from here on

    def __reduce__(self) -> tuple[object, ...]:
        more = {"name": self.name, "callback_url": self.callback_url, "model": self.model, "variant": self.variant}
        return _rebuild_edit, (self.source, self.prompt, {**more, **self.unsupported})


def _rebuild_edit(source: str, prompt: str, more: dict[str, Never]) -> Edit:
    return Edit(source, prompt, **more)


def _carried(given: Mapping[str, object]) -> dict[str, object]:
    """Fields that the service does not have; `attrs.evolve` gives those of the edit it copies as one, and its key."""
    copied = given.get("unsupported")
    if not isinstance(copied, Mapping):
        return dict(given)
    return {**copied, **{name: value for name, value in given.items() if name not in {"unsupported", "key"}}}


def _identity(source: object, prompt: object, model: object, variant: object) -> str:
    return hashlib.sha256(_ENCODER.encode([source, prompt, model, variant]).encode()).hexdigest()[:32]


# Made once: `json.dumps` makes one at every call that is not wholly ordinary.
_ENCODER = json.JSONEncoder(ensure_ascii=True, default=repr)


@attrs.frozen
class Reply:
    """One HTTP answer, read whole: small by contract (the door refuses larger bodies).

    `headers` are looked up without regard to case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)
    secret: str = attrs.field(default="", repr=False, eq=False)
    """What words of this answer must not be shown with: the key that it was asked for with."""


@attrs.frozen
class Intent:
    """One paid request, complete before it leaves: the same intent always makes the same bytes."""

    edit: Edit
    video_url: str
    nonce: str
    """The `Idempotency-Key`: 16-96 characters of `[A-Za-z0-9._-]`."""
    callback_url: str | None = None


@attrs.frozen
class Task:
    """One task as the service tells it."""

    id: str
    status: Status
    progress: int = 0
    """0 to 100."""
    model: str = ""
    created: datetime | None = None
    results: tuple[str, ...] = attrs.field(default=(), repr=False)
    """Links to the result, valid for 24 hours; they are not public, so no repr shows them."""
    can_cancel: bool = False
    estimated_time: float | None = None
    """Seconds, as the service guesses."""
    credits_reserved: float | None = None
    credits_used: float | None = None
    error_code: str | None = None
    error_message: str | None = None
    extra: Mapping[str, object] = attrs.field(default=_EMPTY, repr=False, hash=False)
    """Keys of the reply that this version does not know."""

    @property
    def credits(self) -> float | None:
        """Credits used when the service has told, else those reserved."""
        return self.credits_reserved if self.credits_used is None else self.credits_used

"""The vocabulary of the library: frozen values that know nothing of wires, files or clocks.

Rules of this room:
- nothing here does I/O, reads a clock or raises on bad user input (judgement lives in `core.preflight`);
- every value is frozen; a new state is a new value;
- times are aware UTC datetimes, durations are seconds, sizes are bytes, money is credits.
"""

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

__all__ = [
    "Answer",
    "Attempt",
    "DEFAULT_MODEL",
    "DEFAULT_TEMPLATE",
    "Edit",
    "Entry",
    "Hosted",
    "Intent",
    "MediaFacts",
    "Outcome",
    "Reply",
    "Status",
    "Task",
]

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
        values: dict[str, object] = {
            "source": where,
            "prompt": prompt,
            "name": name,
            "callback_url": callback_url,
            "model": model,
            "variant": variant,
            "unsupported": MappingProxyType(dict(unsupported)) if unsupported else _EMPTY,
            "key": _identity(where, prompt, model, variant),
        }
        for field, value in values.items():
            object.__setattr__(self, field, value)  # the value is frozen from here on

    def __reduce__(self) -> tuple[object, ...]:
        more = {"name": self.name, "callback_url": self.callback_url, "model": self.model, "variant": self.variant}
        return _rebuild_edit, (self.source, self.prompt, {**more, **self.unsupported})


def _rebuild_edit(source: str, prompt: str, more: dict[str, Never]) -> Edit:
    return Edit(source, prompt, **more)


def _identity(source: object, prompt: object, model: object, variant: object) -> str:
    return hashlib.sha256(_ENCODER.encode([source, prompt, model, variant]).encode()).hexdigest()[:32]


# Made once: `json.dumps` makes one at every call that is not wholly ordinary.
_ENCODER = json.JSONEncoder(ensure_ascii=True, default=repr)


@attrs.frozen
class MediaFacts:
    """What the boxes of an mp4 say about it. Nothing is decoded."""

    brand: str
    """Major brand of the `ftyp` box, such as `isom`, `mp42` or `qt  `; empty without one."""
    size: int | None
    """Bytes of the whole file, when known."""
    duration: float | None
    """Seconds of the longest video track; the container's when the track does not say; None when unknown."""
    container_duration: float | None
    """Seconds written in the movie header: an AAC track may make it a little longer than the video."""
    width: int | None
    """Pixels, as displayed before rotation."""
    height: int | None
    frames: int | None
    """Samples of the video track, when the tables tell."""
    video_codec: str | None
    """Four-character code of the first video sample entry, such as `avc1`; None without a video track."""
    audio_codec: str | None
    fragmented: bool = False
    moov_at_end: bool = False

    @property
    def frame_rate(self) -> float | None:
        """Mean frames per second, when both frames and duration are known."""
        return self.frames / self.duration if self.frames and self.duration else None


@attrs.frozen
class Reply:
    """One HTTP answer, read whole: small by contract (the door refuses larger bodies).

    `headers` are looked up without regard to case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)


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


class Outcome(StrEnum):
    """How a paid request ended, as far as anybody can know."""

    sent = "sent"
    """Written down before it left; still so after a crash in between."""
    accepted = "accepted"
    refused = "refused"
    """Certain: nothing was accepted, nothing is billed."""
    unknown = "unknown"


@attrs.frozen
class Attempt:
    """One nonce and what became of it: rows are added and answered, never removed."""

    nonce: str
    key: str
    at: datetime
    outcome: Outcome = Outcome.sent
    task_id: str | None = None
    detail: str | None = None
    """A short reason for people; never a header, a key or a link."""


@attrs.frozen
class Answer:
    """What is written behind an attempt when its outcome is known, or known to be unknown."""

    nonce: str
    outcome: Outcome
    at: datetime
    task_id: str | None = None
    detail: str | None = None


@attrs.frozen
class Entry:
    """One edit as the journal remembers it: the edit, written once, and its state, replaced as a whole."""

    edit: Edit
    target: str
    """Path of the result's file, as it will be named."""
    status: Status
    at: datetime
    """When this state began."""
    video_url: str | None = attrs.field(default=None, repr=False)
    """The hosted source, when it differs from `edit.source`."""
    callback_url: str | None = attrs.field(default=None, repr=False)
    nonce: str | None = None
    task_id: str | None = None
    submitted_at: datetime | None = None
    """When the task was accepted."""
    unfinished_at: datetime | None = None
    """The last moment at which the task was known to be unfinished: a result's 24 hours start after it."""
    link: str | None = attrs.field(default=None, repr=False)
    deadline: datetime | None = None
    """When the link is treated as dead."""
    renewals: int = 0
    """How often the link was asked for again."""
    path: str | None = None
    """Where the result lies; differs from `target` when somebody else took that name meanwhile."""
    sha256: str | None = None
    size: int | None = None
    credits_reserved: float | None = None
    credits_used: float | None = None
    error_type: str | None = None
    """Name of the error's class, such as `TaskFailed`."""
    error_code: str | None = None
    error_message: str | None = None

    @property
    def key(self) -> str:
        """The edit's stable identity."""
        return self.edit.key

    @property
    def credits(self) -> float | None:
        """Credits used when the service has told, else those reserved."""
        return self.credits_reserved if self.credits_used is None else self.credits_used


@attrs.frozen
class Hosted:
    """A local file that can be fetched by the service for a while."""

    url: str = attrs.field(repr=False)
    expires_at: datetime | None = None
    """When the host forgets the file; None when it does not say."""

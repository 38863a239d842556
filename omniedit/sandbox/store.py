"""What the sandbox remembers, open to tests: accounts, tasks, every submit and every request."""

from __future__ import annotations

import hashlib
from collections import deque
from pathlib import Path
from typing import Literal

from attrs import define, field, frozen

from omniedit.sandbox.limits import Turnstile
from omniedit.sandbox.problems import JsonObject
from omniedit.sandbox.settings import Settings

__all__ = [
    "Account",
    "Edited",
    "Failure",
    "HostedFile",
    "KEEP_KEYS",
    "KnownKey",
    "LoggedRequest",
    "Store",
    "Submission",
    "Task",
    "TaskFaults",
    "key_hash",
]

KEEP_KEYS = 100_000
"""Idempotency keys remembered per API key."""


def key_hash(key: str) -> str:
    """What the logs show of an API key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:12]


@frozen
class LoggedRequest:
    """One request as it was answered; ``status`` 0: the connection was dropped without an answer."""

    at: float
    method: str
    path: str
    status: int
    key_hash: str | None
    door: Literal["api", "media"]
    fault: str | None = None
    range: str | None = None


@frozen
class Submission:
    """One POST that reached the paid endpoint and was read, whatever came of it."""

    at: float
    key_hash: str
    idempotency_key: str | None
    prompt: str
    source: str
    task_id: str | None
    replayed: bool = False
    refused: str | None = None


@frozen
class Edited:
    """An edit that worked: a file on disk and the length of its video in seconds."""

    path: Path
    seconds: float
    source: Path | None = None


@frozen
class Failure:
    """Why a task failed, in the service's words."""

    code: str
    message: str


@define
class TaskFaults:
    """What a fault script does to one task."""

    failure: Failure | None = None
    cancel: bool = False
    status: str | None = None
    never_ends: bool = False
    vanish_after: int | None = None
    empty_results: bool = False
    duplicates: int = 0
    callback_delay: float = 0.0
    callback_lost: bool = False
    forged: tuple[JsonObject, ...] = ()


@define(eq=False)
class Task:
    """One accepted task."""

    id: str
    key_hash: str
    model: str
    prompt: str
    source: str
    callback_url: str | None
    idempotency_key: str | None
    created: float
    starts: float
    ends: float
    estimated_time: int
    reserved: float
    faults: TaskFaults
    progress_dead: bool = False
    status: str = "pending"
    outcome: Edited | Failure | None = None
    error: Failure | None = None
    finished: float | None = None
    link_token: str = ""
    link_dies: float = 0.0
    charged: float = 0.0
    reads: int = 0
    posts: int = 1
    callbacks: list[int] = field(factory=list[int])
    """HTTP status of each callback try; 0: no answer."""

    @property
    def ended(self) -> bool:
        """Whether it is over, in whatever way."""
        return self.finished is not None


@define(eq=False)
class HostedFile:
    """One file of the files API."""

    id: str
    key_hash: str
    name: str
    original_name: str
    size: int
    mime_type: str
    upload_path: str
    path: Path
    uploaded: float
    expires: float


@frozen(eq=False)
class KnownKey:
    """What an idempotency key was used for."""

    fingerprint: str
    task: Task
    dies: float


@define(eq=False)
class Account:
    """One API key: its money, its limits and its remembered idempotency keys."""

    key_hash: str
    remaining: float
    turnstile: Turnstile
    used: float = 0.0
    live: int = 0
    open_requests: int = 0
    _keys: dict[str, KnownKey] = field(factory=dict[str, KnownKey], init=False)

    def remember(self, key: str, fingerprint: str, task: Task, seconds: float) -> None:
        """Note an idempotency key; the oldest are forgotten beyond a bound."""
        self._keys[key] = KnownKey(fingerprint, task, task.created + seconds)
        if len(self._keys) > KEEP_KEYS:
            del self._keys[next(iter(self._keys))]

    def recall(self, key: str, now: float) -> KnownKey | None:
        """What a key was used for, unless that is too long ago."""
        known = self._keys.get(key)
        return known if known is not None and now < known.dies else None

    def reserve(self, amount: float) -> None:
        """Set credits aside for one more live task."""
        self.remaining -= amount
        self.live += 1

    def settle(self, reserved: float, charged: float) -> None:
        """Give back what was reserved, take what was used."""
        self.remaining += reserved - charged
        self.used += charged
        self.live -= 1


class Store:
    """Memory of one server; bounded by ``keep_tasks`` and ``keep_requests``."""

    def __init__(self, settings: Settings, started: float) -> None:
        self._settings = settings
        self._started = started
        self.accounts: dict[str, Account] = {}
        self.tasks: dict[str, Task] = {}
        self.files: dict[str, HostedFile] = {}
        self.requests: deque[LoggedRequest] = deque(maxlen=settings.keep_requests)
        self.submissions: deque[Submission] = deque(maxlen=settings.keep_requests)

    @property
    def accepted(self) -> list[Task]:
        """Every task that was accepted, oldest first."""
        return list(self.tasks.values())

    @property
    def billed(self) -> list[Task]:
        """Every task that cost credits."""
        return [task for task in self.tasks.values() if task.charged > 0]

    def account(self, key: str) -> Account:
        """The account of a key, made on its first request."""
        name = key_hash(key)
        if name not in self.accounts:
            turnstile = Turnstile(self._settings.limits, self._started)
            self.accounts[name] = Account(name, self._settings.credits, turnstile)
        return self.accounts[name]

    def posts_for(self, prompt: str, source: str | None = None) -> int:
        """How many submits named this prompt (and this source): more than one is what clients must avoid."""
        return sum(s.prompt == prompt and source in (None, s.source) for s in self.submissions)

    def add(self, task: Task) -> None:
        """Remember a task; the oldest finished one goes beyond ``keep_tasks``."""
        self.tasks[task.id] = task
        if len(self.tasks) > self._settings.keep_tasks:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        oldest = next((task for task in self.tasks.values() if task.ended), None)
        if oldest is not None:
            del self.tasks[oldest.id]

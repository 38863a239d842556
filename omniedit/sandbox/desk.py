"""The life of tasks: accepted, processing, ended. One conductor for all of them, no coroutine per waiting task.

A task ends at its planned time, or when its edit is ready if that comes later.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
import secrets
from collections.abc import Callable
from urllib.parse import urlencode

from attrs import define, field, frozen

from omniedit.sandbox.checks import TASK_PREFIX, Wanted
from omniedit.sandbox.faults import FaultBook
from omniedit.sandbox.problems import JsonObject
from omniedit.sandbox.replies import task_reply
from omniedit.sandbox.settings import Settings
from omniedit.sandbox.store import Account, Edited, Failure, Store, Task
from omniedit.sandbox.studio import Studio
from omniedit.sandbox.timing import SandboxTime

__all__ = ["Desk"]

_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
PROMPT_CREDITS_PER_CHARACTER = 0.0867 / 1000 / 4
"""Input tokens at 0.0867 credits per 1,000, four characters a token [S]."""


@frozen(order=True)
class _Due:
    when: float
    number: int
    task: Task = field(order=False)


@define(eq=False)
class Desk:
    """Accepts tasks, moves them on and settles their bills.

    ``ended`` is called with each task that ends and what is to be said of it.
    """

    settings: Settings
    time: SandboxTime
    store: Store
    studio: Studio
    faults: FaultBook
    media_url: str
    ended: Callable[[Task, JsonObject], None]
    _chance: random.Random = field(init=False)
    _due: list[_Due] = field(factory=list[_Due], init=False)
    _orders: asyncio.Queue[Task] = field(factory=asyncio.Queue[Task], init=False)
    _alarm: asyncio.Event = field(factory=asyncio.Event, init=False)
    _running: list[asyncio.Task[None]] = field(factory=list[asyncio.Task[None]], init=False)
    _number: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._chance = random.Random(self.settings.seed)  # noqa: S311 - repeatable on purpose

    def start(self) -> None:
        """Start the conductor and the workers that fetch and edit."""
        workers = [self._work() for _ in range(self.settings.fetch_workers)]
        self._running = [asyncio.create_task(work) for work in (self._conduct(), *workers)]

    async def close(self) -> None:
        """Stop; unfinished tasks stay as they are."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def reservation(self, prompt: str) -> float:
        """Credits set aside for one task."""
        return self._price(self.settings.reserved_seconds, prompt)

    def accept(self, account: Account, wanted: Wanted, idempotency_key: str | None, failure: Failure | None) -> Task:
        """Make a task and put its edit in the queue; ``failure``: it is accepted only to fail."""
        now = self.time.now()
        duration = self._duration()
        starts = now + min(self.settings.pending_seconds, duration / 2)
        faults = self.faults.for_task(wanted.prompt)
        faults.failure = failure or faults.failure
        estimate = self.settings.task_seconds * self.settings.estimate_factor
        task = Task(
            id=self._task_id(now),
            key_hash=account.key_hash,
            model=wanted.model,
            prompt=wanted.prompt,
            source=wanted.source,
            callback_url=wanted.callback_url,
            idempotency_key=idempotency_key,
            created=now,
            starts=starts,
            ends=math.inf if faults.never_ends else now + duration,
            estimated_time=max(1, round(estimate)),
            reserved=self.reservation(wanted.prompt),
            faults=faults,
            progress_dead=self._chance.random() < self.settings.progress_dead_share,
        )
        account.reserve(task.reserved)
        self.store.add(task)
        self._schedule(task)
        return task

    def settle(self) -> None:
        """Move every task on whose time has come; called before anything is read."""
        now = self.time.now()
        while self._due and self._due[0].when <= now:
            task = heapq.heappop(self._due).task
            if task.status == "pending":
                task.status = "processing"
            if task.ends <= now:
                self._end_if_ready(task)

    def describe(self, task: Task) -> JsonObject:
        """What the API and callbacks say of a task now."""
        return task_reply(task, self.settings, self.time.now(), self._link(task))

    def _link(self, task: Task) -> str | None:
        """The link of a completed task as its answer shows it, renewed if that is switched on and needed."""
        if task.status != "completed" or task.faults.empty_results:
            return None
        if self.settings.link_renewal and task.link_dies <= self.time.now():
            self._new_link(task, self.time.now())
        query = f"?{urlencode({'expires': int(task.link_dies)})}" if self.settings.link_expiry_in_url else ""
        return f"{self.media_url}/results/{task.id}-{task.link_token}.mp4{query}"

    async def caught_up(self) -> None:
        """Wait until every task whose time has come has really ended (its edit may still be at work)."""
        while any(task.ends <= self.time.now() and not task.ended for task in self.store.tasks.values()):
            await asyncio.sleep(0.005)
            self.settle()

    def _schedule(self, task: Task) -> None:
        for when in (task.starts, task.ends):
            if when < math.inf:
                self._number += 1
                heapq.heappush(self._due, _Due(when, self._number, task))
        if self._due[0].task is task:
            self._alarm.set()
        if task.faults.failure is not None or task.faults.cancel:
            task.outcome = task.faults.failure or Failure("request_cancelled", "The task was cancelled.")
        else:
            self._orders.put_nowait(task)

    async def _work(self) -> None:
        while True:
            task = await self._orders.get()
            task.outcome = await self.studio.edit(task.source, task.prompt)
            if task.ends <= self.time.now():
                self._end_if_ready(task)

    async def _conduct(self) -> None:
        """Sleep until the next task is due, or until an earlier one is accepted."""
        while True:
            self._alarm.clear()
            self.settle()
            waits = [asyncio.ensure_future(self._alarm.wait())]
            if self._due:
                waits.append(asyncio.ensure_future(self.time.sleep_until(self._due[0].when)))  # type: ignore[arg-type]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)

    def _end_if_ready(self, task: Task) -> None:
        if task.ended or task.outcome is None:
            return
        task.finished = task.ends if self.settings.virtual_time else self.time.now()
        match task.outcome:
            case Edited(seconds=seconds):
                task.status = "completed"
                task.charged = self._price(seconds, task.prompt)
                self._new_link(task, task.finished)
            case Failure() as failure:
                cancelled = task.faults.cancel or failure.code == "request_cancelled"
                task.status = "cancelled" if cancelled else "failed"
                task.error = failure
        self.store.accounts[task.key_hash].settle(task.reserved, task.charged)
        self.ended(task, self.describe(task))

    def _new_link(self, task: Task, now: float) -> None:
        task.link_token = secrets.token_hex(8)
        task.link_dies = now + self.settings.link_seconds

    def _duration(self) -> float:
        if not self.settings.task_seconds:
            return 0.0
        return self._chance.lognormvariate(math.log(self.settings.task_seconds), self.settings.task_spread)

    def _price(self, seconds: float, prompt: str) -> float:
        words = len(prompt) * PROMPT_CREDITS_PER_CHARACTER
        return round(seconds * self.settings.credits_per_second + words, 4)

    def _task_id(self, now: float) -> str:
        return f"{TASK_PREFIX}{int(now)}-{''.join(self._chance.choices(_ID_LETTERS, k=8))}"

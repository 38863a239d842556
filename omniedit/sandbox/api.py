"""The API door: submit, read, list, credits. Order of checks: key, rate, balance, access, parameters [S]."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Literal, cast

from aiohttp import web
from attrs import define

from omniedit.sandbox import checks, replies
from omniedit.sandbox.desk import Desk
from omniedit.sandbox.gate import Admission, Gate
from omniedit.sandbox.problems import Problem
from omniedit.sandbox.settings import Settings
from omniedit.sandbox.store import Account, Failure, Store, Submission, Task
from omniedit.sandbox.timing import SandboxTime

__all__ = ["ApiDoor"]

_FULL = Failure("quota_exceeded", "Too many tasks at once.")


@define
class ApiDoor:
    """Handlers of the API port."""

    settings: Settings
    time: SandboxTime
    store: Store
    gate: Gate
    desk: Desk

    def routes(self) -> list[web.RouteDef]:
        """What this door serves."""
        return [
            web.post("/v1/videos/generations", self.submit, name="submit"),
            web.get("/v1/tasks", self.listing, name="listing", allow_head=False),
            web.post("/v1/tasks/batch", self.bulk, name="bulk"),
            web.get("/v1/tasks/{task_id:(?!batch$)[^/]+}", self.task, name="task", allow_head=False),
            web.get("/v1/credits", self.credits, name="credits", allow_head=False),
        ]

    async def submit(self, request: web.Request) -> web.Response:
        """The paid POST."""
        raw = await request.read()
        key = request.headers.get("Idempotency-Key") if self.settings.idempotency != "ignored" else None
        self.desk.settle()
        note = _Note.of(raw)
        admission = self.gate.enter(request, "submit")
        try:
            task, replayed = self._accept_or_replay(admission, note, key)
        except Problem as problem:
            self._remember(admission.account, note, key, refused=problem.code)
            raise
        self._remember(admission.account, note, key, task=task, replayed=replayed)
        headers = {"Idempotency-Replayed": "true"} if replayed else None
        return web.json_response(replies.submit_reply(task), headers=headers)

    async def task(self, request: web.Request) -> web.Response:
        """One task of this key."""
        account = self.gate.enter_to_read(request, "poll")
        task_id = request.match_info["task_id"]
        checks.check_task_id(task_id)
        self.desk.settle()
        task = self._visible(task_id)
        if task is None:
            raise Problem("task_not_found", "There is no such task.", "task_id")
        if task.key_hash != account.key_hash:
            raise Problem("permission_denied", "This task belongs to another key.", "task_id")
        return web.json_response(self.desk.describe(task))

    async def bulk(self, request: web.Request) -> web.Response:
        """Up to 50 tasks of this key; unknown ones are missing from the answer."""
        _switch(self.settings.bulk, allow="GET")  # it is read as the id of a task
        raw = await request.read()
        account = self.gate.enter_to_read(request, "poll")
        wanted = checks.bulk_ids(checks.json_object(raw))
        self.desk.settle()
        tasks = [self._visible(task_id) for task_id in dict.fromkeys(wanted)]
        own = [task for task in tasks if task is not None and task.key_hash == account.key_hash]
        return web.json_response({"data": [self.desk.describe(task) for task in own]})

    async def listing(self, request: web.Request) -> web.Response:
        """The tasks of this key, newest first, without links."""
        _switch(self.settings.listing, allow="")  # no method at all: RFC 9110, section 10.2.1
        account = self.gate.enter_to_read(request, "poll")
        query = request.query
        page = checks.whole_number(query.get("page"), "page", 1, 1_000_000)
        size = checks.whole_number(query.get("page_size"), "page_size", 20, checks.MAX_PAGE_SIZE)
        self.desk.settle()
        own = (task for task in reversed(self.store.tasks.values()) if task.key_hash == account.key_hash)
        wanted = [task for task in own if self._matches(task, query)]
        shown = wanted[(page - 1) * size : page * size]
        rows = [replies.listing_row(task, self.settings, self.time.now()) for task in shown]
        return web.json_response({"data": rows, "total": len(wanted), "page": page, "page_size": size})

    async def credits(self, request: web.Request) -> web.Response:
        """The balance of this key."""
        account = self.gate.enter_to_read(request, "other")
        self.desk.settle()
        return web.json_response(replies.credits_reply(account))

    def _accept_or_replay(self, admission: Admission, note: _Note, key: str | None) -> tuple[Task, bool]:
        account = admission.account
        if key is not None and (original := self._original(account, note, key)) is not None:
            original.posts += 1
            return original, True
        if admission.special == 402 or account.remaining < self.desk.reservation(""):
            raise Problem("insufficient_quota", "The balance of this key is used up.")
        if admission.special == 403:
            raise Problem("model_access_denied", "This key has no access to the model.")
        if note.problem is not None:
            raise note.problem
        checks.check_access(note.body, self.settings)
        wanted = checks.read_submit(note.body, self.settings)
        checks.check_idempotency_key(key)
        task = self.desk.accept(account, wanted, key, _FULL if admission.full else None)
        if key is not None:
            account.remember(key, note.fingerprint, task, self.settings.idempotency_seconds)
        return task, False

    def _original(self, account: Account, note: _Note, key: str) -> Task | None:
        """The task of an earlier POST with this key. Raises ``Problem`` where the switch says so."""
        known = account.recall(key, self.time.now())
        if known is None:
            return None
        if self.settings.idempotency == "unknown":
            raise self._conflict("paid_outcome_unknown", "The outcome of the first request is not known.")
        if self.settings.idempotency == "conflict" or known.fingerprint != note.fingerprint:
            raise self._conflict("idempotency_conflict", "This Idempotency-Key was used before.")
        return known.task

    def _conflict(self, code: str, message: str) -> Problem:
        return Problem(code, message, "Idempotency-Key", status=self.settings.conflict_status)

    def _matches(self, task: Task, query: Mapping[str, str]) -> bool:
        """Whether a task passes the filters of a listing; an empty one lets everything through."""
        shown = {"status": replies.shown_status(task, self.settings), "type": "video", "model": task.model}
        return all(query.get(name) in (None, "", value) for name, value in shown.items())

    def _visible(self, task_id: str) -> Task | None:
        """The task, unless a fault lets it vanish."""
        task = self.store.tasks.get(task_id)
        if task is None:
            return None
        task.reads += 1
        limit = task.faults.vanish_after
        return None if limit is not None and task.reads > limit else task

    def _remember(
        self,
        account: Account,
        note: _Note,
        key: str | None,
        *,
        task: Task | None = None,
        replayed: bool = False,
        refused: str | None = None,
    ) -> None:
        submission = Submission(
            at=self.time.now(),
            key_hash=account.key_hash,
            idempotency_key=key,
            prompt=note.prompt,
            source=note.source,
            task_id=task.id if task else None,
            replayed=replayed,
            refused=refused,
        )
        self.store.submissions.append(submission)


@define
class _Note:
    """The body of a submit as far as it can be read."""

    body: Mapping[str, object]
    problem: Problem | None
    fingerprint: str

    @classmethod
    def of(cls, raw: bytes) -> _Note:
        try:
            body = checks.json_object(raw)
        except Problem as problem:
            return cls({}, problem, hashlib.sha256(raw).hexdigest())
        return cls(body, None, hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest())

    @property
    def prompt(self) -> str:
        return str(self.body.get("prompt", ""))

    @property
    def source(self) -> str:
        urls = self.body.get("video_urls")
        return str(cast("list[object]", urls)[0]) if isinstance(urls, list) and urls else ""


def _switch(state: Literal["on", "404", "405"], *, allow: str) -> None:
    if state == "404":
        raise Problem("not_found", "There is no such call.")
    if state == "405":
        raise Problem("method_not_allowed", "This call is switched off.", headers={"Allow": allow})

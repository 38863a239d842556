"""What every request passes on its way in and out: fault on order, refusals as JSON, request id, log."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Literal, cast

from aiohttp import web
from aiohttp.typedefs import Middleware
from attrs import define

from omniedit.sandbox.faults import FaultBook
from omniedit.sandbox.gate import RATE_HEADERS, bearer, leave
from omniedit.sandbox.mischief import Dropped, with_fault
from omniedit.sandbox.problems import Problem
from omniedit.sandbox.script import Rule
from omniedit.sandbox.store import LoggedRequest, Store, key_hash
from omniedit.sandbox.timing import SandboxTime

__all__ = ["MAX_BODY", "Porter"]

_log = logging.getLogger(__name__)
MAX_BODY = 1024 * 1024
"""Bytes of a JSON request."""
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@define
class Porter:
    """The middleware of both doors."""

    time: SandboxTime
    store: Store
    faults: FaultBook

    def middleware(self, door: Literal["api", "media"], media_prompt: Callable[[str], str | None]) -> Middleware:
        """For one door; ``media_prompt`` names the prompt behind a path of the media port."""

        @web.middleware
        async def porter(request: web.Request, handler: Answer) -> web.StreamResponse:
            point = "media" if door == "media" else request.match_info.route.name
            if door == "api" and not request.path.startswith(("/v1/", "/api/")):
                return await refusing(handler)(request)
            return await self._pass(request, refusing(handler), door, point, media_prompt)

        return porter

    async def _pass(
        self,
        request: web.Request,
        answer: Answer,
        door: Literal["api", "media"],
        point: str | None,
        media_prompt: Callable[[str], str | None],
    ) -> web.StreamResponse:
        rule, response = None, None
        try:
            if point is not None:
                rule = self.faults.for_request(point, await self._prompt(request, point, media_prompt))
            response = await (with_fault(rule, request, answer) if rule else answer(request))
            return self._sign(request, response)
        finally:
            leave(request)  # here and not in the handlers: a fault may hold the answer back
            status = 0 if response is None or isinstance(response, Dropped) else response.status
            self._log(request, door, status, rule)

    async def _prompt(self, request: web.Request, point: str, media_prompt: Callable[[str], str | None]) -> str | None:
        """The prompt a request is about, read only when a rule asks for it."""
        if not self.faults.asks_for_prompt(point):
            return None
        match point:
            case "submit":
                return prompt_in(await request.read())
            case "task":
                task = self.store.tasks.get(request.match_info["task_id"])
                return task.prompt if task else None
            case "media":
                return media_prompt(request.path)
            case _:
                return None

    def _sign(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        if not response.prepared:
            response.headers["X-Request-Id"] = secrets.token_hex(8)
            response.headers.update(request.get(RATE_HEADERS, {}))
        return response

    def _log(self, request: web.Request, door: Literal["api", "media"], status: int, rule: Rule | None) -> None:
        key = bearer(request)
        entry = LoggedRequest(
            at=self.time.now(),
            method=request.method,
            path=request.path,
            status=status,
            key_hash=None if key is None else key_hash(key),
            door=door,
            fault=rule.fault if rule else None,
            range=request.headers.get("Range"),
        )
        self.store.requests.append(entry)


def refusing(handler: Answer) -> Answer:
    """The handler with every refusal turned into the documented JSON."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Problem as problem:
            return refusal(problem)
        except web.HTTPRequestEntityTooLarge:
            return refusal(Problem("request_too_large", "The request body is too large."))
        except web.HTTPMethodNotAllowed as error:
            allow = {"Allow": ", ".join(sorted(error.allowed_methods))}
            return refusal(Problem("method_not_allowed", "This method is not allowed here.", headers=allow))
        except web.HTTPNotFound:
            return refusal(Problem("not_found", "There is no such path."))
        except web.HTTPException:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the client gets the documented answer
            _log.exception("the sandbox failed to answer %s %s", request.method, request.path)
            return refusal(Problem("internal_error", "The sandbox failed; its log says how."))

    return answer


def refusal(problem: Problem) -> web.Response:
    """A Problem as it is sent."""
    return web.json_response(problem.body(), status=problem.http_status, headers=problem.headers)


def prompt_in(body: bytes) -> str | None:
    """The prompt of a submit, if the body can be read."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    prompt = cast("dict[str, object]", value).get("prompt") if isinstance(value, dict) else None
    return prompt if isinstance(prompt, str) else None

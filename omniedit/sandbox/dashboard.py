"""The sandbox's own pages: the dashboard at ``/``, what it shows as JSON, and the OpenAPI document."""

from __future__ import annotations

from importlib.resources import files
from itertools import islice

from aiohttp import web
from attrs import define

from omniedit.sandbox.desk import Desk
from omniedit.sandbox.faults import FaultBook
from omniedit.sandbox.problems import JsonObject
from omniedit.sandbox.replies import progress, shown_status
from omniedit.sandbox.settings import Limit, Settings
from omniedit.sandbox.store import Account, Edited, LoggedRequest, Store, Task
from omniedit.sandbox.timing import SandboxTime

__all__ = ["Dashboard"]

SHOWN_TASKS = 60
SHOWN_REQUESTS = 200
SHOWN_KEYS = 20
# The page may load nothing from anywhere else, and nobody may put it into a frame.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "media-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@define
class Dashboard:
    """Handlers of the pages; they are not logged and need no key, and show no key."""

    settings: Settings
    time: SandboxTime
    store: Store
    faults: FaultBook
    desk: Desk
    media_url: str

    def routes(self) -> list[web.RouteDef]:
        """What this door serves."""
        return [
            web.get("/", self.page),
            web.get("/openapi.json", self.openapi),
            web.get("/_sandbox/state", self.state),
            web.get("/_sandbox/tasks/{task_id}/{which:before|after}.mp4", self.clip),
        ]

    async def page(self, _: web.Request) -> web.Response:
        """One HTML page that reads ``state`` every second."""
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        return web.Response(text=_data("dashboard.html"), content_type="text/html", headers=headers)

    async def openapi(self, _: web.Request) -> web.Response:
        """The API as it is with default settings, in OpenAPI 3.1."""
        return web.Response(text=_data("openapi.json"), content_type="application/json")

    async def state(self, _: web.Request) -> web.Response:
        """What the page shows: the newest tasks and requests, keys with their limits, fired faults."""
        self.desk.settle()
        tasks = list(islice(reversed(self.store.tasks.values()), SHOWN_TASKS))
        requests = list(islice(reversed(self.store.requests), SHOWN_REQUESTS))
        counts: dict[str, int] = {}
        for task in self.store.tasks.values():
            counts[task.status] = counts.get(task.status, 0) + 1
        body: JsonObject = {
            "now": self.time.now(),
            "media_url": self.media_url,
            "time": {"scale": self.settings.time_scale, "virtual": self.settings.virtual_time},
            "counts": counts,
            "tasks": [self._task(task) for task in tasks],
            "requests": [_request(request) for request in requests],
            "total_requests": len(self.store.requests),
            "keys": [self._account(account) for account in islice(self.store.accounts.values(), SHOWN_KEYS)],
            "limits": [_limit(limit) for limit in self.settings.limits],
            "faults": self.faults.fired,
        }
        return web.json_response(body, headers={"Cache-Control": "no-store"})

    async def clip(self, request: web.Request) -> web.StreamResponse:
        """The clip of a task before or after its edit, whatever became of its link."""
        task = self.store.tasks.get(request.match_info["task_id"])
        outcome = task.outcome if task else None
        path = None
        if isinstance(outcome, Edited):
            path = outcome.path if request.match_info["which"] == "after" else outcome.source
        if path is None or not path.exists():
            raise web.HTTPNotFound
        return web.FileResponse(path)

    def _task(self, task: Task) -> JsonObject:
        edited = task.outcome if isinstance(task.outcome, Edited) else None
        return {
            "id": task.id,
            "status": shown_status(task, self.settings),
            "progress": progress(task, self.settings, self.time.now()),
            "prompt": task.prompt,
            "source": task.source,
            "created": task.created,
            "seconds": None if task.finished is None else round(task.finished - task.created, 2),
            "charged": task.charged,
            "reads": task.reads,
            "posts": task.posts,
            "error": None if task.error is None else f"{task.error.code}: {task.error.message}",
            "callbacks": list(task.callbacks),
            "key": task.key_hash,
            "before": edited is not None and edited.source is not None,
            "after": edited is not None and task.status == "completed",
        }

    def _account(self, account: Account) -> JsonObject:
        readings = account.turnstile.readings(
            self.time.now(), "submit", live=account.live, open_requests=account.open_requests
        )
        return {
            "key": account.key_hash,
            "remaining": round(account.remaining, 2),
            "used": round(account.used, 2),
            "live": account.live,
            "open": account.open_requests,
            "limits": [
                {"kind": reading.kind, "remaining": reading.remaining, "limit": reading.limit} for reading in readings
            ],
        }


def _request(request: LoggedRequest) -> JsonObject:
    return {
        "at": request.at,
        "method": request.method,
        "path": request.path,
        "status": request.status,
        "key": request.key_hash,
        "door": request.door,
        "fault": request.fault,
        "range": request.range,
    }


def _limit(limit: Limit) -> JsonObject:
    return {"kind": limit.kind, "amount": limit.amount, "per": limit.per, "lanes": list(limit.lanes)}


def _data(name: str) -> str:
    return files("omniedit.sandbox").joinpath(name).read_text(encoding="utf-8")

"""Who may come in: key, then rate, in this order [S]; balance and access are checked by the handlers."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from aiohttp import web
from attrs import define, frozen

from omniedit.sandbox.limits import Reading
from omniedit.sandbox.problems import Problem
from omniedit.sandbox.settings import Lane, Settings
from omniedit.sandbox.store import Account, Store
from omniedit.sandbox.timing import SandboxTime

__all__ = ["Admission", "Gate", "RATE_HEADERS", "SPECIAL_KEYS", "bearer", "leave"]

RATE_HEADERS = web.RequestKey("rate_headers", dict[str, str])
_ADMITTED = web.RequestKey("admitted", Account)
SPECIAL_KEYS = {
    "sk-sandbox-unauthorized": 401,
    "sk-sandbox-broke": 402,
    "sk-sandbox-denied": 403,
    "sk-sandbox-throttled": 429,
    "sk-sandbox-broken": 500,
}
"""Keys that always get this status; any other key is accepted."""


@frozen
class Admission:
    """A request that may go on; ``full``: the cap on live tasks is reached and is to show as a failed task."""

    account: Account
    special: int | None
    full: bool = False


def bearer(request: web.Request) -> str | None:
    """The key of a request, if it has one."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" and key.strip() else None


def leave(request: web.Request) -> None:
    """A request that may have entered is answered: it is open no longer."""
    if (account := request.get(_ADMITTED)) is not None:
        account.open_requests -= 1


@define
class Gate:
    """The door of the API."""

    settings: Settings
    time: SandboxTime
    store: Store

    def enter(self, request: web.Request, lane: Lane) -> Admission:
        """Check key and rate; the request counts as open until it leaves. Raises ``Problem``."""
        key = bearer(request)
        special = SPECIAL_KEYS.get(key or "")
        if key is None or special == 401:
            raise Problem("unauthorized", "The API key is missing or not valid.")
        if special == 500:
            raise Problem("internal_error", "The service broke, as this key asks for.")
        account = self.store.account(key)
        full = self._check_rate(request, account, lane, throttled=special == 429)
        account.open_requests += 1
        request[_ADMITTED] = account
        return Admission(account, special, full)

    def enter_to_read(self, request: web.Request, lane: Lane) -> Account:
        """Like ``enter``, then balance and access in the words of GET. Raises ``Problem``."""
        admission = self.enter(request, lane)
        if admission.special == 402:
            raise Problem("quota_exceeded", "The balance of this key is used up.")
        if admission.special == 403:
            raise Problem("permission_denied", "This key has no access.")
        return admission.account

    def _check_rate(self, request: web.Request, account: Account, lane: Lane, *, throttled: bool) -> bool:
        now = self.time.now()
        readings = account.turnstile.readings(now, lane, live=account.live, open_requests=account.open_requests)
        closed = [reading for reading in readings if reading.wait > 0]
        soft = self.settings.cap_shows_as == "failed_task"
        blocking = [reading for reading in closed if not (soft and reading.kind == "live_tasks")]
        request[RATE_HEADERS] = self._rate_headers(readings)
        if throttled or blocking:
            wait = max((reading.wait for reading in blocking), default=1.0)
            raise self._too_many(lane, wait)
        account.turnstile.take(now, lane)
        return bool(closed)

    def _too_many(self, lane: Lane, wait: float) -> Problem:
        kind = "rate_limit_error" if lane == "submit" else "evo_api_error"
        seconds = max(1, math.ceil(self.time.real_seconds(wait)))
        match self.settings.retry_after:
            case "seconds":
                headers = {"Retry-After": str(seconds)}
            case "date":
                when = datetime.now(UTC) + timedelta(seconds=seconds)
                headers = {"Retry-After": format_datetime(when, usegmt=True)}
            case "none":
                headers = {}
        return Problem("rate_limit_exceeded", "Too many requests.", kind=kind, headers=headers)

    def _rate_headers(self, readings: list[Reading]) -> dict[str, str]:
        """The limit with the least room, in seconds as clients see them."""
        if not readings or self.settings.rate_headers == "none":
            return {}
        tightest = min(readings, key=lambda reading: reading.remaining)
        prefix, spent = self.settings.rate_headers, 0 if tightest.wait > 0 else 1
        return {
            f"{prefix}-Limit": str(int(tightest.limit)),
            f"{prefix}-Remaining": str(max(0, int(tightest.remaining) - spent)),
            f"{prefix}-Reset": str(math.ceil(self.time.real_seconds(tightest.reset))),
        }

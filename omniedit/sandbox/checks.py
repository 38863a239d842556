"""Rules for what clients send, as documented; a broken one is a Problem that names the field."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from typing import cast

from attrs import frozen

from omniedit.sandbox.problems import Problem
from omniedit.sandbox.settings import Settings

__all__ = [
    "IDEMPOTENCY_KEY",
    "LOCAL_URL",
    "MAX_BULK",
    "MAX_CALLBACK_URL",
    "MAX_PAGE_SIZE",
    "TASK_PREFIX",
    "URL",
    "Wanted",
    "bulk_ids",
    "callback_fault",
    "check_access",
    "check_idempotency_key",
    "check_task_id",
    "invalid",
    "is_local",
    "json_object",
    "read_submit",
    "whole_number",
]

IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9._-]{16,96}")
TASK_PREFIX = "task-unified-"
MAX_CALLBACK_URL = 2048
MAX_BULK = 50
MAX_PAGE_SIZE = 100
_LOCAL_NAMES = ("localhost", ".localhost", ".local", ".internal")
_TAIL = r"(:[0-9]{1,5})?([/?#][^\x00-\x20\x7f]*)?"
_HOST = r"(?P<host>[^\x00-\x20\x7f/?#@\[\]:]+|\[[0-9A-Fa-f:.]+\])"
URL = re.compile(rf"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://{_HOST}{_TAIL}")
"""An http or https URL without user and password."""
LOCAL_URL = re.compile(rf"[Hh][Tt][Tt][Pp]://(localhost|127(\.[0-9]{{1,3}}){{3}}|\[::1\]){_TAIL}")
"""Plain http on this machine, which only a sandbox calls."""


@frozen
class Wanted:
    """A submit whose fields are all right."""

    model: str
    prompt: str
    source: str
    callback_url: str | None


def invalid(message: str, param: str | None = None) -> Problem:
    """A 400 that names the field."""
    return Problem("invalid_request", message, param)


def json_object(body: bytes) -> Mapping[str, object]:
    """The body of a request."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        raise invalid("The request body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise invalid("The request body must be a JSON object.")
    return cast("Mapping[str, object]", value)


def check_access(body: Mapping[str, object], settings: Settings) -> None:
    """A model this key may not use; a missing one is for ``read_submit``."""
    model = body.get("model")
    if isinstance(model, str) and model not in settings.models:
        raise Problem("model_access_denied", f"Model {model[:100]!r} is not available to this key.", "model")


def read_submit(body: Mapping[str, object], settings: Settings) -> Wanted:
    """Check every field of a submit."""
    if not isinstance(body.get("model"), str):
        raise invalid("model is required and must be text.", "model")
    return Wanted(
        model=cast("str", body["model"]),
        prompt=_prompt(body.get("prompt")),
        source=_source(body.get("video_urls")),
        callback_url=_callback_url(body.get("callback_url"), settings),
    )


def check_idempotency_key(value: str | None) -> None:
    """Its form: nobody documents it, the service's newer clients keep to it [C]."""
    if value is not None and not IDEMPOTENCY_KEY.fullmatch(value):
        raise invalid("Idempotency-Key must be 16-96 characters of A-Z a-z 0-9 . _ -", "Idempotency-Key")


def check_task_id(task_id: str) -> None:
    """The form of every task id."""
    if not task_id.startswith(TASK_PREFIX):
        raise Problem("invalid_task_id", f"Task ids start with {TASK_PREFIX}.", "task_id")


def bulk_ids(body: Mapping[str, object]) -> list[str]:
    """The task ids of a bulk read."""
    ids = body.get("task_ids")
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in cast("list[object]", ids)):
        raise invalid("task_ids must be a list of text.", "task_ids")
    wanted = cast("list[str]", ids)
    if not 1 <= len(wanted) <= MAX_BULK:
        raise invalid(f"task_ids must name 1 to {MAX_BULK} tasks.", "task_ids")
    return wanted


def whole_number(value: str | None, name: str, default: int, limit: int) -> int:
    """A query parameter between 1 and ``limit``."""
    if value is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", value) or not 1 <= int(value) <= limit:
        raise invalid(f"{name} must be a whole number from 1 to {limit}.", name)
    return int(value)


def callback_fault(url: str, *, allow_local: bool) -> str | None:
    """Why a callback_url breaks the documented rules; None when it does not."""
    if len(url) > MAX_CALLBACK_URL:
        return f"callback_url must be at most {MAX_CALLBACK_URL} characters."
    match = URL.fullmatch(url)
    if match is None:
        return "callback_url must be a URL."
    if allow_local and LOCAL_URL.fullmatch(url):
        return None
    if match["scheme"].lower() != "https":
        return "callback_url must use https."
    if is_local(match["host"]) and not allow_local:
        return "callback_url must not point to a private or loopback address."
    return None


def _prompt(value: object) -> str:
    if not isinstance(value, str) or not re.search(r"\S", value):
        raise invalid("prompt is required and must be text.", "prompt")
    if not _encodable(value):
        raise invalid("prompt must be valid Unicode.", "prompt")
    return value


def _source(value: object) -> str:
    urls = cast("list[object]", value) if isinstance(value, list) else []
    if len(urls) != 1 or not isinstance(urls[0], str):
        raise invalid("video_urls must hold exactly 1 URL.", "video_urls")
    if not URL.fullmatch(urls[0]) or not _encodable(urls[0]):
        raise invalid("video_urls must be an http or https URL.", "video_urls")
    return urls[0]


def _callback_url(value: object, settings: Settings) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise invalid("callback_url must be text.", "callback_url")
    fault = callback_fault(value, allow_local=settings.allow_local_callbacks)
    if fault is None and _encodable(value):
        return value
    if settings.bad_callback == "dropped":
        return None
    raise invalid(fault or "callback_url must be valid Unicode.", "callback_url")


def _encodable(text: str) -> bool:
    """Whether it is Unicode that can be sent: a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_local(host: str) -> bool:
    """Whether a host is a private or loopback address, or a name that stays on the local network."""
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        name = host.lower().rstrip(".")
        return name in _LOCAL_NAMES or name.endswith(_LOCAL_NAMES[1:])

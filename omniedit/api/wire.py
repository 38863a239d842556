"""Requests as values, and what their replies mean. No I/O: the door in `api.client` sends and receives.

Facts are those of the service's public documentation ("Gemini Omni Flash Video Edit", "Query task", "Files",
"Credits"); what only its own newer clients rely on (bulk look, listing, idempotency) is marked at its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import NoReturn
from urllib.parse import quote, urlencode, urlsplit

import attrs

from omniedit import codecs
from omniedit.core.certainty import Answered
from omniedit.core.preflight import is_host
from omniedit.core.ratehints import read_hint
from omniedit.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConfigurationError,
    InvalidRequest,
    OmniEditError,
    QuotaExhausted,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    UnexpectedReply,
)
from omniedit.models import Intent, Reply, Task

__all__ = [
    "API_URL",
    "FILES_URL",
    "MOST_IDS",
    "Page",
    "Request",
    "UPLOAD_PATH",
    "answered",
    "balance",
    "is_loopback",
    "is_task_unknown",
    "listing",
    "look",
    "looks",
    "normalize_origin",
    "quiet",
    "read_balance",
    "read_page",
    "read_task",
    "read_tasks",
    "refusal",
    "submission",
]

API_URL = "https://api.evolink.ai"
FILES_URL = "https://files-api.evolink.ai"
MOST_IDS = 50
"""Task ids of one bulk look (relied on by the service's own clients, not on its public pages)."""
_JSON: Mapping[str, str] = {"Content-Type": "application/json"}
_NO_HEADERS: Mapping[str, str] = {}
_SUCCESS = range(200, 300)
_BLANK = "(key)"
_TELLING = 8  # characters: less of a key than this tells nobody anything

UPLOAD_PATH = "/api/v1/files/upload/stream"


@attrs.frozen
class Request:
    """One request to the service, without the key: the door adds it, and only for the service's own origin."""

    method: str
    path: str
    headers: Mapping[str, str] = _NO_HEADERS
    body: bytes | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Page:
    """One page of the listing."""

    tasks: tuple[Task, ...]
    total: int | None


def normalize_origin(url: str, *, name: str) -> str:
    """`scheme://host[:port]` plus path prefix without a slash at the end.

    Raises:
        ConfigurationError: not an https URL (http only on this machine), or with user, query or fragment.
    """
    try:
        parts = urlsplit(url.strip())
        known = parts.scheme in {"http", "https"} and is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        raise ConfigurationError(f"{name} is no http(s) URL", mend=f"such as {API_URL}") from None
    if "@" in parts.netloc or parts.query or parts.fragment:  # said first, and without the address: it holds a secret
        raise ConfigurationError(f"{name} must hold neither user, query nor fragment", mend=f"such as {API_URL}")
    if not known:
        raise ConfigurationError(f"{name} is no http(s) URL: {url!r}", mend=f"such as {API_URL}")
    if parts.scheme == "http" and not is_loopback(url):
        raise ConfigurationError(f"{name} would send the key in the clear: {url!r}", mend="use https")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine: `localhost` or a loopback address, never a name that only looks like one."""
    try:
        host = urlsplit(url.strip()).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


# --- requests -------------------------------------------------------------------------------------------------------


def submission(intent: Intent) -> Request:
    """The paid request. The same intent makes the same bytes and carries the same key."""
    headers = {**_JSON, "Idempotency-Key": intent.nonce}
    return Request("POST", "/v1/videos/generations", headers, codecs.encode_intent(intent))


def look(task_id: str) -> Request:
    """One task. Ids are opaque: each that an acceptance may carry can be asked for, as one part of the path."""
    return Request("GET", f"/v1/tasks/{quote(as_task_id(task_id), safe='')}")


def as_task_id(value: object) -> str:
    """What can be the id of a task.

    Raises:
        InvalidRequest: it cannot.
    """
    if codecs.is_id(value):
        return value
    raise InvalidRequest(
        f"{repr(value)[:42]} is no task id",
        code="invalid_task_id",
        mend="ids look like task-unified-1757165031-abcd1234",
    )


def looks(task_ids: list[str]) -> Request:
    """Up to 50 tasks in one request; unknown ids are missing from the answer."""
    return Request("POST", "/v1/tasks/batch", _JSON, codecs.encode_ids(task_ids))


def listing(*, model: str, page: int = 1, page_size: int = 50) -> Request:
    """The tasks of this key, newest first, without links."""
    query = urlencode({"type": "video", "model": model, "page": page, "page_size": page_size})
    return Request("GET", f"/v1/tasks?{query}")


def balance() -> Request:
    """The balance: free, and a good check of the key."""
    return Request("GET", "/v1/credits")


# --- replies --------------------------------------------------------------------------------------------------------


def answered(reply: Reply) -> Answered:
    """What `core.certainty` needs to know of the reply to a paid request."""
    return Answered(
        status=reply.status,
        task_id=codecs.decode_task_id(reply.body) if reply.status in _SUCCESS else None,
        code=None if reply.status in _SUCCESS else codecs.decode_error(reply.body).code,
        retry_after="retry-after" in reply.headers,
        replayed=reply.headers.get("idempotency-replayed", "").lower() == "true",
    )


def read_task(reply: Reply, *, task_id: str | None = None) -> Task:
    """The task in a reply.

    Raises:
        ServiceError: a refusal, as its own class.
        UnexpectedReply: a success that cannot be read, or another task than the one asked for.
    """
    _expect_success(reply, "reading the task", task_id)
    task = _decoded(reply, task_id)
    if task_id is not None and task.id != task_id:
        raise UnexpectedReply(
            f"asked for {task_id}, answered with {task.id}", status=reply.status, request_id=_request_id(reply)
        )
    return task


def _decoded(reply: Reply, task_id: str | None) -> Task:
    try:
        return _quiet_task(reply, codecs.decode_task(reply.body))
    except UnexpectedReply as error:
        error.status, error.request_id, error.task_id = reply.status, _request_id(reply), task_id
        raise


def _quiet_task(reply: Reply, task: Task) -> Task:
    """A task whose words quote no key: they go into errors, logs and the journal."""
    code, words = task.error_code, task.error_message
    if code is None and words is None:
        return task
    return attrs.evolve(
        task,
        error_code=None if code is None else quiet(reply, code),
        error_message=None if words is None else quiet(reply, words),
    )


def read_tasks(reply: Reply) -> dict[str, Task]:
    """The tasks of a bulk look by id.

    Raises:
        ServiceError: as for `read_task`; 404 and 405 mean that the service has no such call.
    """
    _expect_success(reply, "reading many tasks", None)
    tasks, _ = codecs.decode_tasks(reply.body)
    return {task.id: _quiet_task(reply, task) for task in tasks}


def read_page(reply: Reply) -> Page:
    """One page of the listing.

    Raises:
        ServiceError: as for `read_tasks`.
    """
    _expect_success(reply, "listing the tasks", None)
    tasks, total = codecs.decode_tasks(reply.body)
    return Page(tuple(_quiet_task(reply, task) for task in tasks), total)


def read_balance(reply: Reply) -> codecs.Balance:
    """The balance.

    Raises:
        ServiceError: as for `read_task`.
    """
    _expect_success(reply, "reading the balance", None)
    return codecs.decode_balance(reply.body)


def _expect_success(reply: Reply, doing: str, task_id: str | None) -> None:
    if reply.status not in _SUCCESS:
        _refuse(reply, doing, task_id)


def _refuse(reply: Reply, doing: str, task_id: str | None) -> NoReturn:
    raise refusal(reply, doing, task_id=task_id)


_MEND = {
    400: "the request is wrong for this model; the service's words tell where",
    401: "check the key in EVOLINK_API_KEY",
    402: "add credits to the account, then run the same again: nothing is lost",
    403: "this key may not do that; ask for access to the model",
    404: "the service knows no such task or call",
    413: "send less: a smaller file, or a shorter prompt",
    429: "wait; the client slows down by itself",
}
_UNKNOWN_TASK = frozenset({"task_not_found", "invalid_task_id"})
_KIND: dict[int, type[ServiceError]] = {
    401: AuthenticationFailed,
    402: QuotaExhausted,
    403: AccessDenied,
    429: RateLimited,
}


def refusal(
    reply: Reply, doing: str, *, task_id: str | None = None, idempotency_key: str | None = None
) -> ServiceError:
    """The error for a reply that is no success; a JSON body is used where there is one, HTML is not shown."""
    said = codecs.decode_error(reply.body)
    words = f": {said.message}" if said.message else ""
    kind = _KIND.get(reply.status) or _kind_of_class(reply.status)
    error = kind(
        f"{doing}: {reply.status}{f' {said.code}' if said.code else ''}{words}",
        status=reply.status,
        request_id=_request_id(reply),
        code=said.code,
        mend=_MEND.get(reply.status),
        task_id=task_id,
        idempotency_key=idempotency_key,
    )
    if isinstance(error, RateLimited | ServiceUnavailable):
        error.retry_after = read_hint(reply.headers).retry_after
    return error


def _kind_of_class(status: int) -> type[ServiceError]:
    match status // 100:
        case 4:
            return InvalidRequest
        case 5:
            return ServiceUnavailable
        case _:
            return UnexpectedReply


def quiet(reply: Reply, words: str) -> str:
    """Words of an answer as they may be shown and kept: without the key, and without the part that a cut left of it."""
    secret = reply.secret
    if not secret:
        return words
    words = words.replace(secret, _BLANK)
    left = next((secret[:size] for size in range(len(secret) - 1, _TELLING, -1) if words.endswith(secret[:size])), "")
    return words.removesuffix(left) + _BLANK if left else words


def is_task_unknown(error: OmniEditError) -> bool:
    """Whether the service itself said that there is no such task.

    A 404 alone is no such word: the gateway in front answers so as well, without a code, while a deployment goes on.
    """
    return isinstance(error, InvalidRequest) and error.code in _UNKNOWN_TASK


def _request_id(reply: Reply) -> str | None:
    return reply.headers.get("x-request-id")

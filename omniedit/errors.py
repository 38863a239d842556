"""Everything that can go wrong, in one tree, and the one doorway through which foreign errors come in.

::

    OmniEditError                   the one root; carries task_id, idempotency_key, code and mend
     ├─ InvalidEdit                 the edit, a name or a setting is wrong: nothing was sent (also a ValueError)
     │   └─ PreflightFailed         the clip itself is not one the service takes; all reasons at once
     ├─ ConfigurationError          a key, an address or an extra is missing (also a ValueError)
     ├─ BudgetExhausted             max_credits would be passed by the next edit
     ├─ ServiceError                the service answered, and not with what was asked for
     │   ├─ InvalidRequest          400, 404, 413 and other refusals of this one request
     │   ├─ AuthenticationFailed    401
     │   ├─ QuotaExhausted          402
     │   ├─ AccessDenied            403
     │   ├─ RateLimited             429
     │   ├─ ServiceUnavailable      5xx
     │   └─ UnexpectedReply         an answer that cannot be read; shows the path inside it
     ├─ TransportFailed             no answer: name lookup, connection, TLS, timeout
     ├─ SubmissionUncertain         nobody knows whether a paid request was accepted
     ├─ TaskFailed                  the task ended as failed
     │   └─ TaskCancelled           the task was cancelled
     ├─ TaskOverdue                 the task does not end; it can be watched again later
     ├─ ClientClosed                the client was closed while the edit was under way; nothing paid is forgotten
     ├─ HostingFailed               a local file could not be hosted
     ├─ DownloadFailed              the result could not be saved yet; the task is paid and done
     │   └─ LinkExpired             the link is dead and the service gives no other
     └─ JournalError                the memory of the batch cannot be used
         └─ JournalBusy             another process holds it

Rules of this room: an error says what, where and how to mend it; none carries the API key, a header or a signed link.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "AccessDenied",
    "AuthenticationFailed",
    "BudgetExhausted",
    "ClientClosed",
    "ConfigurationError",
    "DownloadFailed",
    "HostingFailed",
    "InvalidEdit",
    "InvalidRequest",
    "JournalBusy",
    "JournalError",
    "LinkExpired",
    "OmniEditError",
    "PreflightFailed",
    "QuotaExhausted",
    "RateLimited",
    "ServiceError",
    "ServiceUnavailable",
    "SubmissionUncertain",
    "TaskCancelled",
    "TaskFailed",
    "TaskOverdue",
    "TransportFailed",
    "UnexpectedReply",
    "doorway",
]


class OmniEditError(Exception):
    """The root of all errors of this library.

    Args:
        message: what is wrong, where, and with which value.
        mend: what the user can do about it; shown behind the message.
        code: a short stable word for programs; the service's own code when it gave one.
        task_id: the task concerned, when there is one.
        idempotency_key: the nonce of the paid request concerned, when there is one.
    """

    default_code = "error"

    def __init__(
        self,
        message: str,
        *,
        mend: str | None = None,
        code: str | None = None,
        task_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend
        self.code = code or self.default_code
        self.task_id = task_id
        self.idempotency_key = idempotency_key

    def __str__(self) -> str:
        parts = [self.message]
        if self.task_id and self.task_id not in self.message:
            parts.append(f"[task {self.task_id}]")
        if self.mend:
            parts.append(f"({self.mend})")
        return " ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(kind: type[OmniEditError], args: tuple[object, ...], state: dict[str, object]) -> OmniEditError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidEdit(OmniEditError, ValueError):
    """The edit is wrong before anything is sent or written.

    `field` names the part that is wrong (`prompt`, `source`, `name`, `callback_url`, ...).
    """

    default_code = "invalid_edit"

    def __init__(
        self, message: str, *, field: str | None = None, mend: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message, mend=mend, code=code)
        self.field = field


class PreflightFailed(InvalidEdit):
    """The clip is not one that the service takes. `reasons` holds every reason found, not only the first."""

    default_code = "preflight_failed"

    def __init__(self, message: str, *, reasons: tuple[str, ...] = (), mend: str | None = None) -> None:
        super().__init__(message, field="source", mend=mend)
        self.reasons = reasons


class ConfigurationError(OmniEditError, ValueError):
    """A setting is missing or wrong: the key, an address, an extra that is not installed."""

    default_code = "configuration"


class BudgetExhausted(OmniEditError):
    """The next edit would pass `max_credits`: nothing was sent for it, accepted tasks go on."""

    default_code = "budget_exhausted"


class ServiceError(OmniEditError):
    """The service answered with something other than success.

    `status` is the HTTP status, `request_id` the service's `X-Request-Id` when it sent one.
    """

    default_code = "service_error"

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        request_id: str | None = None,
        mend: str | None = None,
        code: str | None = None,
        task_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        super().__init__(message, mend=mend, code=code, task_id=task_id, idempotency_key=idempotency_key)
        self.status = status
        self.request_id = request_id


class InvalidRequest(ServiceError):
    """The service refused this one request (400, 404, 413, 422): the same request will be refused again."""

    default_code = "invalid_request"


class AuthenticationFailed(ServiceError):
    """401: the key is missing, wrong or revoked."""

    default_code = "unauthorized"


class QuotaExhausted(ServiceError):
    """402: the balance does not cover the request. Nothing was accepted."""

    default_code = "insufficient_quota"


class AccessDenied(ServiceError):
    """403: the key may not use this model or see this task."""

    default_code = "access_denied"


class RateLimited(ServiceError):
    """429: refused before processing. `retry_after` is in seconds when the service named a time."""

    default_code = "rate_limit_exceeded"
    retry_after: float | None = None


class ServiceUnavailable(ServiceError):
    """A 5xx of the service or of the gateway in front of it."""

    default_code = "service_unavailable"
    retry_after: float | None = None


class UnexpectedReply(ServiceError):
    """An answer that cannot be read. `path` leads to the place inside it, such as `$.results`."""

    default_code = "unexpected_reply"
    path: str = "$"


class TransportFailed(OmniEditError):
    """No answer came. `sent` tells whether any byte of the request may have left this machine."""

    default_code = "transport_failed"
    sent: bool = True


class SubmissionUncertain(OmniEditError):
    """Nobody knows whether a paid request was accepted; it is not sent again unless told to.

    `idempotency_key` names the request. A listing, a callback or `on_uncertain="replay"` may settle it.
    """

    default_code = "submission_uncertain"


class TaskFailed(OmniEditError):
    """The task ended as failed; failed tasks are not billed. `code` and `message` are the service's."""

    default_code = "task_failed"


class TaskCancelled(TaskFailed):
    """The task was cancelled on the service."""

    default_code = "request_cancelled"


class TaskOverdue(OmniEditError):
    """The task did not end before its deadline. It may still: watch `task_id` again, or resume the journal."""

    default_code = "task_overdue"


class ClientClosed(OmniEditError):
    """The client was closed while the edit was under way. With a journal the same call continues it."""

    default_code = "client_closed"


class HostingFailed(OmniEditError):
    """A local file could not be put where the service can fetch it. Nothing was submitted."""

    default_code = "hosting_failed"


class DownloadFailed(OmniEditError):
    """The finished clip could not be saved yet; it is paid for, and fetched again on resume."""

    default_code = "download_failed"


class LinkExpired(DownloadFailed):
    """The link to the result is dead, and looking the task up gave no fresh one."""

    default_code = "link_expired"


class JournalError(OmniEditError):
    """The journal cannot be opened, read or written. Nothing is sent without it."""

    default_code = "journal_error"


class JournalBusy(JournalError):
    """Another process holds the journal; `pid` is its process id when it could be read."""

    default_code = "journal_busy"
    pid: int | None = None


class doorway:  # noqa: N801  # it reads like `suppress`
    """Turn what the HTTP library and the operating system raise into `TransportFailed`.

    Args:
        doing: what was being done, for the message ("reading task task-unified-1").
        task_id: goes into the error.
        idempotency_key: goes into the error.

    Our own errors and cancellation pass through untouched. A class, since every look goes through one: entering a
    generator costs four times as much.
    """

    __slots__ = ("_doing", "_idempotency_key", "_task_id")

    def __init__(self, doing: str, *, task_id: str | None = None, idempotency_key: str | None = None) -> None:
        self._doing = doing
        self._task_id = task_id
        self._idempotency_key = idempotency_key

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, OmniEditError) or not _is_foreign(error):
            return
        failure = TransportFailed(
            f"{self._doing} failed: {_describe(error)}",
            mend="check the network and the address; nothing is lost, resume when it is back",
            code=_transport_code(error),
            task_id=self._task_id,
            idempotency_key=self._idempotency_key,
        )
        failure.sent = not _never_left(error)
        raise failure from None


def _is_foreign(error: BaseException) -> bool:
    import aiohttp  # here, since importing omniedit must not import it

    return isinstance(error, aiohttp.ClientError | TimeoutError | OSError | EOFError | UnicodeError)


def _never_left(error: BaseException) -> bool:
    """Whether it is certain that no byte of the request was written: lookup, connect and TLS come before it."""
    import aiohttp

    before = (
        aiohttp.ClientConnectorError,
        aiohttp.ClientHttpProxyError,  # the tunnel was refused: what was to go through it stayed here
        aiohttp.ConnectionTimeoutError,
        aiohttp.InvalidURL,
    )
    return isinstance(error, before) or _is_unwritable(error)


def _is_unwritable(error: BaseException) -> bool:
    """Whether it is a text of ours that cannot be written as bytes, such as a host's name that no lookup takes."""
    return isinstance(error, UnicodeError) and not isinstance(error, UnicodeDecodeError)


def _transport_code(error: BaseException) -> str:
    import aiohttp

    match error:
        case aiohttp.InvalidURL():
            return "invalid_url"
        case UnicodeError() if _is_unwritable(error):
            return "invalid_url"
        case aiohttp.ClientConnectorDNSError():
            return "name_lookup_failed"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return "tls_failed"
        case aiohttp.ClientConnectorError():
            return "connect_failed"
        case TimeoutError():
            return "timeout"
        case _:
            return "connection_lost"


def _describe(error: BaseException) -> str:
    """One line, without the request: foreign errors may print URLs with secrets and whole headers."""
    import aiohttp

    match error:
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered {error.status}"
        case aiohttp.ClientConnectorError() | OSError() if error.strerror:
            return f"{type(error).__name__} ({error.strerror})"
        case _:
            return type(error).__name__

"""Refusals of the API, as the service documents them: one table, one exception, one body."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

__all__ = ["DOCUMENTED", "JsonObject", "Problem"]

JsonObject = dict[str, object]

# code -> HTTP status, type. `insufficient_quota` is the POST's code, `quota_exceeded` the GET's.
DOCUMENTED: Mapping[str, tuple[int, str]] = {
    "invalid_request": (400, "invalid_request_error"),
    "invalid_task_id": (400, "invalid_request_error"),
    "unauthorized": (401, "authentication_error"),
    "insufficient_quota": (402, "insufficient_quota"),
    "quota_exceeded": (402, "insufficient_quota"),
    "model_access_denied": (403, "invalid_request_error"),
    "permission_denied": (403, "invalid_request_error"),
    "not_found": (404, "invalid_request_error"),
    "task_not_found": (404, "invalid_request_error"),
    "method_not_allowed": (405, "invalid_request_error"),
    "idempotency_conflict": (409, "invalid_request_error"),
    "paid_outcome_unknown": (409, "invalid_request_error"),
    "request_too_large": (413, "invalid_request_error"),
    "rate_limit_exceeded": (429, "rate_limit_error"),
    "internal_error": (500, "api_error"),
}


@frozen
class Problem(Exception):
    """A refusal on its way to the client."""

    code: str
    message: str
    param: str | None = None
    status: int | None = None
    kind: str | None = None
    headers: Mapping[str, str] = field(factory=dict[str, str])

    @property
    def http_status(self) -> int:
        """The status to answer with."""
        return self.status or DOCUMENTED[self.code][0]

    def body(self) -> JsonObject:
        """The documented error body."""
        error: JsonObject = {
            "code": self.code,
            "message": self.message,
            "type": self.kind or DOCUMENTED[self.code][1],
        }
        if self.param is not None:
            error["param"] = self.param
        return {"error": error}

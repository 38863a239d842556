"""What a command ends with."""

from __future__ import annotations

from enum import IntEnum

from omniedit.changes import Summary
from omniedit.errors import (
    AccessDenied,
    AuthenticationFailed,
    BudgetExhausted,
    ConfigurationError,
    InvalidEdit,
    JournalError,
    OmniEditError,
    QuotaExhausted,
    RateLimited,
    ServiceUnavailable,
    TransportFailed,
)

__all__ = ["Exit", "exit_of_error", "exit_of_kind", "exit_of_summary"]

_PAUSING = (
    *(AccessDenied, AuthenticationFailed, BudgetExhausted, QuotaExhausted),
    *(RateLimited, ServiceUnavailable, TransportFailed),
)
_NOTHING_SENT = (ConfigurationError, InvalidEdit, JournalError)


class Exit(IntEnum):
    """Exit codes."""

    saved = 0
    some_not_saved = 1
    usage = 2
    """Usage or manifest wrong: nothing was sent."""
    paused = 3
    """The service refuses everything, or the budget is used up."""
    interrupted = 130


def exit_of_error(error: OmniEditError) -> Exit:
    """The code for an error that ended a command."""
    return exit_of_kind(type(error))


def exit_of_kind(kind: type[OmniEditError]) -> Exit:
    """The code for a class of errors."""
    if issubclass(kind, _PAUSING):
        return Exit.paused
    return Exit.usage if issubclass(kind, _NOTHING_SENT) else Exit.some_not_saved


def exit_of_summary(summary: Summary) -> Exit:
    """The code for a batch that came to its end."""
    if summary.stopped is not None and isinstance(summary.stopped, _PAUSING):
        return Exit.paused
    return Exit.saved if summary.ok else Exit.some_not_saved

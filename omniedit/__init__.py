"""Edit video by prompt: one clip or a hundred thousand, never billed twice, nothing paid lost.

The names below are loaded when they are first used, so that `import omniedit` costs a few milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omniedit.changes import Change, Saved, Summary, Transfer
    from omniedit.codecs import Balance
    from omniedit.errors import (
        AccessDenied,
        AuthenticationFailed,
        BudgetExhausted,
        ClientClosed,
        ConfigurationError,
        DownloadFailed,
        HostingFailed,
        InvalidEdit,
        InvalidRequest,
        JournalBusy,
        JournalError,
        LinkExpired,
        OmniEditError,
        PreflightFailed,
        QuotaExhausted,
        RateLimited,
        ServiceError,
        ServiceUnavailable,
        SubmissionUncertain,
        TaskCancelled,
        TaskFailed,
        TaskOverdue,
        TransportFailed,
        UnexpectedReply,
    )
    from omniedit.flow.batch import Batch
    from omniedit.flow.client import Client
    from omniedit.flow.edit import EditRun
    from omniedit.flow.hosts import FunctionHost, S3Host
    from omniedit.flow.receiver import Receiver
    from omniedit.journal.memory import MemoryJournal
    from omniedit.journal.sqlite import SqliteJournal
    from omniedit.models import Edit, MediaFacts, Status, Task
    from omniedit.report import write_report

    __version__: str

_HOMES = {
    "omniedit.changes": ("Change", "Saved", "Summary", "Transfer"),
    "omniedit.codecs": ("Balance",),
    "omniedit.errors": (
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
    ),
    "omniedit.flow.batch": ("Batch",),
    "omniedit.flow.client": ("Client",),
    "omniedit.flow.edit": ("EditRun",),
    "omniedit.flow.hosts": ("FunctionHost", "S3Host"),
    "omniedit.flow.receiver": ("Receiver",),
    "omniedit.journal.memory": ("MemoryJournal",),
    "omniedit.journal.sqlite": ("SqliteJournal",),
    "omniedit.models": ("Edit", "MediaFacts", "Status", "Task"),
    "omniedit.report": ("write_report",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AccessDenied",
    "AuthenticationFailed",
    "Balance",
    "Batch",
    "BudgetExhausted",
    "Change",
    "Client",
    "ClientClosed",
    "ConfigurationError",
    "DownloadFailed",
    "Edit",
    "EditRun",
    "FunctionHost",
    "HostingFailed",
    "InvalidEdit",
    "InvalidRequest",
    "JournalBusy",
    "JournalError",
    "LinkExpired",
    "MediaFacts",
    "MemoryJournal",
    "OmniEditError",
    "PreflightFailed",
    "QuotaExhausted",
    "RateLimited",
    "Receiver",
    "S3Host",
    "Saved",
    "ServiceError",
    "ServiceUnavailable",
    "SqliteJournal",
    "Status",
    "SubmissionUncertain",
    "Summary",
    "Task",
    "TaskCancelled",
    "TaskFailed",
    "TaskOverdue",
    "Transfer",
    "TransportFailed",
    "UnexpectedReply",
    "__version__",
    "write_report",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("omniedit")
    home = _HOME_OF.get(name)
    if home is None:
        try:
            return import_module(f"omniedit.{name}")  # `omniedit.testing` after `import omniedit`
        except ModuleNotFoundError as error:
            if error.name != f"omniedit.{name}":
                raise
            raise AttributeError(f"module 'omniedit' has no attribute {name!r}") from None
    found: object = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)

"""What every error means and what to do about it, in one table; `omniedit errors` prints it."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from omniedit import errors
from omniedit.cli.exits import exit_of_kind
from omniedit.cli.manifest import ManifestError
from omniedit.errors import OmniEditError

__all__ = ["CODES", "Remedy", "mend_of", "remedies"]

_MENDS = {
    "OmniEditError": "catch it to catch everything that this library raises",
    "InvalidEdit": "mend the field that it names; nothing was sent",
    "PreflightFailed": "cut or rewrap the clip as it says, or submit it unseen with --no-preflight",
    "ManifestError": "mend the line that it names; a manifest file is refused as a whole",
    "ConfigurationError": "set what it names: the key, an address, a folder, an extra",
    "BudgetExhausted": "raise --max-credits and run the same command again",
    "ServiceError": "read the service's words in it",
    "InvalidRequest": "change the edit: the same request will be refused again",
    "AuthenticationFailed": "check the key in EVOLINK_API_KEY, then run the same command again",
    "QuotaExhausted": "add credits to the account, then run the same command again",
    "AccessDenied": "ask for access to the model, or use another key",
    "RateLimited": "wait, then run the same command again; --max-in-flight states a limit that you know",
    "ServiceUnavailable": "wait, then run the same command again",
    "UnexpectedReply": "check --base-url; if it is right, report the path that the error names",
    "TransportFailed": "check the network and the address, then run the same command again",
    "SubmissionUncertain": "look into the account's task list; --on-uncertain replay repeats with the same key",
    "TaskFailed": "see its code below; it was not billed, unless that says so",
    "TaskCancelled": "submit it again with --retry-failed if it is still wanted; it was not billed",
    "TaskOverdue": "run the same command again later: the task is looked at again",
    "ClientClosed": "run the same again with the same journal: nothing paid is forgotten",
    "HostingFailed": "host the clip elsewhere and give its URL; nothing was submitted",
    "DownloadFailed": "free disk space or mend the network, then run the same command again: it is only fetched",
    "LinkExpired": "ask the service for the result of the task; it is paid and is not submitted again",
    "JournalError": "check the path and the disk; without its journal nothing is sent",
    "JournalBusy": "wait for the process that it names, or use another journal",
}

CODES = {
    "content_policy_violation": "change the prompt or the clip",
    "invalid_parameters": "change the prompt or the clip",
    "image_processing_error": "check that the clip plays, or re-encode it",
    "image_dimension_mismatch": "scale the clip to a usual size",
    "generation_failed_no_content": "say more clearly what to change",
    "resource_not_found": "check that the clip's URL can be fetched from the internet",
    "video_probe_failed": "check that the clip's URL can be fetched from the internet, then --retry-failed",
    "request_cancelled": "--retry-failed if it is still wanted",
    "service_error": "later, with --retry-failed",
    "generation_timeout": "later, with --retry-failed",
    "resource_exhausted": "later, with --retry-failed",
    "quota_exceeded": "later, with --retry-failed; fewer at once with --max-in-flight",
    "service_unavailable": "later, with --retry-failed",
    "upstream_error": "later, with --retry-failed",
    "model_unavailable": "later, with --retry-failed",
    "unknown_error": "ask the service, naming the task",
    "no_results": "it was probably billed: ask the service, naming the task; it is not submitted again",
}
"""Codes of failed tasks, and what to do: failed tasks are not billed, but for one. The set is open."""


@attrs.frozen
class Remedy:
    """One class of errors."""

    name: str
    code: str
    exit: int
    """What the command line ends with when this ends it."""
    meaning: str
    mend: str


def remedies() -> Iterator[Remedy]:
    """Every class of errors, in the order of the tree."""
    for name, mend in _MENDS.items():
        kind: type[OmniEditError] = getattr(errors, name, ManifestError)
        meaning = (kind.__doc__ or "").strip().partition("\n")[0]
        yield Remedy(name, kind.default_code, exit_of_kind(kind), meaning, mend)


def mend_of(error: OmniEditError) -> str:
    """What to do about one error: its own words, else what its code or its class is worth."""
    return error.mend or CODES.get(error.code) or _MENDS.get(type(error).__name__, "")

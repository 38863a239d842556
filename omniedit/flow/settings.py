"""What a user gives a client, checked before anything is opened."""

from __future__ import annotations

import os

import attrs

from omniedit.api import wire
from omniedit.core.arguments import check_count, check_text, read_rate, read_seconds
from omniedit.core.patience import Patience
from omniedit.core.preflight import check_callback
from omniedit.errors import ConfigurationError
from omniedit.flow.intent import OnUncertain

__all__ = [
    "EngineSettings",
    "Limits",
    "find_base_url",
    "find_files_url",
    "find_key",
    "read_callback_base",
    "read_limits",
    "read_on_uncertain",
    "read_patience",
]

_KEY_VARIABLE = "EVOLINK_API_KEY"
_BASE_VARIABLE = "EVOLINK_BASE_URL"
_FILES_VARIABLE = "EVOLINK_FILES_BASE_URL"


@attrs.frozen(eq=False, repr=False)
class EngineSettings:
    """How an engine works."""

    patience: Patience
    """Bounds on one task."""
    grace: float
    """Seconds that a cancelled paid request is waited for."""
    downloads: int
    """Downloads at once."""
    callback_base: str | None = None
    """Address below which the service calls; None without callbacks."""
    settle_by_listing: bool = False
    """Look for lost requests in the service's listing."""


def find_key(api_key: str | None) -> str:
    """The key given, or the environment's.

    Raises:
        ConfigurationError: there is none, or it is no text.
    """
    found = _given("api_key", api_key) or os.environ.get(_KEY_VARIABLE)
    if not found:
        raise ConfigurationError(
            "no API key",
            code="missing_key",
            mend=f"set {_KEY_VARIABLE}, or give api_key= (--key-file on the command line)",
        )
    return found


def find_base_url(base_url: str | None) -> str:
    """The API's origin: given, from the environment, or the service's own.

    Raises:
        ConfigurationError: it is no text.
    """
    return _given("base_url", base_url) or os.environ.get(_BASE_VARIABLE) or wire.API_URL


def find_files_url(files_url: str | None, base_url: str) -> str:
    """The file API's origin; a service on this machine has its file API there too, never on the internet.

    Raises:
        ConfigurationError: it is no text.
    """
    found = _given("files_url", files_url) or os.environ.get(_FILES_VARIABLE)
    return found or (base_url if wire.is_loopback(base_url) else wire.FILES_URL)


@attrs.frozen
class Limits:
    """What the user has said of the key's limit."""

    max_in_flight: int | None
    max_rate: float | None
    shared_key: bool


def read_limits(max_in_flight: int | None, max_rate: float | None, *, shared_key: bool = False) -> Limits:
    """Limits on submits, unless they let nothing through.

    Raises:
        ConfigurationError: below one task, or no positive rate.
    """
    check_count("max_in_flight", max_in_flight)
    return Limits(max_in_flight, read_rate("max_rate", max_rate, "submits"), shared_key)


def read_patience(task_timeout: float) -> Patience:
    """How long a task is watched.

    Raises:
        ConfigurationError: for no time at all.
    """
    return Patience(overall=read_seconds("task_timeout", task_timeout, endless=True))


def read_callback_base(base: str | None, *, local_service: bool) -> str | None:
    """The address below which the service calls, without a slash at its end.

    Raises:
        ConfigurationError: the service cannot call it.
    """
    for wrong in check_callback(base, local_service=local_service, field="callback_base"):
        raise ConfigurationError(wrong.message, mend=wrong.mend)
    return None if base is None else base.rstrip("/")


def read_on_uncertain(text: str) -> OnUncertain:
    """`hold` or `replay`.

    Raises:
        ConfigurationError: anything else.
    """
    try:
        return OnUncertain(text)
    except ValueError:
        raise ConfigurationError(f"on_uncertain={text!r} is unknown", mend="hold or replay") from None


def _given(name: str, text: str | None) -> str | None:
    if text is not None:
        check_text(name, text)
    return text

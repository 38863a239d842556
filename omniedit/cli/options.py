"""What several commands take. Imported for `--help` too: nothing here may import more than click."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import click

__all__ = [
    "Number",
    "Service",
    "dsn_option",
    "journal_options",
    "json_option",
    "preflight_option",
    "read_bytes",
    "read_prefix",
    "service_options",
    "settling_option",
    "uncertain_option",
]

T = TypeVar("T")


class Service(NamedTuple):
    """Which service, and where its key is. The key itself is never an argument: others could read it."""

    base_url: str | None
    files_url: str | None
    key_file: str | None


def service_options(function: Callable[..., T]) -> Callable[..., T]:
    """Options of every command that calls the service, handed on as one `service`."""

    @wraps(function)
    def gathered(*, base_url: str | None, files_url: str | None, key_file: str | None, **others: object) -> T:
        return function(service=Service(base_url, files_url, key_file), **others)

    for option in (
        click.option("--key-file", metavar="FILE", help="Read the key from this file, not from EVOLINK_API_KEY."),
        click.option("--files-url", metavar="URL", help="Origin of the file API (EVOLINK_FILES_BASE_URL)."),
        click.option("--base-url", metavar="URL", help="Origin of the API (EVOLINK_BASE_URL)."),
    ):
        gathered = option(gathered)
    return gathered


dsn_option = click.option(
    "--dsn",
    metavar="URL",
    required=True,
    envvar="OMNIEDIT_DSN",
    help="PostgreSQL of journal and queue (OMNIEDIT_DSN, where a password is better kept).",
)


def journal_options(function: Callable[..., T]) -> Callable[..., T]:
    """A journal to look into, handed on as one `journal`: a path, or the address of a database."""

    @wraps(function)
    def gathered(*, journal: str | None, dsn: str | None, **others: object) -> T:
        found = journal or dsn
        if found is None:
            raise click.UsageError("give JOURNAL, or --dsn")
        return function(journal=found, **others)

    dsn = click.option(
        "--dsn",
        metavar="URL",
        envvar="OMNIEDIT_DSN",
        help="PostgreSQL of many hosts, where no JOURNAL is given (OMNIEDIT_DSN, where a password is better kept).",
    )
    return click.argument("journal", required=False)(dsn(gathered))


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")
preflight_option = click.option("--no-preflight", is_flag=True, help="Submit clips without looking at them first.")
uncertain_option = click.option(
    "--on-uncertain",
    type=click.Choice(["hold", "replay"]),
    default="hold",
    help="When nobody knows whether a paid request was accepted: hold the edit for you (the default), or repeat the "
    "request with the same Idempotency-Key.",
)
settling_option = click.option(
    "--settle-by-listing",
    is_flag=True,
    help="Look for the task of a lost request in the account's task list. Only for a key that nobody else uses.",
)


class Number(click.FloatRange):
    """A number within bounds; `nan` lies within none, though no comparison says so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's
        """The number."""
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is no number", param, ctx)
        return found


_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}


def read_bytes(text: str) -> float:
    """A number of bytes: `500000`, `500k`, `5M`, `1.5G`, in powers of 1000."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)b?(?:/s)?", text.strip().lower())
    size = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not size:
        raise click.BadParameter(f"{text!r} is no number of bytes; write 500k or 5M")
    return size


def read_prefix(text: str) -> str:
    """A path for addresses below it, with a slash at its beginning and none at its end."""
    path = "/" + text.strip("/")
    if not re.fullmatch(r"[A-Za-z0-9._~/-]+", path):
        raise click.BadParameter(f"{text!r} is no path; write it as /omniedit, with letters, digits and . _ ~ -")
    return path.rstrip("/")

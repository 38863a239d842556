"""`python -m benchmarks.comparison`: the page that sets omniedit beside other clients, made from stored figures.

What was measured comes from benchmarks/results; what was read in the other clients' sources stands here, with the
version in which it was read. A test keeps the page and both together.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

__all__ = ["READ_IN", "page", "write"]

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "comparison.md"


@attrs.frozen
class Client:
    """What the sources of one client say."""

    shown: str
    key: str
    """Its name in the stored figures."""
    waits: str
    """How it waits for a task, and for how long at most."""
    remembers: str
    """Where the id of a paid task is kept."""
    saves: str
    """What it does with the result."""


CLIENTS = [
    Client(
        "omniedit",
        "omniedit",
        "looks when the task is likely to be done, one timer for all; 6 h, then resumable",
        "in the journal, synced before the answer is used; what the POST might have bought is there before it leaves",
        "streamed, resumed, verified, synced, renamed",
    ),
    Client(
        "openai", "openai", "every 1 s or as the service says; no bound", "with the caller", "a body to write to a file"
    ),
    Client("runwayml", "runwayml", "every 6 s ± 1.5 s; 10 minutes by default", "with the caller", "a link"),
    Client("replicate", "replicate", "every 0.5 s; no bound", "with the caller", "a file object to read from"),
    Client("fal-client", "fal", "every 0.1 s; a bound when asked for", "with the caller", "a link"),
    Client("lumaai", "lumaai", "left to the caller", "with the caller", "a link"),
]
READ_IN = {"openai": "3.54.0", "runwayml": "5.24.0", "replicate": "1.0.7", "fal": "1.0.3", "lumaai": "1.21.0"}
"""The versions whose sources were read; when the measured ones differ, they have to be read again."""
HEAD = """\
# Beside other clients

<!-- made by `python -m benchmarks.comparison` from benchmarks/results/*.json: do not edit -->

The clients below are good at what they are for: typed access to one vendor's whole API, in the vendor's own words. They
speak with other services than omniedit does, so nobody has to choose between them. They are set side by side here
because they meet the same problem (a paid request, minutes of waiting, a link that dies), and because people write
batches with them. What a batch needs beyond typed access is what omniedit adds.

"""
POSTS = """\
## After a lost answer

How many paid POSTs reach the server when the connection is closed before the first answer, or before every answer. Each
client as its documentation uses it, retries as they are by default; most let you turn them off. Whether a repeat is
billed depends on the service.

"""
COST = """\
## What a look at a task costs

CPU of the client's process for one look, as a multiple of omniedit's, at 50 and at 500 looks at once: the vendor's own
status call against the same server on loopback, connections warm, validated types where the client has them. Most of
the difference is the HTTP library: most of these clients stand on httpx. Import time is what `from CLIENT import ...`
costs beyond the interpreter.

"""
HABITS = """\
## Waiting, remembering, saving

Read in the sources of the versions above.

"""
TAIL = """\
What omniedit does not do: other services, other models' parameters, image or text calls, webhooks with a signature, a
synchronous interface. For one clip in a notebook, any client will do.

Measured in [Performance](performance.md); the reasons are in [Why omniedit](why.md).
"""


def write() -> None:
    """Make the page anew."""
    PAGE.write_text(page(RESULTS), encoding="utf-8")


def page(results: Path) -> str:
    """The whole page."""
    values = {name: _figures(results / f"{name}.json") for name in ("replies", "polls", "clients")}
    versions = {name.split()[1].rstrip(":"): figure["note"] for name, figure in values["clients"].items()}
    return "\n".join(
        [
            HEAD + "Versions measured: " + ", ".join(_version(client, versions) for client in CLIENTS) + ".\n",
            POSTS + _table(["client", "first answer lost", "every answer lost"], [_posts(c, values) for c in CLIENTS]),
            COST + _table(["client", "50 at once", "500 at once", "import (ms)"], [_costs(c, values) for c in CLIENTS]),
            HABITS + _table(["client", "waiting", "task ids", "results"], [_habits(client) for client in CLIENTS]),
            TAIL,
        ]
    )


def _figures(path: Path) -> dict[str, dict[str, Any]]:
    return {figure["name"]: figure for figure in json.loads(path.read_text(encoding="utf-8"))["figures"]}


def _version(client: Client, versions: dict[str, str]) -> str:
    return f"{client.shown} {versions.get(client.key, '?')}"


def _posts(client: Client, values: dict[str, dict[str, Any]]) -> list[str]:
    cases = ("the first answer is lost", "every answer is lost")
    return [
        client.shown,
        *(_shown(values["replies"], f"POSTs of {client.key} when {case}", "{:.0f}") for case in cases),
    ]


def _costs(client: Client, values: dict[str, dict[str, Any]]) -> list[str]:
    looks = [_look(client.key, concurrency, values["polls"]) for concurrency in (50, 500)]
    return [client.shown, *looks, _shown(values["clients"], f"importing {client.key}: CPU", "{:.0f}")]


def _look(key: str, concurrency: int, polls: dict[str, Any]) -> str:
    if key == "omniedit":
        return "1"
    cost = _shown(polls, f"one look, {concurrency} at once: how many times cheaper than {key}", "{:.1f}")
    if key != "openai":
        return cost
    over = _shown(polls, f"one look, {concurrency} at once: how many times cheaper than openai over aiohttp", "{:.1f}")
    return f"{cost} (over aiohttp {over})"


def _habits(client: Client) -> list[str]:
    return [client.shown, client.waits, client.remembers, client.saves]


def _shown(figures: dict[str, Any], name: str, form: str) -> str:
    return form.format(figures[name]["value"]) if name in figures else ""


def _table(names: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (names, ["---"] * len(names), *rows)) + "\n"


if __name__ == "__main__":
    write()

"""Writes `docs/lifecycle.md` from the transition table: `python docs/lifecycle_page.py`. A test keeps it current."""

from __future__ import annotations

from pathlib import Path

from omniedit.core.lifecycle import REOPENED, TABLE
from omniedit.models import Status

PAGE = Path(__file__).with_name("lifecycle.md")
ROAD = ("queued", "uploading", "submitting", "pending", "processing", "completed", "downloading", "saved")
MEANING = {
    "queued": "taken, not sent",
    "uploading": "a local file is on its way to its host",
    "submitting": "the intent is durable, the paid request is leaving",
    "pending": "accepted; the id is durable",
    "processing": "the service works on it",
    "completed": "done on the service; link and deadline are durable",
    "downloading": "on its way to disk",
    "saved": "whole, verified and named",
    "failed": "ended by the service; not billed",
    "cancelled": "cancelled on the service; not billed",
    "rejected": "refused before or by the service; nothing was accepted",
    "expired": "paid and done, but its link died",
    "uncertain": "nobody knows whether it was accepted",
}


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            "# The life of an edit",
            "",
            "Made from the table in `omniedit/core/lifecycle.py`; every move of every edit goes through it.",
            "",
            "    " + " -> ".join(ROAD),
            "",
            "| status | meaning | may become | and, on a resume or a replay |",
            "|---|---|---|---|",
            *(row(status) for status in Status),
            "",
            "A status that the service invents is shown as it is and watched like `processing`, with a deadline of its",
            "own. A task never goes backwards: late looks are ignored. No status on the way is skipped silently.",
            "",
        ]
    )


def row(status: Status) -> str:
    """One line of the table."""
    name = f"**{status}** (end)" if status.terminal else f"**{status}**"
    return f"| {name} | {MEANING[status]} | {names(TABLE[status])} | {names(REOPENED.get(status, frozenset()))} |"


def names(statuses: frozenset[Status]) -> str:
    """Statuses in the order of their definition."""
    return ", ".join(status for status in Status if status in statuses)


if __name__ == "__main__":
    PAGE.write_text(page())

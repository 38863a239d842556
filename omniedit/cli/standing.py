"""The `status` command behind its options."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import attrs
import click

from omniedit.cli.survey import Survey, survey
from omniedit.cli.words import amount, clean, clock_time, counted
from omniedit.journal.lock import holder
from omniedit.journal.opening import is_dsn
from omniedit.models import Entry, Status

__all__ = ["show_status"]

_UNCERTAIN = (
    "Nobody knows whether these paid requests were accepted, so none is sent again. Look into the account's task list."
)
_REPEAT = {
    False: "Running the batch with --on-uncertain replay repeats them with the same Idempotency-Key; with "
    "--settle-by-listing, for a key that nobody else uses, it searches that list for them.",
    True: "Queued and worked on with --on-uncertain replay, they are repeated with the same Idempotency-Key.",
}
_SOON = {
    False: "Run the batch again now: downloads go by deadline.",
    True: "Start a worker now: downloads go by deadline.",
}


async def show_status(journal: str, *, as_json: bool) -> int:
    """Say what the journal at a path, or behind the address of a database, says.

    Raises:
        JournalError: there is none, or it cannot be read.
    """
    seen, holders = await survey(journal), await _holders(journal)
    if as_json:
        click.echo(json.dumps(_object_of(seen, holders)))
        return 0
    _show(journal, seen, holders)
    return 0


async def _holders(journal: str) -> int | list[str] | None:
    """The process that holds a file, or the hosts that work on a database."""
    if not is_dsn(journal):
        return holder(journal)
    from omniedit.journal.postgres import PostgresReader

    reader = PostgresReader(journal)
    try:
        return list(await reader.holders())
    finally:
        await reader.close()


def _show(journal: str, seen: Survey, holders: int | list[str] | None) -> None:
    shared = is_dsn(journal)
    click.echo(f"{clean(_shown(journal))}: {_who(holders)}.")
    click.echo(f"{sum(seen.counts.values()):,} edits: {counted(seen.counts) or 'none'}.")
    click.echo(f"Credits: {amount(seen.credits_reserved)} reserved, {amount(seen.credits_used)} used.")
    for group in seen.failures:
        click.echo(f"{group.count:>7,} {group.status} {group.code}: {group.mend}")
        for example in group.examples:
            click.echo(f"{'':8}{example}")
    if seen.unsorted:
        click.echo(f"{seen.unsorted:>7,} more were not looked at; `omniedit report` shows every one.")
    if seen.uncertain:
        click.echo(f"{seen.counts.get(Status.uncertain, 0):,} uncertain. {_UNCERTAIN} {_REPEAT[shared]}")
    for entry in seen.uncertain:
        click.echo(f"{'':8}{clean(entry.edit.source, 200)}  {entry.at:%Y-%m-%d %H:%M:%S} UTC  key {entry.nonce}")
    for entry in seen.near:
        click.echo(f"  the link dies in {_left(entry)}: {clean(entry.edit.source, 200)}  {entry.task_id}")
    if seen.near and not holders:
        click.echo(_SOON[shared])


def _shown(journal: str) -> str:
    """Without a password."""
    if not is_dsn(journal):
        return journal
    from omniedit.journal.link import shown

    return shown(journal)


def _who(holders: int | list[str] | None) -> str:
    match holders:
        case int():
            return f"process {holders} works on it"
        case [_, *_]:
            return f"{len(holders)} at work: {', '.join(clean(name) for name in holders)}"
        case _:
            return "nobody works on it now"


def _left(entry: Entry) -> str:
    seconds = (entry.deadline - datetime.now(UTC)).total_seconds() if entry.deadline else 0.0
    return clock_time(max(seconds, 0.0))


def _object_of(seen: Survey, holders: int | list[str] | None) -> dict[str, object]:
    return {
        "counts": {str(status): count for status, count in seen.counts.items()},
        "credits_reserved": seen.credits_reserved,
        "credits_used": seen.credits_used,
        "failures": [attrs.asdict(group) for group in seen.failures],
        "failures_not_looked_at": seen.unsorted,
        "uncertain": [_entry(entry) for entry in seen.uncertain],
        "near_deadlines": [_entry(entry) for entry in seen.near],
        "held_by": holders,
    }


def _entry(entry: Entry) -> dict[str, object]:
    return {
        "source": entry.edit.source,
        "prompt": entry.edit.prompt,
        "status": str(entry.status),
        "at": entry.at.isoformat(),
        "task_id": entry.task_id,
        "idempotency_key": entry.nonce,
        "deadline": entry.deadline.isoformat() if entry.deadline else None,
    }

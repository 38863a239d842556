"""The `worker` and `enqueue` commands behind their options: one batch on many hosts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextlib import suppress
from importlib.util import find_spec
from typing import Literal, NoReturn

import attrs
import click

from omniedit.changes import Change
from omniedit.cli.choosing import open_lines
from omniedit.cli.display import Display
from omniedit.cli.exits import Exit
from omniedit.cli.inputs import read_input, refuse_problems
from omniedit.cli.options import Service
from omniedit.cli.session import Stop, errors_said, open_client, run, say, say_error
from omniedit.cli.words import clean
from omniedit.core.naming import check_template
from omniedit.errors import ConfigurationError, InvalidEdit

__all__ = ["EnqueueOptions", "WorkerOptions", "run_enqueue", "run_worker"]

_MOST_UNSHOWN = 10_000  # changes that a slow reader of the output may leave lying; more are not shown


@attrs.frozen(kw_only=True)
class WorkerOptions:
    """What `worker` was called with."""

    service: Service
    dsn: str = attrs.field(repr=False)
    folder: str
    at_once: int
    heartbeat: float
    max_in_flight: int | None
    on_uncertain: Literal["hold", "replay"]
    retry_failed: bool
    no_preflight: bool
    overwrite: bool
    limit_rate: float | None
    as_json: bool


@attrs.frozen(kw_only=True)
class EnqueueOptions:
    """What `enqueue` was called with."""

    dsn: str = attrs.field(repr=False)
    sources: tuple[str, ...]
    prompt: str | None
    name: str
    priority: int
    on_uncertain: Literal["hold", "replay"]
    retry_failed: bool
    base_url: str | None


def run_worker(options: WorkerOptions) -> NoReturn:
    """Work until stopped."""

    async def work(stop: Stop) -> int:
        changes = asyncio.Queue[Change](_MOST_UNSHOWN)
        async with open_lines(stop, as_json=options.as_json) as display:
            showing = asyncio.create_task(_show(changes, display))
            try:
                await _work(options, changes)
            except asyncio.CancelledError:
                if not stop.asked:
                    raise
            finally:
                showing.cancel()
                await asyncio.wait([showing])
        return Exit.saved

    run(work)


async def _work(options: WorkerOptions, changes: asyncio.Queue[Change]) -> None:
    _need_extra()
    from omniedit.distributed.client import HostClient
    from omniedit.distributed.worker import Worker
    from omniedit.flow.intent import OnUncertain

    def on_change(change: Change) -> None:
        with suppress(asyncio.QueueFull):
            changes.put_nowait(change)

    def client() -> HostClient:
        return open_client(
            options.service,
            HostClient,
            preflight=not options.no_preflight,
            limit_rate=options.limit_rate,
        )

    await client().close()  # a wrong key or address is told now, and not once a shift
    worker = Worker(
        options.dsn,
        client,
        options.folder,
        max_in_flight=options.max_in_flight,
        heartbeat=options.heartbeat,
        at_once=options.at_once,
        on_uncertain=OnUncertain(options.on_uncertain),
        overwrite=options.overwrite,
        retry_failed=options.retry_failed,
        on_change=on_change,
    )
    await worker.run(asyncio.Event())


async def _show(changes: asyncio.Queue[Change], display: Display) -> None:
    while True:
        await display.show(await changes.get())


def run_enqueue(options: EnqueueOptions) -> NoReturn:
    """Read the input, refuse what is wrong with it as a whole, then write it into journal and queue."""
    with errors_said():
        _need_extra()
        check_template(options.name)
        found = read_input(options.sources, options.prompt, options.name, say_error)
        refuse_problems(found)
        edits = found.edits
        if isinstance(edits, AsyncIterable):
            raise InvalidEdit(
                "enqueue reads no standard input", field="source", mend="write the lines into a .jsonl file"
            )

    async def work(_: Stop) -> int:
        from omniedit.distributed.worker import enqueue
        from omniedit.flow.intent import OnUncertain

        done = await enqueue(
            options.dsn,
            edits,
            base_url=options.base_url,
            template=options.name,
            priority=options.priority,
            retry_failed=options.retry_failed,
            on_uncertain=OnUncertain(options.on_uncertain),
        )
        for edit, error in done.refused:
            say(f"refused {clean(edit.source, 300)}: {clean(str(error))}")
        click.echo(f"{done.queued:,} queued, {done.known:,} known already, {len(done.refused):,} refused")
        return Exit.some_not_saved if done.refused else Exit.saved

    run(work)


def _need_extra() -> None:
    if any(find_spec(name) is None for name in ("asyncpg", "pgqueuer")):
        raise ConfigurationError("many hosts need PgQueuer", mend='pip install "omniedit[pgqueuer]"')

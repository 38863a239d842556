"""The `batch` command behind its options."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from omniedit.cli.batchoptions import BatchOptions
from omniedit.cli.exits import Exit, exit_of_summary
from omniedit.cli.inputs import Input, read_input, refuse_problems
from omniedit.cli.manifest import ManifestError
from omniedit.cli.session import Stop, errors_said, is_local, make_folder, open_client, run, say, say_error
from omniedit.core.naming import check_template
from omniedit.errors import JournalError, OmniEditError
from omniedit.flow.client import Client
from omniedit.flow.settings import read_callback_base

if TYPE_CHECKING:
    from omniedit.cli.display import Display

__all__ = ["run_batch"]


def run_batch(options: BatchOptions) -> NoReturn:
    """Read the input, refuse what is wrong with it as a whole, then run or show the batch."""
    bad_lines: list[int] = []

    def on_bad_line(error: ManifestError) -> None:
        bad_lines.append(error.line)
        say_error(error)

    with errors_said():
        check_template(options.name)
        edits = read_input(options.sources, options.prompt, options.name, on_bad_line)
        refuse_problems(edits)
        read_callback_base(options.callback_base, local_service=is_local(options.service.base_url))
        if options.report is not None:
            _check_report(options.report)

    async def work(stop: Stop) -> int:
        if options.dry_run:
            from omniedit.cli.rehearsal import rehearse

            code = await rehearse(options, edits)
        else:
            code = await _run(stop, options, edits)
        return code or (Exit.some_not_saved if bad_lines else Exit.saved)

    run(work)


def _check_report(place: str) -> None:
    from omniedit.report.draft import check_target

    check_target(place, folder=False)


async def _run(stop: Stop, options: BatchOptions, edits: Input) -> int:
    from omniedit.cli.choosing import open_display
    from omniedit.cli.follow import tell_interrupted

    client = open_client(
        options.service,
        Client,
        max_in_flight=options.max_in_flight,
        shared_key=options.shared_key,
        preflight=not options.no_preflight,
        overwrite=options.overwrite,
        limit_rate=options.limit_rate,
        callback_base=options.callback_base,
        settle_by_listing=options.settle_by_listing,
    )
    make_folder(options.folder)
    display = open_display(stop, as_json=options.as_json, expected=edits.expected)
    try:
        return await _follow(options, edits, display, client)
    except asyncio.CancelledError:
        await tell_interrupted(display, options.memory)
        return Exit.interrupted


async def _follow(options: BatchOptions, edits: Input, display: Display, client: Client) -> int:
    from omniedit.cli.follow import follow
    from omniedit.cli.words import conclude, same_command

    async with display, client:
        batch = client.batch(
            edits.edits,
            save_to=options.folder,
            journal=options.memory,
            name=options.name,
            max_credits=options.max_credits,
            retry_failed=options.retry_failed,
            on_uncertain=options.on_uncertain,
            on_transfer=display.moved,
        )
        display.statistics = batch.statistics
        try:
            summary = await follow(batch, display)
        except (JournalError, ManifestError) as error:
            if not batch.statistics().taken:
                raise
            display.tell(str(error))
            return Exit.some_not_saved
        await display.finish(summary)
    display.conclude(conclude(summary, same_command()))
    written = options.report is None or await _write_report(options.memory, options.report)
    return exit_of_summary(summary) or (Exit.saved if written else Exit.some_not_saved)


async def _write_report(journal: Path, place: str) -> bool:
    from omniedit.journal.sqlite import SqliteReader
    from omniedit.report import write_report

    reader = SqliteReader(journal)
    try:
        facts = await write_report(reader, place)
    except OmniEditError as error:
        say_error(error)
        return False
    finally:
        await reader.close()
    say(f"Before and after: {facts.path}")
    return True

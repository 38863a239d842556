"""The `edit` command behind its options."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

import attrs

from omniedit.changes import Change, Saved, Summary
from omniedit.cli.exits import Exit, exit_of_error
from omniedit.cli.options import Service
from omniedit.cli.paths import is_folder, is_there
from omniedit.cli.remedies import mend_of
from omniedit.cli.session import Stop, errors_said, make_folder, open_client, run, say, say_error
from omniedit.cli.words import Conclusion, amount, clean, clock_time, same_command
from omniedit.core.naming import part_name, render, stem_of
from omniedit.errors import InvalidEdit, JournalError, OmniEditError, TaskFailed
from omniedit.flow.client import Client
from omniedit.models import Edit, Entry, Status

if TYPE_CHECKING:
    from omniedit.cli.display import Display
    from omniedit.journal.sqlite import SqliteJournal

__all__ = ["EditOptions", "run_edit"]

# With nothing else in it, a journal is of no use any more: what is in it is done, or was never paid for.
_NOTHING_LEFT = {
    *(Status.saved, Status.failed, Status.cancelled, Status.rejected),
    *(Status.queued, Status.uploading),
}
_OTHER_EDIT = "name_taken"


@attrs.frozen(kw_only=True)
class EditOptions:
    """What `edit` was called with."""

    service: Service
    source: str
    prompt: str
    output: str | None
    on_uncertain: Literal["hold", "replay"]
    settle_by_listing: bool
    no_preflight: bool
    overwrite: bool
    as_json: bool

    @property
    def edit(self) -> Edit:
        """The edit."""
        return Edit(self.source, self.prompt)

    @property
    def target(self) -> Path:
        """Where the result goes: never onto a source in the working folder unless that name was asked for."""
        if self.output is None:
            return Path(f"{stem_of(self.source)}-edited.mp4")
        path = Path(self.output)
        into = self.output.endswith("/") or is_folder(path)
        return path / render("{stem}", self.edit) if into else path


def run_edit(options: EditOptions) -> NoReturn:
    """Run one edit, or go on with it."""
    with errors_said():
        target = options.target
        _check_place(target)
    memory = target.with_name(part_name(target.name, ".journal"))

    async def work(stop: Stop) -> int:
        from omniedit.cli.choosing import open_display
        from omniedit.cli.follow import tell_interrupted
        from omniedit.journal.sqlite import SqliteJournal

        journal = SqliteJournal(memory)
        client = open_client(
            options.service,
            Client,
            journal=journal,
            preflight=not options.no_preflight,
            overwrite=options.overwrite,
            settle_by_listing=options.settle_by_listing,
        )
        make_folder(target.parent)
        display = open_display(stop, as_json=options.as_json, expected=1, every_status=True)
        try:
            return await _Work(options, target, journal, client, display).run()
        except asyncio.CancelledError:
            await tell_interrupted(display, memory)
            return Exit.interrupted

    run(work)


def _check_place(target: Path) -> None:
    """Refuse a place that nothing could be written to, while nothing is paid for."""
    try:
        target.name.encode()
        with suppress(FileNotFoundError):
            target.lstat()
    except UnicodeEncodeError:
        raise InvalidEdit(f"the name of {target} is no UTF-8", field="save_to", mend="give -o another name") from None
    except OSError as error:
        raise InvalidEdit(
            f"{target} cannot be written: {error.strerror}", field="save_to", mend="give -o another place"
        ) from None


@attrs.define
class _Work:
    options: EditOptions
    target: Path
    journal: SqliteJournal
    client: Client
    display: Display

    async def run(self) -> int:
        from omniedit.cli.follow import follow

        if is_there(self.journal.path):
            say(f"Going on with what {self.journal.path} remembers.")
        async with self.display, self.client:
            run = self.client.edit(
                self.options.edit,
                save_to=self.target,
                on_uncertain=self.options.on_uncertain,
                on_transfer=self.display.moved,
            )
            try:
                ended: Saved | OmniEditError = await follow(run, self.display, _in_words_of_edit)
            except OmniEditError as error:
                ended = _reworded(error)
            await self.display.finish(self._summary(run.status, ended, await self._entry()))
            await self._forget()
        return self._conclude(ended, run.status)

    async def _entry(self) -> Entry | None:
        """What the journal knows of the edit by now; None where it was refused before it could be remembered."""
        try:
            return await self.journal.entry(self.options.edit.key)
        except JournalError:
            return None  # it was never opened, or is what failed; the run's own error says so

    def _summary(self, status: Status, ended: Saved | OmniEditError, entry: Entry | None) -> Summary:
        elapsed = time.monotonic() - self.display.began
        reserved, used = (entry.credits_reserved, entry.credits_used) if entry is not None else (None, None)
        summary = Summary({status: 1}, reserved or 0.0, used or 0.0, elapsed)
        if isinstance(ended, Saved):
            return summary
        failure = Change(self.options.edit, status, at=datetime.now(UTC), task_id=ended.task_id, error=ended)
        pausing = ended if exit_of_error(ended) is Exit.paused else None
        return attrs.evolve(summary, failures=(failure,), stopped=pausing)

    async def _forget(self) -> None:
        """Remove the journal once there is nothing to go on with."""
        try:
            counts = await self.journal.counts()
            if _NOTHING_LEFT.issuperset(counts.statuses):
                await self.journal.remove()
        except JournalError:
            return  # it was never opened, or is what failed; the run's own error says so

    def _conclude(self, ended: Saved | OmniEditError, status: Status) -> int:
        if isinstance(ended, Saved):
            cost = f", {amount(ended.credits)} credits" if ended.credits is not None else ""
            headline = f"Saved {clean(str(ended.path))} in {clock_time(ended.elapsed)}{cost}."
            self.display.conclude(Conclusion(headline))
            return Exit.saved
        say_error(self._explained(ended))
        if is_there(self.journal.path) and ended.code != _OTHER_EDIT:
            say(f"To go on: {clean(same_command())}")
        if isinstance(ended, JournalError) and status != Status.queued:
            return Exit.some_not_saved
        return exit_of_error(ended)

    def _explained(self, error: OmniEditError) -> OmniEditError:
        if error.code != _OTHER_EDIT:
            return error
        return InvalidEdit(
            f"{self.journal.path} remembers another edit that is to be saved as {self.target}",
            field="save_to",
            code=_OTHER_EDIT,
            mend="run the command of that edit again to finish it, or choose another -o",
        )


def _in_words_of_edit(change: Change) -> Change:
    return change if change.error is None else attrs.evolve(change, error=_reworded(change.error))


def _reworded(error: OmniEditError) -> OmniEditError:
    """A failed edit is forgotten with its journal: what `batch` has an option for, here the same command does."""
    if isinstance(error, TaskFailed):
        error.mend = mend_of(error).replace("--retry-failed", "the same command")
    return error

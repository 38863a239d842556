"""From an edit that a user wrote to a record that the engine follows, or to an end that is told at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import attrs

from omniedit.core.lifecycle import Facts, move, standing
from omniedit.core.places import folder_of, is_object, name_of
from omniedit.core.preflight import refuse_edit
from omniedit.core.resume import Plan, accepted_attempt, may_replay, plan
from omniedit.errors import ConfigurationError, DownloadFailed, InvalidEdit, JournalBusy, OmniEditError
from omniedit.flow.booking import uncertain
from omniedit.flow.engine import Engine
from omniedit.flow.intent import OnUncertain, shown
from omniedit.flow.placing import Placing, is_own_clip
from omniedit.flow.record import Record, Run, commit
from omniedit.journal.base import EditHeld, NameTaken
from omniedit.models import Answer, Attempt, Edit, Entry, Outcome, Status

__all__ = ["Admission", "Placing"]

_log = logging.getLogger("omniedit.batch")


class Admission:
    """Lets edits into one run.

    Args:
        engine: follows them.
        run: what they have in common.
        placing: where results go.
        local_service: the service is on this machine, so that private addresses are fine.
        on_refused: takes edits that end here, before anything is written down, and why.
    """

    def __init__(
        self,
        engine: Engine,
        run: Run,
        placing: Placing,
        *,
        local_service: bool,
        on_refused: Callable[[Edit, InvalidEdit], None],
    ) -> None:
        self._engine = engine
        self._run = run
        self._placing = placing
        self._local_service = local_service
        self._on_refused = on_refused
        self._prepared = False

    async def admit(self, edits: Sequence[tuple[int, Edit]]) -> None:
        """Check edits, write the new ones down, and let the engine have what is to be worked on.

        Raises:
            JournalError: nothing more can be remembered.
            ConfigurationError: no result could be saved; nothing was sent.
        """
        journal = self._run.journal
        proposals = [entry for index, edit in edits if (entry := self._propose(edit, index)) is not None]
        try:
            for proposal, held in zip(proposals, await journal.admit(proposals), strict=True):
                match held:
                    case NameTaken():
                        await self._rename(proposal)
                    case EditHeld():
                        self._leave(held)
                    case _:
                        await self._go_on(held)
        finally:
            self._engine.unclaim(journal, (proposal.key for proposal in proposals))

    async def take(self, entries: Sequence[Entry], *, asked: bool = True) -> list[EditHeld]:
        """Go on with edits where the journal says they stand by now; those that another process works on.

        Those that nobody has `asked` for in this run go where the journal says. What another run of this process works
        on is its own. What is read after the claim stays true.

        Raises:
            JournalError: nothing more can be remembered.
            ConfigurationError: no result could be saved; nothing was sent.
        """
        journal, held = self._run.journal, list[EditHeld]()
        free = [entry for entry in entries if self._engine.claim(journal, entry.key)]
        try:
            for known in await journal.admit(free):
                if isinstance(known, Entry):
                    await self._go_on(known, asked=asked)
                elif isinstance(known, EditHeld):
                    held.append(known)
        finally:
            self._engine.unclaim(journal, (entry.key for entry in free))
        return held

    def _leave(self, held: EditHeld) -> None:
        """Another process works on it: the others go on."""
        record = Record(held.entry, self._run, self._engine.clock.monotonic())
        self._tell_and_end(record, _held_elsewhere(held))

    def _propose(self, edit: Edit, index: int) -> Entry | None:
        try:
            refuse_edit(edit, local_service=self._local_service)
            target = self._placing.target(edit, index)
        except InvalidEdit as error:
            self._on_refused(edit, error)
            return None
        if not self._engine.claim(self._run.journal, edit.key):
            self._on_refused(edit, _under_way(edit))
            return None
        return Entry(edit, target, Status.queued, self._engine.clock.utcnow())

    async def _rename(self, proposal: Entry) -> None:
        """Another edit of this journal holds the name."""
        other = self._placing.other(proposal.edit, proposal.target)
        if other is not None:
            (held,) = await self._run.journal.admit([attrs.evolve(proposal, target=other)])
            if isinstance(held, Entry):
                await self._go_on(held)
                return
        name = name_of(proposal.target)
        error = InvalidEdit(
            f"two edits want the name {name}",
            field="name",
            code="name_taken",
            mend="give each its own name, or use {key8} or {index} in the name template",
        )
        self._on_refused(proposal.edit, error)

    async def _go_on(self, entry: Entry, *, asked: bool = True) -> None:
        placed = self._placing.moved(entry) if asked or await self._was_renamed(entry) else entry
        moved = placed.target != entry.target
        record = Record(self._named(placed), self._run, self._engine.clock.monotonic(), moved=moved)
        try:
            await self._work_on(record)
        except (JournalBusy, DownloadFailed) as error:  # taken over since it was read; or the object store is silent
            self._tell_and_end(record, error)

    def bring(self, record: Record) -> None:
        """An edit that was taken unasked is asked for after all: unless its download has begun, it goes where asked."""
        placed = self._placing.moved(record.entry)
        if placed.target != record.entry.target and record.entry.status != Status.downloading:
            record.entry, record.moved = self._named(placed), True

    def _named(self, entry: Entry) -> Entry:
        """The entry, under another name where a result of this run has its name already."""
        names = self._run.names
        return entry if names is None or names.take(entry.target) else self._placing.beside(entry)

    async def _was_renamed(self, entry: Entry) -> bool:
        """A folder that is gone, while that of this run is there, is the same one under its new name."""
        here, there = self._placing.folder, folder_of(entry.target)
        if is_object(here) or is_object(there):
            return False
        return not await self._engine.exists(there) and await self._engine.exists(here)

    async def _work_on(self, record: Record) -> None:
        run, entry = self._run, record.entry
        match plan(entry, replay=run.on_uncertain == OnUncertain.replay, retry_failed=run.retry_failed):
            case Plan.submit:
                await self._submit(record)
            case Plan.resubmit:
                await self._submit(record, reopen=True)
            case Plan.look_again:
                record.entry = attrs.evolve(record.entry, link=None, renewals=0)
                self._start(record)
            case Plan.find:  # the journal keeps the failure until more is known: the next run would look again
                record.entry = move(entry, Status.pending, self._engine.clock.utcnow(), reopening=True).entry
                self._start(record)
            case Plan.check:
                await self._check(record)
            case Plan.orphan | Plan.hold | Plan.replay as what:
                await self._clear_up(record, what)
            case Plan.skip:
                self._tell_and_end(record)
            case Plan.follow | Plan.fetch:
                self._start(record)

    def _start(self, record: Record) -> None:
        record.tell([standing(record.entry, self._engine.clock.utcnow())])
        self._engine.start(record)

    def _tell_and_end(self, record: Record, error: OmniEditError | None = None) -> None:
        change = standing(record.entry, self._engine.clock.utcnow(), error=error)
        record.tell([change])
        record.run.listener.ended(record, change.error)

    async def _submit(self, record: Record, *, reopen: bool = False) -> None:
        now = self._engine.clock.utcnow()
        fresh = attrs.evolve(record.entry, nonce=None, video_url=None, callback_url=None)
        if reopen:
            record.entry = move(fresh, Status.queued, now, reopening=True, **_AFRESH).entry
        else:
            record.entry = attrs.evolve(fresh, status=Status.queued)
        record.tell([standing(record.entry, now)])
        if is_own_clip(record.entry.edit, record.entry.target):
            await self._refuse_place(record, _is_source(record.entry))
        elif not self._run.overwrite and await self._engine.exists(record.entry.target):
            await self._refuse_place(record, _exists(record.entry))
        else:
            await self._prepare()
            self._engine.start(record)

    async def _prepare(self) -> None:
        """Before the first paid request.

        Raises:
            ConfigurationError: no result could be saved.
        """
        if self._prepared:
            return
        try:
            await self._placing.prepare()
        except ConfigurationError as error:
            self._run.stop(error)
            raise
        self._prepared = True

    async def _refuse_place(self, record: Record, error: InvalidEdit) -> None:
        await commit(record, move(record.entry, Status.rejected, self._engine.clock.utcnow(), error=error))
        self._run.listener.ended(record, error)

    async def _check(self, record: Record) -> None:
        """A saved file that is gone or changed is fetched again, as long as its link lives."""
        entry = record.entry
        known = entry.path and entry.sha256 and entry.size is not None
        if known and await self._engine.intact(entry.path or "", entry.sha256 or "", entry.size or 0):
            self._tell_and_end(record)
            return
        _log.warning("batch.file_missing path=%s task_id=%s: fetching it again", entry.path, entry.task_id)
        self._start(record)

    async def _clear_up(self, record: Record, what: Plan) -> None:
        """A paid request of an earlier run whose outcome the state does not know: perhaps an answer came late."""
        attempts = await self._run.journal.attempts(record.key)
        accepted = accepted_attempt(attempts)
        if accepted is not None:
            await self._follow(record, accepted)
            return
        if what is Plan.orphan:
            await self._orphan(record)
        found = await self._engine.settle(self._run.journal, record.entry)
        if found is not None:
            record.entry = found.entry
            self._start(record)
            return
        wanted = self._run.on_uncertain == OnUncertain.replay
        if wanted and may_replay(record.entry, attempts, self._engine.clock.utcnow()):
            await self._prepare()
            self._run.budget.recall(record.key)
            self._start(record)
        else:
            self._hold(record, attempts)

    def _hold(self, record: Record, attempts: Sequence[Attempt]) -> None:
        """Uncertain: it ends so, unless a call may still come for it."""
        entry = record.entry
        change = standing(entry, self._engine.clock.utcnow())
        record.tell([change])
        sent_at = next((one.at for one in attempts if one.nonce == entry.nonce), entry.at)
        error = change.error or uncertain(entry, "nobody wrote down why")
        if not self._engine.hold(record, error, sent_at):
            record.run.listener.ended(record, error)

    async def _follow(self, record: Record, accepted: Attempt) -> None:
        step = move(
            record.entry,
            Status.pending,
            self._engine.clock.utcnow(),
            reopening=True,
            nonce=accepted.nonce,
            task_id=accepted.task_id,
            submitted_at=accepted.at,
            unfinished_at=accepted.at,
        )
        await self._run.journal.write(step.entry)
        record.entry = step.entry
        self._start(record)

    async def _orphan(self, record: Record) -> None:
        now = self._engine.clock.utcnow()
        reason = "the program ended before the answer came"
        step = move(record.entry, Status.uncertain, now, error=uncertain(record.entry, reason))
        answer = Answer(record.entry.nonce or "", Outcome.unknown, now, detail=reason)
        await self._run.journal.answer(answer, step.entry)
        record.entry = step.entry


# What a new life of an ended edit forgets of the last one.
_AFRESH: Facts = {
    "task_id": None,
    "submitted_at": None,
    "unfinished_at": None,
    "link": None,
    "deadline": None,
    "renewals": 0,
    "path": None,
    "sha256": None,
    "size": None,
    "credits_reserved": None,
    "credits_used": None,
}


def _exists(entry: Entry) -> InvalidEdit:
    return InvalidEdit(
        f"{entry.target} exists",
        field="save_to",
        code="output_exists",
        mend="it is kept; use --overwrite to replace it, or save elsewhere",
    )


def _is_source(entry: Entry) -> InvalidEdit:
    return InvalidEdit(
        f"{entry.target} is the clip itself",
        field="save_to",
        code="output_is_source",
        mend="it is kept; save into another folder, or under another name",
    )


def _held_elsewhere(held: EditHeld) -> JournalBusy:
    return JournalBusy(
        f"{held.by} works on this edit of {shown(held.entry.edit.source)}",
        mend="nothing to do: it is followed there; run the same again to see its end",
        code="edit_held",
    )


def _under_way(edit: Edit) -> InvalidEdit:
    return InvalidEdit(
        f"this edit of {shown(edit.source)} is under way in another call",
        code="under_way",
        mend="await that call; for a second result of the same clip and sentence give another variant",
    )

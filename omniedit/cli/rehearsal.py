"""`batch --dry-run`: what would be sent, under which names, for about how many credits. Nothing is sent."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path

import attrs
import click

from omniedit.cli.batchoptions import BatchOptions
from omniedit.cli.claims import Claims
from omniedit.cli.exits import Exit
from omniedit.cli.inputs import Input
from omniedit.cli.paths import is_there
from omniedit.cli.session import is_local, say
from omniedit.cli.words import about, amount, clean
from omniedit.codecs import describe_error
from omniedit.core.money import estimate_credits
from omniedit.core.preflight import refuse_edit
from omniedit.core.resume import Plan, plan
from omniedit.errors import InvalidEdit, OmniEditError
from omniedit.flow.admission import Placing
from omniedit.flow.sources import Sources
from omniedit.journal.base import Counts, JournalReader
from omniedit.journal.sqlite import SqliteReader
from omniedit.models import Edit, Entry, Status

__all__ = ["rehearse"]

_AT_ONCE = 64
_SENDING = {Plan.submit, Plan.resubmit}
_WORDS = {
    Plan.submit: "send",
    Plan.resubmit: "send again",
    Plan.check: "saved already",
    Plan.hold: "hold, uncertain",
    Plan.replay: "repeat with the same key",
    Plan.orphan: "hold, uncertain",
    Plan.skip: "leave failed",
}
_NEVER_ACCEPTED = {Status.queued, Status.uploading, Status.submitting, Status.rejected, Status.uncertain}


@attrs.frozen
class Scene:
    """What would happen to one edit."""

    edit: Edit
    target: Path | None
    plan: Plan | None
    """None when it would be refused."""
    seconds: float | None = None
    error: OmniEditError | None = None

    @property
    def sends(self) -> bool:
        """Whether it would be paid for."""
        return self.plan in _SENDING

    @property
    def action(self) -> str:
        """In words."""
        return "refuse" if self.plan is None else _WORDS.get(self.plan, "go on with its task")

    @property
    def credits(self) -> float | None:
        """About what it would cost; the longest clip is assumed where the length is unknown."""
        return estimate_credits(self.seconds) if self.sends else None


@attrs.define
class _Sums:
    edits: int = 0
    sending: int = 0
    refused: int = 0
    credits: float = 0.0

    def add(self, scene: Scene) -> None:
        self.edits += 1
        self.sending += scene.sends
        self.refused += scene.plan is None
        self.credits += scene.credits or 0.0


async def rehearse(options: BatchOptions, edits: Input) -> int:
    """Show a batch without running it; 1 when an edit would be refused."""
    local = is_local(options.service.base_url)
    sources = Sources(local_service=local, preflight=not options.no_preflight)
    journal = SqliteReader(options.memory) if is_there(options.memory) else None
    sums = _Sums()
    try:
        with Claims() as claims:
            stage = _Stage(options, sources, journal, claims, local=local)
            async for page in _pages(edits):
                for scene in await stage.play(page):
                    sums.add(scene)
                    _show(scene, as_json=options.as_json)
        past = await _mean_reservation(journal)
    finally:
        await sources.close()
        if journal is not None:
            await journal.close()
    _show_sums(sums, past, options)
    return Exit.some_not_saved if sums.refused else Exit.saved


@attrs.define
class _Stage:
    options: BatchOptions
    sources: Sources
    journal: JournalReader | None
    claims: Claims
    local: bool
    index: int = 0
    placing: Placing = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.placing = Placing(str(self.options.folder), self.options.name)

    async def play(self, edits: list[Edit]) -> list[Scene]:
        """A page of edits: names in their order, looks at the clips side by side."""
        scenes = [scene for edit in edits if (scene := await self._placed(edit)) is not None]
        return list(await asyncio.gather(*(self._looked_at(scene) for scene in scenes)))

    async def _placed(self, edit: Edit) -> Scene | None:
        self.index += 1
        try:
            refuse_edit(edit, local_service=self.local)
            target = Path(self.placing.target(edit, self.index))
        except InvalidEdit as error:
            return Scene(edit, None, None, error=error)
        if self.claims.edit(edit.key, self.index, target.name) is not None:
            return None  # the same edit twice is one edit
        known = None if self.journal is None else await self.journal.entry(edit.key)
        if known is not None:
            return self._remembered(known)
        free = self._free(edit, target)
        if free is None:
            return Scene(edit, target, None, error=_taken(target))
        return self._unless_there(Scene(edit, free, Plan.submit))

    def _remembered(self, entry: Entry) -> Scene:
        options = self.options
        way = plan(entry, replay=options.on_uncertain == "replay", retry_failed=options.retry_failed)
        scene = Scene(entry.edit, self.options.folder / Path(entry.path or entry.target).name, way)
        return self._unless_there(scene) if scene.sends else scene

    def _free(self, edit: Edit, target: Path) -> Path | None:
        other = self.placing.other(edit, str(target))
        for path in (target, None if other is None else Path(other)):
            if path is not None and self.claims.name(path.name, self.index, made=False) is None:
                return path
        return None

    def _unless_there(self, scene: Scene) -> Scene:
        if self.options.overwrite or scene.target is None or not os.path.lexists(scene.target):
            return scene
        error = InvalidEdit(f"{scene.target} exists", code="output_exists", mend="it is kept; --overwrite replaces it")
        return attrs.evolve(scene, plan=None, error=error)

    async def _looked_at(self, scene: Scene) -> Scene:
        if not scene.sends or self.options.no_preflight:
            return scene
        try:
            facts = await self.sources.check(scene.edit.source)
        except OmniEditError as error:
            return attrs.evolve(scene, plan=None, error=error)
        return attrs.evolve(scene, seconds=facts.duration)


def _taken(target: Path) -> InvalidEdit:
    return InvalidEdit(
        f"two edits want the name {target.name}",
        field="name",
        code="name_taken",
        mend="give each its own name, or use {key8} or {index} in the name template",
    )


async def _pages(edits: Input) -> AsyncIterator[list[Edit]]:
    page: list[Edit] = []
    async for edit in _each(edits):
        page.append(edit)
        if len(page) == _AT_ONCE:
            yield page
            page = []
    if page:
        yield page


async def _each(edits: Input) -> AsyncIterator[Edit]:
    if isinstance(edits.edits, AsyncIterable):
        async for edit in edits.edits:
            yield edit
        return
    for edit in edits.edits:
        yield edit


async def _mean_reservation(journal: JournalReader | None) -> float | None:
    """What the service reserved for an edit of this journal on average; None without any."""
    counts = await journal.counts() if journal is not None else Counts({}, 0.0, 0.0)
    accepted = sum(number for status, number in counts.statuses.items() if status not in _NEVER_ACCEPTED)
    return counts.credits_reserved / accepted if accepted and counts.credits_reserved else None


def _show(scene: Scene, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_object_of(scene)))
        return
    if scene.error is not None:
        click.echo(f"refuse      {about(scene.edit, str(scene.error))}")
        return
    source = clean(scene.edit.source, 300)
    length = f"{scene.seconds:.2f} s, " if scene.seconds is not None else ""
    cost = f"  ({length}about {amount(scene.credits)} credits)" if scene.credits is not None else ""
    click.echo(f"{scene.action:<11} {source} -> {clean(str(scene.target))}{cost}  {clean(scene.edit.prompt, 200)}")


def _object_of(scene: Scene) -> dict[str, object]:
    return {
        "action": scene.action,
        "source": scene.edit.source,
        "prompt": scene.edit.prompt,
        "name": scene.target.name if scene.target else scene.edit.name,
        "path": str(scene.target) if scene.target else None,
        "seconds": scene.seconds,
        "credits": scene.credits,
        "error": describe_error(scene.error),
    }


def _show_sums(sums: _Sums, past: float | None, options: BatchOptions) -> None:
    by_past = None if past is None else past * sums.sending
    if options.as_json:
        figures = {
            "dry_run": True,
            "edits": sums.edits,
            "to_send": sums.sending,
            "refused": sums.refused,
            "credits_by_length": sums.credits,
            "credits_by_past_reservations": by_past,
        }
        click.echo(json.dumps({"summary": figures}))
    say(f"Nothing was sent. {sums.sending:,} of {sums.edits:,} edits would be, {sums.refused:,} refused.")
    say(f"About {amount(sums.credits)} credits by the length of the clips.")
    if by_past is not None:
        say(f"About {amount(by_past)} credits if each reserves what the edits of this journal did on average.")
    if options.max_credits is not None and max(sums.credits, by_past or 0.0) > options.max_credits:
        say(f"That is more than --max-credits {amount(options.max_credits)}: submission would stop before it.")

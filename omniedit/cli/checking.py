"""The `check` command behind its options."""

from __future__ import annotations

import asyncio
import json
from itertools import islice

import attrs
import click

from omniedit.cli.exits import Exit
from omniedit.cli.inputs import expand
from omniedit.cli.session import is_local, say
from omniedit.cli.words import clean
from omniedit.codecs import describe_error
from omniedit.core.preflight import refuse_edit
from omniedit.errors import InvalidEdit, OmniEditError
from omniedit.flow.sources import Sources
from omniedit.models import Edit, MediaFacts

__all__ = ["check_clips"]

_AT_ONCE = 64


async def check_clips(names: tuple[str, ...], base_url: str | None, *, as_json: bool) -> int:
    """Look at every clip; 1 when one would be refused.

    A clip on this machine's own network is looked at all the same: only the service could not fetch it.
    """
    local = is_local(base_url)
    sources = Sources(local_service=True)
    clips = expand(names)
    refused = 0
    try:
        while page := list(islice(clips, _AT_ONCE)):
            for clip, found in zip(page, await asyncio.gather(*(_look(sources, clip) for clip in page)), strict=True):
                refused += isinstance(found, OmniEditError)
                _show(clip, found, as_json=as_json)
                if not local and isinstance(found, MediaFacts):
                    _warn(clip)
    finally:
        await sources.close()
    return Exit.some_not_saved if refused else Exit.saved


async def _look(sources: Sources, clip: str) -> MediaFacts | OmniEditError:
    try:
        refuse_edit(Edit(clip, "look"), local_service=True)
        return await sources.check(clip)
    except OmniEditError as error:
        return error


def _warn(clip: str) -> None:
    """What only the service's place in the world makes wrong."""
    try:
        refuse_edit(Edit(clip, "look"))
    except InvalidEdit as error:
        say(f"note: {clean(str(error))}")


def _show(clip: str, found: MediaFacts | OmniEditError, *, as_json: bool) -> None:
    if as_json:
        facts = attrs.asdict(found) if isinstance(found, MediaFacts) else None
        error = None if isinstance(found, MediaFacts) else describe_error(found)
        click.echo(json.dumps({"source": clip, "ok": facts is not None, "facts": facts, "error": error}))
    elif isinstance(found, MediaFacts):
        click.echo(f"ok      {clean(clip, 300)}: {_facts(found)}")
    else:
        click.echo(f"refuse  {clean(str(found))}")


def _facts(facts: MediaFacts) -> str:
    words = [
        f"{facts.duration:.3f} s" if facts.duration is not None else "",
        f"{facts.width}x{facts.height}" if facts.width else "",
        f"{facts.frame_rate:.3g} fps" if facts.frame_rate else "",
        facts.video_codec or "",
        facts.audio_codec or "no sound",
        "moov at the end" if facts.moov_at_end else "",
        "fragmented" if facts.fragmented else "",
    ]
    return ", ".join(clean(word) for word in words if word)

"""The `demo` command behind its options: the whole river, from clips made in code to a sheet, on this machine."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from omniedit.cli.choosing import open_display
from omniedit.cli.display import Display
from omniedit.cli.exits import Exit, exit_of_summary
from omniedit.cli.follow import follow
from omniedit.cli.session import Stop, say
from omniedit.cli.words import clean, conclude
from omniedit.errors import ConfigurationError
from omniedit.flow.client import Client
from omniedit.journal.database import files_of
from omniedit.journal.sqlite import SqliteReader
from omniedit.models import Edit
from omniedit.report import write_report

if TYPE_CHECKING:
    from omniedit.changes import Summary
    from omniedit.sandbox.scenes import SceneName

__all__ = ["show_demo"]

_KEY = "sk-sandbox-demo"
_SECONDS, _SIZE = 3.0, (640, 360)
_WISHES: tuple[tuple[SceneName, str, str], ...] = (
    ("harbour", "golden-hour", "Make the light warmer, like the golden hour. Keep everything else."),
    ("harbour", "snow", "雪を降らせてください。船はそのままに。"),
    ("hills", "black-and-white", "Turn it into black and white, with more contrast."),
    ("hills", "sunset", "夕焼けのように暖かい光にして、左右反転してください。"),
    ("street", "rainy-night", "Make it a rainy night."),
    ("street", "caption", 'Add the caption "Every frame counts".'),
)


@attrs.frozen
class _Places:
    folder: Path

    @property
    def clips(self) -> Path:
        return self.folder / "clips"

    @property
    def results(self) -> Path:
        return self.folder / "edited"

    @property
    def journal(self) -> Path:
        return self.folder / "demo.journal"

    @property
    def sheet(self) -> Path:
        return self.folder / "sheet.html"

    def clip(self, scene: SceneName) -> Path:
        return self.clips / f"{scene}.mp4"


async def show_demo(stop: Stop, *, folder: Path, as_json: bool) -> int:
    """Edit sample clips through a sandbox of our own. A second time it starts anew.

    Raises:
        ConfigurationError: PyAV is missing, or the folder cannot be used.
    """
    if find_spec("av") is None:
        raise ConfigurationError("the demo needs PyAV", mend='pip install "omniedit[demo]"')
    places = _Places(folder)
    await asyncio.to_thread(_prepare, places)
    display = open_display(stop, as_json=as_json, expected=len(_WISHES))
    summary = await _edit(places, display)
    facts = await _sheet(places)
    display.conclude(conclude(summary, f"omniedit demo {folder}"))
    say(f"  sample clips   {clean(str(places.clips))}")
    say(f"  edited clips   {clean(str(places.results))}")
    say(f"  journal        {clean(str(places.journal))}")
    say(f"  before, after  {clean(str(facts))}   <- open this in a browser")
    if not as_json:
        click.echo(facts.as_uri())
    return exit_of_summary(summary) or Exit.saved


def _prepare(places: _Places) -> None:
    from omniedit.sandbox.scenes import SCENES, make_clip

    say("Making sample clips.")
    try:
        for scene in SCENES:
            if not places.clip(scene).exists():
                making = places.clips / f".{scene}.part.mp4"
                make_clip(making, _SECONDS, size=_SIZE, scene=scene).rename(places.clip(scene))
        for file in files_of(places.journal):
            file.unlink(missing_ok=True)  # it belongs to a sandbox that is gone
    except OSError as error:
        raise ConfigurationError(
            f"the folder {places.folder} cannot be used: {error.strerror}", mend="name another folder"
        ) from None


async def _edit(places: _Places, display: Display) -> Summary:
    from omniedit.sandbox import SandboxServer

    edits = [Edit(places.clip(scene), wish, name=f"{scene}-{name}.mp4") for scene, name, wish in _WISHES]
    async with SandboxServer() as server:
        say(f"The sandbox speaks the service's API at {server.base_url}.")
        client = Client(_KEY, base_url=server.base_url, files_url=server.files_url, overwrite=True)
        async with display, client:
            batch = client.batch(edits, save_to=places.results, journal=places.journal, on_transfer=display.moved)
            display.statistics = batch.statistics
            summary = await follow(batch, display)
            await display.finish(summary)
    return summary


async def _sheet(places: _Places) -> Path:
    reader = SqliteReader(places.journal)
    try:
        return (await write_report(reader, places.sheet, title="omniedit demo")).path
    finally:
        await reader.close()

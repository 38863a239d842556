"""A sheet is there, whole, or not at all: made of any entries, replaced in one step, in bounded memory."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from omniedit.errors import ConfigurationError, OmniEditError
from omniedit.journal import MemoryJournal
from omniedit.models import Edit, Entry
from omniedit.report import ReportFacts, write_report

if TYPE_CHECKING:
    from tests.report.conftest import Gallery

STILL = re.compile(r'id="still-[0-9a-f]{18}">data:image/webp;base64,UklGR')
CLIP = re.compile(r'id="clip-[0-9a-f]{18}">AAAA')


def names(folder: Path) -> set[str]:
    """Everything in a folder."""
    return {path.name for path in folder.iterdir()}


async def test_sheet_carries_pictures_and_clips(gallery: Gallery) -> None:
    """One file, complete, with each clip once though two edits share it."""
    path = gallery.folder / "sheet.html"
    facts = await write_report([gallery.entry(), gallery.failed()], path, title="Tom & <Jerry>")
    text = path.read_text(encoding="utf-8")
    assert facts == ReportFacts(path, 2, path.stat().st_size)
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert (len(STILL.findall(text)), len(CLIP.findall(text))) == (2, 2)
    assert "<title>Tom &amp; &lt;Jerry&gt;</title>" in text
    assert names(gallery.folder) == {"before.mp4", "after.mp4", "sheet.html"}


async def test_any_source_of_entries_will_do(gallery: Gallery) -> None:
    """A journal, a generator, an asynchronous generator: the same sheet."""
    entries = [gallery.entry(), gallery.failed()]

    def some() -> Iterator[Entry]:
        yield from entries

    async def several() -> AsyncIterator[Entry]:
        for entry in entries:
            yield entry

    journal = MemoryJournal()
    await journal.open("https://api.example.com")
    await journal.admit(entries)
    texts = []
    for source in (journal, some(), several()):
        await write_report(source, gallery.folder / "sheet.html")
        texts.append((gallery.folder / "sheet.html").read_text(encoding="utf-8"))
    await journal.close()
    assert texts[0] == texts[1] == texts[2]


async def test_failures_come_first(gallery: Gallery) -> None:
    """Rows are sorted into sections, whatever their order was, and keep their order inside."""
    named = [gallery.entry("a.mp4", path=None), gallery.failed("b.mp4"), gallery.entry("c.mp4", path=None)]
    queued = attrs.evolve(gallery.entry("d.mp4", path=None), status=named[0].status.queued)
    await write_report([named[0], queued, *named[1:]], gallery.folder / "sheet.html")
    text = (gallery.folder / "sheet.html").read_text(encoding="utf-8")
    assert re.findall(r'"name":"(\w)\.mp4"', text) == ["b", "d", "a", "c"]


async def test_large_clips_are_referred_to(gallery: Gallery) -> None:
    """Above the limit no clip is carried, and the sheet says so; at the limit all are."""
    total = gallery.before.stat().st_size + gallery.after.stat().st_size
    path = gallery.folder / "sheet.html"
    await write_report([gallery.entry()], path, embed_limit=total)
    assert len(CLIP.findall(path.read_text(encoding="utf-8"))) == 2
    await write_report([gallery.entry()], path, embed_limit=total - 1)
    text = path.read_text(encoding="utf-8")
    assert not CLIP.findall(text)
    assert len(STILL.findall(text)) == 2
    assert "played from where they lie" in text


async def test_a_file_that_is_no_clip_is_never_carried(gallery: Gallery) -> None:
    """A refused edit may name anything as its source; the sheet names it too, and holds nothing of what is in it."""
    key = gallery.folder / "id_rsa"
    key.write_bytes(b"-----BEGIN PRIVATE KEY-----")
    await write_report([gallery.failed(source=key), gallery.entry(path=str(key))], gallery.folder / "sheet.html")
    text = (gallery.folder / "sheet.html").read_text(encoding="utf-8")
    assert base64.b64encode(key.read_bytes()).decode() not in text
    assert f'"source":"{key}"' in text
    assert text.count('id="clip-') == 1


async def test_policy_names_the_only_script_and_style(gallery: Gallery) -> None:
    """Nothing may run or style but what the sheet holds, by its hash; the web is opened only for media, if at all."""
    path = gallery.folder / "sheet.html"
    policies = []
    for entry in (gallery.entry(), gallery.entry(source="https://example.com/a.mp4")):
        await write_report([entry], path)
        text = path.read_text(encoding="utf-8")
        policy = unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0])
        policies.append(dict(part.strip().split(" ", 1) for part in policy.split(";")))
        for kind in ("script", "style"):
            (held,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(held.encode()).digest()).decode()
            assert policies[-1][f"{kind}-src"] == f"'sha256-{digest}'"
    assert policies[0]["default-src"] == "'none'"
    assert policies[0]["media-src"] == "blob:"
    assert policies[1]["media-src"] == "blob: http: https:"
    assert {name for name in policies[0] if policies[0][name] != policies[1][name]} == {"media-src"}


async def test_folder_holds_the_pictures_and_nothing_old(gallery: Gallery) -> None:
    """Pictures are files of the folder; the next sheet takes their place, and leaves what is not ours."""
    folder = gallery.folder / "sheets"
    first = await write_report([gallery.entry()], folder, folder=True)
    assert first.path == folder / "index.html"
    old = next(folder.glob("posters-*"))
    assert len(names(old)) == 2
    assert first.bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    (folder / "posters-of-mine").mkdir()
    await write_report([gallery.failed()], folder, folder=True)
    (new,) = folder.glob("posters-????????")
    assert new != old
    assert len(names(new)) == 1
    assert names(folder) == {"index.html", new.name, "posters-of-mine"}
    assert new.name in (folder / "index.html").read_text(encoding="utf-8")


async def test_empty_journal_makes_a_sheet_too(gallery: Gallery) -> None:
    """Nothing to show is something to say."""
    facts = await write_report([], gallery.folder / "sheet.html")
    assert facts.edits == 0
    assert "nothing has happened yet" in facts.path.read_text(encoding="utf-8")


async def test_clip_that_goes_while_the_sheet_is_written_is_left_out(gallery: Gallery) -> None:
    """A clip that was there when it was counted and is gone, or has grown, when it is copied does no harm."""

    def entries() -> Iterator[Entry]:
        for number in range(300):  # more than a page, so that the first are counted before the clips change
            yield gallery.entry(f"{number}.mp4", variant=number)
        gallery.before.unlink()
        with gallery.after.open("ab") as file:
            file.write(b"more")

    await write_report(entries(), gallery.folder / "sheet.html")
    text = (gallery.folder / "sheet.html").read_text(encoding="utf-8")
    assert not CLIP.findall(text)
    assert len(STILL.findall(text)) == 1


@pytest.mark.parametrize("content", [b"SQLite format 3\x00", b"<!doctype html><p>Mine</p>"])
async def test_a_file_that_is_no_sheet_is_left_alone(content: bytes, gallery: Gallery) -> None:
    """A slip of the hand must not cost a journal."""
    path = gallery.folder / "omniedit.db"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="no report of ours"):
        await write_report([gallery.entry()], path)
    assert path.read_bytes() == content


async def test_places_where_no_sheet_can_be(gallery: Gallery) -> None:
    """Each is refused before anything is read, and says why."""

    def never() -> Iterator[Entry]:
        yield from [pytest.fail("an entry was asked for")]

    with pytest.raises(ConfigurationError, match="does not exist"):
        await write_report(never(), gallery.folder / "missing" / "sheet.html")
    with pytest.raises(ConfigurationError, match="is a file"):
        await write_report(never(), gallery.before, folder=True)
    with pytest.raises(ConfigurationError, match="no report of ours"):
        await write_report(never(), gallery.folder)
    with pytest.raises(ConfigurationError, match="embed_limit is -1"):
        await write_report(never(), gallery.folder / "sheet.html", embed_limit=-1)
    with pytest.raises(OmniEditError, match="could not be written: File name too long") as caught:
        await write_report(never(), gallery.folder / ("x" * 300))
    assert caught.value.code == "report_failed"
    with pytest.raises(ConfigurationError, match="could not be written: File name too long"):
        await write_report(never(), gallery.folder / ("x" * 300) / "sheet.html")
    assert names(gallery.folder) == {"before.mp4", "after.mp4"}


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
async def test_failure_leaves_the_old_sheet_and_nothing_else(folder: bool, gallery: Gallery) -> None:  # noqa: FBT001
    """When the entries break off, what was there before is there still."""
    place = gallery.folder / "sheet"
    sheet = (await write_report([gallery.entry()], place, folder=folder)).path
    before, listing = sheet.read_bytes(), {*gallery.folder.rglob("*")}

    async def broken() -> AsyncIterator[Entry]:
        yield gallery.failed()
        raise OmniEditError("the journal broke off")

    with pytest.raises(OmniEditError, match="broke off"):
        await write_report(broken(), place, folder=folder)
    assert sheet.read_bytes() == before
    assert {*gallery.folder.rglob("*")} == listing


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
@pytest.mark.parametrize("moment", [0, 1, 20, 39])
async def test_cancellation_while_reading_leaves_nothing(moment: int, folder: bool, gallery: Gallery) -> None:  # noqa: FBT001
    """Stopped while entries come in, early or late: no file, no folder, no thread, no task."""
    listing = names(gallery.folder)

    async def entries() -> AsyncIterator[Entry]:
        for number in range(40):
            if number == moment:
                task.cancel()
            yield gallery.entry(variant=number)

    task = asyncio.create_task(write_report(entries(), gallery.folder / "sheet", folder=folder))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names(gallery.folder) == listing


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
async def test_cancellation_at_any_time_leaves_all_or_nothing(folder: bool, gallery: Gallery) -> None:  # noqa: FBT001
    """Stopped while stills are taken or the sheet is put together: it is there in full, or nothing is."""
    copies = [gallery.folder / f"{number}.mp4" for number in range(40)]
    for copy in copies:
        copy.hardlink_to(gallery.after)
    entries = [gallery.entry(path=str(copy), variant=number) for number, copy in enumerate(copies)]
    whole = await write_report(entries, gallery.folder / "whole", folder=folder)
    size = whole.path.stat().st_size
    listing = names(gallery.folder)
    for pause in (0.0, 0.002, 0.01, 0.03, 0.1):
        task = asyncio.create_task(write_report(entries, gallery.folder / "sheet", folder=folder))
        await asyncio.sleep(pause)
        task.cancel()
        try:
            facts = await task
        except asyncio.CancelledError:
            assert names(gallery.folder) == listing
        else:
            assert facts.path.stat().st_size == size
            shutil.rmtree(gallery.folder / "sheet") if folder else facts.path.unlink()


async def test_memory_does_not_grow_with_the_edits(gallery: Gallery) -> None:
    """At no time is as much as a third of the sheet in memory, though all of it is made here."""
    saved = gallery.entry()
    entries = (Entry(Edit(f"{n}.mp4", "x" * 900), f"{n}", saved.status, saved.at) for n in range(10_000))
    gc.collect()
    tracemalloc.start()
    try:
        facts = await write_report(entries, gallery.folder / "sheet.html")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert facts.edits == 10_000
    assert peak < facts.bytes / 3


def test_without_the_extra_there_is_a_sheet_without_pictures(gallery: Gallery) -> None:
    """The sheet is written, says what is missing and how to get it, and still carries its clips."""
    program = (
        "import asyncio, sys; sys.modules['av'] = None\n"
        "from datetime import datetime, timezone\n"
        "from omniedit.models import Edit, Entry, Status\n"
        "from omniedit.report import write_report\n"
        f"entry = Entry(Edit({str(gallery.before)!r}, 'p'), 'a.mp4', Status.saved, datetime.now(timezone.utc),\n"
        f"              path={str(gallery.after)!r})\n"
        f"asyncio.run(write_report([entry], {str(gallery.folder / 'sheet.html')!r}))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    text = (gallery.folder / "sheet.html").read_text(encoding="utf-8")
    assert "There are no pictures: pictures of clips need PyAV" in text
    assert not STILL.findall(text)
    assert len(CLIP.findall(text)) == 2

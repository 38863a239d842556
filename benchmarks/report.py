"""How fast a sheet of thousands opens in a real Chromium, and how fast it is written.

    python benchmarks/report.py [--edits 5000] [--rounds 5] [--json benchmarks/results/report.json]

Needs Chromium on PATH. Every edit has clips and pictures of its own (their bytes are the same, but no browser knows).
Pages are opened from disk in turn within each round, so that a busy machine disturbs all of them alike; figures are
medians, ratios are against an empty page of the same round, and

- `first pictures`: from the request to the moment when the first six pictures are read and decoded;
- `complete`: until all of the file is read;
- `plain page`: what a template makes of the same edits: one element and two inline pictures for each, all in the page.

Writing is measured with real stills, on fewer edits, and without.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import av

from omniedit.media.stills import Still, take_still
from omniedit.models import Edit, Entry, Status
from omniedit.report import write_report
from omniedit.report.draft import Draft
from omniedit.report.page import build_page
from omniedit.report.spool import Spool

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
PICTURES = "(images => images.length >= 6 && images.slice(0, 6).every(one => one.naturalWidth))([...document.images])"


def chromium_driver() -> ModuleType:
    """The driver that the tests use."""
    path = Path(__file__).parents[1] / "tests" / "report" / "conftest.py"
    spec = importlib.util.spec_from_file_location("chromium_driver", path)
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_clip(path: Path, *, hue: int) -> Path:
    """Two seconds of 720p with as much detail as a real picture has."""
    with av.open(f"mandelbrot=size=1280x720:rate=24:start_scale=1.2,hue=h={hue}", format="lavfi") as source:
        frames = source.decode(video=0)
        with av.open(str(path), "w", format="mp4") as clip:
            stream = clip.add_stream("libx264", rate=24, options={"preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
            for number, frame in zip(range(48), frames, strict=False):
                picture = frame.reformat(format="yuv420p")
                picture.pts = number
                clip.mux(stream.encode(picture))
            clip.mux(stream.encode(None))
    return path


def entries(count: int, folder: Path, before: Path, after: Path) -> Iterator[Entry]:
    """Saved edits with files of their own, one in fifty failed."""
    for number in range(count):
        source, target = folder / f"in{number}.mp4", folder / f"out{number}.mp4"
        for name, clip in ((source, before), (target, after)):
            if not name.exists():
                name.hardlink_to(clip)
        failed = number % 50 == 7
        yield Entry(
            Edit(str(source), f"Clip {number}: make the light warmer, like late afternoon; keep the red boat."),
            str(target),
            Status.failed if failed else Status.saved,
            START + timedelta(seconds=80 + number),
            submitted_at=START + timedelta(seconds=number),
            task_id=f"task-unified-{number}",
            path=None if failed else str(target),
            sha256="5e" * 32,
            size=after.stat().st_size,
            credits_used=None if failed else 63.6,
            error_code="generation_timeout" if failed else None,
            error_message="The service took too long." if failed else None,
        )


def write_sheet(path: Path, edits: list[Entry], still: Still, posters: str | None) -> None:
    """A sheet as `write_report` writes it, with one picture in place of thousands that would take minutes."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        spool = Spool(Path(scratch), path.parent)
        spool.add(edits)
        page = build_page("Benchmark", spool.sums, embedded=False, posters=posters, notes=[])
        draft = Draft(Path(scratch), path, page, posters)
        draft.begin(spool)
        for clips in spool.clips(32):
            draft.add_stills([(clip, still) for clip in clips])
        draft.publish()


def write_plain(path: Path, edits: list[Entry], still: Still) -> None:
    """The page that a template would make."""
    image = f'<img src="data:{still.mime};base64,{b64encode(still.data).decode()}" width="400">'
    rows = (
        f"<article>{image}{image}<h3>{edit.target}</h3><p>{edit.edit.prompt}</p><p>{edit.status}</p></article>"
        for edit in edits
    )
    path.write_text("<!doctype html><title>Plain</title>" + "\n".join(rows), encoding="utf-8")


async def open_page(page: Any, path: Path, *, pictures: bool) -> dict[str, float]:  # noqa: ANN401
    """Seconds until a page shows its first pictures and until it is complete."""
    await page.call("Page.navigate", url="about:blank")
    begun = time.perf_counter()
    await page.call("Page.navigate", url=path.as_uri())
    figures = {}
    if pictures:
        await page.until(PICTURES)
        figures["first pictures"] = time.perf_counter() - begun
    await page.until("document.readyState === 'complete'")
    figures["complete"] = time.perf_counter() - begun
    return figures


async def measure_opening(pages: dict[str, Path], rounds: int, home: Path) -> dict[str, dict[str, float]]:
    """Open all pages in turn, so many times; a first round warms up and does not count."""
    driver = chromium_driver()
    program = driver.find_chromium()
    assert program, "there is no Chromium here"
    seen: dict[str, dict[str, list[float]]] = {name: {} for name in pages}
    for turn in range(rounds + 1):
        for name, path in pages.items():
            async with driver.chromium(home / f"{turn}-{name}", program) as page:
                figures = await open_page(page, path, pictures=name != "empty page")
                figures["elements"] = await page.ask("document.querySelectorAll('body *:not(script)').length")
            if turn:
                for key, value in figures.items():
                    seen[name].setdefault(key, []).append(value)
    return summarise(seen)


def summarise(seen: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, float]]:
    """Medians, and medians of the rounds' ratios to the empty page."""
    empty = seen["empty page"]["complete"]
    told: dict[str, dict[str, float]] = {}
    for name, figures in seen.items():
        told[name] = {key: round(statistics.median(values), 3) for key, values in figures.items()}
        for key in ("first pictures", "complete"):
            if key in figures:
                ratios = [one / other for one, other in zip(figures[key], empty, strict=True)]
                told[name][f"{key}, ratio"] = round(statistics.median(ratios), 2)
    return told


async def measure_writing(folder: Path, before: Path, after: Path) -> dict[str, float]:
    """Edits a second with two stills of 720p each, and with none."""
    few = list(entries(60, folder, before, after))
    begun = time.perf_counter()
    await write_report(few, folder / "few.html", embed_limit=0)
    with_stills = time.perf_counter() - begun
    many = (Entry(Edit("gone.mp4", "Make it snow", variant=n), f"{n}.mp4", Status.saved, START) for n in range(20_000))
    begun = time.perf_counter()
    await write_report(many, folder / "many.html")
    return {
        "edits per second, two stills each": round(len(few) / with_stills, 1),
        "edits per second, no files": round(20_000 / (time.perf_counter() - begun)),
    }


async def run(count: int, rounds: int) -> dict[str, object]:
    """Everything, in a folder of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "clips").mkdir()
        before, after = make_clip(folder / "before.mp4", hue=0), make_clip(folder / "after.mp4", hue=120)
        still = take_still(before, edge=256)
        assert still
        edits = list(entries(count, folder / "clips", before, after))
        pages = {kind: folder / f"{kind}.html" for kind in ("empty page", "sheet", "plain page")}
        pages["empty page"].write_text("<!doctype html><title>Empty</title><p>Empty")
        write_sheet(pages["sheet"], edits, still, None)
        write_plain(pages["plain page"], edits, still)
        (folder / "folder").mkdir()
        pages["sheet in a folder"] = folder / "folder" / "index.html"
        write_sheet(pages["sheet in a folder"], edits, still, "posters-00000000")
        return {
            "edits": count,
            "rounds": rounds,
            "picture bytes": len(still.data),
            "file bytes": {kind: path.stat().st_size for kind, path in pages.items()},
            "opening, seconds": await measure_opening(pages, rounds, folder),
            "writing": await measure_writing(folder / "clips", before, after),
            "machine": {"cpus": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()},
        }


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = json.dumps(asyncio.run(run(options.edits, options.rounds)), indent=2)
    print(figures)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(figures + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What a look at a clip costs: our box walker beside PyAV and pymp4, and what a URL costs in requests and bytes.

    python benchmarks/preflight.py [--runs 7] [--json benchmarks/results/preflight.json]

Needs av and pymp4 installed. Contenders run in turn within each round; figures are microseconds of CPU for one local
file (warm, as a batch over a folder finds it), medians over the rounds, so that a busy machine disturbs them little.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import av
from aiohttp import web
from pymp4.parser import Box

from omniedit.media.probe import probe_file, probe_path, probe_url
from omniedit.media.web import MediaWeb
from omniedit.testing import sample_clip

LAYOUTS = ("faststart", "moov_at_end", "fragmented", "mdat64")
REPEATS = 100


def main() -> None:
    """Measure and print; write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = {layout: sample_clip(Path(folder) / f"{layout}.mp4", 10.0, layout=layout) for layout in LAYOUTS}
        results = {
            "machine": {"python": platform.python_version(), "cores": os.cpu_count(), "load": os.getloadavg()[0]},
            "local_cpu_us": {layout: local(path, options.runs) for layout, path in clips.items()},
            "remote": asyncio.run(remote(clips)),
        }
    text = json.dumps(results, indent=2)
    print(text)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(text + "\n")


def local(path: Path, runs: int) -> dict[str, float]:
    """Microseconds of CPU for one look at a local file."""
    contenders: dict[str, Callable[[Path], object]] = {"omniedit": probe_path, "PyAV": with_pyav, "pymp4": with_pymp4}
    times: dict[str, list[float]] = {name: [] for name in (*contenders, "omniedit, awaited")}
    for _ in range(runs):
        for name, look in contenders.items():
            times[name].append(timed(look, path, REPEATS if name == "omniedit" else REPEATS // 10))
        times["omniedit, awaited"].append(asyncio.run(awaited(path)))
    found = {name: round(statistics.median(each), 1) for name, each in times.items()}
    return found | {"PyAV_to_omniedit": round(found["PyAV"] / found["omniedit"], 1)}


def timed(look: Callable[[Path], object], path: Path, repeats: int) -> float:
    """Microseconds of CPU a call."""
    look(path)
    began = time.process_time()
    for _ in range(repeats):
        look(path)
    return (time.process_time() - began) / repeats * 1e6


async def awaited(path: Path) -> float:
    """Microseconds of CPU a call through the event loop and its thread."""
    await probe_file(path)
    began = time.process_time()
    for _ in range(REPEATS):
        await probe_file(path)
    return (time.process_time() - began) / REPEATS * 1e6


def with_pyav(path: Path) -> tuple[float, int]:
    """Length and width from a demuxer."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return float((stream.duration or 0) * (stream.time_base or 1)), stream.width


def with_pymp4(path: Path) -> int:
    """All boxes but the samples: what its documentation shows, with mdat skipped."""
    found, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while file.tell() < size:
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            length = int.from_bytes(head[8:16], "big") if length == 1 else length
            file.seek(-len(head), 1)
            if kind == b"moov":
                found += len(Box.parse(file.read(length)).children)
            else:
                file.seek(length, 1)
    return found


@attrs.define
class Served:
    """What a host was asked for."""

    requests: int = 0
    body_bytes: int = 0


async def remote(clips: dict[str, Path]) -> dict[str, dict[str, int]]:
    """Requests and bytes of one look over HTTP, and the size of the moov, which must be read in any case."""
    served = Served()

    async def serve(request: web.Request) -> web.Response:
        data = clips[request.match_info["name"]].read_bytes()
        wanted = request.http_range
        part = data[wanted]
        served.requests += 1
        served.body_bytes += len(part)
        start = wanted.start or 0
        headers = {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(data)}", "Content-Type": "video/mp4"}
        return web.Response(status=206, body=part, headers=headers)

    app = web.Application()
    app.router.add_get("/{name}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found: dict[str, dict[str, int]] = {}
    async with MediaWeb(allow_private=True) as session:
        for name, path in clips.items():
            served.requests = served.body_bytes = 0
            await probe_url(session, f"http://127.0.0.1:{runner.addresses[0][1]}/{name}")
            moov = moov_size(path)
            assert served.requests <= 4
            assert served.body_bytes <= 16 * 1024 + moov
            found[name] = {"requests": served.requests, "bytes": served.body_bytes, "moov_bytes": moov}
    await runner.cleanup()
    return found


def moov_size(path: Path) -> int:
    """Bytes of the moov box."""
    data = path.read_bytes()
    at = data.index(b"moov") - 4
    return int.from_bytes(data[at : at + 4], "big")


if __name__ == "__main__":
    main()

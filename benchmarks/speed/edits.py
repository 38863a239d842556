"""A whole edit: submit, three looks, a download of 260 KB, beside a bare aiohttp loop with the same requests.

Ours also keeps a journal (each step synced to disk), tells every change, verifies the clip, hashes it, syncs it and
renames it; the bare loop writes the bytes to a file and is done. What is missing for the same promises is known: the
careful loop is the bare one with a commit per step, sha256, sync and rename, written by hand with the standard
library. `python -m benchmarks.speed.edits KIND URL COUNT`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import Figure, HurriedClock, cpu, ratio, serving, take_turns

COUNT = 150  # edits a turn
PAUSE = 0.3  # seconds between two looks of the bare loop
HURRY = 100.0  # times: a task of the server is thought to take two seconds, and is done at the third look
PROMPT = "Make the light warmer"
Note = Callable[[int, str], Awaitable[None]]
Turn = Callable[[int, Path], Coroutine[Any, Any, None]]


async def ours(url: str, turns: Callable[[Turn], Coroutine[Any, Any, None]]) -> None:
    """A batch a turn, its changes read one by one."""
    from omniedit import Client, Edit

    async with Client("sk-benchmark", base_url=url, preflight=False, clock=HurriedClock(HURRY)) as client:

        async def turn(count: int, folder: Path) -> None:
            edits = (Edit(f"http://127.0.0.1/{folder.name}/{number}.mp4", PROMPT) for number in range(count))
            batch = client.batch(edits, save_to=folder, journal=folder / "edits.db")
            async for _ in batch:
                pass
            summary = await batch
            assert summary.counts == {"saved": count}, summary

        await turns(turn)


async def bare(url: str, turns: Callable[[Turn], Coroutine[Any, Any, None]]) -> None:
    """What a careful user writes by hand in an hour."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": "Bearer k"}) as session:

        async def edit(number: int, folder: Path) -> None:
            body = {"model": "m", "prompt": PROMPT, "video_urls": [f"http://127.0.0.1/{number}.mp4"]}
            async with session.post(f"{url}/v1/videos/generations", json=body) as response:
                task = await response.json()
            while task["status"] != "completed":
                await asyncio.sleep(PAUSE)
                async with session.get(f"{url}/v1/tasks/{task['id']}") as response:
                    task = await response.json()
            async with session.get(task["results"][0]) as response:
                with (folder / f"{number}.mp4").open("wb") as file:
                    async for chunk in response.content.iter_chunked(65536):
                        file.write(chunk)

        async def turn(count: int, folder: Path) -> None:
            await asyncio.gather(*(edit(number, folder) for number in range(count)))

        await turns(turn)


async def careful(url: str, turns: Callable[[Turn], Coroutine[Any, Any, None]]) -> None:
    """The same, by someone who has lost a paid clip before: each step is on disk before the next one."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": "Bearer k"}) as session:

        async def edit(number: int, folder: Path, note: Note) -> None:
            body = {"model": "m", "prompt": PROMPT, "video_urls": [f"http://127.0.0.1/{number}.mp4"]}
            await note(number, "intent")
            async with session.post(f"{url}/v1/videos/generations", json=body) as response:
                task = await response.json()
            await note(number, task["id"])
            while task["status"] != "completed":
                await asyncio.sleep(PAUSE)
                async with session.get(f"{url}/v1/tasks/{task['id']}") as response:
                    task = await response.json()
            await note(number, task["results"][0])
            part, digest = folder / f"{number}.part", hashlib.sha256()
            async with session.get(task["results"][0]) as response:
                with part.open("wb") as file:
                    async for chunk in response.content.iter_chunked(65536):
                        file.write(chunk)
                        digest.update(chunk)
                    file.flush()
                    await asyncio.to_thread(os.fsync, file.fileno())
            await asyncio.to_thread(_name, part, folder / f"{number}.mp4")
            await note(number, f"saved {digest.hexdigest()}")

        async def turn(count: int, folder: Path) -> None:
            with noting(folder / "edits.db") as note:
                await asyncio.gather(*(edit(number, folder, note) for number in range(count)))

        await turns(turn)


def _name(part: Path, path: Path) -> None:
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


@contextmanager
def noting(path: Path) -> Iterator[Note]:
    """A journal of one table in a thread of its own, a commit for each step."""
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE step (edit INTEGER, what TEXT)")

    with ThreadPoolExecutor(1) as thread, closing(database):

        async def note(edit: int, what: str) -> None:
            sql = "INSERT INTO step VALUES (?, ?)"
            await asyncio.get_running_loop().run_in_executor(thread, database.execute, sql, (edit, what))

        yield note


KINDS = {"ours": ours, "bare": bare, "careful": careful}


async def contest(kind: str, url: str, count: int) -> None:
    """One batch for each line on standard input."""

    async def turns(turn: Turn) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name in ("first", "second"):
                await in_folder(turn, Path(folder) / name, count)
            print("ready", flush=True)
            number = 0
            while await asyncio.to_thread(sys.stdin.readline):
                number += 1
                before, loop = cpu(), time.thread_time()
                await in_folder(turn, Path(folder) / str(number), count)
                spent = {"cpu": (cpu() - before) / count, "loop": (time.thread_time() - loop) / count}
                print(json.dumps(spent), flush=True)

    await KINDS[kind](url, turns)


async def in_folder(turn: Turn, folder: Path, count: int) -> None:
    """A turn, and a look whether it did its work."""
    folder.mkdir()
    await turn(count, folder)
    assert len(list(folder.glob("*.mp4"))) == count


def measure(rounds: int) -> list[Figure]:
    """CPU of one edit."""
    with serving() as url:
        command = [sys.executable, "-m", "benchmarks.speed.edits"]
        found = take_turns({kind: [*command, kind, url, str(COUNT)] for kind in KINDS}, rounds)
    costs = {kind: [turn["cpu"] for turn in turns] for kind, turns in found.items()}
    loops = {kind: [turn["loop"] for turn in turns] for kind, turns in found.items()}
    return [
        ratio("a whole edit: CPU beside a bare aiohttp loop", costs["ours"], costs["bare"], bar=1.5),
        ratio("a whole edit: CPU beside a loop that keeps the same promises, by hand", costs["ours"], costs["careful"]),
        ratio("what the promises cost by hand: the careful loop beside the bare one", costs["careful"], costs["bare"]),
        ratio("a whole edit: CPU of the event loop's thread beside the bare loop's", loops["ours"], loops["bare"]),
        _milliseconds("a whole edit: CPU", costs["ours"]),
        _milliseconds("a whole edit: CPU of threads that write, hash and sync", _differences(costs, loops)),
        _milliseconds("the bare loop: CPU", costs["bare"]),
    ]


def _differences(costs: dict[str, list[float]], loops: dict[str, list[float]]) -> list[float]:
    return [whole - loop for whole, loop in zip(costs["ours"], loops["ours"], strict=True)]


def _milliseconds(name: str, seconds: list[float]) -> Figure:
    found = [one * 1000 for one in sorted(seconds)]
    return Figure(name, found[len(found) // 2], "ms", found[0], found[-1])


if __name__ == "__main__":
    _, kind, url, count = sys.argv
    asyncio.run(contest(kind, url, int(count)))

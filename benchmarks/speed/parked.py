"""Edits that wait: what one of a hundred thousand costs in memory, and what waking one up costs.

`python -m benchmarks.speed.parked PART URL COUNT` measures one part in a process of its own. Edits come from a journal
in which their tasks are accepted, as after a restart; the server says that they are under way.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import attrs

from benchmarks.harness import ROOT, Figure, cpu, serving
from benchmarks.speed.replies import make_certificate
from omniedit import Client, Edit
from omniedit.clock import SystemClock
from omniedit.core.polling import DueQueue
from omniedit.flow.alarm import Alarm
from omniedit.flow.crew import Crew
from omniedit.journal import SqliteJournal
from omniedit.journal.database import writable
from omniedit.journal.tables import Writing
from omniedit.models import Answer, Entry, Outcome, Status

MANY = int(os.environ.get("OMNIEDIT_BENCH_PARKED", "100000"))
SECONDS = 15.0
SPAN = 60.0  # seconds between two wake-ups of one edit
Found = dict[str, float]


def edit(number: int) -> Edit:
    """With names and a prompt as long as they often are."""
    return Edit(f"https://bucket.example.com/clips/{number:07d}-holiday.mp4", "Make the light warmer. No dialogue.")


def fill(path: Path, url: str, count: int, *, ending: bool) -> None:
    """A journal of accepted tasks."""
    now = datetime.now(UTC)
    with writable(path, url) as connection:
        tables = Writing(connection)
        connection.execute("BEGIN IMMEDIATE")
        for number in range(count):
            entry = Entry(edit(number), str(path.parent / f"{number:07d}-holiday.mp4"), Status.queued, now)
            tables.admit([entry])
            entry = attrs.evolve(entry, status=Status.submitting, nonce=f"{number:032d}")
            tables.intend(entry)
            task_id = f"task-unified-1757165031-{number:08d}{'-done' if ending else ''}"
            entry = attrs.evolve(entry, status=Status.pending, task_id=task_id, submitted_at=now, unfinished_at=now)
            tables.answer(Answer(f"{entry.nonce}", Outcome.accepted, now, task_id), entry)
        connection.execute("COMMIT")


def resident() -> int:
    """Bytes of memory in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def flight(url: str, count: int, context: ssl.SSLContext | None = None) -> Found:
    """So many edits in flight through the whole client: memory of each, CPU of each look."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edits.db"
        fill(path, url, count, ending=False)
        size = path.stat().st_size
        async with Client("sk-benchmark", base_url=url, preflight=False, ssl_context=context) as client:
            gc.collect()
            before = resident()
            batch = client.batch(map(edit, range(count)), save_to=folder, journal=SqliteJournal(path))
            watching = asyncio.ensure_future(drain(batch))
            await until(lambda: (now := client.statistics()) is not None and now.live >= count)
            await asyncio.sleep(25.0)  # every edit has been looked at once or waits for it; the pace is found
            gc.collect()
            memory = resident() - before
            looks, used = accepted(client), cpu()
            await asyncio.sleep(SECONDS)
            spent, looked = cpu() - used, accepted(client) - looks
            watching.cancel()
            await asyncio.wait([watching])
    return {
        "bytes": memory / count,
        "cpu_per_request": spent / max(looked, 1),
        "requests": looked,
        "journal": size / count,
        "resident": resident() / 1e6,
    }


def accepted(client: Client) -> int:
    """Looks answered so far."""
    statistics = client.statistics()
    return 0 if statistics is None else statistics.gate.poll.accepted


async def drain(batch: object) -> None:
    """Read changes as they come."""
    async for _ in batch:  # type: ignore[attr-defined]
        pass


async def until(done: Callable[[], bool]) -> None:
    """Bounded."""
    ends = time.monotonic() + 1500
    while not done():
        assert time.monotonic() < ends
        await asyncio.sleep(0.1)


async def wake(_url: str, count: int) -> Found:
    """The engine's queue, timer and workers, with nothing to do but to park again: CPU of each wake-up, lateness."""
    clock, queue, late = SystemClock(), DueQueue[int](), list[float]()
    due = [0.0] * count

    def park(number: int, at: float) -> None:
        due[number] = at
        queue.push(number, at)

    def take() -> int | None:
        found = queue.pop_due(clock.monotonic(), 1)
        if found:
            return found[0]
        alarm.set(queue.next_due() or 0.0)
        return None

    async def work(number: int) -> None:
        now = clock.monotonic()
        late.append(now - due[number])
        park(number, now + random.uniform(0.5, 1.5) * SPAN)

    crew: Crew[int] = Crew(32, take, work, lambda _: None)
    alarm = Alarm(clock, crew.nudge)
    now = clock.monotonic()
    for number in range(count):
        park(number, now + 1 + random.random() * SPAN)
    alarm.set(now + 1)
    await asyncio.sleep(2.0)
    late.clear()
    used = cpu()
    await asyncio.sleep(SECONDS)
    spent = cpu() - used
    await alarm.close()
    await crew.close()
    late.sort()
    return {"cpu": spent / len(late), "p99": late[int(len(late) * 0.99)], "count": len(late)}


async def sleeps(_url: str, count: int) -> Found:
    """The same with a coroutine and a sleep for each, as programs are often written."""
    late: list[float] = []

    async def one() -> None:
        at = time.monotonic() + 1 + random.random() * SPAN
        while True:
            await asyncio.sleep(at - time.monotonic())
            now = time.monotonic()
            late.append(now - at)
            at = now + random.uniform(0.5, 1.5) * SPAN

    before = resident()
    tasks = [asyncio.ensure_future(one()) for _ in range(count)]
    await asyncio.sleep(2.0)
    memory = resident() - before
    late.clear()
    used = cpu()
    await asyncio.sleep(SECONDS)
    spent = cpu() - used
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    late.sort()
    return {"cpu": spent / len(late), "p99": late[int(len(late) * 0.99)], "bytes": memory / count}


async def ends(url: str, count: int) -> Found:
    """So many edits in flight until all have ended: CPU of each, from admission to its last write."""
    await ended(url, 100)
    return {"cpu": await ended(url, count)}


async def ended(url: str, count: int) -> float:
    """CPU seconds of one edit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edits.db"
        fill(path, url, count, ending=True)
        async with Client("sk-benchmark", base_url=url, preflight=False) as client:
            used = cpu()
            summary = await client.batch(map(edit, range(count)), save_to=folder, journal=SqliteJournal(path))
            assert summary.counts == {"failed": count}, summary.counts
            return (cpu() - used) / count


async def tls(url: str, count: int) -> Found:
    """Looks one by one over TLS."""
    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    return await flight(url, count, context)


PARTS: dict[str, Callable[[str, int], Awaitable[Found]]] = {
    "flight": flight,
    "wake": wake,
    "sleeps": sleeps,
    "ends": ends,
    "tls": tls,
}


def part(name: str, url: str, count: int, **environment: str) -> Found:
    """One part in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.speed.parked", name, url, str(count)]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, **environment}, timeout=900
    )
    found: Found = json.loads(done.stdout)
    return found


def measure(rounds: int) -> list[Figure]:
    """Waiting, waking and ending."""
    found: dict[str, list[Found]] = {"wake": [], "sleeps": [], "few": [], "many": []}
    with serving("--bulk") as url:
        for _ in range(rounds):
            found["wake"].append(part("wake", url, MANY))
            found["sleeps"].append(part("sleeps", url, MANY))
            found["few"].append(part("ends", url, 300))
            found["many"].append(part("ends", url, 6000))
        whole = part("flight", url, MANY)
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = make_certificate(Path(folder))
        with serving("--tls", str(certificate), str(key)) as url:
            secure = part("tls", url, 500, SSL_CERT_FILE=str(certificate))
    at = f"{MANY:,} edits in flight:"
    return [
        Figure(f"{at} memory of one", whole["bytes"] / 1024, "KiB", bar=2.0),
        _middle(f"{at} CPU of a wake-up", found["wake"], "cpu", 1e6, "us", 25.0),
        _middle(f"{at} lateness, 99th percentile", found["wake"], "p99", 1e3, "ms", 50.0),
        _middle(f"{at} CPU of a wake-up, one sleep each", found["sleeps"], "cpu", 1e6, "us"),
        _middle(f"{at} lateness, one sleep each", found["sleeps"], "p99", 1e3, "ms"),
        _middle(f"{at} memory of one, one sleep each", found["sleeps"], "bytes", 1 / 1024, "KiB"),
        Figure(f"{at} CPU of a bulk look, 50 tasks decoded", whole["cpu_per_request"] * 1e6, "us"),
        Figure(f"{at} tasks looked at per second", whole["requests"] * 50 / SECONDS, "tasks/s"),
        Figure(f"{at} journal", whole["journal"], "bytes/edit"),
        _growth(found["many"], found["few"]),
        Figure("500 edits looked at over TLS: memory of the process", secure["resident"], "MB", bar=70.0),
    ]


def _middle(name: str, found: list[Found], key: str, scale: float, unit: str, bar: float | None = None) -> Figure:
    values = sorted(one[key] * scale for one in found)
    return Figure(name, values[len(values) // 2], unit, values[0], values[-1], bar)


def _growth(many: list[Found], few: list[Found]) -> Figure:
    values = sorted(one["cpu"] / other["cpu"] for one, other in zip(many, few, strict=True))
    name = "CPU of an edit with 6,000 in flight, beside 300"
    return Figure(name, values[len(values) // 2], "times", values[0], values[-1], 1.2)


if __name__ == "__main__":
    _, name, url, count = sys.argv
    print(json.dumps(asyncio.run(PARTS[name](url, int(count)))))

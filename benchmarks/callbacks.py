"""Callbacks beside polling only: looks and detection lag per task, and a storm of forged calls while a batch runs.

`python -m benchmarks.callbacks` runs each batch three times, interleaved, against the sandbox in this process and
writes `benchmarks/results/callbacks.json`. A look that confirms a call is counted apart from looks on suspicion. The
lag is from the end of a task on the sandbox to the moment at which the client knew of it.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict

import aiohttp

from omniedit import Client, Edit, Status
from omniedit.flow.receiver import Receiver
from omniedit.testing import Sandbox, Settings, sample_clip

TASKS = 200
ROUNDS = 3
FORGED = 10_000
SENDERS = 4  # forgers at once
SANDBOX = Settings(task_seconds=6.0, task_spread=0.3, editing="copy")
RESULT = Path(__file__).parent / "results" / "callbacks.json"


class Round(TypedDict):
    """One batch."""

    looks: float
    suspicious: float
    lag: float
    seconds: float


@asynccontextmanager
async def client_of(sandbox: Sandbox, *, called: bool) -> AsyncIterator[tuple[Client, Receiver, str]]:
    """A client, with a receiver that it uses or does not use."""
    clients: list[Client] = []
    receiver = Receiver(lambda *call: clients[0].hint(*call))
    async with receiver.served("127.0.0.1", 0) as address:
        base = address if called else None
        async with sandbox.client(max_rate=100.0, callback_base=base) as client:
            clients.append(client)
            yield client, receiver, address


async def batch(folder: Path, clip: Path, *, called: bool, forged: int = 0) -> Round:
    """One batch of tasks; its figures per task."""
    known: dict[str, float] = {}
    async with Sandbox(SANDBOX) as sandbox, client_of(sandbox, called=called) as (client, receiver, address):
        source = sandbox.host_clip(clip)
        edits = [Edit(source, "make it warmer", variant=number) for number in range(TASKS)]
        storm = asyncio.create_task(forge(address, forged))
        began = time.perf_counter()
        async for change in client.batch(edits, save_to=folder):
            if change.status == Status.completed and change.task_id is not None:
                known[change.task_id] = change.at.timestamp()
        seconds = time.perf_counter() - began
        await storm
        ends = {task.id: task.ends for task in sandbox.accepted}
        lags = [known[task] - ends[task] for task in known]
        stats = client.statistics()
        looks = stats.looks / TASKS if stats is not None else 0.0
    confirmed = receiver.statistics.known / TASKS
    return Round(
        looks=looks,
        suspicious=max(looks - confirmed, 0.0),
        lag=statistics.fmean(lags) if lags else 0.0,
        seconds=seconds,
    )


async def forge(address: str, count: int) -> None:
    """So many well formed calls that nobody asked for."""
    body = json.dumps({"id": "task-unified-1-forged", "status": "completed"}).encode()
    left = iter(range(count))
    async with aiohttp.ClientSession() as session:

        async def sender() -> None:
            for number in left:
                async with session.post(f"{address}/{number:032d}", data=body) as reply:
                    assert reply.status == 204

        await asyncio.gather(*(sender() for _ in range(SENDERS)))


async def main() -> None:
    """All three kinds, interleaved."""
    kinds = {"polling": (False, 0), "callbacks": (True, 0), "storm": (True, FORGED)}
    rounds: dict[str, list[Round]] = {name: [] for name in kinds}
    with tempfile.TemporaryDirectory() as place:
        clip = sample_clip(Path(place) / "clip.mp4", seconds=1.0, size=(160, 90))
        for number in range(ROUNDS):
            for name, (called, forged) in kinds.items():
                folder = Path(place) / f"{name}-{number}"
                rounds[name].append(await batch(folder, clip, called=called, forged=forged))
    figures = {
        name: {key: statistics.median(one[key] for one in done) for key in ("looks", "suspicious", "lag", "seconds")}
        for name, done in rounds.items()
    }
    figures["ratios"] = {"storm_time": figures["storm"]["seconds"] / figures["callbacks"]["seconds"]}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"tasks": TASKS, "rounds": ROUNDS, "forged": FORGED, **figures}, indent=2) + "\n")
    print(RESULT.read_text())


if __name__ == "__main__":
    asyncio.run(main())

"""`python -m benchmarks.real_limits [--seconds N]`: the gate over HTTP, against the sandbox with every kind of limit.

Real processes, real sockets, real time; a minute of the service and of the governor passes in three seconds, so that
ten minutes of submits fit into half a minute. One run is unscaled, with `Retry-After` in whole seconds. The limits are
unknown to the clients. The oracle is arithmetic: the limit times the time, and the burst. Where requests at once are
counted, each answer takes a second of the service.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import tables
from benchmarks.harness import ROOT, Figure
from benchmarks.simulate.judge import keep
from omniedit.api import wire
from omniedit.api.client import Door
from omniedit.api.gate import Gate, Lane, Turn
from omniedit.models import Edit, Intent, Status
from omniedit.testing import Limit, Sandbox, Settings, sample_clip

SCALE = 20.0
TASK = 60.0  # s, of the service
ANSWER = 1.0  # s, of the service: what an answer takes where requests at once are counted


@dataclass(frozen=True)
class Case:
    """One limit of the service, and how many processes share it."""

    name: str
    limit: Limit
    processes: int = 1
    scale: float = SCALE
    retry_after: bool = False

    def capacity(self, seconds: float) -> float:
        """What an oracle gets through in so long a time of the service."""
        limit = self.limit
        match limit.kind:
            case "live_tasks":
                return limit.amount * (1 + seconds / (TASK + 2.5))
            case "concurrent":
                return limit.amount * seconds / ANSWER
            case _:
                return limit.amount * seconds / limit.per + (limit.burst or 0)

    def faults(self) -> list[dict[str, object]]:
        """What makes the limit felt: requests at once are only where answers take their time."""
        if self.limit.kind != "concurrent":
            return []
        return [{"fault": "slow", "seconds": ANSWER / self.scale, "on": "submit"}]


def _limit(kind: str, amount: float, per: float = 60.0, burst: float | None = None) -> Limit:
    return Limit(kind=kind, amount=amount, per=per, burst=burst, lanes=("submit",))  # type: ignore[arg-type]


CASES = [
    Case("token bucket, 2/s", _limit("token_bucket", 120, burst=10)),
    Case("fixed window, 120/min", _limit("fixed_window", 120)),
    Case("sliding window, 120/min", _limit("sliding_window", 120)),
    Case("20 live tasks", _limit("live_tasks", 20)),
    Case("3 requests at once", _limit("concurrent", 3)),
    Case("token bucket, 2/s, four processes", _limit("token_bucket", 120, burst=10), processes=4),
    Case("fixed window, 120/min, four processes", _limit("fixed_window", 120), processes=4),
    Case("20 in 5 s, Retry-After, unscaled", _limit("fixed_window", 20, per=5.0), scale=1.0, retry_after=True),
]


class ScaledClock:
    """Time that passes faster."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def monotonic(self) -> float:
        return time.monotonic() * self.scale

    def utcnow(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0) / self.scale)


class Submitter:
    """Endless submits through one gate, and looks at the tasks where their end makes room."""

    def __init__(self, url: str, key: str, clip: str, scale: float, *, looks: bool) -> None:
        self.door = Door(key, base_url=url)
        self.clock = ScaledClock(scale)
        self.gate = Gate(clock=self.clock)
        self.clip, self.looks = clip, looks
        self.accepted = self.refused = self.undercut = self.count = 0
        self.asked = 0.0
        self.watchers: set[asyncio.Task[None]] = set()

    async def work(self, until: float) -> None:
        """Submit until then (monotonic seconds of the machine)."""
        while time.monotonic() < until:
            turn = await self.gate.enter(Lane.SUBMIT)
            self.undercut += time.monotonic() < self.asked
            await self._submit(turn)

    async def _submit(self, turn: Turn) -> None:
        self.count += 1
        nonce = f"limits-{id(self):x}-{self.count:08}"
        with turn:
            reply = await self.door.submit(Intent(Edit(self.clip, "warmer"), self.clip, nonce))
            if reply.status == 429:
                self.refused += 1
                after = reply.headers.get("Retry-After", reply.headers.get("retry-after"))
                self.asked = max(self.asked, time.monotonic() + float(after or 0) - 0.001)
                turn.refused(reply.headers)
                return
            self.accepted += 1
            turn.accepted(reply.headers)
        if self.looks:
            watcher = asyncio.create_task(self._watch(wire.read_task(reply).id))
            self.watchers.add(watcher)
            watcher.add_done_callback(self.watchers.discard)

    async def _watch(self, task_id: str) -> None:
        await self.clock.sleep(TASK)
        while not _over(wire.read_task(await self.door.ask(wire.look(task_id))).status):
            await self.clock.sleep(2.5)
        self.gate.finished()


def _over(status: Status) -> bool:
    return status.terminal or status == Status.completed


async def submitter(url: str, key: str, clip: str, scale: float, seconds: float, *, looks: bool) -> None:
    """One process: eight at a time, which is more than any limit here lets through."""
    one = Submitter(url, key, clip, scale, looks=looks)
    until = time.monotonic() + seconds
    workers = [asyncio.create_task(one.work(until)) for _ in range(8)]
    await asyncio.wait(workers, timeout=seconds)
    for task in (*workers, *one.watchers):
        task.cancel()
    await asyncio.gather(*workers, *one.watchers, return_exceptions=True)
    await one.door.close()
    lane = one.gate.statistics().submit
    print(json.dumps({"accepted": one.accepted, "refused": one.refused, "undercut": one.undercut, "end": lane.regime}))


async def measure(case: Case, seconds: float, folder: Path) -> dict[str, float]:
    """One case: the sandbox here, the clients in processes of their own."""
    settings = Settings(
        limits=(case.limit,),
        time_scale=case.scale,
        task_seconds=TASK,
        task_spread=0.0,
        retry_after="seconds" if case.retry_after else "none",
    )
    looks = "looks" if case.limit.kind == "live_tasks" else ""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(settings, faults=case.faults()))
        clip = sandbox.host_clip(sample_clip(folder / "clip.mp4", seconds=1.0))
        command = ["--submit", sandbox.base_url, sandbox.api_key, clip, str(case.scale), str(seconds), looks]
        found = await asyncio.gather(*(_process(command) for _ in range(case.processes)))
    accepted, refused = sum(one["accepted"] for one in found), sum(one["refused"] for one in found)
    capacity = case.capacity(seconds * case.scale)
    measures = {
        "accepted": accepted,
        "refused": round(refused / max(accepted + refused, 1), 4),
        "undercut": sum(one["undercut"] for one in found),
        "share": round(accepted / capacity, 4),
    }
    if case.processes > 1:
        squares = sum(one["accepted"] ** 2 for one in found)
        measures["jain"] = round(accepted**2 / (case.processes * squares), 4)
    return measures


async def _process(command: list[str]) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.real_limits", *command, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    output, _ = await process.communicate()
    found: dict[str, float] = json.loads(output)
    return found


def figures(rows: dict[str, dict[str, float]]) -> list[Figure]:
    """One line for each measure of each case."""
    found = []
    for name, row in rows.items():
        found.append(Figure(f"{name}: share of the oracle", row["share"], "", bar=0.85, at_least=True))
        found.append(Figure(f"{name}: refused", row["refused"], "", bar=0.05))
        if "jain" in row:
            found.append(Figure(f"{name}: Jain's index", row["jain"], ""))
    found.append(Figure("requests before a Retry-After was over", sum(row["undercut"] for row in rows.values()), bar=0))
    return found


async def run(seconds: float) -> dict[str, dict[str, float]]:
    """All cases, one after the other."""
    rows = {}
    with TemporaryDirectory() as folder:
        for case in CASES:
            rows[case.name] = await measure(case, seconds, Path(folder))
            print(case.name, rows[case.name], flush=True)
    return rows


def main() -> None:
    """Run all and keep it; or be one of the clients."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_limits", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="real seconds of each case")
    parser.add_argument("--submit", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.submit:
        url, key, clip, scale, seconds, looks = options.submit
        asyncio.run(submitter(url, key, clip, float(scale), float(seconds), looks=bool(looks)))
        return
    rows = asyncio.run(run(options.seconds))
    keep("real_limits", figures(rows), rows)
    tables.write()


if __name__ == "__main__":
    main()

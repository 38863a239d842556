"""A batch in a process of its own, which may kill itself (SIGKILL) at a named point.

Usage: batch_process.py OPTIONS, a JSON object:

    base_url, folder, edits     where, and how many
    on_uncertain, retry_failed  as for `client.batch`
    die_at, nth                 a point of `Dying`, reached for the n-th time
    jump, after                 seconds by which the wall clock jumps once so many edits were accepted
    rate                        bytes a second of all downloads
    max_rate                    submits a second of the world
    file_size                   no file may become larger: a full disk, without one
    timeout, task_timeout       seconds of each wait for an answer; seconds of the world for one task

It prints `open` when it holds the journal, and one JSON object at the end: counts per status, what
stopped it, and its memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from omniedit import Client, Edit, OmniEditError, SqliteJournal, Status
from omniedit.api.client import Timeouts
from omniedit.models import Answer, Entry

SCALE = 20.0  # seconds of the world in one real second


class Clock:
    """Fast time, with a wall clock that jumps."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._wall = datetime.now(UTC)
        self.shift = timedelta()

    def monotonic(self) -> float:
        """Seconds of the world."""
        return (time.monotonic() - self._began) * SCALE

    def utcnow(self) -> datetime:
        """The wall clock of the world."""
        return self._wall + timedelta(seconds=self.monotonic()) + self.shift

    async def sleep(self, seconds: float) -> None:
        """Wait, in seconds of the world."""
        await asyncio.sleep(max(seconds, 0.0) / SCALE)


class Dying(SqliteJournal):
    """The journal of people's batches; its process ends, as by kill -9, when a point is reached for the n-th time.

    The points: `intend`, `intended`, `answer`, `answered`, `write STATUS`, `written STATUS`, and for the write between
    the verified bytes and their name `write verified`, `written verified`.
    """

    def __init__(self, path: Path, point: str | None, nth: int) -> None:
        super().__init__(path)
        self._point = point
        self._left = nth

    def _reach(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)

    async def open(self, origin: str) -> None:
        """From here on it works."""
        await super().open(origin)
        sys.stdout.write("open\n")
        sys.stdout.flush()

    async def intend(self, entry: Entry) -> None:
        """Before a paid request leaves."""
        self._reach("intend")
        await super().intend(entry)
        self._reach("intended")

    async def answer(self, answer: Answer, entry: Entry | None = None) -> None:
        """When it was answered."""
        self._reach("answer")
        await super().answer(answer, entry)
        self._reach("answered")

    async def write(self, entry: Entry) -> None:
        """Every other move."""
        verified = entry.status == Status.downloading and entry.sha256 is not None
        word = "verified" if verified else str(entry.status)
        self._reach(f"write {word}")
        await super().write(entry)
        self._reach(f"written {word}")


async def main(options: dict[str, Any]) -> None:
    """Run the batch, and say what came of it."""
    clock, folder = Clock(), Path(options["folder"])
    wait = options.get("timeout", 10.0)
    client = Client(
        "sk-weather",
        base_url=options["base_url"],
        journal=Dying(folder / "edits.db", options.get("die_at"), options.get("nth", 1)),
        clock=clock,
        preflight=False,
        grace=1.0,
        timeouts=Timeouts(connect=wait, submit=wait, read=wait, stall=2 * wait),
        limit_rate=options.get("rate"),
        task_timeout=options.get("task_timeout", 3600.0),
        max_rate=options.get("max_rate"),
        on_uncertain=options.get("on_uncertain", "hold"),
    )
    if options.get("file_size"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (options["file_size"], resource.RLIM_INFINITY))
    source = options.get("source", "https://clips.example.com/a.mp4")
    edits = (Edit(source, f"wish {number}.") for number in range(options["edits"]))
    async with client:
        batch = client.batch(
            edits, save_to=folder / "out", name="{key}", retry_failed=options.get("retry_failed", False)
        )
        accepted = 0
        async for change in batch:
            accepted += change.status == Status.pending
            if accepted == options.get("after") and not clock.shift:
                clock.shift = timedelta(seconds=options["jump"])
        summary = await batch
    counts = {str(status): count for status, count in summary.counts.items()}
    say({"counts": counts, "stopped": summary.stopped.code if summary.stopped else None, "peak_mb": peak_mb()})


def peak_mb() -> float:
    """Memory of this process at its largest; 0 where nobody tells."""
    status = Path("/proc/self/status")
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1e3 if status.exists() else 0.0


def say(found: dict[str, Any]) -> None:
    """The last line."""
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    try:
        asyncio.run(main(json.loads(sys.argv[1])))
    except OmniEditError as error:
        say({"counts": {}, "stopped": error.code})

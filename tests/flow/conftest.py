"""A whole world for one test: the sandbox on fast time, a client beside it, and a check on everything that is told."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from omniedit import Change, Client, Edit, Status
from omniedit.api.client import Timeouts
from omniedit.core.lifecycle import follows
from omniedit.testing import Sandbox, Settings, is_whole

SCALE = 20.0  # seconds of the world in one real second
SHORT = Timeouts(connect=1.0, submit=1.0, read=1.0, stall=2.0)


class FastClock:
    """Time that runs faster than the machine's; `shift` makes the wall clock jump."""

    def __init__(self, scale: float = SCALE) -> None:
        self._scale = scale
        self._began = time.monotonic()
        self._wall = datetime.now(UTC)
        self.shift = timedelta()

    def monotonic(self) -> float:
        """Seconds of this world."""
        return (time.monotonic() - self._began) * self._scale

    def utcnow(self) -> datetime:
        """The wall clock of this world, with its jumps."""
        return self._wall + timedelta(seconds=self.monotonic()) + self.shift

    async def sleep(self, seconds: float) -> None:
        """Wait, in seconds of this world."""
        await asyncio.sleep(max(seconds, 0.0) / self._scale)


def check_order(changes: Iterable[Change]) -> None:
    """Every change moves by the table, from the status that was told before; nothing is skipped."""
    last: dict[str, Status] = {}
    for change in changes:
        before = last.get(change.edit.key)
        assert change.previous in {before, None}, f"{change.status} after {change.previous}, but {before} was told"
        assert change.at.tzinfo is not None
        if before is not None and change.status != before:
            legal = follows(change.status, before, reopening=before.terminal)
            assert legal, f"{before} -> {change.status}"
        if change.status == Status.saved and before is not None:  # the first one may be of a file that is gone
            assert change.path is not None
            assert change.path.exists()
        if change.status.terminal and change.status != Status.saved:
            assert change.error is not None, f"{change.status} without a reason"
        last[change.edit.key] = change.status


@attrs.define
class World:
    """A sandbox, a folder, and time."""

    sandbox: Sandbox
    folder: Path
    clock: FastClock

    def client(self, **options: Any) -> Client:
        """A client of this world."""
        chosen = {"clock": self.clock, "preflight": False, "grace": 1.0, "timeouts": SHORT, "journal": self.journal}
        return self.sandbox.client(**(chosen | options))

    @property
    def journal(self) -> Path:
        """Where this world's journal lies."""
        return self.folder / "edits.db"

    @property
    def out(self) -> Path:
        """Where results go."""
        return self.folder / "out"

    def edit(self, number: int = 0, wish: str = "wish", **options: Any) -> Edit:
        """One edit; the sandbox hands out canned clips, so nobody fetches the source."""
        return Edit(f"https://clips.example.com/{number:05}.mp4", f"{wish} {number}.", **options)

    def edits(self, count: int, wish: str = "wish") -> list[Edit]:
        """Edits, each with a prompt of its own."""
        return [self.edit(number, wish) for number in range(count)]

    async def watch(self, run: AsyncIterable[Change]) -> list[Change]:
        """Everything that is told, checked."""
        changes = [change async for change in run]
        check_order(changes)
        return changes

    def check(self, *, posts: int | None = None, files: int | None = None) -> None:
        """No edit was accepted twice, no nonce made two tasks, no half file has a name."""
        prompts = Counter(task.prompt for task in self.sandbox.accepted)
        assert max(prompts.values(), default=1) == 1, f"accepted twice: {prompts.most_common(3)}"
        if posts is not None:
            assert len(self.sandbox.submissions) == posts
        saved = sorted(self.folder.rglob("*.mp4"))
        assert [path for path in saved if not is_whole(path)] == []
        if files is not None:
            assert len(saved) == files

    def lines(self, path: str, method: str = "GET") -> int:
        """How often a path was asked for."""
        return sum(request.path.startswith(path) and request.method == method for request in self.sandbox.requests)


Make = Callable[..., Any]


@asynccontextmanager
async def made(folder: Path, faults: Any = (), **settings: Any) -> AsyncIterator[World]:
    """A world: tasks of a second and a half that end in a fourteenth, canned results."""
    chosen: Mapping[str, Any] = {"time_scale": SCALE, "editing": "canned", **settings}
    clock = FastClock()
    async with Sandbox(Settings(**chosen), faults=faults) as sandbox:
        yield World(sandbox, folder, clock)


@pytest.fixture
def world(tmp_path: Path) -> Make:
    """Makes worlds, with faults and the sandbox's settings."""
    return lambda *args, **kwargs: made(tmp_path, *args, **kwargs)


@pytest.fixture
def order() -> Callable[[Iterable[Change]], None]:
    """The check on the order of changes."""
    return check_order

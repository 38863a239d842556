"""A crew: its size, places that become free whatever happens, and items that come back."""

from __future__ import annotations

import asyncio
import sys
from collections import deque

import pytest

from omniedit.flow.crew import Crew


class Desk:
    """Items that wait, and what became of them."""

    def __init__(self, *items: str, size: int = 1) -> None:
        self.waiting = deque(items)
        self.done: list[str] = []
        self.failed: list[str] = []
        self.open = asyncio.Event()
        self.crew: Crew[str] = Crew(size, self.take, self.work, self.failed.append)

    def take(self) -> str | None:
        """The next item."""
        return self.waiting.popleft() if self.waiting else None

    async def work(self, item: str) -> None:
        """`now` is done at once, `bad` is a defect; the others wait until the desk opens."""
        if item == "bad":
            raise ZeroDivisionError
        if item != "now":
            await self.open.wait()
        self.done.append(item)


async def a_few_steps() -> None:
    """More than any of this work takes."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_work_at_once_than_the_crew_has_hands() -> None:
    """The rest waits, and is taken when a hand is free."""
    desk = Desk("a", "b", "c", size=2)
    desk.crew.nudge()
    assert (desk.crew.busy, list(desk.waiting)) == (2, ["c"])
    desk.open.set()
    await a_few_steps()
    assert (desk.done, desk.crew.busy) == (["a", "b", "c"], 0)


async def test_a_defect_is_told_and_stops_nobody_else() -> None:
    """The hand is free again before anybody hears of it."""
    desk = Desk("bad", "now")
    desk.crew.nudge()
    await a_few_steps()
    assert (desk.done, desk.failed, desk.crew.busy) == (["now"], ["bad"], 0)


@pytest.mark.parametrize("steps", [0, 1, 3])
async def test_a_dropped_item_leaves_its_place_to_the_next(steps: int) -> None:
    """Before its first step too, which it then never takes."""
    desk = Desk("a", "now")
    desk.crew.nudge()
    for _ in range(steps):
        await asyncio.sleep(0)
    await desk.crew.drop("a")
    await a_few_steps()
    assert (desk.done, desk.crew.busy) == (["now"], 0)


async def test_a_closed_crew_takes_nothing_more() -> None:
    """What was under way has stopped when `close` returns."""
    desk = Desk("a", "b", "c", size=2)
    desk.crew.nudge()
    await desk.crew.close()
    desk.open.set()
    desk.crew.nudge()
    await asyncio.sleep(0)
    assert (desk.done, list(desk.waiting)) == ([], ["c"])


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_work_that_an_eager_loop_does_at_once_takes_no_place() -> None:
    """However much of it there is: nothing nests."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
    try:
        desk = Desk(*["now"] * 2_000, "a")
        desk.crew.nudge()
        assert (len(desk.done), desk.crew.busy) == (2_000, 1)
        desk.open.set()
        await a_few_steps()
        assert desk.crew.busy == 0
    finally:
        loop.set_task_factory(None)

"""The thread behind a journal: order, groups, failures, and its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pytest

from omniedit.errors import JournalError
from omniedit.journal.worker import Call, Worker


class Notebook:
    """A service that writes down what it was given; `broken` makes it fail in a way that no service may."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.lines: list[object] = []
        self.tidied = 0
        self.closed_by = ""
        self.broken = False
        self.going = threading.Event()

    def perform(self, calls: Sequence[Call[Notebook]]) -> None:
        """Run the calls."""
        self.going.wait()
        if self.broken:
            raise RuntimeError("a mistake in the service")
        self.groups.append(len(calls))
        for call in calls:
            call.run(self)

    def tidy(self) -> None:
        """Count."""
        self.tidied += 1

    @contextmanager
    def opened(self) -> Iterator[Notebook]:
        """Remember on which thread it was closed."""
        yield self
        self.closed_by = threading.current_thread().name


@pytest.fixture
def notebook() -> Notebook:
    """A fresh one, whose thread does not wait."""
    notebook = Notebook()
    notebook.going.set()
    return notebook


def write_down(line: object, notebook: Notebook) -> None:
    """An operation."""
    notebook.lines.append(line)


async def test_what_waits_is_one_group_up_to_its_weight(notebook: Notebook) -> None:
    """The first call goes alone, what gathers meanwhile goes together, in order, 256 at most."""
    worker = Worker("test", notebook.opened)
    notebook.going.clear()
    calls = [asyncio.ensure_future(worker.call(partial(write_down, i))) for i in range(600)]
    await asyncio.sleep(0)
    notebook.going.set()
    await asyncio.gather(*calls)
    await worker.stop()
    assert notebook.lines == list(range(600))
    assert sum(notebook.groups) == 600
    assert max(notebook.groups) == 256
    assert notebook.closed_by == "test"


async def test_heavy_call_fills_a_group(notebook: Notebook) -> None:
    """A call that writes a lot is not joined by many others."""
    worker = Worker("test", notebook.opened)
    notebook.going.clear()
    calls = [asyncio.ensure_future(worker.call(lambda n: None, weight=256)) for _ in range(3)]
    await asyncio.sleep(0)
    notebook.going.set()
    await asyncio.gather(*calls)
    await worker.stop()
    assert notebook.groups == [1, 1, 1]


async def test_results_and_refusals_go_to_their_callers(notebook: Notebook) -> None:
    """A refusal of one call is nobody else's."""

    def refuse(_notebook: Notebook) -> None:
        raise JournalError("no")

    worker = Worker("test", notebook.opened)
    results = await asyncio.gather(
        worker.call(lambda n: 1), worker.call(refuse), worker.call(lambda n: 3), return_exceptions=True
    )
    await worker.stop()
    assert [str(result) for result in results] == ["1", "no", "3"]


async def test_mistake_in_the_service_reaches_every_caller(notebook: Notebook) -> None:
    """Nobody waits for ever; each gets an exception of its own; the thread lives on."""
    worker = Worker("test", notebook.opened)
    notebook.broken = True
    results = await asyncio.gather(*(worker.call(lambda n: None) for _ in range(3)), return_exceptions=True)
    notebook.broken = False
    assert [repr(result) for result in results] == ["RuntimeError('a mistake in the service')"] * 3
    assert len({id(result) for result in results}) == 3
    assert await worker.call(lambda n: 4) == 4
    await worker.stop()


async def test_service_that_cannot_be_opened_refuses_every_call(notebook: Notebook) -> None:
    """Also later ones, until the worker is stopped."""

    @contextmanager
    def closed() -> Iterator[Notebook]:
        if notebook.groups == []:
            raise JournalError("the shop is closed")
        yield notebook

    worker = Worker("test", closed)
    for _ in range(2):
        with pytest.raises(JournalError, match="the shop is closed"):
            await worker.call(lambda n: None)
    await worker.stop()
    with pytest.raises(JournalError, match="not open"):
        await worker.call(lambda n: None)


async def test_service_that_fails_to_close_does_not_hold_the_end_up(notebook: Notebook) -> None:
    """Its callers were answered; there is nobody left to tell."""

    @contextmanager
    def sticky() -> Iterator[Notebook]:
        yield notebook
        raise OSError("cannot close")

    worker = Worker("test", sticky)
    assert await worker.call(lambda n: 1) == 1
    await worker.stop()
    assert "test" not in {thread.name for thread in threading.enumerate()}


async def test_service_is_tidied_after_each_group(notebook: Notebook) -> None:
    """And a service that fails at that refuses what comes later."""
    worker = Worker("test", notebook.opened)
    for _ in range(3):
        await worker.call(lambda n: None)
    await worker.stop()
    assert notebook.tidied >= 3


async def test_stopping_twice_or_unstarted_does_no_harm(notebook: Notebook) -> None:
    """Both wait for the same end."""
    worker = Worker("test", notebook.opened)
    last = asyncio.ensure_future(worker.call(lambda n: "served"))
    await asyncio.sleep(0)
    await asyncio.gather(worker.stop(), worker.stop(), worker.stop())
    assert await last == "served"
    unstarted = Worker("test", notebook.opened)
    await unstarted.stop()
    await unstarted.stop()


def test_loop_that_ended_without_stopping_leaves_the_thread_to_the_next(notebook: Notebook) -> None:
    """A forgotten worker does not hang, whatever was under way when its loop ended."""

    async def forget() -> Worker[Notebook]:
        worker = Worker("test", notebook.opened)
        notebook.going.clear()
        call = asyncio.ensure_future(worker.call(lambda n: n.lines.append("late")))
        await asyncio.sleep(0)
        call.cancel()
        return worker

    worker = asyncio.run(forget())
    notebook.going.set()
    asyncio.run(worker.stop())
    assert notebook.lines == ["late"]

"""Bare submits take room at the gate, and give it back."""

from __future__ import annotations

from typing import Any

from omniedit.api.gate import Gate, Lane
from omniedit.flow import unfinished
from omniedit.flow.unfinished import Unfinished
from omniedit.models import Status, Task
from omniedit.testing import FakeClock


async def test_task_that_was_seen_to_end_makes_room(world: Any) -> None:
    """Watched, looked at, or handed to `download`: with room for one, the next may go."""
    async with world() as w, w.client(max_in_flight=1) as client:
        first = await client.submit(w.edit(1))
        statuses = [change.status async for change in client.watch(first.id)]
        assert statuses[-1] == Status.completed
        second = await client.submit(w.edit(2))
        await w.clock.sleep(5.0)
        assert (await client.task(second.id)).status == Status.completed
        await client.edit(w.edit(3), save_to=w.folder / "3.mp4")
        w.check(posts=3)


async def test_task_that_nobody_looks_at_makes_room_in_time(world: Any) -> None:
    """No wait is without a deadline: it counts as ended when nobody would watch it any longer."""
    async with world() as w, w.client(max_in_flight=1, task_timeout=5.0) as client:
        for number in range(3):
            await client.submit(w.edit(number))
        w.check(posts=3)


async def test_closed_client_leaves_no_task_counted_at_the_shared_gate(world: Any) -> None:
    """Another client of the same key goes on."""
    async with world() as w, w.client(max_in_flight=1, journal=None) as other:
        async with w.client(journal=None) as client:
            await other.credits()  # both hold the gate now
            await client.submit(w.edit(1))
        await other.submit(w.edit(2))
        w.check(posts=2)


async def accept(gate: Gate, clock: FakeClock) -> None:
    """One submit that the service accepts, a while after the last one."""
    clock.advance_nowait(5.0)
    with await gate.enter(Lane.SUBMIT) as turn:
        turn.accepted()


def level(gate: Gate) -> int:
    """Tasks that the gate counts as unfinished."""
    return gate.statistics().submit.level


async def test_one_task_counts_once() -> None:
    """A submit that the service recognised names a counted task; a look at a stranger or an unended one frees none."""
    clock = FakeClock()
    gate = Gate(clock=clock)
    held = Unfinished(gate, clock, 60.0)
    for _ in range(2):
        await accept(gate, clock)
        held.begun("a")
    held.seen(Task("b", Status.completed))
    held.seen(Task("a", Status.processing))
    assert level(gate) == 1
    held.seen(Task("a", Status.failed))
    held.seen(Task("a", Status.failed))
    assert level(gate) == 0
    await held.close()


async def test_most_tasks_are_remembered(monkeypatch: Any) -> None:
    """Memory is bounded: the oldest counts as ended."""
    monkeypatch.setattr(unfinished, "_MOST", 2)
    clock = FakeClock()
    gate = Gate(clock=clock)
    held = Unfinished(gate, clock, 60.0)
    for name in "abc":
        await accept(gate, clock)
        held.begun(name)
    assert level(gate) == 2
    held.seen(Task("a", Status.completed))
    assert level(gate) == 2
    await held.close()
    assert level(gate) == 0

"""The gate: order, fairness, cancellation, its one timer, and what it tells the governor."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from omniedit.api.gate import Gate, Lane, Turn, shared_gate
from omniedit.clock import SystemClock


class SteppedClock:
    """A clock that moves by itself to the next sleeper once everybody waits, and counts its sleepers."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        """Seconds of this clock."""
        return self.now

    def utcnow(self) -> datetime:
        """A date that moves along."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.now)

    async def sleep(self, seconds: float) -> None:
        """Wait until somebody steps this far."""
        sleeper = (self.now + seconds, asyncio.get_running_loop().create_future())
        self.sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self.sleepers.remove(sleeper)

    async def settle(self) -> None:
        """Let everything run that can run without time passing."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def step(self) -> None:
        """Move to the earliest sleeper and wake it."""
        await self.settle()
        at, sleeper = min(self.sleepers, key=lambda entry: entry[0])
        self.now = max(self.now, at)
        sleeper.set_result(None)
        await self.settle()

    async def advance(self, seconds: float) -> None:
        """Move that far, waking all on the way."""
        end = self.now + seconds
        await self.settle()
        while self.sleepers and min(at for at, _ in self.sleepers) <= end:
            await self.step()
        self.now = end


@pytest.fixture
def clock() -> SteppedClock:
    """Time under the test's control."""
    return SteppedClock()


def make_gate(clock: SteppedClock, *, max_rate: float | None = None, max_in_flight: int | None = None) -> Gate:
    """A gate without chance."""
    return Gate(clock=clock, jitter=lambda: 0.5, max_rate=max_rate, max_in_flight=max_in_flight)


async def test_looks_begin_as_fast_as_submits_have_become(clock: SteppedClock) -> None:
    """A key that takes ten submits a second is not first asked twice a second how they are."""
    gate = make_gate(clock)

    async def submit() -> None:
        (await gate.enter(Lane.SUBMIT)).accepted()

    submits = [asyncio.create_task(submit()) for _ in range(100)]
    await clock.advance(30.0)
    await asyncio.gather(*submits)
    statistics = gate.statistics()
    assert statistics.poll.rate > 5
    assert statistics.submit.accepted == 100
    assert statistics.upload.rate == 2


async def test_a_first_request_goes_at_once(clock: SteppedClock) -> None:
    """Nobody waits at an idle gate, in any lane."""
    gate = make_gate(clock)
    for lane in Lane:
        (await gate.enter(lane)).accepted()
    statistics = gate.statistics()
    assert (statistics.submit.level, statistics.poll.level, statistics.upload.level) == (1, 0, 0)
    assert statistics.submit.accepted == statistics.poll.accepted == statistics.upload.accepted == 1
    assert clock.sleepers == []


async def test_waiters_are_served_in_order(clock: SteppedClock) -> None:
    """First come, first served within a priority."""
    gate, served = make_gate(clock), list[int]()

    async def pass_through(number: int) -> None:
        with await gate.enter(Lane.POLL) as turn:
            served.append(number)
            turn.accepted()

    tasks = [asyncio.create_task(pass_through(number)) for number in range(30)]
    await clock.advance(60.0)
    await asyncio.gather(*tasks)
    assert served == list(range(30))


async def test_a_newcomer_never_overtakes_who_waits(clock: SteppedClock) -> None:
    """Not even when the timer is late, so that there would be a turn for the one who comes just now."""
    gate, served = make_gate(clock), list[str]()

    async def pass_through(name: str) -> None:
        (await gate.enter(Lane.POLL)).accepted()
        served.append(name)

    tasks = [asyncio.create_task(pass_through(name)) for name in ("one", "two", "waiting")]
    await clock.settle()
    clock.now += 0.6
    tasks.append(asyncio.create_task(pass_through("newcomer")))
    await clock.settle()
    assert served == ["one", "two", "waiting"]
    await clock.advance(5.0)
    await asyncio.gather(*tasks)
    assert served[-1] == "newcomer"


async def test_a_lane_keeps_one_timer_however_many_wait(clock: SteppedClock) -> None:
    """Five hundred waiters, one sleeper; none left when all are cancelled."""
    gate = make_gate(clock)
    tasks = [asyncio.create_task(gate.enter(Lane.SUBMIT)) for _ in range(500)]
    await clock.settle()
    assert len(clock.sleepers) == 1
    assert gate.statistics().submit.waiting >= 490
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await clock.settle()
    assert clock.sleepers == []
    assert gate.statistics().submit.waiting == 0


async def test_urgent_waiters_go_first_but_leave_every_fourth_turn(clock: SteppedClock) -> None:
    """Urgent work overtakes, and starves nobody."""
    gate, served = make_gate(clock, max_in_flight=1), list[str]()
    first = await gate.enter(Lane.SUBMIT)

    async def pass_through(name: str, *, urgent: bool) -> None:
        turn = await gate.enter(Lane.SUBMIT, urgent=urgent)
        served.append(name)
        turn.answered()

    tasks = [asyncio.create_task(pass_through(f"calm {number}", urgent=False)) for number in range(3)]
    tasks += [asyncio.create_task(pass_through(f"urgent {number}", urgent=True)) for number in range(7)]
    await clock.settle()
    first.answered()
    await clock.advance(60.0)
    await asyncio.gather(*tasks)
    assert served == [
        *("urgent 0", "urgent 1", "urgent 2", "calm 0"),
        *("urgent 3", "urgent 4", "urgent 5", "calm 1", "urgent 6", "calm 2"),
    ]


async def test_a_turn_that_came_with_the_cancellation_is_given_back(clock: SteppedClock) -> None:
    """The next waiter gets it."""
    gate = make_gate(clock, max_in_flight=1)
    first = await gate.enter(Lane.SUBMIT)
    second = asyncio.create_task(gate.enter(Lane.SUBMIT))
    third = asyncio.create_task(gate.enter(Lane.SUBMIT))
    await clock.advance(5.0)
    first.answered()  # the second waiter's turn is on its way ...
    second.cancel()  # ... and so is its cancellation
    await clock.advance(5.0)
    assert second.cancelled()
    turn = await third
    assert gate.statistics().submit.in_flight == 1
    turn.answered()
    assert gate.statistics().submit.in_flight == 0


async def test_ten_thousand_cancellations_lose_no_turn(clock: SteppedClock) -> None:
    """Whoever stays gets through, at the same time as if the others had never come."""
    gate = make_gate(clock, max_rate=1000.0)
    tasks = [asyncio.create_task(gate.enter(Lane.SUBMIT)) for _ in range(10_100)]
    await clock.settle()
    for number, task in enumerate(tasks):
        if number % 101 and not task.cancel():
            task.result().unused()
    staying = [task for number, task in enumerate(tasks) if not number % 101]
    pending = set(staying)
    while pending:
        done = {task for task in pending if task.done()}
        for task in done:
            task.result().accepted()
        pending -= done
        await (clock.step() if clock.sleepers else clock.settle())
    await asyncio.gather(*tasks, return_exceptions=True)
    statistics = gate.statistics().submit
    assert (statistics.accepted, statistics.in_flight, statistics.waiting) == (100, 0, 0)
    assert statistics.granted == 100


async def test_a_stated_number_in_flight_waits_for_finished_tasks(clock: SteppedClock) -> None:
    """Unfinished tasks fill the room, including those of an earlier run; an end makes room at once."""
    gate = make_gate(clock, max_in_flight=3)
    gate.adopt(2)
    (await gate.enter(Lane.SUBMIT)).accepted()
    waiting = asyncio.create_task(gate.enter(Lane.SUBMIT))
    await clock.advance(600.0)
    assert not waiting.done()
    gate.finished()
    await clock.advance(1.0)
    (await waiting).accepted()
    assert gate.statistics().submit.level == 3


async def test_a_request_that_may_have_been_taken_fills_room(clock: SteppedClock) -> None:
    """A lost answer counts as an unfinished task only when the service may have one."""
    gate = make_gate(clock)
    (await gate.enter(Lane.SUBMIT)).lost(maybe_accepted=True)
    await clock.advance(1.0)
    (await gate.enter(Lane.SUBMIT)).lost()
    (await gate.enter(Lane.POLL)).lost(maybe_accepted=True)
    assert gate.statistics().submit.level == 1
    assert gate.statistics().poll.level == 0
    gate.finished()
    assert gate.statistics().submit.level == 0


async def test_retry_after_holds_everybody_in_the_lane(clock: SteppedClock) -> None:
    """Nobody leaves before, other lanes go on, and the caller's own number stands above the header's."""
    gate = make_gate(clock)
    (await gate.enter(Lane.POLL)).refused({"Retry-After": "2"}, retry_after=20.0)
    assert 20.0 <= gate.statistics().poll.pause < 21.0
    waiting = asyncio.create_task(gate.enter(Lane.POLL))
    await clock.advance(19.9)
    assert not waiting.done()
    (await gate.enter(Lane.SUBMIT)).accepted()
    await clock.advance(1.0)
    (await waiting).accepted()
    assert gate.statistics().poll.refused_share == 0.5


async def test_a_retry_after_date_is_measured_with_the_servers_clock(clock: SteppedClock) -> None:
    """The reply's Date counts; without one, the local clock has to do."""
    gate = make_gate(clock)
    headers = {"retry-after": "Wed, 01 Jul 2020 00:00:30 GMT", "date": "Wed, 01 Jul 2020 00:00:00 GMT"}
    (await gate.enter(Lane.POLL)).refused(headers)
    assert 30.0 <= gate.statistics().poll.pause < 31.0
    (await gate.enter(Lane.UPLOAD)).refused({"Retry-After": "Thu, 01 Jan 2026 00:17:00 GMT"})
    assert 20.0 <= gate.statistics().upload.pause < 20.5


async def test_a_turn_is_reported_exactly_once(clock: SteppedClock) -> None:
    """A second report raises and changes nothing; a block left without one counts as lost."""
    gate = make_gate(clock)
    turn = await gate.enter(Lane.SUBMIT)
    assert "open" in repr(turn)
    turn.accepted()
    assert "reported" in repr(turn)
    with pytest.raises(RuntimeError, match="already"):
        turn.lost()
    with await gate.enter(Lane.SUBMIT):
        assert gate.statistics().submit.in_flight == 1
    assert gate.statistics().submit.in_flight == 0
    assert gate.statistics().submit.level == 1


async def test_an_unused_turn_costs_nothing(clock: SteppedClock) -> None:
    """A request that never left takes no slot from the pacer."""
    gate = make_gate(clock)
    for _ in range(20):
        (await gate.enter(Lane.SUBMIT)).unused()
    assert clock.sleepers == []
    assert gate.statistics().submit.granted == 0


async def test_uploads_are_four_at_a_time(clock: SteppedClock) -> None:
    """They share one uplink."""
    gate = make_gate(clock)
    tasks = [asyncio.create_task(gate.enter(Lane.UPLOAD)) for _ in range(6)]
    await clock.advance(30.0)
    done: list[Turn] = [task.result() for task in tasks if task.done()]
    assert len(done) == 4
    done[0].accepted()
    await clock.advance(1.0)
    assert sum(task.done() for task in tasks) == 5
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_key_has_one_gate_in_a_loop() -> None:
    """Clients of one key share; other keys and origins do not; the lower of two stated limits holds."""
    gate = shared_gate("https://a", "key", max_in_flight=5)
    assert shared_gate("https://a", "key", max_in_flight=1) is gate
    assert shared_gate("https://a", "other") is not gate
    assert shared_gate("https://b", "key") is not gate
    (await gate.enter(Lane.SUBMIT)).accepted()
    waiting = asyncio.create_task(gate.enter(Lane.SUBMIT))
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.finished()
    (await waiting).answered()
    assert "submit" in repr(gate)


async def test_a_gate_lives_for_as_long_as_somebody_holds_it() -> None:
    """What was learned of a key goes with its last client."""
    gate = shared_gate("https://a", "key")
    (await gate.enter(Lane.SUBMIT)).accepted()
    del gate
    gc.collect()
    assert shared_gate("https://a", "key").statistics().submit.accepted == 0


async def pause_after_asking(wait: int | None, clock: SystemClock | None = None) -> float:
    """Be asked to wait with a look, or not, and see for how long looks do."""
    gate = shared_gate("https://asks", "key", clock=clock)
    if wait is not None:
        (await gate.enter(Lane.POLL)).refused({"Retry-After": str(wait)})
    return gate.statistics().poll.pause


def test_a_pause_that_was_asked_for_outlives_gate_and_loop() -> None:
    """The next client of the key keeps it, in a later loop and in one of another thread; time of a test is apart."""
    assert 90.0 <= asyncio.run(pause_after_asking(90)) <= 92.0
    assert 89.0 <= asyncio.run(pause_after_asking(None)) <= 92.0
    with ThreadPoolExecutor(1) as thread:
        assert 89.0 <= thread.submit(asyncio.run, pause_after_asking(None)).result() <= 92.0
    assert asyncio.run(pause_after_asking(None, clock=SystemClock())) >= 89.0

    async def of_others() -> tuple[float, float]:
        submits = shared_gate("https://asks", "key").statistics().submit.pause
        return submits, Gate(clock=SteppedClock()).statistics().poll.pause

    assert asyncio.run(of_others()) == (0.0, 0.0)


async def test_a_pause_that_was_asked_for_holds_in_the_loops_that_run_already() -> None:
    """Whoever waits there waits on."""
    gate = shared_gate("https://asks all", "key")
    waiting = [asyncio.create_task(gate.enter(Lane.POLL)) for _ in range(4)]

    async def be_refused() -> None:
        other = shared_gate("https://asks all", "key")
        assert other is not gate
        (await other.enter(Lane.POLL)).refused({"Retry-After": "90"})

    await asyncio.sleep(0)
    await asyncio.to_thread(asyncio.run, be_refused())
    await asyncio.sleep(1.2)  # the third and fourth would have left
    assert sum(task.done() for task in waiting) == 2
    assert gate.statistics().poll.pause >= 85.0
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_how_long_a_retry_after_is_believed_is_a_setting() -> None:
    """Of two clients, the longer holds."""
    gates = [shared_gate("https://long", "key", retry_after_cap=cap) for cap in (60.0, 120.0, 30.0)]
    (await gates[0].enter(Lane.SUBMIT)).refused({"Retry-After": "100000"})
    assert 115.0 <= gates[2].statistics().submit.pause <= 123.0


async def test_told_that_others_use_the_key_all_lanes_make_for_equal_shares() -> None:
    """Whichever client says so."""
    gate = shared_gate("https://shared", "key")
    shared_gate("https://shared", "key").share()
    for lane in (Lane.SUBMIT, Lane.POLL):
        (await gate.enter(lane)).accepted()
        (await gate.enter(lane)).refused()
    statistics = gate.statistics()
    assert (statistics.submit.regime, statistics.poll.regime) == ("shared", "shared")


async def test_asked_pauses_of_many_keys_are_bounded() -> None:
    """The oldest are forgotten; what was asked last is not."""

    async def be_refused(key: str) -> None:
        (await shared_gate("https://many", key).enter(Lane.POLL)).refused({"Retry-After": "90"})

    for number in range(200):
        await be_refused(str(number))
    gc.collect()
    pauses = [shared_gate("https://many", str(number)).statistics().poll.pause for number in (0, 199)]
    assert pauses[0] == 0.0
    assert pauses[1] > 80.0


def test_each_loop_has_its_own_gate() -> None:
    """A gate's futures belong to one loop, so a second run starts afresh."""

    async def gate_of_a_run() -> Gate:
        return shared_gate("https://a", "key")

    assert asyncio.run(gate_of_a_run()) is not asyncio.run(gate_of_a_run())

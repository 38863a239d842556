"""The governor against services in virtual time, and its promises against chance."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from math import inf

import pytest
from attrs import define, evolve, field
from hypothesis import given, settings, strategies as st

from omniedit.core.governor import Go, Governor, Sent, WaitUntil
from omniedit.core.pacing import GRAIN
from omniedit.core.ratehints import Hint

Verdict = Callable[[float], bool]


@define
class Service:
    """Endless work of one process, on a service that answers after `latency` and ends tasks after `task` seconds."""

    governor: Governor
    allows: Verdict
    latency: float = 0.1
    task: float | None = None
    hint: Callable[[float], Hint] = lambda now: Hint()
    now: float = 0.0
    left: list[float] = field(factory=list)
    accepted: int = 0
    refused: int = 0
    live: int = 0
    _events: list[tuple[float, int, str, Sent | None]] = field(factory=list)
    _order: count[int] = field(factory=count)

    def run(self, until: float) -> None:
        """Let time pass."""
        while True:
            decision = self.governor.when(self.now)
            if isinstance(decision, Go):
                self._send()
                continue
            step = min(decision.at, self._events[0][0] if self._events else inf)
            if step > until:
                self.now = until
                return
            self.now = max(self.now, step)
            while self._events and self._events[0][0] <= self.now:
                self._happen(*heapq.heappop(self._events))

    def _send(self) -> None:
        sent = self.governor.send(self.now)
        self.left.append(self.now)
        verdict = "accepted" if self.allows(self.now) else "refused"
        if verdict == "accepted" and self.task is not None:
            self.live += 1
        heapq.heappush(self._events, (self.now + self.latency, next(self._order), verdict, sent))

    def _happen(self, at: float, _: int, what: str, sent: Sent | None) -> None:
        if sent is None:
            self.live -= 1
            self.governor.finished(at)
        elif what == "refused":
            self.refused += 1
            self.governor.refused(sent, at, self.hint(at))
        else:
            self.accepted += 1
            self.governor.accepted(sent, at, self.hint(at), task=self.task is not None)
            if self.task is not None:
                heapq.heappush(self._events, (at + self.task, next(self._order), "ended", None))


@define
class Bucket:
    """A token bucket, full at the start."""

    rate: float
    burst: float
    tokens: float = field(init=False)
    at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.tokens = self.burst

    def __call__(self, now: float) -> bool:
        """Take one token, if there is one."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@define
class Window:
    """So many in each window, which begin at multiples of `span`."""

    size: int
    span: float = 60.0
    used: dict[int, int] = field(factory=dict)

    def __call__(self, now: float) -> bool:
        """Count one, if there is room."""
        window = int(now // self.span)
        if self.used.get(window, 0) >= self.size:
            return False
        self.used[window] = self.used.get(window, 0) + 1
        return True

    def hint(self, now: float) -> Hint:
        """Honest headers."""
        left = self.span - now % self.span
        return Hint(remaining=float(self.size - self.used.get(int(now // self.span), 0)), reset=left)


def everything(now: float) -> bool:
    """A service without a limit."""
    return True


def nothing(now: float) -> bool:
    """A service that refuses all."""
    return False


# -- What it learns ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "burst", "hours"), [(5.0, 5.0, 0.5), (0.5, 3.0, 2.0)])
def test_an_unknown_rate_is_found_and_used(rate: float, burst: float, hours: float) -> None:
    """Nine tenths of it at least, and hardly a refusal."""
    service = Service(Governor(0.0), Bucket(rate, burst))
    service.run(3600 * hours)
    assert service.accepted > 0.93 * rate * 3600 * hours
    assert service.refused < 0.03 * service.accepted
    assert service.governor.reading(service.now).regime == "rate"


def test_one_request_an_hour_works() -> None:
    """Two days of it: nearly all are had, with a few refusals for each."""
    service = Service(Governor(0.0), Bucket(1 / 3600, 1.0))
    service.run(72 * 3600.0)
    assert service.accepted >= 0.8 * 72
    assert service.refused <= 10 * service.accepted


def company(*, told: bool, late: float, rate: float, until: float) -> tuple[float, float]:
    """What two processes of one key get in the second half of the time; the other one begins when it is `late`."""
    bucket = Bucket(rate, 3.0)
    first = Service(Governor(0.0, shared=told), bucket)
    second = Service(Governor(late, shared=told), bucket, now=late)
    got = [0, 0]
    for step in range(round(until * 20)):
        now = step / 20
        first.run(now)
        if now > late:
            second.run(now)
        if now == until / 2:
            got = [first.accepted, second.accepted]
    return first.accepted - got[0], second.accepted - got[1]


def test_processes_that_are_told_of_each_other_come_to_equal_shares() -> None:
    """The first has all of a slow limit for a quarter of an hour; two hours later both have about half of it."""
    low, high = sorted(company(told=True, late=900.0, rate=1.0, until=7200.0))
    assert low / high > 0.6  # Jain's index above 0.94
    assert low + high > 0.9 * 3600


@pytest.mark.parametrize("rate", [0.5, 4.0])
def test_told_of_others_it_finds_a_limit_that_has_doubled(rate: float) -> None:
    """When several times the usual distance has passed without a refusal, growth gets steeper."""
    bucket = Bucket(rate, 3.0)
    service = Service(Governor(0.0, shared=True), bucket)
    service.run(1800.0)
    bucket.rate = 2 * rate
    service.run(3000.0)
    before = service.accepted
    service.run(3600.0)
    assert service.accepted - before > 0.8 * 600 * 2 * rate


def test_it_can_be_told_of_others_at_any_time() -> None:
    """Before the first refusal, and when a rate has been found already, which it keeps."""
    early, late = Governor(0.0), Governor(0.0)
    early.share()
    assert early.reading(0.0).regime == "ramp"
    for governor in (early, late):
        Service(governor, Bucket(2.0, 2.0)).run(60.0)
    assert [governor.reading(60.0).regime for governor in (early, late)] == ["shared", "rate"]
    rate = late.reading(60.0).rate
    late.share()
    late.share()
    assert (late.reading(60.0).regime, late.reading(60.0).rate) == ("shared", rate)


def test_ten_thousand_a_second_work() -> None:
    """A service that never refuses is followed up to there, and requests leave at that pace."""
    governor = Governor(0.0)
    for number in range(80_000):
        sent = governor.send(number / 1000)
        governor.accepted(evolve(sent, paced=True), number / 1000 + 0.001)
    assert governor.reading(80.0).rate > 10_000
    service = Service(governor, everything, latency=0.001, now=81.0)
    service.run(81.2)
    assert service.accepted == pytest.approx(0.2 * governor.reading(81.2).rate, rel=0.05)


@pytest.mark.parametrize("size", [8, 30])
def test_a_cap_on_unfinished_tasks_is_found_and_filled(size: int) -> None:
    """Its regime says so, and the room is used."""
    service = Service(Governor(0.0), lambda now: service.live < size, task=60.0)
    service.run(3600.0)
    reading = service.governor.reading(service.now)
    assert reading.regime == "cap on tasks"
    assert reading.level == pytest.approx(size, abs=2)
    assert service.accepted > 0.9 * size * 60
    assert service.refused < 0.05 * service.accepted


def test_a_cap_that_is_halved_and_lifted_is_followed() -> None:
    """Down within the drain of what is live, and up again by tries that succeed."""
    room = 30
    service = Service(Governor(0.0), lambda now: service.live < room, task=60.0)
    service.run(1800.0)
    room = 15
    refused = service.refused
    service.run(1920.0)
    assert service.refused - refused <= 30
    assert service.live <= 15
    service.run(2700.0)
    assert service.live >= 13
    room = 60
    service.run(5400.0)
    assert service.live >= 54


def test_a_cap_on_requests_is_found() -> None:
    """Counted on the way, and not by tasks."""
    governor = Governor(0.0)
    service = Service(governor, lambda now: governor.reading(now).requests <= 6, latency=1.0)
    service.run(1800.0)
    assert service.governor.reading(service.now).regime == "cap on requests"
    assert service.accepted > 0.9 * 6 * 1800


def test_what_was_taken_for_a_cap_and_is_none_is_left() -> None:
    """A cap that becomes a low limit on the rate leads back to the rate, and is not believed again for a while."""
    bucket, capped = Bucket(0.05, 2.0), True
    service = Service(Governor(0.0), lambda now: service.live < 20 if capped else bucket(now), task=60.0)
    service.run(1800.0)
    assert service.governor.reading(service.now).regime == "cap on tasks"
    capped = False
    service.run(2100.0)
    assert service.governor.reading(service.now).regime == "rate"


def test_headers_of_a_standing_window_are_paced_by() -> None:
    """No more than they leave, and nearly all of it: hardly a refusal."""
    window = Window(120)
    service = Service(Governor(0.0), window, hint=window.hint)
    service.run(1800.0)
    assert service.governor.reading(service.now).regime == "window"
    assert service.accepted > 0.97 * 120 * 30
    assert service.refused <= 0.001 * service.accepted


def test_a_window_that_begins_to_drift_is_left() -> None:
    """Then it was none, and the rate is learned."""
    service = Service(Governor(0.0), everything, hint=lambda now: Hint(remaining=50.0, reset=60.0 - now % 60.0))
    service.run(30.0)
    assert service.governor.reading(service.now).regime == "window"
    service.hint = lambda now: Hint(remaining=50.0, reset=40.0)
    service.run(60.0)
    assert service.governor.reading(service.now).regime == "rate"


def test_headers_of_another_limit_are_seen_through() -> None:
    """They promise thousands while requests are refused, so the refusals are believed."""
    wider = Window(100_000, 3600.0)
    service = Service(Governor(0.0), Bucket(4.0, 4.0), hint=wider.hint)
    service.run(1200.0)
    assert service.governor.reading(service.now).regime == "rate"
    assert service.refused < 0.02 * service.accepted
    assert service.accepted > 0.9 * 4 * 1200


def test_a_refusal_within_a_window_that_is_nearly_used_up_refutes_nothing() -> None:
    """Others of the same key may have taken what was left."""
    window = Window(120)
    service = Service(Governor(0.0), window, hint=window.hint)
    service.run(118.5)
    governor, now = service.governor, service.now
    governor.refused(governor.send(now), now + 0.1, Hint(remaining=0.0, reset=1.4))
    assert governor.reading(now).regime == "window"
    service.run(300.0)
    assert service.governor.reading(now).regime == "window"


def test_nothing_left_pauses_until_the_reset() -> None:
    """A standing end is waited for; a drifting one says nothing about when a request may go."""
    governor = Governor(0.0)
    for second in range(5):
        governor.answered(governor.send(second), second, Hint(remaining=10.0, reset=30.0 - second))
    governor.answered(governor.send(5.0), 5.0, Hint(remaining=0.0, reset=25.0))
    assert governor.when(29.0) == WaitUntil(30.0)
    drifting = Governor(0.0)
    drifting.answered(drifting.send(0.0), 0.0, Hint(remaining=0.0, reset=25.0))
    assert drifting.when(0.4) == WaitUntil(0.5)


def test_short_work_teaches_nothing_about_the_limit() -> None:
    """One request a second under a limit of five: a burst that is refused does not end in one a second."""
    service = Service(Governor(0.0), Bucket(5.0, 5.0))
    service.run(600.0)
    governor, now = service.governor, service.now
    for number in range(120):
        now += 1.0
        sent = governor.send(now)
        governor.accepted(sent, now + 0.1)
        if number == 60:
            governor.refused(governor.send(now + 0.2), now + 0.3)
    assert governor.reading(now).rate > 3.0


# -- What it promises --------------------------------------------------------------------------------------------------


@given(
    rate=st.floats(0.01, 1000.0),
    replies=st.lists(st.sampled_from(["accepted", "refused", "answered", "lost", "unused"]), max_size=60),
    gaps=st.lists(st.floats(0.0, 5.0), min_size=60, max_size=60),
)
def test_a_stated_rate_is_never_exceeded_over_any_span(rate: float, replies: list[str], gaps: list[float]) -> None:
    """Whatever comes back, no span of t seconds holds more than one request and 98 % of the rate."""
    governor, now, left = Governor(0.0, max_rate=rate), 0.0, list[float]()
    for reply, gap in zip(replies, gaps, strict=False):
        now += gap / rate
        if not isinstance(governor.when(now), Go):
            continue
        sent = governor.send(now)
        if reply != "unused":
            left.append(now)
        tell(governor, sent, now, reply)
    for first, begin in enumerate(left):
        for number, end in enumerate(left[first:], 1):
            assert number <= 1 + rate * (end - begin + GRAIN) + 1e-6


def tell(governor: Governor, sent: Sent, now: float, reply: str, hint: Hint | None = None) -> None:
    """Report what became of a request."""
    match reply:
        case "accepted":
            governor.accepted(sent, now, hint or Hint(), task=True)
        case "refused":
            governor.refused(sent, now, hint or Hint())
        case "answered":
            governor.answered(sent, now, hint or Hint())
        case "lost":
            governor.lost(sent, task=True)
        case _:
            governor.withdraw(sent)


def test_a_stated_rate_is_reached_at_once() -> None:
    """Who says how fast it may go need not wait until that is found out."""
    service = Service(Governor(0.0, max_rate=100.0), lambda now: True)
    service.run(10.0)
    assert service.accepted > 700
    later = Service(Governor(0.0), lambda now: True)
    later.governor.restrict(max_rate=100.0)
    later.run(10.0)
    assert later.accepted == service.accepted


def test_a_lane_begins_as_fast_as_another_has_become() -> None:
    """Only while nothing else is known of it, and never above what is stated."""
    governor = Governor(0.0)
    governor.begin_at(40.0)
    assert governor.reading(0.0).rate == 40.0
    governor.begin_at(3.0)
    assert governor.reading(0.0).rate == 40.0
    stated = Governor(0.0, max_rate=10.0)
    stated.begin_at(40.0)
    assert stated.reading(0.0).rate == pytest.approx(9.8)
    service = Service(Governor(0.0), Bucket(1.0, 1.0))
    service.run(60.0)
    learned = service.governor.reading(60.0)
    service.governor.begin_at(40.0)
    assert service.governor.reading(60.0) == learned


@pytest.mark.parametrize("allows", [Bucket(5.0, 1.0), Window(300)], ids=["bucket", "window"])
def test_a_stated_rate_is_never_refused(allows: Verdict) -> None:
    """It is used to 95 % at least."""
    service = Service(Governor(0.0, max_rate=5.0), allows)
    service.run(900.0)
    assert service.refused == 0
    assert service.accepted > 0.95 * 5 * 900


def test_a_stated_cap_is_never_refused() -> None:
    """It is filled, and no more."""
    service = Service(Governor(0.0, max_tasks=12), lambda now: service.live < 12, task=30.0)
    service.run(900.0)
    assert service.refused == 0
    assert service.accepted > 0.9 * 12 * 30


def test_a_stated_number_of_requests_is_kept() -> None:
    """However fast answers come."""
    governor = Governor(0.0, max_requests=3)
    service = Service(governor, lambda now: governor.reading(now).requests <= 3, latency=0.5)
    service.run(300.0)
    assert service.refused == 0


def test_of_two_stated_limits_the_lower_holds() -> None:
    """And what is not stated stays as it was."""
    governor = Governor(0.0, max_rate=1.0)
    governor.restrict(max_rate=5.0, max_tasks=2)
    governor.restrict(max_tasks=7)
    governor.adopt(2)
    assert governor.when(0.0) == WaitUntil(inf)
    assert governor.reading(0.0).rate == pytest.approx(0.98)


@given(refusals=st.integers(1, 12), wait=st.none() | st.floats(0.0, 60.0))
def test_no_refusal_is_counted_twice(refusals: int, wait: float | None) -> None:
    """However many that left together are refused, rate and pause are those of one."""
    readings = []
    for number in (1, refusals):
        governor = Governor(0.0)
        for second in range(40):
            governor.accepted(governor.send(second), second + 0.1)
        flying = [governor.send(41.0) for _ in range(number)]
        for sent in flying:
            governor.refused(sent, 41.5, Hint(retry_after=wait))
        reading = governor.reading(41.5)
        readings.append((reading.rate, reading.pause))
    assert readings[0] == readings[1]


@given(waits=st.lists(st.floats(0.0, 3600.0), min_size=1, max_size=5), jitter=st.floats(0.0, 1.0))
def test_retry_after_is_never_undercut(waits: list[float], jitter: float) -> None:
    """Nothing leaves before, whatever else is reported meanwhile."""
    governor = Governor(0.0)
    flying = [governor.send(0.0) for _ in (*waits, 0)]
    for sent, wait in zip(flying, waits, strict=False):
        governor.refused(sent, 0.5, Hint(retry_after=wait), jitter)
    governor.accepted(flying[-1], 0.6)
    governor.finished(0.7)
    for share in (0.0, 0.5, 0.999):
        now = max(0.5 + share * max(waits), 0.7)  # it has been told of that moment already
        assert isinstance(governor.when(now), WaitUntil) or now >= 0.5 + max(waits)


def test_a_pause_that_another_was_asked_for_is_kept() -> None:
    """And told on."""
    told, other = Governor(0.0), Governor(0.0)
    told.refused(told.send(0.0), 0.5, Hint(retry_after=20.0), 0.0)
    other.hold(told.asked)
    assert other.when(1.0) == told.when(1.0) == WaitUntil(20.5)
    assert isinstance(other.when(20.5), Go)


def test_a_retry_after_of_years_is_believed_for_an_hour() -> None:
    """The cap is a setting."""
    governor = Governor(0.0, retry_after_cap=60.0)
    governor.refused(governor.send(0.0), 0.0, Hint(retry_after=1e9), 0.0)
    assert governor.when(0.0) == WaitUntil(60.0)
    assert governor.reading(20.0).pause == 40.0


def test_of_two_longest_retry_afters_the_longer_is_believed() -> None:
    """Whoever believes less must not make others too early."""
    governor = Governor(0.0, retry_after_cap=60.0)
    governor.believe(30.0)
    governor.believe(90.0)
    governor.refused(governor.send(0.0), 0.0, Hint(retry_after=1e9), 0.0)
    assert governor.when(0.0) == WaitUntil(90.0)


EVENT = st.tuples(
    st.floats(-100.0, 1000.0),  # how far the clock moves: it may stand still, and jump both ways
    st.sampled_from(["go", "accepted", "refused", "answered", "lost", "unused", "finished", "failed"]),
    st.none() | st.floats(0.0, 100.0),
    st.none() | st.tuples(st.floats(0.0, 100.0), st.floats(0.0, 100.0)),
)


@settings(deadline=None)
@given(events=st.lists(EVENT, max_size=80))
def test_no_waiter_starves_whatever_happens(
    events: list[tuple[float, str, float | None, tuple[float, float] | None]],
) -> None:
    """Once all requests are answered and all tasks have ended, the next leaves after a bounded time."""
    governor, now, flying = Governor(0.0), 0.0, list[Sent]()
    for moved, what, wait, quota in events:
        now += moved
        remaining, reset = quota or (None, None)
        if what == "go":
            if isinstance(governor.when(now), Go):
                flying.append(governor.send(now))
        elif what in {"finished", "failed"}:
            governor.finished(now, refused=what == "failed")
        elif flying:
            hint = Hint(retry_after=wait, remaining=remaining, reset=reset)
            tell(governor, flying.pop(0), now, what, hint)
    for sent in flying:
        governor.accepted(sent, now)
    for _ in range(governor.reading(now).level):
        governor.finished(now)
    latest = now + 100 * 80  # the clock may have stood far ahead
    decision = governor.when(latest)
    if isinstance(decision, WaitUntil):
        assert decision.at - latest <= 3 * 7200.0
        assert isinstance(governor.when(decision.at + 1e-6), Go)


def test_a_clock_that_stands_still_lets_the_burst_go_and_no_more() -> None:
    """Answers alone open nothing."""
    governor, gone = Governor(100.0), 0
    for _ in range(1000):
        if isinstance(governor.when(100.0), Go):
            governor.accepted(governor.send(100.0), 100.0, task=True)
            gone += 1
    assert gone == 2


def test_a_clock_that_jumps_earns_no_burst() -> None:
    """Neither a day ahead nor back."""
    service = Service(Governor(0.0), Bucket(5.0, 5.0))
    service.run(300.0)
    governor = service.governor
    for now in (86_400.0, 10.0, 86_400.0):
        gone = 0
        while isinstance(governor.when(now), Go):
            governor.accepted(governor.send(now), now)
            gone += 1
        assert gone <= 2


def test_a_service_that_refuses_all_is_asked_less_and_less() -> None:
    """At most every quarter of an hour in the end, and never not at all."""
    service = Service(Governor(0.0), nothing)
    service.run(12 * 3600.0)
    assert 40 < service.refused < 150


def test_a_first_refusal_before_any_acceptance_teaches_no_rate() -> None:
    """Others of the key have used it up."""
    governor = Governor(0.0)
    governor.refused(governor.send(0.0), 0.1)
    assert (governor.reading(0.1).regime, governor.reading(0.1).rate) == ("ramp", 2.0)


def test_a_task_that_fails_for_a_limit_counts_as_a_refusal() -> None:
    """A minute late, so it belongs to no episode of today."""
    governor = Governor(0.0)
    governor.accepted(governor.send(0.0), 0.1, task=True)
    governor.finished(90.0, refused=True)
    assert governor.reading(90.0).refused == 1
    assert governor.reading(90.0).level == 0
    governor.finished(91.0)
    assert governor.reading(91.0).level == 0


def test_a_repr_tells_regime_rate_and_level() -> None:
    """What one wants to see in a log."""
    governor = Governor(0.0)
    governor.accepted(governor.send(0.0), 0.1, task=True)
    assert repr(governor) == "<Governor ramp 2.00/s tasks=1 requests=0>"

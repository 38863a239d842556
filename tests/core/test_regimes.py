"""Single decisions of the regimes that a whole service shows only by chance."""

from __future__ import annotations

from math import inf

import pytest

from omniedit.core.ceiling import REQUESTS, TASKS, Ceiling
from omniedit.core.lanefacts import Facts, Sent
from omniedit.core.pause import Refusal
from omniedit.core.regimes import Cap, Ramp, Rate, Shared, limited


def level(tasks: int, at: float = 10.0) -> Sent:
    """A request that left with so many tasks unfinished."""
    return Sent(at, 0, tasks, paced=True)


def capped(width: int) -> Cap:
    """A cap just found."""
    return Cap(Facts(0.0, None), Ceiling(TASKS), width)


def lift(cap: Cap, to: int) -> None:
    """Tries that succeed, until it is as wide as that."""
    for at in range(100, 200):
        if cap.width >= to:
            return
        sent = level(cap.width, at)
        cap.sent(sent)
        cap.accepted(sent, at + 0.1, reopened=False)


def test_one_more_is_tried_only_now_and_then() -> None:
    """When 65 acceptances have paid for the last refusal, and again while it succeeds: each lifts the cap by one."""
    cap = capped(20)
    cap.ceiling.refused()
    cap.facts.tasks = 20
    waits, widths = [], []
    for _ in range(3):
        count = 0
        while not cap.room():
            cap.ceiling.accepted(10)
            cap.accepted(level(10), 1.0, reopened=False)
            count += 1
        sent = level(cap.facts.tasks)
        cap.sent(sent)
        cap.accepted(sent, 1.0, reopened=False)
        cap.facts.tasks += 1
        waits.append(count)
        widths.append(cap.width)
    assert (waits, widths) == ([65, 0, 0], [21, 22, 23])
    cap.facts.tasks = 22
    assert cap.room()


def test_a_climb_is_quicker_than_filling_known_room() -> None:
    """Nobody else has taken what was added; room that ends free one by one is filled without haste."""
    cap, rates = capped(20), list[float]()
    for _ in range(2):
        cap.facts.pacer.rate = 0.0
        cap.facts.goodput.add(1.0)
        cap.accepted(level(10), 1.0, reopened=False)
        rates.append(cap.facts.pacer.rate / cap.facts.goodput.rate(1.0))
        cap.successes = 1
    assert rates == pytest.approx([2.0, 6.0])


@pytest.mark.parametrize(("refused_at", "width"), [(20, 20), (22, 20), (24, 24), (18, 18)])
def test_a_refusal_sets_a_lifted_cap_back(refused_at: int, width: int) -> None:
    """To where it was when it was lifted too far by luck; else to where the refusal was."""
    cap = capped(20)
    lift(cap, 27)
    assert cap.refused(level(refused_at, 300.0), 300.1, Refusal.FIRST) is cap
    assert cap.width == width


def test_a_refusal_that_a_try_brought_about_late_changes_nothing() -> None:
    """It left when the cap was full; the try that left before it has been answered meanwhile."""
    cap = capped(20)
    assert cap.refused(level(20), 10.1, Refusal.FIRST) is cap
    assert (cap.width, cap.doubt) == (20, 0.0)


def test_a_try_that_is_refused_changes_nothing() -> None:
    """That is what tries are for."""
    cap = capped(20)
    sent = level(20)
    cap.sent(sent)
    assert cap.refused(sent, 10.1, Refusal.FIRST) is cap
    assert (cap.width, cap.doubt) == (20, 0.0)


def test_tries_cost_half_for_a_while_after_a_cap_was_lowered() -> None:
    """What was lowered is often raised again; six tries that fail, and it was not."""
    cap, owed = capped(40), list[int]()
    cap.refused(level(38), 10.0, Refusal.AGAIN)
    cap.ceiling.owed = 0
    for at in range(20, 27):
        sent = level(cap.width, at)
        cap.sent(sent)
        cap.ceiling.refused()
        cap.refused(sent, at + 0.1, Refusal.FIRST)
        owed.append(cap.ceiling.owed)
        cap.ceiling.owed = 0
    assert owed == [32, 32, 32, 32, 32, 32, 65]


def test_refusals_that_follow_each_other_step_down() -> None:
    """By 15 % of the level or to where the way up ended, until half of the cap is gone: then it is another limit."""
    cap, widths = capped(40), list[int]()
    assert cap.refused(level(39), 10.0, Refusal.FIRST) is cap
    for tasks in (38, 32, 26, 19):
        assert cap.refused(level(tasks), 20.0, Refusal.AGAIN) is cap
        widths.append(cap.width)
    assert widths == [32, 32, 22, 19]
    assert isinstance(cap.refused(level(18), 30.0, Refusal.AGAIN), Rate)


def test_refusals_that_a_cap_does_not_explain_bar_it() -> None:
    """For five minutes, and for ten the next time."""
    facts = Facts(0.0, None)
    bars = []
    for began in (0.0, 1000.0):
        regime: object = Cap(facts, Ceiling(TASKS), 40)
        for tasks in (39, 38, 37, 36, 35):
            assert isinstance(regime, Cap)
            regime = regime.refused(level(tasks), began, Refusal.FIRST)
        assert isinstance(regime, Rate)
        bars.append(facts.barred - began)
    assert bars == [300.0, 600.0]


def test_blocks_that_end_on_the_minute_are_no_cap() -> None:
    """A cap knows no clock."""
    cap = capped(40)
    cap.facts.by_minute = True
    assert isinstance(cap.refused(level(30), 10.0, Refusal.FIRST), Rate)


def test_the_ramp_ends_with_its_first_refusal() -> None:
    """And takes a share off what it had reached."""
    facts = Facts(0.0, None)
    ramp = Ramp(facts)
    for second in range(16):
        facts.accepted += 1
        facts.goodput.add(second)
        assert ramp.accepted(level(0, second), second, reopened=False) is ramp
    assert facts.pacer.rate == 4.0
    assert isinstance(ramp.refused(level(0, 16.0), 16.1, Refusal.FIRST), Rate)
    assert facts.pacer.rate == pytest.approx(3.6)


@pytest.mark.parametrize(
    ("share", "by_minute", "cut"),
    [(0.0, False, 0.02), (0.004, False, 0.08), (0.05, False, 0.25), (0.004, True, 0.08), (0.05, True, 0.12)],
)
def test_a_refusal_takes_less_off_where_few_are_refused(share: float, *, by_minute: bool, cut: float) -> None:
    """Alone on a bucket, one in a thousand says little; among others, each is a share to be given back.

    Where blocks end on the minute all are cut alike, whoever was refused how much.
    """
    facts = Facts(0.0, None)
    facts.refused_share, facts.by_minute = share, by_minute
    Rate(facts, 0.0, known=2.0).refused(level(0), 10.0, Refusal.FIRST)
    assert facts.pacer.rate == pytest.approx(2.0 * (1 - cut))


@pytest.mark.parametrize(("block", "refused", "share"), [(0.4, 0.0, 0.25), (0.4, 0.01, 1.0), (9.0, 0.0, 1.0)])
def test_probes_are_quicker_where_refusals_are_rare_and_soon_over(block: float, refused: float, share: float) -> None:
    """A refusal costs little there, and the limit may have moved."""
    facts = Facts(0.0, None)
    facts.pacer.rate, facts.refused_share = 10.0, refused
    grown = list[float]()
    for last in (block, inf):
        rate = Rate(facts, 0.0, known=10.0, block=last, grown=0.0)
        rate.accepted(level(0, 0.9), 0.9, reopened=False)
        grown.append(rate.quiet)
    assert grown[1] / grown[0] == pytest.approx(share)


def one_step(speed: float, taken: int, spent: float = 0.0, *, by_minute: bool = False) -> float:
    """What one paced acceptance adds to a rate, as a share of it."""
    facts = Facts(0.0, None)
    facts.accepted, facts.pacer.rate, facts.spent, facts.by_minute = taken, speed, spent, by_minute
    rate = Rate(facts, 0.0, known=speed, grown=0.0)
    rate.accepted(level(0, 1 / speed), 1 / speed, reopened=False)
    return facts.pacer.rate / speed - 1


def test_rates_are_probed_by_the_same_step() -> None:
    """So that a process that was left behind catches up with the others of its key; bounded, as a share of the rate."""
    found = [one_step(speed, 200) * speed * 45 for speed in (10.0, 1.25, 1.0)]
    assert found == pytest.approx([0.015, 0.03 / 1.25, 0.03])


@pytest.mark.parametrize(
    ("speed", "taken", "step"),
    [(0.5, 20, 0.35 / 20), (0.9, 100, 0.35 / 100), (1.1, 20, 0.03 / 45 / 1.1 / 1.1), (0.5, 250, 0.06 / 36)],
)
def test_a_slow_rate_makes_large_steps_while_little_is_known(speed: float, taken: int, step: float) -> None:
    """What one got of a slow limit in the beginning is chance; so it grows by a third over the number taken."""
    assert one_step(speed, taken) == pytest.approx(step)


@pytest.mark.parametrize(
    ("spent", "longer"), [(0.01, 1.0), (0.019, 1.0), (0.02375, 1.5625), (0.0266, 1.96), (0.5, 1.96)]
)
def test_slow_probes_are_rarer_where_much_was_refused(spent: float, longer: float) -> None:
    """By the square of what was refused over 1.9 % of the requests, up to 1.4 times at 0.4/s."""
    assert one_step(0.4, 400, spent) == pytest.approx(0.06 / 36 / longer)


@pytest.mark.parametrize(("speed", "longer"), [(0.55, 1.1), (0.45, 1.3), (0.35, 1.5), (0.3, 1.6)])
def test_the_faster_the_less_are_probes_made_rarer(speed: float, longer: float) -> None:
    """Evenly from 0.6/s down, so that those of one key who are a little apart are treated nearly alike."""
    gain = min(0.03 / speed, 0.06)
    assert one_step(speed, 400, 0.5) == pytest.approx(gain / 36 / longer**2)


def test_faster_probes_are_not_made_rarer() -> None:
    """From 0.6 requests a second on they are a small part of what is sent, and a newcomer catches up by them."""
    assert one_step(0.6, 400, 0.5) == pytest.approx(0.03 / 0.6 / 36)


@pytest.mark.parametrize(("speed", "requests"), [(0.2, 80), (0.15, 60), (0.125, 50), (0.0625, 25), (0.01, 6)])
def test_the_slowest_rates_are_probed_after_the_same_time(speed: float, requests: float) -> None:
    """400 s, however much was refused: those that have little gain on those that have more; six requests at least."""
    assert one_step(speed, 400, 0.5) == pytest.approx(0.06 / requests)


def test_where_blocks_end_on_the_minute_probes_stay_as_they_are() -> None:
    """All are cut alike there, and a newcomer that was refused much at first would never catch up."""
    assert one_step(0.4, 20, 0.5, by_minute=True) == pytest.approx(0.15 / 0.4**0.5 / 36)


@pytest.mark.parametrize(
    ("speed", "taken", "cut"), [(0.9, 20, 0.54), (0.5, 249, 0.3), (0.1, 20, 0.1), (2.0, 20, 0.1), (0.9, 250, 0.1)]
)
def test_a_slow_rate_gives_way_by_far_while_little_is_known(speed: float, taken: int, cut: float) -> None:
    """Others of the key that have less grow into what it gives away."""
    facts = Facts(0.0, None)
    facts.accepted, facts.pacer.rate, facts.refused_share = taken, speed, 0.005
    assert isinstance(Rate(facts, 0.0, known=speed).refused(level(0), 10.0, Refusal.FIRST), Rate)
    assert facts.pacer.rate == pytest.approx(speed * (1 - cut))


def test_the_ramp_sends_few_at_once() -> None:
    """Four, and one more for each sixteen acceptances."""
    facts = Facts(0.0, None)
    ramp, widths = Ramp(facts), list[int]()
    for facts.accepted in (0, 16, 160):
        facts.requests = 0
        while ramp.room():
            facts.requests += 1
        widths.append(facts.requests)
    assert widths == [4, 5, 14]


def test_a_refusal_within_an_episode_takes_nothing_more_off() -> None:
    """One episode, one cut."""
    facts = Facts(0.0, None)
    rate = Rate(facts, 0.0, known=2.0)
    assert rate.refused(level(0), 10.0, Refusal.AGAIN) is rate
    assert facts.pacer.rate == 2.0


def accept(rate: Rate, count: int, paced: float) -> None:
    """So many acceptances, one in ten seconds, of which the pacer had held back that share."""
    for number in range(count):
        at = 10.0 * (number + 1)
        rate.facts.goodput.add(at)
        held_back = int((number + 1) * paced) > int(number * paced)
        rate.accepted(Sent(at, 0, 0, paced=held_back), at, reopened=False)


@pytest.mark.parametrize(("paced", "grows"), [(1.0, True), (0.8, True), (0.5, False)])
def test_a_rate_grows_only_where_work_would_use_it(paced: float, *, grows: bool) -> None:
    """A rate far above what is needed waits for the first burst to be refused."""
    rate = Rate(Facts(0.0, None), 0.0, known=2.0)
    accept(rate, 60, paced)
    before = rate.facts.pacer.rate
    accept(rate, 60, paced)
    assert (rate.facts.pacer.rate > before) is grows


@pytest.mark.parametrize(("paced", "found"), [(1.0, Cap), (0.5, Rate)])
def test_peaks_of_short_work_are_no_cap(paced: float, found: type) -> None:
    """Where work comes in bursts, they are refused at one level because they are equally high."""
    rate = Rate(Facts(0.0, None), 0.0, known=2.0)
    accept(rate, 60, paced)
    regime: object = rate
    for _ in range(4):
        assert isinstance(regime, Rate)
        regime = regime.refused(level(30), 700.0, Refusal.FIRST)
        rate.facts.ended += 20
        for _ in range(10):
            rate.facts.ceilings[0].accepted(30)
    assert type(regime) is found


@pytest.mark.parametrize(("pace", "asked"), [(2.06, 30.0), (2.2, 18.0), (14.0, 0.3)])
def test_what_a_large_step_too_many_had_to_wait_makes_probes_no_rarer(pace: float, asked: float) -> None:
    """What is asked for grows with how far a limit was overshot; of that, the part that a small step stands for."""
    rate = Rate(Facts(0.0, None), 0.0, known=2.0, taken=399, paced=399)
    rate.facts.asked, rate.facts.failed, rate.facts.refused_share = 30.0, 195.0, 0.0
    rate.facts.pace(pace)
    assert rate.refused(level(7, 195.0), 195.1, Refusal.FIRST) is rate
    rate.known = rate.facts.pacer.rate
    rate.accepted(level(0, 205.0), 205.1, reopened=True)
    assert rate.facts.asked == pytest.approx(asked)


def test_a_cap_on_requests_is_lifted_by_three_tries_in_a_row() -> None:
    """One or two find room only because requests of the past are still on their way back."""
    cap = Cap(Facts(0.0, None), Ceiling(REQUESTS), 6)
    cap.facts.requests = 6
    cap.ceiling.refused()
    waits, widths = list[int](), list[int]()
    for _ in range(4):
        count = 0
        while not cap.room():
            cap.ceiling.accepted(3)
            cap.accepted(Sent(1.0, 3, 0, paced=True), 1.0, reopened=False)
            count += 1
        sent = Sent(1.0, cap.width, 0, paced=True)
        cap.sent(sent)
        cap.accepted(sent, 1.0, reopened=False)
        cap.facts.requests = cap.width
        waits.append(count)
        widths.append(cap.width)
    assert (waits, widths) == ([150, 9, 9, 0], [6, 6, 7, 8])
    assert cap.refused(Sent(2.0, 7, 0, paced=True), 2.1, Refusal.FIRST) is cap
    assert cap.width == 7


def test_a_refusal_that_a_try_overtook_changes_nothing() -> None:
    """The try took the room that it was meant for."""
    cap = capped(20)
    cap.sent(level(20))
    assert cap.refused(level(19), 10.1, Refusal.FIRST) is cap
    assert (cap.width, cap.doubt) == (20, 0.0)


def test_a_refusal_by_chance_takes_little_off() -> None:
    """What its episode took off before it was known to be one is given back, and the cycle goes on."""
    facts = Facts(0.0, None)
    facts.pace(10.0)
    facts.refused_share = 0.1
    rate = Rate(facts, 0.0, known=10.0)
    rate.refused(level(0), 10.0, Refusal.FIRST)
    assert facts.pacer.rate == pytest.approx(7.5)
    facts.by_chance = True
    rate.accepted(Sent(11.0, 0, 0, paced=False), 12.0, reopened=True)
    assert facts.pacer.rate == pytest.approx(9.85)
    assert rate.since == 0.0
    rate.refused(level(0, 13.0), 14.0, Refusal.FIRST)
    assert facts.pacer.rate == pytest.approx(9.85 * 0.985)


def test_acceptances_make_up_for_refusals_by_chance() -> None:
    """So many of them that 1.3 % of the requests come to be refused."""
    facts = Facts(0.0, None)
    facts.pace(10.0)
    facts.by_chance = True
    rate = Rate(facts, 0.0, known=10.0)
    for each in range(100):
        rate.accepted(level(0, 10 + each / 100), 11 + each / 100, reopened=False)
    assert facts.pacer.rate == pytest.approx(10.0 * (1 + 0.013 * 0.015) ** 100, rel=1e-3)


def together(rate: float = 1.0) -> Shared:
    """A rate found, in company."""
    facts = Facts(0.0, None, shared=True)
    facts.pace(rate)
    found = limited(facts, 0.0, rate)
    assert isinstance(found, Shared)
    return found


def refuse(shared: Shared, after: int) -> float:
    """So many acceptances, and then a refusal; what is left of the rate."""
    before = shared.facts.pacer.rate
    shared.distance = after
    shared.refused(level(0), 20.0, Refusal.FIRST)
    return shared.facts.pacer.rate / before


def grow(shared: Shared, seconds: float = 1.0) -> float:
    """How much the rate grows in that time, in requests/s."""
    before, shared.grown = shared.facts.pacer.rate, 100.0
    sent = Sent(100.0 + seconds - 0.1, 0, 0, paced=True)
    shared.accepted(sent, 100.0 + seconds, reopened=False)
    return shared.facts.pacer.rate - before


def test_in_company_a_cut_lasts() -> None:
    """What the last minute achieved is not gone back to, though growth is."""
    shared = together()
    for second in range(60):
        shared.facts.goodput.add(40.0 + second)
    assert refuse(shared, 40) == pytest.approx(0.75)
    grow(shared)
    assert 0.75 < shared.facts.pacer.rate < 0.76


def test_in_company_growth_is_the_same_for_all() -> None:
    """Whatever the rate, and in proportion to the distance of refusals."""
    few, many = [], []
    for rate in (0.5, 5.0):
        shared = together(rate)
        few.append(grow(shared))
        refuse(shared, 360)  # the mean of the last eight is twice as long now
        many.append(grow(shared))
    assert few[0] == pytest.approx(few[1])
    assert many == pytest.approx([2 * growth for growth in few])


def test_in_company_growth_gets_steeper_when_a_refusal_is_overdue() -> None:
    """After three times the usual distance, up to a fiftieth of the rate a second on top."""
    shared = together(5.0)
    usual = grow(shared)
    shared.distance = 40 * 4
    steeper = grow(shared)
    shared.distance = 40 * 9
    assert usual < steeper / 4 < grow(shared) / 4
    assert grow(shared) < 0.03 * shared.facts.pacer.rate


@pytest.mark.parametrize("what", ["by_minute", "by_chance"])
def test_what_says_nothing_of_shares_is_answered_as_ever(what: str) -> None:
    """Where blocks end on the minute, and at refusals by chance, cuts and probes are those of a rate alone."""
    shared, alone = together(), Rate(Facts(0.0, None), 0.0, known=1.0)
    alone.facts.pace(1.0)
    for regime in (shared, alone):
        setattr(regime.facts, what, True)
        regime.refused(level(0), 20.0, Refusal.FIRST)
        regime.grown = 100.0
        regime.accepted(Sent(109.9, 0, 0, paced=True), 110.0, reopened=False)
    assert shared.facts.pacer.rate == alone.facts.pacer.rate


def test_only_news_counts_in_company() -> None:
    """Being refused again in one episode takes nothing more off, and ends no distance."""
    shared = together()
    refuse(shared, 30)
    kept, apart = shared.facts.pacer.rate, shared.apart
    shared.distance = 5
    shared.refused(level(0), 21.0, Refusal.AGAIN)
    assert (shared.facts.pacer.rate, shared.apart, shared.distance) == (kept, apart, 5)

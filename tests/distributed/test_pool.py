"""The shared row, judged: pace, pauses, learning, room. All of it without a clock and without a database."""

from __future__ import annotations

import random
from collections.abc import Iterator

import attrs
import pytest
from hypothesis import given, strategies as st

from omniedit.distributed.pool import Grant, News, Pool, Refusal, draw, hear

NOW = 1_800_000_000.0


def moments(grant: Grant, now: float) -> Iterator[float]:
    """When the requests of a grant may leave."""
    return (now + grant.first + number * grant.interval for number in range(grant.tokens))


@given(
    rate=st.floats(0.5, 200.0),
    gaps=st.lists(st.floats(0.0, 0.4), min_size=5, max_size=80),
    wanted=st.lists(st.integers(1, 20), min_size=80, max_size=80),
)
def test_a_stated_rate_is_kept_whoever_draws(rate: float, gaps: list[float], wanted: list[int]) -> None:
    """In any span no more requests leave than the rate allows, and two more."""
    pool, now = Pool(), NOW
    sent: list[float] = []
    for gap, wish in zip(gaps, wanted, strict=False):
        now += gap
        pool, grant = draw(pool, wish, now, max_rate=rate, room=None)
        sent += [max(moment, now) for moment in moments(grant, now)]
    sent.sort()
    for first in range(0, len(sent), 7):
        for last in range(first, len(sent), 5):
            assert last - first + 1 <= (sent[last] - sent[first]) * rate + 2 + 1e-6


def test_hosts_that_always_want_get_the_whole_rate_in_equal_shares() -> None:
    """Three hosts that ask again as soon as they have dealt out their tokens."""
    pool, rate, span = Pool(), 50.0, 60.0
    free = {host: NOW + host / 1000 for host in range(3)}
    got = dict.fromkeys(free, 0)
    while (now := min(free.values())) < NOW + span:
        host = min(free, key=lambda name: free[name])
        pool, grant = draw(pool, 10, now, max_rate=rate, room=None)
        got[host] += grant.tokens
        free[host] = max([*moments(grant, now), now + max(grant.wait, 0.001)])
    total = sum(got.values())
    assert total == pytest.approx(rate * 0.98 * span, rel=0.02)
    assert total**2 / (3 * sum(count**2 for count in got.values())) > 0.99


def test_nothing_is_held_back_before_the_first_refusal() -> None:
    """Each host's own governor sets the pace."""
    pool, grant = draw(Pool(), 7, NOW, max_rate=None, room=None)
    assert (grant.tokens, grant.interval, grant.first) == (7, 0.0, 0.0)
    assert draw(pool, 30, NOW, max_rate=None, room=None)[1].tokens == 10


def test_retry_after_pauses_everybody_and_never_less() -> None:
    """Whoever draws waits until then; a shorter one that comes later changes nothing."""
    pool = hear(Pool(), News(accepted=20), NOW)
    pool = hear(pool, News(refusals=[Refusal(NOW, 30.0), Refusal(NOW, 5.0)]), NOW + 10)
    assert draw(pool, 5, NOW + 11, max_rate=None, room=None)[1] == Grant(0, wait=29.0)
    assert draw(pool, 5, NOW + 39.9, max_rate=None, room=None)[1].first == pytest.approx(0.1)
    assert draw(pool, 5, NOW + 41, max_rate=None, room=None)[1].tokens > 0


def test_a_clock_that_is_set_back_holds_nobody_up() -> None:
    """The database's clock after a failover: pauses and paces go on as they were, and refusals are heard."""
    pool = hear(Pool(), News(accepted=20), NOW)
    pool = hear(pool, News(refusals=[Refusal(NOW, 30.0)]), NOW + 1)
    early = NOW - 3600
    pool = hear(pool, News(), early)
    assert draw(pool, 5, early, max_rate=None, room=None)[1].wait == pytest.approx(30.0)
    pool, grant = draw(pool, 5, early + 31, max_rate=None, room=None)
    assert grant.tokens > 0
    assert hear(pool, News(refusals=[Refusal(early + 31)]), early + 32).refusals == 2


def test_one_episode_of_refusals_counts_once() -> None:
    """Refusals of tokens drawn before the reaction say nothing new."""
    pool = hear(Pool(), News(accepted=100), NOW)
    first = hear(pool, News(refusals=[Refusal(NOW + 9)]), NOW + 10)
    assert first.rate == pytest.approx(10.1 * 0.94)
    assert hear(first, News(refusals=[Refusal(NOW + 9.5)] * 5), NOW + 10.1) == attrs.evolve(first, told_at=NOW + 10.1)
    again = hear(first, News(refusals=[Refusal(NOW + 10.5)]), NOW + 10.6)
    assert (again.refusals, again.rate) == (2, first.rate)
    assert again.paused_until == pytest.approx(NOW + 11.6)


def test_a_block_is_probed_by_one_request_at_a_time_with_growing_pauses() -> None:
    """Up to half a minute between two probes, until one is accepted."""
    pool, now = hear(hear(Pool(), News(accepted=100), NOW), News(refusals=[Refusal(NOW + 9)]), NOW + 10), NOW + 10
    pauses: list[float] = []
    for _ in range(6):
        now = pool.paused_until
        pool, grant = draw(pool, 10, now, max_rate=None, room=None)
        pool = hear(pool, News(refusals=[Refusal(grant.drawn_at)]), now)
        pauses.append(pool.paused_until - now)
        assert draw(pool, 10, pool.paused_until, max_rate=None, room=None)[1].tokens == 1
    assert pauses == pytest.approx([1, 3, 9, 27, 30, 30])
    pool = hear(pool, News(accepted=1), now + 40)
    assert pool.refusals == 0
    assert draw(pool, 10, now + 41, max_rate=None, room=None)[1].tokens > 0


def test_no_more_tokens_than_there_is_room() -> None:
    """And none at all when it is full."""
    assert draw(Pool(), 10, NOW, max_rate=None, room=3)[1].tokens == 3
    full = draw(Pool(), 10, NOW, max_rate=None, room=0)
    assert (full[0], full[1].tokens, full[1].wait > 0) == (Pool(), 0, True)
    assert draw(Pool(), 10, NOW, max_rate=None, room=-4)[1].tokens == 0


def test_a_slow_rate_is_not_dealt_out_far_ahead() -> None:
    """So that a pause reaches everybody: one token at a time, and none for later than half a second."""
    pool, grant = draw(Pool(), 10, NOW, max_rate=1.0, room=None)
    assert grant.tokens == 1
    pool, _ = draw(pool, 10, NOW, max_rate=1.0, room=None)
    late = draw(pool, 10, NOW, max_rate=1.0, room=None)[1]
    assert late.tokens == 0
    assert 0 < late.wait < 1.1


@pytest.mark.parametrize("limit", [4.0, 20.0])
def test_an_unknown_limit_is_found_and_kept(limit: float) -> None:
    """Three hosts against a bucket that nobody knows: most of it is used, little is refused."""
    pool, now, chance = Pool(), NOW, random.Random(3)
    bucket, filled = limit, NOW
    accepted = refused = 0
    while now < NOW + 900:
        pool, grant = draw(pool, 3, now, max_rate=50.0, room=None)
        good, bad = 0, []
        for moment in moments(grant, now):
            bucket, filled = min(limit, bucket + (max(moment, filled) - filled) * limit), max(moment, filled)
            if bucket >= 1:
                bucket -= 1
                good += 1
            else:
                bad.append(Refusal(grant.drawn_at))
        if now > NOW + 60:
            accepted += good
            refused += len(bad)
        pool = hear(pool, News(good, bad), now + 0.05)
        now += max(grant.tokens * grant.interval, grant.wait, 0.02) * chance.uniform(1.0, 1.1)
    assert accepted / 840 > 0.8 * limit
    assert refused < 0.03 * (accepted + refused)

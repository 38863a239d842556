"""One limit for all hosts, judged: what the shared row becomes when hosts draw tokens and tell what became of them.

Rules of this module: pure and synchronous; `now` is an argument, in seconds on the clock of the database, which all
hosts share; whoever calls holds the row. The rules are those of the governor, over all hosts:

- Nobody was refused yet: tokens are free, each host's own governor sets the pace.
- A refusal counts once for all requests that left before it, and takes 6 % off the rate. `Retry-After` pauses
  everybody until then, never less; refused again and again, pauses grow threefold up to half a minute, with one
  request at a time. The first acceptance after a block sets the rate to no more than what was really achieved.
- Growth is slow: 5 % a minute, while tokens are wanted.
- A stated rate is kept exactly: tokens are slots of the generic cell rate algorithm (ITU-T I.371).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

__all__ = ["Grant", "News", "Pool", "Refusal", "draw", "hear"]

MOST_TOKENS = 10  # drawn at once
_AHEAD = 0.25  # seconds of the rate that one draw may take, so that a slow rate is not dealt out far ahead
_HORIZON = 0.5  # seconds: a slot later than this is not given out, so that a pause reaches everybody
_STATED_SHARE = 0.98  # of a stated rate: for requests that arrive closer together than they left
_TAKEN_OFF = 0.94  # of the accepted rate, after a refusal
_GROWTH = 0.05 / 60  # per second
_LEAST_RATE = 1 / 7200
_LONGEST_PAUSE = 30.0  # seconds, without `Retry-After`
_LONGEST_TELLING = 5.0  # seconds between two tellings that count as use
_LONGEST_CYCLE = 60.0  # seconds of acceptances that are remembered before the first refusal
_SHORT_CYCLE, _SHORT_SHARE = 30.0, 0.8  # a cycle shorter than this (seconds) takes no more than a fifth off the rate


@attrs.frozen
class Pool:
    """The row of one key. Rates are requests per second."""

    rate: float | None = None
    """Learned; None as long as nobody was refused."""
    next_at: float = 0.0
    """The next free slot."""
    paused_until: float = 0.0
    reacted_at: float = 0.0
    refusals: int = 0
    """Episodes of refusals since the last acceptance."""
    told_at: float = 0.0
    cycle_at: float = 0.0
    """Since when acceptances are counted, and how many they are."""
    accepted: int = 0


@attrs.frozen
class Refusal:
    """A request was refused for a limit."""

    drawn_at: float
    """When its token was drawn."""
    retry_after: float | None = None
    """Seconds."""


@attrs.frozen
class News:
    """What one host has seen since it last told."""

    accepted: int = 0
    refusals: Sequence[Refusal] = ()


@attrs.frozen
class Grant:
    """Tokens for the moments `first`, `first + interval`, ... (seconds from now), or how long to wait instead."""

    tokens: int
    first: float = 0.0
    interval: float = 0.0
    wait: float = 0.0
    drawn_at: float = 0.0


def hear(pool: Pool, news: News, now: float) -> Pool:
    """What the pool becomes with the news of a host."""
    pool = attrs.evolve(_moved(pool, now), cycle_at=pool.cycle_at or now)
    if news.accepted:
        pool = _accepted(pool, news.accepted, now)
    for refusal in news.refusals:
        pool = _refused(pool, refusal, now)
    return attrs.evolve(pool, told_at=now)


def _moved(pool: Pool, now: float) -> Pool:
    """The pool on a clock that was set back, as after a failover: else nobody would send before it has caught up."""
    back = pool.told_at - now
    if back <= 0:
        return pool
    return attrs.evolve(
        pool,
        next_at=pool.next_at - back,
        paused_until=pool.paused_until - back,
        reacted_at=pool.reacted_at - back,
        told_at=now,
        cycle_at=pool.cycle_at - back,
    )


def _accepted(pool: Pool, count: int, now: float) -> Pool:
    if pool.refusals:
        return _reopened(pool, count, now)
    if now - pool.cycle_at > _LONGEST_CYCLE and pool.rate is None:
        pool = attrs.evolve(pool, cycle_at=now - _LONGEST_CYCLE / 2, accepted=pool.accepted // 2)
    grown = 1 + _GROWTH * min(max(now - pool.told_at, 0.0), _LONGEST_TELLING)
    rate = None if pool.rate is None else pool.rate * grown
    return attrs.evolve(pool, rate=rate, accepted=pool.accepted + count)


def _reopened(pool: Pool, count: int, now: float) -> Pool:
    """The first acceptance after a block: no faster than what the cycle that ends here really achieved."""
    rate = pool.rate or math.inf
    achieved = _achieved(pool, now)
    if now - pool.cycle_at < _SHORT_CYCLE:
        achieved = max(achieved, rate * _SHORT_SHARE)
    return attrs.evolve(pool, rate=max(min(rate, achieved), _LEAST_RATE), refusals=0, cycle_at=now, accepted=count)


def _achieved(pool: Pool, now: float) -> float:
    return (pool.accepted + 1) / max(now - pool.cycle_at, 1.0)


def _refused(pool: Pool, refusal: Refusal, now: float) -> Pool:
    if refusal.retry_after is not None:
        pool = attrs.evolve(pool, paused_until=max(pool.paused_until, now + refusal.retry_after))
    if refusal.drawn_at <= pool.reacted_at:
        return pool
    row = pool.refusals + 1
    rate = pool.rate or _achieved(pool, now)
    if row == 1:
        rate = max(rate * _TAKEN_OFF, _LEAST_RATE)
        pause = 0.5 / rate if refusal.retry_after is None else 0.0
    else:
        pause = max(1 / rate, 1.0) * 3.0 ** min(row - 2, 5)
    until = max(pool.paused_until, now + min(pause, _LONGEST_PAUSE))
    return attrs.evolve(pool, rate=rate, refusals=row, reacted_at=now, paused_until=until)


def draw(pool: Pool, wanted: int, now: float, *, max_rate: float | None, room: int | None) -> tuple[Pool, Grant]:
    """Give a host up to ten of the tokens it wants.

    Args:
        pool: the row.
        wanted: requests that wait.
        now: on the database's clock.
        max_rate: stated, for all hosts together; None without one.
        room: tasks that may still be begun, over all hosts; None without a stated bound.
    """
    if room is not None and room < 1:
        return pool, Grant(0, wait=_HORIZON)
    if pool.paused_until > now + _HORIZON:
        return pool, Grant(0, wait=pool.paused_until - now)
    rate = _rate(pool, max_rate)
    interval = 1 / rate
    start = max(pool.next_at, now - interval, pool.paused_until)
    if start > now + _HORIZON:
        return pool, Grant(0, wait=start - now - _HORIZON / 2)
    share = MOST_TOKENS if rate == math.inf else max(1, math.ceil(rate * _AHEAD))
    if pool.refusals > 1:
        share = 1  # a block is probed by one request at a time
    tokens = min(wanted, MOST_TOKENS, share, wanted if room is None else room)
    return (
        attrs.evolve(pool, next_at=start + tokens * interval),
        Grant(tokens, first=start - now, interval=interval, drawn_at=now),
    )


def _rate(pool: Pool, max_rate: float | None) -> float:
    stated = math.inf if max_rate is None else max_rate * _STATED_SHARE
    return min(pool.rate or math.inf, stated)

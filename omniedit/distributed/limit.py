"""One limit for all hosts, kept: draws tokens for the requests of one host from the row that all hosts share."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from omniedit.api.gate import Gate, Lane, Turn
from omniedit.core.ratehints import read_hint
from omniedit.distributed.pool import Grant, News, Pool, Refusal, draw, hear
from omniedit.errors import JournalError
from omniedit.journal.link import Link
from omniedit.journal.statements import queries

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from omniedit.distributed.client import HostClient
    from omniedit.journal.postgres import PostgresJournal

__all__ = ["SharedGate", "SharedLimit", "Token", "limited"]

_SQL = queries("postgres")
_NO_HEADERS: Mapping[str, str] = {}
_TELL_AFTER = 1.0  # seconds in which acceptances are told when nobody draws
_SOON = 5.0  # seconds that a server that is away is waited for, before it is said
_AWAY = 1.0  # seconds between tries while the database cannot be reached
_LONGEST_RETRY_AFTER = 3600.0  # seconds that the service is believed
_log = logging.getLogger("omniedit.distributed")


class Token:
    """The right to send one request; exactly one method tells what became of it."""

    __slots__ = ("_drawn_at", "_limit")

    def __init__(self, limit: SharedLimit, drawn_at: float) -> None:
        self._limit: SharedLimit | None = limit
        self._drawn_at = drawn_at

    def accepted(self) -> None:
        """The service took the request."""
        if (limit := self._leave()) is not None:
            limit.note(accepted=1)

    def refused(self, retry_after: float | None) -> None:
        """The service refused it for a limit: everybody slows down."""
        if (limit := self._leave()) is not None:
            limit.note(refusal=Refusal(self._drawn_at, retry_after))

    def over(self) -> None:
        """Anything else: it was not sent, or nothing is learned from its answer."""
        if (limit := self._leave()) is not None:
            limit.note()

    def _leave(self) -> SharedLimit | None:
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.held -= 1
        return limit


class SharedLimit:
    """What one host has of the limit that all hosts share.

    While the database cannot be reached no token is given: nothing is sent without the limit, as nothing is without
    the journal, which is in the same place.

    Args:
        link: to the database, used by nobody else.
        fingerprint: of the key at its service.
        holder: this host's number in the journal; when it is gone, so are the tokens that it holds.
        max_rate: requests per second of all hosts together; learned when not given.
        max_tasks: unfinished tasks of all hosts together, never passed; not bounded when not given.
    """

    def __init__(
        self,
        link: Link,
        fingerprint: str,
        holder: Callable[[], int],
        *,
        max_rate: float | None = None,
        max_tasks: int | None = None,
    ) -> None:
        self._link = link
        self._fingerprint = fingerprint
        self._holder = holder
        self._max_rate = max_rate
        self._max_tasks = max_tasks
        self._waiting: deque[asyncio.Future[Token]] = deque()
        self._accepted = 0
        self._refusals: list[Refusal] = []
        self._dealer: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._closed = False
        self._told = 0  # tokens that the other hosts count as held here
        self.held = 0
        """Tokens whose requests are not answered yet."""

    def __repr__(self) -> str:
        return f"<SharedLimit {self._fingerprint} waiting={len(self._waiting)} held={self.held}>"

    async def take(self) -> Token:
        """Wait for a token and its moment. Cancelling the wait gives the token back."""
        waiter: asyncio.Future[Token] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._wanted() == 1:
            self._wake.set()
        self._deal()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                waiter.result().over()
            raise

    def note(self, *, accepted: int = 0, refusal: Refusal | None = None) -> None:
        """What became of a request; a refusal is told to all at once."""
        self._accepted += accepted
        if refusal is not None:
            self._refusals.append(refusal)
            self._wake.set()
        self._deal()

    async def close(self) -> None:
        """Stop dealing, and close the connection."""
        self._closed = True
        if self._dealer is not None:
            self._dealer.cancel()
            await asyncio.wait([self._dealer])
        await self._link.close()

    def _deal(self) -> None:
        if self._dealer is None and not self._closed:
            self._dealer = asyncio.get_running_loop().create_task(self._work(), name="omniedit-limit")

    async def _work(self) -> None:
        """Runs only while somebody waits or there is something to tell."""
        try:
            while self._wanted() or self._accepted or self._refusals or self._overstated:
                if not self._wanted() and not self._refusals:
                    await self._pause(_TELL_AFTER)
                await self._round()
        finally:
            self._dealer = None

    @property
    def _overstated(self) -> bool:
        """Whether others wait for room that this host takes no more."""
        return self._told > self.held

    def _wanted(self) -> int:
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        return len(self._waiting)

    async def _round(self) -> None:
        news = News(self._accepted, tuple(self._refusals))
        self._accepted, self._refusals = 0, []
        try:
            grant = await self._link.run(lambda connection: self._exchange(connection, news))
        except JournalError as error:
            _log.warning("the shared limit is out of reach: %s", error)
            self._accepted += news.accepted
            self._refusals = [*news.refusals, *self._refusals]
            await self._pause(_AWAY)
            return
        if grant.tokens:
            await self._hand_out(grant)
        elif self._wanted():
            await self._pause(grant.wait * random.uniform(1.0, 1.02))  # noqa: S311  # not all at the same moment

    async def _hand_out(self, grant: Grant) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time() + grant.first
        for number in range(grant.tokens):
            delay = begin + number * grant.interval - loop.time()
            if delay > 0:
                await asyncio.sleep(delay)
            if not self._wanted():
                return
            self.held += 1
            self._waiting.popleft().set_result(Token(self, grant.drawn_at))

    async def _pause(self, seconds: float) -> None:
        """Wait, or less when a refusal comes in, or the first who wants a token."""
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _exchange(self, connection: Connection[Record], news: News) -> Grant:
        """Tell and draw, holding the row for two round trips."""
        capped = self._max_tasks is not None
        async with connection.transaction():
            row = await connection.fetchrow(_SQL["lock_limit"], self._fingerprint)
            if row is None:
                await connection.execute(_SQL["add_limit"], self._fingerprint)
                row = await connection.fetchrow(_SQL["lock_limit"], self._fingerprint)
            look = await connection.fetchrow(_SQL["look_at_room"], self._fingerprint, self._holder(), capped)
            if row is None or look is None:
                raise JournalError("the row of the shared limit is gone", mend="leave the table alone while hosts work")
            pool = hear(Pool(**dict(row)), news, look["now"])
            room = None if self._max_tasks is None else self._max_tasks - look["live"] - look["held"] - self.held
            pool, grant = draw(pool, self._wanted(), look["now"], max_rate=self._max_rate, room=room)
            await connection.execute(_SQL["set_limit"], self._fingerprint, *_values(pool))
            held = self.held + grant.tokens
            if capped:
                await connection.execute(_SQL["set_token"], self._fingerprint, self._holder(), held)
        self._told = held if capped else 0
        return grant


def _values(pool: Pool) -> tuple[object, ...]:
    return (
        pool.rate,
        pool.next_at,
        pool.paused_until,
        pool.reacted_at,
        pool.refusals,
        pool.told_at,
        pool.cycle_at,
        pool.accepted,
    )


class SharedGate(Gate):
    """A gate whose submits draw a token of all hosts first, and then wait for their turn on this one."""

    def __init__(self, limit: SharedLimit, *, max_rate: float | None = None, max_in_flight: int | None = None) -> None:
        super().__init__(max_rate=max_rate, max_in_flight=max_in_flight)
        self._limit = limit

    async def enter(self, lane: Lane, *, urgent: bool = False) -> Turn:
        """Wait for a turn in a lane."""
        if lane is not Lane.SUBMIT:
            return await super().enter(lane, urgent=urgent)
        token = await self._limit.take()
        try:
            turn = await super().enter(lane, urgent=urgent)
        except BaseException:
            token.over()
            raise
        return _SharedTurn(turn, token)


class _SharedTurn(Turn):
    """A turn and a token: what is told of one is told of both."""

    __slots__ = ("_token", "_turn")

    def __init__(self, turn: Turn, token: Token) -> None:
        self._turn = turn
        self._token = token

    def accepted(self, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        """The service took the request."""
        self._token.accepted()
        self._turn.accepted(headers)

    def refused(self, headers: Mapping[str, str] = _NO_HEADERS, *, retry_after: float | None = None) -> None:
        """The service refused the request for a limit."""
        told = read_hint(headers, datetime.now(UTC)).retry_after if retry_after is None else retry_after
        self._token.refused(None if told is None else min(told, _LONGEST_RETRY_AFTER))
        self._turn.refused(headers, retry_after=retry_after)

    def answered(self, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        """Any other answer."""
        self._token.over()
        self._turn.answered(headers)

    def lost(self, *, maybe_accepted: bool = False) -> None:
        """No answer."""
        self._token.over()
        self._turn.lost(maybe_accepted=maybe_accepted)

    def unused(self) -> None:
        """The request never left."""
        self._token.over()
        self._turn.unused()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._token.over()
        self._turn.__exit__(kind, error, traceback)

    def __repr__(self) -> str:
        return f"<SharedTurn {self._turn!r}>"


@asynccontextmanager
async def limited(
    client: HostClient,
    journal: PostgresJournal,
    dsn: str,
    *,
    max_rate: float | None = None,
    max_in_flight: int | None = None,
) -> AsyncGenerator[None]:
    """Have a host's client keep the limit that all hosts share; entered before the client sends anything."""
    limit = SharedLimit(
        Link(dsn, patience=_SOON),
        client.key_fingerprint,
        lambda: journal.holder,
        max_rate=max_rate,
        max_tasks=max_in_flight,
    )
    client.gate = SharedGate(limit, max_rate=max_rate, max_in_flight=max_in_flight)
    try:
        yield
    finally:
        await limit.close()

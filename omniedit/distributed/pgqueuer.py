"""One batch for many hosts, handed out by PgQueuer over the PostgreSQL database that also holds the journal.

A row of the queue carries an edit's key and nothing else. Every rule of safety sits in the journal, so a job that is
handed out twice is not paid twice: the second host is refused the edit and tries again later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

import attrs
from pgqueuer import Job, PgQueuer, Queries, QueueManager, RetryRequested
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver

from omniedit.api import wire
from omniedit.core.naming import DEFAULT_TEMPLATE, check_template
from omniedit.core.preflight import refuse_edit
from omniedit.core.resume import Plan, plan
from omniedit.distributed.follower import Follower, Later
from omniedit.errors import InvalidEdit
from omniedit.flow.admission import Placing
from omniedit.flow.intent import OnUncertain
from omniedit.flow.settings import find_base_url
from omniedit.journal.base import NameTaken
from omniedit.journal.relations import admit
from omniedit.journal.schema import prepare
from omniedit.journal.statements import queries
from omniedit.models import Edit, Entry, Status

if TYPE_CHECKING:
    from asyncpg import Connection, Record

__all__ = ["ENTRYPOINT", "Submitted", "install", "register", "submit_batch", "sweep"]

ENTRYPOINT = "omniedit"
"""The name under which PgQueuer knows our jobs."""
_PAGE = 1_000
_ASTRAY = 10_000  # edits that one sweep brings back
# "sweep" and "insta": so that of hosts that do the same at the same moment, one does it.
_SWEEP_LOCK, _INSTALL_LOCK = 0x7377656570, 0x696E737461
_SQL = queries("postgres")
_WITHOUT_JOB = frozenset({Plan.check, Plan.hold, Plan.skip})


@attrs.frozen
class Submitted:
    """What became of a batch."""

    queued: int
    """Edits that were put into the queue."""
    known: int
    """Edits that were in it, are being worked on, or have ended already."""
    refused: tuple[tuple[Edit, InvalidEdit], ...] = ()
    """Edits that are wrong, and why; nothing was written of them."""


async def install(connection: Connection[Record]) -> None:
    """Make PgQueuer's tables where there are none."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _INSTALL_LOCK)
        queue = _queries(connection)
        if not await queue.schema_is_installed():
            await queue.install()


async def submit_batch(
    connection: Connection[Record],
    edits: Iterable[Edit],
    *,
    base_url: str | None = None,
    template: str = DEFAULT_TEMPLATE,
    priority: int = 0,
    retry_failed: bool = False,
    on_uncertain: OnUncertain = OnUncertain.hold,
    first: int = 1,
) -> Submitted:
    """Write edits into the journal and into the queue, in one transaction, or inside yours when one is open.

    The same edit again is the same edit: it is queued once, and not at all once it has been saved.

    Args:
        connection: of `asyncpg`, to the database of the journal, in which PgQueuer is installed (see `install`).
        edits: read page by page; a source that is a local path must be one on every host.
        base_url: the API's origin; from `EVOLINK_BASE_URL`, else the service's own.
        template: of the results' names.
        priority: PgQueuer's; higher is earlier.
        retry_failed: queue failed edits again where their code allows it, for workers that retry them.
        on_uncertain: queue uncertain edits again (`replay`), for workers that replay, or leave them to people.
        first: the `{index}` of the first edit, where a batch is submitted in parts.

    Raises:
        JournalError: the journal belongs to another origin, or is of a newer version.
        ConfigurationError: the template or the address is wrong.
        asyncpg.PostgresError: as the server says it; the transaction is undone, or yours to undo.
    """
    check_template(template)
    origin = wire.normalize_origin(find_base_url(base_url), name="base_url")
    clerk = _Clerk(
        connection,
        Placing("", template),
        local_service=wire.is_loopback(origin),
        priority=priority,
        retry_failed=retry_failed,
        replay=on_uncertain == OnUncertain.replay,
    )
    async with connection.transaction():
        await prepare(connection, origin)
        for page in _pages(edits, first):
            await clerk.submit(page)
    return Submitted(clerk.queued, clerk.known, tuple(clerk.refused))


def register(manager: PgQueuer | QueueManager, follower: Follower, *, concurrency_limit: int = 0) -> None:
    """Have a PgQueuer application of yours work on edits.

    Args:
        manager: PgQueuer's.
        follower: entered; one is enough for all jobs of a process.
        concurrency_limit: most edits at once over all hosts; 0 for no limit. All hosts must say the same.
    """

    async def edit(job: Job) -> None:
        try:
            await follower.follow((job.payload or b"").decode())
        except Later as later:
            raise RetryRequested(timedelta(seconds=later.after), later.message) from None

    manager.entrypoint(ENTRYPOINT, concurrency_limit=concurrency_limit, accepts_context=False)(edit)


async def sweep(connection: Connection[Record]) -> int:
    """Queue the edits that have gone astray, and how many; of hosts that sweep at once, one does.

    Astray are open edits that nobody holds and no job stands for (their job was deleted by hand, or its host ended
    badly), and uncertain ones of which a host brought home a task id when they were no longer its own.
    """
    async with connection.transaction():
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _SWEEP_LOCK):
            return 0
        await connection.execute(_SQL["drop_tokens"])
        queue = _queries(connection)
        rows = await connection.fetch(_astray(queue.qbq.qualified.queue_table), _ASTRAY)
        return await _enqueue(queue, [row["key"] for row in rows], 0)


def _astray(queue_table: str) -> str:
    return f"""
        WITH astray AS (
            SELECT job FROM omniedit.state
            WHERE phase IN (1, 2) AND NOT EXISTS (SELECT FROM omniedit.holder WHERE holder.id = state.holder)
            UNION ALL
            SELECT state.job FROM omniedit.state JOIN omniedit.attempt USING (job, nonce)
            WHERE phase = 3 AND attempt.outcome = 'accepted'
        )
        SELECT key FROM astray JOIN omniedit.job USING (job)
        WHERE NOT EXISTS (
            SELECT FROM {queue_table} AS queued
            WHERE queued.dedupe_key = '{ENTRYPOINT}:' || job.key AND queued.status IN ('queued', 'picked')
        )
        LIMIT $1
    """  # noqa: S608  # the name of PgQueuer's own table, which it has checked


def _queries(connection: Connection[Record]) -> Queries:
    return Queries(AsyncpgDriver(connection))


async def _enqueue(queue: Queries, keys: Sequence[str], priority: int) -> int:
    """Queue those that are not in the queue; how many they were."""
    if not keys:
        return 0
    ids = await queue.enqueue(
        [ENTRYPOINT] * len(keys),
        [key.encode() for key in keys],
        [priority] * len(keys),
        dedupe_key=[f"{ENTRYPOINT}:{key}" for key in keys],
        on_conflict="skip",
    )
    return sum(id_ is not None for id_ in ids)


def _pages(edits: Iterable[Edit], first: int) -> Iterator[list[tuple[int, Edit]]]:
    numbered = iter(enumerate(edits, start=first))
    while page := list(islice(numbered, _PAGE)):
        yield page


class _Clerk:
    """Writes pages of edits down, inside one transaction."""

    def __init__(
        self,
        connection: Connection[Record],
        placing: Placing,
        *,
        local_service: bool,
        priority: int,
        retry_failed: bool,
        replay: bool,
    ) -> None:
        self._connection = connection
        self._queries = _queries(connection)
        self._local_service = local_service
        self._placing = placing
        self._priority = priority
        self._retry_failed = retry_failed
        self._replay = replay
        self.queued = 0
        self.known = 0
        self.refused: list[tuple[Edit, InvalidEdit]] = []

    async def submit(self, edits: Sequence[tuple[int, Edit]]) -> None:
        """Write one page."""
        proposals = [entry for index, edit in edits if (entry := self._propose(index, edit)) is not None]
        entries = await self._admitted(proposals)
        keys = [entry.key for entry in entries if self._has_work(entry)]
        queued = await _enqueue(self._queries, keys, self._priority)
        self.queued += queued
        self.known += len(entries) - queued

    def _propose(self, index: int, edit: Edit) -> Entry | None:
        try:
            refuse_edit(edit, local_service=self._local_service)
            target = self._placing.target(edit, index)
        except InvalidEdit as error:
            self.refused.append((edit, error))
            return None
        return Entry(edit, target, Status.queued, datetime.now(UTC))

    async def _admitted(self, proposals: Sequence[Entry]) -> list[Entry]:
        """What the journal has of each edit; one whose name another holds gets another, if it may."""
        found = await admit(self._connection, proposals, None)
        taken = [entry for entry in proposals if isinstance(found[entry.key], NameTaken)]
        others = [(entry, self._placing.other(entry.edit, entry.target)) for entry in taken]
        renamed = [attrs.evolve(entry, target=other) for entry, other in others if other is not None]
        found = {**found, **await admit(self._connection, renamed, None)}
        for entry in taken:
            if isinstance(found[entry.key], NameTaken):
                self.refused.append((entry.edit, _name_taken(entry)))
        return [entry for entry in found.values() if isinstance(entry, Entry)]

    def _has_work(self, entry: Entry) -> bool:
        return plan(entry, replay=self._replay, retry_failed=self._retry_failed) not in _WITHOUT_JOB


def _name_taken(entry: Entry) -> InvalidEdit:
    return InvalidEdit(
        f"two edits want the name {entry.target}",
        field="name",
        code="name_taken",
        mend="give each its own name, or use {key8} or {index} in the name template",
    )

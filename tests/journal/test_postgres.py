"""The shared journal among several hosts, and with a server that goes away."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import attrs
import pytest

from omniedit.errors import JournalBusy, JournalError
from omniedit.journal.base import EditHeld
from omniedit.journal.columns import text, untext
from omniedit.journal.link import Link, shown
from omniedit.journal.postgres import PostgresJournal, PostgresReader
from omniedit.journal.specimens import NOON, ORIGIN, all_of, new_entry
from omniedit.models import Answer, Entry, Outcome, Status
from omniedit.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from asyncpg import Connection, Record

DEAD = 0.4  # seconds: the lease of hosts that are to die in a test


@asynccontextmanager
async def host(dsn: str, name: str = "here", lease: float = 15.0) -> AsyncGenerator[PostgresJournal]:
    """A journal, open on one host."""
    journal = PostgresJournal(dsn, name=name, lease=lease)
    await journal.open(ORIGIN)
    try:
        yield journal
    finally:
        await journal.close()


async def silence(journal: PostgresJournal) -> None:
    """The host stands still: its lease is not renewed any more."""
    lease = journal._here.lease  # noqa: SLF001
    assert lease._task is not None  # noqa: SLF001
    lease._task.cancel()  # noqa: SLF001
    await asyncio.wait([lease._task])  # noqa: SLF001


async def reaped(journal: PostgresJournal, name: str) -> None:
    """Wait until a silent host has been declared dead."""
    async with asyncio.timeout(30):
        while name not in await journal.reap():  # noqa: ASYNC110  # the database's clock gives no events
            await asyncio.sleep(DEAD / 4)


def sent(number: int) -> Entry:
    """An edit whose paid request is about to leave."""
    return attrs.evolve(new_entry(number, Status.submitting), nonce=f"nonce-number-{number:04}")


async def test_an_edit_is_moved_by_one_living_host_only(dsn: str) -> None:
    """Another is told who works on it, and its own edits are not touched by that."""
    async with host(dsn, "first") as first, host(dsn, "second") as second:
        await first.admit([new_entry(1)])
        await second.admit([new_entry(2)])
        assert await second.admit([new_entry(1), new_entry(3)]) == [EditHeld(new_entry(1), "first"), new_entry(3)]
        with pytest.raises(JournalBusy, match="first"):
            await second.intend(sent(1))
        assert await second.claim([new_entry(1).key, new_entry(2).key, "nobody"]) == {new_entry(2).key: new_entry(2)}
        assert await second.attempts(new_entry(1).key) == ()
        assert await second.entry(new_entry(1).key) == new_entry(1)


async def test_what_ended_or_was_let_go_is_free_for_all(dsn: str) -> None:
    """Ending, letting go and closing free an edit at once."""
    async with host(dsn, "second") as second:
        async with host(dsn, "first") as first:
            await first.admit([new_entry(number) for number in range(3)])
            await first.write(new_entry(0, Status.failed))
            await first.let_go([new_entry(1).key])
            await second.write(new_entry(0))
            await second.write(new_entry(1, Status.uploading))
            with pytest.raises(JournalBusy):
                await first.write(new_entry(1, Status.uploading))
        await second.write(new_entry(2, Status.uploading))


async def test_a_host_that_was_declared_dead_moves_nothing_but_books_its_answers(dsn: str) -> None:
    """The task id that it brings home is kept; the state belongs to whoever took over."""
    async with host(dsn, "alive", 2.0) as alive, host(dsn, "stalled", DEAD) as stalled:
        await stalled.admit([new_entry(1), new_entry(2)])
        await stalled.intend(sent(1))
        await silence(stalled)
        await reaped(alive, "stalled")
        assert set(await alive.claim([new_entry(1).key])) == {new_entry(1).key}
        pending = attrs.evolve(sent(1), status=Status.pending, task_id="task-unified-1")
        with pytest.raises(JournalError) as refused:
            await stalled.answer(Answer(sent(1).nonce or "", Outcome.accepted, NOON, "task-unified-1"), pending)
        assert refused.value.code == "lease_lost"
        for late in (stalled.write(pending), stalled.intend(sent(2)), stalled.admit([new_entry(3)])):
            with pytest.raises(JournalError, match="silent"):
                await late
        assert await alive.entry(new_entry(1).key) == sent(1)
        assert [(a.outcome, a.task_id) for a in await alive.attempts(new_entry(1).key)] == [
            (Outcome.accepted, "task-unified-1")
        ]
        assert await alive.attempts(new_entry(2).key) == ()
        assert await alive.entry(new_entry(3).key) is None


async def test_a_host_hears_that_it_was_declared_dead(dsn: str) -> None:
    """Its next renewal finds no row; it can open the journal again and claim what is free."""
    async with host(dsn, "alive", 2.0) as alive, host(dsn, "stalled", DEAD) as stalled:
        await stalled.admit([new_entry(1)])
        async with asyncpg_connection(dsn) as connection, asyncio.timeout(30):
            while "stalled" not in await alive.reap():  # it may have renewed its lease in between
                await connection.execute(
                    "UPDATE omniedit.holder SET until = now() - interval '1 hour' WHERE name = 'stalled'"
                )
        async with asyncio.timeout(90):
            await stalled.lost.wait()
    async with host(dsn, "again") as again:
        assert set(await again.claim([new_entry(1).key])) == {new_entry(1).key}


async def test_a_late_lease_lives_on_when_nobody_took_over(dsn: str) -> None:
    """Silence alone takes nothing away: only being declared dead does."""
    async with host(dsn, "late", DEAD) as late:
        await late.admit([new_entry(1)])
        await silence(late)
        await asyncio.sleep(DEAD * 1.5)
        await late.write(new_entry(1, Status.uploading))
        assert await late.entry(new_entry(1).key) == new_entry(1, Status.uploading)
        assert not late.lost.is_set()


async def test_two_hosts_that_take_over_at_once_do_not_both_get_an_edit(dsn: str) -> None:
    """Claims of the same edits at the same moment share them out."""
    keys = [new_entry(number).key for number in range(200)]
    async with host(dsn, "dead") as dead:
        await dead.admit([new_entry(number) for number in range(200)])
    async with host(dsn, "first") as first, host(dsn, "second") as second:
        claims = [journal.claim([key]) for key in keys for journal in (first, second)]
        got = await asyncio.gather(*claims)
        assert [len(a) + len(b) for a, b in zip(got[::2], got[1::2], strict=True)] == [1] * 200


async def test_the_same_edits_admitted_by_many_hosts_are_there_once(dsn: str) -> None:
    """Hosts that begin with the same list at the same moment, in any order: each edit is one host's."""
    entries = [new_entry(number) for number in range(300)]
    async with host(dsn, "first") as first, host(dsn, "second") as second:
        calls = [first.admit([e]) for e in entries] + [second.admit([e]) for e in reversed(entries)]
        results = [answer for (answer,) in await asyncio.gather(*calls)]
        assert Counter(type(answer) for answer in results) == {Entry: 300, EditHeld: 300}
        assert len(await all_of(first.entries())) == 300


async def test_what_is_admitted_is_read_behind_its_lock(dsn: str) -> None:
    """An edit that ended while its admission waited for it is told as it ended: else it would be paid for again."""
    done = new_entry(1, Status.saved)
    async with host(dsn, "first") as first, host(dsn, "second") as second, asyncpg_connection(dsn) as connection:
        await first.admit([new_entry(1)])
        async with connection.transaction():
            await connection.execute("SELECT FROM omniedit.state FOR UPDATE")
            ending = asyncio.create_task(first.write(done))
            await waiting_for_locks(dsn, 1)
            admitting = asyncio.create_task(second.admit([new_entry(1)]))
            await waiting_for_locks(dsn, 2)
        await ending
        assert await admitting == [done]


async def test_a_host_that_is_just_writing_holds_up_no_reaper(dsn: str) -> None:
    """The reaper's own lease is renewed by the connection that would wait."""
    async with host(dsn, "alive", 2.0) as alive, host(dsn, "frozen", DEAD) as frozen, host(dsn, "dead", DEAD) as dead:
        for journal in (frozen, dead):
            await silence(journal)
        async with asyncpg_connection(dsn) as connection, connection.transaction():
            await connection.execute("SELECT FROM omniedit.holder WHERE id = $1 FOR KEY SHARE", frozen.holder)
            await reaped(alive, "dead")
        await reaped(alive, "frozen")


async def test_a_transaction_that_stands_still_gives_its_locks_back(dsn: str) -> None:
    """A frozen host keeps nobody from working, and does its own work anew once it goes on."""
    frozen, other = Link(dsn, patience=30.0), Link(dsn, patience=30.0)
    thaw, tries = asyncio.Event(), 0

    async def stand_still(connection: Connection[Record]) -> int:
        nonlocal tries
        tries += 1
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(1)")
            await thaw.wait()
            return int(await connection.fetchval("SELECT 1"))

    work = asyncio.create_task(frozen.run(stand_still))
    await asyncio.sleep(0.3)
    async with asyncio.timeout(30):
        await other.run(lambda connection: connection.execute("SELECT pg_advisory_xact_lock(1)"))
    thaw.set()
    assert (await work, tries) == (1, 2)
    await frozen.close()
    await other.close()


async def test_a_closed_link_waits_for_no_server() -> None:
    """What waited for it fails as soon as the link is closed, and later work at once."""
    link = Link("postgresql://127.0.0.1:1/nowhere", patience=3600.0)
    work = asyncio.create_task(link.run(lambda connection: connection.execute("SELECT 1")))
    await asyncio.sleep(0.2)
    await link.close()
    async with asyncio.timeout(30):
        with pytest.raises(JournalError, match="not open"):
            await work
        with pytest.raises(JournalError, match="not open"):
            await link.run(lambda connection: connection.execute("SELECT 1"))


async def waiting_for_locks(dsn: str, count: int) -> None:
    """Wait until so many connections of this database wait for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with asyncpg_connection(dsn) as connection, asyncio.timeout(30):
        while await connection.fetchval(query) != count:  # noqa: ASYNC110  # a database gives no events
            await asyncio.sleep(0.02)


async def test_hosts_that_start_together_make_one_schema(dsn: str) -> None:
    """Migrating is one after the other."""
    journals = [PostgresJournal(dsn, name=f"host {number}") for number in range(5)]
    await asyncio.gather(*(journal.open(ORIGIN) for journal in journals))
    await asyncio.gather(*(journal.admit([new_entry(number)]) for number, journal in enumerate(journals)))
    assert [len(await all_of(journal.entries())) for journal in journals] == [5] * 5
    await asyncio.gather(*(journal.close() for journal in journals))


@pytest.mark.parametrize("mode", ["immediate", "fast"])
async def test_writes_wait_for_a_server_that_restarts(postgres_server: PostgresServer, dsn: str, mode: str) -> None:
    """None is lost, none is there twice, and the lease lives on."""
    async with host(dsn) as journal:
        await journal.admit([new_entry(number) for number in range(50)])
        restart = asyncio.create_task(asyncio.to_thread(restarted, postgres_server, mode))
        turn = 0
        while not restart.done():
            turn += 1
            await asyncio.gather(*(journal.write(attrs.evolve(new_entry(n), renewals=turn)) for n in range(50)))
            assert len(await all_of(journal.entries())) == 50
        await restart
        assert {entry.renewals for entry in await all_of(journal.entries())} == {turn}
        await journal.intend(sent(1))
        assert not journal.lost.is_set()


def restarted(server: PostgresServer, mode: str) -> None:
    """Stop the server and start it again."""
    with server.stopped(mode):
        pass


async def test_a_server_that_stays_away_is_an_error(postgres_server: PostgresServer, dsn: str) -> None:
    """After the patience, and for every call that waits; when it is back, the journal works on."""
    journal = PostgresJournal(dsn, patience=0.5)
    await journal.open(ORIGIN)
    await journal.admit([new_entry(1)])
    with postgres_server.stopped():
        results = await asyncio.gather(*(journal.write(new_entry(1)) for _ in range(3)), return_exceptions=True)
        assert [getattr(result, "code", None) for result in results] == ["journal_unreachable"] * 3
        with pytest.raises(JournalError, match="cannot be reached"):
            await journal.counts()
    await journal.write(new_entry(1, Status.uploading))
    assert await journal.entry(new_entry(1).key) == new_entry(1, Status.uploading)
    await journal.close()


async def test_nobody_is_declared_dead_right_after_the_server_started(
    postgres_server: PostgresServer, dsn: str
) -> None:
    """All have been kept from renewing: everybody gets the time of a lease."""
    async with host(dsn, "other", lease=60.0) as other, host(dsn, "kept away") as journal:
        await silence(journal)
        await asyncio.to_thread(restarted, postgres_server, "immediate")
        async with asyncpg_connection(dsn) as connection:
            await connection.execute("UPDATE omniedit.holder SET until = now() - interval '1 s'")
        assert await other.reap() == []


async def test_no_password_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Not in a repr, not in an error, not in a log."""
    secret = "postgresql://me:s3cr3t@127.0.0.1:1/edits?sslmode=disable&password=s3cr3t"
    caplog.set_level(logging.DEBUG)
    journal, reader = PostgresJournal(secret, patience=0.2), PostgresReader(secret, patience=0.2)
    with pytest.raises(JournalError) as refused:
        await journal.open(ORIGIN)
    with pytest.raises(JournalError) as unread:
        await reader.counts()
    await reader.close()
    shown = f"{journal!r} {reader!r} {refused.value!r} {refused.value} {unread.value} {caplog.text}"
    assert "s3cr3t" not in shown
    assert "postgresql://127.0.0.1:1/edits" in shown
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "unencoded",
    ["me:s3/cr3t@db", "me:s3#cr3t@db", "me:s3?cr3t@db", "me:s3@cr3t@db", "me:s3cr3t", "db/x?password=s3@cr3t"],
)
def test_a_password_that_is_not_encoded_is_not_shown_either(unencoded: str) -> None:
    """Such an address is wrong, and the first error says so: without a piece of the password."""
    told = shown(f"postgresql://{unencoded}")
    assert not any(piece in told for piece in ("s3", "cr3t"))


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgresql://me:s3@one:5432,two/edits?sslmode=require", "postgresql://one:5432,two/edits"),
        ("postgres://me@[::1]:5432/edits", "postgresql://[::1]:5432/edits"),
        ("postgresql:///edits?host=/run/postgresql", "postgresql:///edits"),
        ("postgresql://%2Frun%2Fpostgresql/edits", "postgresql://%2Frun%2Fpostgresql/edits"),
    ],
)
def test_hosts_and_database_are_shown(address: str, told: str) -> None:
    """So that people know which one is meant."""
    assert shown(address) == told


@pytest.mark.parametrize("wrong", ["postgresql://s3cr3t@[/x", "postgresql://127.0.0.1:none/x", "mysql://s3cr3t@x/y"])
async def test_a_wrong_address_is_an_error_at_once(wrong: str) -> None:
    """It is not tried again, and not shown with what may be a password."""
    journal = PostgresJournal(wrong)
    async with asyncio.timeout(30):
        with pytest.raises(JournalError) as refused:
            await journal.open(ORIGIN)
    assert "s3cr3t" not in str(refused.value)
    assert refused.value.code == "wrong_address"


async def test_a_database_that_is_not_there_says_so(postgres_server: PostgresServer) -> None:
    """With how to mend it."""
    with pytest.raises(JournalError, match="create the database"):
        await PostgresJournal(postgres_server.dsn("nowhere")).open(ORIGIN)


async def test_a_connection_that_could_not_be_greeted_is_not_used(dsn: str) -> None:
    """Whoever listens on it would hear nothing, and not know."""
    greeted: list[Connection[Record]] = []

    async def greet(connection: Connection[Record]) -> None:
        greeted.append(connection)
        if len(greeted) == 1:
            raise asyncio.CancelledError

    async def which(connection: Connection[Record]) -> Connection[Record]:
        return connection

    link = Link(dsn, patience=5, greet=greet)
    with pytest.raises(asyncio.CancelledError):
        await link.run(which)
    assert await link.run(which) is greeted[1]
    assert greeted[0].is_closed()
    await link.close()


async def test_a_value_that_the_driver_refuses_is_told_and_harms_no_other(dsn: str) -> None:
    """The rest of its group is written."""
    async with host(dsn) as journal:
        entries = [new_entry(number) for number in range(3)]
        await journal.admit(entries)
        wrong = attrs.evolve(entries[0], size=2**70)
        good = [attrs.evolve(entry, renewals=1) for entry in entries[1:]]
        outcomes = await asyncio.gather(*map(journal.write, [wrong, *good]), return_exceptions=True)
        assert isinstance(outcomes[0], JournalError)
        assert "DataError" in outcomes[0].message
        assert await all_of(journal.entries()) == [entries[0], *good]


async def test_a_reader_of_an_empty_database_says_so(dsn: str) -> None:
    """It makes no schema of its own."""
    reader = PostgresReader(dsn)
    with pytest.raises(JournalError, match="no journal"):
        await reader.counts()
    await reader.close()
    async with asyncpg_connection(dsn) as connection:
        assert await connection.fetchval("SELECT to_regnamespace('omniedit')") is None


async def test_a_reader_sees_what_is_written_and_holds_nothing(dsn: str) -> None:
    """`status` and `report` look on while others work."""
    reader = PostgresReader(dsn)
    async with host(dsn) as journal:
        await journal.admit([new_entry(number) for number in range(3)])
        await journal.intend(sent(1))
        assert (await reader.counts()).statuses == {Status.queued: 2, Status.submitting: 1}
        assert await reader.by_nonce(sent(1).nonce or "") == sent(1)
        assert [entry.status for entry in await all_of(reader.entries(open_only=True))][1] == Status.submitting
    await reader.close()
    with pytest.raises(JournalError):
        await reader.counts()


async def test_a_newer_journal_is_refused(dsn: str) -> None:
    """Nothing is changed in what a newer version has made; readers refuse it too."""
    async with host(dsn) as journal:
        await journal.admit([new_entry(1)])
    async with asyncpg_connection(dsn) as connection:
        await connection.execute("UPDATE omniedit.meta SET value = '99' WHERE name = 'schema'")
    reader = PostgresReader(dsn)
    for refused in (PostgresJournal(dsn).open(ORIGIN), reader.counts()):
        with pytest.raises(JournalError, match="newer version"):
            await refused
    await reader.close()


async def test_a_journal_with_other_keys_is_refused(dsn: str) -> None:
    """Its edits would look new, and be paid for again."""
    async with host(dsn) as journal:
        await journal.admit([new_entry(1)])
    async with asyncpg_connection(dsn) as connection:
        await connection.execute("UPDATE omniedit.job SET key = repeat('0', 32)")
    with pytest.raises(JournalError, match="names edits differently"):
        await PostgresJournal(dsn).open(ORIGIN)


async def test_the_server_may_have_commits_that_are_not_durable(postgres_server: PostgresServer) -> None:
    """Our connections have `synchronous_commit` on, whatever the database says."""
    dsn = postgres_server.database()
    async with asyncpg_connection(dsn) as connection:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    async with host(dsn) as journal:
        link = journal._here.link  # noqa: SLF001
        assert await link.run(lambda connection: connection.fetchval("SHOW synchronous_commit")) == "on"


async def test_open_edits_are_found_by_index(dsn: str) -> None:
    """Also among many that have ended."""
    async with host(dsn) as journal:
        await journal.admit([new_entry(number, Status.saved) for number in range(300)])
        await journal.admit([new_entry(1000)])
    async with asyncpg_connection(dsn) as connection:
        await connection.execute("ANALYZE omniedit.state")
        plan = await connection.fetch(
            "EXPLAIN SELECT * FROM omniedit.entry WHERE phase IN (1, 2) AND job > 0 ORDER BY job LIMIT 256"
        )
    assert any("state_open" in row[0] for row in plan)


async def test_a_journal_on_another_event_loop_is_refused(dsn: str) -> None:
    """Its connections belong to the loop in which it was opened."""
    async with host(dsn) as journal:

        def elsewhere() -> None:
            asyncio.run(journal.write(new_entry(1)))

        with pytest.raises(JournalError, match="another event loop"):
            await asyncio.to_thread(elsewhere)


async def test_moments_far_away_survive(dsn: str) -> None:
    """As does the whole range of what is counted."""
    entry = attrs.evolve(new_entry(1), deadline=NOON + timedelta(days=400_000), size=2**62, renewals=2**31 - 1)
    async with host(dsn) as journal:
        await journal.admit([entry])
        assert await journal.entry(entry.key) == entry


@pytest.mark.parametrize(
    "value", ["", "plain ❄", "\0", "a\x01b", "\x01", "\x01plain", "caf\udce9\\x41", "\\", "\x01\\"]
)
def test_any_text_can_be_written(value: str) -> None:
    """What PostgreSQL cannot hold is escaped, and comes back."""
    written = text(value)
    assert written is not None
    assert "\0" not in written
    assert len(written.encode()) >= len(value)
    assert untext(written) == value


@asynccontextmanager
async def asyncpg_connection(dsn: str) -> AsyncGenerator[asyncpg.Connection[asyncpg.Record]]:
    """A look behind the curtain."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


def test_a_missing_driver_is_named(tmp_path: Path) -> None:
    """The extra is in the message."""
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['asyncpg'] = None\n"
        "import importlib.util\n"
        "from omniedit.journal.postgres import PostgresJournal\n"
        "try:\n    PostgresJournal('postgresql://x')\nexcept Exception as e:\n    print(type(e).__name__, e)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "omniedit[postgres]" in done.stdout, done.stderr

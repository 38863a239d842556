"""One connection to PostgreSQL that comes back when the server does.

Rules of this module:
- work that is given to a link is done on one connection and may be done twice: it must be idempotent as a whole;
- a server that is away is waited for, with growing pauses, up to a bound; then it is a `JournalError`;
- no message and no repr holds the password of the address.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

from omniedit.errors import ConfigurationError, JournalError
from omniedit.journal.rules import not_open

if TYPE_CHECKING:
    from asyncpg import Connection, Record

__all__ = ["Link", "check_driver", "shown"]

T = TypeVar("T")
_log = logging.getLogger("omniedit")

_CONNECT_TIMEOUT = 10.0  # seconds for one try to connect
_CLOSE_TIMEOUT = 5.0  # seconds for a goodbye; then the socket is closed without one
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds between tries
# SQLSTATE classes and codes (PostgreSQL documentation, appendix A) after which the same work may succeed: connection
# lost, too many connections, server starting or stopping, a standby after a failover, a transaction that stood still,
# a deadlock, a serialization failure, a lock that was not to be had.
_PASSING = ("08", "53300", "57P", "25006", "25P03", "40P01", "40001", "55P03")
# Scheme, user and password, hosts with ports, database, options.
_HOST = r"(?:[\w.%-]*|\[[\w:.%]*\])(?::\d+)?"
_ADDRESS = re.compile(rf"\w+://(?:[^/?#@]*@)?(?P<hosts>{_HOST}(?:,{_HOST})*)(?P<database>(?:/[^/?#@]*)?)(?:\?[^#@]*)?")
# Code, mend for what people can do something about.
_MENDS = {
    "28P01": ("access_refused", "check the user and the password of the address"),
    "28000": ("access_refused", "check the user and the password of the address, and the server's pg_hba.conf"),
    "3D000": ("no_database", "create the database first"),
    "42501": ("access_refused", "give the user the right to create and to write the schema omniedit"),
    "42P01": ("not_a_journal", "there is no journal in this database yet; run a batch or enqueue first"),
    "3F000": ("not_a_journal", "there is no journal in this database yet; run a batch or enqueue first"),
    "53100": ("disk_full", "free some space on the server and run the same command again"),
    "57014": ("timeout", "the server took too long; look at its load and its locks"),
}


def check_driver() -> None:
    """Whether the driver is there.

    Raises:
        ConfigurationError: it is not installed.
    """
    if find_spec("asyncpg") is None:
        raise ConfigurationError(
            "PostgreSQL needs a driver that is not installed", mend="pip install 'omniedit[postgres]'"
        )


def shown(dsn: str) -> str:
    """An address for people: host and database, without user, password and options.

    A password that should have been percent-encoded may end up anywhere in it: what does not look like an address
    through and through is not shown at all.
    """
    found = _ADDRESS.fullmatch(dsn)
    return f"postgresql://{found['hosts']}{found['database']}" if found else "postgresql"


class Link:
    """A connection that is opened when it is needed, and again when it was lost.

    Args:
        dsn: `postgresql://user:password@host:port/database`; what it leaves out comes from the `PG*` variables.
        patience: seconds that a server may be away before it is an error.
        timeout: seconds that one statement may take.
        greet: called with every new connection before it is used.
    """

    def __init__(
        self,
        dsn: str,
        *,
        patience: float,
        timeout: float = 60.0,
        greet: Callable[[Connection[Record]], Awaitable[None]] | None = None,
    ) -> None:
        self._dsn = dsn
        self._patience = patience
        self._timeout = timeout
        self._greet = greet
        self._connection: Connection[Record] | None = None
        self._turn = asyncio.Lock()
        self._closed = False
        self.where = shown(dsn)

    def __repr__(self) -> str:
        return f"<Link {self.where}>"

    async def run(self, work: Callable[[Connection[Record]], Awaitable[T]]) -> T:
        """Do some work, again if the connection is lost on the way; one piece of work at a time.

        Raises:
            JournalError: the server refused, or stayed away for longer than the patience, or the link was closed.
        """
        async with self._turn:
            give_up = asyncio.get_running_loop().time() + self._patience
            for pause in _pauses():
                if self._closed:
                    raise not_open()
                try:
                    return await work(await self._connected())
                except Exception as error:  # noqa: BLE001  # whatever it is, it becomes ours
                    if not self._passes(error) or asyncio.get_running_loop().time() + pause > give_up:
                        raise self.translated(error) from None
                    _log.warning("%s: %s; trying again", self.where, type(error).__name__)
                await asyncio.sleep(pause)
        raise AssertionError("pauses never end")

    async def close(self) -> None:
        """Say goodbye, or hang up when nobody answers. It stays closed: work under way fails, later work too."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is None or connection.is_closed():
            return
        try:
            await connection.close(timeout=_CLOSE_TIMEOUT)
        except Exception:  # noqa: BLE001  # what was to be written is written; nothing is lost with this connection
            connection.terminate()

    def translated(self, error: Exception) -> JournalError:
        """What a failure is called for people; the server's primary message has no values in it."""
        import asyncpg

        if isinstance(error, JournalError):
            return error
        if not isinstance(error, asyncpg.PostgresError):
            return JournalError(
                f"{self.where} cannot be reached: {_kind(error)}",
                mend="check the address and the server; nothing is lost, run the same again when it is back",
                code="journal_unreachable",
            )
        state = error.sqlstate or "?"
        code, mend = _MENDS.get(state, ("journal_error", None))
        message = error.message or type(error).__name__  # a value that the driver refuses has no message
        return JournalError(f"{self.where} cannot be used: {message} ({state})", code=code, mend=mend)

    async def _connected(self) -> Connection[Record]:
        import asyncpg

        if self._connection is None or self._connection.is_closed():
            settings = {
                "application_name": "omniedit",
                "synchronous_commit": "on",  # a server may have it off; here a commit means that it is on the disk
                "jit": "off",  # costs more than our short queries
                # Everything is asked for by key. A young table has no statistics yet, and the planner would read the
                # whole of it for each group: a quarter of the transitions a second.
                "enable_seqscan": "off",
                "timezone": "UTC",
                # Milliseconds. A host that stands still within a transaction (frozen, or cut off) would keep its locks
                # for as long as it does so: no host could submit or take over its edits meanwhile.
                "idle_in_transaction_session_timeout": "5000",
            }
            try:
                self._connection = await asyncpg.connect(
                    self._dsn, timeout=_CONNECT_TIMEOUT, command_timeout=self._timeout, server_settings=settings
                )
            except ValueError:  # asyncpg's ClientConfigurationError is one, too; its words may hold the password
                raise _wrong_address(self.where) from None
            try:
                if self._greet is not None:
                    await self._greet(self._connection)
            except BaseException:  # a cancellation, too: nobody may find a connection that was not greeted
                self._hang_up()
                raise
        return self._connection

    def _passes(self, error: Exception) -> bool:
        """Whether the same work may succeed a little later; a connection that failed is given up."""
        import asyncpg

        if isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "").startswith(_PASSING):
            self._hang_up()
            return True
        if isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError):
            self._hang_up()
            # A wrong value is an interface error as well; no later try makes it right.
            return not isinstance(error, asyncpg.DataError)
        return False

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _wrong_address(where: str) -> JournalError:
    return JournalError(
        f"the address of the database cannot be read ({where})",
        mend="write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters percent-encoded",
        code="wrong_address",
    )


def _kind(error: Exception) -> str:
    """One line about a failure, without what it was told: an address has a password in it."""
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or type(error).__name__


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, _LONGEST_PAUSE)

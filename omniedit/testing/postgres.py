"""A PostgreSQL server for tests: made in a folder of its own, on loopback, and gone afterwards.

It needs the server's programs (Debian: `apt-get install postgresql`). A server never runs as root, so root starts it
as the user `postgres`.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from omniedit.errors import ConfigurationError

__all__ = ["PostgresServer", "postgres_programs"]

_USER = "postgres"
_PLACES = ("/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt")
_TIMEOUT = 60.0  # seconds for one program


def postgres_programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`, the newest there is; None when the server is not installed."""
    found = [path.parent for place in _PLACES for path in Path(place).glob("**/bin/pg_ctl")]
    if found:
        return max(found, key=lambda folder: [int(part) for part in folder.parent.name.split(".") if part.isdigit()])
    on_path = shutil.which("pg_ctl")
    return Path(on_path).resolve().parent if on_path else None


class PostgresServer:
    """A server: `with PostgresServer() as server: server.database()`.

    Args:
        settings: of `postgresql.conf`, by name.

    Raises:
        ConfigurationError: the server's programs are not installed.
    """

    def __init__(self, **settings: str | int) -> None:
        programs = postgres_programs()
        if programs is None:
            raise ConfigurationError("no PostgreSQL server is installed", mend="apt-get install postgresql")
        self._programs = programs
        self._settings = settings
        self._names = (f"scratch_{number}" for number in itertools.count(1))
        self._folder = Path()
        self.port = 0

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="omniedit-postgres-"))
        self._give_away()
        self.port = _free_port()
        how = ("--auth", "trust", "--username", _USER, "--encoding", "UTF8", "--no-sync")
        self._run("initdb", "--pgdata", self._data, *how)
        self._configure()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def process_id(self) -> int:
        """Of the server's first process; signals to it are signals to the server."""
        return int((self._folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])

    def dsn(self, database: str = "postgres") -> str:
        """The address of one database."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """Make an empty database; its address."""
        name = next(self._names)
        self._run("createdb", "--host", "127.0.0.1", "--port", str(self.port), "--username", _USER, name)
        return self.dsn(name)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._run("pg_ctl", "start", "--wait", "--pgdata", self._data, "--log", str(self._folder / "log"))

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `smart`, `fast`, or `immediate`, which is what a power cut is to it."""
        self._run("pg_ctl", "stop", "--wait", "--pgdata", self._data, "--mode", mode)

    @contextmanager
    def stopped(self, mode: str = "immediate") -> Generator[None]:
        """Be without the server for a while."""
        self.stop(mode)
        try:
            yield
        finally:
            self.start()

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _configure(self) -> None:
        settings: dict[str, str | int] = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": str(self._folder),
        }
        lines = [f"{name} = '{value}'\n" for name, value in (settings | self._settings).items()]
        with (self._folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(lines)

    def _give_away(self) -> None:
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_USER)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)

    def _run(self, program: str, *arguments: str) -> None:
        user = _USER if os.geteuid() == 0 else None
        _checked([str(self._programs / program), *arguments], self._folder, user)


def _checked(command: Sequence[str], folder: Path, user: str | None) -> None:
    # The server that pg_ctl leaves behind would keep a pipe open, so its words go to files.
    with (folder / "said").open("w+", encoding="utf-8") as said:
        done = subprocess.run(  # noqa: S603  # the server's own programs
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=folder,
            user=user,
            check=False,
            timeout=_TIMEOUT,
        )
        said.seek(0)
        if done.returncode:
            raise ConfigurationError(f"{Path(command[0]).name} failed: {said.read().strip()}")


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

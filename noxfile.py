"""How omniedit is checked.

`nox` makes an environment for each session. `nox --no-venv --no-install` uses the interpreter that runs nox, which must
have `.[all,dev]` installed: that is the quick way, and what the README and continuous integration do.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "docs", "tests", "rooms(core)"]
nox.options.reuse_existing_virtualenvs = True

# Each room's own tests must cover at least this share of its lines and branches, in per cent. Judgement is covered
# whole; in the others, what remains are failures of the machine that cannot be brought about.
ROOMS = {
    "core": 100,
    "api": 90,
    "media": 90,
    "journal": 90,
    "flow": 90,
    "report": 90,
    "sandbox": 90,
    "cli": 80,
    "distributed": 80,
}


def python(session: nox.Session, *args: str) -> None:
    """Run the interpreter of the session; without an environment of its own, the one that runs nox."""
    session.run(interpreter(session), *args, external=True)


def interpreter(session: nox.Session) -> str:
    """Path of the interpreter that has omniedit installed."""
    return sys.executable if session.venv_backend == "none" else f"{session.bin}/python"


@nox.session
def lint(session: nox.Session) -> None:
    """Rules of style, and the formatter's opinion."""
    session.install("-e", ".[dev]")
    python(session, "-m", "ruff", "check")
    python(session, "-m", "ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Both type checkers, strict."""
    session.install("-e", ".[all,dev]")
    python(session, "-m", "mypy")
    python(session, "-m", "pyright", "--pythonpath", interpreter(session))


@nox.session
def tests(session: nox.Session) -> None:
    """The whole suite; arguments go to pytest.

    Many tests drive real servers and processes, five at a time. What fails beside four others is tried once more alone,
    and said; what fails alone is a failure.
    """
    session.install("-e", ".[all,dev]")
    try:
        python(session, "-m", "pytest", "-n", "5", "--dist", "worksteal", *session.posargs)
    except CommandFailed:
        session.warn("once more, alone: what failed")
        python(session, "-m", "pytest", "-v", "--last-failed", "--last-failed-no-failures", "none", *session.posargs)


@nox.session
@nox.parametrize("room", [nox.param(room, id=room) for room in ROOMS])
def rooms(session: nox.Session, room: str) -> None:
    """One room covered by its own tests alone."""
    session.install("-e", ".[all,dev]")
    cover = ["--cov", f"omniedit.{room}", "--cov-branch", f"--cov-fail-under={ROOMS[room]}"]
    python(session, "-m", "pytest", "-q", "-n", "2", f"tests/{room}", *cover, *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation; a warning is an error."""
    session.install("-e", ".[all,docs]")
    python(session, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks, or the suites named; stores the figures and makes the performance page of them."""
    session.install("-e", ".[all,dev]")
    peers = Path(".nox/peers")  # the clients that omniedit is compared with, away from everything else
    if not peers.exists():
        session.run(interpreter(session), "-m", "venv", str(peers), external=True)
        install = ["-m", "pip", "install", "-q", "-r", "benchmarks/requirements.txt", "-e", ".[fast]"]
        session.run(str(peers / "bin" / "python"), *install, external=True)
    python(session, "-m", "benchmarks", *session.posargs)

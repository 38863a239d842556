"""The `doctor` command behind its options: what could stop a batch, looked at before one is started."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from importlib import metadata
from pathlib import Path

import aiohttp
import attrs
import click

from omniedit.api import wire
from omniedit.api.client import Door
from omniedit.cli.exits import Exit
from omniedit.cli.options import Service
from omniedit.cli.paths import is_there
from omniedit.cli.session import read_key
from omniedit.cli.survey import survey
from omniedit.cli.words import amount, clean, counted
from omniedit.codecs import Balance
from omniedit.core.httpdate import read_date
from omniedit.errors import OmniEditError, doorway
from omniedit.flow.settings import find_base_url, find_files_url, find_key
from omniedit.journal.database import read_only
from omniedit.models import Reply, Status

__all__ = ["examine"]

_LEAST_FREE = 1_000_000_000  # bytes
_MOST_SKEW = 60.0  # seconds
_TIMEOUT = 15.0  # seconds
_PACKAGES = ("omniedit", "aiohttp", "anyio", "attrs", "cattrs", "click", "rich", "av", "asyncpg", "obstore", "orjson")


class State(StrEnum):
    """How bad it is."""

    ok = "ok"
    warning = "warning"
    problem = "problem"


@attrs.frozen
class Finding:
    """One thing that was looked at."""

    name: str
    state: State
    detail: str
    mend: str = ""


async def examine(service: Service, folder: Path, journal: Path | None, *, as_json: bool) -> int:
    """Look at everything; 1 when something would stop a batch."""
    worst = State.ok
    async for finding in _findings(service, folder, journal):
        worst = State.problem if State.problem in {worst, finding.state} else worst
        _show(finding, as_json=as_json)
    return Exit.some_not_saved if worst is State.problem else Exit.saved


def _show(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(attrs.asdict(finding)))
        return
    click.echo(f"{finding.state:<8} {finding.name}: {clean(finding.detail)}")
    if finding.mend:
        click.echo(f"{'':9}mend: {clean(finding.mend)}")


async def _findings(service: Service, folder: Path, journal: Path | None) -> AsyncIterator[Finding]:
    yield _versions()
    async for finding in _service(service):
        yield finding
    for finding in _disk(folder):
        yield finding
    memory = journal or folder / "omniedit.db"
    if journal is not None or is_there(memory):
        yield await _journal(memory)


def _versions() -> Finding:
    found = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} none")
    return Finding("versions", State.ok, ", ".join(found))


# --- the service ----------------------------------------------------------------------------------------------------


async def _service(service: Service) -> AsyncIterator[Finding]:
    base = find_base_url(service.base_url)
    files = find_files_url(service.files_url, base)
    try:
        key = find_key(read_key(service.key_file))
        door = Door(key, base_url=base, files_url=files)
    except OmniEditError as error:
        yield _trouble("key", error)
        yield await _reach("service", base)
    else:
        if any(char in "\"'<>" or char.isspace() for char in key):
            yield Finding(
                "key", State.problem, "it holds quotes, brackets or spaces", "set the key alone, as it was given"
            )
        async with door:
            async for finding in _account(door):
                yield finding
    if files != base:
        yield await _reach("files", files)


async def _account(door: Door) -> AsyncIterator[Finding]:
    """The free call tells four things at once: the way, the key, the balance and the time."""
    began = time.monotonic()
    try:
        reply = await door.ask(wire.balance())
    except OmniEditError as error:
        yield _trouble("service", error)
        return
    took = time.monotonic() - began
    yield Finding("service", State.ok, f"{door.base_url} answers in {took * 1000:.0f} ms")
    try:
        yield _credits(wire.read_balance(reply))
    except OmniEditError as error:
        yield _trouble("key", error)
    yield _clock(reply, took)


def _credits(balance: Balance) -> Finding:
    left = balance.account_remaining if balance.remaining is None else balance.remaining
    if left is None:
        return Finding("key", State.ok, "the service takes it")
    if left <= 0:
        return Finding("key", State.problem, "the service takes it, but no credits are left", "add credits")
    return Finding("key", State.ok, f"the service takes it; {amount(left)} credits are left")


def _clock(reply: Reply, took: float) -> Finding:
    """Deadlines of links are judged by this machine's clock. The header has whole seconds."""
    theirs = read_date(reply.headers.get("date", ""))
    if theirs is None:
        return Finding("clock", State.warning, "the service does not tell the time", "check that yours is right")
    skew = (datetime.now(UTC) - theirs).total_seconds() - took / 2
    if abs(skew) <= _MOST_SKEW:
        return Finding("clock", State.ok, f"within {max(abs(skew), 1.0):.0f} s of the service's")
    way = "ahead of" if skew > 0 else "behind"
    return Finding("clock", State.warning, f"{abs(skew):.0f} s {way} the service's", "set it, for example with NTP")


async def _reach(name: str, origin: str) -> Finding:
    bounds = aiohttp.ClientTimeout(total=_TIMEOUT)
    try:
        origin = wire.normalize_origin(origin, name=name)
        with doorway(f"reaching {origin}"):
            async with (
                aiohttp.ClientSession(timeout=bounds, trust_env=not wire.is_loopback(origin)) as session,
                session.get(origin, allow_redirects=False) as response,
            ):
                return Finding(name, State.ok, f"{origin} answers ({response.status} without a key)")
    except OmniEditError as error:
        return _trouble(name, error)


def _trouble(name: str, error: OmniEditError) -> Finding:
    return Finding(name, State.problem, error.message, error.mend or "see: omniedit errors")


# --- this machine ---------------------------------------------------------------------------------------------------


def _disk(folder: Path) -> Iterator[Finding]:
    place = folder.absolute()
    there = next(path for path in (place, *place.parents) if is_there(path))
    try:
        with suppress(FileNotFoundError):
            place.stat()
        with tempfile.TemporaryFile(dir=there, prefix=".omniedit-"):
            yield Finding("folder", State.ok, f"{there} can be written to")
    except OSError as error:
        yield Finding("folder", State.problem, f"{place} cannot be written to: {error.strerror}", "name another -o DIR")
    free = shutil.disk_usage(there).free
    state = State.ok if free >= _LEAST_FREE else State.warning
    mend = "" if free >= _LEAST_FREE else "free some space: a full disk pauses downloads, and links live 24 hours"
    yield Finding("disk", state, f"{free / 1e9:,.1f} GB free", mend)


async def _journal(path: Path) -> Finding:
    try:
        fault = await asyncio.to_thread(_fault_in, path)
        if fault is not None:
            return Finding(
                "journal", State.problem, f"{path} is damaged: {fault}", "recover a copy: sqlite3 FILE .recover"
            )
        seen = await survey(path)
    except OmniEditError as error:
        return _trouble("journal", error)
    detail = f"{path} is sound: {counted(seen.counts) or 'no edits'}"
    if seen.near:
        return Finding("journal", State.warning, f"{detail}; links die soon", "run its batch again now")
    if seen.counts.get(Status.uncertain):
        return Finding("journal", State.warning, detail, f"see: omniedit status {os.fspath(path)}")
    return Finding("journal", State.ok, detail)


def _fault_in(path: Path) -> str | None:
    with read_only(path.absolute()) as connection:
        try:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            return str(error)
    return None if found == "ok" else str(found)

"""From a click command to a running event loop, and back to an exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypedDict, TypeVar, Unpack

import click

from omniedit.api import wire
from omniedit.cli.exits import Exit, exit_of_error
from omniedit.cli.options import Service
from omniedit.cli.remedies import mend_of
from omniedit.cli.words import clean
from omniedit.errors import ConfigurationError, OmniEditError
from omniedit.flow.settings import find_base_url

if TYPE_CHECKING:
    from omniedit.flow.client import Client
    from omniedit.journal.base import Journal

__all__ = ["Stop", "errors_said", "is_local", "make_folder", "open_client", "read_key", "run", "say", "say_error"]

C = TypeVar("C", bound="Client")
_LONGEST_KEY = 4096  # bytes


class Stop:
    """Ends a run early: the first time gently, the second time at once.

    `on_first` says so to the user, `on_second` tidies the terminal.
    """

    def __init__(self, task: asyncio.Task[object]) -> None:
        self._task = task
        self.asked = False
        self.on_first: Callable[[], None] = lambda: None
        self.on_second: Callable[[], None] = lambda: None

    def ask(self) -> None:
        """A signal came."""
        if self.asked:
            self.on_second()
            os._exit(Exit.interrupted)
        self.ask_once()

    def ask_once(self) -> None:
        """End gently; asked again, do nothing."""
        if not self.asked:
            self.asked = True
            self.on_first()
            self._task.cancel()

    @contextmanager
    def listening(self) -> Generator[None]:
        """Take SIGINT, SIGTERM and SIGHUP while the block runs."""
        loop = asyncio.get_running_loop()
        signals = [signal.SIGINT, signal.SIGTERM]
        try:
            for number in signals:
                loop.add_signal_handler(number, self.ask)
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
                signals.append(signal.SIGHUP)
                # A closed terminal sends it by the shell and by the system: two of them are one wish.
                loop.add_signal_handler(signal.SIGHUP, self.ask_once)
        except NotImplementedError:  # Windows: asyncio cancels the task at Ctrl-C by itself
            yield
            return
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


def run(work: Callable[[Stop], Awaitable[int]]) -> NoReturn:
    """Run a command to its end and leave with its exit code.

    A command that is stopped and does not say what that means leaves with 130.
    """
    with errors_said():
        try:
            code = asyncio.run(_guarded(work))
        except KeyboardInterrupt:
            code = int(Exit.interrupted)
    sys.exit(code)


@contextmanager
def errors_said() -> Generator[None]:
    """Our own errors are said on standard error, and become the exit code."""
    try:
        yield
    except OmniEditError as error:
        say_error(error)
        sys.exit(exit_of_error(error))


async def _guarded(work: Callable[[Stop], Awaitable[int]]) -> int:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a command runs inside a task")
    stop = Stop(task)
    with stop.listening():
        try:
            return await work(stop)
        except asyncio.CancelledError:
            if not stop.asked:
                raise
            return int(Exit.interrupted)


def say(text: str) -> None:
    """Talk to the user, on standard error; a full disk under it stops no edit."""
    with suppress(OSError):
        click.echo(text, err=True)


def say_error(error: OmniEditError) -> None:
    """What is wrong, and the mend."""
    say(f"omniedit: {clean(error.message)}")
    if mend := mend_of(error):
        say(f"  mend: {clean(mend)}")


class ClientOptions(TypedDict, total=False):
    """The options of `Client` that commands give."""

    journal: Journal
    max_in_flight: int | None
    shared_key: bool
    preflight: bool
    overwrite: bool
    limit_rate: float | None
    callback_base: str | None
    settle_by_listing: bool


def open_client(service: Service, kind: type[C], **options: Unpack[ClientOptions]) -> C:
    """A client for the service that the user named.

    Raises:
        ConfigurationError: no key, or an address that cannot be one.
    """
    return kind(read_key(service.key_file), base_url=service.base_url, files_url=service.files_url, **options)


def is_local(base_url: str | None) -> bool:
    """Whether the service that the user named is on this machine.

    Raises:
        ConfigurationError: the address cannot be one.
    """
    return wire.is_loopback(wire.normalize_origin(find_base_url(base_url), name="base_url"))


def make_folder(folder: Path) -> None:
    """Make the folder of results.

    Raises:
        ConfigurationError: it cannot be made, or is none.
    """
    if folder.parts and folder.parts[0] in {"s3:", "gs:"}:
        raise ConfigurationError(
            "this command saves into a folder", mend="buckets are for workers (enqueue, worker), and for client.batch"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the output folder {folder} cannot be made: {error.strerror}", mend="name a folder in which you may write"
        ) from None


def read_key(key_file: str | None) -> str | None:
    """The key in a file; None when no file was named.

    Raises:
        ConfigurationError: the file cannot be read, or holds no key.
    """
    if key_file is None:
        return None
    try:
        with Path(key_file).open("rb") as file:
            key = file.read(_LONGEST_KEY + 1).decode("utf-8-sig").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(
            f"the key file {key_file} cannot be read: {reason}", code="key_file", mend="give a file with the key alone"
        ) from None
    if not key or len(key) > _LONGEST_KEY or len(key.split()) != 1:
        raise ConfigurationError(
            f"the key file {key_file} does not hold one key", code="key_file", mend="write the key alone into it"
        )
    return key

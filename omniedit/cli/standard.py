"""The three standard streams, any of which may be closed or full."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Literal, TextIO

__all__ = ["drawing", "open_streams", "settle", "shut_out", "tell"]


def open_streams() -> None:
    """See to it that all three are there: one that was closed (`2>&-`) leads nowhere, and reads as empty."""
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a prompt must not fail for the terminal's alphabet


def _nowhere(mode: Literal["r", "w"]) -> TextIOWrapper:
    """Opened before any other file: it takes the number of the stream that was closed, which no file may get."""
    return Path(os.devnull).open(mode, encoding="utf-8")


def shut_out() -> None:
    """Lead standard output nowhere: what Python flushes at its end then raises no error."""
    _lead_nowhere(sys.stdout)


@contextmanager
def drawing() -> Generator[None]:
    """Drop what standard error cannot take, and all that follows: a terminal that was closed ends no edit.

    What draws keeps what it could not write and tries it again, so it must find a stream that takes everything.
    """
    try:
        yield
    except OSError:
        _lead_nowhere(sys.stderr)


def settle() -> None:
    """Drop what standard error could not take so far: Python would end with another exit code for it."""
    try:
        sys.stderr.flush()
    except OSError:
        _lead_nowhere(sys.stderr)


def _lead_nowhere(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def tell(text: str) -> None:
    """A line on standard error; nothing where nobody takes it."""
    with suppress(OSError):
        sys.stderr.write(f"{text}\n")

"""The `omniedit` command: it starts, or says what is missing, even where its own extra is not installed."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import NoReturn

__all__ = ["main"]

_USAGE = 2
_INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    try:
        import click

        from omniedit.cli.app import cli
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "click":
            raise
        sys.exit(_lacking())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a prompt must not fail for the terminal's alphabet
    try:
        cli.main(prog_name="omniedit", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(_INTERRUPTED)
    sys.exit(0)


def _lacking() -> int:
    sys.stderr.write('omniedit: the command line is not installed; get it with: pip install "omniedit[cli]"\n')
    return _USAGE

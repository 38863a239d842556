"""The `omniedit` command: it starts, or says what is missing, even where its own extra is not installed."""

from __future__ import annotations

import sys
from typing import NoReturn

from omniedit.cli.standard import open_streams, settle, shut_out, tell

__all__ = ["main"]

_FAILED = 1
_USAGE = 2
_INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    open_streams()
    try:
        import click

        from omniedit.cli.app import cli
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "click":
            raise
        sys.exit(_lacking())
    try:
        cli.main(prog_name="omniedit", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(_INTERRUPTED)
    except OSError as error:
        sys.exit(_refused(error))
    finally:
        settle()
    sys.exit(0)


def _lacking() -> int:
    tell('omniedit: the command line is not installed; get it with: pip install "omniedit[cli]"')
    return _USAGE


def _refused(error: OSError) -> int:
    """What the operating system refuses, and no command has better words for: most often a full standard output."""
    shut_out()
    what = f"{error.filename} cannot be used" if error.filename else "the output cannot be written"
    tell(f"omniedit: {what}: {error.strerror or error}")
    return _FAILED

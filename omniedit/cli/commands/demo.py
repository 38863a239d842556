"""`omniedit demo`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from omniedit.cli.options import json_option

__all__ = ["command"]


@click.command("demo")
@click.argument("folder", metavar="[DIR]", default="omniedit-demo")
@json_option
def command(*, folder: str, as_json: bool) -> None:
    """Run the whole river on this machine: no key, no network, no cost.

    It starts the sandbox, makes sample clips, edits them, and writes a before-and-after sheet into DIR (omniedit-demo
    if not given).
    """
    from omniedit.cli.session import run
    from omniedit.cli.showing import show_demo

    run(partial(show_demo, folder=Path(folder), as_json=as_json))

"""`omniedit edit`."""

from __future__ import annotations

from typing import Any

import click

from omniedit.cli.options import json_option, preflight_option, service_options, settling_option, uncertain_option

__all__ = ["command"]


@click.command("edit")
@click.argument("source")
@click.argument("prompt")
@click.option("-o", "--output", metavar="PATH", help="Result, or its folder; STEM-edited.mp4 here if not given.")
@uncertain_option
@settling_option
@preflight_option
@click.option("--overwrite", is_flag=True, help="Replace a result that exists.")
@json_option
@service_options
def command(**options: Any) -> None:  # noqa: ANN401 - click gives them as `EditOptions` names them
    """Edit one clip, or go on with it.

    SOURCE is the URL or the path of an mp4 of at most 10 s, PROMPT says what to change and what to keep. PATH.journal
    remembers the edit until it is saved: after an interruption the same command goes on.
    """
    from omniedit.cli.editing import EditOptions, run_edit

    run_edit(EditOptions(**options))

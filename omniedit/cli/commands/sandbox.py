"""`omniedit sandbox`."""

from __future__ import annotations

from functools import partial

import click

from omniedit.cli.options import json_option

__all__ = ["command"]

_PORT = 8787


@click.command("sandbox")
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, 65535),
    default=_PORT,
    help="Port of the API; 8787 if not given, 0 for any.",
)
@click.option(
    "--media-port",
    metavar="N",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of clips and results; any if not given.",
)
@click.option("--faults", metavar="FILE", help="Script of faults, in JSON: lost replies, dead links, failed tasks.")
@json_option
def command(*, port: int, media_port: int, faults: str | None, as_json: bool) -> None:
    """Run the service's API on this machine, for tests and trials.

    It really edits the clips, costs nothing, and forgets everything at its end.
    """
    from omniedit.cli.serving import serve_sandbox
    from omniedit.cli.session import run

    run(partial(serve_sandbox, port=port, media_port=media_port, faults=faults, as_json=as_json))

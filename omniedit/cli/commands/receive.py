"""`omniedit receive`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from omniedit.cli.options import read_prefix

__all__ = ["command"]


@click.command("receive")
@click.argument("journal")
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", help="Where to listen; 127.0.0.1 if not given.")
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=8788, help="Port; 8788 if not given, 0 for any."
)
@click.option(
    "--prefix",
    metavar="PATH",
    type=read_prefix,
    default="/omniedit",
    help="Path before the secret part; /omniedit if not given.",
)
def command(*, journal: str, host: str, port: int, prefix: str) -> None:
    """Take the service's callbacks for a batch that runs beside it.

    JOURNAL is the batch's. A callback only makes the batch look at its task at once; nothing is believed.
    """
    from omniedit.cli.serving import serve_callbacks
    from omniedit.cli.session import run

    run(partial(serve_callbacks, journal=Path(journal), host=host, port=port, prefix=prefix))

"""`omniedit enqueue`."""

from __future__ import annotations

from typing import Any

import click

from omniedit.cli.options import dsn_option

__all__ = ["command"]


@click.command("enqueue")
@click.argument("sources", nargs=-1, required=True, metavar="(MANIFEST | SOURCE...)")
@dsn_option
@click.option("--prompt", metavar="TEXT", help="The wish for all SOURCEs; a manifest has its own.")
@click.option(
    "--name",
    metavar="TEMPLATE",
    default="{stem}",
    help="Names of results: {stem}, {name}, {key}, {key8}, {variant}, {index}; {stem} if not given.",
)
@click.option("--priority", metavar="N", type=int, default=0, help="Higher goes earlier; 0 if not given.")
@click.option(
    "--on-uncertain",
    type=click.Choice(["hold", "replay"]),
    default="hold",
    help="Leave uncertain edits to you (the default), or queue them again for workers that replay.",
)
@click.option("--retry-failed", is_flag=True, help="Queue failed edits again, for workers that retry.")
@click.option("--base-url", metavar="URL", help="Origin of the API (EVOLINK_BASE_URL).")
def command(**options: Any) -> None:  # noqa: ANN401 - click gives them as `EnqueueOptions` names them
    """Put edits into the queue that many hosts share. The same edits again do no harm.

    SOURCE and MANIFEST are as for batch; local paths must be the same on every host.
    """
    from omniedit.cli.hosting import EnqueueOptions, run_enqueue

    run_enqueue(EnqueueOptions(**options))

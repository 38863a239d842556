"""`omniedit worker`."""

from __future__ import annotations

from typing import Any

import click

from omniedit.cli.options import (
    Number,
    dsn_option,
    json_option,
    preflight_option,
    read_bytes,
    service_options,
    uncertain_option,
)

__all__ = ["command"]


@click.command("worker")
@dsn_option
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR|URL",
    required=True,
    help="Folder of the results, made if missing; or s3://bucket/prefix.",
)
@click.option(
    "--at-once",
    metavar="N",
    type=click.IntRange(1),
    default=1000,
    help="Most edits this host holds; 1000 if not given.",
)
@click.option(
    "--heartbeat",
    metavar="SECONDS",
    type=Number(1),
    default=20.0,
    help="After so long others take over from a silent host; 20 if not given, and the same on all hosts.",
)
@click.option(
    "--max-in-flight", metavar="N", type=click.IntRange(1), help="Most unfinished tasks, of all hosts; else learned."
)
@uncertain_option
@click.option("--retry-failed", is_flag=True, help="Submit failed edits again where their code allows it.")
@preflight_option
@click.option("--overwrite", is_flag=True, help="Replace results that exist.")
@click.option("--limit-rate", metavar="BYTES", type=read_bytes, help="Bytes a second over all downloads: 500k, 5M.")
@json_option
@service_options
def command(**options: Any) -> None:  # noqa: ANN401 - click gives them as `WorkerOptions` names them
    """Work on a batch that many hosts share, until stopped.

    What is being paid for is booked then, and the rest goes back into the queue.
    """
    from omniedit.cli.hosting import WorkerOptions, run_worker

    run_worker(WorkerOptions(**options))

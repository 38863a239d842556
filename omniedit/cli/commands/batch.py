"""`omniedit batch`."""

from __future__ import annotations

from typing import Any

import click

from omniedit.cli.options import (
    Number,
    json_option,
    preflight_option,
    read_bytes,
    service_options,
    settling_option,
    uncertain_option,
)

__all__ = ["command"]


@click.command("batch")
@click.argument("sources", nargs=-1, required=True, metavar="(MANIFEST | SOURCE...)")
@click.option("--prompt", metavar="TEXT", help="The wish for all SOURCEs; a manifest has its own.")
@click.option("-o", "--output", "folder", metavar="DIR", required=True, help="Folder of the results; made if missing.")
@click.option("--journal", metavar="FILE", help="What makes the batch resumable; DIR/omniedit.db if not given.")
@click.option(
    "--name",
    metavar="TEMPLATE",
    default="{stem}",
    help="Names of results: {stem}, {name}, {key}, {key8}, {variant}, {index}; {stem} if not given.",
)
@click.option("--max-in-flight", metavar="N", type=click.IntRange(1), help="Most unfinished tasks; else learned.")
@click.option("--shared-key", is_flag=True, help="Other processes use the key too: come to equal shares of its limit.")
@click.option("--max-credits", metavar="N", type=Number(0), help="Stop submitting before this many are reserved.")
@uncertain_option
@settling_option
@click.option("--retry-failed", is_flag=True, help="Submit failed edits again where their code allows it.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and about what it costs; send nothing.")
@click.option("--report", metavar="FILE", help="Write a before-and-after sheet at the end.")
@preflight_option
@click.option("--overwrite", is_flag=True, help="Replace results that exist.")
@click.option("--limit-rate", metavar="BYTES", type=read_bytes, help="Bytes a second over all downloads: 500k, 5M.")
@click.option("--callback-base", metavar="URL", help="Public https address of a callback receiver.")
@json_option
@service_options
def command(**options: Any) -> None:  # noqa: ANN401 - click gives them as `BatchOptions` names them
    """Edit many clips, or go on with them.

    SOURCE is a clip's path or URL, a folder of mp4s, or a quoted pattern; all get the one --prompt. MANIFEST is a .csv
    file with the header source,prompt and optional name,variant, a .jsonl file with the same keys, or - for JSON lines
    on standard input. The same command again goes on: what is saved is skipped, what was accepted is followed, only
    what was never accepted is submitted.
    """
    from omniedit.cli.batching import run_batch
    from omniedit.cli.batchoptions import BatchOptions

    run_batch(BatchOptions(**options))

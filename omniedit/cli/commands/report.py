"""`omniedit report`."""

from __future__ import annotations

import click

from omniedit.cli.options import journal_options

__all__ = ["command"]


@click.command("report")
@journal_options
@click.option("-o", "--output", metavar="FILE", default="sheet.html", help="The sheet; sheet.html if not given.")
@click.option(
    "--folder", is_flag=True, help="Make FILE a folder with pictures as files, for tens of thousands of edits."
)
@click.option("--title", metavar="TEXT", default="Before and after", help="Heading of the sheet.")
def command(*, journal: str, output: str, folder: bool, title: str) -> None:
    """Write a before-and-after sheet of a batch.

    It is one HTML file that needs no network. JOURNAL is only read, also while its batch runs.
    """
    from omniedit.cli.session import run

    run(lambda _: _report(journal, output, folder=folder, title=title))


async def _report(journal: str, output: str, *, folder: bool, title: str) -> int:
    from omniedit.cli.session import say
    from omniedit.journal.opening import open_reader
    from omniedit.report import write_report

    reader = open_reader(journal)
    try:
        await reader.counts()
        facts = await write_report(reader, output, title=title, folder=folder)
    finally:
        await reader.close()
    click.echo(facts.path)
    say(f"{facts.edits:,} edits, {facts.bytes / 1e6:,.1f} MB.")
    return 0

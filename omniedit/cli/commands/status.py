"""`omniedit status`."""

from __future__ import annotations

import click

from omniedit.cli.options import journal_options, json_option

__all__ = ["command"]


@click.command("status")
@journal_options
@json_option
def command(*, journal: str, as_json: bool) -> None:
    """Say where every edit of a batch stands, while it runs or after.

    JOURNAL is only read. What is uncertain, what failed and which links die soon is named, with what to do.
    """
    from omniedit.cli.session import run
    from omniedit.cli.standing import show_status

    run(lambda _: show_status(journal, as_json=as_json))

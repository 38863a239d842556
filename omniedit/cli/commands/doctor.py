"""`omniedit doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from omniedit.cli.options import Service, json_option, service_options

__all__ = ["command"]


@click.command("doctor")
@click.option("-o", "--output", "folder", metavar="DIR", default=".", help="Folder to write to; this one if not given.")
@click.option("--journal", metavar="FILE", help="Journal to look into; DIR/omniedit.db if it is there.")
@json_option
@service_options
def command(*, service: Service, folder: str, journal: str | None, as_json: bool) -> None:
    """Look for what would stop a batch, and say what to do.

    Key, service, clock, disk, journal and versions are checked. Nothing is paid for. Exit code 1 when there
    is something to do first.
    """
    from omniedit.cli.examining import examine
    from omniedit.cli.session import run

    run(lambda _: examine(service, Path(folder), Path(journal) if journal else None, as_json=as_json))

"""`omniedit check`."""

from __future__ import annotations

import click

from omniedit.cli.options import json_option

__all__ = ["command"]


@click.command("check")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--base-url", metavar="URL", help="Origin of the API (EVOLINK_BASE_URL): what can it reach?")
@json_option
def command(*, sources: tuple[str, ...], base_url: str | None, as_json: bool) -> None:
    """Look at clips as `batch` would before it submits them. Nothing is sent to the service.

    SOURCE is a clip's path or URL, a folder of mp4s, or a quoted pattern. Exit code 1 when a clip would be refused.
    """
    from omniedit.cli.checking import check_clips
    from omniedit.cli.session import run

    run(lambda _: check_clips(sources, base_url, as_json=as_json))

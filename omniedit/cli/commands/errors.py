"""`omniedit errors`."""

from __future__ import annotations

import json

import click

from omniedit.cli.options import json_option

__all__ = ["command"]


@click.command("errors")
@click.argument("word", required=False)
@json_option
def command(*, word: str | None, as_json: bool) -> None:
    """List every error with its meaning and its mend.

    WORD keeps those whose name or code holds it.
    """
    import attrs

    from omniedit.cli.remedies import CODES, remedies

    wanted = (word or "").lower()
    found = [one for one in remedies() if wanted in one.name.lower() or wanted in one.code]
    codes = {code: mend for code, mend in CODES.items() if wanted in code}
    if as_json:
        for one in found:
            click.echo(json.dumps(attrs.asdict(one)))
        return
    for one in found:
        click.echo(f"{one.name}  (code {one.code}, exit code {one.exit})\n  {one.meaning}\n  mend: {one.mend}")
    if codes:
        click.echo("\nCodes of failed tasks (not billed, unless it is said):")
    for code, mend in codes.items():
        click.echo(f"  {code}: {mend}")

"""`omniedit credits`."""

from __future__ import annotations

import click

from omniedit.cli.options import Service, json_option, service_options

__all__ = ["command"]


@click.command("credits")
@json_option
@service_options
def command(*, service: Service, as_json: bool) -> None:
    """Say what is left to spend. Free, and a good check of the key."""
    from omniedit.cli.session import run

    run(lambda _: _credits(service, as_json=as_json))


async def _credits(service: Service, *, as_json: bool) -> int:
    import json

    import attrs

    from omniedit.cli.session import open_client
    from omniedit.cli.words import amount
    from omniedit.flow.client import Client

    async with open_client(service, Client) as client:
        balance = await client.credits()
    if as_json:
        click.echo(json.dumps(attrs.asdict(balance)))
        return 0
    for name, value in attrs.asdict(balance).items():
        text = value if isinstance(value, bool) or value is None else amount(value)
        click.echo(f"{name.replace('_', ' ')}: {text}")
    return 0

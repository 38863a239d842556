"""The group of commands. Each lives in a module of its own, imported when it is named."""

from __future__ import annotations

from importlib import import_module

import click

__all__ = ["COMMANDS", "cli"]

COMMANDS = (
    *("demo", "edit", "batch", "status", "report", "check", "credits", "sandbox", "receive"),
    *("worker", "enqueue", "errors", "doctor"),
)
"""In the order in which `--help` shows them."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"omniedit.cli.commands.{cmd_name}").command
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="omniedit")
def cli() -> None:
    """Edit video by prompt: one clip or a hundred thousand, never billed twice, nothing paid lost.

    The key comes from EVOLINK_API_KEY or --key-file. Exit codes: 0 all saved, 1 some edits not saved, 2 usage or
    manifest wrong and nothing sent, 3 the service refuses everything or the budget is used up, 130 interrupted. After
    3 and 130 the same command goes on where it was.
    """

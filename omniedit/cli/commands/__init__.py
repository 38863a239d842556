"""One module for each command. At its top it may import click and `cli.options` alone: `--help` imports them all."""

from __future__ import annotations

__all__: list[str] = []

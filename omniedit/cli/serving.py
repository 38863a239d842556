"""Commands that serve until they are stopped; being stopped is how they end well."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from omniedit.cli.exits import Exit
from omniedit.cli.session import Stop, say
from omniedit.errors import ConfigurationError

if TYPE_CHECKING:
    from omniedit.sandbox import SandboxServer

__all__ = ["serve_callbacks", "serve_sandbox"]

_KEY = "sk-sandbox"


async def serve_sandbox(stop: Stop, *, port: int, media_port: int, faults: str | None, as_json: bool) -> int:
    """The service on this machine.

    Raises:
        ConfigurationError: PyAV is missing, a port is taken, or the fault script cannot be understood.
    """
    from omniedit.sandbox import FaultScriptError, serve
    from omniedit.testing.extra import check_editing

    check_editing()

    def ready(server: SandboxServer) -> None:
        _show_sandbox(server, as_json=as_json)

    try:
        await serve(port=port, media_port=media_port, faults=faults, ready=ready)
    except FaultScriptError as error:
        raise ConfigurationError(f"the fault script {faults} cannot be used: {error}", mend="mend it") from None
    except OSError as error:
        raise ConfigurationError(
            f"the sandbox cannot start: {error.strerror or error}", mend="choose other ports, or check the fault script"
        ) from None
    except asyncio.CancelledError:
        if not stop.asked:
            raise
    return Exit.saved


def _show_sandbox(server: SandboxServer, *, as_json: bool) -> None:
    if as_json:
        origins = {"base_url": server.base_url, "files_url": server.files_url, "media_url": server.media_url}
        click.echo(json.dumps({**origins, "api_key": _KEY}))
        return
    click.echo(f"API and files: {server.base_url}   results: {server.media_url}")
    click.echo(f"  export EVOLINK_BASE_URL={server.base_url} EVOLINK_API_KEY={_KEY}")
    click.echo('  omniedit edit clip.mp4 "Make it snow"')
    say("Any key works. Ctrl-C ends it, and nothing is kept.")


async def serve_callbacks(stop: Stop, *, journal: Path, host: str, port: int, prefix: str) -> int:
    """A callback receiver beside a journal.

    Raises:
        JournalError: there is no such journal.
        ConfigurationError: the port is taken.
    """
    from omniedit.flow.receiver import Receiver, Spool, spool_beside
    from omniedit.journal.sqlite import SqliteReader

    reader = SqliteReader(journal)
    try:
        await reader.counts()
        receiver = Receiver(Spool(spool_beside(journal), reader).write)
        async with receiver.served(host, port, prefix) as address:
            click.echo(f"Callbacks are taken at {address}")
            say("Run the batch with --callback-base and the public https address that leads here. Ctrl-C ends it.")
            await asyncio.Event().wait()
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror or error}", mend="choose another --host or --port"
        ) from None
    except asyncio.CancelledError:
        if not stop.asked:
            raise
    finally:
        await reader.close()
    return Exit.saved

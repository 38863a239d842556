"""The sandbox as a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from omniedit.sandbox.app import SandboxServer
from omniedit.sandbox.settings import Settings

__all__ = ["serve"]


async def serve(
    *,
    port: int = 0,
    media_port: int = 0,
    faults: str | Path | None = None,
    settings: Settings | None = None,
    host: str = "127.0.0.1",
    ready: Callable[[SandboxServer], None] | None = None,
) -> None:
    """Run a sandbox until cancelled; ``ready`` is called once with the listening server.

    Raises ``FaultScriptError`` for a script that cannot be understood and ``OSError`` for a port that is taken.
    """
    script = () if faults is None else faults
    async with SandboxServer(host=host, port=port, media_port=media_port, settings=settings, faults=script) as server:
        if ready is not None:
            ready(server)
        await asyncio.Event().wait()

"""Joins addresses of two networks: python -m benchmarks.hosts.relay '{"127.0.0.1:5432": "10.77.1.1:5432"}'"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from functools import partial

__all__ = ["relay"]


async def relay(here: str, there: str) -> asyncio.Server:
    """Pass every connection on."""
    host, _, port = here.rpartition(":")
    return await asyncio.start_server(partial(_join, there), host, int(port))


async def _join(there: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    host, _, port = there.rpartition(":")
    try:
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
    except OSError:
        writer.transport.abort()
        return
    await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    with suppress(OSError, RuntimeError):
        sink.close()


async def main(pairs: dict[str, str]) -> None:
    """Until killed."""
    servers = [await relay(here, there) for here, there in pairs.items()]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))

"""One host as a process of its own: works until SIGTERM, and is killed at any moment.

python host_process.py DSN BASE_URL FOLDER HEARTBEAT ON_UNCERTAIN
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from omniedit.distributed.client import HostClient
from omniedit.distributed.worker import Worker
from omniedit.flow.record import OnUncertain


async def work(dsn: str, base_url: str, folder: str, heartbeat: str, on_uncertain: str) -> None:
    """Be one of many hosts."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def client() -> HostClient:
        return HostClient("sk-sandbox", base_url=base_url, preflight=False, grace=2.0)

    worker = Worker(
        dsn, client, folder, heartbeat=float(heartbeat), on_uncertain=OnUncertain(on_uncertain), rest=0.2, at_once=50
    )
    await worker.run(stop)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(process)d %(name)s %(message)s")
    asyncio.run(work(*sys.argv[1:]))

"""One host as a process of its own: works until SIGTERM, and is killed at any moment.

python host_process.py DSN BASE_URL FOLDER HEARTBEAT ON_UNCERTAIN
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from datetime import datetime, timedelta

from omniedit.clock import SystemClock
from omniedit.distributed.client import HostClient
from omniedit.distributed.worker import Worker
from omniedit.flow.intent import OnUncertain


class SkewedClock(SystemClock):
    """A wall clock that is wrong."""

    def __init__(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def utcnow(self) -> datetime:
        """The wall clock of this host."""
        return super().utcnow() + self._ahead


async def work(dsn: str, base_url: str, folder: str, heartbeat: str, skew: str) -> None:
    """Be one of many hosts."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def client() -> HostClient:
        return HostClient("sk-sandbox", base_url=base_url, preflight=False, grace=2.0, clock=SkewedClock(float(skew)))

    worker = Worker(
        dsn, client, folder, heartbeat=float(heartbeat), on_uncertain=OnUncertain.replay, rest=0.2, at_once=8
    )
    await worker.run(stop)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(process)d %(name)s %(message)s")
    asyncio.run(work(*sys.argv[1:]))

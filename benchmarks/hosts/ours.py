"""One omniedit host in a process of its own: works until SIGTERM, and is killed at any moment.

    python -m benchmarks.hosts.ours '{"dsn": ..., "base_url": ..., "save_to": ...}'

Options of the worker stand in the same object; `skew` are seconds that this host's clock is ahead.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from datetime import datetime, timedelta
from typing import Any

from omniedit.clock import SystemClock
from omniedit.distributed.client import HostClient
from omniedit.distributed.worker import Worker
from omniedit.flow.intent import OnUncertain


class SkewedClock(SystemClock):
    """A wall clock that is wrong."""

    def __init__(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def utcnow(self) -> datetime:
        return super().utcnow() + self._ahead


async def work(options: dict[str, Any]) -> None:
    """Be one of many hosts."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    base_url, clock = options.pop("base_url"), SkewedClock(options.pop("skew", 0.0))

    def client() -> HostClient:
        return HostClient("sk-sandbox", base_url=base_url, preflight=False, grace=2.0, clock=clock)

    chosen = {"on_uncertain": OnUncertain.replay, "rest": 0.5} | options
    await Worker(client=client, **chosen).run(stop)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(process)d %(name)s %(message)s")
    asyncio.run(work(json.loads(sys.argv[1])))

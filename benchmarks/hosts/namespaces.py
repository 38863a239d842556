"""Three hosts in network namespaces of their own, with cables that are pulled: needs root and `ip` (iproute2).

Each has one cable to the database and one to the service. A pulled cable loses packets without a word, as a real one.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.harness import Figure
from benchmarks.hosts.cluster import Host, edits, files, hosts, ours, statuses, until
from benchmarks.hosts.relay import relay
from omniedit.distributed.worker import enqueue
from omniedit.models import Status
from omniedit.testing import BackgroundSandbox, Settings
from omniedit.testing.postgres import PostgresServer

__all__ = ["measure"]

EDITS, HEARTBEAT = 60, 3.0
SERVICE = Settings(editing="canned", task_seconds=3.0)
CABLES = {"db": 77, "api": 78}


def ip(*words: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *words], check=True)


@contextmanager
def namespace(number: int) -> Iterator[str]:
    """One host's network: 10.77.N.2 beside the database's 10.77.N.1, 10.78.N.2 beside the service's 10.78.N.1."""
    name = f"omniedit{number}"
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "set", "lo", "up")
        for cable, net in CABLES.items():
            near, far = f"oe{cable}{number}", f"{cable}0"
            ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
            ip("address", "add", f"10.{net}.{number}.1/30", "dev", near)
            ip("-n", name, "address", "add", f"10.{net}.{number}.2/30", "dev", far)
            ip("link", "set", near, "up")
            ip("-n", name, "link", "set", far, "up")
        yield name
    finally:
        ip("netns", "delete", name)


def pull(cable: str, number: int, *, back: bool = False) -> None:
    """Pull a cable, or put it back."""
    ip("link", "set", f"oe{cable}{number}", "up" if back else "down")


async def run(server: PostgresServer, folder: Path, stack: ExitStack) -> list[Figure]:
    """One batch with both cables pulled, one host killed."""
    dsn, sandbox = server.database(), stack.enter_context(BackgroundSandbox(SERVICE))
    ports = {"db": [server.port], "api": [urlsplit(url).port for url in (sandbox.base_url, sandbox.media_url)]}
    commands = []
    for number in (1, 2, 3):
        name = stack.enter_context(namespace(number))
        inside = {}
        for cable, net in CABLES.items():
            for port in ports[cable]:
                far = f"10.{net}.{number}.1:{port}"
                await relay(far, f"127.0.0.1:{port}")
                inside[f"127.0.0.1:{port}"] = far
        enter = ["ip", "netns", "exec", name]
        joined = Host([*enter, sys.executable, "-m", "benchmarks.hosts.relay", json.dumps(inside)])
        stack.callback(joined.kill)
        options = {"dsn": dsn, "base_url": sandbox.base_url, "save_to": folder, "heartbeat": HEARTBEAT, "at_once": 12}
        commands.append([*enter, *ours(**options)])
    await enqueue(dsn, edits(EDITS), base_url=sandbox.base_url)
    made = await asyncio.to_thread(stack.enter_context, hosts(commands))

    async def saved(share: float) -> bool:
        return (await statuses(dsn))[Status.saved] >= EDITS * share

    await until(lambda: saved(0.1), 120)
    pull("db", 1)
    pull("api", 2)
    await asyncio.sleep(HEARTBEAT * 3)
    made[2].kill_and_start()
    pull("api", 2, back=True)
    await asyncio.sleep(HEARTBEAT)
    pull("db", 1, back=True)
    await until(lambda: saved(1.0), 240)
    await asyncio.gather(*(asyncio.to_thread(host.stop) for host in made))
    twice = sum(count > 1 for count in Counter(task.source for task in sandbox.accepted).values())
    told = f"{EDITS} edits, hosts in network namespaces, cables to database and service pulled, one host killed"
    return [
        Figure(f"{told}: billed", len(sandbox.accepted), "edits", bar=EDITS),
        Figure(f"{told}: files", files(folder), "files", bar=EDITS, at_least=True),
        Figure(f"{told}: billed twice or more", twice, "edits", bar=0),
    ]


def measure() -> list[Figure]:
    """Once."""
    with tempfile.TemporaryDirectory() as folder, PostgresServer() as server, ExitStack() as stack:
        return asyncio.run(run(server, Path(folder), stack))

"""A Ray Data pipeline of two actors in a process of its own; prints the status of each row as JSON.

python ray_process.py DSN BASE_URL FOLDER ROWS [KILL_EVERY]

With KILL_EVERY a random actor gets SIGKILL again and again, so many seconds apart, and Ray runs its blocks once more.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from omniedit.distributed.client import HostClient
from omniedit.distributed.ray import EditBatches


def actors() -> list[int]:
    """Processes of Ray that have an actor of ours."""
    words = {path: path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()}
    return [int(path.parent.name) for path, line in words.items() if line.startswith(b"ray::MapWorker")]


def kill_some(period: float, over: threading.Event) -> None:
    """SIGKILL for one of them."""
    chance = random.Random(7)
    while not over.wait(period):
        if found := actors():
            os.kill(chance.choice(found), signal.SIGKILL)


def main(dsn: str, base_url: str, folder: str, rows: str, kill_every: str = "0") -> None:
    """Run it."""
    client = partial(HostClient, "sk-sandbox", base_url=base_url, preflight=False, grace=2.0)
    ray: Any = import_module("ray")  # not everybody who checks types has it
    data: Any = import_module("ray.data")
    options = {"dsn": dsn, "save_to": folder, "client": client, "lease": 3.0, "on_uncertain": "replay"}
    clips = [{"source": f"https://example.com/clips/{n}.mp4", "prompt": "Make it snow"} for n in range(int(rows))]
    over = threading.Event()
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    if float(kill_every):
        threading.Thread(target=kill_some, args=(float(kill_every), over), daemon=True).start()
    blocks = data.from_items(clips, override_num_blocks=max(len(clips) // 10, 3))
    done = blocks.map_batches(
        EditBatches,
        fn_constructor_kwargs=options,
        batch_size=10,
        num_cpus=1,
        compute=data.ActorPoolStrategy(size=2),
    )
    told = [row["status"] for row in done.take_all()]
    over.set()
    sys.stdout.write(json.dumps(told) + "\n")
    ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])

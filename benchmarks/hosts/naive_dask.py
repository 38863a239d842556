"""Dask with the job as a task, its workers killed.

python -m benchmarks.hosts.naive_dask BASE_URL FOLDER COUNT PERIOD
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading

from dask.distributed import Client, LocalCluster

from benchmarks.hosts.naive import edit_blocking

AT_ONCE = 8


def kill_some(client: Client, period: float, over: threading.Event) -> None:
    """A SIGKILL for a random worker, again and again."""
    chance = random.Random(7)
    while not over.wait(period):
        pids = list(client.run(os.getpid, on_error="ignore").values())
        if pids:
            os.kill(chance.choice(pids), signal.SIGKILL)


def main(base_url: str, folder: str, count: str, period: str) -> None:
    """Run the batch; a task whose workers died too often is submitted again, as people do."""
    with LocalCluster(n_workers=3, threads_per_worker=AT_ONCE, dashboard_address=None) as cluster:
        client, over = Client(cluster), threading.Event()
        killer = threading.Thread(target=kill_some, args=(client, float(period), over))
        killer.start()
        waiting = list(range(int(count)))
        while waiting:
            futures = {n: client.submit(edit_blocking, base_url, folder, n, pure=False) for n in waiting}
            waiting = [number for number, future in futures.items() if future.exception() is not None]
        over.set()
        killer.join()
        client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

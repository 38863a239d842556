"""Ray with the job as a task, its workers killed: python -m benchmarks.hosts.naive_ray BASE_URL FOLDER COUNT PERIOD"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading

import psutil
import ray

from benchmarks.hosts.naive import edit_blocking

AT_ONCE = 24


@ray.remote(num_cpus=0, max_retries=3)
def edit(base_url: str, folder: str, number: int) -> None:
    """One clip."""
    edit_blocking(base_url, folder, number)


def workers() -> list[int]:
    """Processes of Ray that work on a task now."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or [""]
        if words[0].startswith("ray::") and "IDLE" not in words[0]:
            found.append(process.pid)
    return found


def kill_some(period: float, over: threading.Event) -> None:
    """A SIGKILL for a random worker, again and again."""
    chance = random.Random(7)
    while not over.wait(period):
        if pids := workers():
            os.kill(chance.choice(pids), signal.SIGKILL)


def main(base_url: str, folder: str, count: str, period: str) -> None:
    """Run the batch, some at once; a task whose workers died too often is submitted again, as people do."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    over = threading.Event()
    killer = threading.Thread(target=kill_some, args=(float(period), over))
    killer.start()
    waiting, running = list(range(int(count))), {}
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            number = waiting.pop(0)
            running[edit.remote(base_url, folder, number)] = number
        done, _ = ray.wait(list(running))
        for reference in done:
            number = running.pop(reference)
            try:
                ray.get(reference)
            except ray.exceptions.RayError:
                waiting.append(number)
    over.set()
    killer.join()
    ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])

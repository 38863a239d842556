"""A bounded pool of editing processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from omniedit.sandbox.store import Failure

__all__ = ["EditPool"]

# The folder that holds this package, so that a checkout works without being installed.
_ROOT = str(Path(__file__).resolve().parents[2])


class EditPool:
    """At most ``size`` processes, started when needed and kept; a stuck one is killed after ``timeout`` seconds."""

    def __init__(self, size: int, timeout: float, max_seconds: float) -> None:
        self._room = asyncio.Semaphore(size)
        self._timeout = timeout
        self._max_seconds = max_seconds
        self._idle: list[Process] = []
        self._all: set[Process] = set()

    async def edit(self, source: Path, target: Path, prompt: str) -> float | Failure:
        """Length of the video in seconds, or why there is no edit. Cancelling it kills the process at work."""
        job = {"source": str(source), "target": str(target), "prompt": prompt, "max_seconds": self._max_seconds}
        async with self._room:
            process = self._idle.pop() if self._idle else await self._start()
            try:
                answer = await asyncio.wait_for(_ask(process, job), self._timeout)
            except TimeoutError:
                await self._end(process)
                return Failure("generation_timeout", "The edit took too long.")
            except BaseException:
                await self._end(process)
                raise
            if answer is None:
                await self._end(process)
                return Failure("service_error", "The editing process ended.")
            self._idle.append(process)
        return _outcome(answer)

    async def close(self) -> None:
        """End every process and wait for it."""
        self._idle.clear()
        for process in list(self._all):
            await self._end(process)

    async def _start(self) -> Process:
        path = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "omniedit.sandbox.worker",
            stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C in a terminal is for the parent, which closes the pipe
        )  # fmt: skip
        self._all.add(process)
        return process

    async def _end(self, process: Process) -> None:
        self._all.discard(process)
        if process.stdin is not None:
            process.stdin.close()
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def _ask(process: Process, job: Mapping[str, object]) -> Mapping[str, object] | None:
    """One job, one answer; None when the process is gone."""
    if process.stdin is None or process.stdout is None:
        return None
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(json.dumps(job).encode() + b"\n")
        await process.stdin.drain()
    line = await process.stdout.readline()
    return json.loads(line) if line else None


def _outcome(answer: Mapping[str, object]) -> float | Failure:
    seconds = answer.get("seconds")
    if isinstance(seconds, float):
        return seconds
    return Failure(str(answer["code"]), str(answer["message"]))

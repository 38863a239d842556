"""The command as a process of its own, against a sandbox inside the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from omniedit.testing import BackgroundSandbox, Settings, sample_clip

PATIENCE = 90.0  # seconds that a busy machine may take for anything


@attrs.frozen
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects on standard output."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        """The last of them."""
        found: dict[str, Any] = self.objects[-1]["summary"]
        return found


class Command:
    """`omniedit` in a folder of its own, pointed at a sandbox."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {**os.environ, "TERM": "dumb", **environment}
        self._started: list[subprocess.Popen[bytes]] = []

    def __call__(self, *arguments: str | Path, stdin: bytes = b"", **environment: str) -> Done:
        """Run it to its end."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(stdin, timeout=PATIENCE)
        return Done(process.returncode, out.decode(), err.decode())

    def start(self, *arguments: str | Path, under: Sequence[str] = (), **environment: str) -> subprocess.Popen[bytes]:
        """Start it, under another command if one is given."""
        process = subprocess.Popen(
            [*under, sys.executable, "-m", "omniedit", *map(str, arguments)],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A shell without job control would leave it deaf to SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Leave no process behind, whatever a test came to."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits until something holds."""
    return wait_until


@pytest.fixture(scope="session")
def clip_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One small clip, made once."""
    return sample_clip(tmp_path_factory.mktemp("clip") / "a.mp4", 1.0).read_bytes()


@pytest.fixture
def clips(tmp_path: Path, clip_bytes: bytes) -> Path:
    """A folder with three clips, inside the folder that commands run in."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (folder / name).write_bytes(clip_bytes)
    return folder


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[BackgroundSandbox]:
    """A service that answers in a moment; `@pytest.mark.omniedit(...)` gives it other switches and faults."""
    marker = request.node.get_closest_marker("omniedit")
    chosen = dict(marker.kwargs) if marker else {}
    chosen.setdefault("settings", Settings(editing="copy", task_seconds=0.3, pending_seconds=0.05))
    with BackgroundSandbox(**chosen) as found:
        yield found


@pytest.fixture
def omniedit(tmp_path: Path, sandbox: BackgroundSandbox) -> Iterator[Command]:
    """The command."""
    command = Command(tmp_path, sandbox.environment())
    yield command
    command.end()

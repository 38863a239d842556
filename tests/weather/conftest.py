"""Bad weather for real processes: a sandbox on fast time, batches that die, and a look at what is left."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import attrs
import pytest

from omniedit import Status
from omniedit.testing import BackgroundSandbox, Settings, is_whole
from omniedit.testing.journals import read_journal

PROCESS = Path(__file__).with_name("batch_process.py")
SCALE = 20.0  # as in the process
PATIENCE = 90.0  # seconds that a busy machine may take for anything


@attrs.define
class Weather:
    """A sandbox, a folder, and batches in processes of their own."""

    sandbox: BackgroundSandbox
    folder: Path
    options: dict[str, Any]
    started: list[subprocess.Popen[str]] = attrs.field(factory=list[subprocess.Popen[str]])

    def start(self, **options: Any) -> subprocess.Popen[str]:
        """Start the batch, or go on with it."""
        chosen = {"base_url": self.sandbox.base_url, "folder": str(self.folder), **self.options, **options}
        command = [sys.executable, str(PROCESS), json.dumps(chosen)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """What a batch says at its end."""
        out, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, out
        said: dict[str, Any] = json.loads(out.splitlines()[-1])
        return said

    def run(self, **options: Any) -> dict[str, Any]:
        """Run the batch to its end."""
        return self.end(self.start(**options))

    def die(self, **options: Any) -> None:
        """Run the batch until it kills itself."""
        process = self.start(**options)
        out, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == -signal.SIGKILL, f"it has ended by itself: {out}"
        self.check()

    def check(self) -> None:
        """Holds at every moment: no edit was accepted twice, no half file has a final name."""
        prompts = Counter(task.prompt for task in self.sandbox.accepted)
        assert max(prompts.values(), default=1) == 1, f"accepted twice: {prompts.most_common(3)}"
        assert [path for path in self.folder.rglob("*.mp4") if not is_whole(path)] == []

    def settle(self) -> int:
        """Go on to the end, holding what is uncertain, then repeating it; gives how many edits were uncertain."""
        edits = self.options["edits"]
        self.sandbox.faults.clear()
        counts = self.run()["counts"]
        self.check()
        uncertain = int(counts.get("uncertain", 0))
        assert counts == ({"saved": edits} if not uncertain else {"saved": edits - uncertain, "uncertain": uncertain})
        if uncertain:
            assert self.run(on_uncertain="replay")["counts"] == {"saved": edits}
        self.check_end()
        return uncertain

    def known_tasks(self) -> set[str]:
        """The tasks that stand with their edits in the journal, whatever became of them."""
        entries, _ = asyncio.run(read_journal(self.folder / "edits.db"))
        return {entry.task_id for entry in entries if entry.task_id}

    def check_end(self) -> None:
        """Accepted tasks are the edits submitted, and what is on the disk is what the journal says."""
        self.check()
        edits = self.options["edits"]
        assert len(self.sandbox.accepted) == edits
        left = {path.suffix for path in self.folder.rglob("*") if path.is_file()}
        assert left == {".db", ".mp4"}, "parts, logs or locks are left"
        entries, accepted = asyncio.run(read_journal(self.folder / "edits.db"))
        assert len(entries) == edits
        assert Counter(accepted) == Counter(task.id for task in self.sandbox.accepted)
        for entry in entries:
            assert (entry.status, entry.path) == (Status.saved, entry.target)
            assert sha256(Path(entry.target).read_bytes()).hexdigest() == entry.sha256


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits until something holds."""
    return wait_until


@pytest.fixture
def weather(tmp_path: Path) -> Iterator[Callable[..., Weather]]:
    """Makes a sandbox with faults and switches, and the batches against it. No process outlives its test."""
    made: list[Weather] = []

    def make(faults: Any = (), *, edits: int = 6, settings: dict[str, Any] | None = None, **options: Any) -> Weather:
        chosen: dict[str, Any] = {"time_scale": SCALE, "editing": "canned", **(settings or {})}
        sandbox = BackgroundSandbox(Settings(**chosen), faults=faults)
        sandbox.__enter__()
        made.append(Weather(sandbox, tmp_path, {"edits": edits, **options}))
        return made[-1]

    yield make
    for one in made:
        for process in one.started:
            if process.stdout is not None and not process.stdout.closed:
                process.kill()
                process.communicate()
        one.sandbox.__exit__(None, None, None)

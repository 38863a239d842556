"""`python -m benchmarks.weather [--kills 200] [--rows 1000000] [--seed 1]`: a batch killed at random, a long one.

Every process of it is killed between its first instruction and some accepted edits, in bad weather all along: lost
answers, refusals, cut downloads. Then it goes on to its end twice: holding what is uncertain, and
repeating that with the same keys. In the end the service must have accepted every edit once, and every result must lie
on the disk, whole, as the journal says.

The long batch has been run before but for some edits among its rows; it is killed halfway, and resumed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import attrs

from benchmarks.harness import ROOT, Figure
from omniedit.errors import JournalError
from omniedit.journal import SqliteReader
from omniedit.journal.database import writable
from omniedit.journal.tables import Writing
from omniedit.models import Edit, Entry, Status
from omniedit.testing import BackgroundSandbox, Settings, is_whole
from omniedit.testing.journals import read_journal

PROCESS = ROOT / "tests" / "weather" / "batch_process.py"
SCALE = 20.0  # seconds of the world in one real second, as in the process
EDITS_A_KILL = 12  # more than one process can submit before it is killed
NEW = 100
"""Edits of the long batch that were never begun."""
EARLY, LATE = 0.15, 0.5
"""Share of the processes that die within `LIFE` of their first instruction; with those within `LIFE` of holding the
journal. The others die when the service has accepted up to `MOST` more edits."""
LIFE, MOST = 0.6, 5  # seconds; edits
FAULTS = [
    {"fault": "lost_reply", "probability": 0.02},
    {"fault": "status", "status": 500, "accept": True, "probability": 0.02},
    {"fault": "status", "status": 429, "retry_after": 0, "probability": 0.02},
    {"fault": "status", "status": 502, "body": "html", "on": ["task", "bulk"], "probability": 0.05},
    {"fault": "cut_download", "after": 100, "probability": 0.1},
]


@attrs.frozen
class Toll:
    """What a storm came to."""

    kills: int
    edits: int
    accepted: int
    accepted_twice: int
    saved: int
    half_files: int
    uncertain: int
    """Edits whose request was under way at a kill, or whose answer the weather took."""
    requests: int
    """Paid requests that reached the service, repeats included."""
    struck: dict[str, int]
    """Edits that stood somewhere in between when their process was killed, over all kills."""


def main() -> None:
    """Run one storm, and keep its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    figures = [
        *(killed_at_random(options.kills, options.seed) if options.kills else ()),
        *(killed_halfway(options.rows) if options.rows else ()),
    ]
    from benchmarks.__main__ import store

    store("weather", figures)


def killed_at_random(kills: int, seed: int) -> list[Figure]:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        toll = storm(Path(folder), kills, seed)
    name = f"{toll.kills} kills at random moments over one batch:"
    return [
        Figure(f"{name} edits", toll.edits, "edits"),
        Figure(f"{name} tasks accepted by the service", toll.accepted, "tasks", bar=toll.edits, at_least=True),
        Figure(f"{name} edits accepted twice", toll.accepted_twice, "edits", bar=0),
        Figure(
            f"{name} saved, each with the digest in the journal", toll.saved, "edits", bar=toll.edits, at_least=True
        ),
        Figure(f"{name} half files under a final name, after any kill", toll.half_files, "files", bar=0),
        Figure(f"{name} held as uncertain, then settled by a repeat with the same key", toll.uncertain, "edits"),
        Figure(f"{name} paid requests, repeats included", toll.requests, "requests"),
        *(Figure(f"{name} edits caught while {word}", count, "edits") for word, count in sorted(toll.struck.items())),
        Figure(f"{name} time", time.perf_counter() - began, "s"),
    ]


def killed_halfway(rows: int) -> list[Figure]:
    short, long = resumed_anew(rows // 100), resumed_anew(rows)
    name = f"{rows:,} rows, killed halfway and resumed:"
    return [
        Figure(f"{name} lost, or ordered twice", long.wrong, "edits", bar=0),
        Figure(f"{name} rows a second in the second process", long.rate, "rows/s"),
        Figure(f"{name} memory", long.peak_mb, "MB"),
        Figure(f"{name} memory beside that of {short.rows:,} rows", long.peak_mb / short.peak_mb, bar=1.2),
    ]


def storm(folder: Path, kills: int, seed: int) -> Toll:
    """One batch, so many kills."""
    chance = random.Random(seed)
    edits = kills * EDITS_A_KILL
    struck: Counter[str] = Counter()
    half = 0
    faults = {"seed": seed, "faults": FAULTS}
    with BackgroundSandbox(Settings(time_scale=SCALE, editing="canned"), faults=faults) as sandbox:
        options: dict[str, object] = {"base_url": sandbox.base_url, "folder": str(folder), "edits": edits}
        for _ in range(kills):
            killed(options, sandbox, chance)
            half += len(halves(folder))
            struck.update(asyncio.run(statuses(folder / "edits.db")))
        sandbox.faults.clear()
        held = finished(options, on_uncertain="hold")["counts"]
        finished(options, on_uncertain="replay")
        entries, known = asyncio.run(read_journal(folder / "edits.db"))
        prompts = Counter(task.prompt for task in sandbox.accepted)
        assert Counter(known) == Counter(task.id for task in sandbox.accepted), "a task that the journal does not know"
        return Toll(
            kills=kills,
            edits=edits,
            accepted=len(sandbox.accepted),
            accepted_twice=sum(count > 1 for count in prompts.values()),
            saved=sum(is_saved(entry) for entry in entries),
            half_files=half + len(halves(folder)),
            uncertain=held.get("uncertain", 0),
            requests=len(sandbox.submissions),
            struck={word: count for word, count in struck.items() if word not in {"queued", "saved", "uncertain"}},
        )


@attrs.frozen
class Resumed:
    """What a long batch came to."""

    rows: int
    wrong: int
    rate: float
    peak_mb: float


def resumed_anew(rows: int) -> Resumed:
    with tempfile.TemporaryDirectory() as folder:
        return resumed(Path(folder), rows)


def resumed(folder: Path, rows: int) -> Resumed:
    """A batch of which all but some edits have come to an end; killed when half of those are accepted, and resumed."""
    with BackgroundSandbox(Settings(time_scale=SCALE, editing="canned")) as sandbox:
        remember(folder, rows, sandbox.base_url)
        options: dict[str, object] = {"base_url": sandbox.base_url, "folder": str(folder), "edits": rows}
        process = start(options)
        while len(sandbox.accepted) < NEW // 2:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.02)
        process.kill()
        process.communicate()
        began = time.perf_counter()
        said = finished(options, on_uncertain="replay")
        took = time.perf_counter() - began
        prompts = Counter(task.prompt for task in sandbox.accepted)
    saved = len(list(folder.rglob("*.mp4")))
    lost = abs(NEW - said["counts"]["saved"]) + abs(rows - NEW - said["counts"]["failed"]) + abs(NEW - saved)
    twice = sum(count - 1 for count in prompts.values())
    return Resumed(rows, lost + twice, rows / took, said["peak_mb"])


def remember(folder: Path, rows: int, origin: str) -> None:
    """The journal of earlier runs: edits that failed for good, so that no file has to be there; some are missing."""
    new = set(range(0, rows, rows // NEW))
    with writable(folder / "edits.db", origin) as connection:
        tables = Writing(connection)
        for first in range(0, rows, 1000):
            connection.execute("BEGIN IMMEDIATE")
            page = range(first, min(first + 1000, rows))
            tables.admit([ended(folder, number) for number in page if number not in new])
            connection.execute("COMMIT")


def ended(folder: Path, number: int) -> Entry:
    edit = Edit("https://clips.example.com/a.mp4", f"wish {number}.")
    told = {"error_type": "TaskFailed", "error_code": "content_policy_violation", "error_message": "No."}
    task_id = f"task-unified-1757165031-{number:08x}"
    return Entry(edit, str(folder / "out" / edit.key), Status.failed, datetime.now(UTC), task_id=task_id, **told)


def killed(options: dict[str, object], sandbox: BackgroundSandbox, chance: random.Random) -> None:
    """One process of the batch, from its start to its violent end."""
    process = start(options | {"max_rate": 1.0})
    accepted = len(sandbox.accepted)
    dice = chance.random()
    try:
        if dice > EARLY:
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
        if dice > LATE:
            wanted = accepted + chance.randint(1, MOST)
            while len(sandbox.accepted) < wanted and process.poll() is None:
                time.sleep(0.002)
            time.sleep(chance.random() * 0.1)
        else:
            time.sleep(chance.random() * LIFE)
        assert process.poll() is None, "it ended before it was killed"
    finally:
        process.kill()
        process.communicate()


def start(options: dict[str, object]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(PROCESS), json.dumps(options)], stdout=subprocess.PIPE)


def finished(options: dict[str, object], **more: str) -> dict[str, Any]:
    """The batch, to its end; gives what it says."""
    process = start(options | more)
    out, _ = process.communicate(timeout=3600)
    assert process.returncode == 0, out
    said: dict[str, Any] = json.loads(out.splitlines()[-1])
    return said


async def statuses(path: Path) -> dict[str, int]:
    """How many edits stand where; nothing as long as there is no journal."""
    reader = SqliteReader(path)
    try:
        return {str(status): count for status, count in (await reader.counts()).statuses.items()}
    except JournalError:
        return {}
    finally:
        await reader.close()


def is_saved(entry: Entry) -> bool:
    """Whether the journal says so, and the file is what it says."""
    path = Path(entry.target)
    return entry.status == Status.saved and sha256(path.read_bytes()).hexdigest() == entry.sha256


def halves(folder: Path) -> list[Path]:
    """Results that end before their last box does."""
    return [path for path in folder.rglob("*.mp4") if not is_whole(path)]


if __name__ == "__main__":
    main()

"""Edits in a Ray Data pipeline: the callable by itself, and, where Ray is installed, inside Ray."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from omniedit.distributed.client import HostClient
from omniedit.distributed.ray import EditBatches
from omniedit.errors import AuthenticationFailed, ConfigurationError
from omniedit.testing import BackgroundSandbox, Settings

QUICK = Settings(editing="canned", task_seconds=0.3)
ROWS: dict[str, list[object]] = {
    "source": [f"https://example.com/clips/{number}.mp4" for number in range(6)],
    "prompt": ["Make it snow"] * 6,
    "number": list(range(6)),
}


def a_client(base_url: str, api_key: str = "sk-sandbox") -> HostClient:
    """An actor's client."""
    return HostClient(api_key, base_url=base_url, preflight=False, grace=2.0)


@pytest.fixture
def sandbox() -> Iterator[BackgroundSandbox]:
    """A service outside the test's event loop."""
    with BackgroundSandbox(QUICK) as running:
        yield running


@pytest.fixture
def actor(dsn: str, sandbox: BackgroundSandbox, tmp_path: Path) -> Iterator[Callable[..., EditBatches]]:
    """Makes actors, and ends them with the test."""
    made: list[EditBatches] = []

    def make(**options: object) -> EditBatches:
        chosen = {"client": partial(a_client, sandbox.base_url), "lease": 2.0} | options
        made.append(EditBatches(dsn, tmp_path, **chosen))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()
        one.close()


def test_a_block_that_is_run_again_is_paid_once(actor: Callable[..., EditBatches], sandbox: BackgroundSandbox) -> None:
    """By the same actor and by the next; the columns go through, and four are added."""
    first = actor()
    told = first(ROWS)
    assert told["number"] == ROWS["number"]
    assert told["status"] == ["saved"] * 6
    assert told["error"] == [None] * 6
    assert all(Path(str(path)).is_file() for path in told["path"])
    assert {str(one) for one in told["task_id"]} == {task.id for task in sandbox.accepted}
    assert first(ROWS) == told
    first.close()
    assert actor()(ROWS) == told
    assert len(sandbox.submissions) == 6


def test_a_block_that_two_actors_run_at_once_is_paid_once(
    actor: Callable[..., EditBatches], sandbox: BackgroundSandbox
) -> None:
    """Each waits for what the other works on."""
    told: list[dict[str, object]] = []

    def run(one: EditBatches) -> None:
        told.append(dict(one(ROWS)))

    threads = [threading.Thread(target=run, args=(actor(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert told[0] == told[1]
    assert len(sandbox.accepted) == 6


def test_what_is_wrong_with_a_row_is_told_in_it(actor: Callable[..., EditBatches], sandbox: BackgroundSandbox) -> None:
    """A refused edit, a name that is taken; the same edit twice is one."""
    clip = "https://example.com/a.mp4"
    rows = {
        "source": ["ftp://example.com/a.mp4", clip, "https://example.com/b.mp4", clip, clip, clip],
        "prompt": ["x", "x", "x", "x", "y", "z"],
        "as": ["no.mp4", "same.mp4", "same.mp4", "same.mp4", "other.mp4", "../up.mp4"],
    }
    told = actor(name="as")(rows)
    assert told["status"] == ["rejected", "saved", "rejected", "saved", "saved", "rejected"]
    assert "ftp" in str(told["error"][0])
    assert "same.mp4" in str(told["error"][2])
    assert told["task_id"][1] == told["task_id"][3]
    assert len(sandbox.accepted) == 2


def test_a_key_that_is_refused_stops_the_pipeline(
    actor: Callable[..., EditBatches], sandbox: BackgroundSandbox
) -> None:
    """And the same actor goes on once it is a good one."""
    keys = iter(["sk-sandbox-unauthorized"])
    one = actor(client=lambda: a_client(sandbox.base_url, next(keys, "sk-good")))
    with pytest.raises(AuthenticationFailed):
        one(ROWS)
    assert one(ROWS)["status"] == ["saved"] * 6


def test_an_actor_that_was_declared_dead_begins_anew(
    actor: Callable[..., EditBatches], sandbox: BackgroundSandbox, dsn: str
) -> None:
    """Between two batches, as after a pause of its machine."""
    one = actor()
    one({name: column[:2] for name, column in ROWS.items()})

    async def bury() -> None:
        import asyncpg

        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
        await connection.execute("DELETE FROM omniedit.holder")
        await connection.close()

    asyncio.run(bury())
    assert one(ROWS)["status"] == ["saved"] * 6
    assert len(sandbox.accepted) == 6


@pytest.mark.parametrize("dsn", [None, "edits.db", "https://example.com"])
def test_without_a_shared_journal_it_does_not_start(dsn: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that is run again would be paid again."""
    monkeypatch.delenv("OMNIEDIT_DSN", raising=False)
    with pytest.raises(ConfigurationError, match="a journal that all actors share"):
        EditBatches(dsn, "edited")


def test_columns_that_are_missing_are_named(actor: Callable[..., EditBatches]) -> None:
    """With what to write instead."""
    with pytest.raises(ConfigurationError, match="clip"):
        actor(source="clip")(ROWS)


def test_ray_is_not_imported() -> None:
    """Neither is it needed for a test of one's own."""
    assert "ray" not in sys.modules


def test_inside_ray(dsn: str, sandbox: BackgroundSandbox, tmp_path: Path) -> None:
    """Two actors, real blocks; run by hand, since Ray is large: `pip install 'omniedit[ray]'`."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed (the extra `ray`)")
    script = Path(__file__).with_name("ray_process.py")
    command = [sys.executable, str(script), dsn, sandbox.base_url, str(tmp_path), "30"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
    assert json.loads(done.stdout.splitlines()[-1]) == ["saved"] * 30
    assert len(sandbox.accepted) == 30

"""Callbacks end to end: they make the engine look now, and nothing else."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from omniedit import Client, Edit, SqliteJournal
from omniedit.flow.receiver import Receiver, Spool, spool_beside
from omniedit.journal.sqlite import SqliteReader
from omniedit.testing import Sandbox, Settings, sample_clip

# Looks alone would come late: the service guesses ten times too long.
SLOW_TO_LOOK = Settings(task_seconds=0.6, pending_seconds=0.1, estimate_factor=40.0, editing="copy")
BODY = json.dumps({"id": "task-unified-1-forged", "status": "completed", "results": ["https://evil/x.mp4"]}).encode()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A clip of one second."""
    return sample_clip(tmp_path / "clip.mp4", seconds=1.0, size=(160, 90))


@asynccontextmanager
async def called_client(sandbox: Sandbox, journal: Path | None = None) -> AsyncIterator[tuple[Client, Receiver, str]]:
    """A client whose receiver runs beside it."""
    clients: list[Client] = []
    receiver = Receiver(lambda *call: clients[0].hint(*call))  # noqa: PLW0108 - the client needs the address first
    async with (
        receiver.served("127.0.0.1", 0) as address,
        Client(sandbox.api_key, base_url=sandbox.base_url, journal=journal, callback_base=address) as client,
    ):
        clients.append(client)
        yield client, receiver, address


async def test_a_callback_brings_the_result_long_before_the_next_look(clip: Path, tmp_path: Path) -> None:
    """With calls the first look comes when the task has ended."""
    async with Sandbox(SLOW_TO_LOOK) as sandbox, called_client(sandbox) as (client, receiver, _):
        async with asyncio.timeout(10):
            saved = await client.edit(clip, "make it warmer", save_to=tmp_path / "out.mp4")
        assert saved.path.stat().st_size == saved.size
        assert receiver.statistics.known == 1
        looks = [request for request in sandbox.requests if request.path.startswith("/v1/tasks/")]
        assert len(looks) == 1


async def test_the_address_of_a_receiver_on_ipv6_can_be_called() -> None:
    """An IPv6 host stands in brackets; without them the address is no URL."""
    receiver = Receiver(lambda _nonce, _task_id: True)
    try:
        async with (
            receiver.served("::1", 0) as address,
            aiohttp.ClientSession() as caller,
            caller.post(f"{address}/{'n' * 32}", data=BODY) as reply,
        ):
            assert reply.status == 204
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")


async def test_every_edit_has_a_path_of_its_own_that_nobody_can_guess(clip: Path, tmp_path: Path) -> None:
    """Two edits, two nonces, and neither is in a log or a repr."""
    async with Sandbox(SLOW_TO_LOOK) as sandbox, called_client(sandbox) as (client, receiver, _):
        edits = [Edit(clip, "make it warmer", variant=number) for number in range(5)]
        async with asyncio.timeout(20):
            summary = await client.batch(edits, save_to=tmp_path / "out")
        assert summary.saved == 5
        assert receiver.statistics.known == 5


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/" + "x" * 32, BODY, 204),
        ("/short", BODY, 400),
        ("/" + "x" * 32, b"not json", 400),
        ("/" + "x" * 32, b"{}" + b" " * 70_000, 413),
        ("/a/b", BODY, 404),
    ],
)
async def test_what_nobody_asked_for_is_answered_and_changes_nothing(path: str, body: bytes, status: int) -> None:
    """Forged, malformed and oversized calls."""
    told: list[str] = []

    def hint(nonce: str, _: str | None) -> bool:
        told.append(nonce)
        return False

    receiver = Receiver(hint)
    async with (
        receiver.served("127.0.0.1", 0) as address,
        aiohttp.ClientSession() as session,
        session.post(address + path, data=body) as reply,
    ):
        assert reply.status == status
    assert len(told) == (1 if status == 204 else 0)


async def test_a_body_that_breaks_its_encoding_is_malformed(caplog: pytest.LogCaptureFixture) -> None:
    """It is answered like every other one that says nothing, and leaves no traceback in the log."""
    receiver = Receiver(lambda *_: True)
    async with receiver.served("127.0.0.1", 0) as address, aiohttp.ClientSession() as session:
        for body, status in ((b"no gzip", 400), (gzip.compress(BODY), 204)):
            headers = {"Content-Encoding": "gzip"}
            async with session.post(f"{address}/{'n' * 32}", data=body, headers=headers) as reply:
                assert reply.status == status
    assert (receiver.statistics.malformed, receiver.statistics.known) == (1, 1)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_slow_hint_does_not_keep_the_caller_waiting() -> None:
    """The service waits ten seconds and then repeats; an answer within one keeps that from happening."""

    async def hint(_: str, __: str | None) -> bool:
        await asyncio.sleep(30)
        return True

    receiver = Receiver(hint)
    async with (
        receiver.served("127.0.0.1", 0) as address,
        aiohttp.ClientSession() as session,
        asyncio.timeout(5),
        session.post(f"{address}/{'n' * 32}", data=BODY) as reply,
    ):
        assert reply.status == 204
    assert receiver.statistics.slow == 1


async def test_calls_that_stop_coming_are_noticed(clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Three tasks that a look saw finished first, and looking goes on as without callbacks."""
    caplog.set_level(logging.WARNING, "omniedit.callbacks")
    faults = [{"fault": "callback_lost"}]
    settings = Settings(task_seconds=0.3, pending_seconds=0.1, editing="copy")
    async with Sandbox(settings, faults=faults) as sandbox, called_client(sandbox) as (client, receiver, _):
        edits = [Edit(clip, "make it warmer", variant=number) for number in range(4)]
        async with asyncio.timeout(60):
            summary = await client.batch(edits, save_to=tmp_path / "out")
    assert summary.saved == 4
    assert receiver.statistics.known == 0
    assert [record.message for record in caplog.records if record.message.startswith("callbacks.lost")]


async def test_hints_reach_a_worker_through_the_journal(clip: Path, tmp_path: Path) -> None:
    """A receiver in another place writes beside the journal; the worker reads along."""
    path = tmp_path / "edits.db"
    reader = SqliteReader(path)
    receiver = Receiver(Spool(spool_beside(path), reader).write)
    async with (
        Sandbox(SLOW_TO_LOOK) as sandbox,
        receiver.served("127.0.0.1", 0) as address,
        Client(sandbox.api_key, base_url=sandbox.base_url, journal=path, callback_base=address) as client,
        asyncio.timeout(10),
    ):
        await client.edit(clip, "make it warmer", save_to=tmp_path / "out.mp4")
    await reader.close()
    assert receiver.statistics.known == 1
    assert spool_beside(path).stat().st_mode & 0o777 == 0o600


async def test_a_spool_takes_only_what_the_journal_knows_and_stays_small(tmp_path: Path) -> None:
    """Strangers cannot fill the disk."""
    journal = SqliteJournal(tmp_path / "edits.db")
    await journal.open("http://127.0.0.1")
    spool = Spool(tmp_path / "hints", journal)
    assert not await spool.write("n" * 32)
    assert not (tmp_path / "hints").exists()
    await journal.close()

"""The door, against real servers: where the key goes, how often a request leaves, and what is certain afterwards."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omniedit.api import wire
from omniedit.api.bounds import within
from omniedit.api.client import Departure, Door, Timeouts
from omniedit.core.certainty import Accepted, Refused, Silent, Unknown, judge
from omniedit.errors import (
    ConfigurationError,
    HostingFailed,
    OmniEditError,
    QuotaExhausted,
    ServiceUnavailable,
    TransportFailed,
    UnexpectedReply,
)
from omniedit.models import Edit, Intent, Reply

KEY = "sk-very-secret-0123456789"
INTENT = Intent(Edit("a.mp4", "snow"), "https://example.com/a.mp4", "n" * 32)
TASK = b'{"id": "task-unified-1-a", "status": "pending"}'
SHORT = Timeouts(connect=1.0, submit=0.3, read=0.3, stall=0.5)


def door_to(url: str, **options: Any) -> Door:
    """A door with the secret key."""
    return Door(KEY, **{"base_url": url, "files_url": url, "timeouts": SHORT, **options})


async def paid(door: Door) -> TransportFailed:
    """The failure of one paid request."""
    async with door:
        with pytest.raises(TransportFailed) as caught:
            await door.submit(INTENT)
    assert caught.value.idempotency_key == INTENT.nonce
    return caught.value


async def test_paid_request_goes_out_once_with_both_keys(strangers: Any) -> None:
    """The bearer token, the idempotency key, the body: as built."""
    async with strangers.serving(strangers.reply(200, TASK)) as service, door_to(service.url) as door:
        reply = await door.submit(INTENT)
    (heard,) = service.heard
    assert heard.line == "POST /v1/videos/generations HTTP/1.1"
    assert heard.headers["authorization"] == f"Bearer {KEY}"
    assert heard.headers["idempotency-key"] == INTENT.nonce
    assert heard.body == wire.submission(INTENT).body
    assert judge(wire.answered(reply)) == Accepted("task-unified-1-a")


async def test_every_paid_request_carries_its_own_idempotency_key(strangers: Any) -> None:
    """A repeat carries the same, another intent another."""
    other = Intent(INTENT.edit, INTENT.video_url, "m" * 32)
    async with strangers.serving(strangers.reply(200, TASK)) as service, door_to(service.url) as door:
        for intent in (INTENT, INTENT, other):
            await door.submit(intent)
    assert [heard.headers["idempotency-key"] for heard in service.heard] == ["n" * 32, "n" * 32, "m" * 32]
    assert service.heard[0].body == service.heard[1].body


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_key_does_not_follow_a_redirect(strangers: Any, status: int) -> None:
    """Neither to a stranger nor anywhere else; what a redirect means for the paid request is unknown."""
    async with strangers.serving(strangers.reply(200, TASK)) as thief:
        redirect = strangers.reply(status, b"", Location=f"{thief.url}/steal")
        async with strangers.serving(redirect) as service, door_to(service.url) as door:
            assert isinstance(judge(wire.answered(await door.submit(INTENT))), Unknown)
            assert (await door.ask(wire.balance())).status == status
    assert (len(service.heard), thief.heard, thief.connections) == (2, [], 0)


FAILURES: list[tuple[str, Callable[[Any], Any]]] = [
    ("no answer", lambda s: s.silence),
    ("closed without an answer", lambda s: s.raw(b"", then="close")),
    ("reset without an answer", lambda s: s.raw(b"", then="reset")),
    ("closed in the head", lambda s: s.raw(b"HTTP/1.1 200 OK\r\nContent-", then="close")),
    ("closed in the body", lambda s: s.raw(s.written(200, TASK)[:-5], then="close")),
    ("silent in the body", lambda s: s.raw(s.written(200, TASK)[:-5])),
    ("reset in the body", lambda s: s.raw(s.written(200, TASK)[:-5], then="reset")),
    ("no HTTP", lambda s: s.raw(b"220 smtp.example.com ready\r\n\r\n", then="close")),
    ("a broken chunk", lambda s: s.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", then="close")),
    ("a broken encoding", lambda s: s.raw(s.written(200, TASK, Content_Encoding="gzip"), then="close")),
]


@pytest.mark.parametrize(("name", "make"), FAILURES, ids=[name for name, _ in FAILURES])
async def test_lost_reply_means_exactly_one_request_and_an_unknown_outcome(
    strangers: Any, name: str, make: Callable[[Any], Any]
) -> None:
    """Whatever happens after the request was read: it is sent once, and nobody claims to know."""
    async with strangers.serving(make(strangers)) as service:
        failure = await paid(door_to(service.url))
    assert failure.sent, name
    assert isinstance(judge(Silent(failure.sent)), Unknown)
    assert len(service.heard) == 1
    assert KEY not in "".join(traceback.format_exception(failure))


async def test_refused_connection_is_certain_not_to_have_sent(closed_port: int) -> None:
    """Nobody listens: nothing left."""
    failure = await paid(door_to(f"http://127.0.0.1:{closed_port}"))
    assert (failure.sent, failure.code) == (False, "connect_failed")
    assert isinstance(judge(Silent(failure.sent)), Refused)


async def test_unknown_name_is_certain_not_to_have_sent() -> None:
    """A name that no resolver knows (RFC 6761)."""
    failure = await paid(Door(KEY, base_url="https://no-such-host.invalid", timeouts=SHORT))
    assert not failure.sent
    assert failure.code in {"name_lookup_failed", "timeout"}  # a resolver may also be silent


async def test_failed_handshake_is_certain_not_to_have_sent(strangers: Any) -> None:
    """TLS comes before the first byte of a request, and so does the key."""
    async with strangers.serving(strangers.raw(b"")) as service:
        port = service.port

        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"this is no TLS at all\r\n" * 8)
            writer.close()

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            failure = await paid(door_to(f"https://127.0.0.1:{port}"))
    assert (failure.sent, failure.code) == (False, "tls_failed")


async def test_handshake_that_never_ends_is_certain_not_to_have_sent(strangers: Any) -> None:
    """The time to connect is bounded by itself."""
    async with strangers.serving(strangers.silence) as service:
        options = Timeouts(connect=0.2, submit=5.0)
        failure = await paid(door_to(f"https://127.0.0.1:{service.port}", timeouts=options))
    assert (failure.sent, failure.code) == (False, "timeout")


async def test_connection_that_the_server_closed_while_idle_loses_no_request(strangers: Any) -> None:
    """The next paid request finds the connection closed, opens another, and leaves once."""
    answer = strangers.raw(strangers.written(200, TASK), then="close")
    async with strangers.serving(answer) as service, door_to(service.url) as door:
        for _ in range(3):
            assert (await door.submit(INTENT)).status == 200
            await asyncio.sleep(0.05)
    assert (len(service.heard), service.connections) == (3, 3)


async def test_open_connections_are_used_again(strangers: Any) -> None:
    """Looks and paid requests keep their connections apart."""
    async with strangers.serving(strangers.reply(200, TASK)) as service, door_to(service.url) as door:
        for _ in range(3):
            await door.submit(INTENT)
            await door.ask(wire.balance())
    assert (len(service.heard), service.connections) == (6, 2)


@pytest.mark.parametrize("size", [4 << 20, (4 << 20) + 1, 9 << 20])
async def test_oversized_replies_are_cut_and_cannot_be_read(strangers: Any, size: int) -> None:
    """Memory is bounded; the status still counts: a refusal of megabytes is a refusal."""
    async with strangers.serving(strangers.reply(400, b" " * size)) as service, door_to(service.url) as door:
        reply = await door.submit(INTENT)
        assert (reply.status, len(reply.body)) == (400, 4 << 20)
        assert isinstance(judge(wire.answered(reply)), Refused)
    long = strangers.reply(200, TASK[:-1] + b" " * (5 << 20))
    async with strangers.serving(long) as service, door_to(service.url) as door:
        with pytest.raises(UnexpectedReply):
            wire.read_task(await door.ask(wire.look("task-unified-1-a")))


async def test_dripping_reply_is_bounded_as_a_whole(strangers: Any) -> None:
    """A byte now and then keeps no request alive for ever."""

    async def drip(heard: object, writer: asyncio.StreamWriter) -> None:
        writer.write(strangers.written(200, TASK)[:-20])
        for _ in range(1000):
            writer.write(b" ")
            await asyncio.sleep(0.05)

    options = Timeouts(connect=0.1, submit=0.3)
    async with strangers.serving(drip) as service:
        failure = await paid(door_to(service.url, timeouts=options))
    assert (failure.sent, failure.code) == (True, "timeout")


async def test_cancelled_before_it_left_is_known(strangers: Any) -> None:
    """While the handshake is under way nothing has left."""
    departure = Departure()
    options = Timeouts(connect=30.0)
    async with (
        strangers.serving(strangers.silence) as service,
        door_to(f"https://127.0.0.1:{service.port}", timeouts=options) as door,
    ):
        sending = asyncio.create_task(door.submit(INTENT, departure))
        await strangers.until(lambda: service.connections)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert not departure.left
    assert isinstance(judge(Silent(departure.left)), Refused)


async def test_cancelled_after_it_left_is_known(strangers: Any) -> None:
    """Once the server has it, it has left."""
    departure = Departure()
    options = Timeouts(submit=30.0)
    async with strangers.serving(strangers.silence) as service, door_to(service.url, timeouts=options) as door:
        sending = asyncio.create_task(door.submit(INTENT, departure))
        await strangers.until(lambda: service.heard)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert departure.left


async def test_key_stands_in_no_repr_log_error_or_traceback(
    strangers: Any, closed_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """With every logger at its loudest."""
    caplog.set_level(logging.DEBUG)
    told = io.StringIO()
    async with strangers.serving(strangers.raw(b"nonsense\r\n\r\n", then="close")) as service:
        for url in (service.url, f"http://127.0.0.1:{closed_port}"):
            async with door_to(url) as door:
                told.write(repr(door) + repr(vars(door).get("_timeouts")))
                for asking in (door.submit(INTENT), door.ask(wire.balance())):
                    try:
                        await asking
                    except TransportFailed as error:
                        told.write(str(error) + repr(error) + repr(vars(error)))
                        told.write("".join(traceback.format_exception(error)))
    assert "nonsense" not in told.getvalue()
    assert KEY not in told.getvalue() + caplog.text


@pytest.mark.parametrize("key", ["", " sk-x", "sk-x\n", "sk x\ty", "schlüssel", "sk-x\r\nX-Evil: 1"])
def test_keys_that_are_none_are_refused_without_showing_them(key: str) -> None:
    """A newline would write a header of its own."""
    with pytest.raises(ConfigurationError, match="EVOLINK_API_KEY") as caught:
        Door(key)
    assert not key or key not in str(caught.value)


async def test_closed_door_stays_closed(strangers: Any) -> None:
    """Closing twice is fine; sending afterwards is an error of the caller, and nothing leaves."""
    async with strangers.serving(strangers.reply()) as service:
        door = door_to(service.url)
        await door.ask(wire.balance())
        await door.close()
        await door.close()
        assert "closed" in repr(door)
    fresh = door_to("http://127.0.0.1:9")
    await fresh.close()
    with pytest.raises(ConfigurationError, match="closed"):
        await fresh.submit(INTENT)


UPLOADED = b'{"success": true, "data": {"file_url": "https://files.example.com/a.mp4"}}'


async def test_upload_streams_the_file_to_the_file_origin_only(strangers: Any, tmp_path: Path) -> None:
    """With its length known, its name made plain, and progress told."""
    clip = tmp_path / 'ö "clip".mp4'
    clip.write_bytes(bytes(range(256)) * 2000)
    seen: list[tuple[int, int]] = []
    async with (
        strangers.serving(strangers.reply()) as api,
        strangers.serving(strangers.reply(200, UPLOADED)) as files,
        door_to(api.url, files_url=files.url) as door,
    ):
        hosted = await door.upload(clip, lambda done, size: seen.append((done, size)))
    assert hosted.url == "https://files.example.com/a.mp4"
    (heard,) = files.heard
    assert (api.heard, heard.headers["authorization"]) == ([], f"Bearer {KEY}")
    assert clip.read_bytes() in heard.body
    assert b'filename="_ _clip_.mp4"' in heard.body
    assert seen[-1] == (512_000, 512_000)


async def test_refused_uploads_submit_nothing_and_say_so(strangers: Any, tmp_path: Path) -> None:
    """Refusals of the file are its own; those of the key stop everything; an outage may pass."""
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"x")
    said = b'{"success": false, "code": 1001, "msg": "no videos"}'
    for status, kind in ((200, HostingFailed), (400, HostingFailed), (500, ServiceUnavailable), (402, QuotaExhausted)):
        async with strangers.serving(strangers.reply(status, said)) as service, door_to(service.url) as door:
            with pytest.raises(kind, match="no videos"):
                await door.upload(clip)


async def test_refusal_that_quotes_the_key_is_read_without_it(strangers: Any, tmp_path: Path) -> None:
    """Its words go into errors, logs and the journal."""
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"x")
    said = f'{{"error": {{"code": "unauthorized", "message": "bad header: Bearer {KEY}"}}}}'.encode()
    for status in (400, 401, 302, 500):
        async with strangers.serving(strangers.reply(status, said)) as service, door_to(service.url) as door:
            for reply in (await door.submit(INTENT), await door.ask(wire.balance())):
                assert wire.refusal(reply, "asking").message.endswith("unauthorized: bad header: Bearer (key)")
            with pytest.raises(OmniEditError, match="bad header") as caught:
                await door.upload(clip)
            assert KEY not in str(caught.value)


async def test_failed_task_that_quotes_the_key_is_read_without_it(strangers: Any, tmp_path: Path) -> None:
    """Its words go into errors, logs and the journal; a link is left as it is, whatever it holds."""
    link = f"https://cdn.example/{KEY}.mp4"
    words = {"code": f"bad_{KEY}", "message": "x" * 480 + f" {KEY} "}
    failed = {**json.loads(TASK), "status": "failed", "results": [link], "error": {"message": f"sent {KEY}, no"}}
    long = {**failed, "id": "task-2", "error": words}
    replies = (strangers.reply(200, json.dumps(body).encode()) for body in (failed, {"data": [failed, long]}))
    one, many = [await _asked(strangers, reply) for reply in replies]
    listed = wire.read_page(many).tasks
    for task in (wire.read_task(one), wire.read_tasks(many)["task-unified-1-a"], listed[0]):
        assert (task.error_message, task.error_code, task.results) == ("sent (key), no", None, (link,))
    assert (listed[1].error_code, listed[1].error_message) == ("bad_(key)", "x" * 480 + " (key)")
    assert KEY not in repr(one)
    said = f'{{"success": false, "code": 1001, "msg": "Bearer {KEY}"}}'.encode()
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"x")
    async with strangers.serving(strangers.reply(200, said)) as service, door_to(service.url) as door:
        with pytest.raises(HostingFailed, match=r"Bearer \(key\)") as caught:
            await door.upload(clip)
    assert KEY not in "".join(traceback.format_exception(caught.value))


async def _asked(strangers: Any, reply: object) -> Reply:
    async with strangers.serving(reply) as service, door_to(service.url) as door:
        return await door.ask(wire.look("task-unified-1-a"))


async def test_answers_are_read_as_they_came_where_nothing_is_secret(strangers: Any) -> None:
    """A success may name anything, and the key of a test may be any word."""
    done = TASK.replace(b"task-unified-1-a", KEY.encode())
    async with strangers.serving(strangers.reply(200, done)) as service, door_to(service.url) as door:
        assert (await door.ask(wire.balance())).body == done
    refused = strangers.reply(404, b'{"error": {"code": "task_not_found"}}')
    async with strangers.serving(refused) as service, Door("task", base_url=service.url) as door:
        assert wire.refusal(await door.ask(wire.look("task-1")), "asking").code == "task_not_found"


async def test_upload_that_stands_still_is_given_up(tmp_path: Path) -> None:
    """The host takes the headers, and then nothing of a file that no buffer holds."""
    clip = tmp_path / "a.mp4"
    with clip.open("wb") as file:
        file.truncate(64 << 20)
    over = asyncio.Event()

    async def ignore(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(ignore, "127.0.0.1", 0, limit=4096) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with door_to(url, timeouts=Timeouts(connect=0.5, stall=0.2)) as door:
            with pytest.raises(TransportFailed, match="TimeoutError"):
                await door.upload(clip)
        over.set()


async def test_answer_to_an_upload_that_never_ends_is_given_up(strangers: Any, tmp_path: Path) -> None:
    """A byte now and then is no progress."""
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"x")

    async def drip(_heard: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    bounds = Timeouts(connect=0.5, stall=0.2)
    async with strangers.serving(drip) as service, door_to(service.url, timeouts=bounds) as door:
        with pytest.raises(TransportFailed, match="TimeoutError"):
            await door.upload(clip)


async def test_time_that_begins_anew_is_not_over() -> None:
    """As long as something moves; then it is."""
    moves = list[int]()

    async def move() -> None:
        async with within(0.3) as anew:
            for move in range(5):
                await asyncio.sleep(0.1)
                anew()
                moves.append(move)
            await asyncio.sleep(5)

    with pytest.raises(TimeoutError):
        await move()
    assert len(moves) == 5


async def test_time_inside_is_bounded() -> None:
    """As `asyncio.timeout` does."""
    with pytest.raises(TimeoutError):
        async with within(0.01):
            await asyncio.sleep(5)
    async with within(5.0):
        pass


async def test_answer_that_came_while_the_process_was_stopped_is_still_read() -> None:
    """A stopped process finds its timer over and its answer there: the answer counts."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()
    async with within(0.2):
        loop.call_soon(_stop_for, 1.5)
        loop.call_later(0.5, answer.set_result, "accepted")  # came long after the bound, read late
        assert await answer == "accepted"


def _stop_for(seconds: float) -> None:
    """What SIGSTOP does to an event loop."""
    time.sleep(seconds)

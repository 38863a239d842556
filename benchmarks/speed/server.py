"""A server that is never the bottleneck: a bare asyncio protocol with canned answers, in a process of its own.

It knows just enough HTTP/1.1 for the clients measured here: requests with a Content-Length or without a body, kept
connections, no pipelining. Prints its port on the first line and serves until its standard input is closed.

- `POST .../generations` and the paths under which other clients submit: a new task.
- `GET /v1/tasks/ID`: under way; a task whose id ends with `-done` is completed at the third look.
- `POST /v1/tasks/batch`: 404, unless started with `--bulk`: then up to 50 tasks, those with `-done` have failed.
- `GET /media/...`: a clip of 260 KB, also in parts.
- `--drop N`: closes the connections of the first N POSTs without an answer; `GET /posts` tells how many came.
- `--hold N`: no task ends before so many POSTs have come; then all wait, and end evenly over a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import ssl
import struct
import sys
import tempfile
import time
from collections import Counter
from itertools import count
from pathlib import Path

TASK = {
    "created": 1757165031,
    "id": "task-unified-1757165031-abcd1234",
    "model": "gemini-omni-flash-video-edit",
    "object": "video.generation.task",
    "progress": 40,
    "status": "processing",
    "task_info": {"can_cancel": False, "estimated_time": 60},
    "type": "video",
    "usage": {"billing_rule": "per_token", "credits_reserved": 64.2, "user_group": "default"},
}
LOOKS = 3
"""Looks that a task takes until it is completed."""
CLIP_SIZE = 260_000  # bytes
LONG = 3600  # seconds that a held task is said to take: what is thought to be overdue is looked at more often
REST, ENDINGS = 390.0, 60.0  # seconds: tasks that were held begin to end after the one, over the other
# What other clients need in order to parse an answer; a superset, so that none of them is spared work or fails.
PREDICTION = {
    "id": "abc",
    "model": "m/n",
    "version": "v1",
    "status": "processing",
    "input": {},
    "output": None,
    "logs": "",
    "error": None,
    "created_at": "2026-01-01T00:00:00Z",
    "urls": {"get": "http://127.0.0.1/x", "cancel": "http://127.0.0.1/y"},
}
QUEUED = {
    "status": "IN_PROGRESS",
    "logs": [],
    "request_id": "abc",
    "response_url": "https://localhost/r",
    "status_url": "https://localhost/s",
    "cancel_url": "https://localhost/c",
}
_RANGE = re.compile(rb"(?im)^range: bytes=(\d+)-(\d*)")


def clip() -> bytes:
    """A real clip, made 260 KB long by a box at its end that nothing refers to."""
    from omniedit.testing import sample_clip

    with tempfile.TemporaryDirectory() as folder:
        data = sample_clip(Path(folder) / "clip.mp4", 1.0, size=(64, 48)).read_bytes()
    rest = CLIP_SIZE - len(data)
    return data + struct.pack(">I4s", rest, b"free") + bytes(rest - 8)


def reply(body: bytes, kind: str = "application/json", status: str = "200 OK", more: str = "") -> bytes:
    """A whole HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


class World:
    """What the server knows: how often each task was looked at, and how many POSTs came."""

    def __init__(self, *, bulk: bool, drop: int, hold: int) -> None:
        self.bulk = bulk
        self.dropping = drop
        self.hold = hold
        self.full_at = 0.0
        self.looks: Counter[str] = Counter()
        self.posts = 0
        self.numbers = count(1)
        self.clip = b"" if drop or hold else clip()
        self.origin = ""
        self.canned = {
            "predictions": reply(json.dumps(PREDICTION).encode()),
            "status": reply(json.dumps(QUEUED).encode()),
        }
        self.poll = reply(json.dumps(TASK).encode())

    def answer(self, head: bytes, body: bytes) -> bytes | None:
        """The answer to one request; None closes the connection without one."""
        method, _, rest = head.partition(b" ")
        path = rest[: rest.index(b" ")].decode().partition("?")[0]
        last = path.rpartition("/")[2]
        if method == b"POST":
            return self._post(path, body)
        if last == "posts":
            return reply(json.dumps({"posts": self.posts}).encode())
        if path.startswith("/media/"):
            return self._part(head)
        if path.startswith("/v1/tasks/") and last != TASK["id"]:
            return self._look(last)
        return self.canned.get("predictions" if "predictions" in path else last, self.poll)

    def _post(self, path: str, body: bytes) -> bytes | None:
        if path.endswith("/tasks/batch"):
            return self._many(json.loads(body)["task_ids"]) if self.bulk else reply(b"{}", status="404 Not Found")
        self.posts += 1
        if self.posts == self.hold:
            self.full_at = time.monotonic()
        if self.posts <= self.dropping:
            return None
        task = TASK | {
            "id": f"task-unified-1757165031-{next(self.numbers):08d}-done",
            "status": "pending",
            "progress": 0,
        }
        task["task_info"] = {"can_cancel": False, "estimated_time": LONG if self.hold else 2}
        others = {} if path == "/v1/videos/generations" else PREDICTION | QUEUED
        return reply(json.dumps(others | task).encode())

    def _look(self, task_id: str) -> bytes:
        self.looks[task_id] += 1
        return reply(json.dumps(self._ending(task_id) if self.bulk else self._task(task_id)).encode())

    def _task(self, task_id: str) -> dict[str, object]:
        if self.looks[task_id] < LOOKS or not task_id.endswith("-done"):
            return TASK | {"id": task_id}
        link = f"{self.origin}/media/{task_id}.mp4"
        return TASK | {"id": task_id, "status": "completed", "progress": 100, "results": [link]}

    def _many(self, ids: list[str]) -> bytes:
        self.looks.update(ids)
        return reply(json.dumps({"data": [self._ending(task_id) for task_id in ids]}).encode())

    def _ending(self, task_id: str) -> dict[str, object]:
        """Where many are looked at, tasks fail in the end: nothing is to be downloaded."""
        if task_id.endswith("-done") and self._may_end(task_id):
            error = {"code": "service_error", "message": "no", "type": "task_error"}
            return TASK | {"id": task_id, "status": "failed", "progress": 0, "error": error}
        return TASK | {"id": task_id, "progress": 0 if self.hold else TASK["progress"]}

    def _may_end(self, task_id: str) -> bool:
        """Whether its turn in the minute of endings has come."""
        if not self.hold:
            return True
        turn = int(task_id.split("-")[3]) / self.hold * ENDINGS
        return self.posts >= self.hold and time.monotonic() >= self.full_at + REST + turn

    def _part(self, head: bytes) -> bytes:
        wanted = _RANGE.search(head)
        if wanted is None:
            return reply(self.clip, "video/mp4", more='ETag: "clip"\r\nAccept-Ranges: bytes\r\n')
        first, last = int(wanted[1]), min(int(wanted[2] or CLIP_SIZE), CLIP_SIZE - 1)
        more = f'ETag: "clip"\r\nContent-Range: bytes {first}-{last}/{CLIP_SIZE}\r\n'
        return reply(self.clip[first : last + 1], "video/mp4", "206 Partial Content", more)


class Server(asyncio.Protocol):
    """One connection."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer as many requests as have come whole."""
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            head = self.waiting[: end + 2]
            length = content_length(head)
            if len(self.waiting) < end + 4 + length:
                return
            body, self.waiting = self.waiting[end + 4 : end + 4 + length], self.waiting[end + 4 + length :]
            answer = self.world.answer(head, body)
            if answer is None:
                self.transport.close()
                return
            self.transport.write(answer)


def content_length(head: bytes) -> int:
    """Bytes of the body that follows a head."""
    at = head.lower().find(b"content-length:")
    return 0 if at < 0 else int(head[at + 15 : head.index(b"\r\n", at)])


async def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    parser.add_argument("--bulk", action="store_true")
    parser.add_argument("--drop", type=int, default=0)
    parser.add_argument("--hold", type=int, default=0)
    options = parser.parse_args()
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
    world = World(bulk=options.bulk, drop=options.drop, hold=options.hold)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(world), "127.0.0.1", 0, ssl=context, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    world.origin = f"{'https' if context else 'http'}://127.0.0.1:{port}"
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())

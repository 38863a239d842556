"""The media door: result links that expire, hosted files and clips, with Range, If-Range and strong tags."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

from aiohttp import web
from attrs import define, field

from omniedit.sandbox.mischief import FAULT, drop
from omniedit.sandbox.ranges import Part, not_modified, wanted_part
from omniedit.sandbox.script import Rule
from omniedit.sandbox.settings import Settings
from omniedit.sandbox.store import Edited, Store
from omniedit.sandbox.timing import SandboxTime

__all__ = ["MediaDoor"]

_PIECE = 256 * 1024
_SURPLUS = 64


@define
class MediaDoor:
    """Handlers of the media port."""

    settings: Settings
    time: SandboxTime
    store: Store
    clips: dict[str, Path] = field(factory=dict[str, Path])

    def routes(self) -> list[web.RouteDef]:
        """What this door serves, for GET and HEAD."""
        return [
            web.get("/results/{name}", self.result),
            web.get("/files/{file_id}/{name}", self.file),
            web.get("/clips/{token}/{name}", self.clip),
        ]

    def prompt_of(self, path: str) -> str | None:
        """The prompt of the task whose result a path names."""
        task = self.store.tasks.get(path.removeprefix("/results/").rpartition("-")[0])
        return task.prompt if task else None

    def host(self, path: Path) -> str:
        """Host a file of this machine; returns the path of its URL."""
        token = secrets.token_hex(8)
        self.clips[token] = path
        return f"/clips/{token}/{path.name}"

    async def result(self, request: web.Request) -> web.StreamResponse:
        """One result, while its link lives."""
        if self.settings.refuse_urllib and request.headers.get("User-Agent", "").startswith("Python-urllib"):
            return _plain(403, "Forbidden.")
        task_id, _, token = request.match_info["name"].removesuffix(".mp4").rpartition("-")
        task = self.store.tasks.get(task_id)
        if task is None or not isinstance(task.outcome, Edited):
            return _plain(404, "Not found.")
        if token != task.link_token or task.link_dies <= self.time.now():
            return _plain(self.settings.dead_link_status, "This link has expired.")
        return await send(request, task.outcome.path, "video/mp4")

    async def file(self, request: web.Request) -> web.StreamResponse:
        """One file of the files API, while it lives."""
        file = self.store.files.get(request.match_info["file_id"])
        if file is None or file.expires <= self.time.now():
            return _plain(404, "Not found.")
        return await send(request, file.path, file.mime_type)

    async def clip(self, request: web.Request) -> web.StreamResponse:
        """One clip hosted by a test."""
        path = self.clips.get(request.match_info["token"])
        return await send(request, path, "video/mp4") if path else _plain(404, "Not found.")


async def send(request: web.Request, path: Path, mime_type: str) -> web.StreamResponse:
    """Send a file or the part of it that is asked for, with the fault on order if there is one."""
    rule = request.get(FAULT)
    fault = rule.fault if rule else None
    if rule is not None and fault == "dead_link":
        return _plain(int(rule.number("status")), "This link has expired.")
    stat = _stat(path)
    if stat is None:
        return _plain(404, "Not found.")
    etag = f'"{secrets.token_hex(8) if fault == "changing_etag" else f"{stat.st_mtime_ns:x}-{stat.st_size:x}"}"'
    headers = {"ETag": etag, "Last-Modified": formatdate(stat.st_mtime, usegmt=True), "Content-Type": mime_type}
    if fault != "no_range":
        headers["Accept-Ranges"] = "bytes"
    if not_modified(request.headers, etag):
        return web.Response(status=304, headers=headers)
    part = "whole" if fault == "no_range" else wanted_part(request.headers, stat.st_size, etag, stat.st_mtime)
    if part == "unsatisfiable":
        return web.Response(status=416, headers={"Content-Range": f"bytes */{stat.st_size}", "ETag": etag})
    status = 200
    if isinstance(part, Part):
        status, headers["Content-Range"] = 206, f"bytes {part.start}-{part.end - 1}/{stat.st_size}"
    chosen = part if isinstance(part, Part) else Part(0, stat.st_size)
    return await _stream(request, path, chosen, web.StreamResponse(status=status, headers=headers), rule)


async def _stream(
    request: web.Request, path: Path, part: Part, response: web.StreamResponse, rule: Rule | None
) -> web.StreamResponse:
    fault = rule.fault if rule else None
    response.content_length = part.length + (_SURPLUS if fault == "wrong_length" else 0)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    allowed = part.length
    if rule is not None and fault == "cut_download":
        after = rule.fields["after"]
        allowed = min(part.length, part.length // 2 if after is None else int(rule.number("after")))
    try:
        for piece in _pieces(path, part.start, allowed):
            await response.write(piece)
    except ConnectionError:  # the client has left
        return response
    if fault in ("cut_download", "wrong_length"):
        drop(request.transport, reset=False)
    return response


def _pieces(path: Path, start: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while length > 0 and (piece := file.read(min(_PIECE, length))):
            length -= len(piece)
            yield piece


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text)

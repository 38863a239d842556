"""Faults on the wire: lost, late, wrong and broken answers. One middleware for both doors."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from asyncio import BaseTransport
from collections.abc import Awaitable, Callable

from aiohttp import web

from omniedit.sandbox.script import Rule

__all__ = ["Dropped", "FAULT", "drop", "with_fault"]

FAULT = web.RequestKey("fault", Rule)
"""A fault that the media handler itself carries out."""

HTML = "<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Please try again</h1></body></html>"
_LOOK = 0.05
_SURPLUS = 64
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Dropped(web.Response):
    """What a handler returns after it broke the connection; nothing of it is sent."""

    def __init__(self) -> None:
        super().__init__(status=500)


async def with_fault(rule: Rule, request: web.Request, answer: Answer) -> web.StreamResponse:
    """Answer a request as the rule says."""
    match rule.fault:
        case "reset_before":
            return drop(request.transport, reset=True)
        case "lost_reply" | "reset_after":
            await answer(request)
            return drop(request.transport, reset=rule.fault == "reset_after")
        case "hang" | "slow":
            return await _late(rule, request, answer)
        case "status" | "html":
            if rule.fields["accept"]:
                await answer(request)
            return _status(rule) if rule.fault == "status" else _html(200)
        case "cut_json":
            return _cut(await answer(request))
        case "wrong_length" if request.path.startswith(("/v1/", "/api/")):
            return await _wrong_length(request, await answer(request))
        case _:
            request[FAULT] = rule
            return await answer(request)


def drop(transport: BaseTransport | None, *, reset: bool) -> Dropped:
    """End the connection without an answer: with a reset (RST), or in good order (FIN)."""
    if isinstance(transport, asyncio.Transport):
        sock = transport.get_extra_info("socket")
        if reset and sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        (transport.abort if reset else transport.close)()
    return Dropped()


async def _late(rule: Rule, request: web.Request, answer: Answer) -> web.StreamResponse:
    early = await answer(request) if rule.fields["accept"] and rule.points != ("media",) else None
    loop = asyncio.get_running_loop()
    end = loop.time() + rule.number("seconds")
    while loop.time() < end and not _gone(request):  # noqa: ASYNC110 - nobody tells a handler that its client left
        await asyncio.sleep(min(_LOOK, end - loop.time()))
    if rule.fault == "hang" or _gone(request):
        return drop(request.transport, reset=True)
    return early or await answer(request)


def _gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _status(rule: Rule) -> web.Response:
    status, headers = int(rule.number("status")), dict[str, str]()
    if rule.fields["retry_after"] is not None:
        headers["Retry-After"] = str(math.ceil(rule.number("retry_after")))
    match rule.fields["body"]:
        case "html":
            return _html(status, headers)
        case "empty":
            return web.Response(status=status, headers=headers)
        case _:
            error = {"code": "service_error", "message": "A fault on order.", "type": "api_error"}
            return web.json_response({"error": error}, status=status, headers=headers)


def _html(status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=HTML, content_type="text/html", headers=headers)


def _body(response: web.StreamResponse) -> bytes:
    return response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""


def _cut(response: web.StreamResponse) -> web.Response:
    body = _body(response)
    return web.Response(status=response.status, body=body[: len(body) // 2], content_type="application/json")


async def _wrong_length(request: web.Request, response: web.StreamResponse) -> Dropped:
    """Announces more than it sends, then closes."""
    body = _body(response)
    head = f"HTTP/1.1 {response.status} {response.reason}\r\nContent-Type: application/json\r\n"
    if request.transport is not None:
        request.transport.write(f"{head}Content-Length: {len(body) + _SURPLUS}\r\n\r\n".encode() + body)
    return drop(request.transport, reset=False)

"""Requests that cost nothing, sent through the gate."""

from __future__ import annotations

from omniedit.api import wire
from omniedit.api.client import Door
from omniedit.api.gate import Gate, Lane, Turn
from omniedit.models import Reply

__all__ = ["ask", "report"]


async def ask(gate: Gate, door: Door, request: wire.Request) -> Reply:
    """Wait for a turn, ask, and tell the gate what came of it.

    Raises:
        TransportFailed: no answer.
    """
    with await gate.enter(Lane.POLL) as turn:
        reply = await door.ask(request)
        report(turn, reply)
    return reply


def report(turn: Turn, reply: Reply) -> None:
    """Tell the gate what a request came to."""
    if reply.status == 429 or (reply.status == 503 and "retry-after" in reply.headers):
        turn.refused(reply.headers)
    elif reply.status < 300:
        turn.accepted(reply.headers)
    else:
        turn.answered(reply.headers)

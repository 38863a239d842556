"""The gate to a service, and requests that cost nothing, sent through it."""

from __future__ import annotations

from omniedit.api import wire
from omniedit.api.client import Door
from omniedit.api.gate import Gate, Lane, Turn, shared_gate
from omniedit.clock import Clock
from omniedit.flow.settings import Limits
from omniedit.models import Reply

__all__ = ["ask", "gate_to", "report"]


def gate_to(door: Door, clock: Clock, limits: Limits) -> Gate:
    """The gate that all clients of a door's key share, which hears what this one was told of its limit."""
    name, cap = (door.base_url, door.key_fingerprint), door.longest_pause
    gate = shared_gate(*name, retry_after_cap=cap, clock=clock)
    gate.restrict(max_rate=limits.max_rate, max_in_flight=limits.max_in_flight)
    if limits.shared_key:
        gate.share()
    return gate


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

"""Reading callbacks: a hint that a task has ended, never a proof of anything.

The service signs nothing and repeats calls that are not answered with 2xx within 10 s up to three times. So the body
is not believed: what a call may bring about is one look at the task that its secret path belongs to.
"""

from __future__ import annotations

import re

import attrs

from omniedit.codecs import decode_task_id

__all__ = ["LARGEST_NOTICE", "Notice", "read_notice"]

LARGEST_NOTICE = 64 << 10
"""Bytes of a callback's body; a task's own body has about 2,000."""
_NONCE = re.compile(r"[A-Za-z0-9._-]{16,96}")


@attrs.frozen
class Notice:
    """A call that is well formed: it may still be forged, late or repeated."""

    nonce: str = attrs.field(repr=False)
    task_id: str | None
    """What the body says; not to be believed."""


def read_notice(nonce: str, body: bytes) -> Notice | None:
    """A call as a value; None when its path or its body cannot come from the service."""
    if len(body) > LARGEST_NOTICE or _NONCE.fullmatch(nonce) is None:
        return None
    task_id = decode_task_id(body)
    return None if task_id is None else Notice(nonce, task_id)

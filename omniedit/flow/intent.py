"""What makes up a paid request before it leaves: the key under which it can be recognised, the intent."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Never, cast

from omniedit.core.preflight import is_url
from omniedit.errors import InvalidEdit
from omniedit.models import DEFAULT_MODEL, Edit, Intent, Task

if TYPE_CHECKING:
    from omniedit.models import Entry

__all__ = ["OnUncertain", "clip_of", "intent_of", "new_nonce", "shown", "unknown_edit", "wish_of"]


# What a call says of an edit beside its source and prompt when it says nothing.
_PLAIN: Mapping[str, object] = {"callback_url": None, "model": DEFAULT_MODEL, "variant": 0}


class OnUncertain(StrEnum):
    """What to do when nobody knows whether a paid request was accepted."""

    hold = "hold"
    """Leave it to the user."""
    replay = "replay"
    """Repeat it with the same key and body."""


def wish_of(source: str | os.PathLike[str] | Edit, prompt: str | None, fields: Mapping[str, object]) -> Edit:
    """The edit that a call of `Client.edit` names; a whole `Edit` stands for itself.

    Raises:
        InvalidEdit: a whole edit and a part of one; nobody knows which of the two is to be paid for.
    """
    if not isinstance(source, Edit):
        return Edit(source, prompt or "", **cast("dict[str, Never]", fields))
    if prompt is not None or fields != _PLAIN:
        raise InvalidEdit(
            "an Edit says all by itself, and the call says more",
            mend="write it into the Edit (attrs.evolve(edit, variant=1)), or give source and prompt",
        )
    return source


def clip_of(source: str | os.PathLike[str]) -> str:
    """The URL or the path of one clip, as text.

    Raises:
        InvalidEdit: it is neither.
    """
    text = os.fspath(source) if hasattr(source, "__fspath__") else source
    if not isinstance(text, str):
        raise InvalidEdit(
            f"source must be one clip, not a {type(source).__name__}", field="source", mend="give one URL or path"
        )
    return text


def new_nonce() -> str:
    """An `Idempotency-Key`: 32 unguessable characters of `[A-Za-z0-9_-]`, so that it can stand in a callback's path."""
    return secrets.token_urlsafe(24)


def intent_of(entry: Entry) -> Intent:
    """The paid request that an entry stands for; the same entry makes the same bytes."""
    return Intent(entry.edit, entry.video_url or entry.edit.source, entry.nonce or "", entry.callback_url)


def unknown_edit(task: Task) -> Edit:
    """The edit of a task whose source and prompt nobody here knows."""
    return Edit("", "", model=task.model or DEFAULT_MODEL)


def shown(source: str) -> str:
    """The source of an edit for an error: the query of a URL may be a signature, which no error carries."""
    return source.partition("?")[0] if is_url(source) else source

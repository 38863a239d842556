"""The files behind an edit, as far as they lie on this machine."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import OrderedDict
from pathlib import Path
from urllib.parse import quote

import attrs

__all__ = ["Clip", "Recent", "find_clip", "relative_url"]


@attrs.frozen
class Clip:
    """A video file that was there when the sheet was begun."""

    path: str
    """Absolute."""
    size: int
    """Bytes."""

    @property
    def id(self) -> str:
        """A short stable name, the same for the same path."""
        return hashlib.blake2b(os.fsencode(self.path), digest_size=9).hexdigest()


def find_clip(path: str | None) -> Clip | None:
    """The regular file at a path, with something in it; None for anything else."""
    if not path:
        return None
    try:
        found = Path(path).absolute()
        facts = found.stat()
    except (OSError, ValueError):  # no such file, or no path at all: a zero byte, a name too long
        return None
    return Clip(str(found), facts.st_size) if stat.S_ISREG(facts.st_mode) and facts.st_size else None


def relative_url(clip: Clip, folder: Path) -> str:
    """How a page in a folder refers to a clip: a relative URL, which stays right when both are moved together."""
    try:
        way = os.path.relpath(clip.path, folder)
    except ValueError:  # another drive
        return Path(clip.path).as_uri()
    return quote(os.fsencode(way.replace(os.sep, "/")))


class Recent:
    """Remembers the last ids seen, so that a source shared by many edits goes into the sheet once."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, name: str) -> bool:
        """Whether this id is new, or was forgotten since."""
        fresh = name not in self._ids
        self._ids[name] = None
        self._ids.move_to_end(name)
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)
        return fresh

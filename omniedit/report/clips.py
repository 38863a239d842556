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
    """The mp4 at a path; None for anything else: a sheet is sent around, and a manifest may name any file."""
    if not path:
        return None
    try:
        found = Path(path).absolute()
        facts = found.stat()
        is_clip = stat.S_ISREG(facts.st_mode) and _begins_as_mp4(found)
    except (OSError, ValueError):  # no such file, or no path at all: a zero byte, a name too long
        return None
    return Clip(str(found), facts.st_size) if is_clip else None


def _begins_as_mp4(path: Path) -> bool:
    """Whether the first box is `ftyp` (ISO/IEC 14496-12, section 4.3)."""
    with path.open("rb") as file:
        return file.read(8)[4:] == b"ftyp"


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

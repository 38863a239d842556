"""Inputs and results on disk, bounded: the least recently used file goes first. Gone with the server."""

from __future__ import annotations

import shutil
import tempfile
from collections import OrderedDict
from pathlib import Path

__all__ = ["DiskCache"]


class DiskCache:
    """A temporary folder with at most ``max_bytes`` of named files, but always the newest one."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._seconds: dict[str, float] = {}
        self._total = 0
        self._number = 0
        self.folder = Path(tempfile.mkdtemp(prefix="omniedit-sandbox-"))

    def draft(self) -> Path:
        """A path nobody else uses, for a file in the making; ``keep`` or unlink it."""
        self._number += 1
        return self.folder / f"{self._number}.part"

    def get(self, name: str) -> Path | None:
        """The file of this name, which counts as used now."""
        if name not in self._sizes:
            return None
        self._sizes.move_to_end(name)
        return self.folder / name

    def seconds(self, name: str) -> float:
        """Length of the video as told to ``keep``."""
        return self._seconds[name]

    def keep(self, draft: Path, name: str, seconds: float = 0.0) -> Path:
        """Move a finished file in under its name, and older ones out."""
        path = draft.replace(self.folder / name)
        self._total += path.stat().st_size - self._sizes.pop(name, 0)
        self._sizes[name], self._seconds[name] = path.stat().st_size, seconds
        while self._total > self._max_bytes and len(self._sizes) > 1:
            self._remove(next(iter(self._sizes)))
        return path

    def _remove(self, name: str) -> None:
        self._total -= self._sizes.pop(name)
        del self._seconds[name]
        (self.folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

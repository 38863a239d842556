"""Edits set down on disk while they are read, sorted into the sections of the sheet: memory does not grow with them.

Everything here blocks a little, so it is called in a thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

import attrs

from omniedit.models import Entry
from omniedit.report.clips import Clip, Recent, find_clip
from omniedit.report.rows import Group, Sums, group_of, row_of
from omniedit.report.text import json_text

__all__ = ["Spool"]

ROWS = 200
"""Rows in one script block."""


@attrs.define
class Spool:
    """What was read so far.

    Args:
        scratch: an empty folder of its own.
        folder: where the sheet will lie; clips are referred to from there.
    """

    scratch: Path
    folder: Path
    sums: Sums = attrs.field(factory=Sums)
    clip_bytes: int = 0
    """Bytes of all clips that are on this machine, sources and results, each counted once."""
    _recent: Recent = attrs.field(factory=Recent)

    def add(self, entries: Iterable[Entry]) -> None:
        """Set down a page of edits."""
        texts: dict[Path, list[str]] = {}
        for entry in entries:
            group = group_of(entry.status)
            before, after = find_clip(entry.edit.source), find_clip(entry.path)
            self.sums.add(entry)
            texts.setdefault(self._rows(group), []).append(json_text(row_of(entry, before, after, self.folder)))
            for clip in (before, after):
                if clip and self._recent.add(clip.id):
                    self.clip_bytes += clip.size
                    texts.setdefault(self._clips(group), []).append(json.dumps([clip.path, clip.size]))
        for path, lines in texts.items():
            with path.open("a", encoding="ascii") as file:
                file.writelines(f"{line}\n" for line in lines)

    def copy_rows(self, out: TextIO) -> None:
        """Write the rows into the page, failures first, in blocks that no browser runs."""
        for group in Group:
            blocks = (",".join(page) for page in _pages(self._rows(group), ROWS))
            out.writelines(f'<script type="application/json" class="rows">[{block}]</script>\n' for block in blocks)

    def clips(self, count: int) -> Iterator[list[Clip]]:
        """The clips in the order of the sheet, so many at a time, each once."""
        for group in Group:
            for page in _pages(self._clips(group), count):
                yield [Clip(*json.loads(line)) for line in page]

    def _rows(self, group: Group) -> Path:
        return self.scratch / f"{group}.rows"

    def _clips(self, group: Group) -> Path:
        return self.scratch / f"{group}.clips"


def _pages(path: Path, count: int) -> Iterator[list[str]]:
    if not path.exists():
        return
    with path.open(encoding="ascii") as file:
        lines = (line.rstrip("\n") for line in file)
        while page := list(islice(lines, count)):
            yield page

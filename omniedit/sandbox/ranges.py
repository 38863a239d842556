"""Byte ranges and entity tags (RFC 9110, sections 13 and 14), without any I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Literal

from attrs import frozen

__all__ = ["Part", "not_modified", "wanted_part"]

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*")


@frozen
class Part:
    """Bytes ``start`` up to but not including ``end``."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.start


def wanted_part(
    headers: Mapping[str, str], size: int, etag: str, modified: float
) -> Part | Literal["whole", "unsatisfiable"]:
    """What to send. A range that is malformed, multiple, or of another version means the whole file."""
    match = _RANGE.fullmatch(headers.get("Range", ""))
    if match is None or not _if_range_holds(headers.get("If-Range"), etag, modified):
        return "whole"
    first, last = match.groups()
    if not first and not last:
        return "whole"
    if not first:
        return Part(max(0, size - int(last)), size) if int(last) and size else "unsatisfiable"
    if last and int(last) < int(first):
        return "whole"
    end = min(size, int(last) + 1) if last else size
    return Part(int(first), end) if int(first) < size else "unsatisfiable"


def not_modified(headers: Mapping[str, str], etag: str) -> bool:
    """Whether ``If-None-Match`` names this version."""
    tags = [tag.strip().removeprefix("W/") for tag in headers.get("If-None-Match", "").split(",")]
    return etag in tags or tags == ["*"]


def _if_range_holds(value: str | None, etag: str, modified: float) -> bool:
    """Only a strong tag or the exact date counts."""
    if value is None:
        return True
    if value.startswith('"'):
        return value == etag
    try:
        return parsedate_to_datetime(value).timestamp() == int(modified)
    except ValueError:
        return False

"""Which display fits."""

from __future__ import annotations

import sys

from omniedit.cli.display import Display, JsonDisplay, PlainDisplay
from omniedit.cli.session import Stop

__all__ = ["open_display", "open_lines"]


def open_display(stop: Stop, *, as_json: bool, expected: int | None = None, every_status: bool = False) -> Display:
    """The display that fits: JSON when asked for, bars on a terminal that can draw them, plain lines elsewhere."""
    if as_json:
        return JsonDisplay(stop)
    if sys.stderr.isatty():
        from omniedit.cli.terminal import BarsDisplay, can_draw

        if can_draw():
            return BarsDisplay(stop, expected)
    return PlainDisplay(stop, expected, every_status=every_status)


def open_lines(stop: Stop, *, as_json: bool) -> Display:
    """The display of a process that runs for days: lines, on a terminal too."""
    return JsonDisplay(stop) if as_json else PlainDisplay(stop)

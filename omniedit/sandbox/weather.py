"""Snow and rain: two sheets of flakes or drops, drawn once and scrolled over the frames at two speeds."""

from __future__ import annotations

import random
from typing import Literal

from attrs import frozen

from omniedit.sandbox.lettering import Canvas

__all__ = ["Sheet", "sheets"]


@frozen
class Sheet:
    """A picture twice as high as the frame, whose halves are alike, and its speed in frame heights a second."""

    canvas: Canvas
    speed: float

    @property
    def overlay(self) -> str:
        """Arguments for the overlay filter that let the sheet fall for ever."""
        return f"x=0:y='-main_h+mod(t*{self.speed}*main_h,main_h)':eof_action=repeat"


def sheets(kind: Literal["snow", "rain"], width: int, height: int) -> tuple[Sheet, Sheet]:
    """A far sheet and a near one, the same for every clip of this size."""
    unit = max(1, height // 120)
    if kind == "snow":
        return (
            Sheet(_sheet(width, height, 160, (unit, unit), b"\xff\xff\xff\xb4"), 0.25),
            Sheet(_sheet(width, height, 90, (2 * unit, 2 * unit), b"\xff\xff\xff\xf0"), 0.5),
        )
    return (
        Sheet(_sheet(width, height, 140, (unit, 8 * unit), b"\xc8\xd8\xf0\x6e"), 1.7),
        Sheet(_sheet(width, height, 90, (unit, 14 * unit), b"\xd8\xe4\xff\xa0"), 2.6),
    )


def _sheet(width: int, height: int, count: int, size: tuple[int, int], colour: bytes) -> Canvas:
    canvas, chance = Canvas(width, 2 * height), random.Random(count)  # noqa: S311 - scenery
    for _ in range(count):
        x, y = chance.randrange(width), chance.randrange(height)
        # Three copies a height apart: the sheet repeats without a seam, also across its edges.
        for top in (y - height, y, y + height):
            canvas.box(x, top, *size, colour)
    return canvas

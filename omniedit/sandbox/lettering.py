"""Captions without a font library: a 5x7 bitmap face of our own for ASCII, hollow boxes for everything else."""

from __future__ import annotations

import textwrap

__all__ = ["Canvas", "HEIGHT", "WIDTH", "caption_strip", "glyph"]

WIDTH, HEIGHT = 5, 7
ADVANCE = WIDTH + 1
MAX_CHARACTERS = 200
MAX_LINES = 3

# One string per character: seven rows of five dots, top to bottom, as hexadecimal numbers of two digits.
_FACE = {
    "A": "0e11111f111111", "B": "1e11111e11111e", "C": "0e11101010110e", "D": "1e11111111111e",
    "E": "1f10101e10101f", "F": "1f10101e101010", "G": "0e11101711110f", "H": "1111111f111111",
    "I": "0e04040404040e", "J": "0702020202120c", "K": "11121418141211", "L": "1010101010101f",
    "M": "111b1515111111", "N": "11111915131111", "O": "0e11111111110e", "P": "1e11111e101010",
    "Q": "0e11111115120d", "R": "1e11111e141211", "S": "0f10100e01011e", "T": "1f040404040404",
    "U": "1111111111110e", "V": "11111111110a04", "W": "11111115151b11", "X": "11110a040a1111",
    "Y": "1111110a040404", "Z": "1f01020408101f",
    "0": "0e11131519110e", "1": "040c040404040e", "2": "0e11010204081f", "3": "1f02040201110e",
    "4": "02060a121f0202", "5": "1f101e0101110e", "6": "0608101e11110e", "7": "1f010204080808",
    "8": "0e11110e11110e", "9": "0e11110f01020c",
    ".": "00000000000c0c", ",": "000000000c0408", "!": "04040404040004", "?": "0e110102040004",
    ":": "000c0c000c0c00", ";": "000c0c000c0408", "'": "0c040800000000", '"': "0a0a0a00000000",
    "-": "0000001f000000", "_": "0000000000001f", "+": "0004041f040400", "=": "00001f001f0000",
    "/": "00010204081000", "\\": "00100804020100", "(": "02040808080402", ")": "08040202020408",
    "[": "0e08080808080e", "]": "0e02020202020e", "&": "0c12140815120d", "%": "18190204081303",
    "#": "0a0a1f0a1f0a0a", "*": "0004150e150400", "@": "0e11010d15150e", "$": "040f140e051e04",
    "<": "02040810080402", ">": "08040201020408", " ": "00000000000000",
}  # fmt: skip
_UNKNOWN = "1f11111111111f"


def glyph(character: str) -> tuple[str, ...]:
    """Seven rows of five characters, ``#`` for ink."""
    code = _FACE.get(character.upper(), _UNKNOWN)
    rows = bytes.fromhex(code)
    return tuple("".join("#" if row >> (WIDTH - 1 - x) & 1 else "." for x in range(WIDTH)) for row in rows)


class Canvas:
    """An RGBA picture in a bytearray, transparent at first."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.data = bytearray(width * height * 4)

    def box(self, x: int, y: int, width: int, height: int, colour: bytes) -> None:
        """Fill a box with one RGBA colour; what lies outside is cut off."""
        left, right = max(0, x), min(self.width, x + width)
        if right <= left:
            return
        for row in range(max(0, y), min(self.height, y + height)):
            start = (row * self.width + left) * 4
            self.data[start : start + (right - left) * 4] = colour * (right - left)


def caption_strip(text: str, width: int, height: int) -> Canvas:
    """White letters on a dark band as wide as the frame, to lie at the foot of a frame of this size."""
    dot = max(1, height // 90)
    columns = max(4, (width - 4 * dot) // (ADVANCE * dot))
    lines = textwrap.wrap(text[:MAX_CHARACTERS], columns)[:MAX_LINES] or [" "]
    line_height = (HEIGHT + 3) * dot
    canvas = Canvas(width, min(height, len(lines) * line_height + 2 * dot))
    canvas.box(0, 0, width, canvas.height, b"\x00\x00\x00\xb0")
    for number, line in enumerate(lines):
        _write(canvas, line, (width - len(line) * ADVANCE * dot) // 2, (2 + number * (HEIGHT + 3)) * dot, dot)
    return canvas


def _write(canvas: Canvas, line: str, left: int, top: int, dot: int) -> None:
    for position, character in enumerate(line):
        for y, row in enumerate(glyph(character)):
            for x, ink in enumerate(row):
                if ink == "#":
                    canvas.box(left + (position * ADVANCE + x) * dot, top + y * dot, dot, dot, b"\xff\xff\xff\xff")

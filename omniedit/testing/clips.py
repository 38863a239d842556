"""Small mp4s made in code. Needs the extra ``sandbox``."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Literal

from omniedit.sandbox.scenes import SceneName, make_clip
from omniedit.testing.extra import check_editing

__all__ = ["is_whole", "sample_clip"]

_BOX = struct.Struct(">I4s")


def sample_clip(
    path: str | Path,
    seconds: float = 2.0,
    *,
    size: tuple[int, int] = (160, 90),
    fps: int = 24,
    audio: bool = True,
    scene: SceneName = "harbour",
    layout: Literal["faststart", "moov_at_end", "fragmented", "mdat64"] = "faststart",
) -> Path:
    """Write a moving scene with sound as an mp4 of ``seconds`` seconds; returns its path.

    ``layout``: where the moov box is, or ``mdat64`` for a moov at the end behind an mdat box with a 64-bit size.

    Raises:
        ConfigurationError: PyAV is not installed.
    """
    check_editing()
    target = Path(path)
    if layout != "mdat64":
        return make_clip(target, seconds, size=size, fps=fps, audio=audio, scene=scene, layout=layout)
    make_clip(target, seconds, size=size, fps=fps, audio=audio, scene=scene, layout="moov_at_end")
    target.write_bytes(_with_wide_mdat(target.read_bytes()))
    return target


def is_whole(path: str | Path) -> bool:
    """Whether a file is an mp4 that is complete to the end of its last box."""
    data, at = Path(path).read_bytes(), 0
    while at + _BOX.size <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:  # the length follows in 64 bits (ISO/IEC 14496-12, section 4.2)
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < _BOX.size:
            return False
        at += size
    return at == len(data) and data[4:8] == b"ftyp"


def _with_wide_mdat(data: bytes) -> bytes:
    """Widen the mdat header over the empty ``free`` box that muxers leave in front of it for this purpose."""
    start = data.index(_BOX.pack(8, b"free"))
    length, kind = _BOX.unpack_from(data, start + 8)
    if kind != b"mdat":
        raise ValueError("there is no room in front of the mdat box")
    header = _BOX.pack(1, b"mdat") + struct.pack(">Q", length + 8)
    return data[:start] + header + data[start + 16 :]

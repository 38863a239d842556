"""Small mp4s made in code. Needs the extra ``sandbox``."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Literal

from omniedit.sandbox.scenes import SceneName, make_clip

__all__ = ["sample_clip"]

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
    """
    target = Path(path)
    if layout != "mdat64":
        return make_clip(target, seconds, size=size, fps=fps, audio=audio, scene=scene, layout=layout)
    make_clip(target, seconds, size=size, fps=fps, audio=audio, scene=scene, layout="moov_at_end")
    target.write_bytes(_with_wide_mdat(target.read_bytes()))
    return target


def _with_wide_mdat(data: bytes) -> bytes:
    """Widen the mdat header over the empty ``free`` box that muxers leave in front of it for this purpose."""
    start = data.index(_BOX.pack(8, b"free"))
    length, kind = _BOX.unpack_from(data, start + 8)
    if kind != b"mdat":
        raise ValueError("there is no room in front of the mdat box")
    header = _BOX.pack(1, b"mdat") + struct.pack(">Q", length + 8)
    return data[:start] + header + data[start + 16 :]

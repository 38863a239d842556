"""Looks at paths that raise nothing: what cannot be looked at (no right to, a name too long) is taken as not there.

Whoever opens it next says why it cannot be used. `Path.exists` and `Path.is_dir` raise for some reasons, and for other
ones in other versions of Python.
"""

from __future__ import annotations

import os

__all__ = ["is_folder", "is_there"]


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a folder can be seen there."""
    return os.path.isdir(path)  # noqa: PTH112 - see above


def is_there(path: str | os.PathLike[str]) -> bool:
    """Whether anything can be seen there."""
    return os.path.exists(path)  # noqa: PTH110 - see above

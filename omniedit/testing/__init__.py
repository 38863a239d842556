"""Test your own pipeline: the sandbox, as a context manager and as a fixture; a clock that tests move; sample clips.

Importing this costs next to nothing: every name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omniedit.journal.contract import journal_contract
    from omniedit.sandbox.script import Faults, FaultScriptError
    from omniedit.sandbox.settings import Limit, Settings
    from omniedit.testing.clips import is_whole, sample_clip
    from omniedit.testing.fakeclock import FakeClock
    from omniedit.testing.sandbox import BackgroundSandbox, Sandbox

__all__ = [
    "BackgroundSandbox",
    "FakeClock",
    "FaultScriptError",
    "Faults",
    "Limit",
    "Sandbox",
    "Settings",
    "is_whole",
    "journal_contract",
    "sample_clip",
]

_HOMES = {
    "BackgroundSandbox": "omniedit.testing.sandbox",
    "FakeClock": "omniedit.testing.fakeclock",
    "FaultScriptError": "omniedit.sandbox.script",
    "Faults": "omniedit.sandbox.script",
    "Limit": "omniedit.sandbox.settings",
    "Sandbox": "omniedit.testing.sandbox",
    "Settings": "omniedit.sandbox.settings",
    "is_whole": "omniedit.testing.clips",
    "journal_contract": "omniedit.journal.contract",
    "sample_clip": "omniedit.testing.clips",
}


def __getattr__(name: str) -> object:
    """Load a name from its home on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value

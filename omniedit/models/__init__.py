"""The vocabulary of the library: frozen values that know nothing of wires, files or clocks.

Rules of this room:
- nothing here does I/O, reads a clock or raises on bad user input (judgement lives in `core.preflight`);
- every value is frozen; a new state is a new value;
- times are aware UTC datetimes, durations are seconds, sizes are bytes, money is credits.

What a bare submission does not need is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from omniedit.models.edits import DEFAULT_MODEL, DEFAULT_TEMPLATE, Edit, Intent, Reply, Status, Task

if TYPE_CHECKING:
    from omniedit.models.clips import Hosted, MediaFacts
    from omniedit.models.entries import Answer, Attempt, Entry, Outcome

__all__ = [
    "Answer",
    "Attempt",
    "DEFAULT_MODEL",
    "DEFAULT_TEMPLATE",
    "Edit",
    "Entry",
    "Hosted",
    "Intent",
    "MediaFacts",
    "Outcome",
    "Reply",
    "Status",
    "Task",
]

_HOMES = {
    **dict.fromkeys(["Hosted", "MediaFacts"], "omniedit.models.clips"),
    **dict.fromkeys(["Answer", "Attempt", "Entry", "Outcome"], "omniedit.models.entries"),
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(home), name)
    globals()[name] = found
    return found

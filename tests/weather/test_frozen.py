"""A process that stands still for longer than each of its timeouts (SIGSTOP), and then goes on (SIGCONT)."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

TIMEOUT = 0.4  # seconds of every wait for an answer
FROZEN = 1.5  # seconds; 30 of the world, and its tasks may take 20

MOMENTS: dict[str, tuple[dict[str, Any] | None, Callable[[Any], bool]]] = {
    "while a paid request waits": (
        {"fault": "slow", "seconds": 0.2, "nth": [3]},
        lambda w: len(w.sandbox.accepted) >= 3,
    ),
    "while tasks are looked at": (None, lambda w: len(w.sandbox.accepted) >= 4),
    "while results come": (
        {"fault": "slow", "on": "media", "seconds": 0.2},
        lambda w: any(request.path.startswith("/results/") for request in w.sandbox.requests),
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_process_that_was_frozen_pays_nothing_twice(weather: Any, until: Any, moment: str) -> None:
    """Every deadline has passed when it wakes: what was accepted is followed, what is unknown is held."""
    fault, reached = MOMENTS[moment]
    w = weather([fault] if fault else [], timeout=TIMEOUT, task_timeout=20.0)
    process = w.start()
    until(lambda: reached(w))
    process.send_signal(signal.SIGSTOP)
    time.sleep(FROZEN)
    process.send_signal(signal.SIGCONT)
    said = w.end(process)
    w.check()
    assert sum(said["counts"].values()) == 6, said
    assert not {"failed", "rejected", "expired"} & set(said["counts"]), said
    w.options |= {"timeout": 30.0, "task_timeout": 3600.0}
    w.settle()

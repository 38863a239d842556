"""The wall clock jumps by an hour while a batch runs, and is right again, or not, in the next process."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_wall_clock_that_jumps_loses_no_task(weather: Any, jump: int) -> None:
    """The process dies after the jump; the next one lives an hour away from what was written."""
    w = weather()
    w.die(jump=jump, after=2, die_at="write saved", nth=4)
    assert w.settle() <= 6

"""kill -9 at random moments over one batch, in bad weather; `python -m benchmarks.weather` does it 200 times."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILLS = 8


@pytest.fixture(autouse=True)
def _benchmarks_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmarks are scripts beside the package, not part of it."""
    monkeypatch.syspath_prepend(str(ROOT))
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        monkeypatch.delitem(sys.modules, name)


def test_kills_at_random_moments_cost_nothing_and_lose_nothing(tmp_path: Path) -> None:
    """Every edit accepted once and saved whole, however often its process was killed."""
    toll = runpy.run_module("benchmarks.weather")["storm"](tmp_path, KILLS, seed=5)
    assert (toll.kills, toll.accepted_twice, toll.half_files) == (KILLS, 0, 0)
    assert toll.accepted == toll.saved == toll.edits > KILLS
    assert toll.struck, "no process was killed while an edit was under way"

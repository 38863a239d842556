"""The page on the governor says what the simulation has found."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_page_is_what_the_stored_runs_make() -> None:
    """Run `python docs/governor_page.py` after new runs."""
    made = runpy.run_path(os.fspath(ROOT / "docs" / "governor_page.py"))
    assert (ROOT / "docs" / "governor.md").read_text(encoding="utf-8") == made["page"]()


def test_a_page_without_runs_still_says_how_it_works(tmp_path: Path) -> None:
    """The tables are left out."""
    made = runpy.run_path(os.fspath(ROOT / "docs" / "governor_page.py"))
    text = made["page"](tmp_path)
    assert "max_in_flight" in text
    assert "Jain" not in text

"""The performance page says what was measured, and the harness judges as it should."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _benchmarks_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmarks are scripts beside the package, not part of it."""
    monkeypatch.syspath_prepend(str(ROOT))
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        monkeypatch.delitem(sys.modules, name)


def test_the_performance_page_is_what_the_stored_figures_make() -> None:
    """Whoever stores figures makes the page anew: `python -m benchmarks.tables`."""
    page = runpy.run_module("benchmarks.tables")["page"]
    assert (ROOT / "docs" / "performance.md").read_text(encoding="utf-8") == page(ROOT / "benchmarks" / "results")


@pytest.mark.parametrize("name", ["comparison", "sizing"])
def test_what_is_computed_from_figures_is_computed_from_the_stored_ones(name: str) -> None:
    """Whoever stores figures makes these pages anew: `python -m benchmarks.comparison`, and the same of `sizing`."""
    page = runpy.run_module(f"benchmarks.{name}")["page"]
    assert (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") == page(ROOT / "benchmarks" / "results")


def test_the_sources_that_were_read_are_of_the_versions_that_were_measured() -> None:
    """What the comparison says of other clients' habits is read again when they are measured in a newer version."""
    stored = json.loads((ROOT / "benchmarks" / "results" / "clients.json").read_text(encoding="utf-8"))
    measured = {figure["name"].split()[1].rstrip(":"): figure["note"] for figure in stored["figures"]}
    read_in = runpy.run_module("benchmarks.comparison")["READ_IN"]
    assert {name: measured[name] for name in read_in} == read_in


def test_every_benchmark_of_the_folder_can_be_named() -> None:
    """`python -m benchmarks NAME` reaches the speed suites and every program beside them."""
    main = runpy.run_module("benchmarks.__main__", run_name="benchmarks_main")
    named = {*main["SUITES"], *main["others"]()}
    assert {"polls", "journal", "download", "preflight", "scale", "live", "simulate"} <= named
    assert not named & {"harness", "tables", "forms", "hosts"}


def test_a_figure_that_misses_its_bar_is_shown_as_missed(tmp_path: Path) -> None:
    """Nothing is left out of the page because it is bad."""
    figure = {"name": "slow", "value": 2.5, "unit": "times", "low": 2.0, "high": 3.0, "bar": 1.4}
    figure |= {"at_least": False, "met": False, "note": ""}
    stored = {"machine": {"cores": 2}, "figures": [figure], "previous": {"slow": 2.25}}
    (tmp_path / "polls.json").write_text(json.dumps(stored), encoding="utf-8")
    (tmp_path / "other.json").write_text('{"one": {"two_three": [1, 2.5]}}', encoding="utf-8")
    page = runpy.run_module("benchmarks.tables")["page"](tmp_path)
    assert "| slow | 2.5 times (2 to 3) | at most 1.4 | **no** | 2.25 |" in page
    assert "| one / two three / 2 | 2.5 |" in page


@pytest.mark.parametrize(
    ("value", "bar", "at_least", "met"),
    [(1.3, 1.4, False, True), (1.5, 1.4, False, False), (12.0, 10.0, True, True), (9.0, 10.0, True, False)],
)
def test_a_bar_is_a_ceiling_or_a_floor(value: float, bar: float, at_least: bool, met: bool) -> None:  # noqa: FBT001
    """Costs stay below theirs, savings reach theirs."""
    figure = runpy.run_module("benchmarks.harness")["Figure"]
    assert figure("x", value, bar=bar, at_least=at_least).met is met
    assert figure("x", value).met is None

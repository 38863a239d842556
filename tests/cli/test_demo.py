"""The demo, as a newcomer runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omniedit.media.probe import probe_path


def test_the_demo_runs_twice_and_tells_where_everything_is(omniedit: Any, tmp_path: Path) -> None:
    """No key, no service: clips, results of their length and size, a sheet; again, without a complaint."""
    nothing = {"EVOLINK_API_KEY": "", "EVOLINK_BASE_URL": "https://example.invalid"}
    done = omniedit("demo", "here", **nothing)
    assert done.code == 0, done.err
    sources = sorted((tmp_path / "here/clips").glob("*.mp4"))
    results = sorted((tmp_path / "here/edited").glob("*.mp4"))
    assert (len(sources), len(results)) == (3, 6)
    before, after = (probe_path(files[0]) for files in (sources, results))
    assert (after.width, after.height) == (before.width, before.height)
    assert after.duration == before.duration
    assert str(tmp_path / "here/sheet.html") in done.err
    assert done.out.splitlines()[-1] == (tmp_path / "here/sheet.html").as_uri()
    assert "harbour-snow.mp4" in (tmp_path / "here/sheet.html").read_text(encoding="utf-8")
    again = omniedit("demo", "here", "--json", **nothing)
    assert again.code == 0, again.err
    assert again.summary["counts"] == {"saved": 6}

"""The documentation's promises to its readers: every Python block runs, and what is made from code is current."""

from __future__ import annotations

import os
import re
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from omniedit.testing import BackgroundSandbox, Settings, sample_clip

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for page in (ROOT / "README.md", ROOT / "README.ja.md", *(ROOT / "docs").glob("*.md"))
    if "```python" in page.read_text(encoding="utf-8")
)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BackgroundSandbox]:
    """A reader who sits in a folder with three clips and has the sandbox running."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        sample_clip(tmp_path / name, seconds=1.0, size=(160, 90))
    with BackgroundSandbox(Settings(task_seconds=0.3, pending_seconds=0.1)) as sandbox:
        monkeypatch.setenv("EVOLINK_API_KEY", sandbox.api_key)
        monkeypatch.setenv("EVOLINK_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("EVOLINK_FILES_BASE_URL", sandbox.files_url)  # blocks may set it for themselves
        yield sandbox


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_a_page_runs_in_order(page: Path, reader: BackgroundSandbox) -> None:
    """As a reader would paste them, one after the other; an address of example.com stands for a hosted clip."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    hosted = reader.host_clip(Path("a.mp4"))
    namespace: dict[str, object] = {"__name__": "__main__"}
    for number, block in enumerate(blocks, 1):
        code = compile(block.replace("https://example.com/a.mp4", hosted), f"{page.name}, block {number}", "exec")
        exec(code, namespace)  # noqa: S102 - that is what the test is for
    assert blocks


def test_the_page_of_the_lifecycle_is_made_from_the_table() -> None:
    """Run `python docs/lifecycle_page.py` after a change to the table."""
    made = runpy.run_path(os.fspath(ROOT / "docs" / "lifecycle_page.py"))
    assert (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8") == made["page"]()


def test_the_pages_of_the_root_are_shipped_with_the_source() -> None:
    """The tests above read them, so who unpacks the source distribution needs them; the readme goes by itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shipped = project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert {f"/{page.name}" for page in ROOT.glob("*.md")} - {"/README.md"} <= set(shipped)

"""The bare calls."""

from __future__ import annotations

from typing import Any

import pytest

from omniedit import Status
from omniedit.errors import DownloadFailed
from omniedit.models import Task

DONE = Task("task-1", Status.completed, results=("https://media.example.com/a.mp4",))


@pytest.mark.parametrize("place", ["file/a.mp4", "file/below/a.mp4", "a\0.mp4"])
async def test_download_to_where_nothing_can_be_is_a_typed_failure(world: Any, place: str) -> None:
    """Below a file, or under a name that no file has."""
    async with world() as w, w.client() as client:
        (w.folder / "file").write_text("x")
        with pytest.raises(DownloadFailed, match="nothing can be saved") as caught:
            await client.download(DONE, f"{w.folder}/{place}")
        assert caught.value.mend

"""What is said of an edit in an error."""

from __future__ import annotations

from typing import Any

import pytest

from omniedit import Edit, Status, SubmissionUncertain
from omniedit.flow.intent import shown

SIGNED = "https://clips.example.com/a.mp4?X-Amz-Signature=5ecre7"


def test_a_source_is_shown_without_what_may_be_a_signature() -> None:
    """A path is shown whole."""
    sources = {SIGNED: "https://clips.example.com/a.mp4", "HTTP://x/a?b": "HTTP://x/a", "what?.mp4": "what?.mp4"}
    assert {source: shown(source) for source in sources} == sources


async def test_lost_request_is_reported_without_the_signature_of_its_source(world: Any) -> None:
    """By a batch with a journal, and by the bare call."""
    async with world([{"fault": "lost_reply"}]) as w, w.client() as client:
        (failure,) = (await client.batch([Edit(SIGNED, "snow")], save_to=w.out)).failures
        assert failure.status == Status.uncertain
        with pytest.raises(SubmissionUncertain) as caught:
            await client.submit(Edit(SIGNED, "snow"))
        for error in (failure.error, caught.value):
            assert "https://clips.example.com/a.mp4 was accepted" in str(error)
            assert "5ecre7" not in str(error)

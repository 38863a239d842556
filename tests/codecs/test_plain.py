"""The short way for documented tasks reads exactly what the converter reads."""

from __future__ import annotations

import json

import attrs
from hypothesis import given, strategies as st

from omniedit.codecs import decode_task
from omniedit.codecs.plain import read_plain
from omniedit.errors import UnexpectedReply
from omniedit.models import Status, Task

DOCUMENTED: dict[str, object] = {
    "created": 1757165031,
    "id": "task-unified-1757165031-abcd1234",
    "model": "gemini-omni-flash-video-edit",
    "object": "video.generation.task",
    "progress": 40,
    "status": "processing",
    "task_info": {"can_cancel": False, "estimated_time": 60},
    "type": "video",
    "usage": {"billing_rule": "per_token", "credits_reserved": 64.2, "user_group": "default"},
}
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 1 << 33),
    NUMBERS,
    st.sampled_from(["", "pending", "COMPLETED", "a\nb", "https://media.evolink.ai/a.mp4", "1"]),
    st.lists(st.sampled_from(["https://media.evolink.ai/a.mp4", 1, None]), max_size=2),
    st.dictionaries(
        st.sampled_from(["can_cancel", "estimated_time", "credits_reserved", "credits_used", "more"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-5, 5000),
            NUMBERS,
            st.text(max_size=3),
        ),
        max_size=3,
    ),
)


def converted(value: dict[str, object]) -> Task | None:
    """What the converter makes of it, which a key that nobody has heard of calls in; None when it raises."""
    try:
        task = decode_task(json.dumps(value | {"unheard_of": 1}).encode())
    except UnexpectedReply:
        return None
    return attrs.evolve(task, extra={name: part for name, part in task.extra.items() if name != "unheard_of"})


def test_a_documented_task_takes_the_short_way() -> None:
    """Every look at a task that is under way or done, as the documentation shows them."""
    done = DOCUMENTED | {"status": "completed", "progress": 100, "results": ["https://media.evolink.ai/a.mp4"]}
    assert read_plain(DOCUMENTED) == converted(DOCUMENTED)
    found = read_plain(done)
    assert found == converted(done)
    assert found is not None
    assert (found.status, found.results) == (Status.completed, ("https://media.evolink.ai/a.mp4",))


@given(
    st.dictionaries(st.sampled_from([*DOCUMENTED, "results", "error", "billing", "credits_used", "new"]), ODD),
    st.sets(st.sampled_from(sorted(DOCUMENTED)), max_size=1),
)
def test_the_short_way_reads_what_the_converter_reads_or_nothing(odd: dict[str, object], missing: set[str]) -> None:
    """Whatever stands in a field: the same task, or it is left to the converter."""
    value: dict[str, object] = {name: part for name, part in (DOCUMENTED | odd).items() if name not in missing}
    found = read_plain(value)
    assert found is None or found == converted(value)


def test_what_is_no_object_is_left_to_the_converter() -> None:
    """Lists, text and nothing at all."""
    others: list[object] = [[], "task", None, 1]
    assert [read_plain(value) for value in others] == [None] * 4

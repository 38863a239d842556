"""The set of keys that a batch has met: it says what a set of keys says, whatever the keys."""

from __future__ import annotations

from hypothesis import given, strategies as st

from omniedit.flow.seen import KeySet

# Few shelves and few bytes, so that keys meet on a shelf and neighbours look like a third one.
KEYS = st.builds(
    lambda rest, shelf: f"{rest}{shelf}{'0' * 17}",
    st.lists(st.sampled_from(["00", "01", "10"]), min_size=6, max_size=6).map("".join),
    st.sampled_from(["000", "fff"]),
)


@given(st.lists(st.tuples(st.booleans(), KEYS), max_size=60))
def test_key_set_is_a_set(steps: list[tuple[bool, str]]) -> None:
    """Adding tells whether it was there; forgetting makes it new again."""
    keys, model = KeySet(), set[str]()
    for add, key in steps:
        if add:
            assert keys.add(key) is (key not in model)
            model.add(key)
        else:
            keys.discard(key)
            model.discard(key)


def test_keys_that_lie_across_two_others_are_new() -> None:
    """The last bytes of one and the first bytes of the next are not a key."""
    keys = KeySet()
    assert keys.add("000000000001" + "000")
    assert keys.add("020000000000" + "000")
    assert keys.add("000000000102" + "000")
    assert not keys.add("020000000000" + "000")

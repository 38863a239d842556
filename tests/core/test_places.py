"""Places: paths and addresses of objects alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from omniedit.core.places import bucket_and_key, check_key, folder_of, inside, is_object, name_of, renamed
from omniedit.errors import ConfigurationError


@pytest.mark.parametrize("folder", ["s3://bucket/edited", "s3://bucket/edited/", "gs://bucket"])
def test_a_name_under_a_prefix_is_an_object(folder: str) -> None:
    """With one slash between them, and found again as its last part."""
    place = inside(folder, "a.mp4")
    assert place == f"{folder.rstrip('/')}/a.mp4"
    assert is_object(place)
    assert name_of(place) == "a.mp4"
    assert renamed(place, "b.mp4") == inside(folder, "b.mp4")
    assert inside(folder_of(place), "a.mp4") == place


def test_a_name_in_a_folder_is_a_path() -> None:
    """As this machine writes it."""
    place = inside("out", "a.mp4")
    assert place == str(Path("out", "a.mp4"))
    assert not is_object(place)
    assert name_of(place) == "a.mp4"
    assert renamed(place, "b.mp4") == str(Path("out", "b.mp4"))
    assert folder_of(place) == "out"


def test_an_address_is_a_bucket_and_a_key() -> None:
    """The bucket with its scheme; the key may be empty, the bucket may not."""
    assert bucket_and_key("s3://bucket/a/b.mp4") == ("s3://bucket", "a/b.mp4")
    assert bucket_and_key("gs://bucket") == ("gs://bucket", "")
    with pytest.raises(ConfigurationError, match="names no bucket"):
        bucket_and_key("s3:///b.mp4")


@pytest.mark.parametrize("key", ["a.mp4", "/a.mp4", "a b/ü#?%/c.mp4", "...", "a\\b"])
def test_a_key_may_hold_almost_anything(key: str) -> None:
    """The store encodes it."""
    assert check_key(key) == key


@pytest.mark.parametrize("key", ["", "/", "a//b", "a/", "./b", "a/../b", "a\tb", "a\x7f", "a\udc80"])
def test_a_key_that_no_object_can_have_is_refused(key: str) -> None:
    """Before anything is paid for that could not be stored."""
    with pytest.raises(ConfigurationError, match="no object can have"):
        check_key(key)

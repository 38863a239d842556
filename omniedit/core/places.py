"""Where results lie: a path on this machine, or the address of an object in a store.

Rules of this room (`core`): pure and synchronous; no I/O, no clock, no randomness; a decision goes out as a value.

Rules of this file: a place is text, so that a journal can hold it; the address of an object is `SCHEME://BUCKET/KEY`,
and its last part is a name like any file's.
"""

from __future__ import annotations

import re
from pathlib import Path

from omniedit.errors import ConfigurationError

__all__ = ["SCHEMES", "bucket_and_key", "check_key", "folder_of", "inside", "is_object", "name_of", "renamed"]

SCHEMES = ("s3://", "gs://")
"""Amazon S3 and what speaks its language, and Google Cloud Storage."""
_UNSTORABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # no key of an object has them


def is_object(place: str) -> bool:
    """Whether a place is in an object store rather than on this machine."""
    return place.startswith(SCHEMES)


def inside(folder: str, name: str) -> str:
    """The place of a name in a folder, or under a prefix of a bucket."""
    return f"{folder.rstrip('/')}/{name}" if is_object(folder) else str(Path(folder, name))


def name_of(place: str) -> str:
    """The last part of a place."""
    return place.rpartition("/")[2] if is_object(place) else Path(place).name


def folder_of(place: str) -> str:
    """Where a place lies: `inside` of it and of its name is the place again."""
    return place.rpartition("/")[0] if is_object(place) else str(Path(place).parent)


def renamed(place: str, name: str) -> str:
    """The place of another name beside this one."""
    return inside(folder_of(place), name)


def bucket_and_key(place: str) -> tuple[str, str]:
    """`s3://bucket` and the key in it.

    Raises:
        ConfigurationError: no bucket is named.
    """
    scheme, _, rest = place.partition("://")
    bucket, _, key = rest.partition("/")
    if not bucket:
        raise ConfigurationError(f"{place} names no bucket", mend="write s3://bucket/prefix")
    return f"{scheme}://{bucket}", key


def check_key(key: str) -> str:
    """The key, when objects can have it: its parts are not empty, are not dots, and hold no control characters.

    Raises:
        ConfigurationError: no object can be stored under it.
    """
    parts = key.removeprefix("/").split("/")
    if _UNSTORABLE.search(key) or any(part in {"", ".", ".."} for part in parts):
        raise ConfigurationError(
            f"no object can have the key {key!r}", mend="give a prefix without empty parts, dots or control characters"
        )
    return key

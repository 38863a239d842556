"""A bucket of an object store, through obstore (extra `s3`): whole objects only, and none replaced unless told to.

Credentials, region and endpoint come from the environment, as the store's own tools read them (`AWS_*`, `GOOGLE_*`).
"""

from __future__ import annotations

import os
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from omniedit.errors import ConfigurationError, DownloadFailed

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore

__all__ = ["Bucket", "client_options", "endpoint_given"]

_T = TypeVar("_T")
_DIGEST = "sha256"
"""Name of the metadata that tells one version of a result from another."""
# Up to here an object goes up in one conditional request, which is held in memory; beyond it in parts, two at a time.
_ONE_REQUEST = 32 * 1024 * 1024
_PART = 8 * 1024 * 1024
_PARTS_AT_ONCE = 2
# One request carries up to 32 MiB: within obstore's own 30 s a line of 10 Mbit/s could not send them, and each of its
# tries would begin anew. In this time 1 Mbit/s is enough.
_LONGEST_REQUEST = timedelta(minutes=5)
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


class Bucket:
    """One bucket.

    Args:
        address: `s3://bucket` or `gs://bucket`.

    Raises:
        ConfigurationError: the extra is missing, or the environment's settings are wrong.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._store = _open(address)

    def __repr__(self) -> str:
        return f"Bucket({self.address!r})"

    async def put(self, key: str, file: Path, *, sha256: str, size: int, overwrite: bool) -> bool:
        """Store a file under a key, as a whole; False when an object is there already and nothing was written.

        An object of up to 32 MiB is never replaced, whoever writes at the same moment; for a larger one the key is
        looked at before its parts go up.

        Raises:
            DownloadFailed: the store refused, or cannot be reached (`store_failed`).
        """
        from obstore import put_async
        from obstore.exceptions import AlreadyExistsError

        small = size <= _ONE_REQUEST
        if not overwrite and not small and await self.digest(key) is not None:
            return False
        try:
            await self._told(
                put_async(
                    self._store,
                    key,
                    file,
                    attributes={"Content-Type": "video/mp4", _DIGEST: sha256},
                    mode="create" if small and not overwrite else "overwrite",
                    use_multipart=not small,
                    chunk_size=_PART,
                    max_concurrency=_PARTS_AT_ONCE,
                ),
                expected=AlreadyExistsError,
            )
        except AlreadyExistsError:
            return False
        return True

    async def digest(self, key: str) -> str | None:
        """The sha256 of the object under a key; empty for an object that is none of ours, None where there is none.

        Raises:
            DownloadFailed: as for `put`.
        """
        from obstore import get_async

        try:
            found = await self._told(get_async(self._store, key, options={"head": True}), expected=FileNotFoundError)
        except FileNotFoundError:
            return None
        return found.attributes.get(_DIGEST, "")

    async def _told(self, asked: Awaitable[_T], *, expected: type[Exception]) -> _T:
        """The store's own words may hold the access key and the string that was signed: ours do not."""
        from obstore.exceptions import BaseError

        try:
            return await asked
        except expected:
            raise
        except (BaseError, OSError, ValueError) as error:
            raise DownloadFailed(
                f"{self.address} refused it or cannot be reached ({type(error).__name__})",
                mend="check bucket, region, endpoint and rights, then resume: nothing paid is lost",
                code="store_failed",
            ) from None


def endpoint_given() -> str | None:
    """The endpoint that the environment names."""
    return next((found for name in _ENDPOINTS if (found := os.environ.get(name))), None)


def client_options(endpoint: str | None) -> ClientConfig:
    """How obstore is to ask a store."""
    return {"allow_http": (endpoint or "").lower().startswith("http://"), "timeout": _LONGEST_REQUEST}


def _open(address: str) -> ObjectStore:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise ConfigurationError(f"{address} needs obstore", mend="pip install 'omniedit[s3]'") from None
    try:
        return from_url(address, client_options=client_options(endpoint_given()))
    except (BaseError, ValueError) as error:
        raise ConfigurationError(
            f"{address} cannot be opened ({type(error).__name__})",
            mend="check the bucket's name, AWS_REGION and AWS_ENDPOINT_URL",
        ) from None

"""Where local files can be put so that the service can fetch them: the service itself, S3, or a function of yours.

A host is anything with a `name` and an awaitable `host(path)`. It streams from disk, and what it gives back must be
an http(s) URL that works without credentials until `expires_at`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from omniedit.clock import Clock, SystemClock
from omniedit.core.places import check_key
from omniedit.errors import ConfigurationError, HostingFailed, OmniEditError
from omniedit.models import Hosted

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

__all__ = ["FunctionHost", "Host", "OnUpload", "S3Host", "ServiceFiles"]

OnUpload = Callable[[int, int], None]
"""Called with bytes sent and bytes in all."""

_CHUNK = 1024 * 1024
# Up to here a file goes up in one request; beyond it in parts, two at a time, so that memory stays small.
_ONE_REQUEST = 8 * 1024 * 1024
_PARTS_AT_ONCE = 2
_LONGEST_LIFE = timedelta(days=7)


@runtime_checkable
class Host(Protocol):
    """Puts a local file where the service can fetch it."""

    @property
    def name(self) -> str:
        """Tells one host from another in the journal, so that what one hosts is not looked for at the next."""
        ...

    async def host(self, path: Path, *, on_progress: OnUpload | None = None) -> Hosted:
        """Upload one file, streamed from disk.

        Raises:
            HostingFailed: it was refused; nothing was submitted. A cancelled upload leaves nothing that counts.
        """
        ...


class ServiceFiles:
    """The service's own file storage. Files live 72 hours; whether it takes video depends on the account.

    Args:
        upload: sends one file and tells where it lies, as the service's door does.
        name: tells one service from another.
    """

    def __init__(
        self, upload: Callable[[Path, OnUpload | None], Awaitable[Hosted]], *, name: str = "service-files"
    ) -> None:
        self._upload = upload
        self.name = name

    async def host(self, path: Path, *, on_progress: OnUpload | None = None) -> Hosted:
        """Upload one file.

        Raises:
            HostingFailed: the service refused the file; the error says what else can be done.
            OmniEditError: the key is wrong, or no answer came.
        """
        try:
            return await self._upload(path, on_progress)
        except HostingFailed as error:
            raise HostingFailed(
                error.message,
                code=error.code,
                mend="nothing was submitted. The service's storage may be full, or may not take video: put the clip "
                "into an S3 bucket (S3Host), host it by a function of yours (FunctionHost), or give its public URL",
            ) from error


class FunctionHost:
    """A function of yours: `async def upload(path) -> url`, or one that gives a `Hosted` with the link's end."""

    def __init__(self, function: Callable[[Path], Awaitable[str | Hosted]], *, name: str | None = None) -> None:
        self._function = function
        self.name = name or f"function:{getattr(function, '__module__', '')}.{_named(function)}"

    async def host(self, path: Path, *, on_progress: OnUpload | None = None) -> Hosted:
        """Call the function; it gets an absolute path.

        Raises:
            HostingFailed: it raised, or gave back no URL, or an end of its life without a time zone.
        """
        size = _size(path)
        try:
            given = await self._function(_absolute(path))
        except OmniEditError:
            raise
        except Exception as error:
            raise HostingFailed(
                f"{path.name}: {self.name} raised {type(error).__name__}",
                mend="nothing was submitted; see the cause of this error",
            ) from error
        hosted = given if isinstance(given, Hosted) else Hosted(str(given).strip())
        if not hosted.url.lower().startswith(("http://", "https://")) or not hosted.url.isprintable():
            raise HostingFailed(f"{path.name}: {self.name} gave no http or https URL", mend="nothing was submitted")
        if not _is_end(hosted.expires_at):
            raise HostingFailed(
                f"{path.name}: {self.name} gave an end of the link that is no moment",
                mend="nothing was submitted; give expires_at as a datetime with a time zone, or None",
            )
        if on_progress is not None:
            on_progress(size, size)
        return hosted


class S3Host:
    """A bucket of any S3-compatible store, through obstore (extra `s3`): streamed upload, presigned GET.

    Args:
        bucket: it must exist.
        prefix: in front of each object's name.
        endpoint: the store's URL; from the environment (`AWS_ENDPOINT_URL`) when not given, else Amazon's.
        region: as the store names it.
        access_key_id: with the two below; from the environment (`AWS_ACCESS_KEY_ID`, ...) or the machine's role when
            not given. They appear in no repr, log or error.
        secret_access_key: see above.
        session_token: see above.
        lifetime: how long the presigned link works; at most 7 days. A copy is used again while its link has an hour
            left. A link dies with the credentials that signed it: give less where those are temporary, as a role's are.
        clock: dates the links.

    Raises:
        ConfigurationError: the extra is missing, or a setting is wrong.
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "omniedit/",
        endpoint: str | None = None,
        region: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
        lifetime: timedelta = timedelta(hours=24),
        clock: Clock | None = None,
    ) -> None:
        if not timedelta(0) < lifetime <= _LONGEST_LIFE:
            raise ConfigurationError("the lifetime of a presigned link is at most 7 days", mend="give a shorter one")
        if (access_key_id is None) != (secret_access_key is None):
            raise ConfigurationError("half of the credentials is missing", mend="give both keys, or neither")
        check_key(f"{prefix}a.mp4")
        endpoint = _endpoint(endpoint)
        self.name = f"s3:{endpoint or 'aws'}/{bucket}/{prefix}"
        self._prefix, self._lifetime, self._clock = prefix, lifetime, clock or SystemClock()
        settings: S3Config = {}
        if endpoint is not None:
            settings["endpoint"] = endpoint
        if region is not None:
            settings["region"] = region
        if access_key_id is not None and secret_access_key is not None:
            settings |= {"access_key_id": access_key_id, "secret_access_key": secret_access_key}
        if session_token is not None:
            settings["session_token"] = session_token
        self._store = _open_store(bucket, settings)

    def __repr__(self) -> str:
        return f"S3Host({self.name!r})"

    async def host(self, path: Path, *, on_progress: OnUpload | None = None) -> Hosted:
        """Upload one file under a name that nobody can guess, and sign a link to it.

        Raises:
            HostingFailed: the store refused or could not be reached.
        """
        import obstore
        from obstore.exceptions import BaseError

        size = _size(path)
        name = f"{self._prefix}{secrets.token_hex(16)}.mp4"
        expires_at = self._clock.utcnow() + self._lifetime
        try:
            await obstore.put_async(
                self._store,
                name,
                _chunks(path, size, on_progress),
                attributes={"Content-Type": "video/mp4"},
                use_multipart=size > _ONE_REQUEST,
                chunk_size=_ONE_REQUEST,
                max_concurrency=_PARTS_AT_ONCE,
            )
            url = await obstore.sign_async(self._store, "GET", name, self._lifetime)
        except (BaseError, OSError, ValueError) as error:
            # The store's own words may hold the access key and the string that was signed.
            raise HostingFailed(
                f"{path.name}: {self.name} refused it or could not be reached ({type(error).__name__})",
                mend="nothing was submitted; check bucket, endpoint, region and rights",
            ) from None
        return Hosted(url, expires_at)


def _endpoint(given: str | None) -> str | None:
    from omniedit.media.bucket import endpoint_given

    endpoint = given or endpoint_given()
    if endpoint is None:
        return None
    if "@" in endpoint:  # it would stand in the journal, and in links that nobody can fetch
        raise ConfigurationError("the endpoint has credentials in it", mend="give them as access_key_id and so on")
    if not endpoint.lower().startswith(("http://", "https://")):
        raise ConfigurationError(f"the endpoint {endpoint!r} is no URL", mend="begin it with https://")
    return endpoint


def _open_store(bucket: str, settings: S3Config) -> S3Store:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ImportError:
        raise ConfigurationError("S3Host needs obstore", mend="pip install 'omniedit[s3]'") from None
    from omniedit.media.bucket import client_options

    try:
        return S3Store(bucket, config=settings, client_options=client_options(settings.get("endpoint")))
    except (BaseError, ValueError) as error:
        raise ConfigurationError(
            f"the bucket {bucket!r} cannot be opened ({type(error).__name__})", mend="check endpoint and region"
        ) from None


async def _chunks(path: Path, size: int, on_progress: OnUpload | None) -> AsyncIterator[bytes]:
    """The file piece by piece, read in a thread."""
    sent = 0
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
            sent += len(chunk)
            if on_progress is not None:
                on_progress(sent, size)


def _size(path: Path) -> int:
    """Bytes of a file that was looked at a moment ago: not worth a thread."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise HostingFailed(f"{path}: cannot be read: {error.strerror}", mend="check the file") from None


def _absolute(path: Path) -> Path:
    """The same file, wherever the function changes to."""
    return path.absolute()


def _is_end(moment: object) -> bool:
    """Whether a link may end then: a moment without a time zone is another one on every machine."""
    return moment is None or (isinstance(moment, datetime) and moment.tzinfo is not None)


def _named(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))

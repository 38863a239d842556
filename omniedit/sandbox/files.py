"""The files API: uploads, quota, list and delete, in its own envelope."""

from __future__ import annotations

import mimetypes
import re
import secrets
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from attrs import define, field, frozen

from omniedit.sandbox import checks
from omniedit.sandbox.gate import Gate
from omniedit.sandbox.problems import JsonObject
from omniedit.sandbox.settings import Settings
from omniedit.sandbox.store import Account, HostedFile, Store
from omniedit.sandbox.timing import SandboxTime

__all__ = ["FilesDoor"]

_SERVICE_ZONE = timezone(timedelta(hours=8))
_MAX_FIELD = 4096
_PART_NAME = re.compile("[A-Za-z0-9_-]+")
_FIELDS = {name: name for name in ("upload_path", "file_name")} | {"uploadPath": "upload_path", "fileName": "file_name"}
"""Documented names of fields, and how a published client spells them [C]."""
_KINDS = ("image/", "video/", "audio/")


@frozen
class _Refused(Exception):
    """An upload that is not kept: ``success: false``."""

    message: str
    code: int = 400


@define
class _Form:
    """What an upload brought."""

    fields: dict[str, str] = field(factory=dict[str, str])
    draft: Path | None = None
    original_name: str = ""
    mime_type: str = ""
    size: int = 0


@define
class FilesDoor:
    """Handlers of the files API."""

    settings: Settings
    time: SandboxTime
    store: Store
    gate: Gate
    folder: Path
    media_url: str

    def routes(self) -> list[web.RouteDef]:
        """What this door serves."""
        return [
            web.post("/api/v1/files/upload/stream", self.upload, name="upload"),
            web.get("/api/v1/files/quota", self.quota, name="quota", allow_head=False),
            web.get("/api/v1/files/list", self.list_files, name="files", allow_head=False),
            web.delete("/api/v1/files/{file_id:file_[^/]*}", self.delete, name="delete"),
        ]

    async def upload(self, request: web.Request) -> web.Response:
        """Keep one file for 72 hours."""
        account = self.gate.enter_to_read(request, "other")
        form = _Form()
        try:
            self._check_quota(account)
            await self._read(request, form)
            return _envelope(self._describe(self._keep(account, form)))
        except _Refused as refusal:
            return self._refuse(refusal)
        finally:
            if form.draft is not None:
                form.draft.unlink(missing_ok=True)

    async def quota(self, request: web.Request) -> web.Response:
        """How many files a key has and may have."""
        account = self.gate.enter_to_read(request, "other")
        used, most = len(self._files_of(account)), self.settings.max_files
        data: JsonObject = {
            "user_group": "default",
            "used_files": used,
            "max_files": most,
            "remain_files": most - used,
        }
        return _envelope(data)

    async def list_files(self, request: web.Request) -> web.Response:
        """The files of a key, newest first."""
        account = self.gate.enter_to_read(request, "other")
        page = checks.whole_number(request.query.get("page"), "page", 1, 1_000_000)
        size = checks.whole_number(request.query.get("page_size"), "page_size", 20, checks.MAX_PAGE_SIZE)
        files = [self._describe(file) for file in reversed(self._files_of(account))]
        return _envelope({"files": files[(page - 1) * size : page * size], "total": len(files)})

    async def delete(self, request: web.Request) -> web.Response:
        """Forget one file."""
        account = self.gate.enter_to_read(request, "other")
        file = self.store.files.get(request.match_info["file_id"])
        if file is None or file.key_hash != account.key_hash:
            return _envelope(None, success=False, status=404, message="There is no such file.")
        self._forget(file)
        return _envelope({"file_id": file.id})

    def _check_quota(self, account: Account) -> None:
        if len(self._files_of(account)) >= self.settings.max_files:
            raise _Refused("The quota of files is used up.", 403)

    async def _read(self, request: web.Request, form: _Form) -> None:
        try:
            reader = await request.multipart()
            while (part := await reader.next()) is not None:
                if not isinstance(part, BodyPartReader):
                    raise _Refused("Nested parts are not understood.")
                await self._read_part(part, form)
        except (HttpProcessingError, LookupError, ValueError, AssertionError, RuntimeError):
            raise _Refused("The body must be multipart/form-data with a part named file.") from None

    async def _read_part(self, part: BodyPartReader, form: _Form) -> None:
        if not _PART_NAME.fullmatch(part.name or ""):
            raise _Refused("Part names are made of letters, digits, _ and -.")
        if part.name == "file" and form.draft is None:
            await self._read_file(part, form)
        elif (name := _FIELDS.get(part.name or "")) is not None:
            form.fields[name] = (await part.read_chunk(_MAX_FIELD)).decode("utf-8", "replace")
        else:
            await part.release()

    async def _read_file(self, part: BodyPartReader, form: _Form) -> None:
        # Bytes that are no UTF-8 come as lone surrogates, which fit into no URL.
        form.original_name = (part.filename or "file").encode("utf-8", "replace").decode()
        form.mime_type = _mime_type(part.headers.get("Content-Type", ""), form.original_name)
        form.draft = self.folder / f"{secrets.token_hex(8)}.upload"
        with form.draft.open("wb") as file:
            while chunk := await part.read_chunk(256 * 1024):
                form.size += len(chunk)
                if form.size > self.settings.max_file_bytes:
                    raise _Refused("The file is larger than 100 MB.")
                file.write(chunk)

    def _keep(self, account: Account, form: _Form) -> HostedFile:
        if form.draft is None or form.size == 0:
            raise _Refused("The part named file is missing or empty.")
        if not form.mime_type.startswith(self._kinds()):
            raise _Refused(f"Files of type {form.mime_type} are not hosted.")
        self._check_quota(account)  # once more: others came in while this one was read
        now, number = self.time.now(), secrets.token_hex(12)
        name = form.fields.get("file_name") or form.original_name
        file = HostedFile(
            id=f"file_{number}",
            key_hash=account.key_hash,
            name=name,
            original_name=form.original_name,
            size=form.size,
            mime_type=form.mime_type,
            upload_path=form.fields.get("upload_path", ""),
            path=form.draft.replace(self.folder / f"{number}.file"),
            uploaded=now,
            expires=now + self.settings.file_seconds,
        )
        self.store.files[file.id] = file
        return file

    def _kinds(self) -> tuple[str, ...]:
        return _KINDS if self.settings.files_accept_video else ("image/",)

    def _files_of(self, account: Account) -> list[HostedFile]:
        """The live files of a key; dead ones are removed on the way."""
        for file in [file for file in self.store.files.values() if file.expires <= self.time.now()]:
            self._forget(file)
        return [file for file in self.store.files.values() if file.key_hash == account.key_hash]

    def _forget(self, file: HostedFile) -> None:
        del self.store.files[file.id]
        file.path.unlink(missing_ok=True)

    def _describe(self, file: HostedFile) -> JsonObject:
        url = f"{self.media_url}/files/{file.id}/{quote(file.name, safe='') or 'file'}"
        return {
            "file_id": file.id,
            "file_name": file.name,
            "original_name": file.original_name,
            "file_size": file.size,
            "mime_type": file.mime_type,
            "upload_path": file.upload_path,
            "file_url": url,
            "download_url": f"{url}?download=true",
            "upload_time": _iso(file.uploaded),
            "expires_at": _iso(file.expires),
        }

    def _refuse(self, refusal: _Refused) -> web.Response:
        """With a status of its own, or with 200 as the service has been seen to do."""
        http = 200 if self.settings.refuse_uploads_with_200 else refusal.code
        return _envelope(None, success=False, status=refusal.code, http=http, message=refusal.message)


def _mime_type(told: str, name: str) -> str:
    """What the upload says, or what its name says when it says nothing useful."""
    if told.startswith(_KINDS):
        return told
    return mimetypes.guess_type(name)[0] or told or "application/octet-stream"


def _envelope(
    data: JsonObject | None,
    *,
    success: bool = True,
    status: int = 200,
    http: int | None = None,
    message: str = "success",
) -> web.Response:
    body = {"success": success, "code": status, "msg": message, "data": data}
    return web.json_response(body, status=http or status)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).astimezone(_SERVICE_ZONE).isoformat(timespec="seconds")

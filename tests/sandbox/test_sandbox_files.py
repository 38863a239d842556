"""The files API in its own envelope."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from omniedit.testing import Settings


def form(clip: Path, name: str = "clip.mp4", **fields: str) -> aiohttp.FormData:
    """A multipart upload."""
    data = aiohttp.FormData(quote_fields=False)
    for field, value in fields.items():
        data.add_field(field, value)
    data.add_field("file", clip.read_bytes(), filename=name)
    return data


async def test_an_upload_is_served_and_can_be_edited(start: Any, clip: Path) -> None:
    """Every documented field; the file's URL works as the source of an edit."""
    async with start(Settings(task_seconds=0.01)) as caller:
        upload = form(clip, "own name.mp4", upload_path="holidays", file_name="beach day.mp4")
        data = (await caller.call("POST", "/api/v1/files/upload/stream", data=upload)).json
        served = await caller.get(data["data"]["file_url"], key=None)
        body = caller.body() | {"video_urls": [data["data"]["file_url"]]}
        task = await caller.ended(await caller.accepted(json=body))
    file = data["data"]
    assert (data["success"], data["code"], data["msg"]) == (True, 200, "success")
    assert (file["file_name"], file["original_name"], file["upload_path"]) == (
        "beach day.mp4", "own name.mp4", "holidays",
    )  # fmt: skip
    assert (file["file_size"], file["mime_type"]) == (clip.stat().st_size, "video/mp4")
    uploaded, expires = (datetime.fromisoformat(file[name]) for name in ("upload_time", "expires_at"))
    assert uploaded.utcoffset() == timedelta(hours=8)
    assert expires - uploaded == timedelta(hours=72)
    assert served.body == clip.read_bytes()
    assert task["status"] == "completed"


async def test_the_list_is_paged_and_fields_have_two_spellings(start: Any, clip: Path) -> None:
    """Newest first; a published client writes uploadPath and fileName."""
    async with start() as caller:
        for number in range(3):
            upload = form(clip, uploadPath="trip", fileName=f"{number}.mp4")
            await caller.call("POST", "/api/v1/files/upload/stream", data=upload)
        first = (await caller.get("/api/v1/files/list?page_size=2")).json["data"]
        second = (await caller.get("/api/v1/files/list?page_size=2&page=2")).json["data"]
        wrong = await caller.get("/api/v1/files/list?page_size=101")
    assert [file["file_name"] for file in first["files"]] == ["2.mp4", "1.mp4"]
    assert [file["upload_path"] for file in second["files"]] == ["trip"]
    assert (first["total"], wrong.status) == (3, 400)


async def test_quota_list_and_delete(start: Any, clip: Path) -> None:
    """Files count against the quota until they are deleted or expire."""
    async with start(Settings(max_files=2, virtual_time=True)) as caller:
        uploads = [await caller.call("POST", "/api/v1/files/upload/stream", data=form(clip)) for _ in range(3)]
        quota = (await caller.get("/api/v1/files/quota")).json["data"]
        listed = (await caller.get("/api/v1/files/list")).json["data"]
        first = uploads[0].json["data"]
        foreign = await caller.call("DELETE", f"/api/v1/files/{first['file_id']}", key="sk-other")
        deleted = await caller.call("DELETE", f"/api/v1/files/{first['file_id']}")
        gone = await caller.get(first["file_url"], key=None)
        await caller.sandbox.advance(72 * 3600)
        expired = await caller.get(uploads[1].json["data"]["file_url"], key=None)
        empty = (await caller.get("/api/v1/files/quota")).json["data"]
    assert quota == {"user_group": "default", "used_files": 2, "max_files": 2, "remain_files": 0}
    assert listed["total"] == 2
    assert (uploads[2].status, uploads[2].json["success"]) == (403, False)
    assert [answer.status for answer in (foreign, deleted, gone, expired)] == [404, 200, 404, 404]
    assert empty["used_files"] == 0


async def test_a_name_that_is_no_text_becomes_one(start: Any) -> None:
    """Bytes that are no UTF-8 are replaced: the file is served, and so is the list it is in."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="\xff.mp4"\r\n'
    body = head + b"Content-Type: video/mp4\r\n\r\nclip\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    async with start() as caller:
        kept = (await caller.call("POST", "/api/v1/files/upload/stream", data=body, headers=headers)).json["data"]
        listed = (await caller.get("/api/v1/files/list")).json["data"]["files"]
        served = await caller.get(kept["file_url"], key=None)
    assert kept["file_name"] == kept["original_name"] == "?.mp4"
    assert listed == [kept]
    assert served.body == b"clip"


async def test_uploads_at_once_do_not_pass_the_quota(start: Any) -> None:
    """There was room for each when it began; only the first to end is kept."""
    arrived = asyncio.Barrier(3)

    async def slow_body() -> Any:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        await arrived.wait()
        yield b"x\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    async with start(Settings(max_files=1)) as caller:

        async def upload() -> int:
            path = "/api/v1/files/upload/stream"
            return int((await caller.call("POST", path, data=slow_body(), headers=headers)).status)

        uploads = [asyncio.create_task(upload()) for _ in range(2)]
        async with asyncio.timeout(10):
            while caller.sandbox.store.account("sk-test").open_requests < 2:  # noqa: ASYNC110 - the server's state
                await asyncio.sleep(0.01)
        await arrived.wait()
        done = await asyncio.gather(*uploads)
        quota = (await caller.get("/api/v1/files/quota")).json["data"]

    assert sorted(done) == [200, 403]
    assert quota["used_files"] == 1


async def test_uploads_that_are_not_kept_say_why(start: Any, clip: Path) -> None:
    """Not multipart, no file, too large, and mp4 where only images are hosted."""
    async with start(Settings(max_file_bytes=1000)) as caller:
        plain = await caller.call("POST", "/api/v1/files/upload/stream", json={})
        without = await caller.call(
            "POST", "/api/v1/files/upload/stream", data=aiohttp.FormData({"file_name": "x"}, default_to_multipart=True)
        )
        large = await caller.call("POST", "/api/v1/files/upload/stream", data=form(clip))
        left = list(caller.sandbox.store.files)
    async with start(Settings(files_accept_video=False, refuse_uploads_with_200=True)) as caller:
        video = await caller.call("POST", "/api/v1/files/upload/stream", data=form(clip))
        image = await caller.call("POST", "/api/v1/files/upload/stream", data=form(clip, "still.png"))
    assert [answer.json["success"] for answer in (plain, without, large, video)] == [False] * 4
    assert [answer.status for answer in (plain, without, large, video, image)] == [400, 400, 400, 200, 200]
    assert "100 MB" in large.json["msg"]
    assert left == []

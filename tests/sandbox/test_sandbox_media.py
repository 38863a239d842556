"""The media port: links that expire, ranges, strong tags."""

from __future__ import annotations

import re
from datetime import timedelta
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from omniedit.sandbox.ranges import Part, wanted_part
from omniedit.testing import Settings

TAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-9", Part(0, 10)),
        ("bytes=90-", Part(90, 100)),
        ("bytes=90-500", Part(90, 100)),
        ("bytes=-10", Part(90, 100)),
        ("bytes=-500", Part(0, 100)),
        ("bytes=100-", "unsatisfiable"),
        ("bytes=-0", "unsatisfiable"),
        ("bytes=9-0", "whole"),
        ("bytes=-", "whole"),
        ("bytes=0-1,3-4", "whole"),
        ("chunks=0-1", "whole"),
        ("", "whole"),
    ],
)
def test_ranges_mean_what_the_standard_says(header: str, wanted: object) -> None:
    """RFC 9110, section 14."""
    assert wanted_part({"Range": header}, 100, TAG, 0.0) == wanted


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (TAG, True),
        ('"other"', False),
        (f"W/{TAG}", False),
        (formatdate(1000, usegmt=True), True),
        (formatdate(1001, usegmt=True), False),
        ("yesterday", False),
    ],
)
def test_if_range_holds_for_a_strong_tag_or_the_exact_date(*, condition: str, holds: bool) -> None:
    """Anything else gets the whole file."""
    part = wanted_part({"Range": "bytes=0-9", "If-Range": condition}, 100, TAG, 1000.7)
    assert part == (Part(0, 10) if holds else "whole")


async def test_a_result_is_served_with_ranges_and_a_strong_tag(start: Any, clip: Path) -> None:
    """Whole, part, resumed, unsatisfiable, unchanged, HEAD."""
    async with start(Settings(task_seconds=0.01, editing="copy")) as caller:
        link = (await caller.ended(await caller.accepted()))["results"][0]
        whole = await caller.get(link, key=None)
        tag = whole.headers["ETag"]
        part = await caller.get(link, key=None, headers={"Range": "bytes=100-"})
        resumed = await caller.get(link, key=None, headers={"Range": "bytes=100-", "If-Range": tag})
        changed = await caller.get(link, key=None, headers={"Range": "bytes=100-", "If-Range": '"other"'})
        beyond = await caller.get(link, key=None, headers={"Range": "bytes=99999999-"})
        same = await caller.get(link, key=None, headers={"If-None-Match": tag})
        head = await caller.call("HEAD", link, key=None)
    data, size = clip.read_bytes(), clip.stat().st_size
    assert (whole.status, whole.body) == (200, data)
    assert (whole.headers["Content-Type"], whole.headers["Accept-Ranges"]) == ("video/mp4", "bytes")
    assert re.fullmatch(r'"[^"]+"', tag)
    assert parsedate_to_datetime(whole.headers["Last-Modified"]).utcoffset() == timedelta(0)
    for answer in (part, resumed):
        assert (answer.status, answer.body) == (206, data[100:])
        assert answer.headers["Content-Range"] == f"bytes 100-{size - 1}/{size}"
    assert (changed.status, changed.body) == (200, data)
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert (same.status, same.body) == (304, b"")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(size), b"")


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_links_die_and_stay_dead_by_default(start: Any, status: Any) -> None:
    """24 hours by default; what a dead link answers is a switch."""
    settings = Settings(virtual_time=True, editing="copy", dead_link_status=status)
    async with start(settings) as caller:
        task_id = await caller.accepted()
        await caller.sandbox.advance(30)
        link = (await caller.task(task_id))["results"][0]
        ended = caller.sandbox.accepted[0].finished - caller.sandbox.accepted[0].created
        await caller.sandbox.advance(24 * 3600 - 30 + ended - 1)
        alive = await caller.get(link, key=None)
        await caller.sandbox.advance(2)
        dead = await caller.get(link, key=None)
        again = (await caller.task(task_id))["results"][0]
    assert (alive.status, dead.status) == (200, status)
    assert again == link


async def test_links_can_be_renewed(start: Any) -> None:
    """With the switch on, another read gives a fresh link; the old one stays dead."""
    settings = Settings(virtual_time=True, editing="copy", link_seconds=60, link_renewal=True)
    async with start(settings) as caller:
        task_id = await caller.accepted()
        await caller.sandbox.advance(30)
        old = (await caller.task(task_id))["results"][0]
        assert (await caller.task(task_id))["results"][0] == old
        await caller.sandbox.advance(100)
        fresh = (await caller.task(task_id))["results"][0]
        answers = [(await caller.get(link, key=None)).status for link in (old, fresh)]
    assert fresh != old
    assert answers == [403, 200]


async def test_links_can_tell_when_they_die(start: Any) -> None:
    """As a query of the URL, in seconds since the epoch."""
    async with start(Settings(task_seconds=0.01, editing="copy", link_expiry_in_url=True)) as caller:
        task = await caller.ended(await caller.accepted())
        link = task["results"][0]
        answer = await caller.get(link, key=None)
    expires = int(parse_qs(urlsplit(link).query)["expires"][0])
    assert expires - task["created"] == pytest.approx(86_400, abs=2)
    assert answer.status == 200


async def test_wrong_links_lead_nowhere(start: Any) -> None:
    """Another token, another task, another path."""
    async with start(Settings(task_seconds=0.01, editing="copy")) as caller:
        link = (await caller.ended(await caller.accepted()))["results"][0]
        wrong = [
            link.replace(".mp4", "0.mp4"),
            f"{caller.sandbox.media_url}/results/task-unified-1-a-b.mp4",
            f"{caller.sandbox.media_url}/clips/none/a.mp4",
            f"{caller.sandbox.media_url}/files/none/a.mp4",
            f"{caller.sandbox.media_url}/elsewhere",
        ]
        statuses = [(await caller.get(url, key=None)).status for url in wrong]
    assert statuses == [403, 404, 404, 404, 404]


async def test_the_default_agent_of_urllib_is_refused(start: Any) -> None:
    """As the service's CDN does, unless switched off; a key sent to the media port is noticed."""
    agent = {"User-Agent": "Python-urllib/3.11"}
    statuses = []
    for refuse in (True, False):
        async with start(Settings(task_seconds=0.01, editing="copy", refuse_urllib=refuse)) as caller:
            link = (await caller.ended(await caller.accepted()))["results"][0]
            statuses.append((await caller.get(link, key="sk-leaked", headers=agent)).status)
            last = caller.sandbox.requests[-1]
    assert statuses == [403, 200]
    assert (last.door, last.key_hash is not None) == ("media", True)

"""The sandbox's own pages, and the document that describes its API."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
import pytest

from omniedit.sandbox import checks
from omniedit.testing import Limit, Sandbox, Settings


async def test_the_dashboard_is_one_page_without_anything_from_elsewhere(start: Any) -> None:
    """Self-contained HTML under a policy that forbids the rest; reading it is not logged."""
    async with start() as caller:
        page = await caller.get("/", key=None)
        assert caller.sandbox.requests == []
    text = page.body.decode()
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', text) == []
    assert "prefers-color-scheme: dark" in text


async def test_the_state_shows_tasks_requests_limits_and_no_key(start: Any) -> None:
    """What the page polls."""
    settings = Settings(task_seconds=0.01, limits=(Limit(kind="sliding_window", amount=5),))
    faults = [{"fault": "fail", "prompt": "refuse"}, {"fault": "lost_reply", "on": "credits"}]
    async with start(settings, faults=faults) as caller:
        done = await caller.accepted("warmer", key="sk-secret-key")
        failed = await caller.accepted("refuse", key="sk-secret-key")
        async with asyncio.timeout(20):
            while not all(task.ended for task in caller.sandbox.accepted):  # noqa: ASYNC110 - the server's state
                await asyncio.sleep(0.02)
        answer = await caller.get("/_sandbox/state", key=None)
        clips = [await caller.get(f"/_sandbox/tasks/{done}/{which}.mp4", key=None) for which in ("before", "after")]
        none = [
            await caller.get(f"/_sandbox/tasks/{name}.mp4", key=None)
            for name in (f"{failed}/after", "task-unified-1-a/before", f"{done}/during")
        ]
    state = answer.json
    assert b"sk-secret-key" not in answer.body
    assert [task["id"] for task in state["tasks"]] == [failed, done]
    assert state["tasks"][0]["error"].startswith("service_error")
    assert (state["tasks"][1]["before"], state["tasks"][1]["after"]) == (True, True)
    assert state["counts"] == {"completed": 1, "failed": 1}
    assert state["keys"][0]["limits"] == [{"kind": "sliding_window", "remaining": 3, "limit": 5}]
    assert state["faults"] == {"fail": 1, "lost_reply": 0}
    assert {request["path"] for request in state["requests"]} >= {"/v1/videos/generations"}
    assert [clip.status for clip in clips] == [200, 200]
    assert clips[0].body != clips[1].body
    assert [clip.status for clip in none] == [404, 404, 404]


async def test_the_document_describes_every_call(start: Any) -> None:
    """Served as it is shipped; its patterns are those of the checks."""
    async with start() as caller:
        served = (await caller.get("/openapi.json", key=None)).json
        unknown = [
            await caller.call(method.upper(), re.sub("{[a-z_]+}", "file_x", path), key=None)
            for path, calls in served["paths"].items()
            for method in calls
        ]
    submit = served["components"]["schemas"]["Submit"]["properties"]
    assert served == json.loads(files("omniedit.sandbox").joinpath("openapi.json").read_text())
    assert served["openapi"] == "3.1.0"
    assert [answer.status for answer in unknown] == [401] * len(unknown)
    for url in ("http://a/b.mp4", "HTTPS://[::1]:80/", "ftp://a", "http://a b", "http://", "http://a:123456/"):
        assert bool(re.search(submit["video_urls"]["items"]["pattern"], url)) == bool(checks.URL.fullmatch(url))


def test_the_guide_names_every_switch() -> None:
    """Each field of the settings and of a limit."""
    guide = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    names = [field.name for field in (*attrs.fields(Settings), *attrs.fields(Limit))]
    assert [name for name in names if not re.search(rf"`{name}`|\b{name}=", guide)] == []


@pytest.mark.slow
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """Generated requests, valid and not, against the document; any key is accepted on purpose, so that check is out."""
    pytest.importorskip("schemathesis", reason="a heavy tool, installed only where this run is wanted")

    async def run() -> tuple[int, str]:
        async with Sandbox(Settings(task_seconds=0.05, editing="canned")) as sandbox:
            command = [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{sandbox.base_url}/openapi.json"),
                *("--header", "Authorization: Bearer sk-test", "--max-examples", "8", "--seed", "1"),
                *("--exclude-checks", "ignored_auth"),
            ]
            process = await asyncio.create_subprocess_exec(
                *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            output, _ = await process.communicate()
            return process.returncode or 0, output.decode()

    status, output = asyncio.run(run())
    assert status == 0, output

"""A real Chromium, driven over its DevTools protocol; and journals with real clips to make sheets of."""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from omniedit.models import Edit, Entry, Status
from omniedit.testing import sample_clip

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0"),
)
PATIENCE = 30.0  # seconds until something that should happen counts as not happening
KEYS = {"ArrowLeft": 37, "ArrowRight": 39, "Enter": 13, "Escape": 27, "Home": 36, "End": 35, "Tab": 9, " ": 32}
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def find_chromium() -> str | None:
    """The path of a Chromium, if there is one."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


@attrs.frozen
class Gallery:
    """A folder with one real clip before and one after, and entries that tell of them."""

    folder: Path
    before: Path
    after: Path

    def entry(self, name: str = "a.mp4", prompt: str = "Make it snow", **more: Any) -> Entry:
        """A saved edit; `more` changes its state, `source` the clip before."""
        saved = Entry(
            Edit(str(more.pop("source", self.before)), prompt, variant=more.pop("variant", 0)),
            str(self.folder / name),
            Status.saved,
            START + timedelta(seconds=80),
            submitted_at=START,
            task_id="task-unified-1795165200-abcdefgh",
            path=str(self.after),
            sha256="5e" * 32,
            size=self.after.stat().st_size,
            credits_reserved=26.0,
            credits_used=25.5,
        )
        return attrs.evolve(saved, **more)

    def failed(self, name: str = "b.mp4", prompt: str = "Say something rude", **more: Any) -> Entry:
        """An edit that the service refused to make."""
        told = {"error_type": "TaskFailed", "error_code": "content_policy_violation", "error_message": "Refused."}
        gone = {"path": None, "sha256": None, "size": None, "credits_used": None}
        return self.entry(name, prompt, **{"status": Status.failed, **gone, **told, **more})


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two short clips with sound, unlike each other."""
    folder = tmp_path_factory.mktemp("clips")
    return sample_clip(folder / "before.mp4"), sample_clip(folder / "after.mp4", scene="hills")


@pytest.fixture
def gallery(clips: tuple[Path, Path], tmp_path: Path) -> Gallery:
    """A folder for one sheet, with copies of the clips."""
    folder = tmp_path / "gallery"
    folder.mkdir()
    before, after = (Path(shutil.copy(clip, folder)) for clip in clips)
    return Gallery(folder, before, after)


@attrs.define
class Page:
    """One tab."""

    _socket: aiohttp.ClientWebSocketResponse
    _next: int = 0
    _answers: dict[int, asyncio.Future[dict[str, Any]]] = attrs.field(factory=dict)
    requests: list[str] = attrs.field(factory=list, repr=False)
    """Addresses of everything that the page asked for."""
    complaints: list[str] = attrs.field(factory=list)
    """Exceptions, and whatever the browser logs: refusals by the page's policy too."""
    dialogs: int = 0
    """How often `alert` and its like were called."""

    async def listen(self) -> None:
        """Take in what the browser sends, until it goes."""
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
            else:
                self._note(told["method"], told["params"])

    def _note(self, method: str, told: dict[str, Any]) -> None:
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(told["exceptionDetails"]))
            case "Log.entryAdded":
                self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
            case "Page.javascriptDialogOpening":
                self.dialogs += 1
            case _:
                pass

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """One command of the protocol and its result."""
        self._next += 1
        answer = self._answers[self._next] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._next, "method": method, "params": params})
        told = await asyncio.wait_for(answer, PATIENCE)
        assert "error" not in told, told
        result: dict[str, Any] = told["result"]
        return result

    async def look(self, *, width: int = 1280, height: int = 900, dark: bool = False, touch: bool = False) -> None:
        """Set the window's size in CSS pixels, and what the system prefers."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def open(self, path: Path) -> None:
        """Open a file, and wait until all of it is read."""
        await self.call("Page.navigate", url=path.as_uri())
        await self.until("document.readyState === 'complete'")

    async def ask(self, expression: str) -> Any:
        """The value of an expression in the page; promises are awaited."""
        told = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until an expression holds; tells its value."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    if value := await self.ask(expression):
                        return value
                    await asyncio.sleep(0.02)
        pytest.fail(f"never held: {expression}")

    async def press(self, *keys: str) -> None:
        """Press keys, as a person does."""
        for key in keys:
            text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
            code = {"windowsVirtualKeyCode": KEYS.get(key, ord(key[0].upper())), "key": key}
            await self.call("Input.dispatchKeyEvent", type="keyDown", **code, **text)
            await self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    async def click(self, selector: str, *, across: float = 0.5, drag_to: float | None = None) -> None:
        """Click on an element, so far across it; or drag from there."""
        find = f"document.querySelector({selector!r})"
        await self.until(f"!!{find}")
        await self.ask(f"{find}.scrollIntoView({{block: 'nearest', behavior: 'instant'}})")
        box = await self.ask(f"(({{x, y, width, height}}) => [x, y, width, height])({find}.getBoundingClientRect())")
        y = box[1] + box[3] / 2
        for kind, share in (("mousePressed", across), ("mouseMoved", drag_to), ("mouseReleased", drag_to or across)):
            if share is not None:
                x = box[0] + box[2] * share
                await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    async def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Save a picture of the window, or of the whole page."""
        told = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(told["data"]))


async def wait_for_port(file: Path) -> str:
    """The port that Chromium writes into its home once it listens."""
    for _ in range(int(PATIENCE / 0.02)):
        if file.exists() and (text := file.read_text()):
            return text.split()[0]
        await asyncio.sleep(0.02)
    pytest.fail("Chromium did not start")


@asynccontextmanager
async def chromium(home: Path, program: str) -> AsyncIterator[Page]:
    """Start a Chromium with an empty home, and one tab of it."""
    process = await asyncio.create_subprocess_exec(
        *(program, *FLAGS, f"--user-data-dir={home}", "about:blank"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = await wait_for_port(home / "DevToolsActivePort")
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.get("/json/list") as reply:
                address = next(tab["webSocketDebuggerUrl"] for tab in await reply.json() if tab["type"] == "page")
            async with session.ws_connect(address, max_msg_size=0) as socket:
                page = Page(socket)
                listening = asyncio.create_task(page.listen())
                try:
                    for domain in ("Page", "Runtime", "Network", "Log"):
                        await page.call(f"{domain}.enable")
                    await page.look()
                    yield page
                finally:
                    listening.cancel()
                    await asyncio.gather(listening, return_exceptions=True)
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of a fresh Chromium; skips where there is none."""
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium here: install `chromium` to see the sheet in a real browser")
    async with chromium(tmp_path / "chromium", program) as page:
        yield page

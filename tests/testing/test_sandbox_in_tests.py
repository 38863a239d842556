"""The sandbox as users meet it in their tests: context managers, fixtures, markers, clips."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import aiohttp
import pytest

from omniedit import ConfigurationError
from omniedit.testing import BackgroundSandbox, FakeClock, Sandbox, Settings, sample_clip


def get(url: str, key: str) -> object:
    """A plain synchronous GET."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - loopback
        return json.load(reply)


def test_the_fixture_serves_synchronous_tests(omniedit_sandbox: BackgroundSandbox) -> None:
    """A plain function can talk to it with any HTTP client."""
    answer = get(f"{omniedit_sandbox.base_url}/v1/credits", omniedit_sandbox.api_key)
    assert isinstance(answer, dict)
    assert answer["success"] is True
    assert [request.path for request in omniedit_sandbox.requests] == ["/v1/credits"]


async def test_the_fixture_serves_asynchronous_tests(omniedit_sandbox: BackgroundSandbox) -> None:
    """It runs beside the test's own event loop."""
    headers = {"Authorization": "Bearer any"}
    url = f"{omniedit_sandbox.base_url}/v1/credits"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as reply:
        assert reply.status == 200


@pytest.mark.omniedit(settings=Settings(credits=5, virtual_time=True), faults=[{"fault": "html", "on": "credits"}])
def test_the_marker_sets_switches_and_faults(omniedit_sandbox: BackgroundSandbox) -> None:
    """Settings and a fault script reach the fixture's server."""
    assert omniedit_sandbox.settings.credits == 5
    with pytest.raises(ValueError, match="Expecting value"):
        get(f"{omniedit_sandbox.base_url}/v1/credits", "k")
    omniedit_sandbox.advance(30)
    assert omniedit_sandbox.faults.fired == {"html": 1}


@pytest.mark.omniedit(Settings(credits=7))
def test_the_marker_takes_settings_without_their_name(omniedit_sandbox: BackgroundSandbox) -> None:
    """As the sandbox does."""
    assert omniedit_sandbox.settings.credits == 7


def test_the_fake_clock_fixture(fake_clock: FakeClock) -> None:
    """A fresh clock for each test."""
    assert fake_clock.monotonic() == 0


def test_a_server_that_cannot_start_says_why() -> None:
    """What goes wrong on the thread is raised where the sandbox is entered."""
    with pytest.raises(ValueError, match=r"faults\[0\].fault: 'nonsense' is not a fault"):
        BackgroundSandbox(faults=[{"fault": "nonsense"}])


async def test_a_hosted_clip_is_served_from_the_media_port(tmp_path: Path) -> None:
    """host_clip gives a URL that any client can read."""
    clip = sample_clip(tmp_path / "clip.mp4", 0.5)
    async with Sandbox() as sandbox, aiohttp.ClientSession() as session:
        url = sandbox.host_clip(clip)
        assert url.startswith(sandbox.media_url)
        async with session.get(url) as reply:
            assert await reply.read() == clip.read_bytes()


async def test_the_environment_points_the_command_line_here() -> None:
    """Three variables, all of them known to the client."""
    async with Sandbox(api_key="sk-mine") as sandbox:
        assert sandbox.environment() == {
            "EVOLINK_API_KEY": "sk-mine",
            "EVOLINK_BASE_URL": sandbox.base_url,
            "EVOLINK_FILES_BASE_URL": sandbox.files_url,
        }


@pytest.mark.parametrize(
    "code",
    [
        "from omniedit.testing import Sandbox; Sandbox()",
        "from omniedit.testing import BackgroundSandbox; BackgroundSandbox()",
        "from omniedit.testing import Sandbox, Settings; Sandbox(Settings(editing='canned'))",
        "from omniedit.testing import sample_clip; sample_clip('clip.mp4')",
        "from omniedit.cli.main import main; sys.argv[1:] = ['sandbox', '--port', '0']; main()",
    ],
)
def test_without_the_extra_it_says_at_once_how_to_get_it(tmp_path: Path, code: str) -> None:
    """Before anything listens or is written, and with the command to type."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules['av'] = None\n{code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0
    assert 'pip install "omniedit[sandbox]"' in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_copying_needs_no_extra() -> None:
    """Whoever never edits a frame can test without PyAV."""
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from omniedit.testing import BackgroundSandbox, Settings\n"
        "with BackgroundSandbox(Settings(editing='copy')) as sandbox: print(sandbox.base_url)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("http://127.0.0.1:")


def test_time_moves_only_while_the_sandbox_runs() -> None:
    """Before it is entered and after it is left nobody would answer: an error, never a wait without end."""
    sandbox = BackgroundSandbox(Settings(virtual_time=True))
    with pytest.raises(ConfigurationError, match="not running"):
        sandbox.advance(1)
    with sandbox:
        sandbox.advance(1)
    with pytest.raises(ConfigurationError, match="not running"):
        sandbox.advance(1)

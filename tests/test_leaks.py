"""The checks of conftest.py see what a test leaves behind, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
LEAKS = {
    "task": "async def test_it():\n    global kept\n    kept = asyncio.create_task(asyncio.sleep(3600))\n",
    "thread": "def test_it():\n    threading.Thread(target=threading.Event().wait, daemon=True).start()\n",
    "descriptor": "def test_it(tmp_path):\n    os.open(tmp_path / 'left', os.O_CREAT)\n",
    "kept_socket": "def test_it():\n    global kept\n    kept = socket.socket()\n",
    "forgotten_socket": "def test_it():\n    knot = [socket.socket()]\n    knot.append(knot)\n",
    "forgotten_file": "def test_it(tmp_path):\n    (tmp_path / 'left').open('w')\n",
    "forgotten_coroutine": "async def test_it():\n    asyncio.sleep(0)\n",
    "warning": "def test_it():\n    warnings.warn('old', DeprecationWarning)\n",
}
TIDY = """
async def test_task_that_is_ending():
    asyncio.create_task(asyncio.sleep(0.01)).add_done_callback(lambda task: None)

async def test_thread_of_the_loop():
    await asyncio.to_thread(os.getpid)

async def test_served_connection():
    async def serve(reader, writer):
        writer.close()
        await writer.wait_closed()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.close()
        await writer.wait_closed()

@hypothesis.given(number=hypothesis.strategies.integers())
async def test_property(number):
    await asyncio.sleep(0)

@hypothesis.given(number=hypothesis.strategies.integers())
def test_plain_property(number):
    assert number == number
"""
IMPORTS = "import asyncio, hypothesis, os, socket, threading, warnings\n"
SETTINGS = "[pytest]\nasyncio_mode = auto\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"


@pytest.fixture
def inner(pytester: pytest.Pytester) -> pytest.Pytester:
    """An empty project with our conftest.py and our settings."""
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makeini(SETTINGS)
    return pytester


def test_every_leak_is_an_error(inner: pytest.Pytester) -> None:
    """One leaking test of each kind: none of them gets away."""
    inner.makepyfile(**{f"test_{name}": IMPORTS + code for name, code in LEAKS.items()})
    result = inner.runpytest_subprocess("-q")
    output = result.stdout.str()
    caught = {name for name in LEAKS if f"ERROR test_{name}.py" in output or f"FAILED test_{name}.py" in output}
    assert caught == set(LEAKS)


def test_tidy_tests_pass(inner: pytest.Pytester) -> None:
    """What ends by itself, and what the event loop closes with itself, is no leak."""
    inner.makepyfile(IMPORTS + TIDY)
    inner.runpytest_subprocess("-q").assert_outcomes(passed=5)

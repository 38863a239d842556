"""What holds for every test: repeatable property tests, and nothing left behind.

A test that leaves a task, a thread, a socket or a file open fails, whatever else it shows. Objects that are merely
forgotten are found through their ResourceWarning, which is an error here; descriptors that no object owns are found by
looking at what the process has open.
"""

from __future__ import annotations

import asyncio
import gc
import os
import stat
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio

pytest_plugins = ["pytester"]

DESCRIPTORS = Path("/proc/self/fd")
# What is already on its way out when a test ends (a handler that was cancelled, a thread that was told to stop) may
# take this long to be gone; seconds. Nothing waits where nothing is left.
GRACE = 1.0

hypothesis.settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],  # says more about a busy machine than about a test
)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("OMNIEDIT_HYPOTHESIS", "repeatable"))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Set aside all that collection made, so that the sweep after each test costs milliseconds."""
    gc.collect()
    gc.freeze()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give every asynchronous test the look at its event loop; a synchronous one has no loop to look at."""
    if isinstance(item, pytest.Function) and pytest_asyncio.is_async_test(item):
        item.fixturenames.insert(0, no_task_left.__name__)


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Fail a test after which a thread runs on, or a file or socket stays open; checked when its loop is closed."""
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    yield
    gc.collect()
    running = [thread for thread in threading.enumerate() if thread not in threads and not ended(thread)]
    opened = sorted(open_descriptors() - descriptors)
    if running or opened:
        pytest.fail(f"left behind: threads {running}, files and sockets {opened}", pytrace=False)


@pytest_asyncio.fixture
async def no_task_left(nothing_left_open: None) -> AsyncIterator[None]:
    """Fail a test that leaves tasks on its event loop, which would otherwise be cancelled without a word."""
    yield
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, others = await asyncio.wait(others, timeout=GRACE)
    if others:
        pytest.fail(f"left behind: tasks {sorted(map(repr, others))}", pytrace=False)


def ended(thread: threading.Thread) -> bool:
    """Whether a thread is over, or soon is."""
    thread.join(GRACE)
    return not thread.is_alive()


def open_descriptors() -> set[tuple[int, str]]:
    """The regular files and sockets that this process holds; nothing where the system does not show them."""
    if not DESCRIPTORS.exists():
        return set()
    return {found for link in DESCRIPTORS.iterdir() if (found := describe(link))}


def describe(link: Path) -> tuple[int, str] | None:
    """Number and target of one open descriptor; None when it is neither file nor socket, or closed by now."""
    try:
        mode, target = link.stat().st_mode, link.readlink()
    except OSError:
        return None
    return (int(link.name), str(target)) if stat.S_ISREG(mode) or stat.S_ISSOCK(mode) else None

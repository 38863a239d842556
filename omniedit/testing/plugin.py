"""Fixtures for pytest, found through an entry point: ``omniedit_sandbox`` and ``fake_clock``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from omniedit.testing import BackgroundSandbox, FakeClock

__all__ = ["fake_clock", "omniedit_sandbox", "pytest_configure"]

_MARKER = "omniedit(settings=None, faults=()): switches and faults of the omniedit_sandbox fixture"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def omniedit_sandbox(request: pytest.FixtureRequest) -> Iterator[BackgroundSandbox]:
    """A running sandbox, for synchronous and asynchronous tests; ``@pytest.mark.omniedit(...)`` sets its switches."""
    from omniedit.testing import BackgroundSandbox

    marker = cast("pytest.Item", request.node).get_closest_marker("omniedit")
    arguments = marker.args if marker else ()
    options = cast("dict[str, Any]", marker.kwargs if marker else {})
    with BackgroundSandbox(*arguments, **options) as sandbox:
        yield sandbox


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock that the test moves."""
    from omniedit.testing import FakeClock

    return FakeClock()

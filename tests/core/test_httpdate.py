"""Dates in headers: all forms of the standard, and nothing that raises."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from omniedit.core.httpdate import read_date


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 -0000",
        "Sun, 06 Nov 1994 09:49:37 +0100",
    ],
)
def test_every_form_names_the_same_moment(text: str) -> None:
    """RFC 9110, section 5.6.7; without a zone it is GMT."""
    assert read_date(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "Sun, 06 Nov 99999 08:49:37 GMT", "Sun, 99 Nov 1994 08:49:37 GMT", "7"])
def test_what_is_no_date_is_absent(text: str) -> None:
    """None, and no error."""
    assert read_date(text) is None


@given(st.text(max_size=60))
def test_no_text_raises(text: str) -> None:
    """Headers come from strangers."""
    found = read_date(text)
    assert found is None or found.tzinfo is not None

"""Callbacks as values: what is well formed, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from omniedit.api.notice import LARGEST_NOTICE, Notice, read_notice

NONCE = "n" * 32
TASK = json.dumps({"id": "task-unified-1-abcd", "status": "completed", "results": ["https://x/y.mp4"]}).encode()


def test_a_task_body_is_a_notice() -> None:
    """The body of a callback is that of a look at the task."""
    assert read_notice(NONCE, TASK) == Notice(NONCE, "task-unified-1-abcd")


@pytest.mark.parametrize("nonce", ["", "short", "x" * 97, "../../../../etc/passwd", "n" * 31 + "/", "ñ" * 32])
def test_a_path_that_no_edit_has_is_refused(nonce: str) -> None:
    """Nonces are 16 to 96 plain characters."""
    assert read_notice(nonce, TASK) is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"id": 5}', b'{"status": "completed"}', b"{" * 5000])
def test_a_body_that_is_no_task_is_refused(body: bytes) -> None:
    """Without an id there is nothing that could have ended."""
    assert read_notice(NONCE, body) is None


def test_an_oversized_body_is_refused() -> None:
    """The limit holds to the byte."""
    padding = LARGEST_NOTICE - len(TASK)
    assert read_notice(NONCE, TASK + b" " * padding) is not None
    assert read_notice(NONCE, TASK + b" " * (padding + 1)) is None


@given(st.text(), st.binary())
def test_nothing_that_comes_raises(nonce: str, body: bytes) -> None:
    """Strangers may send anything."""
    notice = read_notice(nonce, body)
    assert notice is None or notice.nonce == nonce


def test_the_nonce_is_not_shown() -> None:
    """It is a secret of the edit."""
    assert NONCE not in repr(read_notice(NONCE, TASK))

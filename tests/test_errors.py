"""One tree of errors, and one doorway through which foreign ones come in."""

from __future__ import annotations

import inspect
import pickle
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from omniedit import errors
from omniedit.errors import InvalidEdit, OmniEditError, PreflightFailed, ServiceError, TransportFailed, doorway

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, OmniEditError)]
KEY: Any = ConnectionKey("api.example.com", 443, True, True, None, None, None)
SECRET = "sk-very-secret"


def subclasses(kind: type[OmniEditError]) -> Iterator[type[OmniEditError]]:
    """All classes below one."""
    for below in kind.__subclasses__():
        yield below
        yield from subclasses(below)


def test_every_class_carries_task_and_key() -> None:
    """And a stable code of its own."""
    codes = {kind: kind("x").code for kind in CLASSES}
    for kind, code in codes.items():
        error = kind("what is wrong")
        assert (error.task_id, error.idempotency_key, error.mend) == (None, None, None)
        assert code
        assert code == kind.default_code
    assert issubclass(errors.JournalBusy, errors.JournalError)
    assert issubclass(errors.LinkExpired, errors.DownloadFailed)
    assert issubclass(errors.TaskCancelled, errors.TaskFailed)


def test_wrong_values_are_value_errors_too() -> None:
    """What a caller gave is also what the language calls a wrong value."""
    assert {kind for kind in CLASSES if issubclass(kind, ValueError)} == {
        *(InvalidEdit, PreflightFailed, errors.ConfigurationError),
    }


def test_text_says_what_where_and_how_to_mend_it() -> None:
    """The task once, the mend behind."""
    error = errors.TaskFailed("it failed", task_id="t1", mend="wait")
    assert str(error) == "it failed [task t1] (wait)"
    assert str(errors.TaskFailed("t1 failed", task_id="t1")) == "t1 failed"


@pytest.mark.parametrize("kind", CLASSES)
def test_errors_travel_between_processes(kind: type[OmniEditError]) -> None:
    """Everything they carry comes along."""
    error = kind("what is wrong", mend="mend it")
    error.task_id, error.code = "t1", "odd"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is kind
    assert (str(again), again.__dict__) == (str(error), error.__dict__)


FOREIGN: list[tuple[BaseException, str, bool]] = [
    (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "Name not known")), "name_lookup_failed", False),
    (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "refused")), "connect_failed", False),
    (aiohttp.ClientProxyConnectionError(KEY, OSError(111, "refused")), "connect_failed", False),
    (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "handshake")), "tls_failed", False),
    (aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError(1, "expired")), "tls_failed", False),
    (aiohttp.ConnectionTimeoutError(), "timeout", False),
    (aiohttp.InvalidUrlClientError("http://"), "invalid_url", False),
    (aiohttp.ClientHttpProxyError(None, (), status=407, message="no"), "connection_lost", False),  # type: ignore[arg-type]
    (UnicodeError("label empty or too long"), "invalid_url", False),
    (UnicodeEncodeError("idna", "a..b", 2, 3, "label empty"), "invalid_url", False),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, SECRET), "connection_lost", True),
    (aiohttp.SocketTimeoutError(), "timeout", True),
    (TimeoutError(), "timeout", True),
    (aiohttp.ServerDisconnectedError(), "connection_lost", True),
    (aiohttp.ClientOSError(104, "reset"), "connection_lost", True),
    (aiohttp.ClientPayloadError(f"cut {SECRET}"), "connection_lost", True),
    (ConnectionResetError(104, "reset"), "connection_lost", True),
    (ssl.SSLError(1, "bad record"), "tls_failed", True),
    (EOFError(), "connection_lost", True),
]


@pytest.mark.parametrize(("foreign", "code", "sent"), FOREIGN, ids=lambda value: type(value).__name__)
def test_foreign_errors_become_ours(foreign: BaseException, code: str, *, sent: bool) -> None:
    """Only what comes before the first byte is certain not to have been sent; nothing foreign is dragged along."""
    with pytest.raises(TransportFailed) as caught, doorway("submitting", task_id="t1", idempotency_key="n1"):
        raise foreign
    error = caught.value
    assert (error.code, error.sent, error.task_id, error.idempotency_key) == (code, sent, "t1", "n1")
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert SECRET not in str(error)


@pytest.mark.parametrize("own", [ServiceError("x"), KeyboardInterrupt(), ZeroDivisionError(), InvalidEdit("y")])
def test_our_own_errors_and_defects_pass_through(own: BaseException) -> None:
    """Neither is dressed up as bad weather."""
    with pytest.raises(type(own)) as caught, doorway("x"):
        raise own
    assert caught.value is own


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Every class stands in the drawing at the top of the file."""
    drawing = errors.__doc__ or ""
    assert [
        kind.__name__
        for kind in subclasses(OmniEditError)
        if kind.__module__ == errors.__name__ and f" {kind.__name__} " not in drawing
    ] == []

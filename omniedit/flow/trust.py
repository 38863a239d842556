"""Whether callbacks can be relied on: they are believed until they stop coming."""

from __future__ import annotations

import logging

from omniedit.flow.record import Record

__all__ = ["CallbackTrust"]

_log = logging.getLogger("omniedit.callbacks")
_MISSED = 3  # tasks in a row that a look saw finished before any call came


class CallbackTrust:
    """Trust in callbacks.

    Args:
        base: the address below which this client is called; None when it asked for no calls.
    """

    def __init__(self, base: str | None) -> None:
        self._base = base
        self._missed = 0

    @property
    def alive(self) -> bool:
        """Whether calls are asked for and have been coming."""
        return self._base is not None and self._missed < _MISSED

    def expects(self, record: Record, *, learning: bool = False) -> bool:
        """Whether a call for this edit is worth waiting for; when learning, whether it was asked for at all."""
        address = record.entry.callback_url
        asked = self._base is not None and address is not None and address.startswith(self._base)
        return asked and (learning or self.alive)

    def came(self) -> None:
        """A call came."""
        if self._missed >= _MISSED:
            _log.info("callbacks.back: looking less often again")
        self._missed = 0

    def ended(self, *, called: bool) -> None:
        """A task ended, with or without a call."""
        if called:
            return
        self._missed += 1
        if self._missed == _MISSED:
            _log.warning(
                "callbacks.lost: %s tasks ended without a call; looking as often as without callbacks", _MISSED
            )

"""A client whose gate is given from outside: many hosts keep one limit together."""

from __future__ import annotations

from omniedit.api.gate import Gate
from omniedit.flow.client import Client

__all__ = ["HostClient"]


class HostClient(Client):
    """A `Client` for one host of many; it takes the same options.

    `max_rate` and `max_in_flight` bound this host alone; those of all hosts together are the worker's.
    """

    gate: Gate | None = None
    """Used instead of the gate that the clients of one key share in a process. Set it before anything is sent."""

    @property
    def key_fingerprint(self) -> str:
        """Tells keys at a service apart, and gives none of them away."""
        return f"{self._door.key_fingerprint}@{self._door.base_url}"

    def _entered(self) -> Gate:
        own = super()._entered()
        return own if self.gate is None else self.gate

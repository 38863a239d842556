"""How long a task is watched.

Rules of this room:

- pure: elapsed seconds come in, a bound goes out;
- every task has a deadline; one whose status nobody knows has a nearer one of its own.
"""

from __future__ import annotations

from attrs import field, frozen, validators

__all__ = ["Patience"]


@frozen
class Patience:
    """How long a task is watched (seconds): `overall` since it was accepted, `unknown` in undocumented statuses."""

    overall: float = field(default=6 * 3600.0, validator=validators.gt(0))
    unknown: float = field(default=3600.0, validator=validators.gt(0))

    def deadline(self, unknown_since: float | None = None) -> float:
        """Elapsed seconds at which watching ends; `unknown_since` is when the present unknown status was first seen."""
        if unknown_since is None:
            return self.overall
        return min(self.overall, unknown_since + self.unknown)

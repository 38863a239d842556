"""What a client is doing, for whoever asks."""

from __future__ import annotations

import attrs

from omniedit.api.statistics import GateStatistics

__all__ = ["EngineStatistics"]


@attrs.frozen(kw_only=True)
class EngineStatistics:
    """What an engine is doing now. Bare calls need no engine: they are told of by the gate alone."""

    live: int = 0
    """Edits under way."""
    backlog: int = 0
    """Edits that wait to be submitted."""
    parked: int = 0
    """Tasks that wait for their next look."""
    downloading: int = 0
    waiting_downloads: int = 0
    looks: int = 0
    """HTTP requests made to look at tasks, so far."""
    ended: int = 0
    """Tasks seen to end, so far."""
    looks_per_task: float = 0.0
    lag: float = 0.0
    """Mean seconds between the end of a task and its detection, estimated from the distance of looks."""
    bytes: int = 0
    """Bytes saved, so far."""
    bytes_per_second: float = 0.0
    """Bytes saved per second, in the last minute."""
    gate: GateStatistics

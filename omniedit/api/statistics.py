"""What a gate is doing, for whoever asks."""

from __future__ import annotations

from attrs import field, frozen

__all__ = ["GateStatistics", "LaneStatistics"]


@frozen
class LaneStatistics:
    """What one lane of a gate is doing. Rates are requests per second, times seconds."""

    regime: str
    rate: float = field(metadata={"doc": "allowed now"})
    achieved: float = field(metadata={"doc": "accepted in the last minute"})
    level: int = field(metadata={"doc": "unfinished tasks"})
    in_flight: int = field(metadata={"doc": "requests without an answer"})
    pause: float = field(metadata={"doc": "seconds left of a pause, 0 without one"})
    granted: int
    accepted: int
    refused: int
    waiting: int

    @property
    def refused_share(self) -> float:
        """The share of answered requests that were refused for a limit, 0 to 1."""
        return self.refused / max(self.accepted + self.refused, 1)


@frozen
class GateStatistics:
    """What a gate is doing, lane by lane."""

    submit: LaneStatistics
    poll: LaneStatistics
    upload: LaneStatistics

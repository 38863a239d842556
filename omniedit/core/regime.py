"""What a regime of the governor is; `omniedit.core.regimes` has those that learn.

Rules of this room:

- A regime answers each acceptance, and each refusal that opens or prolongs an episode, with the regime that is in force
  from then on: itself, or the one that the evidence asks for.
- It changes nothing but itself and the facts of its lane.
"""

from __future__ import annotations

from attrs import define

from omniedit.core.lanefacts import Facts, Sent
from omniedit.core.pause import Refusal

__all__ = ["Regime", "Window"]


@define
class Regime:
    """How a lane is steered. As it stands it lets everything go and learns nothing."""

    facts: Facts

    @property
    def name(self) -> str:
        """What people call it."""
        return type(self).__name__.lower()

    @property
    def capped(self) -> bool:
        """Whether a refusal means that something has to end first."""
        return False

    def room(self) -> bool:
        """Whether one more request may be on its way."""
        return True

    def sent(self, sent: Sent) -> None:
        """A request left."""

    def accepted(self, sent: Sent, now: float, *, reopened: bool) -> Regime:
        """A request was accepted; `reopened` says that this ended an episode."""
        return self

    def refused(self, sent: Sent, now: float, refusal: Refusal) -> Regime:
        """A request was refused, and that was news."""
        return self


class Window(Regime):
    """Headers say how much is left and until when; the governor paces by them."""

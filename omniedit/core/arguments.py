"""Whether a value that a user gives can be what it is given for: said at once, with the argument's name.

Rules of this room:

- pure: a value comes in, and goes out as what the library works with, or an error that says how to mend it;
- numbers are what `float` takes and text is not: `Decimal` is one, `"5"` is not.
"""

from __future__ import annotations

import math
from typing import SupportsFloat

from omniedit.errors import ConfigurationError

__all__ = ["check_able", "check_count", "check_text", "read_budget", "read_grace", "read_rate", "read_seconds"]


def check_count(name: str, value: object, *, needed: bool = False) -> None:
    """Refuse a bound that lets nothing through, or is no number of things; None is no bound, unless one is needed.

    Raises:
        ConfigurationError: it is below 1, or no whole number.
    """
    if value is None and not needed:
        return
    if not isinstance(value, int):
        raise ConfigurationError(f"{name}={_shown(value)} is no whole number", mend="1 or more, or leave it out")
    if value < 1:
        raise ConfigurationError(f"{name}={value} lets nothing through", mend="1 or more, or leave it out")


def read_rate(name: str, value: object, what: str) -> float | None:
    """A rate per second; None for no bound.

    Raises:
        ConfigurationError: it is not above 0, not finite, or no number.
    """
    if value is None:
        return None
    rate = _number(value)
    if not 0 < rate < math.inf:
        raise ConfigurationError(f"{name}={_shown(value)} is no rate", mend=f"{what} per second, above 0")
    return rate


def read_seconds(name: str, value: object, *, endless: bool = False) -> float:
    """A time in seconds, above 0 and finite, unless it may be `endless`.

    Raises:
        ConfigurationError: it is not.
    """
    seconds = _number(value)
    if not (0 < seconds < math.inf or (endless and seconds == math.inf)):
        raise ConfigurationError(f"{name}={_shown(value)} is no time", mend="seconds, above 0")
    return seconds


def read_grace(value: object) -> float:
    """A time in seconds that may be none at all.

    Raises:
        ConfigurationError: it is below 0, not finite, or no number.
    """
    seconds = _number(value)
    if not 0 <= seconds < math.inf:
        raise ConfigurationError(f"grace={_shown(value)} is no time", mend="seconds, 0 or more")
    return seconds


def read_budget(value: object) -> float | None:
    """An amount of credits; None for no bound.

    Raises:
        ConfigurationError: it is below 0, or no number.
    """
    if value is None:
        return None
    amount = _number(value)
    if not amount >= 0:
        raise ConfigurationError(f"max_credits={_shown(value)} is no budget", mend="0 or more, or leave it out")
    return amount


def check_text(name: str, value: object) -> None:
    """Refuse what is no text; the value is not shown, since it may be a secret.

    Raises:
        ConfigurationError: it is none.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text, not {type(value).__name__}", mend="give a str, or leave it out")


def check_able(name: str, value: object, *methods: str) -> None:
    """Refuse an object that cannot do what it is given for; None is no object.

    Raises:
        ConfigurationError: it lacks one of the methods.
    """
    lacking = [method for method in methods if not callable(getattr(value, method, None))]
    if value is not None and lacking:
        raise ConfigurationError(
            f"{name} cannot be of the kind {type(value).__name__}, which has no {lacking[0]}()",
            mend=f"give an object with {', '.join(methods)}, or leave it out",
        )


def _number(value: object) -> float:
    """The number that a value is; nan, which passes no comparison, for what is none."""
    if not isinstance(value, SupportsFloat):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."

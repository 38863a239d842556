"""A fault script: JSON, checked as a whole before anything runs.

``{"seed": 7, "faults": [{"fault": "lost_reply", "on": "submit", "nth": [1]}, ...]}``

Every rule names a ``fault``. Where it strikes: ``on``, a point or a list of points. When: ``nth`` (a number or a list,
counted from 1), ``first`` (how many), ``every`` (each n-th), ``probability`` (with the script's seed), ``prompt`` (text
in the prompt, in any case) and ``limit`` (at most so often); several must all hold, none means always. Each rule counts
only what matches its points and its prompt.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from attrs import evolve, field, frozen

__all__ = ["FAULTS", "FaultKind", "FaultScriptError", "Faults", "POINTS", "Rule"]

API_POINTS = ("submit", "task", "bulk", "listing", "credits", "upload", "quota", "files", "delete")
POINTS = (*API_POINTS, "media")


class FaultScriptError(ValueError):
    """A fault script that cannot be understood; the message says which rule, which field and what is allowed."""


@frozen
class FaultKind:
    """One kind of fault: where it can strike, where it does when nothing is said, and its fields with defaults."""

    points: tuple[str, ...]
    default_points: tuple[str, ...]
    fields: Mapping[str, object] = field(factory=dict[str, object])


def _reply(**fields: object) -> FaultKind:
    return FaultKind(POINTS, ("submit",), fields)


def _media(**fields: object) -> FaultKind:
    return FaultKind(("media",), ("media",), fields)


def _task(**fields: object) -> FaultKind:
    return FaultKind(("task_life",), ("task_life",), fields)


FAULTS: Mapping[str, FaultKind] = {
    # On the wire. `accept`: whether the request is carried out although the answer is lost or wrong.
    "reset_before": _reply(),
    "lost_reply": _reply(),
    "reset_after": _reply(),
    "hang": _reply(seconds=3600.0, accept=False),
    "slow": _reply(seconds=2.0, accept=True),
    "status": _reply(status=503, retry_after=None, body="json", accept=False),
    "html": _reply(accept=False),
    "cut_json": FaultKind(API_POINTS, ("submit",)),
    "wrong_length": _reply(),
    # On result links and hosted files
    "cut_download": _media(after=None),
    "changing_etag": _media(),
    "no_range": _media(),
    "dead_link": _media(status=403),
    # In the life of a task
    "fail": _task(code="service_error", message="The task failed on order."),
    "cancel": _task(),
    "unknown_status": _task(status="reviewing"),
    "never_ends": _task(),
    "vanish": _task(after=0),
    "empty_results": _task(),
    # In its callback
    "callback_duplicate": _task(copies=1),
    "callback_late": _task(seconds=5.0),
    "callback_lost": _task(),
    "callback_forged": _task(body=None),
}

_NUMBER = "a number of at least 0"
_COUNT = "a whole number of at least 1"
_CHECKS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "seconds": (lambda v: _is_number(v) and cast("float", v) >= 0, _NUMBER),
    "retry_after": (lambda v: _is_number(v) and cast("float", v) >= 0, _NUMBER),
    "after": (lambda v: type(v) is int and v >= 0, "a whole number of at least 0"),
    "copies": (lambda v: type(v) is int and v >= 1, _COUNT),
    "accept": (lambda v: isinstance(v, bool), "true or false"),
    "code": (lambda v: isinstance(v, str) and v != "", "text"),
    "message": (lambda v: isinstance(v, str), "text"),
    "first": (lambda v: type(v) is int and v >= 1, _COUNT),
    "every": (lambda v: type(v) is int and v >= 1, _COUNT),
    "limit": (lambda v: type(v) is int and v >= 1, _COUNT),
    "probability": (lambda v: _is_number(v) and 0 <= cast("float", v) <= 1, "a number from 0 to 1"),
    "prompt": (lambda v: isinstance(v, str) and v != "", "text"),
}
_SELECTORS = ("on", "nth", "first", "every", "probability", "prompt", "limit")
_BODIES = ("json", "html", "empty")


def _is_number(value: object) -> bool:
    # JSON as Python reads it knows Infinity and NaN, and whole numbers that no float holds; none is a time to wait.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


@frozen
class Rule:
    """One line of a fault script."""

    fault: str
    points: tuple[str, ...]
    fields: Mapping[str, object]
    nth: tuple[int, ...] = ()
    first: int | None = None
    every: int | None = None
    probability: float | None = None
    prompt: str | None = None
    limit: int | None = None

    def number(self, name: str) -> float:
        """A field that is a number."""
        return cast("float", self.fields[name])

    def text(self, name: str) -> str:
        """A field that is text."""
        return str(self.fields[name])


@frozen
class Faults:
    """A whole script."""

    rules: tuple[Rule, ...] = ()
    seed: int = 0

    @classmethod
    def load(cls, path: str | Path) -> Faults:
        """Read a script file. Raises ``FaultScriptError``, and ``OSError`` for a file that cannot be read."""
        try:
            script = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise FaultScriptError(f"{path}: not valid JSON: {error}") from None
        return cls.parse(script)

    @classmethod
    def parse(cls, script: object) -> Faults:
        """Check a script (an object with ``faults``, or just the list). Raises ``FaultScriptError``."""
        table = cast("Mapping[str, object]", script) if isinstance(script, Mapping) else {"faults": script}
        if unknown := sorted(set(table) - {"seed", "faults"}):
            raise FaultScriptError(f"the script: unknown field {unknown[0]!r}; allowed: faults, seed")
        rules, seed = table.get("faults", []), table.get("seed", 0)
        if not isinstance(rules, Sequence) or isinstance(rules, str):
            raise FaultScriptError("faults: must be a list of rules")
        if type(seed) is not int:
            raise FaultScriptError("seed: must be a whole number")
        numbered = enumerate(cast("Sequence[object]", rules))
        return cls(tuple(_rule(rule, f"faults[{number}]") for number, rule in numbered), seed)


def _rule(value: object, where: str) -> Rule:
    if not isinstance(value, Mapping):
        raise FaultScriptError(f"{where}: must be an object")
    rule = cast("Mapping[str, object]", value)
    kind = FAULTS.get(str(rule.get("fault")))
    if kind is None:
        raise FaultScriptError(f"{where}.fault: {rule.get('fault')!r} is not a fault; allowed: {', '.join(FAULTS)}")
    for name in rule:
        if name not in ("fault", *_SELECTORS, *kind.fields):
            allowed = ", ".join((*_SELECTORS, *kind.fields))
            raise FaultScriptError(f"{where}.{name}: unknown field for {rule['fault']!r}; allowed: {allowed}")
        _check(rule, name, f"{where}.{name}")
    chosen = {name: rule[name] for name in _SELECTORS[2:] if name in rule}
    made = Rule(
        fault=str(rule["fault"]),
        points=_points(rule.get("on"), kind, f"{where}.on"),
        fields={**kind.fields, **{name: rule[name] for name in kind.fields if name in rule}},
        nth=_nth(rule.get("nth"), f"{where}.nth"),
    )
    return evolve(made, **chosen)  # type: ignore[arg-type]


def _check(rule: Mapping[str, object], name: str, where: str) -> None:
    value = rule[name]
    if name == "status":
        _check_status(rule, where)
    elif name == "body":
        _check_body(rule, where)
    elif name in _CHECKS:
        right, wanted = _CHECKS[name]
        if not right(value):
            raise FaultScriptError(f"{where}: must be {wanted}, not {value!r}")


def _check_status(rule: Mapping[str, object], where: str) -> None:
    value = rule["status"]
    if rule["fault"] == "unknown_status":
        if not isinstance(value, str):
            raise FaultScriptError(f"{where}: must be text, not {value!r}")
    elif type(value) is not int or not 400 <= value <= 599:
        raise FaultScriptError(f"{where}: must be an HTTP status from 400 to 599, not {value!r}")


def _check_body(rule: Mapping[str, object], where: str) -> None:
    value = rule["body"]
    if rule["fault"] == "callback_forged":
        if not isinstance(value, Mapping):
            raise FaultScriptError(f"{where}: must be an object, not {value!r}")
    elif value not in _BODIES:
        raise FaultScriptError(f"{where}: must be one of {', '.join(_BODIES)}, not {value!r}")


def _points(value: object, kind: FaultKind, where: str) -> tuple[str, ...]:
    if value is None:
        return kind.default_points
    if not isinstance(value, str | list | tuple) or not value:
        raise FaultScriptError(f"{where}: must be a point or a list of points, not {value!r}")
    names = (value,) if isinstance(value, str) else tuple(cast("Sequence[object]", value))
    if names == ("any",):
        return kind.points
    for name in names:
        if name not in kind.points:
            raise FaultScriptError(f"{where}: {name!r} is not possible here; allowed: any, {', '.join(kind.points)}")
    return cast("tuple[str, ...]", names)


def _nth(value: object, where: str) -> tuple[int, ...]:
    if value is None:
        return ()
    numbers = tuple(cast("Sequence[object]", value)) if isinstance(value, list | tuple) else (value,)
    if not numbers or not all(type(number) is int and number >= 1 for number in numbers):
        raise FaultScriptError(f"{where}: must be a whole number of at least 1 or a list of them, not {value!r}")
    return cast("tuple[int, ...]", numbers)

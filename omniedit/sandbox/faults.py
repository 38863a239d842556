"""The book of a running server's faults: which rule strikes which request or task."""

from __future__ import annotations

import random
from typing import cast

from attrs import define

from omniedit.sandbox.problems import JsonObject
from omniedit.sandbox.script import Faults, Rule
from omniedit.sandbox.store import Failure, TaskFaults

__all__ = ["FaultBook"]


@define
class _Entry:
    """A rule with what it has seen."""

    rule: Rule
    chance: random.Random
    seen: int = 0
    fired: int = 0

    def fires(self, point: str, prompt: str | None) -> bool:
        rule = self.rule
        if point not in rule.points or not self._prompt_matches(prompt):
            return False
        self.seen += 1
        # Drawn for every match, so that a script's dice do not depend on the other conditions.
        lucky = rule.probability is None or self.chance.random() < rule.probability
        fires = lucky and self._turn() and (rule.limit is None or self.fired < rule.limit)
        self.fired += fires
        return fires

    def _prompt_matches(self, prompt: str | None) -> bool:
        wanted = self.rule.prompt
        return wanted is None or (prompt is not None and wanted.casefold() in prompt.casefold())

    def _turn(self) -> bool:
        rule = self.rule
        return (
            (not rule.nth or self.seen in rule.nth)
            and (rule.first is None or self.seen <= rule.first)
            and (rule.every is None or self.seen % rule.every == 0)
        )


class FaultBook:
    """The rules of a running server with their counts."""

    def __init__(self, faults: Faults) -> None:
        self._entries: list[_Entry] = []
        self._seed = faults.seed
        for rule in faults.rules:
            self._enter(rule)

    def add(self, *rules: object) -> None:
        """Add rules, as objects of a script, while the server runs. Raises ``FaultScriptError``."""
        for rule in Faults.parse(rules).rules:
            self._enter(rule)

    def clear(self) -> None:
        """Forget every rule."""
        self._entries.clear()

    @property
    def fired(self) -> dict[str, int]:
        """How often each kind of fault struck."""
        counts: dict[str, int] = {}
        for entry in self._entries:
            counts[entry.rule.fault] = counts.get(entry.rule.fault, 0) + entry.fired
        return counts

    def asks_for_prompt(self, point: str) -> bool:
        """Whether any rule for this point looks at the prompt."""
        return any(entry.rule.prompt is not None and point in entry.rule.points for entry in self._entries)

    def for_request(self, point: str, prompt: str | None) -> Rule | None:
        """The first rule that strikes this request."""
        return next((entry.rule for entry in self._entries if entry.fires(point, prompt)), None)

    def for_task(self, prompt: str) -> TaskFaults:
        """What all rules together do to a new task."""
        faults = TaskFaults()
        for entry in self._entries:
            if entry.fires("task_life", prompt):
                _apply(entry.rule, faults)
        return faults

    def _enter(self, rule: Rule) -> None:
        chance = random.Random(f"{self._seed}:{len(self._entries)}")  # noqa: S311 - repeatable on purpose
        self._entries.append(_Entry(rule, chance))


def _apply(rule: Rule, faults: TaskFaults) -> None:
    match rule.fault:
        case "fail":
            faults.failure = Failure(rule.text("code"), rule.text("message"))
        case "cancel":
            faults.cancel = True
        case "unknown_status":
            faults.status = rule.text("status")
        case "never_ends":
            faults.never_ends = True
        case "vanish":
            faults.vanish_after = int(rule.number("after"))
        case "empty_results":
            faults.empty_results = True
        case "callback_duplicate":
            faults.duplicates += int(rule.number("copies"))
        case "callback_late":
            faults.callback_delay += rule.number("seconds")
        case "callback_lost":
            faults.callback_lost = True
        case _:
            faults.forged = (*faults.forged, cast("JsonObject", rule.fields["body"] or {}))

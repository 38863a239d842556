"""What people read: pure text, the same on a terminal and in a pipe."""

from __future__ import annotations

import os
import shlex
import sys
import unicodedata
from collections.abc import Iterable, Mapping

import attrs

from omniedit.changes import Change, Summary
from omniedit.cli.remedies import mend_of
from omniedit.models import Edit, Status

__all__ = [
    "Conclusion",
    "Group",
    "Groups",
    "about",
    "amount",
    "clean",
    "clock_time",
    "conclude",
    "counted",
    "ended_line",
    "group_failures",
    "same_command",
]

_EXAMPLES = 3
_MOST_GROUPS = 30
_CONTROL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = {"\u200c", "\u200d"}  # some scripts and many emoji are written with them
_REPLAY = "look into the account's task list; --on-uncertain replay repeats the request with the same Idempotency-Key"


def clean(text: str, most: int = 2_000) -> str:
    """Text on one line: names and prompts may hold anything, and a terminal would obey some of it."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(_visible(char) for char in cut)


def _visible(char: str) -> str:
    if char in "\n\r\t":
        return " "
    hidden = unicodedata.category(char) in _CONTROL and char not in _JOINERS
    return f"\\u{ord(char):04x}" if hidden else char


def amount(number: float) -> str:
    """A number of credits."""
    return f"{number:,.1f}".removesuffix(".0")


def clock_time(seconds: float) -> str:
    """A length of time: `7 s`, `2:03`, `1:02:03`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def counted(counts: Mapping[Status, int]) -> str:
    """Edits per status, in the order of an edit's life."""
    order = list(Status)
    known = sorted(counts, key=lambda status: order.index(status) if status in order else len(order))
    return ", ".join(f"{counts[status]:,} {clean(status)}" for status in known if counts[status])


def same_command() -> str:
    """The command that is running, to be run again. No key is in it: there is no option for one."""
    return " ".join(["omniedit", *(_quoted(argument) for argument in sys.argv[1:])])


def _quoted(argument: str) -> str:
    """An argument as a shell takes it back; what cannot be shown as it is goes through the `$'...'` of bash and zsh."""
    if clean(argument, len(argument)) == argument:
        return shlex.quote(argument)
    return f"$'{''.join(_escaped(char) for char in argument)}'"


def _escaped(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    return char if _visible(char) == char else "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))


def ended_line(change: Change) -> str:
    """What a log shows of an edit that has ended."""
    if change.status == Status.saved:
        cost = f"  ({amount(change.credits)} credits)" if change.credits is not None else ""
        return f"saved       {clean(change.edit.source, 300)} -> {clean(str(change.place))}{cost}"
    return f"{clean(change.status):<11} {about(change.edit, str(change.error or 'no reason is known'))}"


def about(edit: Edit, message: str) -> str:
    """A message, and which clip it is about, once."""
    source, name = edit.source, edit.name
    if message.startswith(source):
        return clean(message, 800)
    return clean(f"{source[:300]}{f' ({name})' if name else ''}: {message}", 800)


@attrs.define
class Group:
    """Edits that were not saved for the same reason."""

    status: Status
    code: str
    mend: str
    count: int = 0
    examples: list[str] = attrs.field(factory=list[str])


class Groups:
    """Sorts failures by status, code and mend. However many come, few groups are kept."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str], Group] = {}

    def add(self, failure: Change) -> None:
        """Take one in."""
        error = failure.error
        code, mend = (clean(error.code, 60), clean(mend_of(error), 400)) if error else ("", "")
        if len(self._groups) >= _MOST_GROUPS and (failure.status, code, mend) not in self._groups:
            code, mend = "other", "see: omniedit errors"
        group = self._groups.setdefault((failure.status, code, mend), Group(failure.status, code, mend))
        group.count += 1
        example = about(failure.edit, error.message if error else "")
        if len(group.examples) < _EXAMPLES and example not in group.examples:
            group.examples.append(example)

    def ranked(self) -> tuple[Group, ...]:
        """The most frequent first."""
        return tuple(sorted(self._groups.values(), key=lambda group: -group.count))


def group_failures(failures: Iterable[Change]) -> tuple[Group, ...]:
    """All of them, sorted."""
    groups = Groups()
    for failure in failures:
        groups.add(failure)
    return groups.ranked()


@attrs.frozen
class Conclusion:
    """How a run ended, for people."""

    headline: str
    groups: tuple[Group, ...] = ()
    hints: tuple[str, ...] = ()


def conclude(summary: Summary, again: str) -> Conclusion:
    """What to say after the end.

    Args:
        summary: of the run.
        again: the command that goes on.
    """
    parts = [f"Saved {summary.saved:,} of {summary.total:,} in {clock_time(summary.elapsed)}"]
    if summary.credits_reserved:
        parts.append(f"{amount(summary.credits_reserved)} credits reserved")
    if summary.credits_used:
        parts.append(f"{amount(summary.credits_used)} used")
    return Conclusion(", ".join(parts) + ".", group_failures(summary.failures), tuple(_hints(summary, again)))


def _hints(summary: Summary, again: str) -> Iterable[str]:
    if summary.total - summary.saved > len(summary.failures):
        yield f"The table shows the first {len(summary.failures):,} edits that were not saved."
    if summary.stopped is not None:
        yield f"Nothing more is submitted: {clean(str(summary.stopped))}"
    if uncertain := summary.counts.get(Status.uncertain, 0):
        yield f"{uncertain:,} uncertain: nobody knows whether they were accepted; {_REPLAY}."
    if not summary.ok:
        yield f"The same command goes on, and skips what is saved: {clean(again)}"

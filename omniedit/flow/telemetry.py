"""OpenTelemetry, when its API package is installed and somebody has configured a provider; nothing otherwise.

One span for each edit with one child for each phase, made when the edit ends, so that a hundred thousand waiting edits
hold timestamps and no spans. Names follow the semantic conventions where there are any (`gen_ai.*`, `error.type`).
No prompt, link or key is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from omniedit.models import Status

if TYPE_CHECKING:
    from datetime import datetime

    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Tracer

    from omniedit.changes import Change
    from omniedit.errors import OmniEditError
    from omniedit.flow.record import Record

__all__ = ["Telemetry"]

_NAME = "omniedit"
_PHASES: Mapping[Status, str] = {
    Status.queued: "queue",
    Status.uploading: "upload",
    Status.submitting: "submit",
    Status.pending: "task",
    Status.completed: "link",
    Status.downloading: "download",
}


class Telemetry:
    """Spans and metrics of edits."""

    def __init__(self, tracer: Tracer, meter: Meter) -> None:
        self._tracer = tracer
        self._trails: dict[Record, list[tuple[str, int]]] = {}
        self._parents: dict[Record, Context] = {}
        self._edits = meter.create_counter("omniedit.edits", "{edit}", "Edits that ended, by status")
        self._seconds = meter.create_histogram("omniedit.edit.duration", "s", "From taking an edit to its end")
        self._bytes = meter.create_counter("omniedit.download.size", "By", "Bytes saved")
        self._credits = meter.create_counter("omniedit.credits", "{credit}", "Credits of saved edits")

    @classmethod
    def found(cls) -> Telemetry | None:
        """Telemetry for the configured providers; None without the API package, or where there is no provider."""
        try:
            from opentelemetry import metrics, trace
        except ImportError:
            return None
        if not any(
            _is_configured(provider) for provider in (trace.get_tracer_provider(), metrics.get_meter_provider())
        ):
            return None
        return cls(trace.get_tracer(_NAME), metrics.get_meter(_NAME))

    def started(self, record: Record, at: datetime) -> None:
        """An edit was taken; what span is current now becomes the parent."""
        from opentelemetry import context

        self._trails[record] = [(_PHASES.get(record.entry.status, "task"), _nanoseconds(at))]
        self._parents[record] = context.get_current()

    def changed(self, record: Record, changes: Sequence[Change]) -> None:
        """An edit moved on."""
        trail = self._trails.get(record)
        if trail is None:
            return
        for change in changes:
            phase = _PHASES.get(change.status)
            if phase is not None and trail[-1][0] != phase:
                trail.append((phase, _later(trail, change.at)))

    def ended(self, record: Record, error: OmniEditError | None, at: datetime) -> None:
        """An edit ended, or is left to a later run."""
        trail = self._trails.pop(record, None)
        parent = self._parents.pop(record, None)
        if not trail:
            return
        end = _later(trail, at)
        self._trace(record, trail, parent, error, end)
        self._measure(record, error, (end - trail[0][1]) / 1e9)

    def _trace(
        self,
        record: Record,
        trail: list[tuple[str, int]],
        parent: Context | None,
        error: OmniEditError | None,
        end: int,
    ) -> None:
        from opentelemetry import trace

        root = self._tracer.start_span(
            "omniedit.edit", parent, trace.SpanKind.CLIENT, _attributes(record, error), start_time=trail[0][1]
        )
        inside = trace.set_span_in_context(root, parent)
        ends = [start for _, start in trail[1:]] + [end]
        for (phase, start), stop in zip(trail, ends, strict=True):
            self._tracer.start_span(f"omniedit.{phase}", inside, start_time=start).end(stop)
        if error is not None:
            root.set_status(trace.StatusCode.ERROR, error.code)
        root.end(end)

    def _measure(self, record: Record, error: OmniEditError | None, seconds: float) -> None:
        entry = record.entry
        labels: dict[str, str] = {"omniedit.status": str(entry.status), "gen_ai.request.model": entry.edit.model}
        if error is not None:
            labels["error.type"] = error.code
        self._edits.add(1, labels)
        self._seconds.record(seconds, labels)
        if entry.status == Status.saved:
            self._bytes.add(entry.size or 0, labels)
            self._credits.add(entry.credits or 0.0, labels)


def _attributes(record: Record, error: OmniEditError | None) -> dict[str, str | int | float]:
    entry = record.entry
    attributes: dict[str, str | int | float] = {
        "gen_ai.operation.name": "edit_video",
        "gen_ai.request.model": entry.edit.model,
        "omniedit.key": entry.key,
        "omniedit.status": str(entry.status),
        "omniedit.looks": record.looks,
    }
    if entry.task_id is not None:
        attributes["gen_ai.response.id"] = entry.task_id
    if entry.credits is not None:
        attributes["omniedit.credits"] = entry.credits
    if error is not None:
        attributes["error.type"] = error.code
    return attributes


def _is_configured(provider: object) -> bool:
    """Whether somebody has set it: what the API brings itself records nothing."""
    return not type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))


def _later(trail: list[tuple[str, int]], moment: datetime) -> int:
    """A moment in nanoseconds, not before the last one: the wall clock may be set back."""
    return max(_nanoseconds(moment), trail[-1][1])


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1e9)

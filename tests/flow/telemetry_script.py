"""One edit with a configured OpenTelemetry SDK; prints its spans and metrics as JSON. Run by test_telemetry."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from omniedit import Client, OmniEditError, Status
from omniedit.testing import Sandbox, Settings, sample_clip

PROMPTS = ("a secret wish", "another secret wish that fails")


async def give_up(clip: Path, folder: Path) -> None:
    """Begin an edit, and cancel it once it is paid for."""
    slow = Settings(task_seconds=60.0, editing="copy")
    async with Sandbox(slow) as sandbox, Client(sandbox.api_key, base_url=sandbox.base_url) as client:
        edit = client.edit(clip, "a third secret wish", save_to=folder / "given-up.mp4")
        waiting = asyncio.ensure_future(edit)
        while edit.status not in {Status.pending, Status.processing}:  # noqa: ASYNC110 - nobody else watches it
            await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])


async def main(folder: Path, wanted: str) -> None:
    """Two edits below a span of the application: one is saved, one fails. A third is given up outside of it."""
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    if wanted == "all":
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(spans))
        trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([reader]))
    clip = sample_clip(folder / "clip.mp4", seconds=1.0, size=(160, 90))
    faults = [{"fault": "fail", "code": "content_policy_violation", "prompt": "fails"}]
    settings = Settings(task_seconds=0.2, editing="copy")
    async with (
        Sandbox(settings, faults=faults) as sandbox,
        Client(sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        with trace.get_tracer("application").start_as_current_span("application"):
            for number, prompt in enumerate(PROMPTS):
                try:
                    await client.edit(clip, prompt, save_to=folder / f"{number}.mp4")
                except OmniEditError:
                    continue
    await give_up(clip, folder)
    data = reader.get_metrics_data()
    lines = (
        json.dumps([json.loads(span.to_json()) for span in spans.get_finished_spans()]),
        "null" if data is None else data.to_json(indent=None),
    )
    sys.stdout.write("\n".join(lines))


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))

"""How results that were stored before there was one format become figures with a bar, or a table of contestants.

A row is a path into the stored JSON, what to call it, its unit, a bar, and whether the bar is to be reached. What is
not stored is left out of the page.
"""

from __future__ import annotations

from typing import Any

import attrs

from benchmarks.harness import Figure

__all__ = ["Matrix", "figures_of", "matrices_of"]

Row = tuple[str, str, str, float | None, bool]


@attrs.frozen
class Matrix:
    """One row for each case, one column for each contestant."""

    title: str
    names: list[str]
    rows: list[list[str]]


ROWS: dict[str, list[Row]] = {
    "journal": [
        ("disk/writes_per_s_at_1000_waiters", "durable writes, 1,000 waiting", "writes/s", None, True),
        ("disk/ratio_to_same_rows", "the same beside aiosqlite, one commit an event, same rows", "times", 10.0, True),
        ("disk/sync_ms/p50", "one sync of this disk, median", "ms", None, False),
        ("disk/stream_of_1000_per_s/commit_ms/p99", "1,000 writes a second: until durable, 99 %", "ms", None, False),
        ("disk/stream_of_1000_per_s/commit_p99_in_median_syncs", "the same in median syncs of the disk beside it",
         "syncs", 5.0, False),
        ("disk/stream_of_1000_per_s/sync_ms/p99", "one bare sync in the same run, 99 %", "ms", None, False),
        ("disk/stream_of_1000_per_s/commit_p99_beside_sync_p99", "the commit's 99 % beside the bare sync's", "times",
         5.0, False),
        ("disk/stream_of_1000_per_s/bare_file_ms/p99", "the same stream onto a bare file, in turns: 99 %",
         "ms", None, False),
        ("disk/stream_of_1000_per_s/commit_p99_beside_bare_file_p99", "the journal's 99 % beside the bare file's",
         "times", None, False),
        ("disk/stream_of_1000_per_s/loop_lag_ms/p99", "1,000 writes a second: lag of the event loop, 99 %", "ms", 10.0,
         False),
        ("disk/load", "load of the machine meanwhile", "at work", None, False),
        ("disk_with_1_ms_sync/writes_per_s_at_1000_waiters", "sync of 1 ms: durable writes", "writes/s", 15_000, True),
        ("disk_with_1_ms_sync/ratio_to_same_rows", "sync of 1 ms: the same beside aiosqlite", "times", None, True),
        ("disk_with_1_ms_sync/sync_ms/p50", "sync of 1 ms: one sync, median", "ms", None, False),
        ("disk_with_1_ms_sync/stream_of_1000_per_s/commit_ms/p50", "sync of 1 ms, 1,000 a second: median",
         "ms", None, False),
        ("disk_with_1_ms_sync/stream_of_1000_per_s/commit_ms/p99", "sync of 1 ms, 1,000 a second: until durable, 99 %",
         "ms", 5.0, False),
        ("disk_with_1_ms_sync/stream_of_1000_per_s/commit_p99_in_median_syncs", "the same in median syncs", "syncs",
         5.0, False),
        ("disk_with_1_ms_sync/stream_of_1000_per_s/loop_lag_ms/p99", "sync of 1 ms: lag of the event loop, 99 %", "ms",
         10.0, False),
        ("long/edits", "a long journal: edits", "edits", None, True),
        ("long/size_mb", "a long journal: size", "MB", 600.0, False),
        ("long/cold/open_rows_s", "a long journal, cold: open rows found", "s", 0.1, False),
        ("long/cold/counts_s", "a long journal, cold: counts", "s", 2.0, False),
        ("long/cold/status_command_s", "a long journal, cold: the command `status`, start included", "s", 2.0, False),
        ("long/cold/load", "load of the machine meanwhile", "at work", None, False),
        ("long/resume/growth_of_memory", "a long journal offered again: memory beyond a hundredth's", "times", 0.2,
         False),
        ("long/resume/large/peak_mb", "a long journal offered again: memory of the process", "MB", None, False),
        ("long/resume/large/known_edits_per_s", "a long journal offered again: recognised", "edits/s", None, True),
    ],
    "download": [
        ("transfers/200 MB over http/omniedit/cpu_to_curl", "200 MB: CPU beside curl, which only writes", "times", 1.1,
         False),
        ("transfers/200 MB over http/omniedit/cpu_to_same_work", "200 MB: CPU beside curl, sha256 and sync", "times",
         None, False),
        ("transfers/200 MB over http/omniedit/wall_to_curl", "200 MB: time beside curl", "times", 1.25,
         False),
        ("transfers/200 MB over TLS/omniedit/wall_to_curl", "200 MB over TLS: time beside curl", "times", 1.25, False),
        ("transfers/200 MB over TLS/omniedit/cpu_to_curl", "200 MB over TLS: CPU beside curl", "times", 1.5, False),
        ("transfers/200 MB over TLS/omniedit/cpu_to_same_work", "200 MB over TLS: CPU beside curl, sha256 and sync",
         "times", None, False),
        ("transfers/32 x 10 MB over http/omniedit/cpu_to_curl", "32 at once: CPU beside curl", "times", 1.0, False),
        ("transfers/32 x 10 MB over http/omniedit/cpu_to_same_work", "32 at once: CPU beside curl, sha256 and sync",
         "times", None, False),
        ("memory/per_stream_of_32", "memory of one of 32 streams", "MiB", 2.0, False),
        ("loop_lag_ms/downloading/p99", "lag of the event loop while downloading, 99 %", "ms", 20.0, False),
    ],
    "preflight": [
        (f"local_cpu_us/{case}/omniedit", f"a local file, {said}: CPU", "us", 200.0, False)
        for case, said in (
            ("faststart", "index first"),
            ("moov_at_end", "index last"),
            ("fragmented", "fragmented"),
            ("mdat64", "64-bit sizes"),
        )
    ] + [
        (f"remote/{case}/{part}", f"a URL, {said}: {part}", part, bar, False)
        for case, said in (("faststart", "index first"), ("moov_at_end", "index last"), ("fragmented", "fragmented"))
        for part, bar in (("requests", 4.0), ("bytes", None))
    ],
    "report": [
        ("opening, seconds/sheet/first pictures", "a sheet of 5,000: first pictures", "s", 2.0, False),
        ("opening, seconds/sheet/complete", "a sheet of 5,000: whole file read", "s", None, False),
        ("opening, seconds/plain page/complete", "one element and two pictures for each: whole file read", "s", None,
         False),
        ("opening, seconds/sheet in a folder/complete", "a sheet of 5,000 in a folder: whole file read", "s", None,
         False),
        ("file bytes/sheet", "a sheet of 5,000: size", "bytes", None, False),
        ("writing/edits per second, two stills each", "writing, two stills each", "edits/s", None, True),
        ("writing/edits per second, no files", "writing, no stills", "edits/s", None, True),
    ],
    "callbacks": [
        ("polling/looks", "polling only: looks at one task", "looks", None, False),
        ("callbacks/suspicious", "with callbacks: looks at one task that no call brought about", "looks", None, False),
        ("polling/lag", "polling only: from the end of a task until it is known", "s", None, False),
        ("callbacks/lag", "with callbacks: the same", "s", None, False),
        ("ratios/storm_time", "10,000 forged calls meanwhile: duration of the batch beside none", "times", None, False),
    ],
}  # fmt: skip


def figures_of(name: str, stored: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a suite that are stored, in the shape in which the newer suites store them."""
    found = []
    for path, said, unit, bar, at_least in ROWS.get(name, []):
        value = _at(stored, path.split("/"))
        if isinstance(value, int | float):
            figure = Figure(said, float(value), unit, bar=bar, at_least=at_least)
            found.append(attrs.asdict(figure) | {"met": figure.met})
    return found


def matrices_of(name: str, stored: dict[str, Any]) -> list[Matrix]:
    """The tables of contestants of a suite."""
    match name:
        case "deadlines":
            said = "Results saved, of 1,000, by the order in which they are fetched (virtual time)."
            return [
                _matrix(said, {case: {who: f"{saved:,}" for who, saved in row.items()} for case, row in stored.items()})
            ]
        case "download":
            cells = {
                case: {who: f"{costs['cpu_to_curl']:.2f} / {costs['wall_to_curl']:.2f}" for who, costs in row.items()}
                for case, row in stored["transfers"].items()
            }
            return [_matrix("CPU / duration beside curl.", cells)]
        case "preflight":
            rows = stored["local_cpu_us"]
            named = {
                case.replace("_", " "): {who: f"{us:,.0f}" for who, us in row.items()} for case, row in rows.items()
            }
            for row in named.values():
                row.pop("PyAV_to_omniedit", None)
            return [_matrix("Microseconds of CPU for one local file.", named)]
        case _:
            return []


def _matrix(title: str, cells: dict[str, dict[str, str]]) -> Matrix:
    names = list(dict.fromkeys(who for row in cells.values() for who in row))
    return Matrix(title, ["", *names], [[case, *(row.get(who, "") for who in names)] for case, row in cells.items()])


def _at(stored: Any, path: list[str]) -> object:  # noqa: ANN401  # JSON
    for part in path:
        stored = stored.get(part) if isinstance(stored, dict) else None
    return stored

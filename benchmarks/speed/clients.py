"""What importing each client costs, and which version of it was measured: whole processes in turn."""

from __future__ import annotations

import subprocess

from benchmarks.harness import PEERS, ROOT, Figure

# What a user imports in order to make one request, and the package that it comes from.
IMPORTS = {
    "omniedit": ("from omniedit import Client", "omniedit"),
    "openai": ("from openai import AsyncOpenAI", "openai"),
    "runwayml": ("from runwayml import AsyncRunwayML", "runwayml"),
    "replicate": ("from replicate import Client", "replicate"),
    "fal": ("from fal_client import AsyncClient", "fal-client"),
    "lumaai": ("from lumaai import AsyncLumaAI", "lumaai"),
    "httpx": ("import httpx", "httpx"),
    "bare aiohttp": ("import aiohttp", "aiohttp"),
}
SPENT = "\nimport time\nprint(time.process_time())\n"
VERSION = "from importlib.metadata import version\nprint(version({!r}))"


def measure(rounds: int) -> list[Figure]:
    """CPU of the import, beyond the interpreter."""
    spent: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(rounds):
        nothing = float(_said(SPENT))
        for name, (statement, _) in IMPORTS.items():
            spent[name].append((float(_said(statement + SPENT)) - nothing) * 1000)
    return [_figure(name, sorted(found)) for name, found in spent.items()]


def _figure(name: str, found: list[float]) -> Figure:
    quarter = len(found) // 4
    value, low, high = found[len(found) // 2], found[quarter], found[-1 - quarter]
    return Figure(f"importing {name}: CPU", value, "ms", low, high, note=_said(VERSION.format(IMPORTS[name][1])))


def _said(code: str) -> str:
    done = subprocess.run([PEERS, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip()

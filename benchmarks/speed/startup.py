"""What starting costs: CPU seconds of whole processes, from their first instruction on.

Import and help are measured as the CPU time of the process; the first POST as the CPU time that the process has used
when the answer is there, since on a busy machine the clock on the wall measures the neighbours.

All contestants run from compiled bytecode, as an installed package has it. Where Python is told not to write any
(`PYTHONDONTWRITEBYTECODE`), a checkout would be compiled again at each start, and the installed packages beside it
would not. What that costs is a figure of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.harness import ROOT, Figure, ratio, serving

HELLO = '''
import click

@click.command()
@click.option("--count", default=1, help="How often.")
def hello(count):
    """Says hello."""
    click.echo("hello" * count)

hello(prog_name="hello")
'''
BARE_POST = """
import asyncio, sys, time
import aiohttp

async def main(url):
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer k"}) as session:
        body = {"model": "m", "prompt": "p", "video_urls": ["http://127.0.0.1/a.mp4"]}
        async with session.post(url + "/v1/videos/generations", json=body) as response:
            await response.json()
            print(time.process_time())

asyncio.run(main(sys.argv[1]))
"""
OUR_POST = """
import asyncio, sys, time
from omniedit import Client, Edit

async def main(url):
    async with Client("sk-benchmark", base_url=url, preflight=False) as client:
        await client.submit(Edit("http://127.0.0.1/a.mp4", "p"))
        print(time.process_time())

asyncio.run(main(sys.argv[1]))
"""
SPENT = "\nimport time\nprint(time.process_time())\n"
MUST = "import attrs, cattrs, anyio"  # what omniedit must have, but for aiohttp


def measure(rounds: int) -> list[Figure]:
    """All in turn, twice as often as asked for: each takes a tenth of a second."""
    with tempfile.TemporaryDirectory() as folder, serving() as url:
        hello, whole, partial = Path(folder) / "hello.py", Path(folder) / "whole", Path(folder) / "partial"
        hello.write_text(HELLO)
        commands = {
            "nothing": ["-c", SPENT],
            "must": ["-c", MUST + SPENT],
            "import": ["-c", "import omniedit" + SPENT],
            "must and import": ["-c", MUST + "\nimport omniedit" + SPENT],
            "hello": ["-c", _help_of("import runpy", f"runpy.run_path({str(hello)!r}, run_name='__main__')")],
            "help": ["-c", _help_of("from omniedit.cli.main import main", "main()")],
            "bare post": ["-c", BARE_POST, url],
            "our post": ["-c", OUR_POST, url],
        }
        compiled, from_source = _compiled(whole), _compiled(partial) | {"PYTHONDONTWRITEBYTECODE": "1"}
        for command in commands.values():
            _run(command, compiled)
        shutil.copytree(whole, partial, ignore=shutil.ignore_patterns("omniedit"))
        spent: dict[str, list[float]] = {name: [] for name in (*commands, "post from source")}
        for _ in range(2 * rounds):
            for name, command in commands.items():
                spent[name].append(_run(command, compiled))
            spent["post from source"].append(_run(commands["our post"], from_source))
    alone = [(one - two) * 1000 for one, two in zip(spent["import"], spent["nothing"], strict=True)]
    extra = [(one - two) * 1000 for one, two in zip(spent["must and import"], spent["must"], strict=True)]
    loaded = _run(["-c", "import sys, omniedit; print(float('aiohttp' in sys.modules))"], os.environ)
    return [
        _milliseconds("`import omniedit`, beyond the interpreter and attrs, cattrs, anyio", extra, 15.0),
        _milliseconds("`import omniedit` alone, beyond the interpreter", alone, None),
        Figure("aiohttp loaded by `import omniedit`", loaded, "modules", bar=0.0),
        ratio("`omniedit --help` beside a click hello-world", spent["help"], spent["hello"], bar=1.5),
        ratio("first POST answered, beside a bare aiohttp script", spent["our post"], spent["bare post"], bar=1.2),
        ratio(
            "the same, our modules compiled at each start",
            spent["post from source"],
            spent["bare post"],
            note="in a checkout whose bytecode is not kept; figures before this row was there were measured so",
        ),
    ]


def _help_of(first: str, then: str) -> str:
    """Runs a command's help and tells what the process had used by then."""
    return f"""
import sys, time
sys.argv = ["x", "--help"]
{first}
try:
    {then}
except SystemExit:
    pass
print()
print(time.process_time())
"""


def _compiled(folder: Path) -> dict[str, str]:
    """An environment in which bytecode is kept in a folder, and nowhere else."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return given | {"PYTHONPYCACHEPREFIX": str(folder)}


def _run(command: list[str], environment: Mapping[str, str]) -> float:
    """The last line that it prints."""
    line = [sys.executable, *command]
    done = subprocess.run(line, check=True, capture_output=True, text=True, cwd=ROOT, env=environment)
    return float(done.stdout.split()[-1])


def _milliseconds(name: str, found: list[float], bar: float | None) -> Figure:
    ordered = sorted(found)
    quarter = len(ordered) // 4
    return Figure(name, ordered[len(ordered) // 2], "ms", ordered[quarter], ordered[-1 - quarter], bar)

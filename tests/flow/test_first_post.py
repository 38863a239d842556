"""A fresh process that only submits loads what the paid request needs, and not the rest of the library."""

from __future__ import annotations

import asyncio
import sys

from omniedit.testing import Sandbox

SUBMIT = """
import asyncio, sys
from omniedit import Client, Edit

async def main(url):
    async with Client("sk-sandbox", base_url=url, preflight=False) as client:
        print(bool((await client.submit(Edit("https://example.com/a.mp4", "Warmer"))).id))

asyncio.run(main(sys.argv[1]))
print(*sys.modules)
"""
NEEDLESS = {
    *("cattrs", "sqlite3"),
    *("omniedit.changes", "omniedit.codecs.answers", "omniedit.codecs.converting", "omniedit.core.lifecycle"),
    *("omniedit.core.naming", "omniedit.core.polling", "omniedit.flow.engine", "omniedit.flow.sources"),
    *("omniedit.journal", "omniedit.media", "omniedit.models.clips", "omniedit.models.entries"),
}


async def test_a_bare_submission_loads_no_journal_no_engine_and_no_converter() -> None:
    """The first answer comes without the modules that only whole edits, batches and refusals need."""
    async with Sandbox() as sandbox:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SUBMIT, sandbox.base_url, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
    submitted, loaded = said.decode().splitlines()
    assert submitted == "True"
    assert NEEDLESS & set(loaded.split()) == set()
    assert {"omniedit.api.client", "omniedit.flow.calls"} <= set(loaded.split())

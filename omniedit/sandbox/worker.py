"""An editing process: reads one job a line from standard input, answers one line each on standard output (JSON).

A process of our own instead of ``multiprocessing``: it never imports the user's ``__main__``, so that plain scripts
without a guard can start a sandbox, and it ends by itself when its parent's end of the pipe is gone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import cast

from omniedit.sandbox.editing import EditRefused, edit_clip

__all__ = ["main"]


def main() -> None:
    """Work until standard input ends."""
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(json.dumps(_work(json.loads(line))).encode() + b"\n")
        sys.stdout.buffer.flush()


def _work(job: dict[str, object]) -> dict[str, object]:
    source, target = Path(str(job["source"])), Path(str(job["target"]))
    try:
        seconds = edit_clip(source, target, str(job["prompt"]), max_seconds=cast("float", job["max_seconds"]))
    except EditRefused as refusal:
        return {"code": refusal.code, "message": refusal.message}
    except Exception as error:  # noqa: BLE001 - one clip that nobody can read must not end the process
        return {"code": "service_error", "message": f"The edit failed: {type(error).__name__}: {error}"}
    return {"seconds": seconds}


if __name__ == "__main__":
    main()

"""`python -m benchmarks.live [--edits 100000]`: see `benchmarks.scale.live`."""

from __future__ import annotations

from benchmarks.scale.live import main

if __name__ == "__main__":
    main()

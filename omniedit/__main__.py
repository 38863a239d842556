"""`python -m omniedit`."""

from __future__ import annotations

from omniedit.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    main()

"""What `batch` was called with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import attrs

from omniedit.cli.options import Service

__all__ = ["BatchOptions"]


@attrs.frozen(kw_only=True)
class BatchOptions:
    """The options of one batch, as click read them."""

    service: Service
    sources: tuple[str, ...]
    prompt: str | None
    folder: Path = attrs.field(converter=Path)
    journal: str | None
    name: str
    max_in_flight: int | None
    max_credits: float | None
    on_uncertain: Literal["hold", "replay"]
    retry_failed: bool
    dry_run: bool
    report: str | None
    no_preflight: bool
    overwrite: bool
    limit_rate: float | None
    callback_base: str | None
    as_json: bool

    @property
    def memory(self) -> Path:
        """Where the journal lies."""
        return Path(self.journal) if self.journal else self.folder / "omniedit.db"

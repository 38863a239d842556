"""What `batch` was called with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import attrs

from omniedit.cli.options import Service
from omniedit.errors import ConfigurationError
from omniedit.journal.opening import is_dsn, refuse_address

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
    shared_key: bool
    max_credits: float | None
    on_uncertain: Literal["hold", "replay"]
    settle_by_listing: bool
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
        """Where the journal lies.

        Raises:
            ConfigurationError: in a database, which is for many hosts, or behind an address that is none of ours.
        """
        if self.journal and is_dsn(self.journal):
            raise ConfigurationError(
                "batch keeps its journal in a file; a database is shared by workers",
                mend="give --journal a path, or use enqueue and worker with OMNIEDIT_DSN",
            )
        refuse_address(self.journal or "")
        return Path(self.journal) if self.journal else self.folder / "omniedit.db"

"""Before and after, side by side, in one HTML file."""

from __future__ import annotations

from omniedit.report.sheet import EMBED_LIMIT, ReportFacts, write_report

__all__ = ["EMBED_LIMIT", "ReportFacts", "write_report"]

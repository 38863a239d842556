"""The shared journal keeps the contract that every store keeps."""

from __future__ import annotations

import pytest

from omniedit.journal.contract import Check, journal_contract
from omniedit.journal.postgres import PostgresJournal


@pytest.mark.parametrize("check", journal_contract, ids=lambda check: check.__name__)
async def test_postgres_keeps_the_contract(check: Check, dsn: str) -> None:
    """The journal in one database, opened anew each time."""
    await check(lambda: PostgresJournal(dsn))

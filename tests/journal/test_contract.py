"""Every store that is shipped keeps the contract, and the contract notices a store that does not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest

from omniedit.errors import OmniEditError
from omniedit.journal import Journal, MemoryJournal, NameTaken, SqliteJournal
from omniedit.journal.contract import Check, journal_contract
from omniedit.models import Answer, Entry, Outcome


@pytest.mark.parametrize("check", journal_contract, ids=lambda check: check.__name__)
async def test_memory_keeps_the_contract(check: Check) -> None:
    """The journal without a disk."""
    journal = MemoryJournal()
    await check(lambda: journal)


@pytest.mark.parametrize("check", journal_contract, ids=lambda check: check.__name__)
async def test_sqlite_keeps_the_contract(check: Check, tmp_path: Path) -> None:
    """The journal in one file, opened anew each time."""
    await check(lambda: SqliteJournal(tmp_path / "journal.db"))


class LastEditWins(MemoryJournal):
    """Breaks rule 2: a job is written again."""

    async def admit(self, entries: Sequence[Entry]) -> Sequence[Entry | NameTaken]:
        """Replace what is known."""
        return [await self._again(entry) for entry in entries]

    async def _again(self, entry: Entry) -> Entry | NameTaken:
        (found,) = await super().admit([entry])
        if isinstance(found, Entry):
            self._entries[entry.key] = found = entry
        return found


class LastAnswerWins(MemoryJournal):
    """Breaks rule 3: an accepted task is taken back."""

    async def answer(self, answer: Answer, entry: Entry | None = None) -> None:
        """Open the attempt again before it is answered."""
        known = self._attempts.get(answer.nonce)
        if known is not None:
            self._attempts[answer.nonce] = attrs.evolve(known, outcome=Outcome.sent)
        await super().answer(answer, entry)


class AnyService(MemoryJournal):
    """Breaks rule 5: every origin may open it."""

    async def open(self, origin: str) -> None:
        """Forget whose it was."""
        self._origin = None
        await super().open(origin)


@pytest.mark.parametrize("kind", [LastEditWins, LastAnswerWins, AnyService])
async def test_contract_notices_a_store_that_breaks_it(kind: type[MemoryJournal]) -> None:
    """A suite that nothing can fail proves nothing."""
    broken = [check for check in journal_contract if not await keeps(check, kind())]
    assert 0 < len(broken) < len(journal_contract)


async def keeps(check: Check, journal: Journal) -> bool:
    """Whether a store passes one check."""
    try:
        await check(lambda: journal)
    except (AssertionError, OmniEditError):
        return False
    return True

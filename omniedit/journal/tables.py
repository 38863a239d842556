"""What a journal's operations are in SQL, one after the other, on an open connection.

Rules of this module:
- an operation checks first and writes then, so that one that refuses (`JournalError`) has written nothing and the
  others of its group can be committed;
- transactions are the caller's business.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from omniedit.journal.base import Counts, NameTaken
from omniedit.journal.paging import Page
from omniedit.journal.rows import (
    OUTCOMES,
    KnownAttempt,
    Row,
    attempt_of,
    entry_of,
    from_micros,
    job_row,
    micros,
    pack,
    state_row,
    status_code,
    status_of,
    target_mark,
    text,
    unpack,
    untext,
)
from omniedit.journal.rules import answered, check_edit, fold, nonce_of, not_admitted, resent, unknown_nonce
from omniedit.journal.statements import statements
from omniedit.models import Answer, Attempt, Entry, Hosted, Status

__all__ = ["Reading", "Writing"]

# Rows of one page.
_PAGE = 256
# Columns of `state` that every edit has from the start.
_ADMITTED = {"is_open", "status", "at"}
# Phrases that are remembered by their text, and the longest text worth remembering (characters).
_PHRASES, _LONGEST_PHRASE = 1024, 4096


class Reading:
    """The operations that only read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._statements = statements("sqlite")

    def entry(self, key: str) -> Entry | None:
        """The edit with this key."""
        row = self._one("entry_of_key", {"key": pack(key)})
        return None if row is None else entry_of(row)

    def by_nonce(self, nonce: str) -> Entry | None:
        """The edit that one attempt belongs to."""
        row = self._one("entry_of_nonce", {"nonce": pack(nonce)})
        return None if row is None else entry_of(row)

    def attempts(self, key: str) -> Sequence[Attempt]:
        """All attempts of one edit, oldest first."""
        return tuple(attempt_of(row).value for row in self._run("attempts_of_key", {"key": pack(key)}))

    def page(self, after: int, *, open_only: bool) -> Page:
        """The entries behind a job number, whatever their status."""
        return self._page("page_of_open" if open_only else "page_of_all", after=after)

    def page_of_status(self, after: int, status: Status) -> Page:
        """The entries behind a job number that have one status."""
        query = "page_of_ended_status" if status.terminal else "page_of_open_status"
        return self._page(query, after=after, status=status_code(status))

    def counts(self) -> Counts:
        """Edits per status and sums of credits."""
        rows = self._run("counts", {}).fetchall()
        return Counts(
            statuses={status_of(code): edits for code, edits, _, _ in rows},
            credits_reserved=sum(reserved for _, _, reserved, _ in rows),
            credits_used=sum(used for _, _, _, used in rows),
        )

    def _page(self, query: str, **parameters: object) -> Page:
        return [(row[0], entry_of(row)) for row in self._run(query, {"page": _PAGE, **parameters})]

    def _run(self, query: str, parameters: Mapping[str, object]) -> sqlite3.Cursor:
        statement = self._statements[query]
        return self._connection.execute(statement.sql, statement.values(parameters))

    def _one(self, query: str, parameters: Mapping[str, object]) -> Row | None:
        row: Row | None = self._run(query, parameters).fetchone()
        return row


class Writing(Reading):
    """All operations; the phrases used lately are remembered by number."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._phrases: dict[str, int] = {}
        self.discarded = False

    def discard(self) -> None:
        """Ask for the journal to be deleted when it is closed."""
        self.discarded = True

    def forget_phrases(self) -> None:
        """After a rollback: what was added in that transaction has no number any more."""
        self._phrases.clear()

    def admit(self, entries: Sequence[Entry]) -> Sequence[Entry | NameTaken]:
        """Keep the first edit of each key and of each target."""
        for entry in entries:
            check_edit(entry.edit)
        return [self._admit(entry) for entry in entries]

    def write(self, entry: Entry) -> None:
        """Replace the state of one edit."""
        if not self._run("set_state", {"key": pack(entry.key), **state_row(entry)}).rowcount:
            raise not_admitted(entry.key)

    def intend(self, entry: Entry) -> None:
        """Replace the state and add the attempt, or open it again."""
        nonce = nonce_of(entry)
        added = self._run(
            "add_attempt", {"key": pack(entry.key), "nonce": pack(nonce), "at": micros(entry.at)}
        ).rowcount
        if not added:
            self._send_again(nonce, entry)
        self.write(entry)

    def answer(self, answer: Answer, entry: Entry | None) -> None:
        """Fill in the outcome of an attempt, and replace the state when one is given."""
        known = self._attempt(answer.nonce)
        if known is None:
            raise unknown_nonce(answer.nonce)
        self._change(known, answered(known.value, answer, entry))
        if entry is not None:
            self.write(entry)

    def recall_upload(self, content: str, host: str, now: datetime) -> Hosted | None:
        """The hosted copy, while it lives."""
        row = self._one("get_upload", {"content": pack(content), "host": host, "now": micros(now)})
        return None if row is None else Hosted(url=f"{untext(row[0])}", expires_at=from_micros(row[1]))

    def remember_upload(self, content: str, host: str, hosted: Hosted) -> None:
        """Keep where a content is hosted."""
        expires_at = micros(hosted.expires_at)
        self._run(
            "put_upload", {"content": pack(content), "host": host, "url": text(hosted.url), "expires_at": expires_at}
        )

    def _admit(self, entry: Entry) -> Entry | NameTaken:
        if self._one("job_of_key", {"key": pack(entry.key)}) is not None:
            return cast("Entry", self.entry(entry.key))
        mark = target_mark(entry.target)
        holder = self._holder(entry.target, mark)
        if holder is not None:
            return NameTaken(entry.target, holder)
        cursor = self._run("add_job", job_row(entry, mark, self._phrase))
        state = state_row(entry)
        self._run("add_state", {"job": cursor.lastrowid, **state})
        if any(state[column] is not None for column in state.keys() - _ADMITTED):
            self.write(entry)
        return entry

    def _holder(self, target: str, mark: int | None) -> str | None:
        """Key of the edit that has this target; the mark finds candidates, the text decides."""
        for key, folder, name in self._run("jobs_of_target", {"mark": mark}):
            if fold(f"{untext(folder)}{untext(name)}") == fold(target):
                return unpack(key)
        return None

    def _phrase(self, value: str) -> int:
        """The number of a text, which is written unless it was used lately."""
        number = self._phrases.pop(value, None)
        if number is None:
            number = cast("int", self._run("add_phrase", {"value": text(value)}).lastrowid)
        if len(value) <= _LONGEST_PHRASE:
            self._phrases[value] = number
        if len(self._phrases) > _PHRASES:
            del self._phrases[next(iter(self._phrases))]
        return number

    def _send_again(self, nonce: str, entry: Entry) -> None:
        """Nothing was added: the nonce is known already, or the edit is not."""
        known = self._attempt(nonce)
        if known is None:
            raise not_admitted(entry.key)
        self._change(known, resent(known.value, entry))

    def _attempt(self, nonce: str) -> KnownAttempt | None:
        row = self._one("attempt_of_nonce", {"nonce": pack(nonce)})
        return None if row is None else attempt_of(row)

    def _change(self, known: KnownAttempt, attempt: Attempt) -> None:
        outcome = OUTCOMES.index(attempt.outcome)
        task_id, detail = text(attempt.task_id), text(attempt.detail)
        self._run("set_attempt", {"id": known.id, "outcome": outcome, "task_id": task_id, "detail": detail})

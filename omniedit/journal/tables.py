"""What a journal's operations are in SQL, one after the other, on an open connection.

Rules of this module:
- an operation checks first and writes then, so that one that refuses (`JournalError`) has written nothing and the
  others of its group can be committed;
- transactions are the caller's business.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import cast

from omniedit.journal.base import Counts, NameTaken
from omniedit.journal.paging import Page
from omniedit.journal.recent import Recent
from omniedit.journal.rows import (
    OUTCOMES,
    KnownJob,
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
from omniedit.journal.rules import (
    answered,
    check_edit,
    fold,
    nonce_of,
    nonce_taken,
    not_admitted,
    resent,
    unknown_nonce,
)
from omniedit.journal.statements import statements
from omniedit.models import Answer, Attempt, Entry, Hosted, Status

__all__ = ["Reading", "Writing"]

# Rows of one page.
_PAGE = 256
# Columns of `state` that every edit has from the start.
_ADMITTED = {"job", "is_open", "status", "at"}
# Jobs and phrases that are remembered, and the longest phrase worth remembering (characters): a few megabytes.
_JOBS, _PHRASES, _LONGEST_PHRASE = 4096, 1024, 4096


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
        return tuple(attempt_of(row) for row in self._run("attempts_of_key", {"key": pack(key)}))

    def known_tasks(self, task_ids: Collection[str]) -> frozenset[str]:
        """Those of some task ids that stand anywhere."""
        rows = self._run("known_tasks", {"task_ids": json.dumps(list(task_ids))})
        return frozenset(f"{untext(row[0])}" for row in rows)

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
    """All operations. Nobody else writes, so jobs and phrases that were used lately are remembered."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._jobs: Recent[str, KnownJob] = Recent(_JOBS)
        self._phrases: Recent[str, int] = Recent(_PHRASES)
        self.discarded = False

    def discard(self) -> None:
        """Ask for the journal to be deleted when it is closed."""
        self.discarded = True

    def forget(self) -> None:
        """After a rollback: what is remembered of that transaction is not so."""
        self._jobs.clear()
        self._phrases.clear()

    def admit(self, entries: Sequence[Entry]) -> Sequence[Entry | NameTaken]:
        """Keep the first edit of each key and of each target."""
        for entry in entries:
            check_edit(entry.edit)
        return [self._admit(entry) for entry in entries]

    def write(self, entry: Entry) -> None:
        """Replace the state of one edit."""
        self._replace(state_row(entry, self._job(entry.key)))

    def intend(self, entry: Entry) -> None:
        """Replace the state and add the attempt, or open it again."""
        nonce, job = nonce_of(entry), self._job(entry.key)
        number = job.number(nonce)
        if number:
            self._change(job, number, resent(job.attempts[number - 1], entry))
        else:
            self._begin(job, Attempt(nonce, entry.key, entry.at))
        self.write(entry)

    def answer(self, answer: Answer, entry: Entry | None) -> None:
        """Fill in the outcome of an attempt, and replace the state when one is given."""
        job = self._job_of_nonce(answer.nonce, entry)
        number = job.number(answer.nonce)
        self._change(job, number, answered(job.attempts[number - 1], answer, entry))
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
        if self._jobs.get(entry.key) or self._one("job_of_key", {"key": pack(entry.key)}):
            return cast("Entry", self.entry(entry.key))
        mark = target_mark(entry.target)
        holder = self._holder(entry.target, mark)
        if holder is not None:
            return NameTaken(entry.target, holder)
        cursor = self._run("add_job", job_row(entry, mark, self._phrase))
        job = self._jobs.put(entry.key, KnownJob(cast("int", cursor.lastrowid), entry.target))
        state = state_row(entry, job)
        self._run("add_state", state)
        if any(state[column] is not None for column in state.keys() - _ADMITTED):
            self._replace(state)
        return entry

    def _replace(self, state: Mapping[str, object]) -> None:
        if not state["is_open"]:
            self._run("turn_state", state)
        if not self._run("set_state", state).rowcount:  # it had ended, and is open again
            self._run("turn_state", state)
            self._run("set_state", state)

    def _holder(self, target: str, mark: int | None) -> str | None:
        """Key of the edit that has this target; the mark finds candidates, the text decides."""
        for key, folder, name in self._run("jobs_of_target", {"mark": mark}):
            if fold(f"{untext(folder)}{untext(name)}") == fold(target):
                return unpack(key)
        return None

    def _phrase(self, value: str) -> int:
        """The number of a text, which is written unless it was used lately."""
        number = self._phrases.get(value)
        if number is None:
            number = cast("int", self._run("add_phrase", {"value": text(value)}).lastrowid)
            if len(value) <= _LONGEST_PHRASE:
                self._phrases.put(value, number)
        return number

    def _job(self, key: str) -> KnownJob:
        return self._jobs.get(key) or self._jobs.put(key, self._read_job(key))

    def _read_job(self, key: str) -> KnownJob:
        row = self._one("job_of_key", {"key": pack(key)})
        if row is None:
            raise not_admitted(key)
        job, folder, name = row
        return KnownJob(job, f"{untext(folder)}{untext(name)}", list(self.attempts(key)))

    def _job_of_nonce(self, nonce: str, entry: Entry | None) -> KnownJob:
        """Mostly the job of the entry that came with the answer."""
        if entry is not None and (job := self._jobs.get(entry.key)) and job.number(nonce):
            return job
        key = self._key_of_nonce(nonce)
        if key is None:
            raise unknown_nonce(nonce)
        return self._job(key)

    def _key_of_nonce(self, nonce: str) -> str | None:
        row = self._one("key_of_nonce", {"nonce": pack(nonce)})
        return None if row is None else unpack(row[0])

    def _begin(self, job: KnownJob, attempt: Attempt) -> None:
        row = {
            "id": job.attempt_id(len(job.attempts) + 1),
            "nonce": pack(attempt.nonce),
            "at": micros(attempt.at),
            "outcome": OUTCOMES.index(attempt.outcome),
        }
        if not self._run("add_attempt", row).rowcount:
            raise nonce_taken(attempt.nonce, attempt.key, f"{self._key_of_nonce(attempt.nonce)}")
        job.attempts.append(attempt)

    def _change(self, job: KnownJob, number: int, attempt: Attempt) -> None:
        row = {
            "id": job.attempt_id(number),
            "outcome": OUTCOMES.index(attempt.outcome),
            "task_id": text(attempt.task_id),
            "detail": text(attempt.detail),
        }
        self._run("set_attempt", row)
        job.attempts[number - 1] = attempt

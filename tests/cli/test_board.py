"""The picture of a run: rows, numbers, pace; and the words around it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from omniedit.changes import Change, Summary, Transfer
from omniedit.cli.board import Board
from omniedit.cli.words import amount, clean, clock_time, conclude, counted, ended_line
from omniedit.errors import AuthenticationFailed, TaskFailed
from omniedit.models import Edit, Status

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
S = Status


def edit(number: int) -> Edit:
    """One of many."""
    return Edit(f"clip-{number}.mp4", "x")


def change(number: int, status: Status, previous: Status | None = S.queued, progress: int = 0) -> Change:
    """Something happened to it."""
    return Change(edit(number), status, previous, progress, at=NOON)


def test_rows_stay_where_they_are_until_their_edit_ends() -> None:
    """A row does not jump; a free one goes to a transfer first."""
    board = Board(10, 0.0)
    for number in range(5):
        board.see(change(number, S.processing), 0.0)
    assert [row.source for row in board.frame(0.0, 2, None).rows] == ["clip-0.mp4", "clip-1.mp4"]
    board.see(change(4, S.downloading, S.completed), 0.0)
    board.see(change(0, S.saved, S.downloading), 0.0)
    frame = board.frame(0.0, 2, None)
    assert [row.source for row in frame.rows] == ["clip-1.mp4", "clip-4.mp4"]
    assert frame.hidden == 2


def test_bytes_belong_to_the_transfer_that_moves_them() -> None:
    """The bytes of an upload are not shown as those of the download."""
    board = Board(1, 0.0)
    board.see(change(0, S.uploading), 0.0)
    board.moved(Transfer(edit(0), S.uploading, 5, 10))
    assert (board.frame(0.0, 1, None).rows[0].done, board.frame(0.0, 1, None).rows[0].size) == (5, 10)
    board.see(change(0, S.downloading, S.completed), 0.0)
    board.moved(Transfer(edit(0), S.uploading, 9, 10))
    assert (board.frame(0.0, 1, None).rows[0].done, board.frame(0.0, 1, None).rows[0].size) == (0, None)


def test_totals_count_and_foretell() -> None:
    """Ten of a hundred in ten seconds: ninety more take ninety."""
    board = Board(100, 0.0)
    for number in range(10):
        board.see(change(number, S.failed if number == 0 else S.saved, S.downloading), float(number))
    board.see(change(50, S.processing), 9.0)
    totals = board.totals(10.0, None)
    assert (totals.saved, totals.failed, totals.in_flight, totals.waiting) == (9, 1, 1, 89)
    assert totals.rate == pytest.approx(60.0)
    assert totals.left == pytest.approx(90.0)
    assert "9 of 100 saved" in totals.parts()
    assert board.totals(100.0, None).left is None  # nothing has ended for a minute


def test_what_ended_in_an_earlier_run_says_nothing_about_the_pace() -> None:
    """Otherwise a resumed batch would promise to be done in a second."""
    board = Board(100, 0.0)
    for number in range(50):
        board.see(change(number, S.saved, None), 0.1)
    assert board.totals(1.0, None).rate == 0.0
    assert board.totals(1.0, None).saved == 50


def test_ten_thousand_edits_take_a_dozen_rows() -> None:
    """However many are under way, the picture stays small, and no ended edit is kept."""
    board = Board(10_000, 0.0)
    for number in range(10_000):
        board.see(change(number, S.processing), 0.0)
    frame = board.frame(0.0, 12, None)
    assert (len(frame.rows), frame.hidden) == (12, 9_988)
    for number in range(10_000):
        board.see(change(number, S.saved, S.downloading), 1.0)
    assert board.frame(1.0, 12, None).rows == ()


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2Jgone", "\\u001b[2Jgone"),
        ("a\nb", "a b"),
        ("fdp.\u202egpj", "fdp.\\u202egpj"),
        ("\ud800", "\\ud800"),
        ("雪を 👩‍🎤", "雪を 👩‍🎤"),
        ("\x9b2J", "\\u009b2J"),
    ],
)
def test_hostile_text_is_shown_and_not_obeyed(hostile: str, shown: str) -> None:
    """Names and prompts come from anywhere."""
    assert clean(hostile) == shown


def test_a_conclusion_groups_failures_and_says_how_to_go_on() -> None:
    """Each reason once, the most frequent first, with its mend and few examples."""
    flagged = TaskFailed("no", code="content_policy_violation", mend="change the prompt")
    failures = [Change(edit(n), S.failed, at=NOON, error=flagged) for n in range(5)]
    failures.append(Change(edit(9), S.queued, at=NOON, error=AuthenticationFailed("401", mend="check the key")))
    stopped = AuthenticationFailed("401", mend="check the key")
    summary = Summary({S.saved: 4, S.failed: 5, S.queued: 1}, 60.0, 12.5, 65.0, tuple(failures), stopped)
    said = conclude(summary, "omniedit batch m.csv -o out")
    assert said.headline == "Saved 4 of 10 in 1:05, 60 credits reserved, 12.5 used."
    assert [(group.count, group.code, group.mend) for group in said.groups] == [
        (5, "content_policy_violation", "change the prompt"),
        (1, "unauthorized", "check the key"),
    ]
    assert len(said.groups[0].examples) == 3
    assert said.hints[-1].endswith("omniedit batch m.csv -o out")


def test_a_good_end_needs_no_advice() -> None:
    """All saved: one line."""
    said = conclude(Summary({S.saved: 3}, 0.0, 0.0, 3.0), "omniedit")
    assert (said.groups, said.hints) == ((), ())


def test_numbers_and_lines_read_well() -> None:
    """Small words."""
    assert [clock_time(seconds) for seconds in (0.4, 59, 60, 3599, 3723)] == ["0 s", "59 s", "1:00", "59:59", "1:02:03"]
    assert [amount(number) for number in (0.0, 12.0, 1234.56)] == ["0", "12", "1,234.6"]
    assert counted({S.failed: 1, S.saved: 2, S("reviewing"): 1}) == "2 saved, 1 failed, 1 reviewing"
    saved = Change(edit(1), S.saved, S.downloading, at=NOON, path=Path("out/a.mp4"), credits=6.4)
    assert ended_line(saved).split() == ["saved", "clip-1.mp4", "->", "out/a.mp4", "(6.4", "credits)"]

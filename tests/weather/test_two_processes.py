"""Two processes want one journal: one works, the other says who does, and nothing is ordered twice."""

from __future__ import annotations

from typing import Any


def test_same_batch_twice_at_once_is_paid_once(weather: Any, until: Any) -> None:
    """Started in one moment on one folder: whoever comes second is told so and sends nothing."""
    w = weather(settings={"virtual_time": True})
    processes = [w.start(), w.start(), w.start()]
    until(lambda: len(w.sandbox.accepted) == 6 and sum(process.poll() is None for process in processes) == 1)
    w.sandbox.advance(60)
    words = sorted(str(w.end(process)["stopped"]) for process in processes)
    assert words == ["None", "journal_busy", "journal_busy"]
    assert len(w.sandbox.submissions) == 6
    w.check_end()


def test_process_after_process_on_one_journal_is_paid_once(weather: Any, until: Any) -> None:
    """While one works others come and are refused; when it was killed the next one takes over."""
    w = weather(settings={"virtual_time": True})
    first = w.start()
    until(lambda: len(w.sandbox.accepted) == 6)
    assert w.run()["stopped"] == "journal_busy"
    first.kill()
    first.communicate()
    w.sandbox.advance(60)
    w.settle()

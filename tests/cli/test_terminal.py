"""Bars in a real terminal, as tmux shows it: colours or none, wide or narrow, many edits, log lines in between."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omniedit.testing import BackgroundSandbox, Settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux, to look into a real terminal"),
]
SLOW = Settings(editing="canned", task_seconds=3.0, task_spread=0.3, pending_seconds=0.1)
FAULTS = {"faults": [{"fault": "fail", "every": 5, "code": "content_policy_violation"}]}
EDITS = 40


class Terminal:
    """One window of tmux, on a server of its own."""

    def __init__(self, socket: Path) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]

    def run(self, command: str, columns: int, lines: int) -> None:
        """Run a command in a window of this size."""
        size = ["-x", str(columns), "-y", str(lines)]
        self._call("new-session", "-d", *size, f"{command}; echo exit=$?; read nothing")

    def shown(self, *, colours: bool = False) -> str:
        """What the window and its history show, lines that wrapped at its edge as they are."""
        return self._call("capture-pane", "-p", "-S", "-200", *(["-e"] if colours else []))

    def send(self, key: str) -> None:
        """Press a key."""
        self._call("send-keys", key)

    def close(self) -> None:
        """End it."""
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)

    def _call(self, *arguments: str) -> str:
        done = subprocess.run([*self._tmux, *arguments], check=True, capture_output=True, timeout=30)
        return done.stdout.decode()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal."""
    found = Terminal(tmp_path / "tmux")
    yield found
    found.close()


@pytest.fixture
def batch(omniedit: Any, clips: Path, sandbox: BackgroundSandbox) -> str:
    """The command line of a batch that takes some seconds."""
    url = sandbox.host_clip(clips / "a.mp4")
    lines = [f"{url},雪を降らせて,clip-{number:03},{number}" for number in range(EDITS)]
    text = "\n".join(["source,prompt,name,variant", *lines])
    (omniedit.folder / "m.csv").write_text(text, encoding="utf-8")
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in sandbox.environment().items())
    return f"cd {omniedit.folder} && {settings} %s {sys.executable} -m omniedit batch m.csv -o out"


@pytest.mark.omniedit(settings=SLOW, faults=FAULTS)
@pytest.mark.parametrize("columns", [40, 100])
@pytest.mark.parametrize("colour", ["", "NO_COLOR=1"])
def test_bars_fit_their_terminal(terminal: Terminal, batch: str, until: Any, columns: int, colour: str) -> None:
    """A dozen rows at most, one line of totals, nothing left of the bars at the end, every reason with its mend."""
    terminal.run(batch % f"COLUMNS=70 {colour}", columns, 24)  # as a shell may have left it
    until(lambda: "in flight" in " ".join(terminal.shown().split()) and "processing" in terminal.shown())
    picture, coloured = terminal.shown(), terminal.shown(colours=True)
    rows = re.findall(r"^clip-\d+ .*$", picture, flags=re.MULTILINE)
    assert 1 <= len(rows) <= 12
    assert all(len(row) <= columns for row in rows)
    assert len({row.split()[0] for row in rows}) == len(rows)  # no row is drawn twice
    assert f"of {EDITS} saved" in picture
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-8]", coloured)) == (not colour)
    until(lambda: "exit=" in terminal.shown())
    end = terminal.shown()
    assert "exit=1" in end
    assert "━" not in end
    assert not re.search(r"^clip-\d+ ", end, flags=re.MULTILINE)
    flat = " ".join(end.split())
    assert f"Saved {EDITS - EDITS // 5} of {EDITS}" in flat
    assert "changethepromptortheclip" in "".join(end.split())  # the terminal breaks lines within words
    assert "omniedit batch m.csv -o out" in flat


@pytest.mark.omniedit(settings=SLOW)
def test_an_interruption_leaves_a_tidy_terminal(terminal: Terminal, batch: str, until: Any) -> None:
    """Ctrl-C: bars gone, the message whole, the cursor back."""
    terminal.run(batch % "", 100, 24)
    until(lambda: "processing" in terminal.shown())
    terminal.send("C-c")
    until(lambda: "exit=" in terminal.shown())
    end = terminal.shown()
    assert "exit=130" in end
    assert "Interrupted. In flight:" in end
    assert "━" not in end
    assert terminal._call("display-message", "-p", "#{cursor_flag}").strip() == "1"  # noqa: SLF001 - asked of tmux


@pytest.mark.omniedit(settings=SLOW, faults={"faults": [{"fault": "lost_reply", "nth": [2, 4]}]})
def test_log_lines_stand_above_the_bars(terminal: Terminal, batch: str, until: Any) -> None:
    """A warning is whole, and no bar is drawn over it."""
    terminal.run(batch % "", 200, 24)
    until(lambda: terminal.shown().count("submit.uncertain") == 2 and "processing" in terminal.shown())
    picture = terminal.shown()
    assert picture.rindex("submit.uncertain") < picture.index("clip-0")
    assert all("━" not in line for line in picture.splitlines() if "submit.uncertain" in line)


@pytest.mark.omniedit(settings=SLOW)
def test_a_dumb_terminal_gets_plain_lines(terminal: Terminal, batch: str, until: Any) -> None:
    """Nothing is drawn where nothing can be."""
    terminal.run(batch % "TERM=dumb", 100, 60)
    until(lambda: "exit=" in terminal.shown())
    end = terminal.shown()
    assert "exit=0" in end
    assert "━" not in end
    assert len(re.findall(r"^saved ", end, flags=re.MULTILINE)) == EDITS

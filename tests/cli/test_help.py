"""Help: light, whole, and the same as the documentation says."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from omniedit.cli.app import COMMANDS, cli
from omniedit.cli.options import read_bytes

PAGE = Path(__file__).parents[2] / "docs/command-line.md"


def documented(name: str) -> str:
    """The page's part about one command."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n### {name}\n")
    return re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]


def options_of(name: str) -> list[tuple[str, str]]:
    """What `--help` shows of each option, but for the bounds that click adds."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    context = click.Context(command, info_name=name)
    records = [p.get_help_record(context) for p in command.params if isinstance(p, click.Option)]
    return [(record[0], re.sub(r"\s*\[[^]]*\]$", "", record[1])) for record in records if record]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_says_what_help_says(name: str) -> None:
    """Every option with the same words, and none that is not there."""
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \|$", documented(name), flags=re.MULTILINE)
    assert [(flag.replace("\\|", "|"), text.replace("\\|", "|")) for flag, text in rows] == options_of(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    """The page opens with the same sentence as the help."""
    shown = CliRunner().invoke(cli, [name, "--help"], prog_name="omniedit")
    assert shown.exit_code == 0
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.help
    first = command.help.split("\n\n")[0].strip()
    assert " ".join(first.split()) in " ".join(documented(name).split())
    assert "API_KEY" not in " ".join(flag for flag, _ in options_of(name))  # no option takes a key


def test_the_page_names_the_commands_in_their_order() -> None:
    """All of them, and no other."""
    headings = re.findall(r"^### (\w+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert headings == list(COMMANDS)


def test_help_is_light() -> None:
    """Whoever asks for help does not wait for what only work needs."""
    code = (
        "import sys\n"
        "from omniedit.cli.main import main\n"
        "sys.argv = ['omniedit', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'aiohttp', 'anyio', 'attr', 'av', 'cattrs', 'rich', 'ssl'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "batch" in done.stdout


def test_unknown_commands_and_options_are_exit_2() -> None:
    """Usage."""
    runner = CliRunner()
    assert runner.invoke(cli, ["bach"]).exit_code == 2
    assert runner.invoke(cli, ["batch", "--api-key", "sk"]).exit_code == 2
    assert runner.invoke(cli, ["--version"]).output.strip().endswith(version("omniedit"))


@pytest.mark.parametrize(
    ("text", "size"), [("500", 500), ("500k", 5e5), ("5M", 5e6), ("1.5 G", 1.5e9), ("2MB/s", 2e6), ("7kb", 7e3)]
)
def test_rates_are_read_as_people_write_them(text: str, size: float) -> None:
    """Powers of 1000."""
    assert read_bytes(text) == size


@pytest.mark.parametrize("text", ["", "0", "fast", "-5M", "5T"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(click.BadParameter, match="500k or 5M"):
        read_bytes(text)

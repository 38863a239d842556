"""What a user names on the command line, as edits: clips, folders, patterns, a manifest, or standard input."""

from __future__ import annotations

import glob
import os
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from pathlib import Path

import attrs

from omniedit.cli.manifest import SUFFIXES, Manifest, ManifestError
from omniedit.cli.paths import is_folder
from omniedit.cli.session import say_error
from omniedit.cli.stream import edits_from_stdin
from omniedit.core.preflight import is_url
from omniedit.errors import ConfigurationError, InvalidEdit
from omniedit.models import Edit

__all__ = ["Input", "expand", "read_input", "refuse_problems"]

_CLIP = ".mp4"


@attrs.frozen
class Input:
    """Edits to come."""

    edits: Iterable[Edit] | AsyncIterable[Edit]
    """Asynchronous only when they come from standard input."""
    expected: int | None
    """How many, when that is known beforehand."""
    manifest: str = ""
    """The name of the file that they come from, if they do."""
    problems: tuple[ManifestError, ...] = ()
    """Why nothing may be sent."""


def read_input(
    names: tuple[str, ...], prompt: str | None, template: str, on_bad_line: Callable[[ManifestError], None]
) -> Input:
    """Edits from the arguments of `batch`.

    Args:
        names: what was named.
        prompt: the one wish for all clips.
        template: how results are named.
        on_bad_line: told of each line of standard input that cannot be used.

    Raises:
        InvalidEdit: what was named makes no edits.
    """
    manifests = [name for name in names if name == "-" or name.lower().endswith(SUFFIXES)]
    if not manifests:
        return _from_clips(names, prompt)
    one = manifests[0]
    if len(names) > 1:
        raise InvalidEdit(f"{one} is a manifest", field="source", mend="give one manifest, or only clips")
    if prompt is not None:
        raise InvalidEdit("a manifest has its own prompts", field="prompt", mend="leave --prompt out")
    if one == "-":
        return Input(edits_from_stdin(on_bad_line), None)
    manifest = Manifest(Path(one))
    judged = manifest.judge(template)
    return Input(manifest.edits(), judged.edits, one, judged.problems)


def refuse_problems(found: Input) -> None:
    """Say what is wrong with a manifest.

    Raises:
        ConfigurationError: something is.
    """
    for problem in found.problems:
        say_error(problem)
    if found.problems:
        raise ConfigurationError(
            f"the manifest {found.manifest} is refused as a whole; nothing was sent",
            code="manifest",
            mend="mend the lines named above, then run the same command again",
        )


def _from_clips(names: tuple[str, ...], prompt: str | None) -> Input:
    if prompt is None or not prompt.strip():
        raise InvalidEdit(
            "clips need a prompt", field="prompt", mend='say what to change with --prompt "...", or give a manifest'
        )
    clips = list(expand(names))
    return Input([Edit(clip, prompt) for clip in clips], len(set(clips)))


def expand(names: Iterable[str]) -> Iterator[str]:
    """Every clip that was named: a folder stands for the mp4s right in it, a pattern for what it matches.

    Raises:
        InvalidEdit: nothing, a folder without clips or one that cannot be read, or a pattern without a match.
    """
    for name in names:
        if not name.strip():
            raise InvalidEdit("source is empty", field="source", mend="give the URL or the path of a clip")
        if is_url(name) or not (is_folder(name) or _is_pattern(name)):
            yield name
            continue
        found = _clips_in(name) if is_folder(name) else sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - as typed
        if not found:
            what = f"the folder {name} holds no {_CLIP}" if is_folder(name) else f"{name} matches nothing"
            raise InvalidEdit(what, field="source", mend="check the path")
        yield from found


def _is_pattern(name: str) -> bool:
    return glob.has_magic(name) and not os.path.lexists(name)


def _clips_in(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as found:
            return sorted(entry.path for entry in found if entry.name.lower().endswith(_CLIP) and _is_file(entry))
    except OSError as error:
        raise InvalidEdit(
            f"the folder {folder} cannot be read: {error.strerror}", field="source", mend="check who may read it"
        ) from None


def _is_file(entry: os.DirEntry[str]) -> bool:
    """A link that leads where nobody may look counts: it is refused as a clip, and the others go on."""
    try:
        return entry.is_file()
    except OSError:
        return True

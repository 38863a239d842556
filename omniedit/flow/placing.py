"""Where results go and how they are named."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import attrs

from omniedit.core.naming import (
    DEFAULT_TEMPLATE,
    beside,
    check_path,
    check_template,
    fallback_name,
    render,
    safe_name,
)
from omniedit.core.places import bucket_and_key, check_key, inside, is_object, name_of, renamed
from omniedit.core.preflight import is_url
from omniedit.errors import ConfigurationError, InvalidEdit, OmniEditError
from omniedit.models import Edit, Entry

__all__ = ["Placing", "is_own_clip", "read_folder", "read_placing", "reason_to_stop"]


@attrs.frozen
class Placing:
    """Where results go and how they are named."""

    folder: str
    """Of this machine, or a prefix of a bucket (`s3://bucket/prefix`)."""
    template: str = DEFAULT_TEMPLATE
    fixed: str | None = None
    """The one place of the one result, instead of a name in the folder."""
    single: bool = False
    """For one result whose name nobody chose: it makes way for the clip itself."""

    def target(self, edit: Edit, index: int | None) -> str:
        """The place of an edit's result.

        Raises:
            InvalidEdit: the name is wrong.
        """
        if self.fixed is not None:
            return check_path(self.fixed)
        name = render(self.template, edit, index)
        if self.single and edit.name is None and is_own_clip(edit, inside(self.folder, name)):
            name = beside(name, "edited")
        if not is_object(self.folder):
            _check_alphabet(name)
        return inside(self.folder, name)

    def target_of(self, task_id: str) -> str:
        """The place of the result of a task of which no more is known.

        Raises:
            InvalidEdit: the name is wrong.
        """
        return self.target(Edit("", "", name=safe_name(task_id)), None)

    async def prepare(self) -> None:
        """Make the folder unless it is there, and see that it can be written. A bucket is not asked.

        Raises:
            ConfigurationError: no result could be saved there.
        """
        if not is_object(self.folder):
            await asyncio.to_thread(_prepare, Path(self.folder))

    def other(self, edit: Edit, target: str) -> str | None:
        """Another name for an edit whose name another edit holds; None when the user chose that name."""
        if self.fixed is not None or edit.name is not None or self.template != DEFAULT_TEMPLATE:
            return None
        return inside(self.folder, fallback_name(name_of(target), edit))

    def moved(self, entry: Entry) -> Entry:
        """A remembered entry, in the folder as it is called now."""
        if self.fixed is not None:
            same = self.fixed == entry.target
            return entry if same else attrs.evolve(entry, target=self.fixed, path=None, sha256=None, size=None)
        target = inside(self.folder, name_of(entry.target))
        if target == entry.target:
            return entry
        path = None if entry.path is None else inside(self.folder, name_of(entry.path))
        return attrs.evolve(entry, target=target, path=path)

    def beside(self, entry: Entry) -> Entry:
        """A remembered entry under another name, where another result of the run has its own."""
        return attrs.evolve(entry, target=renamed(entry.target, fallback_name(name_of(entry.target), entry.edit)))


def _check_alphabet(name: str) -> None:
    """Outside of UTF-8 locales names are written in an alphabet that has not every letter."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        raise InvalidEdit(
            f"the name {name} cannot be written in {sys.getfilesystemencoding()}, the encoding of file names here",
            field="name",
            mend="set PYTHONUTF8=1 or a UTF-8 locale, or give it another name",
        ) from None


def read_folder(save_to: str | os.PathLike[str], template: str = DEFAULT_TEMPLATE) -> Placing:
    """Where the results of a batch go: into a folder, or under a prefix of a bucket.

    Raises:
        InvalidEdit: the template is wrong, or that is no path.
        ConfigurationError: the bucket cannot be opened, or the prefix is wrong. The store itself is not asked.
    """
    check_template(template)
    text = _path_text(save_to)
    if is_object(text):
        from omniedit.media.bucket import Bucket

        address, key = bucket_and_key(inside(text, "a.mp4"))
        check_key(key)
        Bucket(address)
    return Placing(text, template)


def read_placing(save_to: str | os.PathLike[str] | None) -> Placing:
    """Where one result goes: into a folder (it exists, or the path ends with a slash), or under one name.

    Raises:
        InvalidEdit: that is no path.
        ConfigurationError: into an object store.
    """
    if save_to is None:
        return Placing("", single=True)
    text = _path_text(save_to)
    if is_object(text):
        raise ConfigurationError(
            f"{text} is in an object store, and one result is saved into a file", mend="use a batch, or a path"
        )
    if text.endswith(("/", os.sep)) or os.path.isdir(text):  # noqa: PTH112 - unlike Path.is_dir, it never raises
        return Placing(text, single=True)
    return Placing(str(Path(text).parent), fixed=str(Path(text)))


def _path_text(save_to: str | os.PathLike[str]) -> str:
    text = os.fspath(save_to) if hasattr(save_to, "__fspath__") else save_to
    if not isinstance(text, str):
        raise InvalidEdit(
            f"save_to must be a path, not {type(save_to).__name__}", field="save_to", mend="give text, or a Path"
        )
    return text


def is_own_clip(edit: Edit, place: str) -> bool:
    """Whether the local clip of an edit lies in this place itself. A lookup of microseconds, not worth a thread."""
    if is_url(edit.source) or is_object(place):
        return False
    try:
        return Path(edit.source).samefile(place)
    except (OSError, ValueError):
        return False


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # asked of the disk itself: rights alone do not tell
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"no result can be saved in {str(folder)!r}: {reason}",
            code="folder_unusable",
            mend="give a folder that can be written; nothing was sent",
        ) from None


def reason_to_stop(error: OmniEditError, place: str) -> ConfigurationError | None:
    """Why nothing more should be paid for, where what kept one result from its place will keep others from theirs.

    A right that is missing may concern one name alone, such as an unfinished file of somebody else.
    """
    match error.code:
        case "disk_full" | "folder_missing":
            keeps_all = True
        case "permission":
            keeps_all = not os.access(Path(place).parent, os.W_OK | os.X_OK)
        case _:
            keeps_all = False
    return ConfigurationError(error.message, code=error.code, mend=error.mend) if keeps_all else None

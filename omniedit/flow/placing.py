"""Where results go and how they are named."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from omniedit.core.naming import DEFAULT_TEMPLATE, check_template, fallback_name, render
from omniedit.core.places import bucket_and_key, inside, is_object, name_of, renamed
from omniedit.errors import ConfigurationError
from omniedit.models import Edit, Entry

__all__ = ["Placing", "read_folder", "read_placing"]


@attrs.frozen
class Placing:
    """Where results go and how they are named."""

    folder: str
    """Of this machine, or a prefix of a bucket (`s3://bucket/prefix`)."""
    template: str = DEFAULT_TEMPLATE
    fixed: str | None = None
    """The one place of the one result, instead of a name in the folder."""

    def target(self, edit: Edit, index: int | None) -> str:
        """The place of an edit's result.

        Raises:
            InvalidEdit: the name is wrong.
        """
        return self.fixed or inside(self.folder, render(self.template, edit, index))

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


def read_folder(save_to: str | os.PathLike[str], template: str = DEFAULT_TEMPLATE) -> Placing:
    """Where the results of a batch go: into a folder, or under a prefix of a bucket.

    Raises:
        InvalidEdit: the template is wrong.
        ConfigurationError: the bucket cannot be opened. The store itself is not asked.
    """
    check_template(template)
    text = os.fspath(save_to)
    if is_object(text):
        from omniedit.media.bucket import Bucket

        Bucket(bucket_and_key(text)[0])
    return Placing(text, template)


def read_placing(save_to: str | os.PathLike[str] | None) -> Placing:
    """Where one result goes: into a folder (it exists, or the path ends with a slash), or under one name.

    Raises:
        ConfigurationError: into an object store.
    """
    if save_to is None:
        return Placing("")
    text = os.fspath(save_to)
    if is_object(text):
        raise ConfigurationError(
            f"{text} is in an object store, and one edit saves into a file", mend="use a batch, or a path"
        )
    if text.endswith(("/", os.sep)) or Path(text).is_dir():
        return Placing(text)
    return Placing(str(Path(text).parent), fixed=str(Path(text)))

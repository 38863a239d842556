"""Where results go and how they are named."""

from __future__ import annotations

import attrs

from omniedit.core.naming import DEFAULT_TEMPLATE, fallback_name, render
from omniedit.core.places import inside, name_of
from omniedit.models import Edit, Entry

__all__ = ["Placing"]


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

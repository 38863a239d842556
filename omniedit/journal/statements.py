"""SQL lives in files: queries under their names, migrations under their numbers.

A file of queries is cut at its lines `-- name: word`. A migration is a file `NNNN_word.sql`, numbered from 1 without a
gap; the schema version of a store is the number of the last one that was applied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType

import attrs

__all__ = ["Statement", "migrations", "queries", "statements"]

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_COMMENT = re.compile(r"--.*")
_PARAMETER = re.compile(r":([a-z]\w*)")


@attrs.frozen
class Statement:
    """A query with its parameters by position: binding them by name takes as long as running it."""

    sql: str
    names: tuple[str, ...]

    @classmethod
    def of(cls, query: str) -> Statement:
        """From a query with parameters such as `:name`."""
        bare = _COMMENT.sub("", query)
        return cls(_PARAMETER.sub("?", bare), tuple(_PARAMETER.findall(bare)))

    def values(self, parameters: Mapping[str, object]) -> tuple[object, ...]:
        """The parameters in the order of the query."""
        return tuple([parameters[name] for name in self.names])


@cache
def queries(dialect: str) -> Mapping[str, str]:
    """The named queries of one kind of store, such as `sqlite`."""
    text = (_folder(dialect) / "queries.sql").read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return MappingProxyType({name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)})


@cache
def statements(dialect: str) -> Mapping[str, Statement]:
    """The same queries, ready to be run by position."""
    return MappingProxyType({name: Statement.of(query) for name, query in queries(dialect).items()})


@cache
def migrations(dialect: str) -> tuple[str, ...]:
    """The scripts that lead from nothing to the newest schema; the first one makes version 1."""
    files = sorted((file for file in _folder(dialect).iterdir() if file.name[:4].isdigit()), key=lambda file: file.name)
    return tuple(file.read_text(encoding="utf-8") for file in files)


def _folder(dialect: str) -> Traversable:
    return resources.files("omniedit.journal") / "sql" / dialect

"""Manifests: CSV with a header, or JSON lines. A file is judged as a whole before anything is sent.

What is broken in form (a column, a line, a name) refuses the manifest; what is wrong with one edit (its prompt, its
clip) refuses that edit later, and the others go on. Nothing here holds more than a line of a manifest in memory.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import attrs

from omniedit.cli.claims import Claims
from omniedit.core.naming import DEFAULT_TEMPLATE, check_name, render
from omniedit.core.preflight import check_edit
from omniedit.errors import InvalidEdit
from omniedit.models import Edit

__all__ = ["Judged", "Manifest", "ManifestError", "SUFFIXES", "read_json_line"]

SUFFIXES = (".csv", ".jsonl")
_COLUMNS = ("source", "prompt", "name", "variant")
_LONGEST = 1 << 20  # bytes of one line
_MOST_VARIANTS = 1 << 63  # what a journal can hold
_MOST_DIGITS = len(str(_MOST_VARIANTS))
_MOST_TOLD = 20  # wrong lines, after which the rest is not looked at
_JSON_MEND = 'write one JSON object a line, such as {"source": "a.mp4", "prompt": "Make it snow"}'
_UTF8 = "save the manifest as UTF-8"


class ManifestError(InvalidEdit):
    """A line of a manifest that cannot be used. `line` counts from 1, `field` is the column."""

    default_code = "manifest"

    def __init__(self, line: int, message: str, *, field: str | None = None, mend: str | None = None) -> None:
        super().__init__(f"line {line}: {message}", field=field, mend=mend)
        self.line = line


@attrs.frozen
class Judged:
    """What a look through a whole manifest found."""

    edits: int
    """The same edit twice is one."""
    problems: tuple[ManifestError, ...]
    """The first twenty."""


@attrs.frozen
class Manifest:
    """A manifest file, read as often as needed."""

    path: Path

    def judge(self, template: str = DEFAULT_TEMPLATE) -> Judged:
        """Look through all of it.

        Args:
            template: how results are named, to find two that want one name.

        Raises:
            InvalidEdit: the file cannot be read.
        """
        rows, problems = 0, list[ManifestError]()
        with Claims() as claims:
            for line, row in self._rows():
                problem = row if isinstance(row, ManifestError) else _claim(claims, line, row, rows + 1, template)
                if problem is not None:
                    problems.append(problem)
                elif not isinstance(row, ManifestError):
                    rows += 1
                if len(problems) >= _MOST_TOLD:
                    break
            return Judged(claims.count(), tuple(problems))

    def edits(self) -> Iterator[Edit]:
        """Every edit, in order.

        Raises:
            ManifestError: the file was changed since it was judged, and is broken now.
        """
        for _, row in self._rows():
            if isinstance(row, ManifestError):
                raise row
            yield row

    def _rows(self) -> Iterator[tuple[int, Edit | ManifestError]]:
        read = _read_csv if self.path.suffix.lower() == ".csv" else _read_json
        try:
            with self.path.open("rb") as file:
                yield from read(file)
        except OSError as error:
            raise InvalidEdit(
                f"the manifest {self.path} cannot be read: {error.strerror}", field="manifest", mend="check the path"
            ) from None


def _claim(claims: Claims, line: int, edit: Edit, index: int, template: str) -> ManifestError | None:
    """What is wrong with the name of a result, beside the names of the lines before."""
    made = edit.name is None and template == DEFAULT_TEMPLATE
    try:
        name = render(template, edit, index)
    except InvalidEdit as error:
        return ManifestError(line, error.message, field=error.field, mend=error.mend)
    other = claims.edit(edit.key, line, name)
    if other is not None:
        if other.name == name:
            return None
        return ManifestError(
            line,
            f"the same source and prompt as in line {other.line}, under another name",
            field="variant",
            mend="give one of them a variant (1, 2, ...) for a result of its own",
        )
    holder = claims.name(name, line, made=made)
    if holder is None or made:
        return None
    return ManifestError(
        line, f"wants the name {name}, as line {holder.line} does", field="name", mend=_name_mend(edit, holder.made)
    )


def _name_mend(edit: Edit, made: bool) -> str:  # noqa: FBT001 - read at its one call
    if edit.name is None:
        return "use {key8} or {index} in the name template"
    return "give the other line a name as well" if made else "give each its own name"


# --- CSV ------------------------------------------------------------------------------------------------------------


def _read_csv(file: BinaryIO) -> Iterator[tuple[int, Edit | ManifestError]]:
    lines = _Lines(file)
    rows = csv.reader(lines, strict=True)
    try:
        header = next(rows, None)
        columns = _columns(header)
        while (row := _next_row(rows, lines)) is not None:
            line, cells = row
            if cells:
                yield line, _attempt(partial(_edit_of_cells, line, columns, cells))
    except ManifestError as error:
        yield error.line, error
    except csv.Error as error:
        yield (
            lines.began,
            ManifestError(
                lines.began,
                f"is broken CSV: {error}",
                mend="quote cells that hold commas, quotes or line ends; end lines as Unix or Windows do",
            ),
        )


class _Lines:
    """The lines of a CSV file as text; knows where the row that is being read began."""

    def __init__(self, file: BinaryIO) -> None:
        self._lines = _bounded_lines(file)
        self.number = 0
        self.began = 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number, text = next(self._lines)
        return text


def _next_row(rows: Iterator[list[str]], lines: _Lines) -> tuple[int, list[str]] | None:
    lines.began = lines.number + 1
    cells = next(rows, None)
    return None if cells is None else (lines.began, cells)


def _columns(header: list[str] | None) -> list[str]:
    columns = [cell.strip().lower() for cell in header or []]
    if len(columns) == 1 and any(mark in columns[0] for mark in ";\t"):
        raise ManifestError(1, "the columns are not separated by commas", mend="separate them with commas")
    for column in columns:
        if column not in _COLUMNS:
            raise _wrong_column(1, column)
    for column in _COLUMNS:
        if columns.count(column) > 1 or (column in {"source", "prompt"} and column not in columns):
            what = "is missing" if column not in columns else "is there twice"
            raise ManifestError(
                1, f"the column {column} {what}", field=column, mend="begin with the header: source,prompt"
            )
    return columns


def _edit_of_cells(line: int, columns: list[str], cells: list[str]) -> Edit:
    if len(cells) != len(columns):
        raise ManifestError(
            line,
            f"has {len(cells)} cells, the header has {len(columns)}",
            mend='put a cell that holds commas into quotes: "Make it snow, gently"',
        )
    values = dict(zip(columns, cells, strict=True))
    variant = values.get("variant", "").strip()
    if variant and not (variant.isascii() and variant.isdigit() and len(variant) <= _MOST_DIGITS):
        raise _wrong_variant(line, variant)
    name = values.get("name") or None
    return _edit(line, values["source"], values["prompt"], name, int(variant or 0))


# --- JSON lines -----------------------------------------------------------------------------------------------------


def _read_json(file: BinaryIO) -> Iterator[tuple[int, Edit | ManifestError]]:
    try:
        for line, text in _bounded_lines(file):
            if text.strip():
                yield line, _attempt(partial(read_json_line, line, text))
    except ManifestError as error:
        yield error.line, error


def read_json_line(line: int, text: str) -> Edit:
    """The edit in one JSON object.

    Raises:
        ManifestError: it is none.
    """
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" at column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
        raise ManifestError(line, f"is no JSON{where}", mend=_JSON_MEND) from None
    if not isinstance(found, dict):
        raise ManifestError(line, "is no JSON object", mend=_JSON_MEND)
    values = cast("Mapping[str, object]", found)
    for column in values:
        if column not in _COLUMNS:
            raise _wrong_column(line, column)
    source, prompt = (_text_in(values, column, line) for column in ("source", "prompt"))
    name = None if values.get("name") is None else _text_in(values, "name", line)
    variant = values.get("variant") or 0
    if not isinstance(variant, int) or isinstance(variant, bool) or variant < 0:
        raise _wrong_variant(line, variant)
    return _edit(line, source, prompt, name or None, variant)


def _text_in(values: Mapping[str, object], column: str, line: int) -> str:
    value = values.get(column)
    if not isinstance(value, str):
        what = f"must be text, not {type(value).__name__}" if column in values else "is missing"
        raise ManifestError(line, f"{column} {what}", field=column, mend=_JSON_MEND)
    return value


# --- both -----------------------------------------------------------------------------------------------------------


def _bounded_lines(file: BinaryIO) -> Iterator[tuple[int, str]]:
    number = 0
    while raw := file.readline(_LONGEST + 1):
        number += 1
        if len(raw) > _LONGEST:
            raise ManifestError(number, f"is longer than {_LONGEST:,} bytes", mend="check its quotes and line ends")
        try:
            yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise ManifestError(number, "is not UTF-8", mend=_UTF8) from None


def _attempt(make: Callable[[], Edit]) -> Edit | ManifestError:
    try:
        return make()
    except ManifestError as error:
        return error


def _edit(line: int, source: str, prompt: str, name: str | None, variant: int) -> Edit:
    if variant >= _MOST_VARIANTS:
        raise _wrong_variant(line, variant)
    if name is not None:
        try:
            check_name(name)
        except InvalidEdit as error:
            raise ManifestError(line, error.message, field=error.field, mend=error.mend) from None
    return Edit(source, prompt, name=name, variant=variant)


def _wrong_column(line: int, column: str) -> ManifestError:
    """A column that video editing does not have; where its wish belongs is said where edits are judged."""
    wish = dict[str, object]({column: None})
    (wrong,) = check_edit(Edit("a.mp4", "a wish", **wish))  # type: ignore[arg-type]
    known = ", ".join(_COLUMNS)
    return ManifestError(
        line, f"{column[:60]!r} is no column of a manifest", field=column, mend=f"{wrong.mend}; columns: {known}"
    )


def _wrong_variant(line: int, variant: object) -> ManifestError:
    return ManifestError(
        line, f"variant {str(variant)[:40]!r} is no whole number below 2**63", field="variant", mend="0, 1, 2, ..."
    )

"""The sheet while it is being written, in a folder of its own beside its place; and how it gets to its place.

Everything here blocks, so it is called in a thread, one call at a time.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from omniedit.errors import ConfigurationError
from omniedit.media.stills import Still
from omniedit.report.clips import Clip
from omniedit.report.page import GENERATOR, Page
from omniedit.report.spool import Spool

__all__ = ["Draft", "check_target", "workshop"]

_CHUNK = 3 << 18
"""Bytes of a clip encoded at a time: a multiple of three, so that the pieces of base64 join."""
_POSTERS = re.compile(r"posters-[0-9a-f]{8}")


def check_target(place: str | os.PathLike[str], *, folder: bool) -> Path:
    """Where the HTML file goes: to `place` itself, or into a folder of that name.

    Raises:
        ConfigurationError: the folder above is missing, or something that is no sheet lies there.
    """
    path = Path(place).absolute()
    try:
        return _free_sheet(path, folder=folder)
    except OSError as error:
        raise ConfigurationError(
            f"the report {path} could not be written: {error.strerror}", mend="name another place", code="report_failed"
        ) from None


def _free_sheet(path: Path, *, folder: bool) -> Path:
    if not path.parent.is_dir():
        raise ConfigurationError(f"the folder {path.parent} for the report does not exist", mend="make it first")
    sheet = path / "index.html" if folder else path
    if folder and path.exists() and not path.is_dir():
        raise ConfigurationError(f"{path} is a file", mend="name another folder for the report")
    if _is_there(sheet) and not _is_sheet(sheet):
        raise ConfigurationError(
            f"{sheet} exists and is no report of ours: it is left alone", mend="name another file, or move it away"
        )
    return sheet


def _is_there(path: Path) -> bool:
    """Unlike `exists`, which does so in some versions of Python only, it raises where nobody can look."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_sheet(path: Path) -> bool:
    """Whether an earlier run wrote this file: only such a one is replaced."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(4096)
    return not head or GENERATOR.encode() in head


@contextmanager
def workshop(folder: Path) -> Generator[Path]:
    """An empty scratch folder inside another, gone at the end; the other one too, if it was made here and is empty."""
    made = not folder.exists()
    folder.mkdir(exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".report-", suffix=".part", dir=folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if made:
            with suppress(OSError):
                folder.rmdir()


@attrs.define
class Draft:
    """A sheet that grows; `publish` makes it one.

    Args:
        scratch: the folder it grows in.
        sheet: where the HTML file goes in the end.
        page: the document around the data.
        posters: name of the folder for pictures beside the sheet; None carries them in the sheet.
    """

    scratch: Path
    sheet: Path
    page: Page
    posters: str | None
    size: int = 0
    """Bytes of pictures so far."""

    @property
    def _file(self) -> Path:
        return self.scratch / "sheet.html"

    def begin(self, spool: Spool) -> None:
        """Write the page up to its scripts, with all rows."""
        (self.scratch / "posters").mkdir()
        with self._file.open("w", encoding="utf-8", newline="\n") as out:
            out.write(self.page.head)
            spool.copy_rows(out)
            out.write(self.page.middle)

    def add_stills(self, stills: list[tuple[Clip, Still]]) -> None:
        """Add pictures, as data URLs in blocks or as files."""
        self.size += sum(len(still.data) for _, still in stills)
        if self.posters:
            for clip, still in stills:
                (self.scratch / "posters" / f"{clip.id}.webp").write_bytes(still.data)
            return
        with self._file.open("a", encoding="ascii", newline="\n") as out:
            for clip, still in stills:
                data = base64.b64encode(still.data).decode()
                out.write(f'<script type="text/plain" id="still-{clip.id}">data:{still.mime};base64,{data}</script>\n')

    def embed(self, clip: Clip) -> None:
        """Carry a clip in the sheet; one that has gone or changed since is left to its reference."""
        with suppress(FileNotFoundError, PermissionError), Path(clip.path).open("rb") as source:
            if os.fstat(source.fileno()).st_size != clip.size:
                return
            with self._file.open("ab") as out:
                out.write(f'<script type="text/plain" id="clip-{clip.id}">'.encode())
                while chunk := source.read(_CHUNK):
                    out.write(base64.b64encode(chunk))
                out.write(b"</script>\n")

    def publish(self) -> int:
        """End the document, make it durable and put it in its place; tells its bytes, pictures beside it included."""
        with self._file.open("a", encoding="utf-8", newline="\n") as out:
            out.write(self.page.tail)
            out.flush()
            os.fsync(out.fileno())
        size = self._file.stat().st_size + (self.size if self.posters else 0)
        if self.posters is None:
            self._file.replace(self.sheet)
            return size
        # The old sheet refers to its own pictures until the very moment in which the new one takes its name.
        beside = self.sheet.with_name(self.posters)
        (self.scratch / "posters").rename(beside)
        try:
            self._file.replace(self.sheet)
        except OSError:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        self._forget_old_posters()
        return size

    def _forget_old_posters(self) -> None:
        for other in self.sheet.parent.iterdir():
            if _POSTERS.fullmatch(other.name) and other.name != self.posters and not other.is_symlink():
                shutil.rmtree(other, ignore_errors=True)

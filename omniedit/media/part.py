"""One unfinished file on disk: `NAME.part`, its note `NAME.part.json`, and the step to the finished name.

Everything here blocks and is called from the downloader's threads; calls for one file never overlap in time.

- The `.part` is created exclusively, never through a symbolic link, and locked: a second process gets `busy`.
- The note says which version of the file the bytes belong to, how many were written, and their sha256; never the
  link. It is made when a try fails, when the file is let go of unfinished, and every 2 MiB: a small clip that comes at
  once has none. What lies on disk is continued only when it still has that sha256, so that a power cut between two
  writes costs bytes, never correctness.
- The finished name appears when the bytes are synced, and never replaces anything unless told to.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from omniedit.core.mp4 import Need, NotAnMp4, Piece, step, walk
from omniedit.core.naming import beside, part_name
from omniedit.core.transfer import Part, Receive
from omniedit.errors import DownloadFailed
from omniedit.models import MediaFacts

__all__ = ["PartFile", "read_facts", "same_content"]

_READ = 1024 * 1024
# Bytes between two notes: so many are fetched again at most after a process was killed.
_NOTE_EVERY = 2 * 1024 * 1024
# Bytes of a note: twice what the longest validator takes.
_NOTE = 1024
# Reads of a walk over a local file: they are cheap, and bounded in bytes by the walk itself.
_LOCAL_READS = 32
_CODES = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EFBIG: "disk_full",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.EROFS: "permission",
    errno.ENOENT: "folder_missing",
    errno.ENOTDIR: "folder_missing",
    errno.ESTALE: "folder_missing",
    errno.ELOOP: "unsafe_path",
    errno.EISDIR: "unsafe_path",
}
_MENDS = {
    "disk_full": "make room, then resume: nothing paid is lost",
    "permission": "make the folder writable, then resume",
    "folder_missing": "create the folder again, then resume",
    "unsafe_path": "remove what lies in the way, then resume",
}


class PartFile:
    """The unfinished file of one target. `open` it first, and always `close` it, whatever happened."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.known = Part()
        self._noted = 0
        self._folder = self._file = self._note = -1
        self._ready = self._closed = False
        self._lock = threading.Lock()
        self._digest = hashlib.sha256()

    def open(self) -> None:
        """Create or take over the `.part` of the target, and read how far it came.

        Raises:
            DownloadFailed: `busy`, `permission`, `folder_missing`, `disk_full` or `unsafe_path`.
        """
        with self._lock, _explained(self.target):
            if self._closed:
                return
            self._folder = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._file = _take(part_name(self.target.name), self._folder, self.target)
            if _is_there(self._note_name, self._folder):
                self._note = _open_file(self._note_name, self._folder)
            self._recover()
            self._ready = True

    def begin(self, receive: Receive) -> None:
        """Make ready for a body: go on at its offset, or throw away what is there.

        Raises:
            DownloadFailed: `disk_full` when the rest cannot fit.
        """
        with self._lock, _explained(self.target, receive.length):
            if receive.offset == 0:
                self._truncate()
            # Not noted yet: what the note says of bytes that are gone, nothing bears out.
            self.known = Part(self.known.size, receive.etag, receive.length)
            if receive.length is not None:
                _check_room(self._folder, receive.length - self.known.size)

    def write(self, block: memoryview) -> None:
        """Write what comes next; it is noted now and then.

        Raises:
            DownloadFailed: `disk_full`, `permission`, ...
        """
        with self._lock, _explained(self.target, self.known.length):
            _write_all(self._file, block, self.known.size)
            self._digest.update(block)
            self.known = attrs.evolve(self.known, size=self.known.size + len(block))
            if (fresh := self.known.size - self._noted) >= _NOTE_EVERY:
                _start_syncing(self._file, self._noted, fresh)
                self._write_note()

    def note(self) -> None:
        """Note how far it came."""
        with self._lock, _explained(self.target):
            self._write_note()

    def discard(self) -> None:
        """Throw away what is there."""
        with self._lock, _explained(self.target):
            self._truncate()
            self._write_note()

    def facts(self) -> MediaFacts | NotAnMp4:
        """What the boxes of the file say."""
        with self._lock, _explained(self.target):
            return read_facts(self._file, self.known.size)

    def sync(self) -> str:
        """Bring the bytes to the disk; the sha256 over them, in hexadecimal."""
        with self._lock, _explained(self.target, self.known.length):
            try:
                os.fsync(self._file)
            except OSError:
                # What the disk has of them nobody knows, and yet the next sync would find nothing to do and succeed.
                self._truncate()
                raise
            return self._digest.hexdigest()

    def publish(self, *, overwrite: bool, mark: str) -> Path:
        """Give the file its name, sync the folder, remove the note, and close; the path that it really got.

        A name that is taken stays what it is, unless told otherwise: the file gets `STEM-MARK.mp4` then. A file under
        either name that has the same content is this one, from a run that was interrupted here.
        """
        with self._lock, _explained(self.target, self.known.length):
            name = self._rename(overwrite=overwrite, mark=mark)
            self._ready = False  # nothing is unfinished any more, whatever happens now: there is nothing to note
            self._remove()
            os.fsync(self._folder)
            self._release()
            return self.target.with_name(name)

    def close(self) -> None:
        """Note how far it came and let go; a rest of no bytes is removed. Never raises, and may be called twice."""
        with self._lock:
            if self._ready:
                with suppress(OSError):
                    self._write_note() if self.known.size else self._remove()
            self._release()

    @property
    def closed(self) -> bool:
        """Whether it was let go of."""
        return self._closed

    def _release(self) -> None:
        self._ready, self._closed = False, True
        for descriptor in (self._file, self._note, self._folder):
            if descriptor >= 0:
                os.close(descriptor)
        self._folder = self._file = self._note = -1

    def _remove(self) -> None:
        """Remove `.part` and note. They are ours as long as the lock is held: whoever waits for it looks again."""
        for name in (part_name(self.target.name), *([self._note_name] if self._note >= 0 else [])):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._folder)

    def _truncate(self) -> None:
        os.ftruncate(self._file, 0)
        self._digest = hashlib.sha256()
        self.known, self._noted = Part(), 0

    @property
    def _note_name(self) -> str:
        return part_name(self.target.name, ".part.json")

    def _write_note(self) -> None:
        if self._note < 0:
            self._note = _open_file(self._note_name, self._folder)
        known = self.known
        note = {"etag": known.etag, "length": known.length, "size": known.size, "sha256": self._digest.hexdigest()}
        # Always of one length: one write replaces it as a whole.
        os.pwrite(self._note, json.dumps(note).encode().ljust(_NOTE), 0)
        self._noted = known.size

    def _recover(self) -> None:
        """Believe the note as far as the bytes bear it out."""
        known, expected = _read_note(self._note) if self._note >= 0 else (Part(), "")
        digest = hashlib.sha256()
        for chunk in _read_up_to(self._file, known.size):
            digest.update(chunk)
        if known.size and digest.hexdigest() == expected:
            self.known, self._digest, self._noted = known, digest, known.size
        os.ftruncate(self._file, self.known.size)

    def _rename(self, *, overwrite: bool, mark: str) -> str:
        part = part_name(self.target.name)
        if overwrite:
            os.rename(part, self.target.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            return self.target.name
        for name in _names(self.target.name, mark):
            if _link(part, name, self._folder) or self._is_this(name):
                return name
        raise FileExistsError(errno.EEXIST, "no free name", str(self.target))

    def _is_this(self, name: str) -> bool:
        return same_content(self.target.with_name(name), self._digest.hexdigest(), self.known.size)


def read_facts(file: int, size: int) -> MediaFacts | NotAnMp4:
    """Walk over the boxes of an open file.

    Raises:
        OSError: it cannot be read.
    """
    walking = walk(_LOCAL_READS, whole=True)
    now = step(walking)
    while isinstance(now, Need):
        now = step(walking, Piece(os.pread(file, now.length, now.offset), size))
    return now


def same_content(path: Path, sha256: str, size: int) -> bool:
    """Whether exactly these bytes lie under a name; a symbolic link is never taken for them."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            return False
        digest = hashlib.sha256()
        for chunk in _read_up_to(file, size):
            digest.update(chunk)
        return digest.hexdigest() == sha256
    except OSError:
        return False
    finally:
        os.close(file)


def _take(name: str, folder: int, target: Path) -> int:
    """Open and lock a `.part`. One that was renamed away between opening and locking is opened again."""
    for _ in range(10):
        file = _open_file(name, folder)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if os.path.samestat(there, os.fstat(file)):
                return file
        except BlockingIOError:
            os.close(file)
            raise _busy(target) from None
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(file)
            raise
        os.close(file)
    raise _busy(target)


def _is_there(name: str, folder: int) -> bool:
    """Whether anything has this name, a dead link too."""
    with suppress(FileNotFoundError):
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        return True
    return False


def _open_file(name: str, folder: int) -> int:
    """Create a file exclusively, or open the regular one that is there; never through a link of any kind."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    for _ in range(10):
        try:
            return os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)
        except FileExistsError:
            pass
        try:
            file = os.open(name, flags, dir_fd=folder)
        except FileNotFoundError:
            continue
        found = os.fstat(file)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            return file
        os.close(file)
        if not stat.S_ISREG(found.st_mode):
            break
        # A hard link: of our own finished file after a crash, or of a foreign one that must not be written to.
        os.unlink(name, dir_fd=folder)
    raise OSError(errno.ELOOP, "something else lies in the way", name)


def _write_all(file: int, block: memoryview, offset: int) -> None:
    """Write; the rest again when the system took less."""
    while block:
        written = os.pwrite(file, block, offset)
        block, offset = block[written:], offset + written


def _start_syncing(file: int, offset: int, length: int) -> None:
    """Have the system begin to bring these bytes to the disk, so that the sync at the end finds little to wait for.

    Linux does so when it is told that their memory is not needed any more; bytes that are not on disk yet stay in it.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file, offset, length, os.POSIX_FADV_DONTNEED)


def _link(part: str, name: str, folder: int) -> bool:
    """Give a file a second name unless that name is taken."""
    try:
        os.link(part, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS}:
            raise
        return _rename_free(part, name, folder)
    return True


def _rename_free(part: str, name: str, folder: int) -> bool:
    """The same where the file system has no hard links: another process could slip in between, which is rare."""
    if _is_there(name, folder):
        return False
    os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    return True


def _names(name: str, mark: str) -> Iterator[str]:
    yield name
    yield beside(name, mark)
    yield from (beside(name, f"{mark}-{number}") for number in range(2, 100))


def _read_note(note: int) -> tuple[Part, str]:
    """What the note says; nothing when it says nothing that can be believed."""
    try:
        match json.loads(os.pread(note, _NOTE, 0)):
            case {"etag": str(etag), "length": int() | None as length, "size": int(size), "sha256": str(sha256)}:
                return Part(max(size, 0), etag, length), sha256
            case _:
                return Part(), ""
    except ValueError:
        return Part(), ""


def _read_up_to(file: int, size: int) -> Iterator[bytes]:
    offset = 0
    while offset < size and (chunk := os.pread(file, min(_READ, size - offset), offset)):
        yield chunk
        offset += len(chunk)


def _check_room(folder: int, needed: int) -> None:
    room = os.fstatvfs(folder)
    if needed > room.f_bavail * room.f_frsize:
        raise OSError(errno.ENOSPC, f"{needed} bytes are needed, {room.f_bavail * room.f_frsize} are free")


def _busy(target: Path) -> DownloadFailed:
    return DownloadFailed(
        f"{target} is being downloaded by another process", code="busy", mend="wait for it, or give another name"
    )


@contextmanager
def _explained(target: Path, length: int | None = None) -> Generator[None, None, None]:
    """Turn what the system says about the disk into a typed error that names the bytes needed."""
    try:
        yield
    except OSError as error:
        code = _CODES.get(error.errno or 0, "disk_error")
        needed = f" ({length} bytes are needed)" if code == "disk_full" and length is not None else ""
        raise DownloadFailed(
            f"{target} cannot be written: {error.strerror or error}{needed}",
            code=code,
            mend=_MENDS.get(code, "look at the disk, then resume"),
        ) from None

"""One holder for one file: a lock that the operating system releases when its process dies.

The lock is taken on `NAME.lock` beside the file, never on the file itself: closing any descriptor of a database would
drop the locks that SQLite holds on it. The lock file carries the holder's process id and is removed at the end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from omniedit.errors import JournalBusy, JournalError

__all__ = ["hold", "holder"]

# A lock file that its last holder has just removed must be made again; more than a few times in a row is an error.
_TRIES = 100
# Windows locks keep others from reading, so the byte that is locked lies far behind the process id.
_LOCKED_BYTE = 1 << 30

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        # flock, not POSIX locks: it also keeps a second holder inside this process away.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def hold(path: Path) -> Generator[None]:
    """Be the only holder of `path`.

    Raises:
        JournalBusy: somebody else is, in this process or another; its pid is in the error.
        JournalError: the folder cannot be written to, or its file system has no locks.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = _acquire(lock)
    except OSError as error:
        raise JournalError(
            f"cannot lock the journal {path}: {error.strerror}",
            mend="put the journal into a folder on this machine that you may write to",
            code="journal_unwritable",
        ) from error
    try:
        yield
    finally:
        _release(lock, descriptor)


def _acquire(lock: Path) -> int:
    for _ in range(_TRIES):
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(descriptor)
            if _is_there(lock, descriptor):
                _sign(descriptor)
                return descriptor
        except (BlockingIOError, PermissionError):
            # A lock that is held: "would block" on POSIX, "permission denied" on Windows.
            holder = _holder(descriptor)
            os.close(descriptor)
            raise _busy(lock, holder) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise _busy(lock, None)


def _is_there(lock: Path, descriptor: int) -> bool:
    """Whether the file that was locked still has its name: its last holder may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), lock.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """Leave the process id for people; the lock holds without it, as on a full disk, which is the journal's to tell."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, b"%d\n" % os.getpid())


def _holder(descriptor: int) -> int | None:
    """The process id in a lock file; None while its holder is still writing it."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    words = os.read(descriptor, 32).split()
    return int(words[0]) if words and words[0].isdigit() else None


def _busy(lock: Path, pid: int | None) -> JournalBusy:
    who = "this process" if pid == os.getpid() else f"process {pid}" if pid else "another process"
    error = JournalBusy(
        f"the journal {lock.with_suffix('')} is held by {who}",
        mend="wait for it to end, or use another journal; `omniedit status` can read it meanwhile",
    )
    error.pid = pid
    return error


def _release(lock: Path, descriptor: int) -> None:
    """Remove the name first, so that nobody locks a file that is about to go; Windows wants it closed before."""
    if sys.platform == "win32":
        os.close(descriptor)
    with suppress(OSError):
        lock.unlink()
    if sys.platform != "win32":
        os.close(descriptor)


def holder(path: str | os.PathLike[str]) -> int | None:
    """The process that holds `path`, or what a link there leads to, as far as can be seen from here.

    The lock is asked, not the number: one that was killed leaves its file behind, and its number may be another's by
    now, or that of a child nobody waits for. What was left behind is taken for a moment, and what is held stays so.
    """
    try:
        descriptor = os.open(f"{os.path.realpath(path)}.lock", os.O_RDONLY)
    except OSError:
        return None
    pid: int | None = None
    try:
        pid = _holder(descriptor)
        if pid is not None:
            _take(descriptor)
    except OSError:
        return pid
    finally:
        os.close(descriptor)
    return None

"""Locks that end with the process that holds them, however it ends: two runs never write into one directory.

A lock is one of the operating system on a file, not the file itself: what a killed process leaves behind locks nothing,
and the next one takes it over.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType

from eqci_space.errors import DataError, EqciWarning

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # a system without such locks
    fcntl = None

__all__ = ["lock_file", "locked", "writing_lock"]

_OPEN = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_LONGEST_NOTE = 20
_HELD: ContextVar[frozenset[str]] = ContextVar("_HELD", default=frozenset())


def locked(handle: int) -> bool | None:
    """Lock an open file unless another process has; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def lock_file(path: Path, *, new: bool = False) -> int:
    """Open a file to be locked, made if it is not there; no link is followed, and with `new` it must not be there."""
    return os.open(path, _OPEN | os.O_CREAT | (os.O_EXCL if new else 0), 0o666)


@contextmanager
def writing_lock(directory: Path) -> Iterator[None]:
    """Nobody else writes to a directory meanwhile; the folder that it lies in must exist.

    A block within the block of the same directory takes no second lock. The lock of a process that has died is taken
    over.

    Raises
    ------
    DataError
        Another process, or another thread of this one, writes to it.
    """
    absolute = Path(os.path.abspath(directory))
    place = absolute.parent.resolve() / f".{absolute.name}.lock"
    if str(place) in _HELD.get():
        yield
        return
    handle = _taken(place, directory)
    token = _HELD.set(_HELD.get() | {str(place)})
    try:
        yield
    finally:
        _HELD.reset(token)
        with suppress(OSError):
            place.unlink()
        os.close(handle)


def _taken(place: Path, directory: Path) -> int:
    """The lock file of a directory, open, locked and with the number of this process in it."""
    while True:
        try:
            handle = lock_file(place)
        except OSError as error:
            raise DataError(
                f"cannot make the lock '{place.name}' in '{place.parent}': {error.strerror}; choose another directory"
            ) from error
        found = locked(handle)
        if found is False:
            whose = os.read(handle, _LONGEST_NOTE).decode("ascii", "replace").strip()
            os.close(handle)
            raise DataError(
                f"another run{f' (process {whose})' if whose.isdecimal() else ''} is writing to '{directory}'; wait "
                "until it has ended, or choose another directory"
            )
        if found is None:
            words = f"'{place.parent}' knows no locks; take care that no other run writes to '{directory.name}'"
            warnings.warn(words, EqciWarning, stacklevel=4)
        if _is_still(place, handle):
            with suppress(OSError):  # the disk may be full; the number only makes an error more helpful
                os.truncate(handle, 0)
                os.write(handle, f"{os.getpid()}\n".encode())
            return handle
        os.close(handle)  # its last owner has removed it since it was opened


def _is_still(place: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(place, follow_symlinks=False), os.fstat(handle))
    except FileNotFoundError:
        return False

"""How files and folders are written: out of sight beside their place, then renamed, so that no reader finds half.

Nothing else in the package writes. What is worked on stands in a folder of an unpredictable name that only its owner
may enter, in the folder where the result belongs; so no link is followed, the result has the modes that the user's
umask gives, what a writer leaves beside its file goes too, and an interrupt leaves nothing behind. A process that is
killed leaves its folder, which whoever writes there next removes: its lock says that nobody works in it any more.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from eqci_space.errors import DataError
from eqci_space.files.locks import lock_file, locked

__all__ = ["disk_errors", "remove_leftovers", "replaced_directory", "replaced_file", "write_atomically"]

_LONGEST_PREFIX = 120  # bytes
_ENDING = ".eqci-part"
_LOCK, _WORK, _EARLIER = ".eqci-lock", "work", "earlier"


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all, text in UTF-8 with its line ends as they are; see `replaced_file`."""
    with replaced_file(path) as work:
        work.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A path of the same name and ending to write to, which becomes `path` at the end of the block.

    A failure leaves `path` as it was. Where `path` is a link, the link is replaced and not what it leads to.

    Raises
    ------
    DataError
        The folder is full, read-only or gone, or the block raises an OSError.
    """
    with disk_errors(path), _work_folder(path) as folder:
        yield folder / path.name
        os.replace(folder / path.name, path)


@contextmanager
def replaced_directory(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes `path` at the end of the block; a folder that was there goes only then.

    Raises
    ------
    DataError
        As `replaced_file`; what was there is there still.
    """
    with disk_errors(path), _work_folder(path) as folder:
        work, earlier = folder / _WORK, folder / _EARLIER / path.name
        work.mkdir()
        yield work
        if not path.exists():
            os.replace(work, path)
            return
        earlier.parent.mkdir()
        os.replace(path, earlier)
        try:
            os.replace(work, path)
        except BaseException:
            os.replace(earlier, path)
            raise


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Say of an OSError in the block which file or folder was being written, and what helps.

    Raises
    ------
    DataError
        The block raises an OSError.
    """
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write '{path.name}' in '{path.parent}': {error.strerror or error}; make room or choose another "
            "folder, then run again: what is finished is kept"
        ) from error


def remove_leftovers(directory: Path) -> None:
    """Remove from a directory what killed processes were writing there; a folder that one had moved away comes back.

    Work of processes that live, of other users, and what cannot be removed stays.
    """
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.name.endswith(_ENDING) and _is_own_folder(entry):
                with suppress(OSError):
                    _remove_leftover(Path(entry.path))


def _is_own_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) and (
        not hasattr(os, "getuid") or entry.stat(follow_symlinks=False).st_uid == os.getuid()
    )


def _remove_leftover(folder: Path) -> None:
    if not (folder / _LOCK).exists():
        folder.rmdir()  # fails unless it is empty: killed, or at work, between two steps of `_locked_folder`
        return
    lock = lock_file(folder / _LOCK)
    try:
        if locked(lock) is not True:
            return
        earlier = folder / _EARLIER
        for run in earlier.iterdir() if earlier.is_dir() else ():
            if not os.path.lexists(folder.parent / run.name):
                os.rename(run, folder.parent / run.name)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


@lru_cache(maxsize=256)
def _cleared(directory: str) -> None:
    """Remove leftovers once a process: a folder of check-points is written to thousands of times."""
    remove_leftovers(Path(directory))


@contextmanager
def _work_folder(path: Path) -> Iterator[Path]:
    _cleared(os.path.abspath(path.parent))
    folder, lock = _locked_folder(path)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder(path: Path) -> tuple[Path, int]:
    """A new folder beside `path`, and its lock, open; made anew if someone took it for a leftover meanwhile."""
    prefix = "." + os.fsencode(path.name)[:_LONGEST_PREFIX].decode(errors="ignore") + "-"
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=_ENDING, dir=path.parent))
        try:
            lock = lock_file(folder / _LOCK, new=True)
        except FileNotFoundError:
            continue
        except BaseException:
            folder.rmdir()
            raise
        if locked(lock) is not False and folder.is_dir():
            return folder, lock
        os.close(lock)

"""How files and folders are written: out of sight beside their place, then renamed, so that no reader finds half.

Nothing else in the package writes. What is worked on stands in a folder of an unpredictable name that only its owner
may enter, in the folder where the result belongs; so no link is followed, the result has the modes that the user's
umask gives, what a writer leaves beside its file goes too, and an interrupt leaves nothing behind.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eqci_space.errors import DataError

__all__ = ["disk_errors", "replaced_directory", "replaced_file", "write_atomically"]

_LONGEST_PREFIX = 64


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
        work, earlier = folder / "work", folder / "earlier"
        work.mkdir()
        yield work
        if not path.exists():
            os.replace(work, path)
            return
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


@contextmanager
def _work_folder(path: Path) -> Iterator[Path]:
    prefix = f".{path.name[:_LONGEST_PREFIX]}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=path.parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)

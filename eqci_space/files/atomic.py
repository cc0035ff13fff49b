"""How a file is written: under a temporary name, then renamed, so that no reader finds half of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eqci_space.errors import DataError

__all__ = ["replaced_file", "write_atomically"]


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, renamed to `path` at the end of the block; a failure leaves neither.

    Raises
    ------
    DataError
        The folder is full, read-only or gone.
    """
    work = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield work
        os.replace(work, path)
    except OSError as error:
        raise DataError(
            f"cannot write '{path.name}' in '{path.parent}': {error.strerror}; make room or choose another folder, "
            "then run again: what is finished is kept"
        ) from error
    finally:
        work.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; see `replaced_file`."""
    with replaced_file(path) as work:
        work.write_bytes(content)

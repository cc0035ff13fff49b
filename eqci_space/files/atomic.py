"""How a file is written: under a temporary name, then renamed, so that no reader finds half of it."""

from __future__ import annotations

import os
from pathlib import Path

from eqci_space.errors import DataError

__all__ = ["write_atomically"]


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it; a failure leaves neither.

    Raises
    ------
    DataError
        The folder is full, read-only or gone.
    """
    work = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        work.write_bytes(content)
        os.replace(work, path)
    except OSError as error:
        work.unlink(missing_ok=True)
        raise DataError(
            f"cannot write '{path.name}' in '{path.parent}': {error.strerror}; make room or choose another folder, "
            "then run again: what is finished is kept"
        ) from error

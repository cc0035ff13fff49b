"""Where the shipped data files are, in a checkout and in an installed wheel."""

from __future__ import annotations

import csv
import hashlib
from functools import lru_cache
from pathlib import Path

from eqci_space.errors import DataError, near_matches

__all__ = ["data_path", "data_root", "sha256_of", "shipped_files", "shipped_names"]


_LONGEST = 200


@lru_cache(maxsize=1)
def data_root() -> Path:
    """Folder of the shipped data: ``eqci_space/_data`` in a wheel, ``data/`` in a checkout."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "_data", package.parent / "data"):
        if (candidate / "SOURCES.csv").is_file():
            return candidate
    raise DataError(f"data_root: no data folder beside {package.name}; reinstall the package")


def data_path(*parts: str) -> Path:
    """Path of a shipped file or folder; an unknown one names its near matches."""
    path = data_root().joinpath(*parts)
    if any(part in (".", "..") or set(part) & set("/\\\0") or len(part) > _LONGEST for part in parts):
        raise DataError(f"data_path: '{'/'.join(parts)[:_LONGEST]}' can be no shipped data; give a plain name")
    if not path.exists():
        siblings = [p.stem for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"data_path: no shipped data '{'/'.join(parts)}'; {near_matches(path.stem, siblings)}")
    return path


def shipped_names(directory: str, suffix: str) -> list[str]:
    """Names (without suffix) of the shipped files of a directory, or of its directories when `suffix` is empty."""
    root = data_path(directory)
    if not suffix:
        return sorted(p.name for p in root.iterdir() if p.is_dir())
    return sorted(p.name.removesuffix(suffix) for p in root.glob(f"*{suffix}"))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as hexadecimal text, whatever its size."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def shipped_files() -> list[dict[str, str]]:
    """Rows of ``SOURCES.csv``, each with its `state`: "as shipped", "changed" (another checksum) or "missing"."""
    root = data_root()
    with (root / "SOURCES.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        path = root / row["file"]
        if not path.is_file():
            row["state"] = "missing"
        else:
            row["state"] = "as shipped" if sha256_of(path) == row["sha256"] else "changed"
    return rows

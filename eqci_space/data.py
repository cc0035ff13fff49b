"""Where the shipped data files are, in a checkout and in an installed wheel."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from eqci_space.errors import DataError, near_matches

__all__ = ["data_path", "data_root", "sha256_of", "shipped_names"]


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
    if not path.exists():
        siblings = [p.stem for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"data_path: no shipped data '{'/'.join(parts)}'; {near_matches(path.stem, siblings)}")
    return path


def shipped_names(folder: str, suffix: str) -> list[str]:
    """Names (without suffix) of the shipped files of a folder, or of its folders when `suffix` is empty."""
    root = data_path(folder)
    if not suffix:
        return sorted(p.name for p in root.iterdir() if p.is_dir())
    return sorted(p.name.removesuffix(suffix) for p in root.glob(f"*{suffix}"))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as hexadecimal text."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

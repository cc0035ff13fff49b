"""A finished run: its tables and manifest, in memory or in a directory."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from eqci_space.errors import DataError

__all__ = ["SCHEMA_VERSION", "TABLE_NAMES", "Run", "load_run", "write_directory"]

SCHEMA_VERSION = 2
TABLE_NAMES = (
    "passes", "windows", "keys", "candidates", "contacts", "deposits", "routes", "stores", "delivery", "prices",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """Tables by name (see `TABLE_NAMES`) and the manifest of one planning run."""

    tables: dict[str, pd.DataFrame]
    manifest: dict[str, Any]

    def __getattr__(self, name: str) -> pd.DataFrame:
        tables = self.__dict__.get("tables", {})
        if name in tables:
            return tables[name]
        raise AttributeError(f"a run has no table '{name}'; it has {', '.join(tables)}")


def load_run(directory: str | Path) -> Run:
    """Reload a run that `Study.save` or ``eqci run`` wrote; a public release has fewer tables.

    Raises
    ------
    DataError
        The directory is no run, a table is missing, or the schema is of another version.
    """
    folder = Path(directory)
    if not (folder / "run.json").is_file():
        raise DataError(f"load_run: no run.json in '{folder.name}'; expected a directory written by 'eqci run'")
    manifest = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"load_run: schema version {manifest.get('schema_version')}; this version reads {SCHEMA_VERSION}; run again"
        )
    released = manifest.get("tables", TABLE_NAMES)
    names = [n for n in TABLE_NAMES if n in released]
    missing = [n for n in names if not (folder / f"{n}.parquet").is_file()]
    if missing:
        raise DataError(f"load_run: '{folder.name}' lacks {missing[0]}.parquet; run again")
    return Run({n: pd.read_parquet(folder / f"{n}.parquet") for n in names}, manifest)


def write_directory(target: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary folder, then move it to `target` in one step.

    An earlier run at `target` is replaced; anything else there is left alone.

    Raises
    ------
    DataError
        `target` exists and is not a run.
    """
    if target.exists() and not (target / "run.json").is_file() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"write_directory: '{target}' exists and holds no run; choose another --out")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        write(work)
        work.chmod(0o755)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
            os.replace(target, old / "run")
            os.replace(work, target)
            shutil.rmtree(old)
        else:
            os.replace(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)

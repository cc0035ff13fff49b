"""A finished run: its tables and manifest, in memory or in a directory."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from eqci_space.errors import DataError
from eqci_space.files.atomic import replaced_directory
from eqci_space.files.limits import NOTE_BYTES, oversize
from eqci_space.files.parquet_io import read_table
from eqci_space.tables import TABLES, check_table
from eqci_space.words import html_summary, html_table, percent

__all__ = ["SCHEMA_VERSION", "TABLE_NAMES", "Run", "load_run", "require_target", "write_directory"]

SCHEMA_VERSION = 3
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

    def _repr_html_(self) -> str:
        scenario, plan = self.manifest["scenario"], self.manifest["plan"]
        proof = f"proven bound {plan['bound']:.4f}, gap {percent(plan['gap'], 3)}"
        facts = {
            "period": " to ".join(scenario[c][:16].replace("T", " ") for c in ("start", "end")) + " UTC",
            "plan": f"objective {plan['objective']:.4f}, {proof}",
            "written": f"{self.manifest.get('release', 'internal')}, by eqci_space "
            f"{self.manifest['versions']['eqci-space']}",
        }
        rows = [(name, f"{len(table):,}", ", ".join(map(str, table.columns))) for name, table in self.tables.items()]
        return html_summary(
            f"Run of {scenario['name']}", facts, [html_table("Tables", ("table", ">rows", "columns"), rows)]
        )


def load_run(directory: str | Path) -> Run:
    """Reload a run that `Study.save` or ``eqci run`` wrote; a public release has fewer tables.

    Raises
    ------
    DataError
        The directory is no run, a file is missing or damaged, or the schema is of another version.
    TableError
        A table does not fulfil its contract.
    """
    folder = Path(directory)
    if not (folder / "run.json").is_file():
        raise DataError(f"load_run: no run.json in '{directory}'; expected a directory written by 'eqci run'")
    manifest = _manifest(folder / "run.json")
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"load_run: run.json of '{folder.name}' has schema version {manifest.get('schema_version')!r}; this "
            f"version reads {SCHEMA_VERSION}; run the scenario again"
        )
    released = manifest.get("tables", TABLE_NAMES)
    names = [n for n in TABLE_NAMES if isinstance(released, list | tuple) and n in released]
    missing = [n for n in names if not (folder / f"{n}.parquet").is_file()]
    if missing or not names:
        lacks = f"{missing[0]}.parquet" if missing else "a list of its tables"
        raise DataError(f"load_run: '{folder.name}' lacks {lacks}; run the scenario again")
    tables = {n: read_table(folder / f"{n}.parquet", "load_run") for n in names}
    if manifest.get("release") != "public":  # which has fewer columns
        for name, table in tables.items():
            if name.upper() in TABLES:
                check_table(table, name.upper(), f"load_run: {name}.parquet of '{folder.name}'")
    return Run(tables, manifest)


def _manifest(path: Path) -> dict[str, Any]:
    problem = oversize(path, NOTE_BYTES)
    try:
        manifest = None if problem else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        problem = f"is damaged: {error}"
    if problem or not isinstance(manifest, dict):
        problem = problem or "is no JSON object"
        raise DataError(f"load_run: {path.name} of '{path.parent.name}' {problem}; run the scenario again")
    return manifest


def require_target(directory: Path) -> None:
    """Make sure, before anything is worked out, that a run can be written there.

    Raises
    ------
    DataError
        `directory` exists and is not a run, or no folder can be made there.
    """
    if (
        directory.exists()
        and not (directory / "run.json").is_file()
        and (not directory.is_dir() or any(directory.iterdir()))
    ):
        raise DataError(f"write_directory: '{directory}' exists and holds no run; choose another --out")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent)).rmdir()
    except OSError as error:
        raise DataError(f"write_directory: cannot write to '{directory.parent}': {error.strerror}") from error


def write_directory(directory: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary folder, then move it to `directory` in one step.

    An earlier run at `directory` is replaced; anything else there is left alone.

    Raises
    ------
    DataError
        `directory` exists and is not a run, no folder can be made there, or the disk is full.
    """
    require_target(directory)
    with replaced_directory(directory) as work:
        write(work)

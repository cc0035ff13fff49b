"""A finished run: its tables and manifest, in memory or in a directory."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from eqci_space.errors import DataError, TableError
from eqci_space.files.atomic import remove_leftovers, replaced_directory
from eqci_space.files.limits import FIRST_YEAR, LAST_YEAR, NOTE_BYTES, oversize
from eqci_space.files.locks import writing_lock
from eqci_space.files.parquet_io import read_table
from eqci_space.report.manifest_facts import manifest_problem
from eqci_space.tables import TABLES, check_table
from eqci_space.words import html_summary, html_table, percent

__all__ = ["SCHEMA_VERSION", "TABLE_NAMES", "Run", "load_run", "require_target", "target_lock", "write_directory"]

SCHEMA_VERSION = 3
TABLE_NAMES = (
    "passes", "windows", "keys", "candidates", "contacts", "deposits", "routes", "stores", "delivery", "prices",
)  # fmt: skip
_READINGS, _PAUSE_S = 5, 0.02


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

    A run that is replaced meanwhile is read anew, so that no table of one run stands beside those of another.

    Raises
    ------
    DataError
        The directory is no run, a file is missing or damaged, or the schema is of another version.
    TableError
        A table does not fulfil its contract.
    """
    folder = Path(directory)
    for reading in range(_READINGS):
        before = _identity(folder)
        try:
            run = _loaded(folder)
        except DataError:
            if reading == _READINGS - 1 or (before == _identity(folder) and not _is_replaced_now(folder)):
                raise
        else:
            if before == _identity(folder):
                return run
        time.sleep(_PAUSE_S)
    raise DataError(f"load_run: '{directory}' is replaced again and again; read it when its runs are over")


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another of the same name."""
    try:
        found = folder.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _is_replaced_now(folder: Path) -> bool:
    """Whether a folder is away while another is about to take its place."""
    return not folder.exists() and any(folder.parent.glob(".*.eqci-part"))


def _loaded(folder: Path) -> Run:
    if not (folder / "run.json").is_file():
        raise DataError(f"load_run: no run.json in '{folder}'; expected a directory written by 'eqci run'")
    manifest = _manifest(folder / "run.json")
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"load_run: run.json of '{folder.name}' has schema version {manifest.get('schema_version')!r}; this "
            f"version reads {SCHEMA_VERSION}; run the scenario again"
        )
    problem = manifest_problem(manifest)
    if problem:
        raise DataError(f"load_run: run.json of '{folder.name}': {problem}; run the scenario again")
    released = manifest.get("tables", TABLE_NAMES)
    names = [n for n in TABLE_NAMES if isinstance(released, list | tuple) and n in released]
    missing = [n for n in (*names, "contacts", "delivery") if not (folder / f"{n}.parquet").is_file()]
    if missing or not {"contacts", "delivery"} <= set(names):
        lacks = f"{missing[0]}.parquet" if missing else "a list of its tables"
        raise DataError(f"load_run: '{folder.name}' lacks {lacks}; run the scenario again")
    tables = {n: read_table(folder / f"{n}.parquet", "load_run") for n in names}
    for name, table in tables.items():
        if name.upper() in TABLES:
            _check(table, name.upper(), f"load_run: {name}.parquet of '{folder.name}'")
    worlds = manifest.get("simulation", {}).get("demands")
    unknown = set(tables["delivery"]["demand"]) - set(worlds) if worlds else set()
    if unknown:
        raise DataError(
            f"load_run: run.json of '{folder.name}': simulation.demands lacks {min(unknown)!r}; run the scenario again"
        )
    return Run(tables, manifest)


def _check(table: pd.DataFrame, name: str, where: str) -> None:
    """Contract of a table, and what a damaged file may hold beside it: values that are no texts, times of no sense."""
    check_table(table, name, where)
    for column, (kind, _) in TABLES[name].columns.items():
        found = table[column]
        if kind == "text" and pd.api.types.infer_dtype(found.astype(object), skipna=False) not in ("string", "empty"):
            raise TableError(f"{where}: {name}.{column} holds what is no text; run the scenario again")
        if kind == "time" and not found.dt.year.between(FIRST_YEAR, LAST_YEAR + 1).all():
            raise TableError(f"{where}: {name}.{column} holds times out of all periods; run the scenario again")


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


def require_target(directory: Path, *, force: bool = True) -> None:
    """Make sure, before anything is worked out, that a run can be written there.

    Parameters
    ----------
    directory : path
    force : bool
        Whether a finished run there may be replaced.

    Raises
    ------
    DataError
        `directory` exists and is not a run, or is one and may not be replaced, or no folder can be made there.
    """
    remove_leftovers(directory.parent)
    if not force and (directory / "run.json").is_file():
        raise DataError(
            f"write_directory: '{directory}' holds a finished run; give --force (force=True) to replace it, or choose "
            "another directory"
        )
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


@contextmanager
def target_lock(directory: Path, *, force: bool = True) -> Iterator[None]:
    """Nobody else makes a run in a directory meanwhile; parameters as of `require_target`.

    Raises
    ------
    DataError
        As `require_target`, or another run is writing there.
    """
    require_target(directory, force=force)
    with writing_lock(directory):
        require_target(directory, force=force)  # whoever had the lock may have just finished
        yield


def write_directory(directory: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary folder, then move it to `directory`; nobody else writes there meanwhile.

    An earlier run at `directory` is replaced; anything else there is left alone.

    Raises
    ------
    DataError
        `directory` exists and is not a run, another run is writing there, no folder can be made there, or the disk is
        full.
    """
    with target_lock(directory), replaced_directory(directory) as work:
        write(work)

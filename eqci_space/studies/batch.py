"""Passes to candidates over chunks of one satellite and one period, for years and constellations.

A chunk owns the passes whose acquisition of signal lies in it. It searches from a little before its begin, so that a
pass that comes from before is known as such, to past its end until no pass of its own is cut. Samples and budgets live
only inside a chunk; what remains of it are the rows per pass and window, which go to check-points and from there in
order of time into one Parquet file per table, a period at a time. So memory does not grow with the period.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from eqci_space.errors import DataError
from eqci_space.files.atomic import disk_errors, replaced_file, write_atomically
from eqci_space.files.limits import NOTE_BYTES, oversize
from eqci_space.files.locks import writing_lock
from eqci_space.files.parquet_io import read_table
from eqci_space.linkbudget.budget import link_budget
from eqci_space.machine.parallel import run_chunks
from eqci_space.ogs.sampling import sample_windows
from eqci_space.ogs.windows import observable_windows
from eqci_space.orbits.passes import find_passes
from eqci_space.qkd.window_keys import window_keys
from eqci_space.qkd.window_responses import window_responses
from eqci_space.scenario import Scenario
from eqci_space.scenario.packed import content_sha256, packed_scenario, unpacked_scenario
from eqci_space.schedule.candidates import contact_candidates
from eqci_space.tables import TABLES, check_table, empty_table

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = [
    "BATCH_TABLES",
    "BatchChunk",
    "batch_chunks",
    "chunk_tables",
    "load_batch",
    "run_batch",
]

SCHEMA_VERSION = 1
# Tables by name, with the column of time that orders each; KEYS have the order of their windows.
BATCH_TABLES = {"passes": "aos", "windows": "start", "keys": "start", "candidates": "start"}
_ORDER = ["_at", "_first", "_second"]
_NOTE = "batch.json"
_LEAD = timedelta(minutes=1)
_FIRST_OVERRUN = timedelta(hours=1)
_DTYPES = {"text": "str", "time": "datetime64[us, UTC]", "number": "float64", "whole": "int64", "flag": "bool"}


@dataclass(frozen=True)
class BatchChunk:
    """A satellite and a period [`start`, `end`) of a packed scenario; with `extra_loss_db`, its keys under losses."""

    scenario: str
    satellite: str
    start: str
    end: str
    extra_loss_db: tuple[float, ...] = ()


def batch_chunks(
    scenario: Scenario, *, chunk_day: float = 7.0, extra_loss_db: Sequence[float] = ()
) -> list[BatchChunk]:
    """Chunks of a scenario, by period and then by satellite.

    Parameters
    ----------
    scenario : Scenario
    chunk_day : float
        Length of a period [day], > 0. Under ``parameters = "common"`` all windows of a satellite share one parameter
        set, so the whole period is one chunk; so it is of dual downlinks, whose windows have to be seen together.
    extra_loss_db : sequence
        Losses for a table of responses (`window_responses`).
    """
    if not chunk_day > 0:
        raise DataError(f"batch_chunks: chunk_day = {chunk_day}; expected a positive number of days")
    whole = scenario.protocol.parameters == "common" and scenario.protocol.kind != "bbm92"
    whole |= scenario.protocol.downlink == "dual"
    length = scenario.end - scenario.start
    step = length if whole else min(length, timedelta(days=chunk_day))
    edges = [scenario.start + i * step for i in range(-(-length // step))] + [scenario.end]
    text, losses = packed_scenario(scenario), tuple(float(x) for x in extra_loss_db)
    return [
        BatchChunk(text, satellite.name, start.isoformat(), end.isoformat(), losses)
        for start, end in pairwise(edges)
        for satellite in scenario.satellites
    ]


def chunk_tables(chunk: BatchChunk) -> dict[str, pd.DataFrame]:
    """PASSES, WINDOWS, KEYS and CANDIDATES of the passes that a chunk owns, and their responses if asked for."""
    whole = unpacked_scenario(chunk.scenario)
    satellites = tuple(s for s in whole.satellites if s.name == chunk.satellite)
    scenario = whole.model_copy(update={"satellites": satellites})
    passes = _owned_passes(scenario, datetime.fromisoformat(chunk.start), datetime.fromisoformat(chunk.end))
    windows = observable_windows(passes, scenario)
    budget = link_budget(sample_windows(windows, scenario), scenario)
    keys = window_keys(budget, scenario)
    keys = keys.loc[[w for w in windows.index if w in keys.index]]
    candidates = contact_candidates(budget, keys, scenario)
    found = {"passes": passes, "windows": windows, "keys": keys, "candidates": candidates}
    tables = {name: _normalised(table, name.upper()) for name, table in found.items()}
    if chunk.extra_loss_db:
        responses = window_responses(budget, keys, scenario, chunk.extra_loss_db)
        tables["responses"] = responses.rename(columns=str).rename_axis(columns=None)
    return tables


def _owned_passes(scenario: Scenario, start: datetime, end: datetime) -> pd.DataFrame:
    begin = max(scenario.start, start - _LEAD)
    overrun = _FIRST_OVERRUN
    while True:
        finish = min(scenario.end, end + overrun)
        passes = find_passes(scenario, start=begin, end=finish)
        mine = passes[(passes["aos"] >= pd.Timestamp(start)) & (passes["aos"] < pd.Timestamp(end))]
        if finish == scenario.end or not (mine["los"] >= pd.Timestamp(finish)).any():
            return mine
        overrun *= 4


def _normalised(table: pd.DataFrame, contract: str) -> pd.DataFrame:
    """Columns of the kinds that survive a file unchanged, those of the contract first."""
    stated = {column: _DTYPES[kind] for column, (kind, _) in TABLES[contract].columns.items()}
    others = {c: _own_dtype(table[c]) for c in table.columns if c not in stated}
    table = table[[*stated, *others]].astype({**stated, **others})
    return table.set_axis(pd.Index(table.index, dtype="str", name=table.index.name))


def _own_dtype(column: pd.Series) -> Any:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return _DTYPES["time"]
    return "str" if column.dtype == object else column.dtype


def run_batch(
    scenario: Scenario,
    directory: str | Path,
    *,
    chunk_day: float = 7.0,
    executor: Any = None,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
    checkpoint: str | Path | None = None,
) -> dict[str, int]:
    """Passes, windows, keys and candidates of a scenario, each as a Parquet file.

    The files do not depend on executor, jobs, interruptions and resumption, to the byte. They are the tables of the
    stages on the whole period, in the same order, with KEYS in that of their windows; another `chunk_day` may move
    times by a microsecond and key by what that makes of it, because splines and grids begin elsewhere.

    Parameters
    ----------
    scenario : Scenario
    directory : path
        Made if it does not exist; tables of an earlier batch are replaced.
    chunk_day : float
        Length of a chunk's period [day]. A week of one satellite over 30 stations takes some seconds.
    executor, jobs, progress
        As in `run_chunks`.
    checkpoint : path, optional
        Folder of finished chunks, from which a later run goes on. Default ``.chunks`` in the directory, removed when
        all is done.

    Returns
    -------
    dict
        Number of rows of each table.

    Raises
    ------
    ChunkError
        Some chunks failed; the check-points of the others are kept, no table is written.
    DataError
        The folder cannot be written, or another batch is writing to it.
    """
    chunks = batch_chunks(scenario, chunk_day=chunk_day)
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"run_batch: cannot write to '{folder}': {error.strerror}; choose another folder") from error
    with writing_lock(folder):
        with disk_errors(folder / _NOTE):
            (folder / _NOTE).unlink(missing_ok=True)
        kept = folder / ".chunks" if checkpoint is None else checkpoint
        results = run_chunks(chunk_tables, chunks, executor=executor, jobs=jobs, progress=progress, checkpoint=kept)
        counts = _merge(results, chunks, scenario, folder)
        note = {
            "schema_version": SCHEMA_VERSION, "version": importlib.metadata.version("eqci-space"),
            "scenario": {
                "name": scenario.name, "sha256": scenario.sha256,
                "content_sha256": content_sha256(scenario),
                "start": scenario.start.isoformat(), "end": scenario.end.isoformat(),
            },
            "chunk_day": chunk_day, "chunks": len(chunks), "rows": counts,
        }  # fmt: skip
        write_atomically(folder / _NOTE, json.dumps(note, indent=2, ensure_ascii=False) + "\n")
        if checkpoint is None:
            shutil.rmtree(kept)
    return counts


def load_batch(directory: str | Path) -> dict[str, pd.DataFrame]:
    """The tables that `run_batch` wrote.

    Raises
    ------
    DataError
        The folder holds no finished batch, or one of another schema.
    TableError
        A table does not fulfil its contract.
    """
    folder = Path(directory)
    try:
        problem = oversize(folder / _NOTE, NOTE_BYTES)
        note = None if problem else json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        version = note.get("schema_version") if isinstance(note, dict) else None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"load_batch: no finished batch in '{folder}'; expected {_NOTE} from run_batch") from error
    if problem:
        raise DataError(f"load_batch: {_NOTE} in '{folder}': {problem}")
    if version != SCHEMA_VERSION:
        raise DataError(
            f"load_batch: batch.json in '{folder}' has schema version {version}; this version reads {SCHEMA_VERSION}; "
            "run the batch again"
        )
    tables = {name: read_table(folder / f"{name}.parquet", f"load_batch: '{folder}'") for name in BATCH_TABLES}
    return {name: check_table(table, name.upper(), "load_batch") for name, table in tables.items()}


def _merge(
    results: Sequence[dict[str, pd.DataFrame]], chunks: Sequence[BatchChunk], scenario: Scenario, folder: Path
) -> dict[str, int]:
    """Write the tables in order of time, a period at a time; rows that begin after it wait for the next.

    No row of a later period begins earlier, for its pass does not.
    """
    waiting: dict[str, list[pd.DataFrame]] = {name: [] for name in BATCH_TABLES}
    with ExitStack() as files:
        writers = {name: files.enter_context(_parquet_parts(folder / f"{name}.parquet")) for name in BATCH_TABLES}
        for end, numbers in groupby(range(len(chunks)), key=lambda i: chunks[i].end):
            parts = [results[i] for i in numbers]
            limit = None if datetime.fromisoformat(end) >= scenario.end else pd.Timestamp(end)
            for name in BATCH_TABLES:
                rows = pd.concat([*waiting[name], *(_placed(part, name) for part in parts)])
                rows = rows.sort_values(_ORDER, kind="stable")
                ready = len(rows) if limit is None else int((rows["_at"] < limit).sum())
                waiting[name] = [rows.iloc[ready:]]
                writers[name].write(rows.iloc[:ready].drop(columns=_ORDER))
        return {name: writer.close(empty_table(name.upper())) for name, writer in writers.items()}


def _placed(part: dict[str, pd.DataFrame], name: str) -> pd.DataFrame:
    """A table of a chunk with what it is ordered by: time, satellite and station, or the id for candidates."""
    table, windows = part[name], part["windows"]
    whose = windows.loc[table.index] if name == "keys" else table
    at = whose[BATCH_TABLES[name]]
    if name == "candidates":
        return table.assign(_at=at, _first=table.index, _second="")
    return table.assign(_at=at, _first=whose["satellite"], _second=whose["ogs"])


@contextmanager
def _parquet_parts(path: Path) -> Iterator[_Writer]:
    """A Parquet file written in parts, which has its name when the block has ended well."""
    with replaced_file(path) as work:
        writer = _Writer(path, work)
        try:
            yield writer
        finally:
            writer.discard()


class _Writer:
    """One Parquet file written in parts at `work`; errors of the disk name `path`."""

    def __init__(self, path: Path, work: Path):
        self._path, self._work = path, work
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0

    def write(self, table: pd.DataFrame) -> None:
        """Append rows."""
        if len(table):
            self._append(table)

    def close(self, template: pd.DataFrame) -> int:
        """End the file and return its number of rows; one that got none takes the columns of the template."""
        if self._writer is None:
            self._append(template)
        if self._writer is not None:
            with disk_errors(self._path):
                self._writer.close()
        return self._rows

    def discard(self) -> None:
        """Let go of a file that was not ended."""
        if self._writer is not None and self._writer.is_open:
            with suppress(OSError):  # the disk may still be full
                self._writer.close()

    def _append(self, table: pd.DataFrame) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        content = pa.Table.from_pandas(table)
        with disk_errors(self._path):
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._work, content.schema)
            self._writer.write_table(content)
        self._rows += len(table)

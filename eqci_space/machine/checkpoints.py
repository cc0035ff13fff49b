"""Finished chunks on disk: one JSON file each, with Parquet files beside it for tables.

A check-point is named by the content of what made it: function, chunk record, version and code of the package. Of its
files the JSON is written last and with the checksums of the tables, so that what was cut off or damaged is never taken
for finished.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from eqci_space.errors import DataError, EqciError
from eqci_space.files.atomic import write_atomically
from eqci_space.files.limits import NOTE_BYTES, oversize

__all__ = ["Checkpoints", "function_name", "record_text"]

_SCHEMA_VERSION = 1
_DIGITS = 32


def function_name(func: Callable[..., Any]) -> str:
    """Module and name by which another process finds a function.

    Raises
    ------
    EqciError
        The function is a lambda, a closure, a method of an object or otherwise without such a name.
    """
    module, name = getattr(func, "__module__", None), getattr(func, "__qualname__", "<unnamed>")
    if module is None or "<" in name:
        raise EqciError(
            f"run_chunks: function {func!r} has no name that other processes or runs can find; define it at the top "
            "of a module"
        )
    return f"{module}:{name}"


def record_text(chunk: Any) -> str:
    """A chunk record as canonical JSON.

    Raises
    ------
    EqciError
        The record holds something else than numbers, text, times, tuples, lists, dictionaries and dataclasses of them.
    """
    try:
        return json.dumps(_plain(chunk), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise EqciError(
            f"run_chunks: chunk record {type(chunk).__name__}: {error}; expected finite numbers, text, times and "
            "tuples, lists, dictionaries or dataclasses of them"
        ) from error


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"dictionary with keys {list(value)[:3]}")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value


def _fits(shape: str, has_value: bool, parts: set[str]) -> bool:
    """Whether a note has what its shape stands for."""
    return {"value": has_value and not parts, "table": parts == {"table"}, "tables": bool(parts)}.get(shape, False)


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """Digest of the code of the package, for a checkout changes without another version."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:_DIGITS]


class Checkpoints:
    """Results of chunks in a folder.

    Parameters
    ----------
    folder : path
        Made if it does not exist.
    func : callable
        The function that makes the results.
    """

    def __init__(self, folder: str | Path, func: Callable[..., Any]):
        self.folder = Path(folder)
        self._function = function_name(func)
        self._version = f"{importlib.metadata.version('eqci-space')}+{_code_digest()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"cannot make the folder '{self.folder}' for check-points: {error.strerror}") from error

    def name(self, record: str) -> str:
        """Name of the check-point of a chunk record."""
        made_by = json.dumps([_SCHEMA_VERSION, self._function, self._version, record])
        return hashlib.sha256(made_by.encode()).hexdigest()[:_DIGITS]

    def save(self, name: str, record: str, result: Any) -> None:
        """Keep a result: a JSON value, a table, or a dictionary of tables."""
        import pandas as pd

        tables, value, shape = {}, None, "value"
        if isinstance(result, pd.DataFrame):
            tables, shape = {"table": result}, "table"
        elif isinstance(result, dict) and result and all(isinstance(t, pd.DataFrame) for t in result.values()):
            tables, shape = result, "tables"
        else:
            value = result
        sums = {}
        for part, table in tables.items():
            content = table.to_parquet()
            write_atomically(self._path(name, part), content)
            sums[part] = hashlib.sha256(content).hexdigest()
        note = {
            "schema_version": _SCHEMA_VERSION, "function": self._function, "version": self._version,
            "record": record, "shape": shape, "value": value, "sha256": sums,
        }  # fmt: skip
        write_atomically(self.folder / f"{name}.json", json.dumps(note))

    def has(self, name: str, *, record: str | None = None) -> bool:
        """Whether a result is there and whole; one damaged, or of another record, code or function, is missing."""
        note = self._note(name)
        return note is not None and (record is None or note["record"] == record)

    def load(self, name: str) -> Any:
        """A result as it was saved.

        Raises
        ------
        DataError
            It is missing or damaged.
        """
        from eqci_space.files.parquet_io import read_table

        note = self._note(name)
        if note is None:
            raise DataError(f"check-point '{name}' in '{self.folder}' is missing or damaged; run again")
        if note["shape"] == "value":
            return note["value"]
        where = f"check-point '{name}' in '{self.folder}'"
        tables = {part: read_table(self._bytes(name, part), where) for part in note["sha256"]}
        return tables["table"] if note["shape"] == "table" else tables

    def _path(self, name: str, part: str) -> Path:
        if not part or set(part) & set("/\\\0"):
            raise ValueError(f"check-point: '{part}' is no name of a table; use one without slashes")
        return self.folder / f"{name}.{part}.parquet"

    def _bytes(self, name: str, part: str) -> bytes:
        return self._path(name, part).read_bytes()

    def _note(self, name: str) -> dict[str, Any] | None:
        """What is known of a check-point of this schema whose tables are as they were written."""
        try:
            path = self.folder / f"{name}.json"
            note: Any = None if oversize(path, NOTE_BYTES) else json.loads(path.read_text(encoding="utf-8"))
            parts = note["sha256"].items()
            whole = _fits(note["shape"], "value" in note, {part for part, _ in parts})
            sound = note["schema_version"] == _SCHEMA_VERSION and whole and isinstance(note["record"], str)
            sound = sound and (note["function"], note["version"]) == (self._function, self._version)
            sound = sound and all(hashlib.sha256(self._bytes(name, part)).hexdigest() == sum_ for part, sum_ in parts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return note if sound else None

    def note_failure(self, name: str, record: str, error: str, traceback: str, attempts: int) -> None:
        """Write down a chunk that failed, with its inputs."""
        note = {
            "function": self._function, "version": self._version, "record": json.loads(record), "error": error,
            "traceback": traceback, "attempts": attempts,
        }  # fmt: skip
        write_atomically(self.folder / f"{name}.failed.json", json.dumps(note, indent=1) + "\n")

    def forget_failure(self, name: str) -> None:
        """Drop the note of an earlier failure of a chunk that is finished now."""
        (self.folder / f"{name}.failed.json").unlink(missing_ok=True)

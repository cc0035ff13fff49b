"""What is found while one scenario file is read: problems by their place, sources of values, names, input files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eqci_space.data import sha256_of
from eqci_space.errors import DataError, ScenarioError
from eqci_space.files.csv_rows import CsvError
from eqci_space.files.limits import (
    GRID_BYTES,
    file_beside,
    oversize,
)

__all__ = ["Reading", "joined_path", "unwrap_sources"]


class Reading:
    """Findings gathered while one file is read: problems, and the source of each value.

    `names` are the names of tables in lists by their place, `tables` the ``[station.NAME]`` tables by the station that
    each is for, and `misspelt` the name under which the file has such a table where that is not the station's;
    `catalogue` is the file of the other stations.
    """

    def __init__(self, base: Path):
        self.base = base
        self.problems: list[tuple[str, str]] = []
        self.sources: dict[str, tuple[str, str]] = {}
        self.inputs: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.tables: dict[str, Any] = {}
        self.misspelt: dict[str, str] = {}
        self.catalogue: Path | None = None

    def error(self, source: str) -> ScenarioError:
        """Everything found wrong, by the names that the file uses."""
        problems = []
        for path, message in self.problems:
            station = next((s for s in self.misspelt if f"{path}.".startswith(f"station.{s}.")), None)
            if station is not None:
                path = f"station.{self.misspelt[station]}{path[len('station.') + len(station) :]}"
            problems.append((path, message))
        return ScenarioError(source, problems, self.names)

    def note(self, path: str, error: Exception) -> None:
        """Keep what went wrong with a file named at a path; all problems of a table one by one."""
        for problem in error.problems if isinstance(error, CsvError) else [str(error)]:
            self.problems.append((path, problem))

    def file(self, name: str) -> Path:
        """Path of a file named in the scenario, its content noted."""
        path = file_beside(self.base, name)
        if not path.is_file():
            raise DataError(f"no file '{name}' beside the scenario")
        problem = oversize(path, GRID_BYTES)
        if problem:
            raise DataError(f"{path.name}: {problem}")
        self.inputs[name] = sha256_of(path)
        return path


def joined_path(path: str, key: object) -> str:
    """Path of an entry of the table at `path`; the top level has none."""
    return f"{path}.{key}" if path else str(key)


def unwrap_sources(value: Any, path: str, reading: Reading) -> Any:
    """Replace every ``{value, source}`` table by its value and remember the source."""
    if isinstance(value, dict):
        if set(value) == {"value", "source"}:
            reading.sources[path] = (str(value["value"]), str(value["source"]))
            return value["value"]
        return {k: unwrap_sources(v, joined_path(path, k), reading) for k, v in value.items()}
    if isinstance(value, list):
        return [unwrap_sources(v, joined_path(path, i), reading) for i, v in enumerate(value)]
    return value

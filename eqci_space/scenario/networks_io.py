"""Rows of a terrestrial network, `nodes.csv` and `links.csv` in one folder, with all that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from eqci_space.data import data_path
from eqci_space.errors import DataError, near_matches
from eqci_space.files.csv_rows import CsvError, placed_rows

__all__ = ["LINK_NUMBERS", "NODE_NUMBERS", "Row", "network_folder", "read_network_rows"]

_NODE_COLUMNS = ("name", "country", "domain", "role", "trust", "latitude_deg", "longitude_deg")
_LINK_COLUMNS = ("a", "b", "length_km", "loss_db", "medium", "listed_sites", "status", "confidence")
NODE_NUMBERS = {"latitude_deg": (-90.0, 90.0), "longitude_deg": (-180.0, 180.0)}
LINK_NUMBERS = {"length_km": (0.0, 1e5), "loss_db": (0.0, 1e5), "listed_sites": (0.0, 1e5)}
"""Columns of numbers and their ranges."""
Row = dict[str, str]


def network_folder(network: str, base: Path) -> Path:
    """Folder of a network that a scenario in the folder `base` names: a path there, or a shipped name."""
    return base / network if "/" in network else data_path("fiber", network)


def read_network_rows(directory: Path) -> tuple[dict[str, Row], dict[str, Row]]:
    """Nodes and links of a network by id, as they are written, numbers with decimal points.

    Raises
    ------
    DataError
        A file or column is missing; rows, ids, numbers or ends of links are malformed: all that is found in both files.
    """
    tables: list[dict[str, tuple[int, Row]]] = []
    problems: list[str] = []
    for file, key, columns, numbers in (
        ("nodes.csv", "node", _NODE_COLUMNS, NODE_NUMBERS), ("links.csv", "link", _LINK_COLUMNS, LINK_NUMBERS)
    ):  # fmt: skip
        if not (directory / file).is_file():
            raise DataError(f"no file '{file}' in '{directory.name}'; a network has nodes.csv and links.csv")
        try:
            rows = placed_rows(directory / file, key, columns=columns, numbers=tuple(numbers))
            if not rows:
                raise DataError(f"{file}: no row; expected at least one {key}")
            tables.append(rows)
            problems += _out_of_range(file, rows, numbers)
        except CsvError as error:
            problems += error.problems
    if len(tables) == 2:
        problems += _wrong_ends(*tables)
    if problems:
        raise CsvError("", problems)
    nodes, links = ({key: row for key, (_, row) in table.items()} for table in tables)
    return nodes, links


def _out_of_range(
    file: str, rows: Mapping[str, tuple[int, Row]], numbers: Mapping[str, tuple[float, float]]
) -> Iterator[str]:
    for key, (line, row) in rows.items():
        for column, (low, high) in numbers.items():
            if not row[column] or not low <= float(row[column]) <= high:
                got = f"is {row[column]}" if row[column] else "is blank"
                yield f"{file} line {line}, {column}: of '{key}' {got}; expected a number in {low:g}..{high:g}"


def _wrong_ends(nodes: Mapping[str, tuple[int, Row]], links: Mapping[str, tuple[int, Row]]) -> Iterator[str]:
    for link, (line, row) in links.items():
        for end in ("a", "b"):
            if row[end] not in nodes:
                hint = near_matches(row[end], nodes)
                yield f"links.csv line {line}, {end}: link '{link}' ends at unknown node '{row[end]}'; {hint}"
        if row["a"] == row["b"]:
            yield f"links.csv line {line}: link '{link}' joins '{row['a']}' to itself; give two nodes"

"""Rows of a terrestrial network, `nodes.csv` and `links.csv` in one folder, with all that is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from eqci_space.data import data_path
from eqci_space.errors import DataError, near_matches
from eqci_space.files.csv_rows import CsvError, placed_rows
from eqci_space.files.degrees import longitude_problem
from eqci_space.scenario.countries import country_problem
from eqci_space.scenario.plausibility import (
    great_circle_km,
    link_doubt,
    link_problem,
    position_doubt,
    position_problem,
)

__all__ = ["LINK_NUMBERS", "NODE_NUMBERS", "Row", "network_doubts", "network_folder", "read_network_rows"]

_NODE_COLUMNS = ("name", "country", "domain", "role", "trust", "latitude_deg", "longitude_deg")
_LINK_COLUMNS = ("a", "b", "length_km", "loss_db", "medium", "listed_sites", "status", "confidence")
NODE_NUMBERS = {"latitude_deg": (-90.0, 90.0), "longitude_deg": (-180.0, 180.0)}
LINK_NUMBERS = {"length_km": (0.0, 1e5), "loss_db": (0.0, 1e5), "listed_sites": (-math.inf, math.inf)}
"""Columns of numbers and their ranges."""
_VOCABULARIES = {
    "role": ("hub", "ix", "trusted_node", "station"), "trust": ("trusted", "assumed"),
    "medium": ("terrestrial", "submarine"),
}  # fmt: skip
_UNTRUSTED = "a node that is not trusted passes no key on: leave it out, or let demands forbid it by forbidden_nodes"
Row = dict[str, str]


def network_folder(network: str, directory: Path) -> Path:
    """Folder of a network that a scenario in a directory names: a path there, or a shipped name."""
    return directory / network if "/" in network else data_path("fiber", network)


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
            problems += [*_out_of_range(file, rows, numbers), *_unknown_words(file, rows)]
        except CsvError as error:
            problems += error.problems
    if len(tables) == 2:
        problems += _wrong_ends(*tables)
    if not problems:
        problems += _impossible(*tables)
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
                hint = longitude_problem(float(row[column] or 0)) if column == "longitude_deg" else ""
                expected = hint or f"expected a number in {low:g}..{high:g}"
                yield f"{file} line {line}, {column}: of '{key}' {got}; {expected}"


def _unknown_words(file: str, rows: Mapping[str, tuple[int, Row]]) -> Iterator[str]:
    """Cells outside the words that decide who may see key."""
    for key, (line, row) in rows.items():
        where = f"{file} line {line}"
        country = row.get("country")
        if country and country_problem(country):
            yield f"{where}, country: of '{key}': {country_problem(country)}"
        for column, words in _VOCABULARIES.items():
            if column in row and row[column] not in words:
                remedy = _UNTRUSTED if column == "trust" else near_matches(row[column], words)
                yield f"{where}, {column}: of '{key}' is '{row[column]}'; expected {' or '.join(words)}; {remedy}"
        listed = row.get("listed_sites")
        if listed and float(listed) not in (0.0, 1.0):
            yield (
                f"{where}, listed_sites: of '{key}' is {listed}; expected 1 where the nodes between are nodes "
                "of the list themselves, else 0"
            )


def _place(row: Row) -> tuple[float, float]:
    return float(row["latitude_deg"]), float(row["longitude_deg"])


def _impossible(nodes: Mapping[str, tuple[int, Row]], links: Mapping[str, tuple[int, Row]]) -> Iterator[str]:
    for node, (line, row) in nodes.items():
        problem = position_problem(row["country"], *_place(row))
        if problem:
            yield f"nodes.csv line {line}: '{node}': {problem}"
    for link, (line, row) in links.items():
        problem = link_problem(float(row["length_km"]), float(row["loss_db"]))
        if problem:
            yield f"links.csv line {line}, loss_db: link '{link}' {problem}"


def network_doubts(nodes: Mapping[str, Row], links: Mapping[str, Row]) -> list[str]:
    """What can hardly be right of a network that `read_network_rows` takes: places and links, one sentence each."""
    found = [
        f"nodes.csv: '{node}': {doubt}"
        for node, row in nodes.items() if (doubt := position_doubt(row["country"], *_place(row)))
    ]  # fmt: skip
    for link, row in links.items():
        apart_km = great_circle_km(_place(nodes[row["a"]]), _place(nodes[row["b"]]))
        explained = bool(row.get("loss_source") or row.get("note"))
        doubt = link_doubt(float(row["length_km"]), float(row["loss_db"]), apart_km, explained=explained)
        if doubt:
            found.append(f"links.csv: link '{link}' {doubt}")
    return found


def _wrong_ends(nodes: Mapping[str, tuple[int, Row]], links: Mapping[str, tuple[int, Row]]) -> Iterator[str]:
    for link, (line, row) in links.items():
        for end in ("a", "b"):
            if row[end] not in nodes:
                hint = near_matches(row[end], nodes)
                yield f"links.csv line {line}, {end}: link '{link}' ends at unknown node '{row[end]}'; {hint}"
        if row["a"] == row["b"]:
            yield f"links.csv line {line}: link '{link}' joins '{row['a']}' to itself; give two nodes"

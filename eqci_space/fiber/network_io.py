"""Read a terrestrial network from a folder with `nodes.csv` and `links.csv`, and check it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from eqci_space.data import data_path
from eqci_space.errors import DataError, near_matches
from eqci_space.files.csv_rows import keyed_rows
from eqci_space.scenario import Scenario

__all__ = ["read_network"]

_NODE_COLUMNS = ["node", "name", "country", "domain", "role", "trust", "latitude_deg", "longitude_deg"]
_LINK_COLUMNS = ["link", "a", "b", "length_km", "loss_db", "medium", "listed_sites", "status", "confidence"]


def read_network(scenario: Scenario) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Nodes and links of the scenario's network as plain tables, indexed by id.

    Parameters
    ----------
    scenario : Scenario
        Its `fiber.network` is a shipped name, or a folder beside its file.

    Returns
    -------
    tuple of DataFrame
        Columns of the files as they are written; latitude_deg, longitude_deg [deg], length_km [km], loss_db [dB] and
        listed_sites as numbers.

    Raises
    ------
    DataError
        A file or column is missing, an id stands twice, an end is unknown, or a length, loss or coordinate is
        out of range. The message names file and id.
    """
    name = scenario.fiber.network
    folder = Path(scenario.file).parent / name if "/" in name else data_path("fiber", name)
    nodes = _read(folder / "nodes.csv", "node", _NODE_COLUMNS)
    links = _read(folder / "links.csv", "link", _LINK_COLUMNS)
    for column, low, high in (("latitude_deg", -90, 90), ("longitude_deg", -180, 180)):
        _check_range(nodes, column, low, high, "nodes.csv")
    for column in ("length_km", "loss_db", "listed_sites"):
        _check_range(links, column, 0, 1e5, "links.csv")
    for end in ("a", "b"):
        unknown = links[~links[end].isin(nodes.index)]
        if len(unknown):
            link, node = unknown.index[0], unknown[end].iloc[0]
            raise DataError(
                f"links.csv: link '{link}' ends at unknown node '{node}'; {near_matches(node, nodes.index)}"
            )
    loops = links[links["a"] == links["b"]]
    if len(loops):
        raise DataError(f"links.csv: link '{loops.index[0]}' joins '{loops['a'].iloc[0]}' to itself; give two nodes")
    return nodes, links


def _read(path: Path, key: str, columns: list[str]) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(
            f"read_network: no file '{path.name}' in '{path.parent.name}'; a network has nodes.csv and links.csv"
        )
    rows = keyed_rows(path, key, columns=columns)
    if not rows:
        raise DataError(f"{path.name}: no row; expected at least one {key}")
    return pd.DataFrame(list(rows.values()), dtype=str).set_index(key)


def _check_range(table: pd.DataFrame, column: str, low: float, high: float, file: str) -> None:
    numbers = pd.to_numeric(table[column], errors="coerce")
    bad = table[~numbers.between(low, high)]
    if len(bad):
        raise DataError(
            f"{file}: {column} of '{bad.index[0]}' is {bad[column].iloc[0]}; expected a number in {low:g}..{high:g}"
        )
    table[column] = numbers

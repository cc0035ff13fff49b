"""The terrestrial network of a scenario as plain tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from eqci_space.scenario import Scenario
from eqci_space.scenario.networks_io import LINK_NUMBERS, NODE_NUMBERS, Row, network_folder, read_network_rows

__all__ = ["read_network"]


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
        out of range: all that is found, with file, line and column.
    """
    folder = network_folder(scenario.fiber.network, Path(scenario.file).parent)
    nodes, links = read_network_rows(folder)
    return _table(nodes, "node", NODE_NUMBERS), _table(links, "link", LINK_NUMBERS)


def _table(rows: Mapping[str, Row], key: str, numbers: Iterable[str]) -> pd.DataFrame:
    table = pd.DataFrame(list(rows.values()), dtype=str).set_index(key)
    for column in numbers:
        table[column] = pd.to_numeric(table[column])
    return table

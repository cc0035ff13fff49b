"""Fixture of the orbit tests: the shipped element sets."""

import pytest

from eqci_space.data import data_path
from eqci_space.orbits.elements_io import read_elements


@pytest.fixture(scope="session")
def synthetic_sets():
    """The 30 shipped element sets, by name."""
    return {s.name: s for s in read_elements(data_path("orbits", "synthetic_constellations.omm.json"))}

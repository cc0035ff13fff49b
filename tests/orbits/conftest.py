"""Fixtures of the orbit tests: the Skyfield time scale and the Astropy table of the same Earth orientation."""

from __future__ import annotations

import os

import astropy_iers_data
import pytest
from astropy.utils import iers
from skyfield.api import Loader

from eqci_space.data import data_path
from eqci_space.orbits.elements_io import read_elements


@pytest.fixture(scope="session")
def timescale():
    """Skyfield's time scale from the file that the package reads."""
    return Loader(os.path.dirname(astropy_iers_data.IERS_A_FILE)).timescale(builtin=False)


@pytest.fixture
def astropy_orientation():
    """Astropy pinned to the same file, without downloads; the user's settings come back afterwards."""
    table = iers.IERS_A.open(astropy_iers_data.IERS_A_FILE)
    with iers.conf.set_temp("auto_download", False), iers.earth_orientation_table.set(table):
        yield table


@pytest.fixture(scope="session")
def synthetic_sets():
    """The 30 shipped element sets, by name."""
    return {s.name: s for s in read_elements(data_path("orbits", "synthetic_constellations.omm.json"))}

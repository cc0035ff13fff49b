"""Fixtures of the station tests: the time scale and the Earth orientation that Skyfield and Astropy also read."""

from __future__ import annotations

import os

import astropy_iers_data
import pytest
from astropy.utils import iers
from skyfield.api import Loader


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

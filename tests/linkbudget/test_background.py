"""Sky light against the reference cases, ESO SkyCalc and ITU-R P.1621-2."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eqci_space.linkbudget.background import (
    background_photon_rate_hz,
    night_radiance_w_m2_sr_m,
    single_mode_photon_rate_hz,
)

CASES = Path(__file__).parents[1] / "cases"
BAND_CENTRE_M = {"V": 0.55e-6, "I": 0.80e-6, "H": 1.63e-6}


def _rows(quantity, keep=lambda inputs: True):
    with (CASES / "linkbudget.csv").open(newline="", encoding="utf-8") as file:
        rows = [(json.loads(r["inputs"]), r) for r in csv.DictReader(file) if r["quantity"] == quantity]
    rows = [(inputs, r) for inputs, r in rows if keep(inputs)]
    assert rows
    return [pytest.param(inputs, r, id=r["id"]) for inputs, r in rows]


@pytest.mark.parametrize(("inputs", "row"), _rows("background_photon_rate"))
def test_background_photon_rate_of_reference_cases(inputs, row):
    assert_allclose(background_photon_rate_hz(**inputs), float(row["expected"]), rtol=float(row["rel_tol"]))


@pytest.mark.parametrize(
    ("inputs", "row"), _rows("published_night_sky_radiance", lambda inputs: inputs["moon"] == "new")
)
def test_dark_sky_is_that_of_eso_skycalc(inputs, row):
    radiance = night_radiance_w_m2_sr_m(wavelength_m=BAND_CENTRE_M[inputs["band"]], sun_elevation_deg=-40.0)
    assert_allclose(radiance, float(row["expected"]), rtol=float(row["rel_tol"]))


@pytest.mark.parametrize(
    ("wavelength_m", "radiance"), [(0.53e-6, 101.6e6), (0.85e-6, 42.58e6), (1.06e-6, 25.32e6), (1.5e-6, 6.0e6)]
)
def test_daylight_is_the_normal_sky_of_itu_r_p1621(wavelength_m, radiance):
    """ITU-R P.1621-2 (07/2015), Table 1, normal sky: 101.6, 42.58, 25.32, 6.00 W/m²/sr/µm."""
    day = night_radiance_w_m2_sr_m(wavelength_m=wavelength_m, sun_elevation_deg=np.array([0.0, 20.0]))
    assert_allclose(day, radiance, rtol=1e-12)


def test_twilight_is_a_straight_line_of_the_logarithm():
    """Seven decades between day and night at 0.8 µm in 18 deg, one in 2 to 3 deg of the Sun's depression."""
    sun = np.array([0.0, -6.0, -9.0, -12.0, -18.0])
    level = np.log10(night_radiance_w_m2_sr_m(wavelength_m=0.80e-6, sun_elevation_deg=sun))
    assert_allclose(level, level[-1] + (level[0] - level[-1]) * (1 + sun / 18), atol=1e-12)
    assert 2 < 18 / (level[0] - level[-1]) < 3


def test_sky_is_dark_below_astronomical_twilight():
    dark = night_radiance_w_m2_sr_m(wavelength_m=1.55e-6, sun_elevation_deg=np.array([-18.0, -30.0, -90.0]))
    assert_allclose(dark, dark[0], rtol=1e-14)
    assert 24 < dark[0] < 83  # between the J and H means of airglow


def test_one_mode_collects_the_etendue_of_a_square_wavelength():
    """A receiver whose area times solid angle is λ² sees one spatial mode (Siegman 1966)."""
    wavelength, diameter = 1.55e-6, 0.8
    solid_angle = wavelength**2 / (np.pi / 4 * diameter**2)
    common = {"wavelength_m": wavelength, "radiance_w_m2_sr_m": 76.0, "filter_bandwidth_m": 1e-9}
    wide = background_photon_rate_hz(
        **common,
        aperture_diameter_m=diameter,
        obscuration_ratio=0.0,
        field_of_view_full_angle_rad=2 * np.sqrt(solid_angle / np.pi),
    )
    assert_allclose(single_mode_photon_rate_hz(**common), wide, rtol=1e-9)
    assert_allclose(wide, 76.0 * wavelength**3 * 1e-9 / 1.98644586e-25, rtol=1e-8)  # hc of CODATA 2018


def test_hemisphere_has_the_solid_angle_two_pi():
    """A full angle of π is the hemisphere: the photon rate of 1 W is λ/(hc) = 5.0341e18 at 1 µm (CODATA 2018)."""
    rate = background_photon_rate_hz(
        wavelength_m=1e-6,
        radiance_w_m2_sr_m=1 / (2 * np.pi),
        aperture_diameter_m=2 / np.sqrt(np.pi),
        obscuration_ratio=0.0,
        field_of_view_full_angle_rad=np.pi,
        filter_bandwidth_m=1.0,
    )
    assert_allclose(rate, 5.0341165675e18, rtol=1e-9)


def test_obscuration_is_a_ratio_of_diameters():
    common = {
        "wavelength_m": 850e-9,
        "radiance_w_m2_sr_m": np.array([1.0, 2.0]),
        "aperture_diameter_m": 0.8,
        "field_of_view_full_angle_rad": 1e-4,
        "filter_bandwidth_m": 1e-9,
    }
    clear = background_photon_rate_hz(**common, obscuration_ratio=0.0)
    blocked = background_photon_rate_hz(**common, obscuration_ratio=0.3)
    assert_allclose(blocked / clear, 0.91, rtol=1e-13)
    assert_allclose(clear[1] / clear[0], 2.0, rtol=1e-14)


@pytest.mark.parametrize("wavelength_m", [850.0, 0.3e-6, 2.5e-6])
def test_wavelength_outside_the_tables_is_refused(wavelength_m):
    with pytest.raises(ValueError, match="wavelength_m"):
        night_radiance_w_m2_sr_m(wavelength_m=wavelength_m, sun_elevation_deg=-30.0)

"""Clear-sky extinction against the reference cases, MODTRAN and printed values."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eqci_space.linkbudget.extinction import (
    airmass_kasten_young,
    apparent_elevation_deg,
    clear_sky_loss_db,
    rayleigh_optical_depth,
    standard_pressure_pa,
    visibility_attenuation_db_m,
)

CASES = Path(__file__).parents[1] / "cases"


def _rows(quantity, keep=lambda inputs: True):
    with (CASES / "linkbudget.csv").open(newline="", encoding="utf-8") as file:
        rows = [(json.loads(r["inputs"]), r) for r in csv.DictReader(file) if r["quantity"] == quantity]
    rows = [(inputs, r) for inputs, r in rows if keep(inputs)]
    assert rows
    return [pytest.param(inputs, r, id=r["id"]) for inputs, r in rows]


@pytest.mark.parametrize(("inputs", "row"), _rows("airmass_kasten_young"))
def test_airmass_of_reference_cases(inputs, row):
    assert_allclose(airmass_kasten_young(**inputs), float(row["expected"]), rtol=float(row["rel_tol"]))


@pytest.mark.parametrize(("inputs", "row"), _rows("rayleigh_optical_depth"))
def test_rayleigh_optical_depth_of_reference_cases(inputs, row):
    assert_allclose(rayleigh_optical_depth(**inputs), float(row["expected"]), rtol=float(row["rel_tol"]))


@pytest.mark.parametrize(("inputs", "row"), _rows("visibility_attenuation"))
def test_visibility_attenuation_of_reference_cases(inputs, row):
    assert_allclose(visibility_attenuation_db_m(**inputs), float(row["expected"]), rtol=float(row["rel_tol"]))


@pytest.mark.parametrize(("inputs", "row"), _rows("clear_sky_extinction"))
def test_clear_sky_extinction_of_reference_cases(inputs, row):
    inputs["model"] = inputs.pop("visibility_model")
    assert_allclose(clear_sky_loss_db(**inputs), float(row["expected"]), rtol=float(row["rel_tol"]))


@pytest.mark.parametrize(
    ("inputs", "row"), _rows("published_modtran_extinction", lambda inputs: inputs["wavelength_m"] != 810e-9)
)
def test_clear_sky_loss_outside_the_water_band_follows_modtran(inputs, row):
    """MODTRAN losses shipped with SatQuMA: within 0.0115 dB at the zenith and 3 % down to 10 deg."""
    airmass = airmass_kasten_young(inputs["elevation_deg"])
    loss = clear_sky_loss_db(airmass=airmass, wavelength_m=inputs["wavelength_m"], visibility_km=23)
    tolerance = 0.0115 if inputs["elevation_deg"] == 90 else 0.03 * float(row["expected"])
    assert abs(loss - float(row["expected"])) < tolerance


@pytest.mark.parametrize(
    ("inputs", "row"), _rows("published_modtran_extinction", lambda inputs: inputs["wavelength_m"] == 810e-9)
)
def test_clear_sky_loss_lacks_the_water_band_at_810_nm(inputs, row):
    """The model holds no gas absorption, so MODTRAN loses at least 0.3 dB more in the band; the docstring says so."""
    airmass = airmass_kasten_young(inputs["elevation_deg"])
    loss = clear_sky_loss_db(airmass=airmass, wavelength_m=inputs["wavelength_m"], visibility_km=23)
    assert float(row["expected"]) - loss > 0.3


def test_airmass_at_horizon_and_zenith():
    """Kasten and Young 1989 (Appl. Opt. 28, 4735), Table 2: 37.9196 at the horizon, 0.99971 at the zenith."""
    assert_allclose(airmass_kasten_young(np.array([0.0, 90.0])), [37.92, 0.99971], atol=5e-3, rtol=0)
    assert_allclose(airmass_kasten_young(90.0), 0.99971, atol=5e-6, rtol=0)


def test_refraction_of_meeus():
    """Meeus, Astronomical Algorithms, example 16.a: true altitude 33' 14.76", refraction 24.618'."""
    true_deg = 33 / 60 + 14.76 / 3600
    refraction_arcmin = 60 * (apparent_elevation_deg(true_deg) - true_deg)
    assert_allclose(refraction_arcmin, 24.618, atol=1e-3, rtol=0)


def test_refraction_vanishes_at_the_zenith_and_lifts_low_targets():
    elevation = np.array([5.0, 10.0, 20.0, 45.0, 90.0])
    lift = apparent_elevation_deg(elevation) - elevation
    assert (np.diff(lift) < 0).all()
    assert_allclose(lift[1], 0.09, atol=0.005)
    assert abs(lift[-1]) < 1e-4


@pytest.mark.parametrize(
    ("height_m", "pressure_pa"), [(0, 101_325.0), (1000, 89_874.6), (5000, 54_019.9), (11_000, 22_632.1)]
)
def test_pressure_of_the_standard_atmosphere(height_m, pressure_pa):
    """ICAO Doc 7488, geopotential heights; five digits of the usual constants give 1e-4."""
    assert_allclose(standard_pressure_pa(height_m), pressure_pa, rtol=1e-4)


def test_rayleigh_optical_depth_of_bodhaine():
    """Bodhaine et al. 1999 (J. Atmos. Oceanic Technol. 16, 1854): 0.0973 at 550 nm and 1013.25 hPa, within 0.5 %."""
    assert_allclose(rayleigh_optical_depth(wavelength_m=550e-9, pressure_pa=101_325.0), 0.0973, rtol=5e-3)


def test_rayleigh_optical_depth_is_proportional_to_pressure():
    half = rayleigh_optical_depth(wavelength_m=850e-9, pressure_pa=np.array([50_662.5]))
    assert_allclose(half, rayleigh_optical_depth(wavelength_m=850e-9, pressure_pa=101_325.0) / 2, rtol=1e-14)


def test_haze_of_kim():
    """Kim, McArthur and Korevaar 2001 (Proc. SPIE 4214), Table 2: 14 dB/km at 1 km visibility and 785 nm."""
    loss = visibility_attenuation_db_m(wavelength_m=785e-9, visibility_km=1.0)
    assert_allclose(1e3 * loss, 14, atol=0.5)


def test_visibility_is_the_range_of_two_percent_contrast():
    """At 550 nm the contrast falls to 2 % over the visibility: 16.99 dB, whatever the exponent."""
    for visibility_km in (0.3, 0.8, 3.0, 23.0, 80.0):
        loss = visibility_attenuation_db_m(wavelength_m=550e-9, visibility_km=visibility_km)
        assert_allclose(loss * visibility_km * 1e3, 16.99, atol=5e-3)


@pytest.mark.parametrize("visibility_km", [0.5, 1.0, 6.0])
def test_exponent_of_kim_is_continuous(visibility_km):
    below = visibility_attenuation_db_m(wavelength_m=1.55e-6, visibility_km=visibility_km * (1 - 1e-9))
    above = visibility_attenuation_db_m(wavelength_m=1.55e-6, visibility_km=visibility_km * (1 + 1e-9))
    assert_allclose(above, below, rtol=1e-7)


def test_exponents_of_haze_over_the_whole_range():
    """Kim 2001 and Kruse 1962: q = 1.6 above 50 km, 1.3 above 6 km, then as in their tables."""
    expected = {60: 1.6, 50: 1.3, 23: 1.3, 3: 0.16 * 3 + 0.34, 0.7: 0.2, 0.2: 0.0}
    for visibility_km, q in expected.items():
        ratio = visibility_attenuation_db_m(wavelength_m=1.1e-6, visibility_km=visibility_km)
        ratio /= visibility_attenuation_db_m(wavelength_m=0.55e-6, visibility_km=visibility_km)
        assert_allclose(-np.log2(ratio), q, atol=1e-12)
    kruse = visibility_attenuation_db_m(wavelength_m=1.1e-6, visibility_km=2, model="kruse")
    kruse /= visibility_attenuation_db_m(wavelength_m=0.55e-6, visibility_km=2, model="kruse")
    assert_allclose(-np.log2(kruse), 0.585 * 2 ** (1 / 3), atol=1e-12)


def test_loss_is_proportional_to_airmass_and_falls_with_height():
    loss = clear_sky_loss_db(airmass=np.array([1.0, 2.0, 5.6]), wavelength_m=1.55e-6, visibility_km=23)
    assert_allclose(loss / loss[0], [1.0, 2.0, 5.6], rtol=1e-13)
    high = clear_sky_loss_db(
        airmass=1.0, wavelength_m=1.55e-6, visibility_km=23, height_msl_m=2390, pressure_pa=standard_pressure_pa(2390)
    )
    molecules = clear_sky_loss_db(airmass=1.0, wavelength_m=1.55e-6, visibility_km=1e9)
    assert_allclose(molecules, 0.0065, atol=5e-5)
    assert molecules * 0.7 < high < loss[0] * np.exp(-2.39) + molecules


@pytest.mark.parametrize("elevation", [-0.1, 91.0, np.nan])
def test_elevation_outside_the_sky_is_refused(elevation):
    with pytest.raises(ValueError, match="elevation"):
        airmass_kasten_young(np.array([30.0, elevation]))


@pytest.mark.parametrize("wavelength_m", [850.0, 0.85, 1e-7, -850e-9])
def test_wavelength_in_other_units_is_refused(wavelength_m):
    with pytest.raises(ValueError, match="rayleigh_optical_depth: wavelength_m"):
        rayleigh_optical_depth(wavelength_m=wavelength_m, pressure_pa=101_325.0)
    with pytest.raises(ValueError, match="visibility_attenuation_db_m: wavelength_m"):
        visibility_attenuation_db_m(wavelength_m=wavelength_m, visibility_km=23)


@pytest.mark.parametrize("visibility_km", [0.0, -23.0, np.nan])
def test_visibility_that_is_not_positive_is_refused(visibility_km):
    with pytest.raises(ValueError, match="visibility_km"):
        visibility_attenuation_db_m(wavelength_m=850e-9, visibility_km=visibility_km)

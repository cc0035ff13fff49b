"""Clear-sky extinction against the reference cases, MODTRAN and printed values."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from eqci_space.linkbudget.extinction import (
    aerosol_optical_depth,
    airmass_kasten_young,
    apparent_elevation_deg,
    cirrus_loss_db,
    clear_sky_loss_db,
    gas_loss_db,
    rayleigh_optical_depth,
    scattering_p1622_zenith_db,
    standard_pressure_pa,
    tabulated_extinction_loss_db,
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


# ---------------------------------------------------------------- one aerosol column, three descriptions


def test_law_of_angstrom():
    """τ500 = 0.1, å = 1.3: 0.05017 at 850 nm and 0.02297 at 1550 nm; å is the slope between two wavelengths."""
    depth = {nm: aerosol_optical_depth(wavelength_m=nm * 1e-9, optical_depth_500nm=0.1) for nm in (500, 850, 1550)}
    assert_allclose([depth[500], depth[850], depth[1550]], [0.1, 0.05017, 0.02297], rtol=3e-4)
    assert_allclose(-np.log(depth[1550] / depth[850]) / np.log(1550 / 850), 1.3, rtol=1e-12)


def test_optical_depth_of_a_site_is_a_loss_of_molecules_and_aerosol():
    """850 nm, sea level: 4.3429 (0.05017 + 0.01667) = 0.290 dB in the zenith."""
    loss = clear_sky_loss_db(airmass=1.0, wavelength_m=850e-9, optical_depth_500nm=0.1)
    molecules = rayleigh_optical_depth(wavelength_m=850e-9, pressure_pa=101_325.0)
    assert_allclose(loss, 4.342945 * (0.05017 + molecules), rtol=2e-4)
    assert_allclose(loss, 0.290, atol=1e-3)
    clean = clear_sky_loss_db(airmass=1.0, wavelength_m=850e-9, optical_depth_500nm=0.0)
    assert_allclose(clean, 4.342945 * molecules, rtol=1e-6)


def test_slant_loss_is_the_transmittance_of_beer():
    transmittance = np.exp(-3.0 * (0.2 * 1.7**-1.3 + rayleigh_optical_depth(wavelength_m=850e-9, pressure_pa=90e3)))
    loss = clear_sky_loss_db(airmass=3.0, wavelength_m=850e-9, optical_depth_500nm=0.2, pressure_pa=90e3)
    assert_allclose(10 ** (-loss / 10), transmittance, rtol=1e-12)


def test_aerosol_is_never_counted_twice():
    """Visibility and optical depth describe the same column: both, or none, are refused."""
    common = {"airmass": 1.0, "wavelength_m": 850e-9}
    with pytest.raises(ValueError, match=r"visibility_km = 23 and optical_depth_500nm = 0\.1; expected exactly one"):
        clear_sky_loss_db(**common, visibility_km=23, optical_depth_500nm=0.1)
    with pytest.raises(ValueError, match="visibility_km = None and optical_depth_500nm = None; expected exactly one"):
        clear_sky_loss_db(**common)


def test_optical_depths_of_many_samples_are_taken_as_an_array():
    """A climatology hands over one optical depth per sample."""
    depth = np.array([0.05, 0.1, 0.3])
    loss = clear_sky_loss_db(airmass=np.array([1.0, 2.0, 3.0]), wavelength_m=850e-9, optical_depth_500nm=depth)
    single = [
        clear_sky_loss_db(airmass=x, wavelength_m=850e-9, optical_depth_500nm=d)
        for x, d in zip((1.0, 2.0, 3.0), (0.05, 0.1, 0.3), strict=True)
    ]
    assert_allclose(loss, single, rtol=1e-12)


@pytest.mark.parametrize(
    ("nm", "zenith_db"),
    [
        (785, (0.791, 0.650, 0.399, 0.154)), (810, (0.775, 0.636, 0.389, 0.147)), (850, (0.751, 0.615, 0.373, 0.137)),
        (1064, (0.655, 0.531, 0.311, 0.099)), (1550, (0.558, 0.449, 0.256, 0.071)),
    ],
)  # fmt: skip
def test_scattering_of_itu_r_p1622(nm, zenith_db):
    """The polynomials at 0, 0.3, 1 and 2.4 km, an independent evaluation to half a unit of the third decimal."""
    value = [scattering_p1622_zenith_db(wavelength_m=nm * 1e-9, site_altitude_m=h) for h in (0, 300, 1000, 2400)]
    assert_allclose(value, zenith_db, atol=5.1e-4)


def test_scattering_of_itu_is_the_loss_of_a_hazy_column_of_molecules_and_aerosol():
    """0.56 dB at 1550 nm lies between visibilities of 5 and 10 km (0.97 and 0.45 dB): an alternative, no addition."""
    itu = scattering_p1622_zenith_db(wavelength_m=1.55e-6, site_altitude_m=0)
    hazy, clear = (clear_sky_loss_db(airmass=1.0, wavelength_m=1.55e-6, visibility_km=v) for v in (5, 10))
    assert clear < itu < hazy


@settings(max_examples=40, deadline=None)
@given(st.floats(0.4e-6, 2.5e-6), st.floats(0.0, 5000.0))
def test_scattering_of_itu_is_no_gain(wavelength, altitude):
    assert 0 <= scattering_p1622_zenith_db(wavelength_m=wavelength, site_altitude_m=altitude) < 3


# ---------------------------------------------------------------- gas, cirrus, airmass


def test_water_band_at_810_nm_is_not_beers_law():
    """MODTRAN: 0.8957 dB in the zenith, 4.0816 dB at 10 deg. Airmass times the zenith value is 0.92 dB too much."""
    airmass = airmass_kasten_young(np.array([90.0, 10.0]))
    saturating = gas_loss_db(airmass / airmass[0], zenith_loss_db=0.8957, airmass_exponent=0.877)
    assert_allclose(saturating, [0.8957, 4.0816], atol=0.035)
    beer = gas_loss_db(airmass / airmass[0], zenith_loss_db=0.8957)
    assert_allclose(beer[1] - 4.0816, 0.92, atol=0.01)


def test_scattering_and_a_saturating_gas_term_make_modtran_at_810_nm():
    """0.361 dB and an exponent of 0.65 on top of 23 km of visibility: 0.8957, 1.6366, 4.0816 dB to 0.02 dB.

    An exponent of 0.8 for the gas alone would be 0.33 dB high at 10 deg.
    """
    airmass = airmass_kasten_young(np.array([90.0, 30.0, 10.0]))
    scattering = clear_sky_loss_db(airmass=airmass, wavelength_m=810e-9, visibility_km=23)
    gas = gas_loss_db(airmass, zenith_loss_db=0.3613, airmass_exponent=0.65)
    assert_allclose(scattering + gas, [0.8957, 1.6366, 4.0816], atol=0.02)
    steep = gas_loss_db(airmass, zenith_loss_db=0.36, airmass_exponent=0.8)
    assert_allclose((scattering + steep)[2] - 4.0816, 0.33, atol=0.01)


def test_cirrus_loses_its_optical_depth():
    """Subvisual 0.03: 0.13 dB; thin 0.3: 1.30 dB; at two airmasses twice that; exp(-τX) of the light is left."""
    assert_allclose(cirrus_loss_db(1.0, optical_depth=0.03), 0.13, atol=5e-4)
    loss = cirrus_loss_db(np.array([1.0, 2.0]), optical_depth=0.3)
    assert_allclose(loss, [1.303, 2.606], atol=5e-4)
    assert_allclose(10 ** (-loss / 10), np.exp([-0.3, -0.6]), rtol=1e-12)


@pytest.mark.parametrize(("zenith_angle", "excess"), [(75, 0.013), (80, 0.031), (85, 0.11)])
def test_secant_overestimates_the_airmass_of_low_targets(zenith_angle, excess):
    """1.3 % at 75 deg from the zenith, 3.1 % at 80, 11 % at 85."""
    secant = 1 / np.cos(np.radians(zenith_angle))
    assert_allclose(secant / airmass_kasten_young(90.0 - zenith_angle) - 1, excess, rtol=0.06)


def test_law_of_visibility_is_in_nepers():
    """3.912/V nepers are 16.99/V decibels: the factor 4.343 that a wrong unit drops."""
    loss = visibility_attenuation_db_m(wavelength_m=550e-9, visibility_km=10.0) * 1e3
    assert_allclose(loss / (3.912 / 10), 4.342945, rtol=1e-6)
    assert_allclose(10 ** (-loss * 10 / 10), 0.02, rtol=1e-3)  # over the visibility 2 % of the contrast is left


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0.0, 90.0), min_size=1, max_size=5), st.floats(0.4e-6, 2e-6), st.floats(0.1, 100.0),
    st.floats(0.0, 4000.0),
)  # fmt: skip
def test_clear_sky_is_a_transmittance_of_the_shape_of_the_airmass(elevations, wavelength, visibility, height):
    airmass = airmass_kasten_young(np.array(elevations))
    loss = clear_sky_loss_db(
        airmass=airmass, wavelength_m=wavelength, visibility_km=visibility, height_msl_m=height,
        pressure_pa=float(standard_pressure_pa(height)),
    )  # fmt: skip
    assert loss.shape == airmass.shape
    assert (loss > 0).all()
    assert (gas_loss_db(airmass, zenith_loss_db=0.3, airmass_exponent=0.8) >= 0).all()
    assert cirrus_loss_db(airmass, optical_depth=0.1).shape == airmass.shape


CLEAR = {"airmass": 1.0, "wavelength_m": 850e-9, "visibility_km": 23.0}
AEROSOL = {"wavelength_m": 850e-9, "optical_depth_500nm": 0.1}
ITU = {"wavelength_m": 850e-9, "site_altitude_m": 0.0}


@pytest.mark.parametrize(
    ("call", "named", "value"),
    [
        (lambda: airmass_kasten_young(np.array([-0.1])), "elevation", "-0.1"),
        (lambda: rayleigh_optical_depth(wavelength_m=850e-9, pressure_pa=-1.0), "pressure_pa", "-1.0"),
        (lambda: visibility_attenuation_db_m(wavelength_m=850e-9, visibility_km=3.0, model="kimm"), "model", "kimm"),
        (lambda: clear_sky_loss_db(**CLEAR | {"airmass": -1.0}), "airmass", "-1.0"),
        (lambda: clear_sky_loss_db(**CLEAR, aerosol_scale_height_m=-5.0), "aerosol_scale_height_m", "-5.0"),
        (lambda: clear_sky_loss_db(**CLEAR, pressure_pa=-1.0), "pressure_pa", "-1.0"),
        (lambda: clear_sky_loss_db(**CLEAR, pressure_pa=1013.25), "pressure_pa", "1013.25"),
        (lambda: aerosol_optical_depth(**AEROSOL | {"optical_depth_500nm": -0.1}), "optical_depth_500nm", "-0.1"),
        (lambda: aerosol_optical_depth(**AEROSOL, angstrom_exponent=9.0), "exponent", "9.0"),
        (lambda: aerosol_optical_depth(**AEROSOL | {"wavelength_m": 850.0}), "wavelength_m", "850.0"),
        (lambda: scattering_p1622_zenith_db(**ITU | {"site_altitude_m": -5.0}), "site_altitude_m", "-5.0"),
        (lambda: scattering_p1622_zenith_db(**ITU | {"site_altitude_m": 6000.0}), "site_altitude_m", "6000.0"),
        (lambda: scattering_p1622_zenith_db(**ITU | {"wavelength_m": 0.85}), "wavelength_m", "0.85"),
        (lambda: scattering_p1622_zenith_db(**ITU | {"wavelength_m": 10e-6}), "wavelength_m", "1e-05"),
        (lambda: gas_loss_db(1.0, zenith_loss_db=-1.0), "zenith_loss_db", "-1.0"),
        (lambda: gas_loss_db(1.0, zenith_loss_db=1.0, airmass_exponent=0.0), "airmass_exponent", "0.0"),
        (lambda: gas_loss_db(-1.0, zenith_loss_db=1.0, airmass_exponent=0.8), "airmass", "-1.0"),
        (lambda: cirrus_loss_db(1.0, optical_depth=-0.1), "optical_depth", "-0.1"),
        (lambda: cirrus_loss_db(-1.0, optical_depth=0.1), "airmass", "-1.0"),
        (lambda: standard_pressure_pa(50_000.0), "height_msl_m", "50000.0"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_name_value_and_range(call, named, value):
    with pytest.raises(ValueError, match="expected") as refusal:
        call()
    assert named in str(refusal.value)
    assert value in str(refusal.value)


# ---------------------------------------------------------------- tables of radiative transfer


def test_table_of_two_rows_is_beers_law_and_meets_its_rows():
    table = {"table_elevation_deg": np.array([10.0, 90.0]), "table_loss_db": np.array([4.0816, 0.8957])}
    ends = tabulated_extinction_loss_db(np.array([10.0, 90.0]), **table)
    assert_allclose(ends, [4.0816, 0.8957], rtol=1e-12)
    x = airmass_kasten_young(apparent_elevation_deg(np.array([10.0, 30.0, 90.0])))
    between = 0.8957 + (4.0816 - 0.8957) * (x[1] - x[2]) / (x[0] - x[2])
    assert_allclose(tabulated_extinction_loss_db(np.array([30.0]), **table), between, rtol=1e-12)


def test_table_of_a_saturating_band_is_met_between_its_rows():
    """Rows every ten degrees of A X^0.65 return the law within 0.02 dB between them, down to 15 deg."""
    rows = np.array([10.0, 15, 20, 30, 40, 50, 60, 70, 80, 90])
    asked = np.linspace(15, 90, 151)

    def law(elevation):
        return gas_loss_db(airmass_kasten_young(apparent_elevation_deg(elevation)), zenith_loss_db=0.9,
                           airmass_exponent=0.65)  # fmt: skip

    loss = tabulated_extinction_loss_db(asked, table_elevation_deg=rows, table_loss_db=law(rows))
    assert_allclose(loss, law(asked), atol=0.02)


@pytest.mark.parametrize(
    ("elevation", "table", "named"),
    [
        (5.0, ([10.0, 90.0], [4.0, 1.0]), "elevation_deg = 5.0"),
        (30.0, ([90.0, 10.0], [1.0, 4.0]), "rising"),
        (30.0, ([10.0, 90.0], [4.0, -1.0]), "table_loss_db = -1.0"),
        (30.0, ([10.0, 90.0], [4.0]), "a loss for each"),
    ],
)
def test_broken_tables_and_elevations_outside_are_refused(elevation, table, named):
    with pytest.raises(ValueError, match=named):
        tabulated_extinction_loss_db(
            np.array([elevation]), table_elevation_deg=np.array(table[0]), table_loss_db=np.array(table[1])
        )

"""Sky light against the reference cases, ESO SkyCalc and ITU-R P.1621-2."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from astropy import constants, units
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad

from eqci_space.linkbudget.background import (
    background_photon_rate_hz,
    light_pollution_radiance_w_m2_sr_m,
    moonlight_luminance_cd_m2,
    moonlight_radiance_w_m2_sr_m,
    moonset_share,
    night_radiance_w_m2_sr_m,
    single_mode_photon_rate_hz,
)
from eqci_space.linkbudget.detector import extraneous_probability

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


# ---------------------------------------------------------------- moonlight

SKYCALC = {
    "moon_phase_angle_deg": 0.0, "moon_target_separation_deg": 45.0, "moon_zenith_angle_deg": 45.0,
    "target_zenith_angle_deg": 0.0, "extinction_mag_per_airmass": 0.12,
}  # fmt: skip


def _nanolambert(magnitude):
    """Krisciunas and Schaefer 1991, eq. 1: B = 34.08 exp(20.7233 - 0.92104 V)."""
    return 34.08 * np.exp(20.7233 - 0.92104 * magnitude)


def test_moonlight_of_krisciunas_and_schaefer_term_by_term():
    """Half Moon 60 deg away, both 30 and 45 deg from the zenith: 121.81 nL, V = 21.117 by the printed equations."""
    light = moonlight_luminance_cd_m2(
        moon_phase_angle_deg=90.0, moon_target_separation_deg=60.0, moon_zenith_angle_deg=45.0,
        target_zenith_angle_deg=30.0,
    )  # fmt: skip
    illuminance = 10 ** (-0.4 * (3.84 + 0.026 * 90 + 4e-9 * 90**4))
    scattering = 10**5.36 * (1.06 + 0.25) + 10 ** (6.15 - 60 / 40)
    path, moon_path = (1 - 0.96 * 0.25) ** -0.5, (1 - 0.96 * 0.5) ** -0.5
    nanolambert = scattering * illuminance * 10 ** (-0.4 * 0.172 * moon_path) * (1 - 10 ** (-0.4 * 0.172 * path))
    assert_allclose(nanolambert, 121.81, rtol=1e-4)
    assert_allclose(light, nanolambert * 1e-5 / np.pi, rtol=1e-12)
    assert_allclose((20.7233 - np.log(nanolambert / 34.08)) / 0.92104, 21.117, atol=1e-3)


def test_full_moon_of_krisciunas_and_schaefer_is_half_a_magnitude_from_skycalc():
    """Full Moon at 45 deg, k = 0.12, over a dark 21.83: V = 18.57 against SkyCalc's 18.01."""
    moon = moonlight_luminance_cd_m2(**SKYCALC) * np.pi / 1e-5
    total = (20.7233 - np.log((moon + _nanolambert(21.83)) / 34.08)) / 0.92104
    assert_allclose(total, 18.57, atol=5e-3)
    assert abs(total - 18.01) < 0.6


def test_radiance_of_moonlight_in_v_is_its_surface_brightness():
    """20 mag/arcsec²: 3.631e-2 10^-8 W/m²/m over 2.3504e-11 sr = 15.45 W/m²/sr/m; astropy's AB flux agrees to 1 %."""
    radiance = moonlight_radiance_w_m2_sr_m(_nanolambert(20.0) * 1e-5 / np.pi, wavelength_m=0.55e-6)
    assert_allclose(radiance, 15.45, rtol=1e-3)
    flux = (20 * units.ABmag).to(units.W / units.m**3, units.spectral_density(0.55 * units.um))
    per_sr = (flux / units.arcsec**2).to(units.W / units.m**3 / units.sr)
    assert_allclose(radiance, per_sr.value, rtol=0.012)


def test_moonlight_is_noise_at_800_nm_and_nothing_at_1550_nm():
    """The full Moon multiplies the I-band sky and adds a few percent at 1550 nm, not the factor of a hundred."""
    light = moonlight_luminance_cd_m2(**SKYCALC)
    share = {
        wavelength: moonlight_radiance_w_m2_sr_m(light, wavelength_m=wavelength)
        / night_radiance_w_m2_sr_m(wavelength_m=wavelength, sun_elevation_deg=-40.0)
        for wavelength in (0.80e-6, 1.55e-6)
    }
    assert 2 < share[0.80e-6] < 5  # SkyCalc: 31.65/6.087 - 1 = 4.2, half a magnitude brighter than the model in V
    assert 0 < share[1.55e-6] < 0.03


def test_colour_of_moonlight_is_that_of_skycalc():
    """Excess of the full Moon over the dark sky: I/V = (31.651 - 6.0868)/(96.578 - 2.8634) = 0.273, H/V = 0.016."""
    light = moonlight_luminance_cd_m2(**SKYCALC)
    v, i, h = (moonlight_radiance_w_m2_sr_m(light, wavelength_m=w) for w in (0.55e-6, 0.80e-6, 1.63e-6))
    assert_allclose(i / v, 0.273, atol=5e-3)
    assert_allclose(h / v, 0.0164, atol=2e-3)


def test_moon_below_the_horizon_gives_no_light():
    light = moonlight_luminance_cd_m2(**SKYCALC | {"moon_zenith_angle_deg": np.array([90.0, 120.0])})
    assert (light == 0).all()
    assert (moonlight_radiance_w_m2_sr_m(light, wavelength_m=0.55e-6) < 1e-12).all()


def test_moonlight_fades_out_towards_moonset():
    """Ten degrees above the horizon the published path, at the horizon Kasten and Young's 37.92 airmasses."""
    share = moonset_share(moon_zenith_angle_deg=np.array([0.0, 60.0, 80.0, 90.0, 120.0]))
    assert_allclose(share[:3], 1.0, rtol=1e-12)
    assert_allclose(share[3:], 10 ** (-0.4 * 0.172 * (37.92 - 5.0)), rtol=1e-3)
    close = moonset_share(moon_zenith_angle_deg=np.linspace(79.0, 90.0, 1101))
    assert (np.diff(close) <= 1e-12).all()
    assert np.abs(np.diff(close)).max() < 0.01


@pytest.mark.parametrize(("separation", "zenith"), [(4.0, 30.0), (60.0, 86.0)])
def test_moonlight_is_the_published_formula_close_to_the_moon_and_the_horizon(separation, zenith):
    light = moonlight_luminance_cd_m2(
        moon_phase_angle_deg=-20.0, moon_target_separation_deg=separation, moon_zenith_angle_deg=zenith,
        target_zenith_angle_deg=30.0, extinction_mag_per_airmass=0.2,
    )  # fmt: skip
    illuminance = 10 ** (-0.4 * (3.84 + 0.026 * 20 + 4e-9 * 20**4))
    scattering = 10**5.36 * (1.06 + np.cos(np.radians(separation)) ** 2) + 10 ** (6.15 - separation / 40)
    path, moon_path = ((1 - 0.96 * np.sin(np.radians(z)) ** 2) ** -0.5 for z in (30.0, zenith))
    nanolambert = scattering * illuminance * 10 ** (-0.08 * moon_path) * (1 - 10 ** (-0.08 * path))
    assert_allclose(light, nanolambert * 1e-5 / np.pi, rtol=1e-12)


# ---------------------------------------------------------------- light pollution


@pytest.mark.parametrize(("magnitude", "total"), [(18.0, 97.0), (20.0, 15.4)])
def test_sky_quality_meter_readings_become_radiance(magnitude, total):
    """18 and 20 mag/arcsec² are 9.7e-5 and 1.5e-5 W/m²/sr/µm with the natural 2.9e-6 that the reading holds."""
    artificial = light_pollution_radiance_w_m2_sr_m(magnitude, wavelength_m=0.55e-6)
    natural = night_radiance_w_m2_sr_m(wavelength_m=0.55e-6, sun_elevation_deg=-40.0)
    assert_allclose(artificial + natural, total, rtol=0.006)
    expected = 3.631e-2 * 10 ** (-0.4 * magnitude) / 2.3504e-11
    assert_allclose(artificial + natural, expected, rtol=1e-4)


def test_dark_site_has_no_light_pollution_and_lamps_have_a_colour():
    assert light_pollution_radiance_w_m2_sr_m(21.9, wavelength_m=0.55e-6) == 0.0
    red = light_pollution_radiance_w_m2_sr_m(18.0, wavelength_m=0.85e-6, colour_factor=0.3)
    assert_allclose(red, 0.3 * light_pollution_radiance_w_m2_sr_m(18.0, wavelength_m=0.55e-6), rtol=1e-12)


# ---------------------------------------------------------------- solid angle, modes, probabilities

RECEIVER = {
    "wavelength_m": 850e-9, "radiance_w_m2_sr_m": 6.1, "aperture_diameter_m": 0.8, "obscuration_ratio": 0.3,
    "field_of_view_full_angle_rad": 1e-4, "filter_bandwidth_m": 1e-9,
}  # fmt: skip


def test_half_angle_taken_for_the_full_angle_of_the_field_costs_six_decibels():
    wrong = background_photon_rate_hz(**RECEIVER | {"field_of_view_full_angle_rad": 2e-4})
    assert_allclose(10 * np.log10(wrong / background_photon_rate_hz(**RECEIVER)), 6.0206, atol=1e-4)


def test_plane_angle_taken_for_a_solid_angle_costs_forty_one_decibels():
    """100 µrad are π/4 · 1e-8 sr, not 1e-4."""
    per_sr = 6.1 * np.pi / 4 * 0.8**2 * (1 - 0.3**2) * 1e-9 * 850e-9 / 1.98644586e-25
    assert_allclose(10 * np.log10(1e-4 * per_sr / background_photon_rate_hz(**RECEIVER)), 41.05, atol=5e-3)


def test_photon_rate_in_the_units_of_astropy():
    """L Ω A Δλ/(hc/λ) with CODATA constants and a cone integrated over its polar angle."""
    cone, _ = quad(lambda t: 2 * np.pi * np.sin(t), 0, 0.5e-4, epsabs=0, epsrel=1e-12)
    radiance = 6.1e-6 * units.W / units.m**2 / units.sr / units.um
    area = np.pi / 4 * (0.8**2 - 0.24**2) * units.m**2
    power = (radiance * cone * units.sr * area * 1.0 * units.nm).to(units.W)
    energy = (constants.h * constants.c / (850 * units.nm)).to(units.J)
    assert_allclose(background_photon_rate_hz(**RECEIVER), (power / energy).to(1 / units.s).value, rtol=1e-8)


def test_one_mode_sees_far_less_than_a_field_stop():
    """Of 80 cm and 100 µrad at 1550 nm, A Ω/λ² = 1640 modes; without obscuration the ratio of the rates is that."""
    wide = background_photon_rate_hz(**RECEIVER | {"wavelength_m": 1.55e-6, "obscuration_ratio": 0.0})
    one = single_mode_photon_rate_hz(wavelength_m=1.55e-6, radiance_w_m2_sr_m=6.1, filter_bandwidth_m=1e-9)
    etendue = np.pi / 4 * 0.8**2 * np.pi * (0.5e-4) ** 2
    assert_allclose(wide / one, etendue / 1.55e-6**2, rtol=1e-8)
    assert_allclose(wide / one, 1643, rtol=1e-3)


def test_mean_counts_are_no_probability():
    """Bright day: a mean of two counts in the gate of one detector fires with 1 - e^-2 = 0.8647."""
    probability = extraneous_probability(dark_count_rate_hz=0.0, background_hz=2e9, detectors=1, gate_s=1e-9)
    drawn = (np.random.default_rng(8).poisson(2.0, 200_000) > 0).mean()
    assert_allclose(probability, 0.8646647, rtol=1e-7)
    assert_allclose(probability, drawn, atol=3e-3)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0.0, 180.0), min_size=1, max_size=3), st.lists(st.floats(0.0, 180.0), min_size=1, max_size=3),
    st.floats(0.0, 180.0), st.floats(0.0, 90.0),
)  # fmt: skip
def test_moonlight_broadcasts_and_is_never_negative(phases, zenith_angles, separation, target):
    light = moonlight_luminance_cd_m2(
        moon_phase_angle_deg=np.array(phases)[:, None], moon_target_separation_deg=separation,
        moon_zenith_angle_deg=np.array(zenith_angles), target_zenith_angle_deg=target,
    )  # fmt: skip
    assert light.shape == (len(phases), len(zenith_angles))
    assert (light >= 0).all()
    radiance = moonlight_radiance_w_m2_sr_m(light, wavelength_m=850e-9)
    assert radiance.shape == light.shape
    assert np.isfinite(radiance).all()


MODE = {"wavelength_m": 1.55e-6, "radiance_w_m2_sr_m": 76.0, "filter_bandwidth_m": 1e-9}


@pytest.mark.parametrize(
    ("call", "named", "value"),
    [
        (lambda: night_radiance_w_m2_sr_m(wavelength_m=850.0, sun_elevation_deg=-30.0), "wavelength_m", "850.0"),
        (lambda: background_photon_rate_hz(**RECEIVER | {"wavelength_m": 850.0}), "wavelength_m", "850.0"),
        (lambda: background_photon_rate_hz(**RECEIVER | {"radiance_w_m2_sr_m": -1.0}), "radiance_w_m2_sr_m", "-1.0"),
        (lambda: background_photon_rate_hz(**RECEIVER | {"aperture_diameter_m": -0.8}), "aperture_diameter_m", "-0.8"),
        (lambda: background_photon_rate_hz(**RECEIVER | {"obscuration_ratio": 1.0}), "obscuration_ratio", "1.0"),
        (lambda: background_photon_rate_hz(**RECEIVER | {"field_of_view_full_angle_rad": 0.0}),
         "field_of_view_full_angle_rad", "0.0"),
        (lambda: background_photon_rate_hz(**RECEIVER | {"filter_bandwidth_m": -1e-9}), "filter_bandwidth_m", "-1e-09"),
        (lambda: single_mode_photon_rate_hz(**MODE | {"wavelength_m": 1550.0}), "wavelength_m", "1550.0"),
        (lambda: single_mode_photon_rate_hz(**MODE | {"radiance_w_m2_sr_m": -1.0}), "radiance_w_m2_sr_m", "-1.0"),
        (lambda: single_mode_photon_rate_hz(**MODE | {"filter_bandwidth_m": -1e-9}), "filter_bandwidth_m", "-1e-09"),
        (lambda: moonlight_luminance_cd_m2(**SKYCALC | {"target_zenith_angle_deg": 100.0}), "target_zenith_angle",
         "100.0"),
        (lambda: moonlight_luminance_cd_m2(**SKYCALC | {"moon_target_separation_deg": -1.0}),
         "moon_target_separation_deg", "-1.0"),
        (lambda: moonlight_luminance_cd_m2(**SKYCALC | {"extinction_mag_per_airmass": -0.1}),
         "extinction_mag_per_airmass", "-0.1"),
        (lambda: moonlight_luminance_cd_m2(**SKYCALC | {"moon_phase_angle_deg": 400.0}), "moon_phase_angle_deg",
         "400.0"),
        (lambda: moonlight_radiance_w_m2_sr_m(1e-3, wavelength_m=850.0), "wavelength_m", "850.0"),
        (lambda: moonlight_radiance_w_m2_sr_m(-1e-3, wavelength_m=850e-9), "luminance_cd_m2", "-0.001"),
        (lambda: light_pollution_radiance_w_m2_sr_m(18.0, wavelength_m=850.0), "wavelength_m", "850.0"),
        (lambda: light_pollution_radiance_w_m2_sr_m(18.0, wavelength_m=850e-9, colour_factor=-1.0), "colour_factor",
         "-1.0"),
        (lambda: light_pollution_radiance_w_m2_sr_m(-18.0, wavelength_m=850e-9), "zenith_sky_mag_arcsec2", "-18.0"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_name_value_and_range(call, named, value):
    with pytest.raises(ValueError, match="expected") as refusal:
        call()
    assert named in str(refusal.value)
    assert value in str(refusal.value)

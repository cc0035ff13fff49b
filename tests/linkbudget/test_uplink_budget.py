"""The uplink's budget term by term, tracked and not, with its beacon's power and safety."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eqci_space.errors import TableError
from eqci_space.linkbudget.beam import diffraction_loss_db, equivalent_divergence_half_angle_rad
from eqci_space.linkbudget.terms import TERMS
from eqci_space.linkbudget.turbulence import fried_parameter_m, hufnagel_valley_layers
from eqci_space.linkbudget.uplink import (
    beacon_hazard_distance_m,
    uplink_centroid_wander_rms_rad,
    uplink_long_term_factor,
    uplink_tilt_residual_rms_rad,
    uplink_tracked_factor,
)
from eqci_space.linkbudget.uplink_budget import Uplink, uplink_budget
from eqci_space.scenario import Receiver, Terminal

GROUND = {
    "wavelength_m": 1.064e-6, "aperture_diameter_m": 0.15, "beam_radius_m": 0.05, "jitter_rad": 1e-6,
    "pulse_rate_hz": 1e6, "intrinsic_error": 0.01,
}  # fmt: skip
SATELLITE = {
    "aperture_diameter_m": 0.08, "optics_transmittance": 0.5, "coupling_loss_db": 1.0, "field": "free_space",
    "field_of_view_rad": 100e-6, "filter_bandwidth_m": 1e-9, "detector_efficiency": 0.6, "detectors": 4,
    "dark_count_rate_hz": 100.0, "gate_s": 1e-9, "intrinsic_error": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def graz(study):
    return study.samples[study.samples["ogs"] == "GRAZ"].reset_index(drop=True)


def uplink(**changes):
    ground, satellite = Terminal(**GROUND), Receiver(**SATELLITE)
    plain = {"satellite_altitude_m": 500e3, "tracked": False, "delay_s": 0.0, "power_w": 2.0,
             "background_radiance_w_m2_sr_m": 0.0}  # fmt: skip
    return Uplink(**{"transmitter": ground, "receiver": satellite} | plain | changes)


def made(samples, scenario, **changes):
    return uplink_budget(samples, uplink(**changes), scenario.stations["GRAZ"], scenario.atmosphere)


def layers_of(scenario):
    station, air = scenario.stations["GRAZ"], scenario.atmosphere
    return hufnagel_valley_layers(site_height_msl_m=station.height_msl_m, lower_height_m=air.telescope_height_m)


def test_untracked_beam_pays_the_long_term_spread(graz, scenario):
    budget = made(graz, scenario)
    fried = fried_parameter_m(
        layers_of(scenario), wavelength_m=1.064e-6, elevation_deg=graz["elevation_deg"].to_numpy()
    )
    spread = uplink_long_term_factor(beam_radius_m=0.05, fried_parameter_m=fried)
    assert_allclose(budget["turbulence_loss_db"], -10 * np.log10(spread), rtol=1e-9)
    straight = diffraction_loss_db(
        graz["range_m"].to_numpy(), wavelength_m=1.064e-6, tx_aperture_diameter_m=0.15, tx_obscuration_ratio=0.0,
        tx_beam_radius_m=0.05, rx_aperture_diameter_m=0.08,
    )  # fmt: skip
    assert_allclose(budget["diffraction_loss_db"], straight, rtol=1e-9)
    # Mount jitter of 1 µrad against the widened beam: 1 + 4σ²/θ².
    theta = equivalent_divergence_half_angle_rad(
        wavelength_m=1.064e-6, aperture_diameter_m=0.15, obscuration_ratio=0.0, beam_radius_m=0.05
    )
    assert_allclose(budget["pointing_loss_db"], 10 * np.log10(1 + 4e-12 * spread / theta**2), rtol=1e-9)


def test_terms_sum_to_the_total(graz, scenario):
    budget = made(graz, scenario, tracked=True)
    total = budget[[*TERMS, "turbulence_loss_db"]].sum(axis=1)
    assert_allclose(budget["total_loss_db"], total, rtol=1e-12)
    assert_allclose(budget["transmittance"], 10 ** (-total / 10), rtol=1e-12)


def test_tracked_beam_keeps_what_point_ahead_and_delay_leave(graz, scenario):
    row = graz.iloc[[int(graz["elevation_deg"].idxmax())]].reset_index(drop=True)
    elevation, rate, distance = (float(row[c].iloc[0]) for c in ("elevation_deg", "angular_rate_rad_s", "range_m"))
    layers = layers_of(scenario)
    path = {"elevation_deg": elevation, "satellite_altitude_m": 500e3, "beam_radius_m": 0.05}
    wind = rate / np.sin(np.radians(elevation)) * layers.height_m + scenario.atmosphere.ground_wind_m_s
    wind = wind + 30.0 * np.exp(-(((layers.height_m - 9400.0) / 4800.0) ** 2))
    residual = uplink_tilt_residual_rms_rad(
        layers, **path, offset_rad=2 * distance * rate / 299_792_458.0, wind_m_s=wind, delay_s=0.002
    )
    expected = uplink_tracked_factor(
        wavelength_m=1.064e-6, beam_radius_m=0.05, wander_rms_rad=uplink_centroid_wander_rms_rad(layers, **path),
        fried_parameter_m=fried_parameter_m(layers, wavelength_m=1.064e-6, elevation_deg=elevation),
        residual_rms_rad=residual,
    )  # fmt: skip
    found = made(row, scenario, tracked=True, delay_s=0.002)["turbulence_loss_db"].iloc[0]
    assert found == pytest.approx(-10 * np.log10(expected), rel=1e-9)
    prompt, free = (made(row, scenario, tracked=t)["turbulence_loss_db"].iloc[0] for t in (True, False))
    assert prompt < found < free


def test_many_samples_are_worked_in_blocks_without_a_seam(graz, scenario):
    many = graz.loc[np.resize(graz.index, 9000)].reset_index(drop=True)
    whole = made(many, scenario, tracked=True)["turbulence_loss_db"].to_numpy()
    once = made(graz, scenario, tracked=True)["turbulence_loss_db"].to_numpy()
    assert_allclose(whole, np.resize(once, 9000), rtol=1e-12)


def test_beacon_power_and_its_safety(graz, scenario):
    budget = made(graz, scenario)
    before_detector = budget["total_loss_db"] - budget["detector_loss_db"] - budget["gate_loss_db"]
    assert_allclose(budget["received_power_w"], 2.0 * 10 ** (-before_detector / 10), rtol=1e-9)
    theta = equivalent_divergence_half_angle_rad(
        wavelength_m=1.064e-6, aperture_diameter_m=0.15, obscuration_ratio=0.0, beam_radius_m=0.05
    )
    distance = beacon_hazard_distance_m(
        power_w=2.0, divergence_half_angle_rad=theta, exit_beam_radius_m=0.05, wavelength_m=1.064e-6
    )
    assert distance > 1000
    assert_allclose(budget["eye_hazard_distance_m"], distance, rtol=1e-12)
    photons = made(graz, scenario, power_w=0.0)
    assert (photons[["received_power_w", "eye_hazard_distance_m"]] == 0).all(axis=None)


def test_light_of_the_earth_is_noise(graz, scenario):
    """1000 W/m²/sr/m in 100 µrad, 8 cm, 1 nm at 1064 nm: L Ω A Δλ λ/(hc), through optics, coupling and detector."""
    budget = made(graz, scenario, background_radiance_w_m2_sr_m=1000.0)
    photons = 1000.0 * np.pi * 50e-6**2 * np.pi * 0.04**2 * 1e-9 * 1.064e-6 / 1.98644586e-25
    clicks = photons * 0.5 * 10**-0.1 * 0.6
    assert_allclose(budget["background_hz"], clicks, rtol=1e-6)
    assert_allclose(budget["extraneous_probability"], (100.0 + clicks / 4) * 1e-9, rtol=1e-5)
    assert_allclose(budget["intrinsic_error"], 0.01, rtol=1e-12)


def test_no_samples_give_an_empty_budget(graz, scenario):
    assert len(made(graz.head(0), scenario, tracked=True)) == 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"power_w": -1.0}, r"Uplink: power_w = -1\.0; expected 0 to 1e\+06 W"),
        ({"satellite_altitude_m": 500.0}, r"Uplink: satellite_altitude_m = 500\.0; expected 80000 to"),
        ({"delay_s": -0.1}, r"delay_s\n.*greater than or equal to 0 .*input_value=-0\.1"),
        ({"receiver": Receiver(**SATELLITE | {"coupling": "modelled"})}, "expected 'stated'"),
        ({"transmitter": Terminal(**GROUND | {"beam_radius_m": None, "divergence_rad": 2e-5,
                                              "divergence_definition": "half_1e2"})}, "beam_radius_m is missing"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_name_value_and_range(changes, named):
    with pytest.raises(ValueError, match=named):
        uplink(**changes)


def test_samples_without_a_column_are_refused(graz, scenario):
    with pytest.raises(TableError, match="uplink_budget: SAMPLES lacks 'range_m'"):
        made(graz.drop(columns="range_m"), scenario)


def test_single_photons_leave_light_in_the_gates_of_their_neighbours(graz, scenario):
    """Pulses every 0.1 ns, gates of 0.1 ns, 0.15 ns of jitter: erf(0.2357) = 0.26112 stays, the rest goes next door."""
    fast = Terminal(**GROUND | {"pulse_rate_hz": 1e10})
    slow = Receiver(**SATELLITE | {"gate_s": 1e-10, "timing_jitter_s": 1.5e-10})
    budget = made(graz, scenario, transmitter=fast, receiver=slow, power_w=0.0)
    assert_allclose(budget["neighbour_ratio"], (1 - 0.26112) / 0.26112, rtol=1e-4)
    assert (made(graz, scenario, power_w=0.0)["neighbour_ratio"] == 0.0).all()
    assert (made(graz, scenario, transmitter=fast, receiver=slow)["neighbour_ratio"] == 0.0).all()

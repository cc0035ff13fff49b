"""Coupling of the shipped receivers: the published Strehl ratio, the terms one by one, and amplitude."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eqci_space.linkbudget.coupling import smf_coupling_optimum
from eqci_space.linkbudget.link import Link, station_layers
from eqci_space.linkbudget.receiver_coupling import amplitude_variance, receiver_coupling_loss_db
from eqci_space.linkbudget.scintillation import aperture_averaged_variance, rytov_variance, scintillation_index
from eqci_space.linkbudget.turbulence import fried_parameter_m, hufnagel_valley_layers
from eqci_space.linkbudget.winds import bufton_wind_m_s, greenwood_frequency_hz
from eqci_space.scenario import with_variant

ELEVATION_DEG = np.array([25.0, 30.0, 40.0, 50.0, 60.0, 70.0])
SLEW_RAD_S = np.array([0.00407, 0.00509, 0.00734, 0.00965, 0.01194, 0.01377])  # of a pass at 500 km, 80 deg high


def link_of(scenario, ogs="DLR-OP", **changes):
    station = scenario.stations[ogs]
    receiver = station.receiver.model_copy(update=changes)
    return Link(scenario.satellites[0].terminal, station.model_copy(update={"receiver": receiver}), scenario.atmosphere)


def residual_rad2(link):
    """Noll's fitting beyond 21 modes, Greenwood's lag and the static part, each from its published form."""
    receiver, wavelength = link.station.receiver, link.terminal.wavelength_m
    layers = station_layers(link.station, link.atmosphere)
    fried = fried_parameter_m(layers, wavelength_m=wavelength, elevation_deg=ELEVATION_DEG)
    modes = receiver.adaptive_optics_modes
    fitting = 0.2944 * modes ** (-np.sqrt(3) / 2) * (receiver.aperture_diameter_m / fried) ** (5 / 3)
    greenwood = [
        float(greenwood_frequency_hz(
            layers, bufton_wind_m_s(layers.height_m, ground_wind_m_s=5.0, slew_rate_rad_s=slew),
            wavelength_m=wavelength, elevation_deg=elevation,
        ))
        for elevation, slew in zip(ELEVATION_DEG, SLEW_RAD_S, strict=True)
    ]  # fmt: skip
    lag = (np.array(greenwood) / receiver.adaptive_optics_bandwidth_hz) ** (5 / 3)
    return fitting + lag + receiver.static_wavefront_rad2, receiver.aperture_diameter_m / fried


def test_the_nominal_receiver_reaches_the_strehl_ratio_of_opals_on_a_metre(scenario):
    """About 0.6, stable over a pass of the space station (Wright et al. 2015)."""
    residual, _ = residual_rad2(link_of(scenario, aperture_diameter_m=1.0))
    assert_allclose(np.exp(-residual), 0.6, atol=0.09)
    assert np.exp(-residual).mean() == pytest.approx(0.6, abs=0.03)


def test_coupling_is_core_and_halo_less_amplitude_and_what_is_lost_beside(scenario):
    link = link_of(scenario)
    receiver = link.station.receiver
    residual, ratio = residual_rad2(link)
    layers = station_layers(link.station, link.atmosphere)
    rytov = rytov_variance(layers, wavelength_m=link.terminal.wavelength_m, elevation_deg=ELEVATION_DEG)
    aperture = aperture_averaged_variance(
        layers, wavelength_m=link.terminal.wavelength_m, elevation_deg=ELEVATION_DEG, aperture_diameter_m=0.8,
        obscuration_ratio=0.3,
    )  # fmt: skip
    core = np.exp(-residual) + (1 - np.exp(-residual)) / (1 + ratio**2)
    caught = smf_coupling_optimum(0.3) * core * np.exp(-(np.log1p(scintillation_index(rytov)) - aperture) / 4)
    columns = {"elevation_deg": ELEVATION_DEG, "angular_rate_rad_s": SLEW_RAD_S, "range_m": np.full(6, 6e5)}
    found = receiver_coupling_loss_db(columns, link)
    assert_allclose(found, -10 * np.log10(caught) + receiver.coupling_loss_db, atol=2e-3)
    assert_allclose(found[[0, 3]], [4.48, 3.91], atol=0.02)


def test_receivers_differ_by_the_system_that_they_state(scenario):
    columns = {"elevation_deg": np.array([30.0]), "angular_rate_rad_s": np.array([0.00509]), "range_m": np.full(1, 9e5)}
    loss = [
        float(receiver_coupling_loss_db(columns, link_of(with_variant(scenario, variant)))[0])
        for variant in scenario.variants
    ]
    assert_allclose(loss, [6.45, 4.24, 3.08], atol=0.02)


def test_amplitude_counts_what_the_aperture_does_not_average():
    layers = hufnagel_valley_layers()
    given = {"wavelength_m": 1550e-9, "elevation_deg": np.array([30.0, 90.0])}
    index = scintillation_index(rytov_variance(layers, **given))
    assert_allclose(index, [0.21451, 0.06267], atol=1e-5)
    assert_allclose(amplitude_variance(layers, **given, aperture_diameter_m=20.0), np.log1p(index) / 4, rtol=1e-3)
    assert_allclose(amplitude_variance(layers, **given, aperture_diameter_m=1e-3), 0.0, atol=0.004)
    assert amplitude_variance(layers, wavelength_m=1e-6, elevation_deg=np.zeros(0), aperture_diameter_m=1.0).shape == (
        0,
    )

"""Terms of the budget by their closed forms, for one link and without an orbit."""

import numpy as np
import pytest

from eqci_space.linkbudget.link import Link
from eqci_space.linkbudget.terms import TERMS
from eqci_space.linkbudget.turbulence import hufnagel_valley_layers
from eqci_space.linkbudget.winds import bufton_wind_m_s, greenwood_frequency_hz


def link_of(scenario, **receiver):
    station = scenario.stations["GRAZ"]
    optics = type(station.receiver).model_validate(station.receiver.model_dump() | receiver)
    return Link(scenario.satellites[0].terminal, station.model_copy(update={"receiver": optics}), scenario.atmosphere)


def test_independent_jitters_add_by_their_squares(scenario):
    """4 ns of the detector and 3 ns of GNSS are 5 ns; half a nanosecond then takes P(|z| < 0.05) = 0.0398776."""
    link = link_of(scenario, timing_jitter_s=4e-9, time_transfer="gnss", gate_s=0.5e-9, clock_hold_over_s=0.0)
    loss = TERMS["gate_loss_db"].loss_db({"range_m": np.ones(1)}, link)
    assert loss == pytest.approx(-10 * np.log10(0.0398776), rel=1e-5)


def test_a_slow_servo_costs_the_lag_of_greenwood(scenario):
    """A bandwidth of half the Greenwood frequency leaves 2^(5/3) = 3.1748 rad²: 13.788 dB."""
    base = {"coupling": "modelled", "field": "single_mode", "adaptive_optics_modes": 3}
    bare = link_of(scenario, **base, adaptive_optics_bandwidth_hz=None)
    air = bare.atmosphere
    layers = hufnagel_valley_layers(
        rms_wind_m_s=air.rms_wind_m_s, ground_cn2_m_neg_2_3=air.ground_cn2_m_neg_2_3,
        site_height_msl_m=bare.station.height_msl_m, lower_height_m=air.telescope_height_m,
    )  # fmt: skip
    wind = bufton_wind_m_s(layers.height_m, ground_wind_m_s=air.ground_wind_m_s, slew_rate_rad_s=0.01)
    frequency = float(greenwood_frequency_hz(layers, wind, wavelength_m=bare.terminal.wavelength_m, elevation_deg=30.0))
    part = {"range_m": np.full(1, 9e5), "elevation_deg": np.full(1, 30.0), "angular_rate_rad_s": np.full(1, 0.01)}
    slow = link_of(scenario, **base, adaptive_optics_bandwidth_hz=frequency / 2)
    coupling = TERMS["coupling_loss_db"].loss_db
    assert coupling(part, slow) - coupling(part, bare) == pytest.approx(10 / np.log(10) * 2 ** (5 / 3), rel=1e-4)

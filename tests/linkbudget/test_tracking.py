"""Lock in fades: rates against a sampled process, published laws, and what the shipped receivers lose."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import gamma, kv, ndtr, ndtri

from eqci_space.linkbudget.fades import fade_loss_db, fade_probability
from eqci_space.linkbudget.link import Link
from eqci_space.linkbudget.strong_scintillation import gamma_gamma_fade_loss_db, gamma_gamma_shapes
from eqci_space.linkbudget.tracking import fade_rate_hz, locked_share, mean_fade_duration_s, tracking_loss_db

TAU_S = 1e-3


@pytest.fixture(scope="module")
def process():
    """A Gaussian process of the correlation exp(-(t/τ)²), by its spectrum; 20 steps a coherence time, 2^22 of them."""
    step, count = TAU_S / 20, 2**22
    frequency = np.fft.rfftfreq(count, step)
    amplitude = np.sqrt(np.exp(-((np.pi * frequency * TAU_S) ** 2)))
    rng = np.random.default_rng(4)
    noise = rng.standard_normal(len(frequency)) + 1j * rng.standard_normal(len(frequency))
    values = np.fft.irfft(amplitude * noise, count)
    return step, values / values.std()


@pytest.mark.parametrize("probability", [0.5, 0.1, 0.01])
def test_fades_of_a_sampled_process_come_and_last_as_stated(process, probability):
    step, values = process
    below = values < ndtri(probability)
    rate = np.count_nonzero(below[1:] & ~below[:-1]) / (step * len(values))
    assert fade_rate_hz(fade_probability=probability, coherence_time_s=TAU_S) == pytest.approx(rate, rel=0.02)
    duration = mean_fade_duration_s(fade_probability=probability, coherence_time_s=TAU_S)
    assert duration == pytest.approx(below.mean() / rate, rel=0.03)


def test_log_normal_fades_come_as_andrews_and_phillips_have_it():
    """<n> = ν0 exp(-(σ²/2 + ln I)²/(2 σ²)), ν0 the rate at the median."""
    sigma, level = 0.4, 0.5
    z = (np.log(level) + sigma**2 / 2) / sigma
    probability = ndtr(z)
    published = np.exp(-((sigma**2 / 2 + np.log(level)) ** 2) / (2 * sigma**2)) / (np.sqrt(2) * np.pi * TAU_S)
    found = fade_rate_hz(fade_probability=probability, coherence_time_s=TAU_S)
    assert_allclose(found, published, rtol=1e-12)


def test_gamma_gamma_fades_come_nearly_as_the_published_law_has_it():
    """2 √(2π α β) ν0 σ (α β I)^((α+β-1)/2) K_(α-β)(2 √(α β I))/(Γ(α) Γ(β)) (Andrews and Phillips 2005, recalled).

    It lets the slope go with √I, and a process behind it with I: the rate lies between √I of it and itself.
    """
    rytov, probability = 0.05, 0.05
    level = 10 ** (-gamma_gamma_fade_loss_db(rytov=rytov, exceeded_probability=probability) / 10)
    a, b = (float(x) for x in gamma_gamma_shapes(rytov))
    sigma = np.sqrt((1 + 1 / a) * (1 + 1 / b) - 1)
    root = np.sqrt(a * b * level)
    law = 2 * np.sqrt(2 * np.pi * a * b) * sigma * root ** (a + b - 1) * kv(a - b, 2 * root) / gamma(a) / gamma(b)
    rate = fade_rate_hz(fade_probability=probability, coherence_time_s=TAU_S) * np.sqrt(2) * np.pi * TAU_S
    assert level == pytest.approx(0.678, abs=0.01)
    assert np.sqrt(level) * law < rate < law


def test_lock_of_a_sampled_process_is_the_stated_share(process):
    """A fade of one in a thousand breaks the lock; 20 coherence times pass until it is acquired again."""
    step, values = process
    probability, again_s = 1e-3, 20 * TAU_S
    below = values < ndtri(probability)
    locked, wait, up = 0, 0, True
    for faded in below:
        if faded:
            up, wait = False, round(again_s / step)
        elif not up:
            wait -= 1
            up = wait <= 0
        locked += up
    found = locked_share(fade_probability=probability, coherence_time_s=TAU_S, reacquisition_s=again_s)
    assert found == pytest.approx(locked / len(below), rel=0.01)


def links(scenario, **changes):
    station = scenario.stations["GRAZ"]
    receiver = type(station.receiver).model_validate(station.receiver.model_dump() | changes)
    return Link(scenario.satellites[0].terminal, station.model_copy(update={"receiver": receiver}), scenario.atmosphere)


def test_probability_and_loss_of_a_fade_belong_together(scenario):
    link, elevation = links(scenario, aperture_diameter_m=0.1), np.array([20.0, 35.0, 60.0, 90.0])
    for exceeded in (0.2, 1e-3):
        for e in elevation:
            one = np.array([e])
            loss = float(fade_loss_db(one, link, exceeded)[0])
            assert fade_probability(one, link, loss)[0] == pytest.approx(exceeded, rel=1e-4)
    assert fade_probability(np.zeros(0), link, 3.0).shape == (0,)


def test_a_fade_does_not_depend_on_the_other_elevations(scenario):
    link = links(scenario, aperture_diameter_m=0.1)
    assert fade_probability(np.array([20.0, 90.0]), link, 3.0)[0] == fade_probability(np.array([20.0]), link, 3.0)[0]


def test_tracking_costs_what_fades_below_the_margin_take(scenario):
    elevation = np.array([20.0, 45.0])
    columns = {"elevation_deg": elevation}
    shaky = links(scenario, aperture_diameter_m=0.1, tracking_margin_db=3.0, reacquisition_s=10.0)
    chance = fade_probability(elevation, shaky, 3.0)
    z = ndtri(chance)
    rate = np.exp(-(z**2) / 2) / (np.sqrt(2) * np.pi * 2e-3)
    assert_allclose(tracking_loss_db(columns, shaky), -10 * np.log10((1 - chance) / (1 + 10 * rate)), rtol=1e-9)
    assert (tracking_loss_db(columns, shaky) > 1).all()
    assert (tracking_loss_db(columns, links(scenario, tracking_margin_db=None)) == 0).all()


def test_shipped_receivers_hardly_lose_lock(scenario):
    """Apertures of 0.6 and 0.8 m average what would break a margin of 10 dB."""
    for station in scenario.stations.values():
        link = Link(scenario.satellites[0].terminal, station, scenario.atmosphere)
        assert tracking_loss_db({"elevation_deg": np.array([20.0, 90.0])}, link).max() < 1e-3


def test_failures_that_do_not_rise_in_elevation_are_refused(scenario):
    with pytest.raises(ValueError, match=r"acquisition_failures: elevations \[40.0, 20.0\]; expected them to rise"):
        links(scenario, acquisition_failures=((40.0, 0.1), (20.0, 0.2)))

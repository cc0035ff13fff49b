"""Detectors: clicks without signal photons, the gate, dead time, and errors of the state that arrives."""

from __future__ import annotations

import numpy as np
from scipy.special import erf

from eqci_space.linkbudget.ranges import Range, in_range

TIME_TRANSFER_JITTER_S = {"stated": 0.0, "gnss": 3e-9, "white_rabbit": 50e-12}
"""Standard deviation of the time difference of two stations: none beside the stated jitter; GNSS receivers in common
view (a few nanoseconds; unverified); White Rabbit over fibre (precision better than 50 ps; Serrano et al. 2013,
unverified)."""

_NO_JITTER_S = 1e-30
_ROUNDING = 1e-9
_SLOTS = 12

__all__ = [
    "TIME_TRANSFER_JITTER_S",
    "clock_error_s",
    "dead_time_factor",
    "doppler_phase_error",
    "extraneous_probability",
    "gate_transmittance",
    "neighbour_transmittance",
    "polarisation_error",
]


@in_range()
def extraneous_probability(
    *, dark_count_rate_hz: float, background_hz: np.ndarray, detectors: int, gate_s: float
) -> np.ndarray:
    """Probability of a dark or sky click per detector and gate: ``1 - exp(-(dark + sky/detectors) gate)``.

    Parameters
    ----------
    dark_count_rate_hz : float
        Per detector [1/s], >= 0.
    background_hz : array
        Sky clicks per second, summed over the detectors [1/s], >= 0.
    detectors : int
        Detectors that share the sky light [1], >= 1.
    gate_s : float
        Accepted time around each pulse [s], in (0, 1].

    Returns
    -------
    array
        Shape as `background_hz` [1]. Behind passive basis choice, the mean over the detectors of both bases.

    Raises
    ------
    ValueError
        An argument is out of its range.

    Notes
    -----
    Empty gate of Poisson counts (Knoll 2010, section 3.2).

    Examples
    --------
    SatQuMA's default noise: 500 dark counts a second in a nanosecond.

    >>> float(round(extraneous_probability(dark_count_rate_hz=500.0, background_hz=0.0, detectors=2, gate_s=1e-9), 12))
    5e-07
    """
    sky = np.asarray(background_hz, dtype=float)
    return -np.expm1(-(dark_count_rate_hz + sky / detectors) * gate_s)


@in_range()
def gate_transmittance(*, gate_s: float, timing_jitter_s: float, offset_s: float = 0.0) -> float:
    """Part of the signal clicks inside a gate: ``½ [erf((g/2 - δ)/√2σ) + erf((g/2 + δ)/√2σ)]`` for Gaussian jitter.

    Parameters
    ----------
    gate_s : float
        Accepted time around each pulse [s], in (0, 1].
    timing_jitter_s : float
        Standard deviation of detector, time tagger and clock transfer together, root square sum [s], in [0, 1]; a full
        width at half maximum is 2.355 of it.
    offset_s : float
        Distance of the gate from the pulse [s], in [-1, 1].

    Returns
    -------
    float
        [1]

    Raises
    ------
    ValueError
        An argument is out of its range.

    Notes
    -----
    Integral of the normal density (Abramowitz and Stegun 1964, section 7.1).

    Examples
    --------
    A gate of two standard deviations, and one that begins at the pulse.

    >>> round(gate_transmittance(gate_s=2e-9, timing_jitter_s=1e-9), 6)
    0.682689
    >>> round(gate_transmittance(gate_s=2e-8, timing_jitter_s=1e-9, offset_s=1e-8), 6)
    0.5
    """
    edges = np.array([gate_s / 2 - offset_s, gate_s / 2 + offset_s])
    if timing_jitter_s < _NO_JITTER_S:
        return float(np.mean(np.sign(edges)))
    return float(np.mean(erf(edges / (np.sqrt(2) * timing_jitter_s))))


@in_range(period_s=Range(0, 1, "s", above=True))
def neighbour_transmittance(*, gate_s: float, period_s: float, timing_jitter_s: float, offset_s: float = 0.0) -> float:
    """Part of a pulse's clicks inside the gates of all other pulses: the light that neighbours leave in a gate.

    ``Σ_{k≠0} G(δ + k T)``, G the gate's share at an offset. Gates that tile the time, ``g = T``, take everything; of
    jitter far beyond the period all gates together take ``g/T``, from which the own gate's share is to be taken.

    Parameters
    ----------
    gate_s : float
        Accepted time around each pulse [s], in (0, period].
    period_s : float
        Between pulses [s], in (0, 1].
    timing_jitter_s : float
        Standard deviation [s], in [0, 1].
    offset_s : float
        Of the gate from its pulse [s], in [-1, 1].

    Returns
    -------
    float
        [1]

    Raises
    ------
    ValueError
        An argument is out of its range, or the gate is longer than the period.

    Notes
    -----
    The form is derived here; for jitter above a period by Poisson's summation, whose first term is below 1e-8.

    Examples
    --------
    A silicon diode of 0.15 ns behind pulses every 0.1 ns leaves three quarters of the light to neighbours.

    >>> round(neighbour_transmittance(gate_s=1e-10, period_s=1e-10, timing_jitter_s=1.5e-10), 4)
    0.7389
    """
    if gate_s > period_s * (1 + _ROUNDING):
        raise ValueError(
            f"neighbour_transmittance: gate_s = {gate_s} with period_s = {period_s}; expected a gate within the period"
        )
    if timing_jitter_s > period_s:
        own = gate_transmittance(gate_s=gate_s, timing_jitter_s=timing_jitter_s, offset_s=offset_s)
        return max(0.0, min(1.0, gate_s / period_s) - own)
    nearest = round(offset_s / period_s)
    shares = [
        gate_transmittance(gate_s=gate_s, timing_jitter_s=timing_jitter_s, offset_s=offset_s - k * period_s)
        for k in range(nearest - _SLOTS, nearest + _SLOTS + 1)
        if k
    ]
    return float(sum(shares))


@in_range()
def clock_error_s(
    elapsed_s: np.ndarray | float, *, fractional_frequency: float, ageing_per_s: float = 0.0
) -> np.ndarray:
    """Time error of a free clock, ``y t + D t²/2`` (ITU-T G.810, 1996).

    Parameters
    ----------
    elapsed_s : array or float
        Since the clock was last set [s], >= 0.
    fractional_frequency : float
        Relative error y of its frequency [1], in [-1e-3, 1e-3].
    ageing_per_s : float
        Drift D of that error [1/s], any.

    Returns
    -------
    array
        [s]

    Raises
    ------
    ValueError
        An argument is out of its range.

    Examples
    --------
    >>> float(clock_error_s(1000.0, fractional_frequency=1e-12))
    1e-09
    """
    elapsed = np.asarray(elapsed_s, dtype=float)
    return fractional_frequency * elapsed + 0.5 * ageing_per_s * elapsed**2


@in_range()
def dead_time_factor(*, click_rate_hz: np.ndarray | float, dead_time_s: float) -> np.ndarray:
    """Part of the clicks that a detector registers, ``1/(1 + R τ)`` (non-paralysable; Knoll 2010, section 4.7).

    Parameters
    ----------
    click_rate_hz : array or float
        Per detector, without dead time [1/s], >= 0.
    dead_time_s : float
        [s], in [0, 1].

    Returns
    -------
    array
        [1]

    Raises
    ------
    ValueError
        An argument is out of its range.

    Examples
    --------
    >>> float(dead_time_factor(click_rate_hz=1e6, dead_time_s=1e-6))
    0.5
    """
    rate = np.asarray(click_rate_hz, dtype=float)
    return 1 / (1 + rate * dead_time_s)


@in_range()
def polarisation_error(*, frame_rotation_rad: np.ndarray | float, extinction_ratio: float = np.inf) -> np.ndarray:
    """Error probability by a rotated polarisation frame and a finite extinction ratio.

    ``e = 1/(1 + ER) + (1 - 2/(1 + ER)) sin²Δφ``, Malus' law with light that leaks into the other output.

    Parameters
    ----------
    frame_rotation_rad : array or float
        Angle Δφ between the frames [rad], any.
    extinction_ratio : float
        Contrast ER of the two outputs [1], >= 1.

    Returns
    -------
    array
        [1]

    Raises
    ------
    ValueError
        An argument is out of its range.

    Notes
    -----
    The form is derived here.

    Examples
    --------
    A contrast of 280 to 1 alone, that of Micius (Liao et al. 2017).

    >>> round(float(polarisation_error(frame_rotation_rad=0.0, extinction_ratio=280.0)), 5)
    0.00356
    """
    leak = 1 / (1 + extinction_ratio)
    return leak + (1 - 2 * leak) * np.sin(np.asarray(frame_rotation_rad, dtype=float)) ** 2


@in_range()
def doppler_phase_error(
    *, range_rate_m_s: np.ndarray | float, wavelength_m: float, delay_s: float, compensated_share: float = 1.0
) -> np.ndarray:
    """Error probability of time-bin or phase encoding by an uncompensated Doppler shift: ``sin²(π Δf τ)``.

    ``Δf = (1 - compensated) v/λ`` with the delay τ between the bins: 4.5 GHz at 1550 nm turn a 1 ns interferometer by
    4.5 turns, so C-band satellites compensate the shift from their orbit.

    Parameters
    ----------
    range_rate_m_s : array or float
        [m/s], any.
    wavelength_m : float
        [m], in [0.2e-6, 15e-6].
    delay_s : float
        Between the bins [s], in [0, 1].
    compensated_share : float
        Part of the shift that the terminal takes out [1], in [0, 1].

    Returns
    -------
    array
        [1]

    Raises
    ------
    ValueError
        An argument is out of its range.

    Notes
    -----
    The form is derived here.

    Examples
    --------
    A quarter of a turn: 1550 m/s are 1 GHz, in 0.25 ns.

    >>> round(float(doppler_phase_error(range_rate_m_s=1550.0, wavelength_m=1.55e-6, delay_s=0.25e-9,
    ...                                 compensated_share=0.0)), 6)
    0.5
    """
    shift = (1 - compensated_share) * np.asarray(range_rate_m_s, dtype=float) / wavelength_m
    return np.sin(np.pi * shift * delay_s) ** 2

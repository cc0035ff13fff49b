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
        Sky clicks per second, summed over the detectors.
    detectors : int
        Detectors that share the sky light, >= 1.
    gate_s : float
        Accepted time around each pulse [s], > 0.
    """
    sky = np.asarray(background_hz, dtype=float)
    return -np.expm1(-(dark_count_rate_hz + sky / detectors) * gate_s)


@in_range()
def gate_transmittance(*, gate_s: float, timing_jitter_s: float, offset_s: float = 0.0) -> float:
    """Part of the signal clicks inside a gate: ``½ [erf((g/2 - δ)/√2σ) + erf((g/2 + δ)/√2σ)]`` for Gaussian jitter.

    `timing_jitter_s` is the standard deviation of detector, time tagger and clock transfer together (root square sum);
    a full width at half maximum is 2.355 of it. `offset_s` is the distance of the gate from the pulse. 0.683 for a
    centred gate of two standard deviations, one half for a gate that begins at the pulse.
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
        Accepted time around each pulse [s], > 0, at most the period.
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
    Derived here; for jitter above a period by Poisson's summation, whose first term is below 1e-8.

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
    """Time error of a free clock, ``y t + D t²/2`` [s] (ITU-T G.810): 1 ns after 100 s of 1e-11."""
    elapsed = np.asarray(elapsed_s, dtype=float)
    return fractional_frequency * elapsed + 0.5 * ageing_per_s * elapsed**2


@in_range()
def dead_time_factor(*, click_rate_hz: np.ndarray | float, dead_time_s: float) -> np.ndarray:
    """Part of the clicks that a detector registers, ``1/(1 + R τ)`` (non-paralysable; Knoll 2010, section 4.7).

    `click_rate_hz` is the rate per detector without dead time.
    """
    rate = np.asarray(click_rate_hz, dtype=float)
    return 1 / (1 + rate * dead_time_s)


@in_range()
def polarisation_error(*, frame_rotation_rad: np.ndarray | float, extinction_ratio: float = np.inf) -> np.ndarray:
    """Error probability by a rotated polarisation frame and a finite extinction ratio.

    ``e = 1/(1 + ER) + (1 - 2/(1 + ER)) sin²Δφ``; a contrast of 280 to 1 alone gives 0.36 % (Liao et al. 2017).
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
    """
    shift = (1 - compensated_share) * np.asarray(range_rate_m_s, dtype=float) / wavelength_m
    return np.sin(np.pi * shift * delay_s) ** 2

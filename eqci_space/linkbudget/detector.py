"""Detectors: clicks without signal photons, the gate, dead time, and errors of the state that arrives."""

from __future__ import annotations

import numpy as np
from scipy.special import erf

__all__ = [
    "dead_time_factor",
    "doppler_phase_error",
    "extraneous_probability",
    "gate_transmittance",
    "polarisation_error",
]


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
    if not (dark_count_rate_hz >= 0 and gate_s > 0 and detectors >= 1 and (sky >= 0).all()):
        raise ValueError(
            f"extraneous_probability: dark_count_rate_hz={dark_count_rate_hz}, gate_s={gate_s}, "
            f"detectors={detectors}, background_hz from {sky.min(initial=0)}; expected >= 0, > 0, >= 1, >= 0"
        )
    return -np.expm1(-(dark_count_rate_hz + sky / detectors) * gate_s)


def gate_transmittance(*, gate_s: float, timing_jitter_s: float) -> float:
    """Part of the signal clicks inside a centred gate: ``erf(g/(2√2 σ))`` for Gaussian timing jitter.

    `timing_jitter_s` is the standard deviation of detector, time tagger and clock transfer together (root square sum);
    a full width at half maximum is 2.355 of it. 0.683 for a gate of two standard deviations.
    """
    if not (gate_s > 0 and timing_jitter_s >= 0):
        raise ValueError(
            f"gate_transmittance: gate_s={gate_s}, timing_jitter_s={timing_jitter_s}; expected > 0 and >= 0"
        )
    return 1.0 if timing_jitter_s == 0 else float(erf(gate_s / (2 * np.sqrt(2) * timing_jitter_s)))


def dead_time_factor(*, click_rate_hz: np.ndarray | float, dead_time_s: float) -> np.ndarray:
    """Part of the clicks that a detector registers, ``1/(1 + R τ)`` (non-paralysable; Knoll 2010, section 4.7).

    `click_rate_hz` is the rate per detector without dead time.
    """
    rate = np.asarray(click_rate_hz, dtype=float)
    if not ((rate >= 0).all() and dead_time_s >= 0):
        raise ValueError(f"dead_time_factor: dead_time_s={dead_time_s}; expected rates and times that are not negative")
    return 1 / (1 + rate * dead_time_s)


def polarisation_error(*, frame_rotation_rad: np.ndarray | float, extinction_ratio: float = np.inf) -> np.ndarray:
    """Error probability by a rotated polarisation frame and a finite extinction ratio.

    ``e = 1/(1 + ER) + (1 - 2/(1 + ER)) sin²Δφ``; a contrast of 280 to 1 alone gives 0.36 % (Liao et al. 2017).
    """
    if not extinction_ratio >= 1:
        raise ValueError(f"polarisation_error: extinction_ratio={extinction_ratio}; expected at least 1")
    leak = 1 / (1 + extinction_ratio)
    return leak + (1 - 2 * leak) * np.sin(np.asarray(frame_rotation_rad, dtype=float)) ** 2


def doppler_phase_error(
    *, range_rate_m_s: np.ndarray | float, wavelength_m: float, delay_s: float, compensated_share: float = 1.0
) -> np.ndarray:
    """Error probability of time-bin or phase encoding by an uncompensated Doppler shift: ``sin²(π Δf τ)``.

    ``Δf = (1 - compensated) v/λ`` with the delay τ between the bins: 4.5 GHz at 1550 nm turn a 1 ns interferometer by
    4.5 turns, so C-band satellites compensate the shift from their orbit.
    """
    if not (delay_s >= 0 and 0 <= compensated_share <= 1 and wavelength_m > 0):
        raise ValueError(
            f"doppler_phase_error: delay_s={delay_s}, compensated_share={compensated_share}; expected >= 0 and 0 to 1"
        )
    shift = (1 - compensated_share) * np.asarray(range_rate_m_s, dtype=float) / wavelength_m
    return np.sin(np.pi * shift * delay_s) ** 2

"""Clicks without signal photons."""

from __future__ import annotations

import numpy as np

__all__ = ["extraneous_probability"]


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

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
    if dark_count_rate_hz < 0 or gate_s <= 0 or detectors < 1:
        raise ValueError(
            f"extraneous_probability: dark_count_rate_hz={dark_count_rate_hz}, gate_s={gate_s}, "
            f"detectors={detectors}; expected >= 0, > 0, >= 1"
        )
    return -np.expm1(-(dark_count_rate_hz + np.asarray(background_hz) / detectors) * gate_s)

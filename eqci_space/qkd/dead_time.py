"""What a click leaves behind in a detector: dead time, in which it is blind, and afterpulses."""

from __future__ import annotations

import numpy as np

__all__ = ["check_afterpulses", "live_share"]


def live_share(
    efficiency: np.ndarray,
    extraneous_probability: np.ndarray | float,
    *,
    mean_photon_number: float,
    pulse_rate_hz: float,
    detectors: int,
    dead_time_s: float,
) -> np.ndarray:
    """Share of the time that a detector is ready, ``1/(1 + R τ)``, R its clicks per second without dead time.

    Non-paralysable (Knoll 2010, section 4.7). A pulse that arrives while a detector is blind counts as not sent, which
    keeps the statistics of intensities and bases.

    Parameters
    ----------
    efficiency : (n,) array
        From the exit aperture to a click in any of the detectors [1], in [0, 1].
    extraneous_probability : (n,) array or float
        Clicks without signal per detector and pulse [1], in [0, 1].
    mean_photon_number : float
        Of a pulse [1], >= 0.
    pulse_rate_hz : float
        [1/s], >= 0.
    detectors : int
        That share the light [1], >= 1.
    dead_time_s : float
        [s], in [0, 1].

    Returns
    -------
    (n,) array
        [1]

    Raises
    ------
    ValueError
        A value lies outside its range.

    Examples
    --------
    A click in two microseconds and one microsecond of dead time: two thirds.

    >>> live_share(np.array([0.0]), 5e-4, mean_photon_number=0, pulse_rate_hz=1e9, detectors=2, dead_time_s=1e-6)
    array([0.66666667])
    """
    if not 0 <= dead_time_s <= 1 or detectors < 1:
        raise ValueError(
            f"live_share: dead_time_s = {dead_time_s}, detectors = {detectors}; expected 0 to 1 s and at least 1"
        )
    for name, value, most in (
        ("mean_photon_number", mean_photon_number, 1e3), ("pulse_rate_hz", pulse_rate_hz, 1e15),
        ("efficiency", efficiency, 1.0), ("extraneous_probability", extraneous_probability, 1.0),
    ):  # fmt: skip
        numbers = np.asarray(value, dtype=float)
        inside = (numbers >= 0) & (numbers <= most)
        if not inside.all():
            raise ValueError(f"live_share: {name} = {numbers[~inside].flat[0]}; expected 0 to {most:g}")
    noise = np.asarray(extraneous_probability, dtype=float)
    clicks = -np.expm1(-mean_photon_number * np.asarray(efficiency, dtype=float)) / detectors + noise
    return 1 / (1 + pulse_rate_hz * clicks * dead_time_s)


def check_afterpulses(probability: float) -> None:
    """Refuse what is no afterpulse probability.

    Parameters
    ----------
    probability : float
        Of a click [1], in [0, 1).

    Returns
    -------
    None

    Raises
    ------
    ValueError
        It is none.

    Notes
    -----
    Bookkeeping, derived here.

    Examples
    --------
    >>> check_afterpulses(0.02)
    """
    if not 0 <= probability < 1:
        raise ValueError(f"blocks: afterpulse_probability = {probability}; expected 0 to below 1")

"""How long a link holds lock: fades below the tracker's margin, how often they come, and the time to acquire again."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from eqci_space.linkbudget.fades import fade_probability
from eqci_space.linkbudget.link import Columns, Link
from eqci_space.linkbudget.ranges import Range, in_range
from eqci_space.units import db_from_ratio

__all__ = ["fade_rate_hz", "locked_share", "mean_fade_duration_s", "tracking_loss_db"]

_PROBABILITY = Range(0, 1, above=True, below=True)


@in_range(fade_probability=_PROBABILITY, coherence_time_s=Range(0, 10, "s", above=True))
def fade_rate_hz(*, fade_probability: np.ndarray | float, coherence_time_s: float) -> np.ndarray:
    """How often a fading signal falls below a level that it lies below with a probability.

    ``exp(-z²/2)/(√2 π τ)`` with z the normal quantile of the probability: Rice's rate of level crossings (Rice 1945,
    Bell Syst. Tech. J. 24, 46, section 3.3) of a Gaussian process of the correlation ``exp(-(t/τ)²)``. A signal that is
    a monotone function of such a process, log-normal, gamma-gamma or any other, crosses as often as the process does
    (Andrews and Phillips 2005, section 11.4, for the log-normal one).

    Parameters
    ----------
    fade_probability : array
        [1], in (0, 1), any shape.
    coherence_time_s : float
        τ [s], in (0, 10].

    Returns
    -------
    array
        [Hz], shape of `fade_probability`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    The median of a process of 1 ms: 1/(√2 π) per coherence time.

    >>> round(float(fade_rate_hz(fade_probability=0.5, coherence_time_s=1e-3)), 2)
    225.08
    """
    z = ndtri(np.asarray(fade_probability, dtype=float))
    return np.exp(-(z**2) / 2) / (np.sqrt(2) * np.pi * coherence_time_s)


@in_range(fade_probability=_PROBABILITY, coherence_time_s=Range(0, 10, "s", above=True))
def mean_fade_duration_s(*, fade_probability: np.ndarray | float, coherence_time_s: float) -> np.ndarray:
    """Mean time that a fade lasts: its probability over its rate (Rice 1945; see `fade_rate_hz`).

    Parameters
    ----------
    fade_probability : array
        [1], in (0, 1), any shape.
    coherence_time_s : float
        τ [s], in (0, 10].

    Returns
    -------
    array
        [s], shape of `fade_probability`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    Below the median a process stays π/√2 coherence times on average:

    >>> round(float(mean_fade_duration_s(fade_probability=0.5, coherence_time_s=1e-3)) * 1e3, 4)
    2.2214
    """
    rate = fade_rate_hz(fade_probability=fade_probability, coherence_time_s=coherence_time_s)
    return np.asarray(fade_probability, dtype=float) / rate


@in_range(
    fade_probability=Range(0, 1, below=True), coherence_time_s=Range(0, 10, "s", above=True),
    reacquisition_s=Range(0, 600, "s"),
)  # fmt: skip
def locked_share(
    *, fade_probability: np.ndarray | float, coherence_time_s: float, reacquisition_s: float
) -> np.ndarray:
    """Share of the time in which a link is in lock, if every fade below the margin breaks it.

    ``(1 - p)/(1 + ν t)``: up for (1 - p)/ν, then down for the fade of p/ν and for the time t to acquire again, in which
    no further fade counts (mean of an alternating renewal process; derived here).

    Parameters
    ----------
    fade_probability : array
        p [1], in [0, 1), any shape.
    coherence_time_s : float
        [s], in (0, 10].
    reacquisition_s : float
        t [s], in [0, 600].

    Returns
    -------
    array
        [1], in (0, 1], shape of `fade_probability`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    At a probability of 1e-9 and 1 ms a fade comes every 80 h; at 1e-6 2.79 come in 1,000 s, and 10 s for each leave
    97.3 %:

    >>> [round(float(locked_share(fade_probability=p, coherence_time_s=1e-3, reacquisition_s=10.0)), 4)
    ...  for p in (1e-9, 1e-6)]
    [1.0, 0.9728]
    """
    p = np.asarray(fade_probability, dtype=float)
    inner = np.clip(p, 1e-300, None)
    rate = np.where(p > 0, fade_rate_hz(fade_probability=inner, coherence_time_s=coherence_time_s), 0.0)
    return (1 - p) / (1 + rate * reacquisition_s)


def tracking_loss_db(part: Columns, link: Link) -> np.ndarray:
    """Time lost to fades below the tracker's margin, and to acquire again, as a loss [dB].

    Zero without a margin, and of uplinks, whose fades are not modelled.
    """
    receiver, elevation = link.station.receiver, np.asarray(part["elevation_deg"], dtype=float)
    if receiver.tracking_margin_db is None or link.uplink is not None:
        return np.zeros(elevation.shape)
    chance = fade_probability(elevation.ravel(), link, receiver.tracking_margin_db).reshape(elevation.shape)
    share = locked_share(
        fade_probability=np.minimum(chance, 1 - 1e-12), coherence_time_s=receiver.fade_coherence_s,
        reacquisition_s=receiver.reacquisition_s,
    )  # fmt: skip
    return db_from_ratio(share) + 0.0  # no -0.0 in tables

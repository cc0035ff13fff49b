"""Which states of SGP4 can be believed: those of one unbroken orbit from the epoch on.

SGP4 says "decayed" only while its mean orbit lies below the ground. Its drag terms are polynomials of time (Hoots and
Roehrich 1980, Spacetrack Report 3), so later it returns states again, without an error, at radii that grow beyond all
bounds. It also leaps, by 1,650 km for object 20413 of the verification set (Vallado et al. 2006, AIAA 2006-6753),
where a deep-space inclination crosses 0.2 rad and the form of the periodic terms changes. Here a state is doubted if

- SGP4 reports an error;
- its radius is below 80 km over the equator: no satellite survives there (McDowell 2018, Acta Astronautica 151, 668:
  80 ± 10 km);
- its radius is beyond 1.5 times the apogee of its elements (assumed: no perturbation within years does that);
- it lies behind a leap of more than 10 km (assumed: beyond what SGP4 itself misses by within days; objects 4632 and
  14128 leap by 6 and 2 km where the inclination crosses 0.2 rad);

and with it everything on its side of the epoch. The leap is read off seventh differences of the nodes: those of a
smooth orbit are below 20 m (found for all of the verification set), those of a leap L are up to 20 L, the middle
coefficient of ``(1 - x)^6``, at the node behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqci_space.orbits.elements import ElementSet, propagator
from eqci_space.units import EARTH_GM_M3_S2, EARTH_RADIUS_M

__all__ = ["Doubt", "believed_span", "doubt_on_the_way"]

_LOWEST_KM = 80.0
_BEYOND_APOGEE = 1.5
_LEAP_M = 1e4
_ORDER, _MIDDLE = 7, 20.0
_BEFORE_LEAP = _ORDER // 2
_TURNS_PER_SAMPLE = 0.381966  # of the golden section, so that samples of many turns fall everywhere on the orbit
_MOST_SAMPLES = 2000


@dataclass(frozen=True)
class Doubt:
    """Where states stop being believed, seen from the epoch: seconds on the axis of the caller, and why."""

    at_s: float
    reason: str
    error: int = 0
    error_s: float = np.nan


def believed_span(
    elements: ElementSet, errors: np.ndarray, grid_m: np.ndarray, radius_m: np.ndarray, first_s: float, step_s: float
) -> tuple[int, int, Doubt | None, Doubt | None]:
    """Nodes ``low <= k < high`` of a grid that can be believed, and what ends them before the epoch and after it.

    Parameters
    ----------
    elements : ElementSet
    errors : (n,) array
        SGP4's error codes.
    grid_m : (3, n) array
        Positions [m], in any frame that turns smoothly.
    radius_m : (n,) array
        Their lengths [m].
    first_s, step_s : float
        First node and step of the grid [s], from the epoch on.
    """
    n = len(radius_m)
    lowest, highest = _range_m(elements)
    middle = int(np.clip(round(-first_s / step_s), 0, n - 1))
    doubt = doubt_on_the_way(elements, first_s, first_s + (n - 1) * step_s)
    low, high, before, after = 0, n, None, None
    if doubt is None and not (not errors.any() and radius_m.min() > lowest and radius_m.max() < highest):
        bad = np.flatnonzero(~((errors == 0) & (radius_m > lowest) & (radius_m < highest)))
        earlier, later = bad[bad < middle][::-1], bad[bad >= middle]
        if len(later):
            high, after = int(later[0]), _doubt(elements, errors[later], radius_m[later], first_s + later * step_s)
        if len(earlier):
            low = int(earlier[0]) + 1
            before = _doubt(elements, errors[earlier], radius_m[earlier], first_s + earlier * step_s)
        doubt = after if high == middle else None
    if doubt is not None:
        return 0, 0, *((doubt, None) if doubt.at_s < 0 else (None, doubt))
    for k, size_m in _leaps(grid_m, low, high):
        reason = f"SGP4 leaps by {size_m / 1e3:.0f} km within {step_s:.0f} s, which no orbit does"
        if k < middle:
            low, before = k + 1, Doubt(first_s + k * step_s, reason)
        else:
            high, after = k + 1, Doubt(first_s + (k + 1) * step_s, reason)
            break
    return low, high, before, after


def doubt_on_the_way(elements: ElementSet, begin_s: float, end_s: float, *, whole: bool = False) -> Doubt | None:
    """What first speaks against states between the epoch and a period, by samples, five in two turns of the orbit.

    Parameters
    ----------
    elements : ElementSet
    begin_s, end_s : float
        The period, from the epoch on [s]. One with the epoch in it has no way to it.
    whole : bool
        Whether to go on through the period.
    """
    ends = [begin_s, end_s] if whole else [max(begin_s, 0.0) or min(end_s, 0.0)]
    found = [_sampled(elements, s) for s in ends if s and not (whole and begin_s > 0 and s == begin_s)]
    return next((d for d in found if d is not None), None)


def _sampled(elements: ElementSet, until_s: float) -> Doubt | None:
    """The first sample from the epoch to a time [s] that cannot be believed."""
    spacing_s = _TURNS_PER_SAMPLE * 86400.0 / elements.mean_motion_rev_day
    seconds = np.linspace(0.0, until_s, int(np.clip(np.ceil(abs(until_s) / spacing_s), 2, _MOST_SAMPLES)) + 1)
    satrec = propagator(elements)
    jd = np.full(len(seconds), satrec.jdsatepoch)
    errors, teme_km, _ = satrec.sgp4_array(jd, satrec.jdsatepochF + seconds / 86400.0)
    radius_m = np.sqrt((teme_km**2).sum(axis=1)) * 1e3
    lowest, highest = _range_m(elements)
    bad = ~((errors == 0) & (radius_m > lowest) & (radius_m < highest))
    return _doubt(elements, errors[bad], radius_m[bad], seconds[bad]) if bad.any() else None


def _range_m(elements: ElementSet) -> tuple[float, float]:
    """Least and largest radius [m] at which the object can be."""
    rate = elements.mean_motion_rev_day * 2 * np.pi / 86400.0
    apogee = (EARTH_GM_M3_S2 / rate**2) ** (1 / 3) * (1 + elements.eccentricity)
    return EARTH_RADIUS_M + _LOWEST_KM * 1e3, _BEYOND_APOGEE * apogee


def _doubt(elements: ElementSet, errors: np.ndarray, radius_m: np.ndarray, seconds: np.ndarray) -> Doubt:
    """Doubt of the first of some bad states, and SGP4's first error among them."""
    lowest, highest = _range_m(elements)
    wrong = np.flatnonzero(errors)
    code, at = (int(errors[wrong[0]]), float(seconds[wrong[0]])) if len(wrong) else (0, np.nan)
    if errors[0]:
        reason = f"SGP4 error {code} (6 means decayed)"
    elif not radius_m[0] > lowest:
        height = (radius_m[0] - EARTH_RADIUS_M) / 1e3
        reason = f"{height:.0f} km high, below {_LOWEST_KM:.0f} km, where no satellite survives"
    else:
        reason = (
            f"{radius_m[0] / 1e3:.4g} km from the centre of the Earth, beyond {_BEYOND_APOGEE:g} times the apogee, "
            f"{highest / _BEYOND_APOGEE / 1e3:.0f} km: SGP4 has diverged"
        )
    return Doubt(float(seconds[0]), reason, code, at)


def _leaps(grid_m: np.ndarray, low: int, high: int) -> list[tuple[int, float]]:
    """Nodes of ``low..high`` behind which the positions leap, and by how much [m], in order."""
    if high - low <= _ORDER:
        return []
    differences = np.diff(grid_m[:, low:high], n=_ORDER, axis=1)
    if max(differences.max(), -differences.min()) < _MIDDLE * _LEAP_M:
        return []
    sizes = np.sqrt((differences**2).sum(axis=0)) / _MIDDLE
    found, k = [], 0
    while k < len(sizes):
        if sizes[k] < _LEAP_M:
            k += 1
            continue
        top = k + int(np.argmax(sizes[k : k + _ORDER]))
        found.append((low + top + _BEFORE_LEAP, float(sizes[top])))
        k = top + _ORDER
    return found

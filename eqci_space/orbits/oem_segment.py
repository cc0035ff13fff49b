"""Tabulated states of one object: what a segment of an ephemeris message holds, and positions between its states."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from datetime import datetime
from math import lgamma

import numpy as np

from eqci_space.errors import ElementsError, ImplausibleInputWarning
from eqci_space.orbits.time_scales import leaps_s
from eqci_space.units import EARTH_ROTATION_RAD_S

__all__ = ["OemSegment", "believed_velocities", "interpolated_km", "nearby_states", "position_errors_m"]

_STENCIL = 5
_WIDEST_TURN_RAD = 0.5
_LEAST_MISMATCH_M_S = 150.0


@dataclass(frozen=True)
class OemSegment:
    """States of one object in one frame, and how they are to be interpolated.

    Attributes
    ----------
    object_name, object_id, frame : str
        The frame is one that `to_earth_fixed` knows.
    start : datetime
        Epoch of the first state (UTC).
    seconds : (n,) array
        [s] that have passed since `start`, leap seconds among them; rising.
    states : (n, 6) array
        Position [km] and velocity [km/s] in `frame`.
    useable_start, useable_stop : datetime
        Span in which interpolation is meant to hold.
    interpolation, degree : str, int
        HERMITE, LAGRANGE or LINEAR, and the polynomial degree.
    """

    object_name: str
    object_id: str
    frame: str
    start: datetime
    seconds: np.ndarray
    states: np.ndarray
    useable_start: datetime
    useable_stop: datetime
    interpolation: str
    degree: int


def nearby_states(interpolation: str, degree: int) -> int:
    """Number of states that enter one interpolation."""
    return (degree + 2) // 2 if interpolation == "HERMITE" else degree + 1


def _first_states(segment: OemSegment, elapsed_s: np.ndarray, count: int) -> np.ndarray:
    """Number of the first of `count` states about each time."""
    right = np.searchsorted(segment.seconds, elapsed_s)
    return np.clip(right - count // 2, 0, len(segment.seconds) - count)


def interpolated_km(segment: OemSegment, seconds: np.ndarray, *, leaps: np.ndarray | float | None = None) -> np.ndarray:
    """Positions (m, 3) [km] in the segment's frame at calendar `seconds` after its start.

    Newton's divided differences through the nearest states; Hermite polynomials take each state twice, with its
    velocity as the difference of the pair (Stoer and Bulirsch 2002, section 2.1.5).

    Parameters
    ----------
    segment : OemSegment
    seconds : (m,) array
        [s] on an axis of days of 86,400 s, as `datetime` counts.
    leaps : array or float, optional
        Leap seconds between [s]; default those of `leaps_s`.
    """
    hermite = segment.interpolation == "HERMITE"
    order = segment.degree + 1
    count = nearby_states(segment.interpolation, segment.degree)
    target = np.asarray(seconds, dtype=float)
    target = target + (leaps_s(segment.start, target) if leaps is None else leaps)
    low = _first_states(segment, target, count)
    index = low[:, None] + (np.arange(count).repeat(2)[:order] if hermite else np.arange(count))
    t = segment.seconds[index] - target[:, None]
    table = segment.states[index, :3].copy()
    newton = [table[:, 0].copy()]
    for level in range(1, order):
        gap = (t[:, level:] - t[:, :-level])[:, :, None]
        rise = table[:, 1:] - table[:, :-1]
        if level == 1 and hermite:
            velocity = segment.states[index[:, :-1], 3:]
            table = np.where(gap == 0, velocity, rise / np.where(gap == 0, 1.0, gap))
        else:
            table = rise / gap
        newton.append(table[:, 0].copy())
    value = newton[-1]
    for level in range(order - 2, -1, -1):  # Horner's scheme at the target, where t counts from
        value = newton[level] - t[:, level, None] * value
    return value


def position_errors_m(segment: OemSegment) -> np.ndarray:
    """What the interpolation misses a circular motion by, about (n-1,) [m], in the middle of each interval of states.

    ``r ω^n / n! · Π |t - t_j|`` over the n values that enter (Stoer and Bulirsch 2002, section 2.1.4), with radius r
    and angular rate ω of the states; 3.9 km between states of a 500 km orbit that are 60 s apart and interpolated
    linearly, 0.02 mm with a Hermite polynomial of degree seven.
    """
    order = segment.degree + 1
    count = nearby_states(segment.interpolation, segment.degree)
    places, speeds = segment.states[:, :3] * 1e3, segment.states[:, 3:] * 1e3
    radius = np.linalg.norm(places, axis=1)
    rate = np.linalg.norm(np.cross(places, speeds), axis=1) / np.maximum(radius, 1.0) ** 2
    middle = (segment.seconds[1:] + segment.seconds[:-1]) / 2
    low = _first_states(segment, middle, count)
    nodes = np.arange(count).repeat(2)[:order] if segment.interpolation == "HERMITE" else np.arange(count)
    away = np.abs(segment.seconds[low[:, None] + nodes] - middle[:, None])
    fastest = np.maximum(rate[1:], rate[:-1])
    with np.errstate(divide="ignore"):
        logarithm = np.log(fastest) * order + np.log(away).sum(axis=1) - lgamma(order + 1)
    return np.maximum(radius[1:], radius[:-1]) * np.exp(np.minimum(logarithm, 50.0))


def _derivatives_km_s(segment: OemSegment) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the positions by polynomials through five neighbours, where these lie close, and their indices."""
    t, n = segment.seconds, len(segment.seconds)
    if n < _STENCIL:
        return np.empty((0, 3)), np.empty(0, dtype=int)
    inner = np.arange(_STENCIL // 2, n - _STENCIL // 2)
    index = inner[:, None] + np.arange(-(_STENCIL // 2), _STENCIL // 2 + 1)
    places = segment.states[:, :3]
    turns = np.linalg.norm(np.diff(places, axis=0), axis=1) / np.maximum(np.linalg.norm(places[1:], axis=1), 1.0)
    close = turns[index[:, :-1]].max(axis=1) < _WIDEST_TURN_RAD
    index, inner = index[close], inner[close]
    away = t[index] - t[inner, None]
    scale = np.abs(away).max(axis=1, initial=0.0)[:, None]
    powers = (away / scale)[:, :, None] ** np.arange(_STENCIL)
    fitted = np.linalg.solve(powers, segment.states[index, :3])
    return fitted[:, 1] / scale, inner


def believed_velocities(segment: OemSegment, where: str) -> OemSegment:
    """The segment, its velocities held to the motion of its positions.

    Earth-fixed velocities that lack the rotation (they are off by ω × r, some 500 m/s in a low orbit and 3,075 m/s in
    a geostationary one) are given it, since the positions prove what was meant.

    Raises
    ------
    ElementsError
        The velocities are no derivatives of the positions.

    Warns
    -----
    ImplausibleInputWarning
        Earth-fixed velocities lacked the rotation.
    """
    derivative, inner = _derivatives_km_s(segment)
    if not len(inner):
        return segment
    off = (segment.states[inner, 3:] - derivative) * 1e3
    size = float(np.median(np.linalg.norm(off, axis=1)))
    if size < _LEAST_MISMATCH_M_S:
        return segment
    turn = np.cross([0.0, 0.0, EARTH_ROTATION_RAD_S], segment.states[:, :3])
    left = float(np.median(np.linalg.norm(off - turn[inner] * 1e3, axis=1)))
    if not segment.frame.startswith("ITRF") or left > 0.2 * size:
        raise ElementsError(
            f"{where}: velocities of '{segment.object_name}' differ from the motion of its positions by "
            f"{size:.0f} m/s; expected their derivatives in km/s; mend the file"
        )
    warnings.warn(
        f"{where}: Earth-fixed velocities of '{segment.object_name}' lack the Earth's rotation ({size:.0f} m/s); they "
        f"are taken relative to the turning Earth, as its positions move; write them so in {segment.frame}, or give "
        "states in EME2000",
        ImplausibleInputWarning,
        stacklevel=4,
    )
    states = segment.states.copy()
    states[:, 3:] -= turn
    return replace(segment, states=states)

"""Earth-fixed positions of one satellite on a uniform grid, and bounds on its motion.

Positions are computed once on the grid and interpolated by `eqci_space.orbits.interpolation`. With 32 nodes to the
perigee's angular period (48 on eccentric orbits) the interpolation error stays below a millimetre in LEO and below a
centimetre on a Molniya orbit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from eqci_space.errors import ElementsError, TimeError
from eqci_space.orbits.interpolation import states
from eqci_space.units import EARTH_GM_M3_S2, EARTH_RADIUS_M, EARTH_ROTATION_RAD_S

__all__ = [
    "LONGEST_STEP_S",
    "Ephemeris",
    "Trajectory",
    "check_period",
    "covered_s",
    "finest_step_s",
    "motion",
    "motion_bounds",
    "positions_m",
    "sample_times",
]

LONGEST_STEP_S = 600.0
_STEPS_PER_TURN, _STEPS_PER_ECCENTRIC_TURN, _ECCENTRIC = 31.5, 48.0, 0.05
_ROUNDING_S = 1e-6


@dataclass(frozen=True)
class Ephemeris:
    """Positions of one satellite on a uniform grid, and bounds on its motion in the Earth-fixed frame.

    Attributes
    ----------
    satellite : str
    start : datetime
        Origin of the time axis.
    first_s, step_s : float
        First node and step of the grid [s].
    grid_m : (3, n) array
        Earth-fixed positions [m].
    speed_bound_m_s, acceleration_bound_m_s2, perigee_radius_m : float
        Bounds that hold everywhere on the orbit, used to skip time safely in searches.
    """

    satellite: str
    start: datetime
    first_s: float
    step_s: float
    grid_m: np.ndarray
    speed_bound_m_s: float
    acceleration_bound_m_s2: float
    perigee_radius_m: float


@dataclass(frozen=True)
class Trajectory:
    """What is known of one satellite's motion in a period: unbroken arcs in order of time.

    Attributes
    ----------
    satellite : str
    start : datetime
        Origin of the time axis of all arcs.
    arcs : tuple of Ephemeris
    spans_s : tuple of (float, float)
        The part of each arc [s after `start`] in which passes are looked for. Spans do not overlap; two may meet, where
        one arc takes over from another, and nothing is known between others.
    """

    satellite: str
    start: datetime
    arcs: tuple[Ephemeris, ...]
    spans_s: tuple[tuple[float, float], ...]

    @property
    def known_s(self) -> list[tuple[float, float]]:
        """The spans, those that meet made one."""
        joined = [self.spans_s[0]]
        for first, last in self.spans_s[1:]:
            meets = first - joined[-1][1] <= _ROUNDING_S
            joined[-1:] = [(joined[-1][0], last)] if meets else [joined[-1], (first, last)]
        return joined

    @property
    def speed_bound_m_s(self) -> float:
        """Bound of the speed on all arcs [m/s]."""
        return max(arc.speed_bound_m_s for arc in self.arcs)

    @property
    def perigee_radius_m(self) -> float:
        """Bound of the radius on all arcs [m], from below."""
        return min(arc.perigee_radius_m for arc in self.arcs)


def positions_m(orbit: Ephemeris | Trajectory, seconds: np.ndarray) -> np.ndarray:
    """Earth-fixed positions (n, 3) [m] at `seconds` after ``orbit.start``.

    Raises
    ------
    ElementsError
        A time lies where nothing is known.
    """
    return motion(orbit, seconds)[0]


def covered_s(ephemeris: Ephemeris) -> tuple[float, float]:
    """First and last time that a grid covers [s after its start]."""
    return ephemeris.first_s, ephemeris.first_s + (ephemeris.grid_m.shape[1] - 1) * ephemeris.step_s


def sample_times(
    orbit: Trajectory, start: datetime, length_s: float, step_s: float, *, fewest: int
) -> list[np.ndarray]:
    """Even times [s after `start`], at most `step_s` apart, over a length as far as each arc covers it.

    Parameters
    ----------
    orbit : Trajectory
    start : datetime
    length_s, step_s : float
        [s]
    fewest : int
        Number of times that there are at least in an arc.

    Returns
    -------
    list of arrays
        One per arc that covers some of the length.
    """
    offset_s = (start - orbit.start).total_seconds()
    found = []
    for first, last in orbit.spans_s:
        begin, end = max(0.0, first - offset_s), min(length_s, last - offset_s)
        if begin < end:
            found.append(np.linspace(begin, end, max(fewest, int(np.ceil((end - begin) / step_s)) + 1)))
    return found


def motion(orbit: Ephemeris | Trajectory, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Earth-fixed positions (n, 3) [m] and velocities (n, 3) [m/s] at `seconds` after ``orbit.start``.

    The velocity is the derivative of the position in the rotating frame. Where one arc takes over from another, the
    later one holds.

    Raises
    ------
    ElementsError
        A time lies where nothing is known.
    """
    seconds = np.ascontiguousarray(seconds, dtype=float)
    if isinstance(orbit, Ephemeris) or len(orbit.arcs) == 1:
        arc = orbit if isinstance(orbit, Ephemeris) else orbit.arcs[0]
        _check_covered(arc, seconds)
        both = states(arc.grid_m, arc.first_s, arc.step_s, seconds)
        return both[:, :3], both[:, 3:]
    both = np.full((seconds.size, 6), np.nan)
    for arc, (first, last) in zip(orbit.arcs, orbit.spans_s, strict=True):
        inside = (seconds >= first - _ROUNDING_S) & (seconds <= last + _ROUNDING_S)
        both[inside] = states(arc.grid_m, arc.first_s, arc.step_s, seconds[inside])
    unknown = np.isnan(both[:, 0])
    if unknown.any():
        raise ElementsError(
            f"motion: {seconds[unknown][0]:.1f} s after {orbit.start:%Y-%m-%dT%H:%M:%SZ}; nothing is known of "
            f"'{orbit.satellite}' then"
        )
    return both[:, :3], both[:, 3:]


def _check_covered(arc: Ephemeris, seconds: np.ndarray) -> None:
    first, last = covered_s(arc)
    if seconds.size and (seconds.min() < first - _ROUNDING_S or seconds.max() > last + _ROUNDING_S):
        raise ElementsError(
            f"motion: times {seconds.min():.1f}..{seconds.max():.1f} s; the ephemeris of '{arc.satellite}' covers "
            f"{first:.1f}..{last:.1f} s"
        )


def check_period(where: str, start: datetime, end: datetime) -> None:
    """Refuse naive times, and an end that is not after the start; `where` opens the message."""
    if start.tzinfo is None or end.tzinfo is None or end <= start:
        raise TimeError(f"{where}: period {start} to {end}; expected aware times, end after start")


def finest_step_s(perigee_rate_rad_s: float, eccentricity: float) -> float:
    """Step [s] that an orbit of an angular rate at perigee [rad/s] and an eccentricity needs at most."""
    turns = _STEPS_PER_TURN if eccentricity < _ECCENTRIC else _STEPS_PER_ECCENTRIC_TURN
    return 2 * np.pi / perigee_rate_rad_s / turns


def motion_bounds(perigee_m: float, apogee_m: float, semi_major_m: float) -> tuple[float, float, float]:
    """Bounds of speed [m/s] and acceleration [m/s²] in the Earth-fixed frame, and of the radius [m] from below.

    Two-body speed at perigee and gravity with the J2 term, with margins of one and two per cent for what else acts.
    """
    perigee, apogee = 0.99 * perigee_m, 1.01 * apogee_m
    speed = 1.02 * np.sqrt(EARTH_GM_M3_S2 * (2 / perigee - 1 / semi_major_m)) + EARTH_ROTATION_RAD_S * apogee
    gravity = 1.02 * EARTH_GM_M3_S2 / perigee**2 * (1 + 0.0033 * (EARTH_RADIUS_M / perigee) ** 2)
    acceleration = gravity + 2 * EARTH_ROTATION_RAD_S * speed + EARTH_ROTATION_RAD_S**2 * apogee
    return float(speed), float(acceleration), float(perigee)

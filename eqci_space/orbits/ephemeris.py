"""Earth-fixed satellite positions on a grid, from SGP4 or from a tabulated ephemeris.

Positions are computed once on a uniform grid and interpolated by `eqci_space.orbits.interpolation`. With 32 nodes to
the perigee's angular period (48 on eccentric orbits) the interpolation error stays below a millimetre in LEO and
below a centimetre on a Molniya orbit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from eqci_space.errors import ElementsError, TimeError
from eqci_space.orbits.design import design
from eqci_space.orbits.earth import julian_date, sidereal_rad, to_earth_fixed
from eqci_space.orbits.elements import BadRecord, ElementSet, check_age, propagator
from eqci_space.orbits.elements_io import read_records, sound_sets
from eqci_space.orbits.interpolation import NODES, states
from eqci_space.orbits.oem_io import OemSegment, interpolated_km, read_oem
from eqci_space.orbits.selection import Catalogue, catalogue, select_from
from eqci_space.orbits.soundness import Doubt, believed_span, doubt_on_the_way
from eqci_space.scenario import Satellite, Scenario
from eqci_space.units import EARTH_GM_M3_S2, EARTH_RADIUS_M, EARTH_ROTATION_RAD_S

__all__ = [
    "Ephemeris",
    "believed_ephemerides",
    "check_states",
    "covered_s",
    "ephemerides",
    "make_ephemeris",
    "motion",
    "orbital_period_s",
    "positions_m",
    "sample_times",
    "satellite_elements",
    "satellite_segments",
    "tabulated_ephemeris",
]

_STEPS_PER_TURN, _STEPS_PER_ECCENTRIC_TURN, _ECCENTRIC = 31.5, 48.0, 0.05
_ROUNDING_S = 1e-6
_STEP_GRAIN_S, _LONGEST_STEP_S = 5.0, 600.0


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


def positions_m(ephemeris: Ephemeris, seconds: np.ndarray) -> np.ndarray:
    """Earth-fixed positions (n, 3) [m] at `seconds` after ``ephemeris.start``.

    Raises
    ------
    ElementsError
        A time lies outside the grid.
    """
    return motion(ephemeris, seconds)[0]


def covered_s(ephemeris: Ephemeris) -> tuple[float, float]:
    """First and last time that a grid covers [s after its start]."""
    return ephemeris.first_s, ephemeris.first_s + (ephemeris.grid_m.shape[1] - 1) * ephemeris.step_s


def sample_times(ephemeris: Ephemeris, start: datetime, length_s: float, step_s: float, *, fewest: int) -> np.ndarray:
    """Even times [s after `start`], at most `step_s` apart, over a length as far as an ephemeris covers it.

    Parameters
    ----------
    ephemeris : Ephemeris
    start : datetime
    length_s, step_s : float
        [s]
    fewest : int
        Number of times that there are at least.
    """
    first, last = (s - (start - ephemeris.start).total_seconds() for s in covered_s(ephemeris))
    begin, end = max(0.0, first), min(length_s, last)
    return np.linspace(begin, end, max(fewest, int(np.ceil((end - begin) / step_s)) + 1))


def motion(ephemeris: Ephemeris, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Earth-fixed positions (n, 3) [m] and velocities (n, 3) [m/s] at `seconds` after ``ephemeris.start``.

    The velocity is the derivative of the position in the rotating frame.

    Raises
    ------
    ElementsError
        A time lies outside the grid.
    """
    seconds = np.ascontiguousarray(seconds, dtype=float)
    last = ephemeris.first_s + (ephemeris.grid_m.shape[1] - 1) * ephemeris.step_s
    if seconds.size and (seconds.min() < ephemeris.first_s - _ROUNDING_S or seconds.max() > last + _ROUNDING_S):
        raise ElementsError(
            f"motion: times {seconds.min():.1f}..{seconds.max():.1f} s; the ephemeris of "
            f"'{ephemeris.satellite}' covers {ephemeris.first_s:.1f}..{last:.1f} s"
        )
    both = states(ephemeris.grid_m, ephemeris.first_s, ephemeris.step_s, seconds)
    return both[:, :3], both[:, 3:]


def satellite_elements(satellite: Satellite, scenario: Scenario) -> ElementSet:
    """Element set of a scenario's satellite: designed at its epoch, or read from its file.

    Of several sets of the object the one nearest to the scenario's period is taken, whatever part of the period is
    asked for, so that all stages see one orbit. An orbit without epoch, which only a scenario made in Python can hold,
    is designed at the scenario's start.

    Raises
    ------
    ElementsError
        The file is malformed or does not hold the object, or the satellite has an ephemeris instead.

    Warns
    -----
    AssumedObjectWarning
        The file's only object has another name than the satellite, which states none.
    """
    if satellite.orbit is not None:
        return design(satellite.name, satellite.orbit, scenario.start)
    if satellite.elements is None:
        raise ElementsError(f"satellite '{satellite.name}' has an ephemeris and no elements")
    path = Path(scenario.file).parent / satellite.elements
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return select_from(
        _catalogue_of(path, stamp, satellite.bad_records), satellite.name,
        f"satellite '{satellite.name}' in {path.name}", object_name=satellite.object_name,
        catalogue_number=satellite.catalogue_number, period=(scenario.start, scenario.end),
    )  # fmt: skip


@lru_cache(maxsize=8)
def _catalogue_of(path: Path, stamp: int, bad_records: Literal["raise", "skip"]) -> Catalogue:
    """Objects of a file, read once for all satellites that name it; `stamp` is its last change."""
    records = read_records(path)
    sets = sound_sets(records, path.name, bad_records)
    return catalogue(sets, [r for r in records if isinstance(r, BadRecord)])


def satellite_segments(satellite: Satellite, scenario: Scenario) -> list[OemSegment]:
    """Segments of a scenario's satellite that has an ephemeris file; one object in the file needs no stated name.

    Raises
    ------
    ElementsError
        The file is malformed or does not hold the object.
    """
    path = Path(scenario.file).parent / str(satellite.ephemeris)
    segments = _segments_of(path, path.stat().st_mtime_ns if path.is_file() else 0)
    name = satellite.object_name or satellite.name
    names = {s.object_name for s in segments}
    if name not in names and (len(names) > 1 or satellite.object_name):
        raise ElementsError(f"satellite '{satellite.name}' in {path.name}: no object '{name}'; found {sorted(names)}")
    return [s for s in segments if s.object_name == name or len(names) == 1]


@lru_cache(maxsize=8)
def _segments_of(path: Path, stamp: int) -> list[OemSegment]:
    """Segments of a file, read once for all satellites that name it; `stamp` is the time of its last change."""
    return read_oem(path)


def orbital_period_s(satellite: Satellite, scenario: Scenario) -> float:
    """Period of a satellite's orbit [s], from its mean motion or the states of its ephemeris (Kepler's third law)."""
    if satellite.ephemeris is None:
        return 86400.0 / satellite_elements(satellite, scenario).mean_motion_rev_day
    semi_major_m = _orbit_of(satellite_segments(satellite, scenario)[0])[2]
    return float(2 * np.pi * np.sqrt(semi_major_m**3 / EARTH_GM_M3_S2))


def make_ephemeris(elements: ElementSet, start: datetime, end: datetime, *, name: str | None = None) -> Ephemeris:
    """Propagate one element set over a period with some margin.

    Raises
    ------
    ElementsError
        Inside the period, or between the epoch and it, the states are no orbit (`eqci_space.orbits.soundness`): SGP4
        reports an error, the orbit decays, SGP4 diverges or leaps.
    TimeError
        A time is naive.
    """
    ephemeris, doubts = _propagated(elements, start, end, name)
    if doubts or ephemeris is None:
        raise ElementsError(_refusal(elements, doubts, some_left=ephemeris is not None))
    return ephemeris


def _propagated(
    elements: ElementSet, start: datetime, end: datetime, name: str | None
) -> tuple[Ephemeris | None, list[Doubt]]:
    """Ephemeris of what can be believed of a period, if anything, and what keeps the rest of the period out."""
    _check_period("make_ephemeris", start, end)
    check_age(elements, start, end)
    satrec = propagator(elements)
    rate = elements.mean_motion_rev_day * 2 * np.pi / 86400.0
    e = elements.eccentricity
    finest = _finest_step_s(rate * (1 + e) ** 2 / (1 - e * e) ** 1.5, e)
    step = float(min(np.floor(finest / _STEP_GRAIN_S) * _STEP_GRAIN_S or finest, _LONGEST_STEP_S))
    length = (end - start) / timedelta(seconds=1)
    count = int(np.ceil(length / step)) + 2 * NODES + 1
    seconds = (np.arange(count) - NODES) * step
    jd, fraction, cos, sin = _grid_frame(start, step, count)
    errors, teme_km, _ = satrec.sgp4_array(jd, fraction)
    x, y, z = teme_km.T * 1e3
    grid = np.stack([cos * x + sin * y, -sin * x + cos * y, z])
    radius = np.sqrt((grid**2).sum(axis=0))
    since_epoch = (start - elements.epoch) / timedelta(seconds=1)
    low, high, before, after = believed_span(elements, errors, grid, radius, float(seconds[0]) + since_epoch, step)
    if high - low < NODES:
        return None, [d for d in (before, after) if d]
    # What ends in the margin ends outside the period.
    cuts = (before, seconds[low] > 0), (after, seconds[high - 1] < length)
    doubts = [doubt for doubt, is_inside in cuts if doubt and is_inside]
    grid, radius, seconds = grid[:, low:high], radius[low:high], seconds[low:high]
    semi_major = (EARTH_GM_M3_S2 / rate**2) ** (1 / 3)
    perigee, apogee = min(semi_major * (1 - e), float(radius.min())), max(semi_major * (1 + e), float(radius.max()))
    bounds = _motion_bounds(perigee, apogee, semi_major)
    whole = np.ascontiguousarray(grid)
    return Ephemeris(name or elements.name, start, float(seconds[0]), step, whole, *bounds), doubts


def _shown(elements: ElementSet, doubt: Doubt) -> str:
    """From when on, or back, and why the states of an element set cannot be believed."""
    at = f"{elements.epoch + timedelta(seconds=doubt.at_s):%Y-%m-%dT%H:%M:%SZ} {'on' if doubt.at_s >= 0 else 'back'}"
    if not doubt.error:
        return f"the states of '{elements.name}' are no orbit from {at}: {doubt.reason}"
    failed = f"{elements.epoch + timedelta(seconds=doubt.error_s):%Y-%m-%dT%H:%M:%SZ}"
    words = f"SGP4 error {doubt.error} for '{elements.name}' at {failed} (6 means decayed)"
    return words if doubt.error_s == doubt.at_s else f"{words}, and no orbit from {at}: {doubt.reason}"


def _words(elements: ElementSet, doubts: list[Doubt]) -> str:
    return "; ".join(_shown(elements, d) for d in doubts)


def _remedy(doubts: list[Doubt], *, some_left: bool) -> str:
    age = "newer" if all(d.at_s >= 0 for d in doubts) else "older"
    shorten = "shorten the period or " if some_left else ""
    return f'{shorten}get {age} elements, or let the passes end there with bad_states = "end"'


def _refusal(elements: ElementSet, doubts: list[Doubt], *, some_left: bool) -> str:
    return f"make_ephemeris: {_words(elements, doubts)}; {_remedy(doubts, some_left=some_left)}"


def _loss(elements: ElementSet, doubts: list[Doubt], *, some_left: bool) -> str:
    """What a warning says of a satellite whose passes end."""
    return f"{_words(elements, doubts)}; {'its passes end there' if some_left else 'it has no passes in the period'}"


def tabulated_ephemeris(
    segments: list[OemSegment], start: datetime, end: datetime, *, name: str | None = None
) -> Ephemeris:
    """Earth-fixed grid of an OEM over a period that lies in the useable span of one of its segments.

    Raises
    ------
    ElementsError
        No segment covers the period, or the states are no orbit around the Earth.
    TimeError
        A time is naive.
    """
    _check_period("tabulated_ephemeris", start, end)
    segment = next((s for s in segments if s.useable_start <= start and end <= s.useable_stop), None)
    if segment is None:
        spans = ", ".join(f"{s.useable_start:%Y-%m-%dT%H:%MZ} to {s.useable_stop:%Y-%m-%dT%H:%MZ}" for s in segments)
        raise ElementsError(
            f"ephemeris of '{segments[0].object_name}' has segments {spans}; none covers the period "
            f"{start:%Y-%m-%dT%H:%MZ} to {end:%Y-%m-%dT%H:%MZ}; shorten the period"
        )
    perigee, apogee, semi_major, eccentricity, rate = _orbit_of(segment)
    length = (end - start).total_seconds()
    intervals = max(NODES - 1, int(np.ceil(length / min(_finest_step_s(rate, eccentricity), _LONGEST_STEP_S))))
    step = length / intervals
    before = min(NODES, int((start - segment.useable_start).total_seconds() / step))
    after = min(NODES, int((segment.useable_stop - end).total_seconds() / step))
    seconds = np.arange(-before, intervals + after + 1) * step
    places_km = interpolated_km(segment, seconds + (start - segment.start).total_seconds())
    grid = np.einsum("nij,nj->in", to_earth_fixed(segment.frame, *julian_date(start, seconds)), places_km * 1e3)
    bounds = _motion_bounds(perigee, apogee, semi_major)
    first = float(seconds[0])
    return Ephemeris(name or segment.object_name, start, first, step, np.ascontiguousarray(grid), *bounds)


def _check_period(where: str, start: datetime, end: datetime) -> None:
    if start.tzinfo is None or end.tzinfo is None or end <= start:
        raise TimeError(f"{where}: period {start} to {end}; expected aware times, end after start")


def _finest_step_s(perigee_rate_rad_s: float, eccentricity: float) -> float:
    turns = _STEPS_PER_TURN if eccentricity < _ECCENTRIC else _STEPS_PER_ECCENTRIC_TURN
    return 2 * np.pi / perigee_rate_rad_s / turns


def _orbit_of(segment: OemSegment) -> tuple[float, float, float, float, float]:
    """Extreme osculating perigee and apogee radius, semi-major axis [m], eccentricity, and angular rate [rad/s]."""
    position, velocity = segment.states[:, :3] * 1e3, segment.states[:, 3:] * 1e3
    if segment.frame.startswith("ITRF"):
        velocity = velocity + np.cross([0.0, 0.0, EARTH_ROTATION_RAD_S], position)
    radius, momentum = np.linalg.norm(position, axis=1), np.linalg.norm(np.cross(position, velocity), axis=1)
    semi_major = 1 / (2 / radius - (velocity**2).sum(axis=1) / EARTH_GM_M3_S2)
    eccentricity = np.sqrt(np.maximum(0.0, 1 - momentum**2 / (EARTH_GM_M3_S2 * semi_major)))
    if not ((semi_major > 0) & (semi_major * (1 - eccentricity) > 0.9 * EARTH_RADIUS_M)).all():
        raise ElementsError(f"ephemeris of '{segment.object_name}': its states are no closed orbit above the ground")
    perigee = semi_major * (1 - eccentricity)
    return (
        float(min(perigee.min(), radius.min())), float(max((semi_major * (1 + eccentricity)).max(), radius.max())),
        float(semi_major.max()), float(eccentricity.max()), float((momentum / perigee**2).max()),
    )  # fmt: skip


def _motion_bounds(perigee_m: float, apogee_m: float, semi_major_m: float) -> tuple[float, float, float]:
    """Bounds of speed [m/s] and acceleration [m/s²] in the Earth-fixed frame, and of the radius [m] from below.

    Two-body speed at perigee and gravity with the J2 term, with margins of one and two per cent for what else acts.
    """
    perigee, apogee = 0.99 * perigee_m, 1.01 * apogee_m
    speed = 1.02 * np.sqrt(EARTH_GM_M3_S2 * (2 / perigee - 1 / semi_major_m)) + EARTH_ROTATION_RAD_S * apogee
    gravity = 1.02 * EARTH_GM_M3_S2 / perigee**2 * (1 + 0.0033 * (EARTH_RADIUS_M / perigee) ** 2)
    acceleration = gravity + 2 * EARTH_ROTATION_RAD_S * speed + EARTH_ROTATION_RAD_S**2 * apogee
    return float(speed), float(acceleration), float(perigee)


@lru_cache(maxsize=4)
def _grid_frame(start: datetime, step: float, count: int) -> tuple[np.ndarray, ...]:
    """Julian dates of a grid, and cosine and sine of the sidereal angle; shared by satellites of one step."""
    jd, fraction = julian_date(start, (np.arange(count) - NODES) * step)
    angle = sidereal_rad(jd, fraction)
    return jd, fraction, np.cos(angle), np.sin(angle)


def ephemerides(scenario: Scenario, start: datetime, end: datetime) -> dict[str, Ephemeris]:
    """One `Ephemeris` per satellite of the scenario.

    With ``bad_states = "end"`` one may end before the period does, or be left out, where SGP4's states are no orbit.
    """
    return believed_ephemerides(scenario, start, end)[0]


def believed_ephemerides(
    scenario: Scenario, start: datetime, end: datetime
) -> tuple[dict[str, Ephemeris], dict[str, str]]:
    """`ephemerides`, and by satellite why one of them ends inside the period or is left out.

    Raises
    ------
    ElementsError
        States of a satellite are no orbit that may not end so, or its file is malformed.
    """
    found: dict[str, Ephemeris] = {}
    lost: dict[str, str] = {}
    for satellite in scenario.satellites:
        if satellite.ephemeris is not None:
            segments = satellite_segments(satellite, scenario)
            found[satellite.name] = tabulated_ephemeris(segments, start, end, name=satellite.name)
            continue
        elements = satellite_elements(satellite, scenario)
        file = f" in {Path(satellite.elements).name}" if satellite.elements else ""
        try:
            part, doubts = _propagated(elements, start, end, satellite.name)
        except ElementsError as error:
            raise ElementsError(f"satellite '{satellite.name}'{file}: {error}") from error
        some_left = part is not None
        if doubts and not _may_end(satellite):
            problem = _refusal(elements, doubts, some_left=some_left)
            raise ElementsError(f"satellite '{satellite.name}'{file}: {problem}")
        if part is not None:
            found[satellite.name] = part
        if doubts:
            lost[satellite.name] = f"satellite '{satellite.name}'{file}: {_loss(elements, doubts, some_left=some_left)}"
    return found, lost


def check_states(satellite: Satellite, scenario: Scenario) -> str:
    """What a satellite with elements loses of the scenario's period because its states are no orbit, by samples.

    Empty if nothing is found. It takes milliseconds; leaps are left to the search of passes.

    Raises
    ------
    ElementsError
        States are no orbit that may not end so, or the file is malformed.
    """
    elements = satellite_elements(satellite, scenario)
    begin_s, end_s = ((t - elements.epoch).total_seconds() for t in (scenario.start, scenario.end))
    doubt = doubt_on_the_way(elements, begin_s, end_s, whole=True)
    if doubt is None:
        return ""
    where = f"satellite '{satellite.name}'" + (f" in {Path(satellite.elements).name}" if satellite.elements else "")
    some_left = doubt.at_s > begin_s if doubt.at_s >= 0 else doubt.at_s < end_s
    if not _may_end(satellite):
        raise ElementsError(f"{where}: {_refusal(elements, [doubt], some_left=some_left)}")
    return f"{where}: {_loss(elements, [doubt], some_left=some_left)}"


def _may_end(satellite: Satellite) -> bool:
    if satellite.bad_states is None:
        return satellite.bad_records == "skip"
    return satellite.bad_states == "end"

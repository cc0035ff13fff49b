"""Ephemerides of a scenario's satellites: from elements by SGP4, or from a tabulated file."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from eqci_space.errors import ElementsError
from eqci_space.orbits.design import design
from eqci_space.orbits.earth import julian_date, sidereal_rad
from eqci_space.orbits.elements import BadRecord, ElementSet, check_age, propagator
from eqci_space.orbits.elements_io import read_records, sound_sets
from eqci_space.orbits.interpolation import NODES
from eqci_space.orbits.motion import (
    LONGEST_STEP_S,
    Ephemeris,
    Trajectory,
    check_period,
    covered_s,
    finest_step_s,
    motion,
    motion_bounds,
    positions_m,
    sample_times,
)
from eqci_space.orbits.selection import Catalogue, catalogue, select_from
from eqci_space.orbits.soundness import Doubt, believed_span, doubt_on_the_way
from eqci_space.orbits.tabulated import orbit_of, satellite_segments, tabulated_ephemeris, tabulated_trajectory
from eqci_space.scenario import Satellite, Scenario
from eqci_space.units import EARTH_GM_M3_S2

__all__ = [
    "Ephemeris",
    "Trajectory",
    "believed_ephemerides",
    "check_states",
    "covered_s",
    "ephemerides",
    "highest_radius_m",
    "make_ephemeris",
    "motion",
    "orbital_period_s",
    "positions_m",
    "sample_times",
    "satellite_elements",
    "satellite_segments",
    "tabulated_ephemeris",
    "tabulated_trajectory",
]

_STEP_GRAIN_S = 5.0
_GAPS = "no states {}; it has no passes then"


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


def orbital_period_s(satellite: Satellite, scenario: Scenario) -> float:
    """Period of a satellite's orbit [s], from its mean motion or the states of its ephemeris (Kepler's third law)."""
    if satellite.ephemeris is None:
        return 86400.0 / satellite_elements(satellite, scenario).mean_motion_rev_day
    semi_major_m = orbit_of(satellite_segments(satellite, scenario)[0])[2]
    return float(2 * np.pi * np.sqrt(semi_major_m**3 / EARTH_GM_M3_S2))


def highest_radius_m(satellite: Satellite, scenario: Scenario) -> float:
    """Largest distance of a satellite from the Earth's centre [m]: the apogee of its mean elements or its ephemeris."""
    if satellite.ephemeris is not None:
        return max(orbit_of(segment)[1] for segment in satellite_segments(satellite, scenario))
    elements = satellite_elements(satellite, scenario)
    rate_rad_s = elements.mean_motion_rev_day * 2 * np.pi / 86400.0
    return float((EARTH_GM_M3_S2 / rate_rad_s**2) ** (1 / 3) * (1 + elements.eccentricity))


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
    check_period("make_ephemeris", start, end)
    check_age(elements, start, end)
    satrec = propagator(elements)
    rate = elements.mean_motion_rev_day * 2 * np.pi / 86400.0
    e = elements.eccentricity
    finest = finest_step_s(rate * (1 + e) ** 2 / (1 - e * e) ** 1.5, e)
    step = float(min(np.floor(finest / _STEP_GRAIN_S) * _STEP_GRAIN_S or finest, LONGEST_STEP_S))
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
    bounds = motion_bounds(perigee, apogee, semi_major)
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


@lru_cache(maxsize=4)
def _grid_frame(start: datetime, step: float, count: int) -> tuple[np.ndarray, ...]:
    """Julian dates of a grid, and cosine and sine of the sidereal angle; shared by satellites of one step."""
    jd, fraction = julian_date(start, (np.arange(count) - NODES) * step)
    angle = sidereal_rad(jd, fraction)
    return jd, fraction, np.cos(angle), np.sin(angle)


def ephemerides(scenario: Scenario, start: datetime, end: datetime) -> dict[str, Trajectory]:
    """One `Trajectory` per satellite of the scenario.

    One may cover only parts of the period, or be left out: where SGP4's states are no orbit, with
    ``bad_states = "end"``, and where a file has no states.
    """
    return believed_ephemerides(scenario, start, end)[0]


def believed_ephemerides(
    scenario: Scenario, start: datetime, end: datetime
) -> tuple[dict[str, Trajectory], dict[str, str]]:
    """`ephemerides`, and by satellite why one of them does not cover the whole period or is left out.

    Raises
    ------
    ElementsError
        States of a satellite are no orbit that may not end so, or its file is malformed or says nothing of the period.
    """
    found: dict[str, Trajectory] = {}
    lost: dict[str, str] = {}
    for satellite in scenario.satellites:
        where = _where(satellite)
        if satellite.ephemeris is not None:
            segments = satellite_segments(satellite, scenario)
            found[satellite.name], gaps = tabulated_trajectory(segments, start, end, name=satellite.name)
            if gaps:
                lost[satellite.name] = f"{where}: {_GAPS.format(gaps)}"
            continue
        elements = satellite_elements(satellite, scenario)
        try:
            part, doubts = _propagated(elements, start, end, satellite.name)
        except ElementsError as error:
            raise ElementsError(f"{where}: {error}") from error
        some_left = part is not None
        if doubts and not _may_end(satellite):
            problem = _refusal(elements, doubts, some_left=some_left)
            raise ElementsError(f"{where}: {problem}")
        if part is not None:
            found[satellite.name] = _one_arc(part, (end - start).total_seconds())
        if doubts:
            lost[satellite.name] = f"{where}: {_loss(elements, doubts, some_left=some_left)}"
    return found, lost


def _one_arc(arc: Ephemeris, length_s: float) -> Trajectory:
    """The trajectory of a propagated arc.

    Where it ends inside the period a step is left: grids of other parts of the period may end earlier.
    """
    first, last = covered_s(arc)
    begin = first + arc.step_s if first > 0 else 0.0
    finish = last - arc.step_s if last < length_s else length_s
    return Trajectory(arc.satellite, arc.start, (arc,), ((begin, finish),))


def _where(satellite: Satellite) -> str:
    """A satellite and the file that its orbit is from, as messages begin."""
    file = satellite.elements or satellite.ephemeris
    return f"satellite '{satellite.name}'" + (f" in {Path(file).name}" if file else "")


def check_states(satellite: Satellite, scenario: Scenario) -> str:
    """What a satellite loses of the scenario's period: SGP4's states are no orbit, by samples, or a file has none.

    Empty if nothing is found. It takes milliseconds; leaps are left to the search of passes.

    Raises
    ------
    ElementsError
        States are no orbit that may not end so, or the file is malformed or says nothing of the period.
    """
    where = _where(satellite)
    if satellite.ephemeris is not None:
        _, gaps = tabulated_trajectory(satellite_segments(satellite, scenario), scenario.start, scenario.end)
        return f"{where}: {_GAPS.format(gaps)}" if gaps else ""
    elements = satellite_elements(satellite, scenario)
    begin_s, end_s = ((t - elements.epoch).total_seconds() for t in (scenario.start, scenario.end))
    doubt = doubt_on_the_way(elements, begin_s, end_s, whole=True)
    if doubt is None:
        return ""
    some_left = doubt.at_s > begin_s if doubt.at_s >= 0 else doubt.at_s < end_s
    if not _may_end(satellite):
        raise ElementsError(f"{where}: {_refusal(elements, [doubt], some_left=some_left)}")
    return f"{where}: {_loss(elements, [doubt], some_left=some_left)}"


def _may_end(satellite: Satellite) -> bool:
    if satellite.bad_states is None:
        return satellite.bad_records == "skip"
    return satellite.bad_states == "end"

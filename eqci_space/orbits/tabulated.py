"""Ephemerides that a file tabulates: which of its states serve a satellite, as an Earth-fixed grid."""

from __future__ import annotations

import warnings
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from eqci_space.errors import AssumedObjectWarning, ElementsError, close_names
from eqci_space.orbits.earth import julian_date, to_earth_fixed
from eqci_space.orbits.interpolation import NODES
from eqci_space.orbits.motion import (
    LONGEST_STEP_S,
    Ephemeris,
    Trajectory,
    check_period,
    finest_step_s,
    motion_bounds,
)
from eqci_space.orbits.oem_io import read_oem
from eqci_space.orbits.oem_segment import OemSegment, interpolated_km
from eqci_space.orbits.oem_spans import SHORTEST, gap_words, unbroken_parts
from eqci_space.orbits.time_scales import leap_instants, leaps_s
from eqci_space.scenario import Satellite, Scenario
from eqci_space.units import EARTH_GM_M3_S2, EARTH_RADIUS_M, EARTH_ROTATION_RAD_S
from eqci_space.words import short_list

__all__ = ["orbit_of", "satellite_segments", "tabulated_ephemeris", "tabulated_trajectory"]

_MINUTE = "%Y-%m-%dT%H:%MZ"


def satellite_segments(satellite: Satellite, scenario: Scenario) -> list[OemSegment]:
    """Segments of a scenario's satellite that has an ephemeris file.

    A stated `object_name` must be in the file. Without one the satellite's own name chooses; only then, and only in a
    file of one object, another name is taken, with a warning.

    Raises
    ------
    ElementsError
        The file is malformed or does not hold the object.

    Warns
    -----
    AssumedObjectWarning
        The only object of the file has another name than the satellite.
    """
    path = Path(scenario.file).parent / str(satellite.ephemeris)
    segments = _segments_of(path, path.stat().st_mtime_ns if path.is_file() else 0)
    name = " ".join((satellite.object_name or satellite.name).split())
    found = [s for s in segments if " ".join(s.object_name.split()) == name]
    if found:
        return found
    where, names = (
        f"satellite '{satellite.name}' in {path.name}",
        sorted({" ".join(s.object_name.split()) for s in segments}),
    )
    if len(names) > 1 or satellite.object_name:
        close = "".join(f"did you mean '{n}'? " for n in close_names(name, names)[:1])
        raise ElementsError(
            f"{where}: no object '{name}'; {close}the file has {short_list(names, 10)}; state object_name as the file "
            "has it, or give the file of the satellite"
        )
    warnings.warn(
        f"{where}: no object '{name}'; the file's only object is taken: {names[0]}; say so with "
        f'object_name = "{names[0]}", or give the file of the satellite',
        AssumedObjectWarning,
        stacklevel=2,
    )
    return segments


@lru_cache(maxsize=8)
def _segments_of(path: Path, stamp: int) -> list[OemSegment]:
    """Segments of a file, read once for all satellites that name it; `stamp` is the time of its last change."""
    return read_oem(path)


def tabulated_trajectory(
    segments: list[OemSegment], start: datetime, end: datetime, *, name: str | None = None
) -> tuple[Trajectory, str]:
    """Arcs of an object's segments over a period, and where in it they say nothing (empty if nowhere).

    Raises
    ------
    ElementsError
        No segment covers any of the period, or the states are no orbit around the Earth.
    TimeError
        A time is naive.

    Warns
    -----
    ImplausibleInputWarning
        As `unbroken_parts`.
    """
    check_period("tabulated_trajectory", start, end)
    parts = unbroken_parts(segments)
    arcs, spans = [], []
    for part in parts:
        begin, finish = max(start, part.useable_start), min(end, part.useable_stop)
        if finish - begin >= SHORTEST or (begin, finish) == (start, end):
            arcs.append(_arc(part, start, begin, finish, name))
            spans.append(((begin - start).total_seconds(), (finish - start).total_seconds()))
    if not arcs:
        raise ElementsError(
            f"ephemeris of '{segments[0].object_name}' has states for {_spans(parts)}; none covers the period "
            f"{start:{_MINUTE}} to {end:{_MINUTE}} or a part of it; give the file of the period"
        )
    return Trajectory(name or segments[0].object_name, start, tuple(arcs), tuple(spans)), gap_words(parts, start, end)


def tabulated_ephemeris(
    segments: list[OemSegment], start: datetime, end: datetime, *, name: str | None = None
) -> Ephemeris:
    """Earth-fixed grid of an OEM over a period that lies in one unbroken part of it.

    Raises
    ------
    ElementsError
        No part covers the whole period, or the states are no orbit around the Earth.
    TimeError
        A time is naive.
    """
    check_period("tabulated_ephemeris", start, end)
    parts = unbroken_parts(segments)
    part = next((p for p in parts if p.useable_start <= start and end <= p.useable_stop), None)
    if part is None:
        raise ElementsError(
            f"ephemeris of '{segments[0].object_name}' has states for {_spans(parts)}; none covers the period "
            f"{start:{_MINUTE}} to {end:{_MINUTE}}; shorten the period"
        )
    return _arc(part, start, start, end, name)


def _spans(parts: list[OemSegment]) -> str:
    return short_list([f"{p.useable_start:{_MINUTE}} to {p.useable_stop:{_MINUTE}}" for p in parts], 10) or "no time"


def _arc(segment: OemSegment, origin: datetime, begin: datetime, end: datetime, name: str | None) -> Ephemeris:
    """Grid of a part of a period, with a margin as far as the segment reaches; its axis counts from `origin`."""
    perigee, apogee, semi_major, eccentricity, rate = orbit_of(segment)
    length = (end - begin).total_seconds()
    intervals = max(NODES - 1, int(np.ceil(length / min(finest_step_s(rate, eccentricity), LONGEST_STEP_S))))
    step = length / intervals
    before = min(NODES, int((begin - segment.useable_start).total_seconds() / step))
    after = min(NODES, int((segment.useable_stop - end).total_seconds() / step))
    seconds = (begin - origin).total_seconds() + np.arange(-before, intervals + after + 1) * step
    # A last node at a midnight that a leap second goes before belongs to the day that ends, as all the others do.
    leaps = leaps_s(segment.start, np.array([(begin - segment.start).total_seconds()]))
    places_km = interpolated_km(segment, seconds + (origin - segment.start).total_seconds(), leaps=leaps)
    jd, fraction = julian_date(origin, seconds)
    if leap_instants(begin, end + SHORTEST):
        jd[-1], fraction[-1] = jd[-1] - 1.0, fraction[-1] + 1.0
    grid = np.einsum("nij,nj->in", to_earth_fixed(segment.frame, jd, fraction), places_km * 1e3)
    bounds = motion_bounds(perigee, apogee, semi_major)
    whole = np.ascontiguousarray(grid)
    return Ephemeris(name or segment.object_name, origin, float(seconds[0]), step, whole, *bounds)


def orbit_of(segment: OemSegment) -> tuple[float, float, float, float, float]:
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

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
from eqci_space.orbits.motion import LONGEST_STEP_S, Ephemeris, check_period, finest_step_s, motion_bounds
from eqci_space.orbits.oem_io import OemSegment, interpolated_km, read_oem
from eqci_space.scenario import Satellite, Scenario
from eqci_space.units import EARTH_GM_M3_S2, EARTH_RADIUS_M, EARTH_ROTATION_RAD_S
from eqci_space.words import short_list

__all__ = ["orbit_of", "satellite_segments", "tabulated_ephemeris"]


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
    check_period("tabulated_ephemeris", start, end)
    segment = next((s for s in segments if s.useable_start <= start and end <= s.useable_stop), None)
    if segment is None:
        spans = ", ".join(f"{s.useable_start:%Y-%m-%dT%H:%MZ} to {s.useable_stop:%Y-%m-%dT%H:%MZ}" for s in segments)
        raise ElementsError(
            f"ephemeris of '{segments[0].object_name}' has segments {spans}; none covers the period "
            f"{start:%Y-%m-%dT%H:%MZ} to {end:%Y-%m-%dT%H:%MZ}; shorten the period"
        )
    perigee, apogee, semi_major, eccentricity, rate = orbit_of(segment)
    length = (end - start).total_seconds()
    intervals = max(NODES - 1, int(np.ceil(length / min(finest_step_s(rate, eccentricity), LONGEST_STEP_S))))
    step = length / intervals
    before = min(NODES, int((start - segment.useable_start).total_seconds() / step))
    after = min(NODES, int((segment.useable_stop - end).total_seconds() / step))
    seconds = np.arange(-before, intervals + after + 1) * step
    places_km = interpolated_km(segment, seconds + (start - segment.start).total_seconds())
    grid = np.einsum("nij,nj->in", to_earth_fixed(segment.frame, *julian_date(start, seconds)), places_km * 1e3)
    bounds = motion_bounds(perigee, apogee, semi_major)
    first = float(seconds[0])
    return Ephemeris(name or segment.object_name, start, first, step, np.ascontiguousarray(grid), *bounds)


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

"""Orbit Ephemeris Messages (CCSDS 502.0-B-3, KVN): tabulated states, their validity and their interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import erfa
import numpy as np

from eqci_space.errors import ElementsError
from eqci_space.files.atomic import write_atomically
from eqci_space.machine.deprecation import once_first
from eqci_space.orbits.earth import julian_date, to_earth_fixed
from eqci_space.orbits.elements_io import read_text
from eqci_space.orbits.omm_io import key_value_lines, parse_epoch

__all__ = ["OemSegment", "interpolated_km", "read_oem", "write_oem"]

_REQUIRED = ("OBJECT_NAME", "CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "START_TIME", "STOP_TIME")
_FRAMES = ("EME2000", "GCRF", "ICRF", "TEME", "ITRF")
_TT_MINUS_TAI_S, _GPS_MINUS_TAI_S = 32.184, -19.0
_AHEAD_OF_TAI_S = {"TAI": 0.0, "TT": _TT_MINUS_TAI_S, "GPS": _GPS_MINUS_TAI_S}
_USUAL_DEGREE = {"HERMITE": 7, "LAGRANGE": 7, "LINEAR": 1}


@dataclass(frozen=True)
class OemSegment:
    """States of one object in one frame, and how they are to be interpolated.

    Attributes
    ----------
    object_name, object_id, frame : str
        The frame is one that `to_earth_fixed` knows.
    start : datetime
        Epoch of the first state (UTC); `seconds` count from it.
    seconds : (n,) array
        [s], rising.
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


def read_oem(path: str | Path) -> list[OemSegment]:
    """Read all segments of an OEM file; covariances and accelerations are passed over.

    Times in TAI, TT and GPS are turned into UTC. Without a stated method, positions and velocities are interpolated
    by Hermite polynomials of degree seven.

    Raises
    ------
    ElementsError
        The file, a line or a field is malformed; times do not rise; the frame, centre or time system is unknown.
    """
    path = Path(path)
    segments: list[OemSegment] = []
    meta: dict[str, str] = {}
    rows: list[tuple[str, str]] = []
    state, place = "header", path.name
    for where, key, value in key_value_lines(read_text(path, "read_oem"), path.name):
        if state == "header" and not segments and not meta and key == "CCSDS_OEM_VERS":
            state = "versioned"
        elif value == "META_START" and not key:
            segments += _finished(meta, rows, place)
            meta, rows, state, place = {}, [], "meta", where
        elif value == "META_STOP" and not key and state == "meta":
            state = "data"
        elif value in ("COVARIANCE_START", "COVARIANCE_STOP") and not key and state in ("data", "covariance"):
            state = "covariance" if value == "COVARIANCE_START" else "data"
        elif state == "meta" and key:
            meta[key] = value
        elif state == "data" and not key:
            rows.append((where, value))
        elif state not in ("versioned", "covariance"):
            raise ElementsError(f"{where}: '{(key or value)[:40]}' stands where an OEM has none of it")
    segments += _finished(meta, rows, place)
    if not segments:
        raise ElementsError(f"{path.name}: no segment found; expected an OEM (CCSDS_OEM_VERS, META_START ...)")
    return segments


def _finished(meta: dict[str, str], rows: list[tuple[str, str]], place: str) -> list[OemSegment]:
    """The segment read so far, if any."""
    if not meta and not rows:
        return []
    missing = [k for k in _REQUIRED if not meta.get(k)]
    if missing:
        raise ElementsError(f"{place}: metadata lack {', '.join(missing)}")
    frame = meta["REF_FRAME"].upper().replace(" ", "")
    if meta["CENTER_NAME"].upper() != "EARTH" or not (frame in _FRAMES or frame.startswith("ITRF")):
        raise ElementsError(
            f"{place}: centre {meta['CENTER_NAME']} and frame {meta['REF_FRAME']}; expected EARTH and one of "
            f"{', '.join(_FRAMES)}"
        )
    method = meta.get("INTERPOLATION", "HERMITE").upper()
    if method not in _USUAL_DEGREE:
        raise ElementsError(f"{place}: INTERPOLATION {method}; expected one of {', '.join(_USUAL_DEGREE)}")
    try:
        degree = int(meta.get("INTERPOLATION_DEGREE", _USUAL_DEGREE[method]))
    except ValueError as error:
        raise ElementsError(f"{place}: INTERPOLATION_DEGREE is no whole number ({error})") from error
    if not 1 <= degree <= 21:
        raise ElementsError(f"{place}: INTERPOLATION_DEGREE {degree}; expected 1 to 21")
    system = meta["TIME_SYSTEM"].upper()
    times, states = _states(rows, system)
    needed = degree + 1 if method != "HERMITE" else (degree + 2) // 2
    if len(times) < needed:
        raise ElementsError(f"{place}: {len(times)} states; {method} of degree {degree} needs {needed}")
    seconds = np.array([(t - times[0]).total_seconds() for t in times])
    if (np.diff(seconds) <= 0).any():
        at = rows[int(np.argmax(np.diff(seconds) <= 0)) + 1][0]
        raise ElementsError(f"{at}: its time is not after that of the line before")
    span = [
        _time(meta.get(f"USEABLE_{edge}_TIME") or meta[f"{edge}_TIME"], system, place) for edge in ("START", "STOP")
    ]
    return [OemSegment(
        meta["OBJECT_NAME"], meta.get("OBJECT_ID", ""), frame, times[0], seconds, states,
        max(span[0], times[0]), min(span[1], times[-1]), method, degree,
    )]  # fmt: skip


def _states(rows: list[tuple[str, str]], system: str) -> tuple[list[datetime], np.ndarray]:
    times, states = [], []
    for where, line in rows:
        words = line.split()
        if len(words) not in (7, 10):
            raise ElementsError(f"{where}: {len(words)} fields; expected an epoch and six or nine numbers")
        times.append(_time(words[0], system, where))
        try:
            numbers = [float(w) for w in words[1:7]]
        except ValueError as error:
            raise ElementsError(f"{where}: {error}") from error
        if not np.isfinite(numbers).all():
            raise ElementsError(f"{where}: a state is not finite")
        states.append(numbers)
    return times, np.array(states).reshape(-1, 6)


def _time(text: str, system: str, where: str) -> datetime:
    """Time in UTC."""
    time = parse_epoch(text, where)
    if system == "UTC":
        return time
    if system not in _AHEAD_OF_TAI_S:
        raise ElementsError(f"{where}: TIME_SYSTEM {system}; expected UTC, {', '.join(_AHEAD_OF_TAI_S)}")
    try:
        tai = utc = time - timedelta(seconds=_AHEAD_OF_TAI_S[system])
        for _ in range(2):  # the second round takes the leap seconds of the UTC day itself
            tai_minus_utc_s, _ = erfa.ufunc.dat(utc.year, utc.month, utc.day, 0.0)
            utc = tai - timedelta(seconds=float(tai_minus_utc_s))
    except OverflowError as error:
        raise ElementsError(f"{where}: {text} {system} lies outside the years 1 to 9999 in UTC") from error
    return utc


def interpolated_km(segment: OemSegment, seconds: np.ndarray) -> np.ndarray:
    """Positions (m, 3) [km] in the segment's frame at `seconds` after its start.

    Newton's divided differences through the nearest states; Hermite polynomials take each state twice, with its
    velocity as the difference of the pair (Stoer and Bulirsch 2002, section 2.1.5).
    """
    hermite = segment.interpolation == "HERMITE"
    order = segment.degree + 1
    count = (order + 1) // 2 if hermite else order
    target = np.asarray(seconds, dtype=float)
    right = np.searchsorted(segment.seconds, target)
    low = np.clip(right - count // 2, 0, len(segment.seconds) - count)
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


@once_first("path")
def write_oem(
    name: str,
    start: datetime,
    seconds: np.ndarray,
    positions_m: np.ndarray,
    velocities_m_s: np.ndarray,
    path: str | Path,
    *,
    frame: str = "EME2000",
    object_id: str = "",
    created: datetime | None = None,
) -> None:
    """Write Earth-fixed states as an OEM in another frame.

    Parameters
    ----------
    name, object_id : str
    start : datetime
        Aware; `seconds` count from it.
    seconds : (n,) array
        [s], rising, at least eight.
    positions_m, velocities_m_s : (n, 3) arrays
        Earth-fixed and relative to the turning Earth, as `motion` gives them.
    path : path
    frame : str
        EME2000, GCRF, ICRF, TEME or ITRF2020.
    created : datetime, optional
        CREATION_DATE; default `start`, so that the same states give the same bytes.

    Raises
    ------
    ElementsError
        The frame is unknown, or there are fewer than eight states.
    DataError
        The file cannot be written.
    """  # fmt: skip
    path, frame = Path(path), frame.upper()
    if len(seconds) < 8:
        raise ElementsError(f"write_oem: {len(seconds)} states; expected at least 8")
    try:
        places, speeds = _in_frame(frame, start, seconds, positions_m, velocities_m_s)
    except ValueError as error:
        raise ElementsError(f"write_oem: {error}") from error
    times = [_iso(start + timedelta(seconds=float(s))) for s in seconds]
    head = {
        "CCSDS_OEM_VERS": "2.0", "CREATION_DATE": _iso(created or start), "ORIGINATOR": "EQCI_SPACE", "": "META_START",
        "OBJECT_NAME": " ".join(name.split()), "OBJECT_ID": object_id or "UNKNOWN", "CENTER_NAME": "EARTH",
        "REF_FRAME": frame, "TIME_SYSTEM": "UTC", "START_TIME": times[0], "STOP_TIME": times[-1],
        "INTERPOLATION": "HERMITE", "INTERPOLATION_DEGREE": "7",
    }  # fmt: skip
    lines = [f"{k} = {v}" if k else v for k, v in head.items()] + ["META_STOP", ""]
    for time, place, speed in zip(times, places / 1e3, speeds / 1e3, strict=True):
        lines.append(f"{time} " + " ".join(f"{x:.9f}" for x in place) + " " + " ".join(f"{x:.12f}" for x in speed))
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def _in_frame(
    frame: str, start: datetime, seconds: np.ndarray, positions_m: np.ndarray, velocities_m_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """States in another frame; its turning is taken from rotations half a second before and after."""
    jd, fraction = julian_date(start, seconds)
    rotation = np.swapaxes(to_earth_fixed(frame, jd, fraction), 1, 2)
    before, after = (
        np.swapaxes(to_earth_fixed(frame, *julian_date(start, np.asarray(seconds) + d)), 1, 2) for d in (-0.5, 0.5)
    )
    places = np.einsum("nij,nj->ni", rotation, positions_m)
    speeds = np.einsum("nij,nj->ni", rotation, velocities_m_s) + np.einsum("nij,nj->ni", after - before, positions_m)
    return places, speeds


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")

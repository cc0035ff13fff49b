"""Orbit Ephemeris Messages (CCSDS 502.0-B-3) in KVN and XML: tabulated states, read and written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from eqci_space.errors import ElementsError
from eqci_space.files.atomic import write_atomically
from eqci_space.machine.deprecation import once_first
from eqci_space.orbits.earth import julian_date, to_earth_fixed
from eqci_space.orbits.elements_io import read_text
from eqci_space.orbits.file_kinds import other_kind
from eqci_space.orbits.oem_segment import OemSegment, believed_velocities, interpolated_km, nearby_states
from eqci_space.orbits.oem_xml import Draft, format_oem_xml, parse_oem_xml
from eqci_space.orbits.omm_io import key_value_lines
from eqci_space.orbits.time_scales import TIME_SYSTEMS, epochs_tai_us, tai_us, utc_of

__all__ = ["OemSegment", "interpolated_km", "read_oem", "write_oem", "write_oem_parts"]

_REQUIRED = ("OBJECT_NAME", "CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "START_TIME", "STOP_TIME")
_FRAMES = ("EME2000", "GCRF", "ICRF", "TEME", "ITRF")
_FRAME_NAMES = {
    **dict.fromkeys(("EME2000", "J2000", "EMEJ2000"), "EME2000"),
    **dict.fromkeys(("GCRF", "GCRS", "GCRF1", "GCRF2", "GCRF3"), "GCRF"),
    **dict.fromkeys(("ICRF", "ICRS", "ICRF1", "ICRF2", "ICRF3"), "ICRF"),
    **dict.fromkeys(("TEME", "TEMEOFDATE"), "TEME"),
    **dict.fromkeys(("WGS84", "ECEF", "ECF", "EFG", "GTOD", "TDR", "PEF", "TIRS", "FIXEDEARTH", "ITRS"), "ITRF"),
}
"""Frames by their names without blanks, hyphens and underscores. Without polar motion, which is below 15 m on the
ground, all that turn with the Earth are one."""
_USUAL_DEGREE = {"HERMITE": 7, "LAGRANGE": 7, "LINEAR": 1}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?")
_FEWEST_STATES = 8
_US_PER_S = 1e6


def read_oem(path: str | Path) -> list[OemSegment]:
    """Read all segments of an OEM file, KVN or XML; covariances and accelerations are passed over.

    Times in UTC (leap seconds included), TAI, TT, TDT, GPS, GST, BDT, TDB, TCB and TCG are read. Numbers may have
    Fortran's exponents. Without a stated method, positions and velocities are interpolated by Hermite polynomials of
    degree seven.

    Raises
    ------
    ElementsError
        The file, a line or a field is malformed, or is of another kind; times do not rise; the frame, centre or time
        system is unknown; velocities are no derivatives of the positions.

    Warns
    -----
    ImplausibleInputWarning
        Earth-fixed velocities lack the rotation of the Earth, and were given it.
    """
    path = Path(path)
    text = read_text(path, "read_oem", what="OEM")
    kind, remedy = other_kind(text, "ephemeris")
    is_xml = text.lstrip().startswith("<")
    # A combined XML file may hold an OEM beside other messages.
    drafts = parse_oem_xml(text, path.name) if is_xml else [] if kind else _parse_kvn(text, path.name)
    if kind and not drafts:
        raise ElementsError(f"{path.name}: no OEM but {kind}; {remedy}")
    if not drafts:
        raise ElementsError(f"{path.name}: no segment found; expected an OEM (CCSDS_OEM_VERS, META_START ...)")
    return [_segment(draft) for draft in drafts]


def _parse_kvn(text: str, source: str) -> list[Draft]:
    drafts: list[Draft] = []
    state = "header"
    for where, key, value in key_value_lines(text, source):
        if state == "header" and key == "CCSDS_OEM_VERS":
            state = "versioned"
        elif value == "META_START" and not key and state in ("versioned", "data"):
            drafts.append(Draft(where))
            state = "meta"
        elif value == "META_STOP" and not key and state == "meta":
            state = "data"
        elif value in ("COVARIANCE_START", "COVARIANCE_STOP") and not key and state in ("data", "covariance"):
            state = "covariance" if value == "COVARIANCE_START" else "data"
        elif state == "meta" and key:
            drafts[-1].note(key, value, where)
        elif state == "data" and not key:
            drafts[-1].rows.append((where, value.split()))
        elif state not in ("versioned", "covariance"):
            raise ElementsError(f"{where}: '{(key or value)[:40]}' stands where an OEM has none of it")
    return drafts


def _segment(draft: Draft) -> OemSegment:
    """The segment that a draft describes."""
    meta, places = draft.meta, draft.places
    missing = [k for k in _REQUIRED if not meta.get(k)]
    if missing:
        raise ElementsError(f"{draft.place}: metadata lack {', '.join(missing)}")
    frame = _frame(meta, places)
    method, degree = _method(meta, places)
    system = meta["TIME_SYSTEM"].upper()
    if system not in TIME_SYSTEMS:
        raise ElementsError(
            f"{places['TIME_SYSTEM']}: TIME_SYSTEM {meta['TIME_SYSTEM']}; expected {', '.join(TIME_SYSTEMS)}; write "
            "the times in one of them"
        )
    wheres, states = [where for where, _ in draft.rows], _states(draft.rows)
    times = epochs_tai_us([words[0] for _, words in draft.rows], system, wheres)
    needed = nearby_states(method, degree)
    if len(times) < needed:
        raise ElementsError(f"{draft.place}: {len(times)} states; {method} of degree {degree} needs {needed}")
    if (np.diff(times) <= 0).any():
        at = wheres[int(np.argmax(np.diff(times) <= 0)) + 1]
        raise ElementsError(f"{at}: its time is not after that of the line before")
    keys = [f"USEABLE_{e}_TIME" if meta.get(f"USEABLE_{e}_TIME") else f"{e}_TIME" for e in ("START", "STOP")]
    span = epochs_tai_us([meta[k] for k in keys], system, [places[k] for k in keys])
    start = utc_of(int(times[0]))
    segment = OemSegment(
        meta["OBJECT_NAME"], meta.get("OBJECT_ID", ""), frame, start, (times - tai_us(start)) / _US_PER_S, states,
        utc_of(max(int(span[0]), int(times[0]))), utc_of(min(int(span[1]), int(times[-1]))), method, degree,
    )  # fmt: skip
    return believed_velocities(segment, draft.place)


def _frame(meta: dict[str, str], places: dict[str, str]) -> str:
    """The frame as `to_earth_fixed` knows it."""
    plain = re.sub(r"[\s_-]", "", meta["REF_FRAME"].upper())
    frame = "ITRF" if re.fullmatch(r"(ITRF|DTRF)\d{0,4}", plain) else _FRAME_NAMES.get(plain)
    if meta["CENTER_NAME"].upper() != "EARTH" or frame is None:
        raise ElementsError(
            f"{places['REF_FRAME' if frame is None else 'CENTER_NAME']}: centre {meta['CENTER_NAME']} and frame "
            f"{meta['REF_FRAME']}; expected EARTH and one of {', '.join(_FRAMES)}; write the states in one of them"
        )
    return plain if plain.startswith("ITRF") else frame


def _method(meta: dict[str, str], places: dict[str, str]) -> tuple[str, int]:
    """Method and degree of the interpolation."""
    method = (meta.get("INTERPOLATION") or "HERMITE").upper()
    if method not in _USUAL_DEGREE:
        raise ElementsError(
            f"{places['INTERPOLATION']}: INTERPOLATION {method}; expected one of {', '.join(_USUAL_DEGREE)}"
        )
    text = meta.get("INTERPOLATION_DEGREE") or str(_USUAL_DEGREE[method])
    where = places.get("INTERPOLATION_DEGREE", "")
    try:
        degree = int(text)
    except ValueError as error:
        raise ElementsError(f"{where}: INTERPOLATION_DEGREE is no whole number ({error})") from error
    if not 1 <= degree <= 21:
        raise ElementsError(f"{where}: INTERPOLATION_DEGREE {degree}; expected 1 to 21")
    return method, degree


def _states(rows: list[tuple[str, list[str]]]) -> np.ndarray:
    """Positions [km] and velocities [km/s] of the rows (n, 6)."""
    states = []
    for where, words in rows:
        if len(words) not in (7, 10):
            raise ElementsError(f"{where}: {len(words)} fields; expected an epoch and six or nine numbers")
        wrong = next((w for w in words[1:] if not _NUMBER.fullmatch(w)), None)
        if wrong is not None:
            raise ElementsError(f"{where}: '{wrong[:30]}' is no finite number; expected such as -4939.8 or -4.9398D+03")
        states.append([float(w.replace("D", "e").replace("d", "e")) for w in words[1:7]])
    found = np.array(states).reshape(-1, 6)
    if not np.isfinite(found).all():
        k = int(np.argmin(np.isfinite(found).all(axis=1)))
        raise ElementsError(f"{rows[k][0]}: a state is not finite")
    return found


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
    """Write Earth-fixed states as an OEM in another frame: XML if the name ends so, else KVN.

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
    part = (np.asarray(seconds, dtype=float), positions_m, velocities_m_s)
    write_oem_parts(name, start, [part], path, frame=frame, object_id=object_id, created=created)


def write_oem_parts(
    name: str,
    start: datetime,
    parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    path: str | Path,
    *,
    frame: str = "EME2000",
    object_id: str = "",
    created: datetime | None = None,
) -> None:
    """`write_oem` of an orbit in several segments, between which nothing is known or the motion breaks.

    Parameters
    ----------
    parts : sequence of (seconds, positions_m, velocities_m_s)
        Each as `write_oem` takes them, in order of time.
    """
    path, frame = Path(path), frame.upper()
    header = {"CCSDS_OEM_VERS": "2.0", "CREATION_DATE": _iso(created or start), "ORIGINATOR": "EQCI_SPACE"}
    drafts = [_draft(name, object_id, frame, start, part) for part in parts]
    text = format_oem_xml(header, drafts) if path.suffix.lower() == ".xml" else _format_kvn(header, drafts)
    write_atomically(path, text.encode())


def _draft(
    name: str, object_id: str, frame: str, start: datetime, part: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> Draft:
    """A segment as files write it."""
    seconds, positions_m, velocities_m_s = part
    if len(seconds) < _FEWEST_STATES:
        raise ElementsError(f"write_oem: {len(seconds)} states; expected at least {_FEWEST_STATES}")
    try:
        places, speeds = _in_frame(frame, start, seconds, positions_m, velocities_m_s)
    except ValueError as error:
        raise ElementsError(f"write_oem: {error}") from error
    times = [_iso(start + timedelta(seconds=float(s))) for s in seconds]
    meta = {
        "OBJECT_NAME": " ".join(name.split()), "OBJECT_ID": object_id or "UNKNOWN", "CENTER_NAME": "EARTH",
        "REF_FRAME": frame, "TIME_SYSTEM": "UTC", "START_TIME": times[0], "STOP_TIME": times[-1],
        "INTERPOLATION": "HERMITE", "INTERPOLATION_DEGREE": "7",
    }  # fmt: skip
    rows = [
        ("", [time, *(f"{x:.9f}" for x in place), *(f"{x:.12f}" for x in speed)])
        for time, place, speed in zip(times, places / 1e3, speeds / 1e3, strict=True)
    ]
    return Draft("", meta, rows=rows)


def _format_kvn(header: dict[str, str], drafts: list[Draft]) -> str:
    lines = [f"{k} = {v}" for k, v in header.items()]
    for draft in drafts:
        lines += ["META_START", *(f"{k} = {v}" for k, v in draft.meta.items()), "META_STOP", ""]
        lines += [" ".join(words) for _, words in draft.rows]
    return "\n".join([*lines, ""])


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

"""CZML of a plan for Cesium: satellites that move, stations, and a line for each pair while a contact runs.

A list of packets as in the CZML guide of the Cesium project (`CZML Structure`, `CZML Content`): points, labels, paths
and lines only, so a viewer loads nothing for it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eqci_space.files.atomic import write_atomically
from eqci_space.machine.deprecation import once_first
from eqci_space.orbits.ephemeris import Trajectory, positions_m, sample_times
from eqci_space.report.exports.orbit_files import sampled_end
from eqci_space.report.release import Released
from eqci_space.tables import by_station

__all__ = ["SAMPLE_STEP_S", "write_czml"]

SAMPLE_STEP_S = 60.0
_DEGREE = 9
"""Of the Lagrange polynomial; with samples a minute apart a low orbit is met to a metre."""
_TRAIL_S = 1200
_CLOCK_SPEED = 60
_BLUE, _ORANGE, _GREY = [0, 114, 178, 255], [230, 159, 0, 255], [110, 110, 110, 255]
_DARK, _WHITE = [30, 30, 30, 255], [255, 255, 255, 255]


@once_first("path")
def write_czml(released: Released, path: Path, *, step_s: float = SAMPLE_STEP_S) -> bool:
    """Write satellites, stations and contacts; return whether something was written.

    Positions are Earth-fixed, sampled every `step_s` [s] and interpolated by Lagrange polynomials of degree nine. The
    scene ends with the period, or a month after its start (`sampled_end`), contacts beyond are left out. Without
    released ephemerides nothing is written.
    """
    if not released.orbits:
        return False
    released = replace(released, end=sampled_end(released))
    packets = [_document(released)]
    packets += [_satellite(name, orbit, released, step_s) for name, orbit in released.orbits.items()]
    sites = released.tables["sites"]
    packets += [_station(str(ogs), sites.loc[[ogs]], released) for ogs in dict.fromkeys(sites.index)]
    packets += _contact_lines(released)
    text = ",\n".join(json.dumps(p, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for p in packets)
    write_atomically(path, f"[{text}]\n")
    return True


def _iso(time: pd.Timestamp) -> str:
    return time.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _interval(start: pd.Timestamp, end: pd.Timestamp) -> str:
    return f"{_iso(start)}/{_iso(end)}"


def _document(released: Released) -> dict[str, Any]:
    return {
        "id": "document", "name": f"{released.name}: QKD contacts", "version": "1.0",
        "clock": {
            "interval": _interval(released.start, released.end), "currentTime": _iso(released.start),
            "multiplier": _CLOCK_SPEED, "range": "LOOP_STOP", "step": "SYSTEM_CLOCK_MULTIPLIER",
        },
    }  # fmt: skip


def _marker(name: str, colour: list[int], size: int) -> dict[str, Any]:
    return {
        "point": {"pixelSize": size, "color": {"rgba": colour}, "outlineColor": {"rgba": _WHITE}, "outlineWidth": 1},
        "label": {
            "text": name, "font": "12pt sans-serif", "fillColor": {"rgba": _WHITE}, "outlineColor": {"rgba": _DARK},
            "outlineWidth": 3, "style": "FILL_AND_OUTLINE", "horizontalOrigin": "LEFT",
            "pixelOffset": {"cartesian2": [10, 0]},
        },
    }  # fmt: skip


def _satellite(name: str, orbit: Trajectory, released: Released, step_s: float) -> dict[str, Any]:
    length_s = (released.end - released.start).total_seconds()
    start = released.start.to_pydatetime()
    shift_s = (start - orbit.start).total_seconds()
    spans, positions = [], []
    for seconds in sample_times(orbit, start, length_s, step_s, fewest=_DEGREE + 1):
        begin, end = (released.start + pd.Timedelta(seconds=float(s)) for s in seconds[[0, -1]])
        spans.append(_interval(begin, end))
        places = positions_m(orbit, seconds + shift_s)
        positions.append({
            "referenceFrame": "FIXED", "epoch": _iso(released.start), "interpolationAlgorithm": "LAGRANGE",
            "interpolationDegree": _DEGREE, "cartesian": np.column_stack([seconds, places]).round(3).ravel().tolist(),
        })  # fmt: skip
    whole = len(spans) == 1
    return {
        "id": f"satellite/{name}", "name": name, "availability": spans[0] if whole else spans,
        "position": positions[0] if whole else [{"interval": s, **p} for s, p in zip(spans, positions, strict=True)],
        "path": {
            "leadTime": 0, "trailTime": _TRAIL_S, "resolution": 30, "width": 1,
            "material": {"solidColor": {"color": {"rgba": _ORANGE}}},
        },
        **_marker(name, _ORANGE, 8),
    }  # fmt: skip


def _station(ogs: str, places: pd.DataFrame, released: Released) -> dict[str, Any]:
    """One packet; a mobile station has a position per interval."""
    rows = [
        (
            _interval(max(p.valid_from, released.start), min(p.valid_to, released.end)),
            [float(p.longitude_deg), float(p.latitude_deg), float(p.height_ellipsoid_m)],
        )
        for p in places.itertuples()
        if p.valid_from < released.end and p.valid_to > released.start
    ]
    status = places["status_class"].iloc[0]
    label = ogs if status == "operational" else f"{ogs} ({status})"
    return {
        "id": f"station/{ogs}", "name": label, "availability": [span for span, _ in rows],
        "position": [{"interval": span, "cartographicDegrees": where} for span, where in rows],
        **_marker(label, _BLUE if status == "operational" else _GREY, 7),
    }  # fmt: skip


def _contact_lines(released: Released) -> list[dict[str, Any]]:
    """One packet per satellite, station and status, shown while its contacts run; of two stations one each."""
    contacts = by_station(released.tables["contacts"])
    live = contacts[(contacts["status"] != "cancelled") & (contacts["start"] < released.end)].sort_values(
        ["start", "satellite", "ogs"]
    )
    packets = []
    for (satellite, ogs, status), group in live.groupby(["satellite", "ogs", "status"], sort=True):
        spans = [_interval(a, b) for a, b in zip(group["start"], group["end"], strict=True)]
        colour = {"color": {"rgba": _BLUE if status == "planned" else _GREY}}
        material = {"solidColor": colour} if status == "planned" else {"polylineDash": {**colour, "dashLength": 12}}
        packets.append({
            "id": f"contact/{satellite}/{ogs}/{status}", "name": f"{satellite} – {ogs} ({status})",
            "availability": spans,
            "polyline": {
                "positions": {"references": [_reference(f"satellite/{satellite}"), _reference(f"station/{ogs}")]},
                "show": [{"interval": span, "boolean": True} for span in spans],
                "arcType": "NONE", "width": 3, "material": material,
            },
        })  # fmt: skip
    return packets


def _reference(packet: str) -> str:
    """The position of a packet; hash and backslash in its id are escaped."""
    return packet.replace("\\", "\\\\").replace("#", "\\#") + "#position"

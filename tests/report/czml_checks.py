"""The structure of CZML by its guide, checked without any code of the writer.

Rules: https://github.com/AnalyticalGraphicsInc/czml-writer/wiki/CZML-Structure and CZML-Content.
"""

import math
import re
from datetime import datetime
from itertools import pairwise

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
SAMPLED = {"cartesian": 3, "cartographicDegrees": 3}


def moment(text):
    assert MOMENT.fullmatch(text), text
    return datetime.fromisoformat(text)


def interval(text):
    begin, slash, end = text.partition("/")
    assert slash, text
    begin, end = moment(begin), moment(end)
    assert begin < end, text
    return begin, end


def intervals(value):
    """Intervals of an availability or of a property in parts: in order and without overlap."""
    found = [
        interval(v if isinstance(v, str) else v["interval"]) for v in ([value] if isinstance(value, str) else value)
    ]
    assert found
    assert all(a[1] <= b[0] for a, b in pairwise(found)), value
    return found


def check_samples(position):
    """A constant position, or times and coordinates in turn; times rise from the epoch, and suffice to interpolate."""
    (kind,) = SAMPLED.keys() & position.keys()
    values, width = position[kind], SAMPLED[kind]
    assert all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values)
    if "epoch" not in position:
        assert len(values) == width
    else:
        moment(position["epoch"])
        assert len(values) % (width + 1) == 0
        times = values[:: width + 1]
        assert all(a < b for a, b in pairwise(times))
        assert position["interpolationAlgorithm"] in {"LINEAR", "LAGRANGE", "HERMITE"}
        assert len(times) > position["interpolationDegree"] >= 1
        assert position["referenceFrame"] in {"FIXED", "INERTIAL"}
    if kind == "cartographicDegrees":
        longitude, latitude, _ = values[-3:]
        assert -180 <= longitude <= 180
        assert -90 <= latitude <= 90


def check_colours(value):
    """Every colour of a packet has four whole numbers from 0 to 255."""
    for key, inner in value.items():
        if key == "rgba":
            assert len(inner) == 4
            assert all(isinstance(v, int) and 0 <= v <= 255 for v in inner)
        elif isinstance(inner, dict):
            check_colours(inner)


def check_czml(packets):
    """A document first, ids that differ, ordered intervals and samples, and references that lead to positions."""
    assert isinstance(packets, list)
    head, *rest = packets
    assert head["id"] == "document"
    assert head["version"] == "1.0"
    begin, end = interval(head["clock"]["interval"])
    assert begin <= moment(head["clock"]["currentTime"]) <= end
    assert all(isinstance(p["id"], str) and p["id"] for p in packets)
    places = {p["id"]: p for p in rest}
    assert len(places) == len(rest)
    assert "document" not in places
    for packet in rest:
        assert all(begin <= a and b <= end for a, b in intervals(packet["availability"]))
        assert "position" in packet or "polyline" in packet
        check_colours(packet)
        position = packet.get("position", [])
        if isinstance(position, list):
            intervals(position) if position else None
        for part in position if isinstance(position, list) else [position]:
            check_samples(part)
        if "polyline" in packet:
            _check_line(packet["polyline"], places)


def _check_line(line, places):
    assert len(line["positions"]["references"]) >= 2
    for reference in line["positions"]["references"]:
        assert re.fullmatch(r"(?:[^#\\]|\\#|\\\\)+#position", reference), reference
        name = re.sub(r"\\(.)", r"\1", reference[: -len("#position")])
        assert "position" in places[name]
    intervals(line["show"])
    assert all(set(part) == {"interval", "boolean"} and isinstance(part["boolean"], bool) for part in line["show"])
    assert line["arcType"] in {"NONE", "GEODESIC", "RHUMB"}

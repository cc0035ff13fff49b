"""Orbit Mean-Elements Messages (CCSDS 502.0-B-3) in JSON, CSV, XML and KVN, to and from element sets.

The parsers turn a file into records of keyword and value; one function makes an element set of a record, so that
all forms are held to the same rules.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from eqci_space.errors import ElementsError
from eqci_space.files.csv_rows import CsvError, csv_records
from eqci_space.files.csv_text import safe_cell
from eqci_space.files.xml_walk import walk_xml
from eqci_space.orbits.elements import BadRecord, ElementSet, build_elements

__all__ = [
    "format_csv",
    "format_json",
    "format_kvn",
    "format_xml",
    "key_value_lines",
    "parse_csv",
    "parse_epoch",
    "parse_json",
    "parse_kvn",
    "parse_xml",
]

_FIELDS = {
    "EPOCH": "epoch", "MEAN_MOTION": "mean_motion_rev_day", "ECCENTRICITY": "eccentricity",
    "INCLINATION": "inclination_deg", "RA_OF_ASC_NODE": "raan_deg",
    "ARG_OF_PERICENTER": "argument_of_pericenter_deg", "MEAN_ANOMALY": "mean_anomaly_deg",
}  # fmt: skip
_OPTIONAL = {
    "NORAD_CAT_ID": "catalogue_number", "BSTAR": "bstar_per_earth_radius",
    "MEAN_MOTION_DOT": "mean_motion_dot_rev_day2", "MEAN_MOTION_DDOT": "mean_motion_ddot_rev_day3",
}  # fmt: skip
_EXPECTED = {
    "CENTER_NAME": ("EARTH",), "REF_FRAME": ("TEME",), "TIME_SYSTEM": ("UTC",),
    "MEAN_ELEMENT_THEORY": ("SGP4", "SGP/SGP4"),
}  # fmt: skip
_IDENTITY = ("OBJECT_NAME", "NORAD_CAT_ID", "OBJECT_ID")
"""What may name an object, the first that is there."""
_SGP4_TYPES = re.compile(r"[02](\.0*)?")
_LONGEST_NUMBER = 9
_NAMES = ("OBJECT_NAME", "OBJECT_ID", "ORIGINATOR")
_UNITS = {
    "MEAN_MOTION": "rev/day", "INCLINATION": "deg", "RA_OF_ASC_NODE": "deg", "ARG_OF_PERICENTER": "deg",
    "MEAN_ANOMALY": "deg", "BSTAR": "1/ER", "MEAN_MOTION_DOT": "rev/day**2", "MEAN_MOTION_DDOT": "rev/day**3",
}  # fmt: skip

_KEYWORDS = {field: keyword for keyword, field in (_FIELDS | _OPTIONAL).items()}

Parsed = Iterator[ElementSet | BadRecord]


def _attempt(record: Any, where: str, problem: str | None = None) -> ElementSet | BadRecord:
    """Element set of a record, or what is wrong with it; `problem` was found before."""
    try:
        if problem is None:
            return _element_set(record, where)
    except ElementsError as error:
        problem = str(error)
    known = record if isinstance(record, dict) else {}
    number = str(known.get("NORAD_CAT_ID") or "").strip()
    name = str(known.get("OBJECT_NAME") or number)
    return BadRecord(problem, name, int(number) if number.isdecimal() and len(number) <= _LONGEST_NUMBER else None)


def _element_set(record: Any, where: str) -> ElementSet:
    if not isinstance(record, dict):
        raise ElementsError(f"{where}: found {type(record).__name__}; expected an object with OMM keywords")
    for key, expected in _EXPECTED.items():
        if not _is_blank(record.get(key)) and str(record[key]).strip().upper() not in expected:
            raise ElementsError(f"{where}: {key} is '{record[key]}'; expected {' or '.join(expected)}")
    kind = record.get("EPHEMERIS_TYPE")
    if not _is_blank(kind) and not _SGP4_TYPES.fullmatch(str(kind).strip()):
        raise ElementsError(f"{where}: EPHEMERIS_TYPE {kind} is not SGP4; expected 0")
    missing = [k for k in _FIELDS if _is_blank(record.get(k))]
    if _is_blank(record.get("NORAD_CAT_ID")) and (missing or all(_is_blank(record.get(k)) for k in _IDENTITY)):
        missing.append("NORAD_CAT_ID")
    if missing:
        raise ElementsError(f"{where}: lacks {', '.join(missing)}")
    switches = [k for k in (*_FIELDS, *_OPTIONAL) if isinstance(record.get(k), bool)]
    if switches:
        raise ElementsError(f"{where}: {switches[0]} is {str(record[switches[0]]).lower()}; expected a number")
    values = {_FIELDS[k]: record[k] for k in _FIELDS}
    values["catalogue_number"] = 0
    values |= {field: record[k] for k, field in _OPTIONAL.items() if not _is_blank(record.get(k))}
    values["epoch"] = parse_epoch(record["EPOCH"], where)
    values["name"] = next(str(record[k]) for k in _IDENTITY if not _is_blank(record.get(k)))
    values["object_id"] = "" if _is_blank(record.get("OBJECT_ID")) else str(record["OBJECT_ID"])
    return build_elements(values, where, names=_KEYWORDS)


def _is_blank(value: Any) -> bool:
    """Whether a field is as good as not there: JSON's null, or blank text."""
    return value is None or (isinstance(value, str) and not value.strip())


def parse_epoch(value: Any, where: str) -> datetime:
    """Time of a CCSDS message: calendar or day-of-year form; without a zone it is taken as UTC.

    Raises
    ------
    ElementsError
        It is no such time, or lies outside the years 1 to 9999.
    """
    text = str(value).strip()
    try:
        epoch = datetime.fromisoformat(text) if text[4:5] != "-" or text[7:8] == "-" else _day_of_year(text)
    except ValueError as error:
        raise ElementsError(
            f"{where}: EPOCH '{value}' is no ISO 8601 time; expected such as 2027-03-01T12:00:00 or 2027-060T12:00:00"
        ) from error
    try:
        return epoch.replace(tzinfo=UTC) if epoch.tzinfo is None else epoch.astimezone(UTC)
    except OverflowError as error:
        raise ElementsError(f"{where}: EPOCH '{value}' lies outside the years 1 to 9999 in UTC") from error


def _day_of_year(text: str) -> datetime:
    date, _, clock = text.partition("T")
    day = datetime.strptime(date, "%Y-%j").date()  # noqa: DTZ007
    if f"{day.year:04d}" != date[:4]:
        raise ValueError(f"{date} has no such day")
    return datetime.fromisoformat(f"{day.isoformat()}T{clock}")


def parse_json(text: str, source: str) -> Parsed:
    """Records of a JSON list or object; values may be numbers or strings."""
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ElementsError(f"{source}: not valid JSON: {error}") from error
    for i, record in enumerate([records] if isinstance(records, dict) else records, start=1):
        yield _attempt(record, f"{source} record {i}")


def parse_csv(text: str, source: str) -> Parsed:
    """Rows under a header of OMM keywords."""
    try:
        for line, record, problem in csv_records(text, source, numbers=(*_FIELDS, *_OPTIONAL)):
            where = f"{source} line {line}"
            yield _attempt(record, where, f"{where}: {problem}" if problem else None)
    except CsvError as error:
        raise ElementsError(str(error)) from error


def key_value_lines(text: str, source: str) -> Iterator[tuple[str, str, str]]:
    """Place, keyword and value of each ``KEYWORD = value`` line; other lines have an empty keyword.

    Comments and empty lines are left out.
    """
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.split()[0] == "COMMENT":
            continue
        key, equals, value = line.partition("=")
        yield f"{source} line {number}", key.strip() if equals else "", value.strip() if equals else line


def parse_kvn(text: str, source: str) -> Parsed:
    """Messages of ``KEYWORD = value [unit]`` lines; each begins with CCSDS_OMM_VERS or a repeated OBJECT_NAME."""
    record: dict[str, str] = {}
    begin, problem = source, None
    for where, key, value in key_value_lines(text, source):
        if record and (key == "CCSDS_OMM_VERS" or (key == "OBJECT_NAME" and key in record)):
            yield _attempt(record, begin, problem)
            record, problem = {}, None
        begin = where if not record else begin
        if not key:
            problem = problem or f"{where}: '{value[:40]}' is no line KEYWORD = value"
            continue
        if key in record and problem is None:
            problem = f"{where}: {key} is given twice"
        if key not in _NAMES and value.endswith("]") and "[" in value:
            value, _, unit = value[:-1].rpartition("[")
            problem = problem or _wrong_unit(key, unit.strip(), where)
        record[key] = value.strip()
    if record or problem:
        yield _attempt(record, begin, problem)


def _wrong_unit(key: str, unit: str, where: str) -> str | None:
    expected = _UNITS.get(key, unit)
    if unit.lower() == expected.lower():
        return None
    return f"{where}: {key} is in [{unit}]; expected [{expected}]"


def parse_xml(text: str, source: str) -> Parsed:
    """``omm`` elements of an XML document of any prefix, alone or combined; document types and entities are refused."""
    records: list[tuple[str, dict[str, str], str | None]] = []
    inside = False

    def begin(tag: str, attributes: dict[str, str], where: str) -> None:
        nonlocal inside
        if tag == "omm":
            records.append((where, {}, None))
            inside = True
        elif inside and "units" in attributes:
            place, record, problem = records[-1]
            records[-1] = (place, record, problem or _wrong_unit(tag, attributes["units"], where))

    def finish(tag: str, content: str, where: str) -> None:
        nonlocal inside
        if tag == "omm":
            inside = False
        if not inside or not content:
            return
        place, record, problem = records[-1]
        if tag in record and (tag in _FIELDS or tag == "NORAD_CAT_ID"):
            records[-1] = (place, record, problem or f"{where}: {tag} is given twice")
        record[tag] = content

    walk_xml(text, source, begin, finish, refusal=ElementsError)
    for where, record, problem in records:
        yield _attempt(record, where, problem)


def _record(elements: ElementSet) -> dict[str, str]:
    """Keywords and values of an element set, numbers in the shortest form that reads back exactly."""
    e = elements
    return {
        "OBJECT_NAME": e.name, "OBJECT_ID": e.object_id, "CENTER_NAME": "EARTH", "REF_FRAME": "TEME",
        "TIME_SYSTEM": "UTC", "MEAN_ELEMENT_THEORY": "SGP4", "EPOCH": _iso(e.epoch),
        "MEAN_MOTION": repr(e.mean_motion_rev_day), "ECCENTRICITY": repr(e.eccentricity),
        "INCLINATION": repr(e.inclination_deg), "RA_OF_ASC_NODE": repr(e.raan_deg),
        "ARG_OF_PERICENTER": repr(e.argument_of_pericenter_deg), "MEAN_ANOMALY": repr(e.mean_anomaly_deg),
        "EPHEMERIS_TYPE": "0", "CLASSIFICATION_TYPE": "U", "NORAD_CAT_ID": str(e.catalogue_number),
        "ELEMENT_SET_NO": "999", "REV_AT_EPOCH": "0", "BSTAR": repr(e.bstar_per_earth_radius),
        "MEAN_MOTION_DOT": repr(e.mean_motion_dot_rev_day2), "MEAN_MOTION_DDOT": repr(e.mean_motion_ddot_rev_day3),
    }  # fmt: skip


_HEADER_KEYS = ("OBJECT_NAME", "OBJECT_ID", "CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "MEAN_ELEMENT_THEORY")
_TLE_KEYS = (
    "EPHEMERIS_TYPE", "CLASSIFICATION_TYPE", "NORAD_CAT_ID", "ELEMENT_SET_NO", "REV_AT_EPOCH", "BSTAR",
    "MEAN_MOTION_DOT", "MEAN_MOTION_DDOT",
)  # fmt: skip
_TEXT_KEYS = {*_HEADER_KEYS, "EPOCH", "CLASSIFICATION_TYPE"}


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def format_json(sets: list[ElementSet], created: datetime) -> str:
    """A JSON list of records."""
    records = [{k: v if k in _TEXT_KEYS else json.loads(v) for k, v in _record(s).items()} for s in sets]
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


def format_csv(sets: list[ElementSet], created: datetime) -> str:
    """A CSV table of records."""
    stream = io.StringIO()
    keys = [k for k in _record(sets[0]) if k not in _EXPECTED]
    writer = csv.DictWriter(stream, keys, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: safe_cell(cell) for key, cell in _record(s).items()} for s in sets)
    return stream.getvalue()


def format_kvn(sets: list[ElementSet], created: datetime) -> str:
    """Messages one after another."""
    parts = []
    for elements in sets:
        lines = {"CCSDS_OMM_VERS": "2.0", "CREATION_DATE": _iso(created), "ORIGINATOR": "EQCI_SPACE"}
        lines |= {k: " ".join(v.split()) for k, v in _record(elements).items()}
        parts.append("\n".join(f"{k} = {v}" for k, v in lines.items()) + "\n")
    return "\n".join(parts)


def format_xml(sets: list[ElementSet], created: datetime) -> str:
    """A combined XML message (CCSDS 505.0-B)."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<ndm>"]
    for elements in sets:
        record = _record(elements)
        lines += [
            '<omm id="CCSDS_OMM_VERS" version="2.0">',
            f"<header><CREATION_DATE>{_iso(created)}</CREATION_DATE><ORIGINATOR>EQCI_SPACE</ORIGINATOR></header>",
            "<body><segment><metadata>", *_tags(record, _HEADER_KEYS), "</metadata><data><meanElements>",
            *_tags(record, tuple(k for k in record if k not in _HEADER_KEYS + _TLE_KEYS)),
            "</meanElements><tleParameters>", *_tags(record, _TLE_KEYS),
            "</tleParameters></data></segment></body>", "</omm>",
        ]  # fmt: skip
    return "\n".join([*lines, "</ndm>", ""])


def _tags(record: dict[str, str], keys: tuple[str, ...]) -> list[str]:
    return [f"<{k}>{escape(record[k])}</{k}>" for k in keys]

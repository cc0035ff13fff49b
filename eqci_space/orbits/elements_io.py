"""Files of element sets: OMM in JSON, CSV, XML and KVN, and two-line elements. No record is dropped in silence."""

from __future__ import annotations

import warnings
from datetime import datetime
from pathlib import Path
from typing import Literal

from eqci_space.errors import BadRecordWarning, ElementsError, near_matches
from eqci_space.orbits import omm_io
from eqci_space.orbits.elements import ElementSet
from eqci_space.orbits.tle_io import parse_tle

__all__ = ["read_elements", "read_text", "select_elements", "write_omm"]

_MAX_BYTES = 50_000_000
_SHOWN = 10


def read_text(path: Path, where: str) -> str:
    """Content of an orbit file of sane size.

    Raises
    ------
    ElementsError
        The file is missing, empty, too large, or not UTF-8.
    """
    if not path.is_file():
        raise ElementsError(f"{where}: no file '{path}'")
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ElementsError(f"{where}: {path.name} has {size} bytes; expected at most {_MAX_BYTES}")
    try:
        text = path.read_text(encoding="utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        raise ElementsError(f"{where}: {path.name} is not UTF-8 text ({error})") from error
    if not text.strip():
        raise ElementsError(f"{where}: {path.name} is empty")
    return text


def read_elements(path: str | Path, *, bad_records: Literal["raise", "skip"] = "raise") -> list[ElementSet]:
    """Read all element sets of a file; the form is told by its content.

    Parameters
    ----------
    path : path
        OMM in JSON, CSV, XML or KVN, or two-line elements.
    bad_records : {"raise", "skip"}
        What to do when single records are malformed: name them all in an error, or in a warning and go on.

    Raises
    ------
    ElementsError
        The file cannot be read as any form, holds no element set, or a record is malformed (file, line or record,
        and field are named).

    Warns
    -----
    BadRecordWarning
        Records were skipped.
    """
    if bad_records not in ("raise", "skip"):
        raise ElementsError(f"read_elements: bad_records '{bad_records}'; expected 'raise' or 'skip'")
    path = Path(path)
    found = list(_parser(read_text(path, "read_elements"), path.name))
    problems = [p for p in found if isinstance(p, ElementsError)]
    sets = [s for s in found if isinstance(s, ElementSet)]
    if problems:
        shown = [str(p) for p in problems[:_SHOWN]]
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        message = "\n".join([*shown, *more])
        if bad_records == "raise":
            raise ElementsError(message)
        warnings.warn(f"{len(problems)} of {len(found)} records skipped: {message}", BadRecordWarning, stacklevel=2)
    if not sets:
        raise ElementsError(f"{path.name}: no element set found; expected OMM (JSON, CSV, XML, KVN) or TLE")
    return sets


def _parser(text: str, file: str) -> omm_io.Parsed:
    start = text.lstrip()
    if start[0] in "[{":
        return omm_io.parse_json(text, file)
    if start[0] == "<":
        return omm_io.parse_xml(text, file)
    first = start.splitlines()[0]
    if "," in first and "EPOCH" in first:
        return omm_io.parse_csv(text, file)
    if start.startswith(("CCSDS_OMM_VERS", "COMMENT", "OBJECT_NAME")) and "=" in start:
        return omm_io.parse_kvn(text, file)
    return parse_tle(text, file)


def select_elements(
    sets: list[ElementSet], name: str, where: str, *, catalogue_number: int | None = None
) -> ElementSet:
    """The newest set of an object by catalogue number or name; a file with one object needs no name.

    Raises
    ------
    ElementsError
        No set is of this object.
    """
    numbers = {s.catalogue_number for s in sets}
    if catalogue_number is not None:
        if catalogue_number not in numbers:
            raise ElementsError(f"{where}: no catalogue number {catalogue_number}; the file has {len(numbers)} objects")
        matching = [s for s in sets if s.catalogue_number == catalogue_number]
    else:
        matching = [s for s in sets if s.name == name] or (sets if len(numbers) == 1 else [])
        if not matching:
            raise ElementsError(f"{where}: no object '{name}'; {near_matches(name, {s.name for s in sets})}")
    return max(matching, key=lambda s: s.epoch)


_FORMATS = {
    ".json": omm_io.format_json,
    ".csv": omm_io.format_csv,
    ".xml": omm_io.format_xml,
    ".kvn": omm_io.format_kvn,
}


def write_omm(path: str | Path, sets: list[ElementSet], *, created: datetime | None = None) -> None:
    """Write element sets as OMM in the form of the suffix: .json, .csv, .xml or .kvn.

    Numbers read back exactly.

    Parameters
    ----------
    created : datetime, optional
        CREATION_DATE of XML and KVN; default the newest epoch, so that the same sets give the same bytes.

    Raises
    ------
    ElementsError
        There is nothing to write, or the suffix names no form.
    """
    path = Path(path)
    if not sets:
        raise ElementsError("write_omm: no element set to write")
    if path.suffix.lower() not in _FORMATS:
        raise ElementsError(f"write_omm: '{path.name}' ends in none of {', '.join(_FORMATS)}")
    text = _FORMATS[path.suffix.lower()](sets, created or max(s.epoch for s in sets))
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)

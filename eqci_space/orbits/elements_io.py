"""Files of element sets: OMM in JSON, CSV, XML and KVN, and two-line elements. No record is dropped in silence."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from eqci_space.errors import BadRecordWarning, ElementsError, near_matches
from eqci_space.files.atomic import write_atomically
from eqci_space.files.limits import ORBIT_BYTES, oversize
from eqci_space.machine.deprecation import once_first
from eqci_space.orbits import omm_io
from eqci_space.orbits.elements import BadRecord, ElementSet
from eqci_space.orbits.tle_io import parse_tle

__all__ = ["read_elements", "read_records", "read_text", "select_elements", "sound_sets", "write_omm"]

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
    try:
        problem = oversize(path, ORBIT_BYTES)
        text = "" if problem else path.read_text(encoding="utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        raise ElementsError(f"{where}: {path.name} is not UTF-8 text ({error})") from error
    except OSError as error:
        raise ElementsError(f"{where}: {path.name} cannot be read: {error.strerror}; give a file that can") from error
    if problem:
        raise ElementsError(f"{where}: {path.name} has {problem}")
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
    return sound_sets(read_records(path), path.name, bad_records)


def read_records(path: Path) -> list[ElementSet | BadRecord]:
    """All records of a file in order: element sets, and what is wrong with the malformed ones.

    Raises
    ------
    ElementsError
        The file cannot be read as any form.
    """
    return list(_parser(read_text(path, "read_elements"), path.name))


def sound_sets(
    records: Sequence[ElementSet | BadRecord], source: str, bad_records: Literal["raise", "skip"]
) -> list[ElementSet]:
    """The element sets among the records of a file; malformed ones raise or are skipped as in `read_elements`."""
    problems = [r.message for r in records if isinstance(r, BadRecord)]
    sets = [r for r in records if isinstance(r, ElementSet)]
    message = "\n".join(problems[:_SHOWN])
    if len(problems) > _SHOWN:
        message += f"\nand {len(problems) - _SHOWN} more"
    if problems and bad_records == "raise":
        remedy = 'mend the file, or leave such records out with bad_records = "skip"' if sets else "mend the file"
        raise ElementsError(message + ("; " if len(problems) == 1 else "\n") + remedy)
    if problems:
        warnings.warn(f"{len(problems)} of {len(records)} records skipped: {message}", BadRecordWarning, stacklevel=3)
    if not sets and problems:
        raise ElementsError(
            f"{source}: no element set found; every record was skipped as malformed: {message}; mend the file"
        )
    if not sets:
        raise ElementsError(f"{source}: no element set found; expected OMM (JSON, CSV, XML, KVN) or TLE")
    return sets


def _parser(text: str, source: str) -> omm_io.Parsed:
    start = text.lstrip()
    if start[0] in "[{":
        return omm_io.parse_json(text, source)
    if start[0] == "<":
        return omm_io.parse_xml(text, source)
    first = start.splitlines()[0]
    if "," in first and "EPOCH" in first:
        return omm_io.parse_csv(text, source)
    if start.startswith(("CCSDS_OMM_VERS", "COMMENT", "OBJECT_NAME")) and "=" in start:
        return omm_io.parse_kvn(text, source)
    return parse_tle(text, source)


def select_elements(
    sets: list[ElementSet],
    name: str,
    where: str,
    *,
    catalogue_number: int | None = None,
    skipped: Sequence[BadRecord] = (),
) -> ElementSet:
    """The newest set of an object by catalogue number or name; a file with one object needs no name.

    A record that was skipped counts as another object unless it has the same catalogue number, so that a file whose
    wanted record is malformed does not give the orbit of the one that is left.

    Raises
    ------
    ElementsError
        No set is of this object; if its record was among the skipped ones, why.
    """
    if catalogue_number is not None:
        matching = [s for s in sets if s.catalogue_number == catalogue_number]
    else:
        alone = len({s.catalogue_number for s in sets} | {r.catalogue_number for r in skipped}) == 1
        matching = [s for s in sets if s.name == name] or (sets if alone else [])
    if not matching:
        raise ElementsError(f"{where}: {_absence(sets, name, catalogue_number, skipped)}")
    return max(matching, key=lambda s: s.epoch)


def _absence(sets: list[ElementSet], name: str, catalogue_number: int | None, skipped: Sequence[BadRecord]) -> str:
    """Why a file gives no set of an object: its record was skipped, or there is none."""
    if catalogue_number is not None:
        numbers = {s.catalogue_number for s in sets}
        wanted = f"catalogue number {catalogue_number}"
        known = f"the file has {_count(len(numbers), 'object')}{_span(numbers)}"
    else:
        wanted, known = f"object '{name}'", near_matches(name, {s.name for s in sets})
    for record in skipped:
        by_name = record.name == name and (catalogue_number is None or record.catalogue_number is None)
        if by_name or (catalogue_number is not None and record.catalogue_number == catalogue_number):
            return (
                f"the record of {wanted} was skipped as malformed: {record.message}; "
                "mend it, or choose another object by object_name or catalogue_number"
            )
    if skipped:
        known += f"; {_count(len(skipped), 'malformed record')} skipped, the first: {skipped[0].message}"
    return f"no {wanted}; {known}; choose by object_name or catalogue_number"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _span(numbers: set[int]) -> str:
    if len(numbers) < 2:
        return "".join(f", number {n}" for n in numbers)
    return f", numbers {min(numbers)} to {max(numbers)}"


_FORMATS = {
    ".json": omm_io.format_json,
    ".csv": omm_io.format_csv,
    ".xml": omm_io.format_xml,
    ".kvn": omm_io.format_kvn,
}


@once_first("path")
def write_omm(sets: list[ElementSet], path: str | Path, *, created: datetime | None = None) -> None:
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
    DataError
        The file cannot be written.
    """
    path = Path(path)
    if not sets:
        raise ElementsError("write_omm: no element set to write")
    if path.suffix.lower() not in _FORMATS:
        raise ElementsError(f"write_omm: '{path.name}' ends in none of {', '.join(_FORMATS)}")
    text = _FORMATS[path.suffix.lower()](sets, created or max(s.epoch for s in sets))
    write_atomically(path, text.encode())

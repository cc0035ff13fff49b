"""Files of element sets: OMM in JSON, CSV, XML and KVN, and two-line elements. No record is dropped in silence."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from eqci_space.errors import BadRecordWarning, ElementsError
from eqci_space.files.atomic import write_atomically
from eqci_space.files.foreign import first_line, foreign_bytes, foreign_text
from eqci_space.files.limits import ORBIT_BYTES, oversize
from eqci_space.machine.deprecation import once_first
from eqci_space.orbits import omm_io
from eqci_space.orbits.elements import BadRecord, ElementSet
from eqci_space.orbits.file_kinds import other_kind
from eqci_space.orbits.selection import select_elements
from eqci_space.orbits.tle_io import parse_tle

__all__ = ["read_elements", "read_records", "read_text", "select_elements", "sound_sets", "write_omm"]

_SHOWN = 10


def read_text(path: Path, where: str, *, what: str = "data") -> str:
    """Content of an orbit file of sane size, byte-order marks taken out; `what` is meant to be in it.

    Raises
    ------
    ElementsError
        The file is missing, empty, too large, not UTF-8, or a web page or a server's message.
    """
    if not path.is_file():
        raise ElementsError(f"{where}: no file '{path}'")
    try:
        problem = oversize(path, ORBIT_BYTES)
        text = "" if problem else path.read_text(encoding="utf-8").replace("\ufeff", "")
    except UnicodeDecodeError as error:
        found = foreign_bytes(error.object) or f"{error}; save it as UTF-8"
        raise ElementsError(f"{where}: {path.name} is not UTF-8 text ({found})") from error
    except OSError as error:
        raise ElementsError(f"{where}: {path.name} cannot be read: {error.strerror}; give a file that can") from error
    if problem:
        raise ElementsError(f"{where}: {path.name} has {problem}")
    if not text.strip():
        raise ElementsError(f"{where}: {path.name} is empty")
    foreign = foreign_text(text)
    if foreign:
        raise ElementsError(f"{path.name}: no {what} found; it is {foreign}")
    return text


def read_elements(path: str | Path, *, bad_records: Literal["raise", "skip"] = "raise") -> list[ElementSet]:
    """Read all element sets of a file; the form is told by its content.

    Parameters
    ----------
    path : path
        OMM in JSON, CSV, XML (of any namespace prefix) or KVN, or two-line elements. A record without catalogue number
        is read as number 0 if it has a name.
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
    UncheckedRecordWarning
        Two-line sets lack the column of their checksum.
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
        The file cannot be read as any form, or holds no record.
    """
    text = read_text(path, "read_elements", what="element set")
    kind, remedy = other_kind(text, "elements")
    # A combined XML file may hold element sets beside other messages.
    records = [] if kind and not text.lstrip().startswith("<") else list(_parser(text, path.name))
    if kind and not records:
        raise ElementsError(f"{path.name}: no element set found; it is {kind}; {remedy}")
    if not records:
        raise ElementsError(
            f"{path.name}: no element set found; its first line is {first_line(text)}; expected OMM (JSON, CSV, XML, "
            "KVN) or TLE; give such a file"
        )
    return records


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
    if not sets:
        raise ElementsError(
            f"{source}: no element set found; every record was skipped as malformed: {message}; mend the file"
        )
    return sets


def _parser(text: str, source: str) -> omm_io.Parsed:
    start = text.lstrip()
    if start[0] in "[{":
        return omm_io.parse_json(text, source)
    if start[0] == "<":
        return omm_io.parse_xml(text, source)
    first = next((line for line in start.splitlines() if not line.startswith("#") and line[:4].lower() != "sep="), "")
    if "EPOCH" in first and any(mark in first for mark in ",;\t"):
        return omm_io.parse_csv(text, source)
    if start.startswith(("CCSDS_OMM_VERS", "COMMENT", "OBJECT_NAME")) and "=" in start:
        return omm_io.parse_kvn(text, source)
    return parse_tle(text, source)


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

"""What the readers of weather files share: the content of a file, its form, and records in its own units."""

from __future__ import annotations

import math
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from lzma import LZMAError
from pathlib import Path

import pandas as pd

from eqci_space.errors import DataError
from eqci_space.files.foreign import foreign_text
from eqci_space.files.limits import GRID_BYTES, UNPACKED_SIZE, UNPACKED_TIMES, WEATHER_TEXT_BYTES, oversize
from eqci_space.weather.reports_io import report_table_header

__all__ = [
    "BROKEN_CONTENT",
    "COVER_KINDS",
    "PARTS",
    "SHOWN",
    "UNITS",
    "RawWeather",
    "ReadOptions",
    "chosen_variable",
    "parse_number",
    "read_text",
    "sniffed",
    "unpacked",
]

UNITS = {"fraction": 1.0, "percent": 100.0, "okta": 8.0, "tenths": 10.0}
PARTS = {"cloud": "cloud_fraction", "low": "low_fraction", "mid": "mid_fraction", "high": "high_fraction"}
COVER_KINDS = ("sky", "earth")
SHOWN = 5
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, LZMAError, struct.error, OSError, EOFError, RuntimeError, ValueError, LookupError,
)  # fmt: skip
BROKEN_CONTENT = (
    OSError, EOFError, MemoryError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
    AssertionError,
)  # fmt: skip
"""What the libraries of netCDF and GRIB raise on content that is cut or altered."""
_MAGIC = {b"CDF\x01": "netcdf", b"CDF\x02": "netcdf", b"\x89HDF": "netcdf", b"GRIB": "grib"}
_METAR = re.compile(r"\b[A-Z][A-Z0-9]{3}\s+\d{6}Z\b")
_DATE_LINE = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d\s*$", re.ASCII)
_REPORT_KEY = re.compile(r'"(rawOb|icaoId)"\s*:')
_OPEN_METEO = re.compile(r"^\W{0,2}(location_id\W{1,3})?latitude\W{1,3}longitude\b", re.I)
_CHOICE = re.compile(r"([^\[\]]+)\[([^\[\]]*)\]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class ReadOptions:
    """What the caller of `read_weather` states about a file; None is unstated."""

    sites: dict[str, tuple[float, float]] | None = None
    unit: str | None = None
    utc_offset_h: float | None = None
    variable: str | None = None
    reference: datetime | None = None
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RawWeather:
    """Records of a file in its own units and order.

    Attributes
    ----------
    rows : DataFrame
        `record` (its number), `site`, `time` (aware), `cloud` (total cover, NaN unknown), and where the file has
        them `low`, `mid`, `high`, `visibility_m`, `cover_kind`, `source`, `note`.
    record : str
        What a record is called: line, time step.
    fields : dict
        Name in the file and unit of `cloud`, `low`, `mid`, `high`.
    cover_kind : str
        "sky" for an observer's dome, "earth" for a view from above or a model's cell.
    bad : list of str
        Records without a usable cover.
    notices : list of str
        What the reader had to assume.
    hint : str
        How to mend times that do not rise.
    """

    rows: pd.DataFrame
    record: str
    fields: dict[str, tuple[str, str]]
    cover_kind: str
    bad: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    hint: str = "sort the file by time and remove repeats"


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The file itself, or the member to be read of a ZIP, which the Climate Data Store also names .nc."""
    problem = oversize(path, GRID_BYTES)
    if problem:
        raise DataError(f"{path.name}: {problem}")
    try:
        with path.open("rb") as stream:
            packed = stream.read(4) in _ZIP
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error.strerror}; give a file that can") from error
    if not packed:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="eqci-weather-") as folder:
        target = Path(folder) / "member"
        try:
            with zipfile.ZipFile(path) as archive:
                member = _member(archive, path)
                with archive.open(member) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
        except _ZIP_ERRORS as error:
            raise DataError(f"{path.name}: not a readable ZIP file, perhaps cut short: {error}") from error
        yield target


def _member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """The only member, or the only one of instantaneous fields, to which cloud cover belongs."""
    name, most = path.name, max(UNPACKED_SIZE, UNPACKED_TIMES * path.stat().st_size)
    members = [m for m in archive.infolist() if not m.is_dir()]
    instant = [m for m in members if "instant" in m.filename.rsplit("/", 1)[-1]]
    chosen = instant or members
    if len(chosen) != 1:
        names = ", ".join(m.filename for m in members[:SHOWN]) or "none"
        raise DataError(f"{name}: ZIP file with members {names}; expected one, or one called *instant*; unpack it")
    if chosen[0].file_size > min(GRID_BYTES, most):
        raise DataError(
            f"{name}: member {chosen[0].filename} has {chosen[0].file_size} bytes; expected at most "
            f"{min(GRID_BYTES, most)}; "
            "ask for fewer years or a smaller area"
        )
    return chosen[0]


def sniffed(path: Path, name: str) -> str:
    """Form of a file by its first bytes or its first line."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    text = head.decode("utf-8-sig", errors="replace").lstrip()
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if re.search(r"<METAR\b|<data_source name=.metars", text):
        return "metar"
    if text[:1] in ("{", "["):
        return "metar" if _REPORT_KEY.search(text) else "openmeteo"
    if lines and _OPEN_METEO.search(lines[0][:200]):
        return "openmeteo"
    if lines and lines[0].upper().startswith("LOCATION,"):
        return "epw"
    if report_table_header(lines) is not None or (lines and _METAR.search(lines[0])):
        return "metar"
    if len(lines) > 1 and _DATE_LINE.match(lines[0]) and _METAR.search(lines[1]):
        return "metar"
    if lines and lines[0][:4].lower() == "sep=":
        lines.pop(0)
        if lines and _OPEN_METEO.search(lines[0][:200]):
            return "openmeteo"
    if lines and "time" in [c.strip(' "') for c in re.split("[,;\t]", lines[0])]:
        return "csv"
    problem = foreign_text(text)
    if problem:
        raise DataError(f"{name}: is {problem}")
    raise DataError(
        f"{name}: begins with {head[:20]!r}; expected netCDF, GRIB, Open-Meteo JSON or CSV, METAR lines or tables, "
        "EPW, or CSV with a column time"
    )


def read_text(path: Path, name: str, *, fallback: str | None = None) -> str:
    """Content of a text file of sane size; `fallback` is an encoding for files that are not UTF-8.

    Raises
    ------
    DataError
        The file is too large, empty, or no text.
    """
    problem = oversize(path, WEATHER_TEXT_BYTES)
    if problem:
        raise DataError(f"{name}: {problem}")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if fallback is None:
            raise DataError(f"{name}: not UTF-8 text ({error})") from error
        text = content.decode(fallback)
    if not text.strip():
        raise DataError(f"{name}: is empty")
    return text


def parse_number(text: str, where: str) -> float:
    """A finite number.

    Raises
    ------
    DataError
        The text is none; `where` opens the message.
    """
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise DataError(f"{where} '{text[:40]}' is no number")
    return float(text)


def chosen_variable(variable: str | None, present: Collection[str] = ()) -> tuple[str | None, dict[str, str]]:
    """Name of the total cover, and what is chosen along its further axes: ``tcc[number=3, step=0]``.

    Raises
    ------
    DataError
        The choice is not of that form.
    """
    match = _CHOICE.fullmatch(variable or "")
    if variable is None or variable in present or match is None:
        return variable, {}
    pairs = [[part.strip() for part in pair.split("=")] for pair in match[2].split(",")]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise DataError(f"variable '{variable[:80]}'; expected such as '{match[1][:40]}[number=0]'")
    return match[1].strip(), dict(pairs)

"""A sheet per station for the people at the telescope: HTML to print, CSV to load."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
from jinja2 import Environment, StrictUndefined

from eqci_space.files.atomic import write_atomically
from eqci_space.files.csv_text import csv_text
from eqci_space.machine.deprecation import once_first, once_named
from eqci_space.report.exports.file_names import file_stems
from eqci_space.report.release import Released
from eqci_space.words import whole_seconds

__all__ = ["write_crew_sheets"]

_TIMES = ("rise", "acquisition", "start", "max_elevation_at", "end", "partner_start", "decide_by")
_ANGLES = (
    "rise_azimuth_deg", "acquisition_azimuth_deg", "acquisition_elevation_deg", "max_elevation_deg", "set_azimuth_deg",
)  # fmt: skip


@once_named(folder="directory")
@once_first("directory")
def write_crew_sheets(released: Released, directory: Path) -> list[Path]:
    """Write ``crew-<station>.html`` and ``.csv`` for every station with a contact; return their paths.

    Times stand in UTC and in the station's local time, with its offset, to the second (`whole_seconds`). Without
    released pointing nothing is written, for a crew sheet shows where a station stands.
    """
    if "crew" not in released.tables:
        return []
    paths = []
    crew = released.tables["crew"]
    stems = file_stems(sorted(crew["ogs"].unique()))
    for ogs, stem in stems.items():
        table = crew[crew["ogs"] == ogs]
        csv, html = directory / f"crew-{stem}.csv", directory / f"crew-{stem}.html"
        write_atomically(csv, csv_text(_sheet_table(table), index=False))
        write_atomically(html, _page(ogs, table, released))
        paths += [csv, html]
    return paths


def _sheet_table(table: pd.DataFrame) -> pd.DataFrame:
    """The crew table with each time in UTC and local time, angles to a tenth of a degree."""
    zone = ZoneInfo(table["timezone"].iloc[0])
    columns: dict[str, pd.Series] = {}
    for column in table.columns:
        if column in _TIMES:
            times = _shown(table[column], column)
            columns[f"{column}_utc"] = times.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
            columns[f"{column}_local"] = times.map(lambda t: "" if pd.isna(t) else t.tz_convert(zone).isoformat())
        else:
            columns[column] = table[column].round(1) if column in _ANGLES else table[column]
    return pd.DataFrame(columns).assign(p_clear=table["p_clear"].round(3))


def _page(ogs: str, table: pd.DataFrame, released: Released) -> str:
    template = (Path(__file__).parent / "crew_sheet.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    zone = ZoneInfo(table["timezone"].iloc[0])
    status = released.tables["sites"].loc[[ogs], "status_class"].iloc[0]
    return environment.from_string(template).render(
        scenario=released.name, ogs=ogs, status=status, zone=table["timezone"].iloc[0],
        zone_source=table["timezone_source"].iloc[0], start=released.start, end=released.end,
        contacts=table.assign(**{c: _shown(table[c], c) for c in _TIMES}).to_dict("records"),
        utc=lambda t: f"{t:%H:%M:%S}", local=lambda t: f"{t.tz_convert(zone):%H:%M:%S}",
        night=_night, offset=lambda t: f"{t.tz_convert(zone):UTC%z}", long=lambda t: f"{t:%Y-%m-%d %H:%M} UTC",
        long_local=lambda t: f"{t.tz_convert(zone):%Y-%m-%d %H:%M}",
    )  # fmt: skip


def _shown(times: pd.Series, column: str) -> pd.Series:
    """Times of a column in whole seconds."""
    start, end = whole_seconds(times, times)
    return end if column == "end" else start


def _night(time: pd.Timestamp) -> str:
    """The night that a UTC time lies in, such as ``night 01/02 Mar 2027``."""
    evening = (time - pd.Timedelta(hours=12)).normalize()
    return f"night {evening:%d}/{evening + pd.Timedelta(days=1):%d %b %Y}"

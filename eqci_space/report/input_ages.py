"""How old the inputs of a scenario are: orbits, Earth orientation, weather, shipped data."""

from __future__ import annotations

import importlib.metadata
import re
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from eqci_space.data import shipped_files
from eqci_space.errors import StaleElementsWarning
from eqci_space.linkbudget.turbidity_io import TURBIDITY_FILE
from eqci_space.orbits.earth import orientation_end
from eqci_space.orbits.elements import check_age
from eqci_space.orbits.ephemeris import satellite_elements, satellite_segments
from eqci_space.scenario import Satellite, Scenario
from eqci_space.weather.records import station_covers

__all__ = ["age_records", "input_ages", "orientation_issued"]

_COLUMNS = ["input", "kind", "file", "date", "until", "age_day", "state", "stale"]
_CLIMATE_FILE = "weather/ogs_cloud_fraction_estimates.csv"


def input_ages(scenario: Scenario) -> pd.DataFrame:
    """Inputs of a scenario with their dates and their age at the start of the period.

    Returns
    -------
    DataFrame
        One row per input: `input` in words, `kind` (elements, design, ephemeris, earth_orientation, record, forecast,
        climatology, aerosol, shipped), `file`, `date` (epoch of elements, issue of a forecast or table, else of the
        first value; ISO 8601 UTC, empty where there is none), `until` (last value), `age_day` (from `date` to the start
        of the period, negative if it is later, NaN where there is no date), `state` in words, and `stale`: element sets
        too far from the period, Earth orientation that ends before it does, shipped files that are changed or missing.

    Raises
    ------
    DataError, ElementsError
        A file of the scenario cannot be read, or element sets are years away.
    """
    rows = [*_orbits(scenario), _orientation(scenario), *_weather(scenario), *_aerosol(scenario), _shipped()]
    return pd.DataFrame(rows, columns=_COLUMNS).astype({"age_day": float})


def age_records(ages: pd.DataFrame) -> list[dict[str, Any]]:
    """The table of `input_ages` as JSON holds it, null where a date or an age is missing."""
    return [
        {key: None if value == "" or value != value else value for key, value in row.items()}
        for row in ages.to_dict("records")
    ]


def _row(
    name: str,
    kind: str,
    file: str,
    state: str,
    *,
    date: datetime | None = None,
    until: datetime | None = None,
    start: datetime | None = None,
    stale: bool = False,
) -> dict[str, Any]:
    age = None if date is None or start is None else round((start - date).total_seconds() / 86400, 3)
    return {
        "input": name, "kind": kind, "file": file, "date": _iso(date), "until": _iso(until), "age_day": age,
        "state": state, "stale": stale,
    }  # fmt: skip


def _iso(time: datetime | None) -> str:
    return "" if time is None else f"{time.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def _orbits(scenario: Scenario) -> Iterator[dict[str, Any]]:
    designed = [s for s in scenario.satellites if s.orbit is not None]
    for satellite in scenario.satellites:
        if satellite.ephemeris is not None:
            segments = satellite_segments(satellite, scenario)
            first, last = min(s.useable_start for s in segments), max(s.useable_stop for s in segments)
            yield _row(
                f"ephemeris of {satellite.name}", "ephemeris", satellite.ephemeris, "covers the period",
                date=first, until=last, start=scenario.start,
            )  # fmt: skip
        elif satellite.elements is not None:
            yield _elements(satellite, scenario)
    if designed:
        names = designed[0].name if len(designed) == 1 else f"{len(designed)} satellites"
        yield _row(f"orbit of {names}", "design", "", "by design, has no age")


def _elements(satellite: Satellite, scenario: Scenario) -> dict[str, Any]:
    found = satellite_elements(satellite, scenario)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_age(found, scenario.start, scenario.end)
    stale = [str(w.message) for w in caught if issubclass(w.category, StaleElementsWarning)]
    return _row(
        f"elements of {satellite.name}", "elements", str(satellite.elements), stale[0] if stale else "fresh enough",
        date=found.epoch, start=scenario.start, stale=bool(stale),
    )  # fmt: skip


def orientation_issued() -> datetime | None:
    """Day on which the table of Earth orientation was packed, if its version says so."""
    version = importlib.metadata.version("astropy-iers-data")
    match = re.fullmatch(r"0\.(\d{4})\.(\d{1,2})\.(\d{1,2})\..*", version)
    return datetime(*map(int, match.groups()), tzinfo=UTC) if match else None  # type: ignore[misc,arg-type]


def _orientation(scenario: Scenario) -> dict[str, Any]:
    end = orientation_end()
    short = end < scenario.end
    state = f"ends {end:%Y-%m-%d}, before the period does; update astropy-iers-data" if short else "covers the period"
    return _row(
        "Earth orientation", "earth_orientation", "astropy-iers-data", state,
        date=orientation_issued(), until=end, start=scenario.start, stale=short,
    )  # fmt: skip


def _weather(scenario: Scenario) -> Iterator[dict[str, Any]]:
    model = scenario.weather
    if model.file is not None:
        covers = station_covers(scenario)
        first, last = min(h for h, _ in covers.values()), max(h + len(c) - 1 for h, c in covers.values())
        begin, end = (datetime.fromtimestamp(hour * 3600, tz=UTC) for hour in (first, last))
        known: dict[str, Any] = {"until": end, "start": scenario.start}
        if model.model == "forecast":
            state = "covers the period" if end >= scenario.end else "ends in the period; the climate stands in"
            yield _row("forecast", "forecast", model.file, state, date=model.issued or scenario.start, **known)
        else:
            yield _row("weather record", "record", model.file, "replayed over the period", date=begin, **known)
    if model.model in ("climatology", "forecast"):
        yield _row("cloud climate", "climatology", _CLIMATE_FILE, "long-term means, have no age")


def _aerosol(scenario: Scenario) -> Iterator[dict[str, Any]]:
    own = [name for name, s in scenario.stations.items() if s.optical_depth_500nm_by_month]
    if scenario.atmosphere.aerosol == "climatology" and len(own) < len(scenario.stations):
        yield _row("aerosol climate", "aerosol", TURBIDITY_FILE, "long-term means, have no age")
    sources = {path: source for path, _, source in scenario.sources}
    for name in own:
        source = sources.get(f"station.{name}.optical_depth_500nm_by_month", "source not stated")
        yield _row(f"aerosol of {name}", "aerosol", "", f"by month: {source}")


def _shipped() -> dict[str, Any]:
    wrong = [f"{row['file']} {row['state']}" for row in shipped_files() if row["state"] != "as shipped"]
    return _row("shipped data", "shipped", "SOURCES.csv", ", ".join(wrong) or "as shipped", stale=bool(wrong))

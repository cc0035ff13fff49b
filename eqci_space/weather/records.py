"""Cloud records of a scenario's stations: hour by hour what stood over them, and past years replayed over a period."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from eqci_space.errors import DataError, EqciWarning, near_matches
from eqci_space.scenario import Scenario, Station, Weather, dated_stations
from eqci_space.weather.weather_io import read_weather

__all__ = ["Replay", "check_weather_file", "hourly_cover", "record_sites", "replay", "station_covers", "zenith_cover"]

_ABOVE_LOW_CLOUD_M = 2000.0
_HOUR_NS = 3_600_000_000_000
_BLOCK_DAYS = 15
_DAYS_PER_YEAR = 365.2425
_FEWEST_WORLDS = 2
_LONGEST_STEP_H = 6.0
_MONTHS = 12
_SHOWN = 3


def zenith_cover(table: pd.DataFrame, height_msl_m: float) -> np.ndarray:
    """Cover of a site's records as seen from space, without the clouds below the site.

    An observer's sky cover s leaves the zenith clear with ``1 - s(1+3s)/4`` (Allen and Malick 1983), so that
    ``s(1+3s)/4`` stands for it. Above 2000 m low cloud lies below the station: where middle and high cover are known,
    the cover is theirs with random overlap, ``1 - (1-mid)(1-high)``: 0.22 for Teide, whose total is 0.40 (ERA5).
    """
    total = table["cloud_fraction"].to_numpy(dtype=float)
    mid, high = (table[c].to_numpy(dtype=float) for c in ("mid_fraction", "high_fraction"))
    if height_msl_m >= _ABOVE_LOW_CLOUD_M:
        layered = np.isfinite(mid) & np.isfinite(high)
        total = np.where(layered, 1 - (1 - mid) * (1 - high), total)
    sky = (table["cover_kind"] == "sky").to_numpy()
    return np.where(sky, total * (1 + 3 * total) / 4, total)


def hourly_cover(times: pd.DatetimeIndex, cover: np.ndarray) -> tuple[int, np.ndarray]:
    """First whole hour since 1970 [h], and the record nearest to each hour from it on; NaN where none is near.

    Near is within half the usual step of the record, and at least half an hour.
    """
    stamp = times.as_unit("ns").asi8
    step = float(np.median(np.diff(stamp))) if len(stamp) > 1 else _HOUR_NS
    reach = max(step, _HOUR_NS) / 2
    first, last = round((stamp[0] - reach / 2) / _HOUR_NS), round((stamp[-1] + reach / 2) / _HOUR_NS)
    hours = np.arange(first, last + 1, dtype=np.int64) * _HOUR_NS
    right = np.clip(np.searchsorted(stamp, hours), 1, max(len(stamp) - 1, 1))
    right = np.minimum(right, len(stamp) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(hours - stamp[left]) <= np.abs(stamp[right] - hours), left, right)
    return first, np.where(np.abs(hours - stamp[nearest]) <= reach, cover[nearest], np.nan)


@lru_cache(maxsize=4)
def _read(path: Path, changed_ns: int, sites: tuple[tuple[str, float, float], ...], said: str) -> pd.DataFrame:
    """The table of a file; `said` is what the scenario says of it, in JSON."""
    options = Weather.model_validate_json(said)
    return read_weather(
        path, sites={name: (lat, lon) for name, lat, lon in sites}, unit=options.unit, variable=options.variable,
        reference=options.reference, utc_offset_h=options.utc_offset_h, names=options.names,
    )  # fmt: skip


def record_sites(name: str, station: Station) -> dict[str, Station]:
    """What a record calls a station: its name, or ``name/1``, ``name/2`` … for the places of one that moves."""
    places = dated_stations(station)
    return {name if len(places) == 1 else f"{name}/{i}": place for i, place in enumerate(places, start=1)}


def station_covers(scenario: Scenario) -> dict[str, tuple[int, np.ndarray]]:
    """Hourly cover by `record_sites` from the scenario's weather file: `hourly_cover` of `zenith_cover`.

    Raises
    ------
    DataError
        The file cannot be read or lacks a station.

    """
    name = scenario.weather.file
    path = Path(scenario.file).parent / str(name)
    if not path.is_file():
        raise DataError(f"weather.file: no file '{name}' beside the scenario")
    stations = {site: s for ogs, whole in scenario.stations.items() for site, s in record_sites(ogs, whole).items()}
    sites = tuple((site, s.latitude_deg, s.longitude_deg) for site, s in stations.items())
    stray = [site for site in scenario.weather.names if site not in stations]
    if stray:
        raise DataError(f"weather.names: no station '{stray[0]}'; {near_matches(stray[0], stations)}")
    table = _read(path, path.stat().st_mtime_ns, sites, scenario.weather.model_dump_json(exclude_unset=True))
    _check_step(table, str(name), stations)
    return {
        str(site): hourly_cover(pd.DatetimeIndex(part["time"]), zenith_cover(part, stations[str(site)].height_msl_m))
        for site, part in table.groupby("site", sort=False)
    }


def _check_step(table: pd.DataFrame, name: str, stations: dict[str, Station]) -> None:
    """Refuse means over days or months, which would be taken for skies of every hour."""
    for site, part in table.groupby("site", sort=False):
        times = pd.DatetimeIndex(part["time"]).as_unit("ns")
        step_h = float(np.median(np.diff(times.asi8))) / _HOUR_NS if len(times) > 1 else 0.0
        if step_h <= _LONGEST_STEP_H:
            continue
        cover = pd.Series(zenith_cover(part, stations[str(site)].height_msl_m)).groupby(times.month).mean()
        months = ", ".join(f"{c:.2f}" for c in cover) if len(cover) == _MONTHS else "..., twelve values"
        raise DataError(
            f"weather.file: '{name}' has a value every {step_h:g} h at '{site}': means, or single looks, which say "
            f"nothing of how often a sky is clear; expected steps of at most {_LONGEST_STEP_H:g} h: download hourly "
            "values, or state the months as climate: model = 'climatology' without file, and cloud_fraction_by_month = "
            f"[{months}] under [station.{str(site).split('/', maxsplit=1)[0]}]"
        )


def at_hours(cover: tuple[int, np.ndarray], hours: np.ndarray) -> np.ndarray:
    """Cover at whole hours since 1970, NaN where it is unknown."""
    first, values = cover
    at = np.asarray(hours, dtype=np.int64) - first
    inside = (at >= 0) & (at < len(values))
    return np.where(inside, values[np.clip(at, 0, len(values) - 1)], np.nan)


@dataclass(frozen=True)
class Replay:
    """Past weather over the events of a plan.

    Attributes
    ----------
    block : (m,) integer array
        Block of the period to which each event belongs.
    worlds : list of (m_b, k_b) arrays
        Per block: cover at its events in each past that can stand for it, equally likely.
    """

    block: np.ndarray
    worlds: list[np.ndarray]

    def drawn(self, trials: int, seed: int) -> np.ndarray:
        """Cover (trials, m): every block of every trial takes one past, the same for all stations."""
        out = np.empty((trials, len(self.block)))
        for b, covers in enumerate(self.worlds):
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 2, b)))
            chosen = rng.integers(covers.shape[1], size=trials)
            out[:, self.block == b] = covers[:, chosen].T
        return out

    def members(self) -> np.ndarray:
        """Cover (m, k) of all pasts, NaN where a block has fewer than others."""
        out = np.full((len(self.block), max((w.shape[1] for w in self.worlds), default=0)), np.nan)
        for b, covers in enumerate(self.worlds):
            out[self.block == b, : covers.shape[1]] = covers
        return out


def replay(scenario: Scenario, sites: np.ndarray, times: pd.DatetimeIndex) -> Replay:
    """Lay the years of the scenario's record over events at sites (`record_sites`).

    The period falls into blocks of 15 days. The past of each is the same season of a year of the record, moved by up to
    `shift_day` days, at all stations at once; a past in which any station lacks an hour of the block is left out.

    Raises
    ------
    DataError
        Fewer than two pasts of a block are complete.
    """
    covers = station_covers(scenario)
    stamp = pd.DatetimeIndex(times).as_unit("ns").asi8
    hours = np.round(stamp / _HOUR_NS).astype(np.int64)
    block = np.clip((hours - _begin_h(scenario)) // (24 * _BLOCK_DAYS), 0, None)
    numbers, block = np.unique(block, return_inverse=True)
    worlds = []
    for b, number in enumerate(numbers):
        shifts = _pasts(scenario, covers, int(number))
        mine = np.flatnonzero(block == b)
        worlds.append(np.stack([at_hours(covers[sites[i]], hours[i] + shifts) for i in mine]))
    return Replay(block, worlds)


def check_weather_file(scenario: Scenario) -> None:
    """Read the weather file of a scenario, if it names one, and see that it serves the period.

    Raises
    ------
    DataError
        The file cannot be read, lacks a station, or a record has fewer than two pasts of 15 days of the period.
    TimeError
        Times have no zone, or no year and month.

    Warns
    -----
    EqciWarning
        A forecast holds no hour of the period at a station.
    """
    if scenario.weather.file is None:
        return
    covers = station_covers(scenario)
    begin_h, period_h = _begin_h(scenario), _period_h(scenario)
    if scenario.weather.model == "record":
        for number in range(max(1, math.ceil(period_h / (24 * _BLOCK_DAYS)))):
            _pasts(scenario, covers, number)
        return
    hours = np.arange(begin_h, begin_h + period_h + 1)
    for site, cover in covers.items():
        if not np.isfinite(at_hours(cover, hours)).any():
            first, last = (pd.Timestamp(h * _HOUR_NS, tz="UTC") for h in (cover[0], cover[0] + len(cover[1]) - 1))
            warnings.warn(
                f"weather.file: the forecast at '{site}' reaches from {first:%Y-%m-%dT%H:%MZ} to "
                f"{last:%Y-%m-%dT%H:%MZ}, no hour of the period; the climate stands in for it; give a forecast of the "
                "period, or model = 'record' for past years",
                EqciWarning,
                stacklevel=2,
            )


def _begin_h(scenario: Scenario) -> int:
    return int(pd.Timestamp(scenario.start).as_unit("ns").value // _HOUR_NS)


def _period_h(scenario: Scenario) -> int:
    return int(np.ceil((scenario.end - scenario.start).total_seconds() / 3600))


def _pasts(scenario: Scenario, covers: dict[str, tuple[int, np.ndarray]], number: int) -> np.ndarray:
    """Hours by which to move a block of the period into the pasts that can stand for it."""
    begin_h, period_h = _begin_h(scenario), _period_h(scenario)
    first = begin_h + number * 24 * _BLOCK_DAYS
    span = np.arange(first, first + min(24 * _BLOCK_DAYS, max(period_h - number * 24 * _BLOCK_DAYS, 0)) + 1)
    shifts = _complete_shifts(covers, span, pd.Timestamp(scenario.start), scenario.weather.shift_day)
    if len(shifts) < _FEWEST_WORLDS:
        raise DataError(
            f"weather.file: {len(shifts)} complete pasts for the {_BLOCK_DAYS} days from "
            f"{pd.Timestamp(int(first) * _HOUR_NS, tz='UTC'):%Y-%m-%d}; expected at least {_FEWEST_WORLDS}: give "
            f"more years, fill the gaps, or raise shift_day; the file holds {_spans(covers)}"
        )
    return shifts


def _spans(covers: dict[str, tuple[int, np.ndarray]]) -> str:
    """From when to when there is cover at each site, and how much is missing between."""
    texts = []
    for site, (first, values) in list(covers.items())[:_SHOWN]:
        ends = (pd.Timestamp(h * _HOUR_NS, tz="UTC") for h in (first, first + len(values) - 1))
        lost = int(np.isnan(values).sum())
        gaps = f" without {lost} hours" if lost else ""
        texts.append(f"'{site}' {' to '.join(f'{t:%Y-%m-%d}' for t in ends)}{gaps}")
    return ", ".join(texts) + (", ..." if len(covers) > _SHOWN else "")


def _complete_shifts(
    covers: dict[str, tuple[int, np.ndarray]], span: np.ndarray, start: pd.Timestamp, shift_day: int
) -> np.ndarray:
    """Hours by which to move a block into pasts that hold all of it, at every station."""
    first = min(f for f, _ in covers.values())
    last = max(f + len(v) for f, v in covers.values())
    year_h = 24 * _DAYS_PER_YEAR
    years = range(int(np.floor((first - span[-1]) / year_h)), int(np.ceil((last - span[0]) / year_h)) + 1)
    shifts = []
    for year in years:
        for day in range(-shift_day, shift_day + 1):
            shift = 24 * (round(year * _DAYS_PER_YEAR) + day)
            if all(np.isfinite(at_hours(cover, span + shift)).all() for cover in covers.values()):
                shifts.append(shift)
    return np.array(shifts, dtype=np.int64)

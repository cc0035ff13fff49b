"""Pass search: ours against Skyfield's `find_events`, brahe's compiled accesses, and bare SGP4.

The work: the first ten shipped satellites over the first thirty stations of the catalogue, above 20 deg, for thirty
days. Peers take a sample of the pairs and their times are scaled; each sample is timed together with ours.
"""

from __future__ import annotations

import time
import warnings
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.timing import alternating_s, peak_memory_mb
from eqci_space.data import data_path
from eqci_space.errors import StaleElementsWarning
from eqci_space.files.csv_rows import keyed_rows
from eqci_space.orbits.earth import julian_date, station_frame
from eqci_space.orbits.elements import ElementSet, propagator
from eqci_space.orbits.elements_io import read_elements
from eqci_space.orbits.ephemeris import _grid_frame, make_ephemeris
from eqci_space.orbits.passes import find_passes, search_passes
from eqci_space.scenario import Satellite, Scenario, Walker, load_scenario
from eqci_space.scenario.constellations import members

__all__ = ["constellation_passes", "run"]

START = datetime(2027, 1, 1, tzinfo=UTC)
LIMIT_DEG = 20.0
TLE = data_path("orbits", "synthetic_constellations.tle")
SIZES = {"smoke": (2, 6, 2, 2, 1), "full": (10, 30, 30, 30, 7)}  # satellites, stations, days, sampled pairs, rounds

Row = tuple[str, float, str]


def run(size: str) -> list[Row]:
    """Rows (what, value, unit)."""
    warnings.simplefilter("ignore", StaleElementsWarning)
    n_satellites, n_stations, days, n_sample, rounds = SIZES[size]
    sets = read_elements(TLE)[:n_satellites]
    places = _places(n_stations)
    begin = time.perf_counter()
    count = _engine(sets, places, days)
    rows: list[Row] = [
        ("satellites x stations x days", float(n_satellites * n_stations * days), ""),
        ("passes found", count, ""),
        ("first run, compilation or its cache included", time.perf_counter() - begin, "s"),
    ]
    scenario = _scenario(sets, n_stations, days)
    times = alternating_s(
        {
            "engine": lambda: _engine(sets, places, days),
            "sgp4": lambda: _bare_sgp4(sets, days),
            "find_passes": lambda: find_passes(scenario),
        },
        rounds,
    )
    rows += [
        ("ours: elements to events", times["engine"], "s"),
        ("ours: find_passes with its table", times["find_passes"], "s"),
        ("sgp4 C++ on a 180 s grid", times["sgp4"], "s"),
        ("ours / sgp4 (asked: at most 2.5)", times["engine"] / times["sgp4"], ""),
        ("find_passes / sgp4", times["find_passes"] / times["sgp4"], ""),
    ]
    rows += _peers(sets, places, days, n_sample, min(rounds, 3))
    rows += _doubling(sets, places, days, rounds)
    if size == "full":
        rows.append(("memory, 300 satellites x 100 stations x 1 day (asked: below 2048)", _memory_mb(), "MB"))
    return rows


def _places(number: int) -> list[tuple[float, float, float]]:
    """Latitude, longitude [deg] and height [m] of the first stations of the catalogue."""
    rows = list(keyed_rows(data_path("sites", "euroqci.csv"), "ogs").values())[:number]
    return [(float(r["latitude_deg"]), float(r["longitude_deg"]), float(r["height_ellipsoid_m"])) for r in rows]


def _engine(sets: list[ElementSet], places: list[tuple[float, float, float]], days: float) -> int:
    """Elements to events, nothing kept from an earlier run."""
    _grid_frame.cache_clear()
    frames = [station_frame(*p) for p in places]
    positions, zeniths = np.array([p for p, _ in frames]), np.array([r[2] for _, r in frames])
    end = START + timedelta(days=days)
    return sum(
        len(search_passes(make_ephemeris(s, START, end), positions, zeniths, LIMIT_DEG, 0.0, days * 86400.0))
        for s in sets
    )


def _bare_sgp4(sets: list[ElementSet], days: float) -> None:
    jd, fraction = julian_date(START, np.arange(0.0, days * 86400.0, 180.0))
    for elements in sets:
        propagator(elements).sgp4_array(jd, fraction)


def _scenario(sets: list[ElementSet], n_stations: int, days: float) -> Scenario:
    """The same work as a scenario."""
    base = load_scenario("quant-gpicz")
    names = list(keyed_rows(data_path("sites", "euroqci.csv"), "ogs"))[:n_stations]
    some = base.stations["DLR-OP"]
    stations = {
        ogs: some.model_copy(update={"latitude_deg": p[0], "longitude_deg": p[1], "height_ellipsoid_m": p[2]})
        for ogs, p in zip(names, _places(n_stations), strict=True)
    }
    satellites = tuple(Satellite(name=s.name, elements=str(TLE), terminal=base.satellites[0].terminal) for s in sets)
    period = {"start": START, "end": START + timedelta(days=days)}
    return base.model_copy(update={"satellites": satellites, "stations": stations, **period})


def _peers(
    sets: list[ElementSet], places: list[tuple[float, float, float]], days: float, n_sample: int, rounds: int
) -> list[Row]:
    """Times of Skyfield and brahe on evenly spread pairs, scaled to all pairs, each beside ours in the same rounds."""
    pairs = [(s, p) for s in range(len(sets)) for p in range(len(places))]
    chosen = pairs[:: max(1, len(pairs) // n_sample)][:n_sample]
    scale = len(pairs) / len(chosen)
    peers = {"Skyfield": (_skyfield, 80), "brahe": (_brahe, 50)}
    rows: list[Row] = []
    for name, (func, asked) in peers.items():
        peer = partial(func, chosen, places, days)
        try:
            found = peer()
        except ImportError as error:
            print(f"{name} left out: {error}; pip install -e '.[bench]'")
            continue
        times = alternating_s({"ours": partial(_engine, sets, places, days), "peer": peer}, rounds)
        scaled = times["peer"] * scale
        ours = sum(_engine([sets[s]], [places[p]], days) for s, p in chosen)
        rows += [
            (f"{name}, {len(chosen)} of {len(pairs)} pairs, scaled", scaled, "s"),
            (f"{name} / ours (asked: at least {asked})", scaled / times["ours"], ""),
            (f"{name}: passes in its sample, less ours", found - ours, ""),
        ]
    return rows


def _tle_lines() -> list[tuple[str, str]]:
    lines = [x for x in Path(TLE).read_text(encoding="utf-8").splitlines() if x.startswith(("1 ", "2 "))]
    return list(zip(lines[::2], lines[1::2], strict=True))


def _skyfield(chosen: list[tuple[int, int]], places: list[tuple[float, float, float]], days: float) -> int:
    from skyfield.api import EarthSatellite, load, wgs84

    timescale = load.timescale()
    t0, t1 = timescale.from_datetime(START), timescale.from_datetime(START + timedelta(days=days))
    lines, count = _tle_lines(), 0
    for s, p in chosen:
        satellite = EarthSatellite(*lines[s], "", timescale)
        site = wgs84.latlon(places[p][0], places[p][1], elevation_m=places[p][2])
        _, events = satellite.find_events(site, t0, t1, altitude_degrees=LIMIT_DEG)
        count += int((events == 1).sum())
    return count


def _brahe(chosen: list[tuple[int, int]], places: list[tuple[float, float, float]], days: float) -> int:
    import brahe

    brahe.initialize_eop()
    brahe.set_num_threads(1)
    config = brahe.AccessSearchConfig(parallel=False)
    limit = brahe.ElevationConstraint(min_elevation_deg=LIMIT_DEG)
    begin = brahe.Epoch.from_datetime(START.year, START.month, START.day, 0, 0, 0.0, 0.0, brahe.TimeSystem.UTC)
    lines, count = _tle_lines(), 0
    for s, p in chosen:
        latitude, longitude, height = places[p]
        site = brahe.PointLocation(longitude, latitude, height)
        satellite = brahe.SGPPropagator.from_tle(*lines[s], 60.0)
        count += len(brahe.location_accesses(site, satellite, begin, begin + days * 86400.0, limit, config=config))
    return count


def _doubling(sets: list[ElementSet], places: list[tuple[float, float, float]], days: float, rounds: int) -> list[Row]:
    """Growth of the cost when the work doubles; 2 is linear."""
    half_sets, half_places = sets[: len(sets) // 2], places[: len(places) // 2]
    mixed = [p for pair in zip(places[::2], places[1::2], strict=False) for p in pair[:1]]
    times = alternating_s(
        {
            "whole": lambda: _engine(sets, places, days),
            "satellites": lambda: _engine(half_sets, places, days),
            "stations": lambda: _engine(sets, mixed or half_places, days),
            "days": lambda: _engine(sets, places, days / 2),
        },
        rounds,
    )
    return [(f"cost when {k} double (2 is linear)", times["whole"] / times[k], "") for k in list(times)[1:]]


def constellation_passes() -> int:
    """Passes of 300 satellites over 100 stations in a day, as a table."""
    base = load_scenario("quant-gpicz")
    pattern = Walker(kind="walker_delta", altitude_km=550, inclination_deg=60, satellites=300, planes=20, phasing=1)
    terminal, some = base.satellites[0].terminal, base.stations["DLR-OP"]
    satellites = tuple(Satellite(name=n, orbit=o, terminal=terminal) for n, o in members("W", pattern))
    stations = {
        f"S{i}": some.model_copy(update={"latitude_deg": 35.0 + 3 * (i % 10), "longitude_deg": -10.0 + 4 * (i // 10)})
        for i in range(100)
    }
    day = {"start": START, "end": START + timedelta(days=1)}
    return len(find_passes(base.model_copy(update={"satellites": satellites, "stations": stations, **day})))


def _memory_mb() -> float:
    return peak_memory_mb("from benchmarks.passes import constellation_passes\nprint(constellation_passes())")

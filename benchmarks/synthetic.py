"""A seeded planning instance of European size: its numbers show how solvers behave, not what networks can do.

Circular sun-synchronous satellites (secular J2) over the 27 capitals of the European Union and three more places; toy
key rates ``2000 bit/s · (600 km / range)² · exp(-0.35 / sin el)``; clear nights from a Gaussian correlated over 600 km
and half from day to day; the 100 shortest links between cities under 1,300 km at ``2 kbit/s · exp(-d / 1200 km)``,
none to Dublin, Valletta, Nicosia and Tenerife; one demand per pair of capitals, from 20 kbit to 5 Mbit a day, weights
from 0.5 to 2 scaled to mean 1. All values assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import norm

PLACES = {
    "Vienna": (48.21, 16.37), "Brussels": (50.85, 4.35), "Sofia": (42.70, 23.32), "Zagreb": (45.81, 15.98),
    "Nicosia": (35.17, 33.37), "Prague": (50.08, 14.44), "Copenhagen": (55.68, 12.57), "Tallinn": (59.44, 24.75),
    "Helsinki": (60.17, 24.94), "Paris": (48.85, 2.35), "Berlin": (52.52, 13.40), "Athens": (37.98, 23.73),
    "Budapest": (47.50, 19.04), "Dublin": (53.35, -6.26), "Rome": (41.90, 12.50), "Riga": (56.95, 24.11),
    "Vilnius": (54.69, 25.28), "Luxembourg": (49.61, 6.13), "Valletta": (35.90, 14.51), "Amsterdam": (52.37, 4.90),
    "Warsaw": (52.23, 21.01), "Lisbon": (38.72, -9.14), "Bucharest": (44.43, 26.10), "Bratislava": (48.15, 17.11),
    "Ljubljana": (46.05, 14.51), "Madrid": (40.42, -3.70), "Stockholm": (59.33, 18.07), "Tenerife": (28.30, -16.51),
    "Oberpfaffenhofen": (48.08, 11.28), "Matera": (40.65, 16.70),
}  # fmt: skip
_NO_FIBRE = {"Dublin", "Valletta", "Nicosia", "Tenerife"}
_EARTH_KM, _MU, _J2 = 6378.137, 398600.4418, 1.08262668e-3
_YEAR_S = 365.2422 * 86400.0
_STEP_S = 10.0


@dataclass(frozen=True)
class Instance:
    """Candidates (pandas, times in seconds), links, demands and bins of one instance."""

    candidates: pd.DataFrame
    links: pd.DataFrame
    demands: pd.DataFrame
    days: int


def make_instance(satellites: int, days: int, *, stations: int = 30, seed: int = 7) -> Instance:
    """The instance of a size; the same for the same arguments."""
    places = dict(list(PLACES.items())[:stations])
    rng = np.random.default_rng(seed)
    clear = _clear_probability(places, days, rng)
    candidates = _candidates(places, satellites, days, clear)
    return Instance(candidates, _links(places), _demands(rng), days)


def _unit(latitude_deg: np.ndarray, longitude_deg: np.ndarray) -> np.ndarray:
    lat, lon = np.radians(latitude_deg), np.radians(longitude_deg)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _distance_km(places: dict[str, tuple[float, float]]) -> np.ndarray:
    where = _unit(*np.array(list(places.values())).T)
    return _EARTH_KM * np.arccos(np.clip(where @ where.T, -1.0, 1.0))


def _clear_probability(places: dict[str, tuple[float, float]], days: int, rng: np.random.Generator) -> np.ndarray:
    """Chance of a clear night (stations, days): a forecast around one half, alike nearby and from day to day."""
    root = np.linalg.cholesky(np.exp(-_distance_km(places) / 600.0) + 1e-9 * np.eye(len(places)))
    state, out = root @ rng.standard_normal(len(places)), []
    for _ in range(days):
        state = 0.5 * state + np.sqrt(1 - 0.5**2) * (root @ rng.standard_normal(len(places)))
        out.append(norm.cdf(state - 0.1))
    return np.array(out).T


def _candidates(places: dict[str, tuple[float, float]], satellites: int, days: int, clear: np.ndarray) -> pd.DataFrame:
    time = np.arange(0.0, days * 86400.0, _STEP_S)
    radius = _EARTH_KM + 550.0
    motion = np.sqrt(_MU / radius**3)
    inclination = np.arccos(-2 * np.pi / _YEAR_S / (1.5 * _J2 * motion * (_EARTH_KM / radius) ** 2))
    turn = 2 * np.pi * (1 / 86400.0 + 1 / _YEAR_S)
    names, where = list(places), _unit(*np.array(list(places.values())).T)
    # At an equinox the Sun stands over the equator; time 0 is noon in Greenwich.
    sun = np.stack([np.cos(2 * np.pi * time / 86400), -np.sin(2 * np.pi * time / 86400), np.zeros_like(time)], axis=1)
    night = where @ sun.T < -np.sin(np.radians(6.0))
    rows = []
    for s in range(satellites):
        along = motion * time + 2 * np.pi * s * 0.618034
        node = 2 * np.pi * ((s % 5) / 5 + time / _YEAR_S) - turn * time
        position = radius * np.stack([
            np.cos(node) * np.cos(along) - np.sin(node) * np.sin(along) * np.cos(inclination),
            np.sin(node) * np.cos(along) + np.cos(node) * np.sin(along) * np.cos(inclination),
            np.sin(along) * np.sin(inclination),
        ], axis=1)  # fmt: skip
        for g, name in enumerate(names):
            line = position - _EARTH_KM * where[g]
            distance = np.linalg.norm(line, axis=1)
            sine = line @ where[g] / distance
            seen = np.flatnonzero((sine > np.sin(np.radians(25.0))) & night[g])
            for part in np.split(seen, np.flatnonzero(np.diff(seen) > 1) + 1) if len(seen) else []:
                rate = 2000.0 * (600.0 / distance[part]) ** 2 * np.exp(-0.35 / sine[part])
                day = int(time[part[0]] // 86400)
                rows.append((f"S{s:02d}", name, time[part[0]], time[part[-1]] + _STEP_S,
                             float(rate.sum() * _STEP_S), float(clear[g, day]), day))  # fmt: skip
    table = pd.DataFrame(rows, columns=["satellite", "ogs", "start_s", "end_s", "skl_bit", "p_clear", "day"])
    return table.sort_values(["start_s", "satellite", "ogs"], ignore_index=True)


def _links(places: dict[str, tuple[float, float]]) -> pd.DataFrame:
    names, distance = list(places), _distance_km(places)
    pairs = [(distance[i, j], names[i], names[j]) for i, j in combinations(range(len(names)), 2)]
    kept = sorted(p for p in pairs if p[0] < 1300 and not _NO_FIBRE & {p[1], p[2]})[:100]
    return pd.DataFrame(
        [(f"{a}-{b}", a, b, 2000.0 * np.exp(-d / 1200.0)) for d, a, b in kept], columns=["link", "a", "b", "rate_bit_s"]
    )


def _demands(rng: np.random.Generator) -> pd.DataFrame:
    pairs = list(combinations(list(PLACES)[:27], 2))
    weight = rng.uniform(0.5, 2.0, len(pairs))
    asked = np.exp(rng.uniform(np.log(2e4), np.log(5e6), len(pairs)))
    return pd.DataFrame({
        "a": [a for a, _ in pairs], "b": [b for _, b in pairs], "weight": weight / weight.mean(),
        "asked_bit_per_day": asked,
    })  # fmt: skip

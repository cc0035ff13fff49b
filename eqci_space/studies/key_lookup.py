"""A lookup of window keys in maximum elevation and noise, for work on more windows than keys can be optimised for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator, RegularGridInterpolator

from eqci_space.errors import TableError
from eqci_space.linkbudget.budget import link_budget
from eqci_space.ogs.sampling import sample_windows
from eqci_space.orbits.passes import find_passes
from eqci_space.qkd.window_keys import window_keys
from eqci_space.scenario import Scenario, Station

__all__ = ["KeyLookup", "exact_keys", "make_key_lookup", "reference_budget", "with_station_at"]

_REFERENCE = "reference"
_ELEVATION_NODES, _SHORT_NODES, _NOISE_PER_DECADE, _FINE = 36, 8, 6, 400
_LEAST_PASSES = 6
_SHORTEST_S, _MARGIN = 1e-9, 1.02


@dataclass(frozen=True)
class KeyLookup:
    """Clear-sky key of a window by the maximum elevation of its pass and by its noise.

    A window that is cut, or whose pass is nearer or farther than the tabulated ones, is read at the maximum elevation
    of the whole pass that brings the same light, ``∫ transmittance dt``, and at the noise that keeps the number of
    noise counts: finite keys go by counts of signal and of noise (derived here; `exact_keys` checks it).

    Attributes
    ----------
    elevation_deg, light_s, seconds : (n,) arrays
        Maximum elevation of the reference passes, rising from the station's limit (where all is zero), their light
        and their length [s].
    noise : (m,) array
        Extraneous clicks per detector and gate.
    key_bit : (n, m) array
    """

    elevation_deg: np.ndarray
    light_s: np.ndarray
    seconds: np.ndarray
    noise: np.ndarray
    key_bit: np.ndarray

    def key(self, light_s: np.ndarray, noise_s: np.ndarray) -> np.ndarray:
        """Key [bit] of windows by their light ``∫ transmittance dt`` and noise ``∫ probability dt`` [s]."""
        elevation, noise, excess = _as_whole_pass(self.elevation_deg, self.light_s, self.seconds, light_s, noise_s)
        y = np.log(np.clip(noise, self.noise[0], self.noise[-1]))
        return np.maximum(0.0, self._fine(np.column_stack([self._share(elevation), y]))) * excess

    def _share(self, elevation_deg: np.ndarray) -> np.ndarray:
        """Elevation on a scale in which the length of passes, and so their key, is nearly linear at the low end."""
        low = self.elevation_deg[0]
        return np.sqrt((elevation_deg - low) / (90.0 - low))

    def _fine(self, points: np.ndarray) -> np.ndarray:
        x, y = self._share(self.elevation_deg), np.log(self.noise)
        fine_x, fine_y = np.linspace(0.0, x[-1], _FINE), np.linspace(y[0], y[-1], _FINE)
        surface = PchipInterpolator(y, PchipInterpolator(x, self.key_bit, axis=0)(fine_x), axis=1)(fine_y)
        inside = np.clip(points, [0.0, y[0]], [fine_x[-1], fine_y[-1]])
        return np.asarray(RegularGridInterpolator((fine_x, fine_y), surface)(inside))


def _as_whole_pass(
    elevation_deg: np.ndarray, node_light_s: np.ndarray, node_seconds: np.ndarray, light_s: np.ndarray,
    noise_s: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Maximum elevation and noise of the whole passes that stand for windows, and how much brighter the windows are.

    Only windows with more light than the best pass are brighter; their key grows with the light, at their own ratio
    of noise to light.
    """
    best = float(node_light_s[-1])
    excess = np.maximum(np.asarray(light_s, dtype=float) / best, 1.0)
    elevation = np.interp(np.minimum(light_s, best), node_light_s, elevation_deg)
    length = np.maximum(np.interp(elevation, elevation_deg, node_seconds), _SHORTEST_S)
    return elevation, np.asarray(noise_s) / (length * excess), excess


def with_station_at(scenario: Scenario, station: Station, places: Iterable[tuple[str, float, float]]) -> Scenario:
    """The scenario with one station at several places (name, latitude, longitude) instead of its own stations.

    Parameters common to all windows of a satellite are left free in each.
    """
    stations = {
        name: station.model_copy(update={"latitude_deg": float(latitude), "longitude_deg": float(longitude)})
        for name, latitude, longitude in places
    }
    protocol = scenario.protocol.model_copy(update={"parameters": "per_window"})
    return scenario.model_copy(update={"stations": stations, "protocol": protocol})


def reference_budget(windows: pd.DataFrame, placed: Scenario, *, nodes: int | None = None) -> pd.DataFrame:
    """BUDGET of WINDOWS at places of one station: the link is the same at all, so that one pair stands for them.

    Only the aerosol of a climatology is that of the place.
    """
    samples = sample_windows(windows, placed, nodes=nodes)
    if placed.atmosphere.aerosol == "climatology":
        return link_budget(samples, placed).assign(ogs=_REFERENCE)
    return link_budget(samples.assign(ogs=_REFERENCE), _at_one(placed))


def _at_one(placed: Scenario) -> Scenario:
    return placed.model_copy(update={"stations": {_REFERENCE: next(iter(placed.stations.values()))}})


def exact_keys(windows: pd.DataFrame, placed: Scenario) -> pd.Series:
    """Clear-sky key [bit] of WINDOWS at places of one station, optimised for each."""
    return window_keys(reference_budget(windows, placed), _at_one(placed))["skl_bit"].reindex(windows.index)


def make_key_lookup(
    placed: Scenario, begin: datetime, end: datetime, light_s: np.ndarray, noise_s: np.ndarray
) -> KeyLookup:
    """Keys of real passes of a satellite, whole and by any light of the sky, each at several levels of noise.

    Parameters
    ----------
    placed : Scenario
        One satellite, and one station at places (`with_station_at`); the passes over them that come nearest to the
        nodes of maximum elevation serve.
    begin, end : datetime
        Where passes are looked for.
    light_s, noise_s : arrays
        Of the windows that will be looked up [s], at least one; the levels of noise span theirs.

    Raises
    ------
    TableError
        The satellite makes too few whole passes over the places.
    """
    station = next(iter(placed.stations.values()))
    windows, elevation = _reference_passes(placed, begin, end)
    # Under the air of one place, so that light rises with elevation: keys are read by light, whatever dims it.
    budget = link_budget(sample_windows(windows, placed).assign(ogs=_REFERENCE), _at_one(placed))
    weighted = (budget["weight_s"] * budget["transmittance"]).groupby(budget["window_id"])
    light = weighted.sum().reindex(windows.index).to_numpy()
    length = (windows["end"] - windows["start"]).dt.total_seconds().to_numpy()
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(light)) > 0])
    tops = np.append(station.min_elevation_deg, elevation[rising])
    light, length = (np.append(0.0, column[rising]) for column in (light, length))
    span = _as_whole_pass(tops, light, length, light_s, noise_s)[1]
    low, high = span.min() / _MARGIN, span.max() * _MARGIN
    noise = np.geomspace(low, high, max(3, 1 + int(np.ceil(_NOISE_PER_DECADE * np.log10(high / low)))))
    keys = [
        window_keys(budget.assign(extraneous_probability=p), _at_one(placed))["skl_bit"].reindex(windows.index)
        for p in noise
    ]
    return KeyLookup(tops, light, length, noise, np.vstack([np.zeros(len(noise)), np.column_stack(keys)[rising]]))


def _reference_passes(placed: Scenario, begin: datetime, end: datetime) -> tuple[pd.DataFrame, np.ndarray]:
    """Whole passes as WINDOWS, by rising maximum elevation [deg].

    Passes lower than the lowest are rare: it stands for them, cut to the length that they would have, which goes with
    the root of the elevation above the limit.
    """
    passes = find_passes(placed, start=begin, end=end)
    passes = passes[~passes["truncated"]].sort_values("max_elevation_deg")
    if len(passes) < _LEAST_PASSES:
        raise TableError(
            f"coverage: '{placed.satellites[0].name}' makes {len(passes)} whole passes over the region's middle in "
            f"the month; expected at least {_LEAST_PASSES} to tabulate keys, as low and medium orbits make"
        )
    top = passes["max_elevation_deg"].to_numpy()
    low = next(iter(placed.stations.values())).min_elevation_deg
    wanted = low + (90.0 - low) * np.linspace(0.0, 1.0, _ELEVATION_NODES)[1:] ** 2
    chosen = np.unique(np.argmin(np.abs(top[None, :] - wanted[:, None]), axis=1))
    some = passes.iloc[chosen]
    windows = some[["satellite", "ogs"]].assign(pass_id=some.index, start=some["aos"], end=some["los"])
    shares = np.arange(1, _SHORT_NODES) / _SHORT_NODES
    half = (some["los"].iloc[0] - some["aos"].iloc[0]) / 2
    middle = some["aos"].iloc[0] + half
    short = pd.concat([windows.iloc[:1].assign(start=middle - x * half, end=middle + x * half) for x in shares])
    short.index = pd.Index([f"{name}/{i}" for i, name in enumerate(short.index)])
    windows = pd.concat([short, windows]).rename_axis("window_id")
    return windows, np.concatenate([low + shares**2 * (top[chosen[0]] - low), top[chosen]])

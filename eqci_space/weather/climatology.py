"""Monthly cloud climate of stations and the chance that a window stays clear."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
import pandas as pd

from eqci_space.data import data_path
from eqci_space.errors import ModelValidityWarning, TableError
from eqci_space.scenario import Scenario, Station, placed, unknown_pair
from eqci_space.tables import check_table
from eqci_space.weather.line_of_sight import mean_cloud_free_probability

__all__ = ["clear_probability", "cloud_cover", "nearest_climate"]

_FAR_KM = 150.0
_EARTH_KM = 6371.0
_DAY_OF_YEAR_NODES = np.array([15, 45, 74, 105, 135, 166, 196, 227, 258, 288, 319, 349], dtype=float)


@lru_cache(maxsize=1)
def _climate() -> pd.DataFrame:
    """Monthly mean cloud fraction per site (columns est_cloud_m01..12), with coordinates."""
    return pd.read_csv(data_path("weather", "ogs_cloud_fraction_estimates.csv"))


def nearest_climate(latitude_deg: float, longitude_deg: float) -> tuple[str, float]:
    """Name of the nearest site of the climate table and its distance [km]."""
    table = _climate()
    lat, lon = np.radians(table["lat_deg"].to_numpy()), np.radians(table["lon_deg"].to_numpy())
    here = np.radians(latitude_deg)
    half = (
        np.sin((lat - here) / 2) ** 2 + np.cos(lat) * np.cos(here) * np.sin((lon - np.radians(longitude_deg)) / 2) ** 2
    )
    distance = 2 * _EARTH_KM * np.arcsin(np.sqrt(half))
    best = int(np.argmin(distance))
    return str(table["site"].iloc[best]), float(distance[best])


def cloud_cover(station: Station, times: pd.DatetimeIndex) -> np.ndarray:
    """Mean cloud fraction at a station, monthly means joined linearly through the year.

    The table of 39 sites is an estimate (CM SAF annual means with the monthly shape of ECA&D and ERA5
    neighbours), good to about 0.03; the nearest site is used, with a warning beyond 150 km.
    """
    site, distance_km = nearest_climate(station.latitude_deg, station.longitude_deg)
    if distance_km > _FAR_KM:
        warnings.warn(
            f"cloud climate of '{station.name}' is that of {site}, {distance_km:.0f} km away",
            ModelValidityWarning,
            stacklevel=2,
        )
    row = _climate().set_index("site").loc[site]
    monthly = row[[f"est_cloud_m{m:02d}" for m in range(1, 13)]].to_numpy(dtype=float)
    day = times.day_of_year.to_numpy(dtype=float) - 1 + times.hour.to_numpy() / 24
    return np.interp(day, _DAY_OF_YEAR_NODES, monthly, period=365.25)


def clear_probability(samples: pd.DataFrame, scenario: Scenario) -> pd.Series:
    """Probability per window that its line of sight is free of cloud.

    The state of the sky is one draw per window; the probability is averaged over the window's own
    elevations, weighted by time. The climate table is cover as seen from space.

    Parameters
    ----------
    samples : DataFrame
        SAMPLES or BUDGET.
    scenario : Scenario

    Returns
    -------
    Series
        `p_clear` by window_id, in 0..1.
    """
    check_table(samples, "SAMPLES", "clear_probability")
    model = scenario.weather.model
    values: dict[str, float] = {}
    for window_id, part in samples.groupby("window_id", sort=False):
        if model == "climatology":
            satellite, ogs = part["satellite"].iloc[0], part["ogs"].iloc[0]
            if ogs not in scenario.stations:
                raise TableError(f"clear_probability: {unknown_pair(satellite, ogs, scenario)}")
            middle = pd.DatetimeIndex(part["time"].iloc[[len(part) // 2]])
            here = [s for s, mask in placed(scenario.stations[ogs], middle) if mask.any()]
            if not here:
                raise TableError(f"clear_probability: window '{window_id}' lies outside the dates of station '{ogs}'")
            cover = float(cloud_cover(here[0], middle)[0])
            clear = mean_cloud_free_probability(cover, part["elevation_deg"].to_numpy(), seen_from="space")
            values[window_id] = float(np.average(clear, weights=part["weight_s"]))
        else:
            values[window_id] = 1.0 if scenario.weather.p_clear is None else scenario.weather.p_clear
    series = pd.Series(values, name="p_clear", dtype=float)
    return series.rename_axis("window_id")

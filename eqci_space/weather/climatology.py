"""Monthly cloud climate of stations and the chance that a window stays clear."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.interpolate import RegularGridInterpolator
from scipy.special import betainc, expit, logit

from eqci_space.data import data_path
from eqci_space.errors import DataError
from eqci_space.scenario import Station
from eqci_space.weather.line_of_sight import NORMALISED_DEVIATION

__all__ = ["cloud_cover", "monthly_cover", "nearest_climate", "okta_distribution"]

_FAR_KM = 150.0
_EARTH_KM = 6371.0
_REGRESSION = (0.222, 0.865)
_ABOVE_INVERSION = 0.55
_MIDWINTER_DAY = 15.0
_CET_TO_SOLAR_H = -0.33  # the stations of the daily course lie around 10 E
_DAY_OF_YEAR_NODES = np.array([15, 45, 74, 105, 135, 166, 196, 227, 258, 288, 319, 349], dtype=float)


@lru_cache(maxsize=1)
def _climate() -> pd.DataFrame:
    """Monthly mean cloud fraction per site (columns est_cloud_m01..12), with coordinates."""
    return pd.read_csv(data_path("weather", "ogs_cloud_fraction_estimates.csv"))


def _distances_km(latitude_deg: float, longitude_deg: float) -> np.ndarray:
    """Great-circle distances [km] to the sites of the table."""
    table = _climate()
    lat, lon = np.radians(table["lat_deg"].to_numpy()), np.radians(table["lon_deg"].to_numpy())
    here = np.radians(latitude_deg)
    half = (
        np.sin((lat - here) / 2) ** 2 + np.cos(lat) * np.cos(here) * np.sin((lon - np.radians(longitude_deg)) / 2) ** 2
    )
    return 2 * _EARTH_KM * np.arcsin(np.sqrt(half))


def nearest_climate(latitude_deg: float, longitude_deg: float) -> tuple[str, float]:
    """Name of the nearest site of the climate table and its distance [km]."""
    distance = _distances_km(latitude_deg, longitude_deg)
    best = int(np.argmin(distance))
    return str(_climate()["site"].iloc[best]), float(distance[best])


@lru_cache(maxsize=1)
def _grid() -> RegularGridInterpolator:
    """Annual probability of liquid-water cloud by latitude and longitude, bilinear."""
    table = pd.read_csv(data_path("weather", "liquid_cloud_probability_p840.csv"))
    wide = table.pivot_table(index="latitude_deg", columns="longitude_deg", values="p_liquid_cloud").sort_index()
    return RegularGridInterpolator((wide.index.to_numpy(), wide.columns.to_numpy()), wide.to_numpy())


@lru_cache(maxsize=1)
def _diurnal() -> np.ndarray:
    """Logit anomaly of cover by season (winter first) and three-hour block of the day (4, 8)."""
    table = pd.read_csv(data_path("weather", "diurnal_cover_germany.csv"))
    cover = table.set_index(["season", "cet_hour"])["cover"]
    cover = np.array([cover[season].to_numpy() for season in ("DJF", "MAM", "JJA", "SON")])
    return logit(cover) - logit(cover.mean(axis=1))[:, None]


def monthly_cover(latitude_deg: float, longitude_deg: float) -> tuple[np.ndarray, str]:
    """Mean cloud fraction of the twelve months as seen from space, and where it comes from.

    Within 150 km of a site of the table, its months. Elsewhere the annual mean ``0.222 + 0.865 p`` of the probability
    of liquid-water cloud p of ITU-R P.840 (regression on 31 stations, r = 0.89, rms 0.030), with the monthly shape of
    the sites around, in logits with weights ``1/(50 km + d)³``.

    Raises
    ------
    DataError
        The place lies outside the map, 27 to 72 N and 26 W to 46 E.
    """
    site, distance_km = nearest_climate(latitude_deg, longitude_deg)
    table = _climate().set_index("site")
    months = table[[f"est_cloud_m{m:02d}" for m in range(1, 13)]]
    if distance_km <= _FAR_KM:
        return months.loc[site].to_numpy(dtype=float), f"cloud table, {site}, {distance_km:.0f} km away"
    try:
        liquid = float(_grid()([[latitude_deg, longitude_deg]])[0])
    except ValueError:
        raise DataError(
            f"monthly_cover: no cloud climate at {latitude_deg:g} N, {longitude_deg:g} E; expected 27 to 72 N and 26 W "
            "to 46 E; give model = 'constant' and p_clear under [weather]"
        ) from None
    annual = float(np.clip(_REGRESSION[0] + _REGRESSION[1] * liquid, 0.02, 0.98))
    weight = 1 / (50 + _distances_km(latitude_deg, longitude_deg)) ** 3
    values = logit(months.to_numpy(dtype=float))
    shape = weight @ (values - logit(months.mean(axis=1).to_numpy())[:, None]) / weight.sum()
    return expit(logit(annual) + shape), "ITU-R P.840 map and monthly shape of the sites around"


def _altitude_share(latitude_deg: float, height_msl_m: float) -> float:
    """Share of the cover that lies above a mountain station where an inversion caps low cloud.

    0.55 of Tenerife's cloud stands above its station (ERA5, Teide: 0.22 of 0.40); Alpine summits keep all of theirs.
    Joined linearly from 30 to 42 N and from 1000 to 2000 m (assumed).
    """
    south = float(np.interp(latitude_deg, [30.0, 42.0], [1.0, 0.0]))
    high = float(np.interp(height_msl_m, [1000.0, 2000.0], [0.0, 1.0]))
    return 1 - (1 - _ABOVE_INVERSION) * south * high


@lru_cache(maxsize=1)
def _summit_shape() -> np.ndarray:
    """Logit anomaly of the months on Sonnblick, 3106 m."""
    table = pd.read_csv(data_path("weather", "ecad_monthly_cloudiness.csv"))
    mine = table[table["station"] == "SONNBLICK"].groupby("month")["mean_fraction"].mean().sort_index()
    values = logit(mine.to_numpy())
    return np.asarray(values - values.mean())


def _on_a_mountain(monthly: np.ndarray, latitude_deg: float, height_msl_m: float) -> np.ndarray:
    """Months of a place, for a station on a mountain there.

    In the south low cloud stays below the station (`_altitude_share`). In the north the year keeps its mean and turns
    round: summits stand above the fog of winter and in the showers of summer. That is the course of Sonnblick (ECA&D
    2000 to 2009), joined from 1000 m up to its height (assumed).
    """
    north = float(np.interp(latitude_deg, [30.0, 42.0], [0.0, 1.0]))
    share = north * float(np.interp(height_msl_m, [1000.0, 3106.0], [0.0, 1.0]))
    values = logit(monthly * _altitude_share(latitude_deg, height_msl_m))
    middle = values.mean()
    return np.asarray(expit(middle + (1 - share) * (values - middle) + share * _summit_shape()))


def cloud_cover(station: Station, times: pd.DatetimeIndex) -> np.ndarray:
    """Mean cloud fraction over a station as seen from space, by month and hour.

    Monthly means (`monthly_cover`) are joined linearly through the year. The daily course is that of 15 German stations
    by season and local solar hour, in logits: nights are clearer. What lies below a mountain station counts not, and
    northern summits have their cloud in summer. A station's own `cloud_fraction_by_month` comes first. Good to about
    0.03.
    """
    if station.cloud_fraction_by_month:
        monthly = np.array(station.cloud_fraction_by_month)
    else:
        monthly, _ = monthly_cover(station.latitude_deg, station.longitude_deg)
        monthly = _on_a_mountain(monthly, station.latitude_deg, station.height_msl_m)
    day = times.day_of_year.to_numpy(dtype=float) - 1 + times.hour.to_numpy() / 24
    mean = np.interp(day, _DAY_OF_YEAR_NODES, monthly, period=365.25)
    solar_hour = (times.hour + times.minute / 60).to_numpy() + station.longitude_deg / 15
    hours = np.arange(0, 24, 3) + _CET_TO_SOLAR_H
    anomaly = np.stack([np.interp(solar_hour, hours, row, period=24) for row in _diurnal()])
    season, share = np.divmod((day - _MIDWINTER_DAY) % 365.25 / (365.25 / 4), 1)
    now, every = season.astype(int), np.arange(len(times))
    course = (1 - share) * anomaly[now % 4, every] + share * anomaly[(now + 1) % 4, every]
    return expit(logit(np.clip(mean, 1e-6, 1 - 1e-6)) + course)


def okta_distribution(mean_cover: float, *, normalised_deviation: float = NORMALISED_DEVIATION) -> np.ndarray:
    """Probability of each okta 0 to 8 for a beta distribution about a mean: U-shaped, as skies are.

    Okta 0 and 8 take half an eighth at the ends, as rounding does. The mean of the oktas is 8 times the cover.
    """
    if not 0 < mean_cover < 1:
        raise ValueError(f"okta_distribution: mean_cover = {mean_cover}; expected a fraction between 0 and 1")
    concentration = normalised_deviation**-2 - 1
    edges = np.concatenate([[0.0], (np.arange(8) + 0.5) / 8, [1.0]])
    return np.diff(betainc(mean_cover * concentration, (1 - mean_cover) * concentration, edges))

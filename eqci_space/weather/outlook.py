"""What is known of the sky over events at stations: the climate, a forecast of it, or the years of a record."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.polynomial.legendre import leggauss
from scipy.special import ndtri

from eqci_space.errors import DataError, EqciWarning, TableError
from eqci_space.scenario import Scenario, dated_stations, placed, unknown_pair
from eqci_space.tables import check_table
from eqci_space.weather.climatology import cloud_cover, monthly_cover
from eqci_space.weather.forecast import cloud_quantile, forecast_correlation, normal_score
from eqci_space.weather.line_of_sight import cloud_free_probability
from eqci_space.weather.records import Replay, at_hours, record_sites, replay, station_covers

__all__ = ["Outlook", "clear_probability", "outlook", "slot_clear_probability", "without_climate"]

_LEAST_COVER, _MOST_COVER = 0.005, 0.995
_X, _W = leggauss(64)


@dataclass(frozen=True)
class Outlook:
    """The sky over m events.

    Attributes
    ----------
    places : (n, 2) array
        Latitude and longitude [deg] of the distinct places.
    place : (m,) integer array
        The place of each event.
    cover : (m,) array
        Mean cloud fraction of the climate; with `past`, of the record.
    mean, spread : (m,) arrays
        Of the latent field behind the cover, given what is known: 0 and 1 in the climate.
    past : Replay or None
        The record's covers instead.
    """

    places: np.ndarray
    place: np.ndarray
    cover: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    past: Replay | None = None

    def covers(self) -> tuple[np.ndarray, np.ndarray]:
        """Cloud fractions (m, k) that may come, and their probabilities (m, k)."""
        if self.past is not None:
            members = self.past.members()
            known = np.isfinite(members)
            return np.where(known, members, 0.0), known / known.sum(axis=1, keepdims=True)
        latent = self.mean[:, None] + self.spread[:, None] * ndtri(0.5 * (_X + 1))
        return cloud_quantile(latent, self.cover[:, None]), np.broadcast_to(0.5 * _W, latent.shape)


def without_climate(scenario: Scenario) -> dict[str, str]:
    """Stations at which the scenario's weather model needs a cloud climate and none is known: what is wrong with each.

    A plan needs it only where they see a satellite.
    """
    lost: dict[str, str] = {}
    for name, station in scenario.stations.items() if scenario.weather.model in ("climatology", "forecast") else ():
        try:
            for place in () if station.cloud_fraction_by_month else dated_stations(station):
                monthly_cover(place.latitude_deg, place.longitude_deg)
        except DataError as error:
            lost[name] = f"{error}, or state cloud_fraction_by_month under [station.{name}]"
    return lost


def outlook(ogs: np.ndarray, times: pd.DatetimeIndex, scenario: Scenario) -> Outlook:
    """What the scenario's weather model knows of events at stations.

    Raises
    ------
    TableError
        A station is unknown, or an event lies outside the dates of a mobile one.
    DataError
        The weather file cannot be read, or does not hold what the model needs.

    Warns
    -----
    EqciWarning
        A forecast does not reach all events; the climate stands in.
    """
    cover, spot, sites = np.full(len(ogs), np.nan), np.full((len(ogs), 2), np.nan), np.array(ogs, dtype=object)
    for name in pd.unique(ogs):
        if name not in scenario.stations:
            raise TableError(f"weather: {unknown_pair(scenario.satellites[0].name, str(name), scenario)}")
        mine = np.flatnonzero(ogs == name)
        named = record_sites(str(name), scenario.stations[name])
        for site, (station, here) in zip(named, placed(scenario.stations[name], pd.Series(times[mine])), strict=True):
            rows = mine[here.to_numpy()]
            sites[rows] = site
            spot[rows] = station.latitude_deg, station.longitude_deg
            if len(rows) and scenario.weather.model in ("climatology", "forecast"):
                cover[rows] = cloud_cover(station, times[rows])
    if np.isnan(spot).any():
        row = int(np.flatnonzero(np.isnan(spot[:, 0]))[0])
        raise TableError(f"weather: {times[row]} lies outside the dates of station '{ogs[row]}'")
    places, place = np.unique(spot, axis=0, return_inverse=True)
    mean, spread, past = np.zeros(len(ogs)), np.ones(len(ogs)), None
    if scenario.weather.model == "record":
        past = replay(scenario, sites, times)
        cover = np.nanmean(past.members(), axis=1) if len(ogs) else cover
    cover = np.clip(cover, _LEAST_COVER, _MOST_COVER)
    if scenario.weather.model == "forecast":
        mean, spread = _blended(sites, times, cover, scenario)
    return Outlook(places, place.ravel(), cover, mean, spread, past)


def _blended(
    sites: np.ndarray, times: pd.DatetimeIndex, cover: np.ndarray, scenario: Scenario
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of the latent field given the forecast; 0 and 1 where there is none."""
    model = scenario.weather
    covers = station_covers(scenario)
    hours = np.round(times.as_unit("ns").asi8 / 3.6e12).astype(np.int64)
    foretold = np.array([at_hours(covers[o], h) for o, h in zip(sites, hours, strict=True)], dtype=float).reshape(-1)
    missing = int(np.isnan(foretold).sum())
    if missing:
        warnings.warn(
            f"weather.file: the forecast misses {missing} of {len(sites)} contacts; the climate stands in for them",
            EqciWarning,
            stacklevel=2,
        )
    lead = (times - pd.Timestamp(model.issued or scenario.start)) / pd.Timedelta(hours=1)
    r = forecast_correlation(np.asarray(lead), at_once=model.skill_at_once, decay_h=model.skill_decay_h)
    r = np.where(np.isnan(foretold), 0.0, r)
    return r * normal_score(np.nan_to_num(foretold), cover), np.sqrt(1 - r**2)


def slot_clear_probability(samples: pd.DataFrame, scenario: Scenario) -> pd.Series:
    """Probability in every slot that the line of sight is free of cloud, one draw of the sky per window.

    The probability is averaged over the covers that may come at the window's middle. Cover is as seen from space.

    Parameters
    ----------
    samples : DataFrame
        SAMPLES or BUDGET.
    scenario : Scenario

    Returns
    -------
    Series
        In 0..1, by the rows of `samples`.
    """
    check_table(samples, "SAMPLES", "slot_clear_probability")
    model = scenario.weather
    values = np.full(len(samples), 1.0 if model.p_clear is None else model.p_clear)
    if model.model not in ("clear_sky", "constant"):
        windows = list(samples.groupby("window_id", sort=False).indices.values())
        ogs, elevation = samples["ogs"].to_numpy(dtype=object), samples["elevation_deg"].to_numpy()
        middle = pd.DatetimeIndex(samples["time"])[[rows[len(rows) // 2] for rows in windows]]
        covers, chance = outlook(np.array([ogs[rows[0]] for rows in windows], dtype=object), middle, scenario).covers()
        for i, rows in enumerate(windows):
            free = cloud_free_probability(covers[i], elevation[rows][:, None], seen_from="space")
            values[rows] = free @ chance[i]
    return pd.Series(values, index=samples.index, name="p_clear")


def clear_probability(samples: pd.DataFrame, scenario: Scenario) -> pd.Series:
    """Probability per window that its line of sight is free of cloud, averaged over its own elevations by time.

    Parameters and source are those of `slot_clear_probability`.

    Returns
    -------
    Series
        `p_clear` by window_id, in 0..1.
    """
    value = slot_clear_probability(samples, scenario)
    weight, window = samples["weight_s"], samples["window_id"]
    mean = (value * weight).groupby(window, sort=False).sum() / weight.groupby(window, sort=False).sum()
    return mean.rename("p_clear").rename_axis("window_id")

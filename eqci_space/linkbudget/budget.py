"""The link budget of samples: one column per term, from the transmit aperture to the click."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import pandas as pd

from eqci_space.errors import ModelValidityWarning, TableError
from eqci_space.linkbudget.aerosol import year_share
from eqci_space.linkbudget.background import (
    light_pollution_radiance_w_m2_sr_m,
    moonlight_luminance_cd_m2,
    moonlight_radiance_w_m2_sr_m,
    moonset_share,
    night_radiance_w_m2_sr_m,
)
from eqci_space.linkbudget.clear_air import aerosol_model
from eqci_space.linkbudget.detector import extraneous_probability
from eqci_space.linkbudget.fades import fade_loss_db
from eqci_space.linkbudget.link import Link, link_between
from eqci_space.linkbudget.ranges import Range
from eqci_space.linkbudget.receiving import background_clicks_hz, intrinsic_error
from eqci_space.linkbudget.terms import TERMS, neighbour_ratio
from eqci_space.linkbudget.uplink_terms import TERMS_OF_BOTH, link_losses
from eqci_space.linkbudget.validity import VALID_WHERE, term_validity
from eqci_space.scenario import Scenario, placed, unknown_pair
from eqci_space.tables import check_table
from eqci_space.units import ratio_from_db

__all__ = ["LOSS_TERMS", "budget_terms", "link_budget", "loss_labels", "waterfall_table"]

LOSS_TERMS = {column: term.label for column, term in TERMS.items()}
_LAMPS_NEAR, _LAMPS_FAR, _LAMPS_END_M = 0.3, 0.1, 1e-6  # assumed: lamps in towns emit little beyond the visible
_SAMPLE_RANGES = {
    "elevation_deg": Range(0, 90, "deg", above=True),
    "range_m": Range(50e3, 1e9, "m"),
    "weight_s": Range(0, 86_400, "s", above=True),
    "angular_rate_rad_s": Range(0, 1, "rad/s"),
    "range_rate_m_s": Range(-20e3, 20e3, "m/s"),
    "sun_elevation_deg": Range(-90.1, 90.1, "deg"),
    "moon_elevation_deg": Range(-90.1, 90.1, "deg"),
    "moon_separation_deg": Range(0, 180, "deg"),
    "moon_phase_deg": Range(0, 180, "deg"),
}
_MOON_EXTINCTION_MAG = 0.172
_FADE = ("joint quantile of pointing and scintillation", "Farid, Hranilovic 2007; Andrews, Phillips 2005")


def link_budget(
    samples: pd.DataFrame,
    scenario: Scenario,
    *,
    statistic: Literal["mean", "quantile"] = "mean",
    exceeded_probability: float = 0.01,
) -> pd.DataFrame:
    """Loss, transmittance, background and intrinsic error of every sample.

    Key counts are linear in the mean transmittance, so the default holds no fade margin. The quantile is the loss that
    pointing and scintillation together exceed with a probability: for tracking and dead time, never for key.

    Parameters
    ----------
    samples : DataFrame
        SAMPLES.
    scenario : Scenario
    statistic : {"mean", "quantile"}
        "quantile" adds `fade_loss_db`, what the joint fade exceeds the mean by, and counts it in the total.
    exceeded_probability : float
        Of the quantile, 1e-6 to 0.5.

    Returns
    -------
    DataFrame
        BUDGET: SAMPLES with `LOSS_TERMS`, `turbulence_loss_db` where a satellite of the scenario is uplinked (0 of
        downlinks), `total_loss_db`, `transmittance`, `background_hz`, `extraneous_probability`, `neighbour_ratio`
        (light of neighbouring pulses in a gate over that of its own), `intrinsic_error` and `valid`: elevation at least
        10 deg, weak turbulence (Rytov variance at most 1) where it is modelled, the light goes up or the quantile is
        asked for, a residual of at most 2 rad² behind adaptive optics, visibility above 1 km, gas loss stated or
        tabulated, and a range of at least 2.5 D²/λ.

    Raises
    ------
    TableError
        A sample names a satellite or station that the scenario does not have, a value is out of range, or the quantile
        of an uplink is asked for.

    Notes
    -----
    Pointing is that of a point receiver: a telescope wide beside the beam loses less, 0.01 dB for 0.8 m and 0.09 dB for
    2.3 m at 500 km under the shakiest shipped terminal.
    """
    check_table(samples, "SAMPLES", "link_budget")
    _check_ranges(samples)
    if statistic not in ("mean", "quantile") or not 1e-6 <= exceeded_probability <= 0.5:
        raise TableError(
            f"link_budget: statistic '{statistic}' with exceeded_probability = {exceeded_probability}; expected 'mean' "
            "or 'quantile' and 1e-6 to 0.5"
        )
    satellites = {s.name: s for s in scenario.satellites}
    _check_statistic(samples, scenario, statistic)
    terms = TERMS_OF_BOTH if any(s.uplink is not None for s in scenario.satellites) else TERMS
    pulsed = scenario.protocol.source is None or scenario.protocol.source.kind == "pulsed"
    losses = [*terms, *(["fade_loss_db"] if statistic == "quantile" else [])]
    columns = [*losses, "background_hz", "extraneous_probability", "neighbour_ratio", "intrinsic_error", "valid"]
    values = np.full((len(samples), len(columns)), np.nan)
    used = {c: samples[c].to_numpy() for c in samples.columns if samples[c].dtype.kind in "fib"}
    used["year_share"] = year_share(samples["time"].dt.tz_convert(None).to_numpy())
    for (satellite, ogs), rows in samples.groupby(["satellite", "ogs"], sort=True).indices.items():
        if satellite not in satellites or ogs not in scenario.stations:
            raise TableError(f"link_budget: {unknown_pair(satellite, ogs, scenario)}")
        for station, here in placed(scenario.stations[ogs], samples["time"].iloc[rows]):
            index = rows[here.to_numpy()]
            if len(index):
                part = {name: column[index] for name, column in used.items()}
                link = link_between(satellites[satellite], station, scenario.atmosphere)
                fade = exceeded_probability if statistic == "quantile" else None
                stray = neighbour_ratio(link) if pulsed else 0.0
                made = _link_columns(part, link, fade, stray)
                values[index] = np.column_stack([made.get(name, np.zeros(len(index))) for name in columns])
    budget = samples.copy()
    for i, column in enumerate(columns[:-1]):
        budget[column] = values[:, i]
    budget["total_loss_db"] = values[:, : len(losses)].sum(axis=1)
    budget["transmittance"] = ratio_from_db(budget["total_loss_db"])
    budget["valid"] = values[:, -1] == 1
    _warn_where_invalid(budget["valid"].to_numpy())
    return check_table(budget, "BUDGET", "link_budget")


def _check_ranges(samples: pd.DataFrame) -> None:
    """One error with row and column for samples that no link has."""
    for column, allowed in _SAMPLE_RANGES.items():
        values = samples[column].to_numpy(dtype=float)
        outside = np.flatnonzero(~allowed.holds(values))
        if len(outside):
            raise TableError(
                f"link_budget: SAMPLES.{column} = {values[outside[0]]} in row {outside[0]} ({len(outside)} of "
                f"{len(values)} rows); expected {allowed}"
            )


def _check_statistic(samples: pd.DataFrame, scenario: Scenario, statistic: str) -> None:
    """The fades of an uplink are those of a beam that wanders over a point, which no formula here has."""
    up = {s.name for s in scenario.satellites if s.uplink is not None} & set(samples["satellite"])
    if statistic == "quantile" and up:
        raise TableError(
            f"link_budget: statistic = 'quantile', and satellite '{min(up)}' is uplinked, whose fades are not "
            "modelled; expected 'mean', or the samples of downlinks"
        )


def _link_columns(
    part: dict[str, np.ndarray], link: Link, exceeded: float | None, stray: float
) -> dict[str, np.ndarray]:
    """Losses, background, extraneous probability, neighbours, errors and validity of one terminal and station."""
    columns = link_losses(part, link)
    receiver = link.station.receiver
    valid = np.logical_and.reduce(list(term_validity(part, link, fades=exceeded is not None).values()))
    if exceeded is not None:
        columns["fade_loss_db"] = fade_loss_db(part["elevation_deg"], link, exceeded)
    sky = background_clicks_hz(_sky_radiance(part, link), link.terminal, receiver)
    noise = extraneous_probability(
        dark_count_rate_hz=receiver.dark_count_rate_hz, background_hz=sky, detectors=receiver.detectors,
        gate_s=receiver.gate_s,
    )  # fmt: skip
    error = intrinsic_error(part, link.terminal, receiver)
    return columns | {
        "background_hz": sky, "extraneous_probability": noise, "neighbour_ratio": np.full(len(noise), stray),
        "intrinsic_error": error, "valid": valid.astype(float),
    }  # fmt: skip


def _warn_where_invalid(valid: np.ndarray) -> None:
    if not valid.all():
        warnings.warn(
            f"link_budget: {np.count_nonzero(~valid)} of {len(valid)} samples lie outside the models' range "
            "(elevation below 10 deg, strong turbulence, fibre coupling hardly corrected, fog, a wavelength "
            "without a known gas loss, or the near field); see column 'valid'",
            ModelValidityWarning,
            stacklevel=3,
        )


def _sky_radiance(part: dict[str, np.ndarray], link: Link) -> np.ndarray:
    """Radiance [W/m²/sr/m] of night or twilight, moonlight, and artificial light; above an uplink that of the Earth."""
    if link.uplink is not None:
        return np.full(len(part["range_m"]), link.uplink.background_radiance_w_m2_sr_m)
    wavelength, zenith = link.terminal.wavelength_m, 90 - part["moon_elevation_deg"]
    moon = moonlight_luminance_cd_m2(
        moon_phase_angle_deg=part["moon_phase_deg"], moon_target_separation_deg=part["moon_separation_deg"],
        moon_zenith_angle_deg=zenith, target_zenith_angle_deg=np.clip(90 - part["elevation_deg"], 0, 90),
        extinction_mag_per_airmass=_MOON_EXTINCTION_MAG,
    )  # fmt: skip
    moon = moon * moonset_share(moon_zenith_angle_deg=zenith, extinction_mag_per_airmass=_MOON_EXTINCTION_MAG)
    lamps = light_pollution_radiance_w_m2_sr_m(
        link.station.zenith_sky_mag_v_arcsec2, wavelength_m=wavelength,
        colour_factor=_colour_factor(link.atmosphere.light_pollution_colour_factor, wavelength),
    )  # fmt: skip
    night = night_radiance_w_m2_sr_m(wavelength_m=wavelength, sun_elevation_deg=part["sun_elevation_deg"])
    return night + moonlight_radiance_w_m2_sr_m(moon, wavelength_m=wavelength) + lamps


def _colour_factor(stated: float | None, wavelength_m: float) -> float:
    return stated if stated is not None else (_LAMPS_NEAR if wavelength_m < _LAMPS_END_M else _LAMPS_FAR)


def loss_labels(budget: pd.DataFrame | pd.Series) -> dict[str, str]:
    """Labels of the loss terms that a BUDGET or a row of it has, in order, the total apart."""
    known = {column: term.label for column, term in TERMS_OF_BOTH.items()} | {"fade_loss_db": "fade"}
    present = budget.columns if isinstance(budget, pd.DataFrame) else budget.index
    return {column: label for column, label in known.items() if column in present}


def budget_terms(*, uplink: bool = False) -> pd.DataFrame:
    """The terms in order: column, label, model, where it holds, and source; of an uplink with its turbulence."""
    terms = TERMS_OF_BOTH if uplink else TERMS
    rows = [(column, t.label, t.model, VALID_WHERE.get(column, "everywhere"), t.source) for column, t in terms.items()]
    return pd.DataFrame(rows, columns=["column", "label", "model", "valid_where", "source"]).set_index("column")


def waterfall_table(budget: pd.DataFrame, scenario: Scenario, window_id: str) -> pd.DataFrame:
    """The terms of a window at its culmination, each with its loss, validity, model and source; the total last.

    The model of the extinction says which aerosol stands above this station.

    Parameters
    ----------
    budget : DataFrame
        BUDGET of `link_budget`, mean or quantile.
    window_id : str
    scenario : Scenario
        The one that the budget was made from.

    Returns
    -------
    DataFrame
        Index `column`: `label`, `loss_db`, `sum_db` (of the terms so far), `valid`, `model`, `source`.

    Raises
    ------
    TableError
        The budget has no such window.
    """
    check_table(budget, "BUDGET", "waterfall_table")
    part = budget[budget["window_id"] == window_id]
    if part.empty:
        raise TableError(f"waterfall_table: no window '{window_id}' in the budget")
    top = part.loc[[part["elevation_deg"].idxmax()]]
    satellite, ogs = top["satellite"].iloc[0], top["ogs"].iloc[0]
    satellites = {s.name: s for s in scenario.satellites}
    if satellite not in satellites or ogs not in scenario.stations:
        raise TableError(f"waterfall_table: {unknown_pair(satellite, ogs, scenario)}")
    station = next(s for s, here in placed(scenario.stations[ogs], top["time"]) if here.any())
    columns = {name: top[name].to_numpy() for name in _SAMPLE_RANGES}
    faded = "fade_loss_db" in top.columns
    link = link_between(satellites[satellite], station, scenario.atmosphere)
    terms = TERMS if link.uplink is None else TERMS_OF_BOTH
    flags = term_validity(columns, link, fades=faded)
    grounds = {c: (t.model, t.source) for c, t in terms.items()}
    grounds["extinction_loss_db"] = aerosol_model(station, scenario.atmosphere)
    rows = [(c, t.label, top[c].iloc[0], flags[c][0], *grounds[c]) for c, t in terms.items()]
    if faded:
        rows.append(("fade_loss_db", "fade", top["fade_loss_db"].iloc[0], flags["fade_loss_db"][0], *_FADE))
    rows.append(("total_loss_db", "total", top["total_loss_db"].iloc[0], top["valid"].iloc[0], "sum", ""))
    table = pd.DataFrame(rows, columns=["column", "label", "loss_db", "valid", "model", "source"]).set_index("column")
    table.insert(2, "sum_db", [*table["loss_db"].iloc[:-1].cumsum(), table["loss_db"].iloc[-1]])
    return table

"""The link budget of samples: one column per term, from the transmit aperture to the click."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import pandas as pd

from eqci_space.errors import ModelValidityWarning, TableError
from eqci_space.linkbudget.background import (
    background_photon_rate_hz,
    light_pollution_radiance_w_m2_sr_m,
    moonlight_luminance_cd_m2,
    moonlight_radiance_w_m2_sr_m,
    night_radiance_w_m2_sr_m,
    single_mode_photon_rate_hz,
)
from eqci_space.linkbudget.detector import doppler_phase_error, extraneous_probability, polarisation_error
from eqci_space.linkbudget.fades import fade_loss_db
from eqci_space.linkbudget.ranges import Range
from eqci_space.linkbudget.terms import TERMS, Link, coupling_valid, station_layers
from eqci_space.linkbudget.turbulence import rytov_variance
from eqci_space.scenario import Receiver, Scenario, Terminal, placed, unknown_pair
from eqci_space.tables import check_table
from eqci_space.units import ratio_from_db

__all__ = ["LOSS_TERMS", "budget_terms", "link_budget"]

LOSS_TERMS = {column: term.label for column, term in TERMS.items()}
_LOWEST_VALID_DEG = 10.0
_LARGEST_VALID_RYTOV = 1.0
_FOG_VISIBILITY_KM = 1.0
_LAMPS_NEAR, _LAMPS_FAR, _LAMPS_END_M = 0.3, 0.1, 1e-6  # assumed: lamps in towns emit little beyond the visible
_FAR_FIELD = 2.5  # in D²/λ, ten times the range at which a beam of that diameter begins to spread
# Oxygen at 762 nm, water at 940, 1130, 1380 and 1870 nm (HITRAN; edges rounded).
_MOLECULAR_BANDS_M = ((758e-9, 770e-9), (926e-9, 970e-9), (1.11e-6, 1.17e-6), (1.33e-6, 1.48e-6), (1.78e-6, 1.98e-6))
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
        BUDGET: SAMPLES with `LOSS_TERMS`, `total_loss_db`, `transmittance`, `background_hz`,
        `extraneous_probability`, `intrinsic_error` and `valid`: elevation at least 10 deg, weak turbulence (Rytov
        variance at most 1) where it is modelled or the quantile asked for, a residual of at most 2 rad² behind adaptive
        optics, visibility above 1 km, gas loss stated inside molecular bands, and a range of at least 2.5 D²/λ.

    Raises
    ------
    TableError
        A sample names a satellite or station that the scenario does not have, or a value is out of range.
    """
    check_table(samples, "SAMPLES", "link_budget")
    _check_ranges(samples)
    if statistic not in ("mean", "quantile") or not 1e-6 <= exceeded_probability <= 0.5:
        raise TableError(
            f"link_budget: statistic '{statistic}' with exceeded_probability = {exceeded_probability}; expected 'mean' "
            "or 'quantile' and 1e-6 to 0.5"
        )
    terminals = {s.name: s.terminal for s in scenario.satellites}
    losses = [*TERMS, *(["fade_loss_db"] if statistic == "quantile" else [])]
    columns = [*losses, "background_hz", "extraneous_probability", "intrinsic_error", "valid"]
    values = np.full((len(samples), len(columns)), np.nan)
    used = {c: samples[c].to_numpy() for c in samples.columns if samples[c].dtype.kind in "fib"}
    for (satellite, ogs), rows in samples.groupby(["satellite", "ogs"], sort=True).indices.items():
        if satellite not in terminals or ogs not in scenario.stations:
            raise TableError(f"link_budget: {unknown_pair(satellite, ogs, scenario)}")
        for station, here in placed(scenario.stations[ogs], samples["time"].iloc[rows]):
            index = rows[here.to_numpy()]
            if len(index):
                part = {name: column[index] for name, column in used.items()}
                link = Link(terminals[satellite], station, scenario.atmosphere)
                fade = exceeded_probability if statistic == "quantile" else None
                values[index] = np.column_stack(_link_columns(part, link, fade))
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


def _link_columns(part: dict[str, np.ndarray], link: Link, exceeded: float | None) -> list[np.ndarray]:
    """Losses, background, extraneous probability, intrinsic error and validity of one terminal and station."""
    columns = [term.loss_db(part, link) for term in TERMS.values()]
    receiver, modelled = link.station.receiver, link.station.receiver.coupling == "modelled"
    valid = part["elevation_deg"] >= _LOWEST_VALID_DEG
    if (link.atmosphere.visibility_km or np.inf) <= _FOG_VISIBILITY_KM:
        valid = np.zeros_like(valid)
    if modelled or exceeded is not None:
        layers = station_layers(link.station, link.atmosphere)
        rytov = rytov_variance(layers, wavelength_m=link.terminal.wavelength_m, elevation_deg=part["elevation_deg"])
        valid = valid & (rytov <= _LARGEST_VALID_RYTOV)
    if modelled:
        valid = valid & coupling_valid(part, link)
    if not (link.atmosphere.gas_zenith_loss_db or link.atmosphere.extinction_table):
        valid = valid & (not _in_molecular_band(link.terminal.wavelength_m))
    valid = valid & (part["range_m"] >= _FAR_FIELD * link.terminal.aperture_diameter_m**2 / link.terminal.wavelength_m)
    if exceeded is not None:
        columns.append(fade_loss_db(part["elevation_deg"], link, exceeded))
    sky = _background_hz(part, link)
    noise = extraneous_probability(
        dark_count_rate_hz=receiver.dark_count_rate_hz, background_hz=sky, detectors=receiver.detectors,
        gate_s=receiver.gate_s,
    )  # fmt: skip
    return [*columns, sky, noise, _intrinsic_error(part, link.terminal, receiver), valid.astype(float)]


def _in_molecular_band(wavelength_m: float) -> bool:
    return any(low <= wavelength_m <= high for low, high in _MOLECULAR_BANDS_M)


def _warn_where_invalid(valid: np.ndarray) -> None:
    if not valid.all():
        warnings.warn(
            f"link_budget: {np.count_nonzero(~valid)} of {len(valid)} samples lie outside the models' range "
            "(elevation below 10 deg, strong turbulence, fibre coupling hardly corrected, fog, a molecular band "
            "without gas loss, or the near field); see column 'valid'",
            ModelValidityWarning,
            stacklevel=3,
        )


def _intrinsic_error(part: dict[str, np.ndarray], terminal: Terminal, receiver: Receiver) -> np.ndarray:
    """Error probability of a signal click: independent causes, two errors cancelling each other."""
    causes = [
        np.asarray(terminal.intrinsic_error),
        np.asarray(receiver.intrinsic_error),
        polarisation_error(frame_rotation_rad=terminal.frame_rotation_rad),
        doppler_phase_error(
            range_rate_m_s=part["range_rate_m_s"], wavelength_m=terminal.wavelength_m,
            delay_s=terminal.interferometer_delay_s, compensated_share=terminal.doppler_compensated_share,
        ),
    ]  # fmt: skip
    straight = np.ones(len(part["range_m"]))
    for cause in causes:
        straight = straight * (1 - 2 * cause)
    return (1 - straight) / 2


def _background_hz(part: dict[str, np.ndarray], link: Link) -> np.ndarray:
    """Sky clicks per second, summed over detectors."""
    terminal, receiver = link.terminal, link.station.receiver
    radiance = _sky_radiance(part, link)
    if receiver.field == "single_mode":
        photons = single_mode_photon_rate_hz(
            wavelength_m=terminal.wavelength_m, radiance_w_m2_sr_m=radiance,
            filter_bandwidth_m=receiver.filter_bandwidth_m,
        )  # fmt: skip
        through = receiver.optics_transmittance
    else:
        photons = background_photon_rate_hz(
            wavelength_m=terminal.wavelength_m, radiance_w_m2_sr_m=radiance,
            aperture_diameter_m=receiver.aperture_diameter_m, obscuration_ratio=receiver.obscuration_ratio,
            field_of_view_full_angle_rad=float(receiver.field_of_view_rad or 0.0),
            filter_bandwidth_m=receiver.filter_bandwidth_m,
        )  # fmt: skip
        through = receiver.optics_transmittance * float(ratio_from_db(receiver.coupling_loss_db))
    return photons * through * receiver.detector_efficiency


def _sky_radiance(part: dict[str, np.ndarray], link: Link) -> np.ndarray:
    """Radiance [W/m²/sr/m] of night or twilight, moonlight, and artificial light."""
    wavelength = link.terminal.wavelength_m
    moon = moonlight_luminance_cd_m2(
        moon_phase_angle_deg=part["moon_phase_deg"], moon_target_separation_deg=part["moon_separation_deg"],
        moon_zenith_angle_deg=90 - part["moon_elevation_deg"],
        target_zenith_angle_deg=np.clip(90 - part["elevation_deg"], 0, 90),
        extinction_mag_per_airmass=_MOON_EXTINCTION_MAG,
    )  # fmt: skip
    lamps = light_pollution_radiance_w_m2_sr_m(
        link.station.zenith_sky_mag_v_arcsec2, wavelength_m=wavelength,
        colour_factor=_colour_factor(link.atmosphere.light_pollution_colour_factor, wavelength),
    )  # fmt: skip
    night = night_radiance_w_m2_sr_m(wavelength_m=wavelength, sun_elevation_deg=part["sun_elevation_deg"])
    return night + moonlight_radiance_w_m2_sr_m(moon, wavelength_m=wavelength) + lamps


def _colour_factor(stated: float | None, wavelength_m: float) -> float:
    return stated if stated is not None else (_LAMPS_NEAR if wavelength_m < _LAMPS_END_M else _LAMPS_FAR)


def budget_terms() -> pd.DataFrame:
    """The terms in order: column, label, model and source."""
    rows = [(column, t.label, t.model, t.source) for column, t in TERMS.items()]
    return pd.DataFrame(rows, columns=["column", "label", "model", "source"]).set_index("column")

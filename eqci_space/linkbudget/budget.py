"""The link budget of samples: one column per term, from the transmit aperture to the click."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from eqci_space.errors import ModelValidityWarning, TableError
from eqci_space.linkbudget.background import (
    background_photon_rate_hz,
    night_radiance_w_m2_sr_m,
    single_mode_photon_rate_hz,
)
from eqci_space.linkbudget.beam import diffraction_loss_db, equivalent_divergence_half_angle_rad
from eqci_space.linkbudget.detector import extraneous_probability
from eqci_space.linkbudget.extinction import (
    airmass_kasten_young,
    apparent_elevation_deg,
    clear_sky_loss_db,
    standard_pressure_pa,
)
from eqci_space.linkbudget.pointing import mean_pointing_loss_db
from eqci_space.scenario import Atmosphere, Receiver, Scenario, Station, Terminal, placed, unknown_pair
from eqci_space.tables import check_table
from eqci_space.units import db_from_ratio, ratio_from_db

__all__ = ["LOSS_TERMS", "link_budget"]

LOSS_TERMS = {
    "diffraction_loss_db": "diffraction and apertures",
    "pointing_loss_db": "pointing (mean)",
    "extinction_loss_db": "clear-sky extinction",
    "optics_loss_db": "receiver optics",
    "coupling_loss_db": "coupling into the fibre",
    "detector_loss_db": "detector efficiency",
}
_LOWEST_VALID_DEG = 10.0
_MOON_MATTERS_BELOW_M = 1.0e-6


def link_budget(samples: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Mean loss, transmittance, background and intrinsic error of every sample.

    The mean transmittance is what key counts are linear in, so no fade margin is added; the coupling loss
    is the receiver's stated mean and contains turbulence.

    Parameters
    ----------
    samples : DataFrame
        SAMPLES.
    scenario : Scenario

    Returns
    -------
    DataFrame
        BUDGET: SAMPLES with `LOSS_TERMS`, `total_loss_db`, `transmittance`, `background_hz`,
        `extraneous_probability`, `intrinsic_error` and `valid` (elevation at least 10 deg; Moon down where it matters).

    Raises
    ------
    TableError
        A sample names a satellite or station that the scenario does not have.
    """
    check_table(samples, "SAMPLES", "link_budget")
    terminals = {s.name: s.terminal for s in scenario.satellites}
    budget = samples.copy()
    columns = [*LOSS_TERMS, "background_hz", "extraneous_probability", "intrinsic_error"]
    values = np.full((len(samples), len(columns)), np.nan)
    valid = np.ones(len(samples), dtype=bool)
    for (satellite, ogs), rows in samples.groupby(["satellite", "ogs"], sort=True).indices.items():
        if satellite not in terminals or ogs not in scenario.stations:
            raise TableError(f"link_budget: {unknown_pair(satellite, ogs, scenario)}")
        part = samples.iloc[rows]
        for station, here in placed(scenario.stations[ogs], part["time"]):
            if here.any():
                values[rows[here]] = _terms(part[here], terminals[satellite], station, scenario.atmosphere)
        moon_matters = terminals[satellite].wavelength_m < _MOON_MATTERS_BELOW_M
        valid[rows] = (part["elevation_deg"] >= _LOWEST_VALID_DEG) & ~(moon_matters & (part["moon_elevation_deg"] > 0))
    for i, column in enumerate(columns):
        budget[column] = values[:, i]
    budget["total_loss_db"] = values[:, : len(LOSS_TERMS)].sum(axis=1)
    budget["transmittance"] = ratio_from_db(budget["total_loss_db"])
    budget["valid"] = valid
    if not valid.all():
        warnings.warn(
            f"link_budget: {np.count_nonzero(~valid)} of {len(valid)} samples lie outside the models' range "
            "(elevation below 10 deg, or moonlight below 1 µm); see column 'valid'",
            ModelValidityWarning,
            stacklevel=2,
        )
    return check_table(budget, "BUDGET", "link_budget")


def _terms(part: pd.DataFrame, terminal: Terminal, station: Station, atmosphere: Atmosphere) -> np.ndarray:
    """Columns `LOSS_TERMS`, background_hz, extraneous_probability, intrinsic_error for one satellite and station."""
    receiver = station.receiver
    beam = {
        "wavelength_m": terminal.wavelength_m, "aperture_diameter_m": terminal.aperture_diameter_m,
        "obscuration_ratio": terminal.obscuration_ratio, "beam_radius_m": terminal.beam_radius_m,
    }  # fmt: skip
    diffraction = diffraction_loss_db(
        part["range_m"].to_numpy(), wavelength_m=terminal.wavelength_m,
        tx_aperture_diameter_m=terminal.aperture_diameter_m, tx_obscuration_ratio=terminal.obscuration_ratio,
        tx_beam_radius_m=terminal.beam_radius_m, rx_aperture_diameter_m=receiver.aperture_diameter_m,
        rx_obscuration_ratio=receiver.obscuration_ratio,
    )  # fmt: skip
    pointing = mean_pointing_loss_db(
        divergence_half_angle_rad=equivalent_divergence_half_angle_rad(**beam),
        jitter_rad=terminal.jitter_rad, bias_rad=terminal.bias_rad,
    )  # fmt: skip
    extinction = clear_sky_loss_db(
        airmass=airmass_kasten_young(apparent_elevation_deg(part["elevation_deg"].to_numpy())),
        wavelength_m=terminal.wavelength_m, visibility_km=atmosphere.visibility_km,
        aerosol_scale_height_m=atmosphere.aerosol_scale_height_m,
        pressure_pa=float(standard_pressure_pa(station.height_msl_m)), height_msl_m=station.height_msl_m,
    )  # fmt: skip
    sky = _background_hz(part, terminal, receiver)
    error = (
        terminal.intrinsic_error + receiver.intrinsic_error - 2 * terminal.intrinsic_error * receiver.intrinsic_error
    )
    constants = [pointing, None, db_from_ratio(receiver.optics_transmittance), receiver.coupling_loss_db,
                 db_from_ratio(receiver.detector_efficiency)]  # fmt: skip
    columns = [diffraction, *(extinction if c is None else np.full(len(part), c) for c in constants)]
    noise = extraneous_probability(
        dark_count_rate_hz=receiver.dark_count_rate_hz, background_hz=sky, detectors=receiver.detectors,
        gate_s=receiver.gate_s,
    )  # fmt: skip
    return np.column_stack([*columns, sky, noise, np.full(len(part), error)])


def _background_hz(part: pd.DataFrame, terminal: Terminal, receiver: Receiver) -> np.ndarray:
    radiance = night_radiance_w_m2_sr_m(
        wavelength_m=terminal.wavelength_m, sun_elevation_deg=part["sun_elevation_deg"].to_numpy()
    )
    if receiver.field == "single_mode":
        photons = single_mode_photon_rate_hz(
            wavelength_m=terminal.wavelength_m,
            radiance_w_m2_sr_m=radiance,
            filter_bandwidth_m=receiver.filter_bandwidth_m,
        )
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

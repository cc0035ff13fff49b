"""The losses of an uplink: the terms of the downlink with the ground as transmitter, and its turbulence."""

from __future__ import annotations

import numpy as np

from eqci_space.linkbudget.link import Columns, Link, divergence_rad, pointing_jitter_rad, station_layers
from eqci_space.linkbudget.pass_geometry import height_over_site_m, point_ahead_from_rate_rad
from eqci_space.linkbudget.pointing import mean_pointing_loss_db
from eqci_space.linkbudget.terms import TERMS, Term
from eqci_space.linkbudget.turbulence import fried_parameter_m
from eqci_space.linkbudget.uplink import (
    uplink_centroid_wander_rms_rad,
    uplink_tilt_residual_rms_rad,
    uplink_tracked_factor,
)
from eqci_space.linkbudget.winds import bufton_wind_m_s
from eqci_space.scenario import Uplink
from eqci_space.units import db_from_ratio, ratio_from_db

__all__ = ["TERMS_OF_BOTH", "UPLINK_TERM", "link_losses"]

_BLOCK = 4096  # samples times layers held in memory at once


def _turbulence(part: Columns, link: Link) -> np.ndarray:
    if link.uplink is None:
        return np.zeros(len(part["range_m"]))
    return db_from_ratio(_turbulence_factor(part, link, link.uplink))


UPLINK_TERM = Term(
    "turbulence of the uplink", _turbulence, "spread, and the wander that is not tracked",
    "Fried 1966; Andrews, Phillips 2005; derived",
)  # fmt: skip
"""Loss by turbulence in the near field of a transmitter on the ground; a downlink has none of it."""

_BEFORE = 1 + list(TERMS).index("pointing_loss_db")
TERMS_OF_BOTH: dict[str, Term] = dict(
    [*list(TERMS.items())[:_BEFORE], ("turbulence_loss_db", UPLINK_TERM), *list(TERMS.items())[_BEFORE:]]
)
"""Terms of tables that hold uplinks, in the order of the light's way."""


def link_losses(part: Columns, link: Link) -> dict[str, np.ndarray]:
    """Losses [dB] of samples by term: those of `TERMS`, of an uplink those of `TERMS_OF_BOTH`.

    The pointing of an uplink is that of the beam as turbulence widens it. Nothing is averaged over the receiver:
    scintillation costs no mean power.
    """
    if link.uplink is None:
        return {name: term.loss_db(part, link) for name, term in TERMS.items()}
    losses = {name: term.loss_db(part, link) for name, term in TERMS_OF_BOTH.items()}
    t, elevation = link.terminal, np.asarray(part["elevation_deg"])
    spread = ratio_from_db(losses["turbulence_loss_db"])
    losses["pointing_loss_db"] = mean_pointing_loss_db(
        divergence_half_angle_rad=divergence_rad(t) / np.sqrt(spread), bias_rad=t.bias_rad,
        jitter_rad=pointing_jitter_rad(t, elevation) if t.jitter_growth_rad else t.jitter_rad,
    )  # fmt: skip
    return losses


def _turbulence_factor(part: Columns, link: Link, uplink: Uplink) -> np.ndarray:
    """Mean on-axis irradiance over that in vacuum."""
    count = len(part["range_m"])
    blocks = np.array_split(np.arange(count), 1 + count // _BLOCK)
    made = [_block_factor({name: column[rows] for name, column in part.items()}, link, uplink) for rows in blocks]
    return np.concatenate(made)


def _block_factor(part: Columns, link: Link, uplink: Uplink) -> np.ndarray:
    layers, radius = station_layers(link.station, link.atmosphere), float(link.terminal.beam_radius_m or 0.0)
    elevation, height = np.asarray(part["elevation_deg"]), _altitude_m(part, link)
    wander = uplink_centroid_wander_rms_rad(
        layers, elevation_deg=elevation, satellite_altitude_m=height, beam_radius_m=radius
    )
    return uplink_tracked_factor(
        wavelength_m=link.terminal.wavelength_m, beam_radius_m=radius,
        fried_parameter_m=fried_parameter_m(
            layers, wavelength_m=link.terminal.wavelength_m, elevation_deg=elevation
        ),
        wander_rms_rad=wander,
        residual_rms_rad=_tracking_residual_rad(part, link, uplink, height) if uplink.tracked else wander,
    )  # fmt: skip


def _altitude_m(part: Columns, link: Link) -> np.ndarray:
    """Altitude over the station by range and elevation; a column `satellite_altitude_m` stands instead."""
    if "satellite_altitude_m" in part:
        return part["satellite_altitude_m"]
    return height_over_site_m(
        np.asarray(part["elevation_deg"]), range_m=np.asarray(part["range_m"]),
        site_altitude_m=link.station.height_msl_m,
    )  # fmt: skip


def _tracking_residual_rad(part: Columns, link: Link, uplink: Uplink, altitude_m: np.ndarray) -> np.ndarray:
    """Two-axis wander that the mirror does not take out: it looks behind the point-ahead angle, and lags."""
    layers, rate = station_layers(link.station, link.atmosphere), np.asarray(part["angular_rate_rad_s"])
    wind = bufton_wind_m_s(layers.height_m, ground_wind_m_s=link.atmosphere.ground_wind_m_s)
    slew = np.outer(rate / np.sin(np.radians(part["elevation_deg"])), layers.height_m)
    return uplink_tilt_residual_rms_rad(
        layers, elevation_deg=part["elevation_deg"], satellite_altitude_m=altitude_m,
        beam_radius_m=float(link.terminal.beam_radius_m or 0.0),
        offset_rad=point_ahead_from_rate_rad(range_m=part["range_m"], angular_rate_rad_s=rate),
        wind_m_s=slew + wind, delay_s=uplink.delay_s,
    )  # fmt: skip

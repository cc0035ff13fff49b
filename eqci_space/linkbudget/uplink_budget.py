"""The link budget of the uplink: a classical beacon or single photons from the ground to a satellite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from eqci_space.linkbudget.aerosol import year_share
from eqci_space.linkbudget.detector import extraneous_probability
from eqci_space.linkbudget.link import Columns, Link, divergence_rad, station_layers
from eqci_space.linkbudget.pass_geometry import point_ahead_from_rate_rad
from eqci_space.linkbudget.pointing import mean_pointing_loss_db
from eqci_space.linkbudget.ranges import Range, within
from eqci_space.linkbudget.receiving import background_clicks_hz, intrinsic_error
from eqci_space.linkbudget.terms import BEFORE_THE_DETECTOR, TERMS, neighbour_ratio
from eqci_space.linkbudget.turbulence import fried_parameter_m
from eqci_space.linkbudget.uplink import (
    beacon_hazard_distance_m,
    uplink_centroid_wander_rms_rad,
    uplink_tilt_residual_rms_rad,
    uplink_tracked_factor,
)
from eqci_space.linkbudget.validity import term_validity
from eqci_space.linkbudget.winds import bufton_wind_m_s
from eqci_space.scenario import Atmosphere, Receiver, Station, Terminal
from eqci_space.tables import check_table
from eqci_space.units import db_from_ratio, ratio_from_db

__all__ = ["Uplink", "uplink_budget"]

_BLOCK = 4096  # samples times layers held in memory at once


@dataclass(frozen=True)
class Uplink:
    """A ground transmitter and a receiver on the satellite.

    Attributes
    ----------
    transmitter : Terminal
        With `beam_radius_m`; its jitter is that of the mount, turbulence comes from the atmosphere.
    receiver : Receiver
        On the satellite, ``coupling = "stated"``: it stands above the turbulence.
    satellite_altitude_m : float
        [m]
    tracked : bool
        Whether a tip-tilt mirror follows the tilt of a beacon on the satellite, the point-ahead angle away.
    delay_s : float
        Age of the tilt that it follows [s].
    power_w : float
        Of a classical beacon at the exit [W]; 0 for single photons.
    background_radiance_w_m2_sr_m : float
        Of the Earth in the satellite's field of view [W/m²/sr/m].
    """

    transmitter: Terminal
    receiver: Receiver
    satellite_altitude_m: float
    tracked: bool
    delay_s: float
    power_w: float
    background_radiance_w_m2_sr_m: float

    def __post_init__(self) -> None:
        if self.transmitter.beam_radius_m is None:
            raise ValueError(
                "Uplink: transmitter.beam_radius_m is missing; expected the 1/e² radius at the exit, not a divergence"
            )
        if self.receiver.coupling != "stated":
            raise ValueError("Uplink: receiver.coupling = 'modelled'; expected 'stated', above the turbulence")
        for name, allowed in (
            ("satellite_altitude_m", Range(80e3, 1e9, "m")), ("delay_s", Range(0, 1, "s")),
            ("power_w", Range(0, 1e6, "W")), ("background_radiance_w_m2_sr_m", Range(0, below=True)),
        ):  # fmt: skip
            within("Uplink", name, getattr(self, name), allowed)


def uplink_budget(samples: pd.DataFrame, uplink: Uplink, station: Station, atmosphere: Atmosphere) -> pd.DataFrame:
    """Loss, received power, background and intrinsic error of every sample of one satellite and station.

    The terms of `link_budget` with the ground as transmitter, and `turbulence_loss_db` by spread and wander; the
    pointing is that of the widened beam. Nothing is averaged over the receiver: scintillation costs no mean power.

    Parameters
    ----------
    samples : DataFrame
        SAMPLES.
    uplink : Uplink
    station : Station
    atmosphere : Atmosphere

    Returns
    -------
    DataFrame
        SAMPLES with one column per term, `total_loss_db`, `transmittance`, `received_power_w` (before the detector),
        `eye_hazard_distance_m` (a flag for planners, never a certificate), `background_hz`, `extraneous_probability`,
        `neighbour_ratio` (0 for a beacon, whose light is not in pulses), `intrinsic_error` and `valid`: as in the
        downlink, and weak turbulence.
    """
    check_table(samples, "SAMPLES", "uplink_budget")
    part = {c: samples[c].to_numpy() for c in samples.columns if samples[c].dtype.kind in "fib"}
    part["year_share"] = year_share(samples["time"].dt.tz_convert(None).to_numpy())
    receiver, transmitter = uplink.receiver, uplink.transmitter
    link = Link(transmitter, station.model_copy(update={"receiver": receiver}), atmosphere)
    terms = {name: term.loss_db(part, link) for name, term in TERMS.items()}
    spread = _turbulence_factor(part, link, uplink)
    widened = divergence_rad(transmitter) / np.sqrt(spread)
    terms["pointing_loss_db"] = mean_pointing_loss_db(
        divergence_half_angle_rad=widened, jitter_rad=transmitter.jitter_rad, bias_rad=transmitter.bias_rad
    )
    terms["turbulence_loss_db"] = db_from_ratio(spread)
    total = np.sum(list(terms.values()), axis=0)
    arriving = np.sum([terms[name] for name in (*BEFORE_THE_DETECTOR, "turbulence_loss_db")], axis=0)
    sky = np.broadcast_to(
        background_clicks_hz(np.asarray(uplink.background_radiance_w_m2_sr_m), transmitter, receiver), total.shape
    )
    noise = extraneous_probability(
        dark_count_rate_hz=receiver.dark_count_rate_hz, background_hz=sky, detectors=receiver.detectors,
        gate_s=receiver.gate_s,
    )  # fmt: skip
    return samples.assign(
        **terms, total_loss_db=total, transmittance=ratio_from_db(total),
        received_power_w=uplink.power_w * ratio_from_db(arriving), eye_hazard_distance_m=_hazard_m(uplink),
        background_hz=sky, extraneous_probability=noise,
        neighbour_ratio=0.0 if uplink.power_w else neighbour_ratio(link),
        intrinsic_error=intrinsic_error(part, transmitter, receiver),
        valid=np.logical_and.reduce(list(term_validity(part, link, fades=True).values())),
    )  # fmt: skip


def _turbulence_factor(part: Columns, link: Link, uplink: Uplink) -> np.ndarray:
    """Mean on-axis irradiance over that in vacuum."""
    layers, radius = station_layers(link.station, link.atmosphere), float(link.terminal.beam_radius_m or 0.0)
    elevation = np.asarray(part["elevation_deg"])
    wander = uplink_centroid_wander_rms_rad(
        layers, elevation_deg=elevation, satellite_altitude_m=uplink.satellite_altitude_m, beam_radius_m=radius
    )
    residual = wander
    if uplink.tracked and len(elevation):
        blocks = np.array_split(np.arange(len(elevation)), 1 + len(elevation) // _BLOCK)
        residual = np.concatenate([
            _tracking_residual_rad({name: column[rows] for name, column in part.items()}, link, uplink)
            for rows in blocks
        ])  # fmt: skip
    return uplink_tracked_factor(
        wavelength_m=link.terminal.wavelength_m, beam_radius_m=radius,
        fried_parameter_m=fried_parameter_m(
            layers, wavelength_m=link.terminal.wavelength_m, elevation_deg=elevation
        ),
        wander_rms_rad=wander, residual_rms_rad=residual,
    )  # fmt: skip


def _tracking_residual_rad(part: Columns, link: Link, uplink: Uplink) -> np.ndarray:
    """Two-axis wander that the mirror does not take out: it looks behind the point-ahead angle, and lags."""
    layers, rate = station_layers(link.station, link.atmosphere), np.asarray(part["angular_rate_rad_s"])
    wind = bufton_wind_m_s(layers.height_m, ground_wind_m_s=link.atmosphere.ground_wind_m_s)
    slew = np.outer(rate / np.sin(np.radians(part["elevation_deg"])), layers.height_m)
    return uplink_tilt_residual_rms_rad(
        layers, elevation_deg=part["elevation_deg"], satellite_altitude_m=uplink.satellite_altitude_m,
        beam_radius_m=float(link.terminal.beam_radius_m or 0.0),
        offset_rad=point_ahead_from_rate_rad(range_m=part["range_m"], angular_rate_rad_s=rate),
        wind_m_s=slew + wind, delay_s=uplink.delay_s,
    )  # fmt: skip


def _hazard_m(uplink: Uplink) -> float:
    if uplink.power_w == 0:
        return 0.0
    t = uplink.transmitter
    return beacon_hazard_distance_m(
        power_w=uplink.power_w, divergence_half_angle_rad=divergence_rad(t),
        exit_beam_radius_m=float(t.beam_radius_m or 0.0), wavelength_m=t.wavelength_m,
    )  # fmt: skip

"""The link budget of one uplink by itself: a classical beacon or single photons from the ground to a satellite.

`link_budget` has that of the uplinks of a scenario.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import model_validator

from eqci_space.linkbudget.aerosol import year_share
from eqci_space.linkbudget.detector import extraneous_probability
from eqci_space.linkbudget.link import Link, divergence_rad
from eqci_space.linkbudget.ranges import Range, within
from eqci_space.linkbudget.receiving import background_clicks_hz, intrinsic_error
from eqci_space.linkbudget.terms import BEFORE_THE_DETECTOR, neighbour_ratio
from eqci_space.linkbudget.uplink import beacon_hazard_distance_m
from eqci_space.linkbudget.uplink_terms import link_losses
from eqci_space.linkbudget.validity import term_validity
from eqci_space.scenario import Atmosphere, Station, space
from eqci_space.tables import check_table
from eqci_space.units import ratio_from_db

__all__ = ["Uplink", "uplink_budget"]


class Uplink(space.Uplink):
    """The uplink of a scenario with what only a beacon has, or a budget without orbit.

    Attributes
    ----------
    satellite_altitude_m : float, optional
        [m]; default the one that range and elevation of each sample give.
    power_w : float
        Of a classical beacon at the exit [W]; 0 for single photons.
    """

    satellite_altitude_m: float | None = None
    power_w: float = 0.0

    @model_validator(mode="after")
    def _in_range(self) -> Uplink:
        for name, allowed in (("satellite_altitude_m", Range(80e3, 1e9, "m")), ("power_w", Range(0, 1e6, "W"))):
            if getattr(self, name) is not None:
                within("Uplink", name, getattr(self, name), allowed)
        return self


def uplink_budget(
    samples: pd.DataFrame, uplink: space.Uplink, station: Station, atmosphere: Atmosphere
) -> pd.DataFrame:
    """Loss, received power, background and intrinsic error of every sample of one satellite and station.

    The terms of `link_budget` with the ground as transmitter, and `turbulence_loss_db` by spread and wander; the
    pointing is that of the widened beam. Nothing is averaged over the receiver: scintillation costs no mean power.

    Parameters
    ----------
    samples : DataFrame
        SAMPLES.
    uplink : Uplink
        That of a satellite of a scenario, or with power and altitude that of this module.
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
    stated = uplink if isinstance(uplink, Uplink) else Uplink(**dict(uplink))
    if stated.satellite_altitude_m is not None:
        part["satellite_altitude_m"] = np.full(len(samples), stated.satellite_altitude_m)
    receiver, transmitter = stated.receiver, stated.transmitter
    link = Link(transmitter, station.model_copy(update={"receiver": receiver}), atmosphere, stated)
    terms = link_losses(part, link)
    total = np.sum(list(terms.values()), axis=0)
    arriving = np.sum([terms[name] for name in (*BEFORE_THE_DETECTOR, "turbulence_loss_db")], axis=0)
    sky = np.broadcast_to(
        background_clicks_hz(np.asarray(stated.background_radiance_w_m2_sr_m), transmitter, receiver), total.shape
    )
    noise = extraneous_probability(
        dark_count_rate_hz=receiver.dark_count_rate_hz, background_hz=sky, detectors=receiver.detectors,
        gate_s=receiver.gate_s,
    )  # fmt: skip
    return samples.assign(
        **terms, total_loss_db=total, transmittance=ratio_from_db(total),
        received_power_w=stated.power_w * ratio_from_db(arriving), eye_hazard_distance_m=_hazard_m(stated),
        background_hz=sky, extraneous_probability=noise,
        neighbour_ratio=0.0 if stated.power_w else neighbour_ratio(link),
        intrinsic_error=intrinsic_error(part, transmitter, receiver),
        valid=np.logical_and.reduce(list(term_validity(part, link).values())),
    )  # fmt: skip


def _hazard_m(uplink: Uplink) -> float:
    if uplink.power_w == 0:
        return 0.0
    t = uplink.transmitter
    return beacon_hazard_distance_m(
        power_w=uplink.power_w, divergence_half_angle_rad=divergence_rad(t),
        exit_beam_radius_m=float(t.beam_radius_m or 0.0), wavelength_m=t.wavelength_m,
    )  # fmt: skip

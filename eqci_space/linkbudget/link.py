"""Who sends, who receives, through what air, and what follows from the three alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from eqci_space.linkbudget.beam import equivalent_divergence_half_angle_rad
from eqci_space.linkbudget.closed_forms import divergence_half_angle_rad
from eqci_space.linkbudget.pointing import axes
from eqci_space.linkbudget.turbulence import Layers, hufnagel_valley_layers
from eqci_space.scenario import Atmosphere, Satellite, Station, Terminal, Uplink, receiver_of

__all__ = ["Columns", "Link", "divergence_rad", "link_between", "pointing_jitter_rad", "station_layers"]


@dataclass(frozen=True)
class Link:
    """Who sends, who receives, and through what air; with an uplink, the satellite's receiver stands in the station.

    `link_between` makes one from a satellite and a station.
    """

    terminal: Terminal
    station: Station
    atmosphere: Atmosphere
    uplink: Uplink | None = None


def link_between(satellite: Satellite, station: Station, atmosphere: Atmosphere) -> Link:
    """The link of a satellite and a station, in the direction in which the satellite is used."""
    if satellite.uplink is not None:
        station = station.model_copy(update={"receiver": receiver_of(satellite, station)})
    return Link(satellite.terminal, station, atmosphere, satellite.uplink)


Columns = Mapping[str, np.ndarray]


def divergence_rad(terminal: Terminal) -> float:
    """1/e² half angle [rad] of the far field near its axis, beam quality included."""
    if terminal.divergence_rad is not None and terminal.divergence_definition is not None:
        return divergence_half_angle_rad(terminal.divergence_rad, terminal.divergence_definition)
    return terminal.beam_quality * equivalent_divergence_half_angle_rad(
        wavelength_m=terminal.wavelength_m, aperture_diameter_m=terminal.aperture_diameter_m,
        obscuration_ratio=terminal.obscuration_ratio, beam_radius_m=float(terminal.beam_radius_m or 0.0),
    )  # fmt: skip


def pointing_jitter_rad(terminal: Terminal, elevation_deg: np.ndarray) -> np.ndarray:
    """Jitter of a terminal by axis (n, 2) [rad] at elevations (n,) [deg].

    It grows by `jitter_growth_rad` from the zenith to the horizon, in proportion to the zenith angle (assumed).
    """
    growth = terminal.jitter_growth_rad * (90.0 - np.asarray(elevation_deg, dtype=float)) / 90.0
    return axes(terminal.jitter_rad, 0.0)[0] + np.maximum(growth, 0.0)[:, None]


@lru_cache(maxsize=256)
def _layers(rms_wind: float, ground_cn2: float, site_height: float, telescope_height: float) -> Layers:
    return hufnagel_valley_layers(
        rms_wind_m_s=rms_wind, ground_cn2_m_neg_2_3=ground_cn2, site_height_msl_m=max(0.0, site_height),
        lower_height_m=telescope_height,
    )  # fmt: skip


def station_layers(station: Station, atmosphere: Atmosphere) -> Layers:
    """Turbulence above a station's telescope."""
    air = atmosphere
    return _layers(air.rms_wind_m_s, air.ground_cn2_m_neg_2_3, station.height_msl_m, air.telescope_height_m)

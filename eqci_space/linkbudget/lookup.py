"""A tabulated budget for batch work: a function of range plus one of elevation, and of the slew where optics lag.

Where the aerosol has months, its course of the year is added on top.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline, RectBivariateSpline

from eqci_space.linkbudget.aerosol import optical_depth_in_year, year_share
from eqci_space.linkbudget.clear_air import monthly_optical_depth
from eqci_space.linkbudget.extinction import DB_PER_NEPER, aerosol_optical_depth
from eqci_space.linkbudget.link import Link
from eqci_space.linkbudget.ranges import Range, within
from eqci_space.linkbudget.receiver_coupling import coupling_lags
from eqci_space.linkbudget.terms import TERMS, airmass_of, total_loss_db

__all__ = ["LossLookup", "lookup_loss_db", "make_lookup"]

_BY_RANGE = ("diffraction_loss_db",)
_RANGE_NODES, _ELEVATION_NODES, _SLEW_NODES = 257, 1025, 385
_SHORTEST_M, _LONGEST_M = 100e3, 60_000e3
_FASTEST_SLEW_RAD_S = 0.03  # 8 km/s overhead at 270 km


@dataclass(frozen=True)
class _Year:
    """Aerosol by month: the airmass over the logarithm of sin elevation, and zenith losses [dB] of the months."""

    airmass: CubicSpline
    zenith_loss_db: np.ndarray

    def since_new_year_db(self, log_sine: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Loss beyond that of the first moment of a year, at which the rest is tabulated."""
        first, now = (optical_depth_in_year(s, by_month=self.zenith_loss_db) for s in (np.zeros(()), year_share(time)))
        return self.airmass(log_sine) * (now - first)


@dataclass(frozen=True)
class LossLookup:
    """Splines of one terminal and station: over the logarithm of range, and over the logarithm of sin elevation.

    Behind adaptive optics of finite bandwidth the second is a surface, the slew rate [rad/s] its other side.
    """

    by_range: CubicSpline
    by_elevation: CubicSpline | RectBivariateSpline
    lowest_elevation_deg: float
    year: _Year | None = None


def make_lookup(link: Link, *, lowest_elevation_deg: float = 5.0) -> LossLookup:
    """Tabulate the mean budget of a link.

    Parameters
    ----------
    link : Link
    lowest_elevation_deg : float
        Lower end of the table [deg], 1 to 60.

    Raises
    ------
    ValueError
        `lowest_elevation_deg` is out of range, or the link is an uplink, whose turbulence the table does not hold.
    """
    if link.uplink is not None:
        raise ValueError(
            "make_lookup: the link is an uplink, and its turbulence goes with elevation, range and slew together; "
            "expected a downlink; use link_budget"
        )
    if not 1 <= lowest_elevation_deg <= 60:
        raise ValueError(f"make_lookup: lowest_elevation_deg = {lowest_elevation_deg}; expected 1 to 60 deg")
    distance = np.geomspace(_SHORTEST_M, _LONGEST_M, _RANGE_NODES)
    sine = np.geomspace(np.sin(np.radians(lowest_elevation_deg)), 1.0, _ELEVATION_NODES)
    elevation = np.degrees(np.arcsin(np.minimum(sine, 1.0)))
    rest = [name for name in TERMS if name not in _BY_RANGE]
    far = total_loss_db(link, elevation_deg=90.0, range_m=distance, terms=_BY_RANGE)
    if coupling_lags(link):
        slew = np.linspace(0.0, _FASTEST_SLEW_RAD_S, _SLEW_NODES)
        surface = total_loss_db(
            link, elevation_deg=elevation[:, None], range_m=1e6, angular_rate_rad_s=slew, terms=rest
        )
        near = RectBivariateSpline(np.log(sine), slew, surface)
    else:
        near = CubicSpline(np.log(sine), total_loss_db(link, elevation_deg=elevation, range_m=1e6, terms=rest))
    return LossLookup(
        CubicSpline(np.log(distance), far), near, lowest_elevation_deg, _year(link, np.log(sine), elevation)
    )


def _year(link: Link, log_sine: np.ndarray, elevation_deg: np.ndarray) -> _Year | None:
    months = monthly_optical_depth(link.station, link.atmosphere)
    if months is None or link.atmosphere.extinction_table:
        return None
    depth = aerosol_optical_depth(
        wavelength_m=link.terminal.wavelength_m, optical_depth_500nm=months,
        angstrom_exponent=link.atmosphere.angstrom_exponent,
    )  # fmt: skip
    return _Year(CubicSpline(log_sine, airmass_of({"elevation_deg": elevation_deg})), DB_PER_NEPER * depth)


def lookup_loss_db(
    lookup: LossLookup,
    *,
    elevation_deg: np.ndarray,
    range_m: np.ndarray,
    angular_rate_rad_s: np.ndarray | None = None,
    time: np.ndarray | None = None,
) -> np.ndarray:
    """Total mean loss [dB] within 0.005 dB of `link_budget`; shapes broadcast.

    Parameters
    ----------
    lookup : LossLookup
    elevation_deg, range_m : array
        Within the table [deg], [m].
    angular_rate_rad_s : array, optional
        Of the line of sight [rad/s]; needed behind adaptive optics of finite bandwidth, without effect elsewhere.
    time : array of datetime64, optional
        UTC, without zone; needed where the aerosol has months, without effect elsewhere.

    Raises
    ------
    ValueError
        An argument lies outside the table, or the rate or the time is needed and missing.
    """
    elevation, distance = np.asarray(elevation_deg, dtype=float), np.asarray(range_m, dtype=float)
    within("lookup_loss_db", "elevation_deg", elevation, Range(lookup.lowest_elevation_deg, 90, "deg"))
    within("lookup_loss_db", "range_m", distance, Range(_SHORTEST_M, _LONGEST_M, "m"))
    sine = np.log(np.sin(np.radians(elevation)))
    far = lookup.by_range(np.log(distance))
    if lookup.year is not None:
        if time is None:
            raise ValueError(
                "lookup_loss_db: time is missing; the aerosol of this station has months, expected SAMPLES.time as "
                "datetime64 in UTC"
            )
        far = far + lookup.year.since_new_year_db(sine, time)
    if isinstance(lookup.by_elevation, CubicSpline):
        return far + lookup.by_elevation(sine)
    if angular_rate_rad_s is None:
        raise ValueError(
            "lookup_loss_db: angular_rate_rad_s is missing; adaptive optics of finite bandwidth lag with the slew of "
            "the line of sight, expected SAMPLES.angular_rate_rad_s"
        )
    slew = np.asarray(angular_rate_rad_s, dtype=float)
    within("lookup_loss_db", "angular_rate_rad_s", slew, Range(0, _FASTEST_SLEW_RAD_S, "rad/s"))
    return far + lookup.by_elevation.ev(sine, slew)

"""A tabulated budget for batch work: the total loss as a function of range plus a function of elevation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from eqci_space.linkbudget.terms import TERMS, Link

__all__ = ["LossLookup", "lookup_loss_db", "make_lookup"]

_BY_RANGE = ("diffraction_loss_db",)
_RANGE_NODES, _ELEVATION_NODES = 257, 257
_SHORTEST_M, _LONGEST_M = 100e3, 60_000e3


@dataclass(frozen=True)
class LossLookup:
    """Splines of one terminal and station: over the logarithm of range, and over the logarithm of sin elevation."""

    by_range: CubicSpline
    by_elevation: CubicSpline
    lowest_elevation_deg: float


def make_lookup(link: Link, *, lowest_elevation_deg: float = 5.0, slew_rate_rad_s: float = 0.0) -> LossLookup:
    """Tabulate the mean budget of a link.

    Parameters
    ----------
    link : Link
    lowest_elevation_deg : float
        Lower end of the table [deg], 1 to 60.
    slew_rate_rad_s : float
        Rate of the line of sight for adaptive optics of finite bandwidth; the one thing that the table holds fixed.

    Raises
    ------
    ValueError
        `lowest_elevation_deg` is out of range.
    """
    if not 1 <= lowest_elevation_deg <= 60:
        raise ValueError(f"make_lookup: lowest_elevation_deg = {lowest_elevation_deg}; expected 1 to 60 deg")
    distance = np.geomspace(_SHORTEST_M, _LONGEST_M, _RANGE_NODES)
    sine = np.geomspace(np.sin(np.radians(lowest_elevation_deg)), 1.0, _ELEVATION_NODES)
    elevation = np.degrees(np.arcsin(np.minimum(sine, 1.0)))
    totals = []
    for columns, names in (
        ({"range_m": distance, "elevation_deg": np.full(distance.shape, 90.0)}, _BY_RANGE),
        ({"range_m": np.full(sine.shape, 1e6), "elevation_deg": elevation}, [t for t in TERMS if t not in _BY_RANGE]),
    ):
        columns["angular_rate_rad_s"] = np.full(len(columns["range_m"]), slew_rate_rad_s)
        totals.append(np.sum([TERMS[name].loss_db(columns, link) for name in names], axis=0))
    return LossLookup(
        CubicSpline(np.log(distance), totals[0]), CubicSpline(np.log(sine), totals[1]), lowest_elevation_deg
    )


def lookup_loss_db(lookup: LossLookup, *, elevation_deg: np.ndarray, range_m: np.ndarray) -> np.ndarray:
    """Total mean loss [dB]; within 0.005 dB of `link_budget` at the slew rate of the table, shapes broadcast.

    Raises
    ------
    ValueError
        An elevation or range lies outside the table.
    """
    elevation, distance = np.asarray(elevation_deg, dtype=float), np.asarray(range_m, dtype=float)
    if not ((elevation >= lookup.lowest_elevation_deg) & (elevation <= 90)).all():
        raise ValueError(
            f"lookup_loss_db: elevation_deg = {elevation.min()} to {elevation.max()}; expected "
            f"{lookup.lowest_elevation_deg:g} to 90 deg"
        )
    if not ((distance >= _SHORTEST_M) & (distance <= _LONGEST_M)).all():
        raise ValueError(
            f"lookup_loss_db: range_m = {distance.min()} to {distance.max()}; expected {_SHORTEST_M:g} to "
            f"{_LONGEST_M:g} m"
        )
    return lookup.by_range(np.log(distance)) + lookup.by_elevation(np.log(np.sin(np.radians(elevation))))

"""Sun, Moon and shadow as seen from the Earth-fixed frame, without any ephemeris file.

Positions come from erfa (`epv00`, `moon98`) at sparse nodes, as splines in the celestial
intermediate frame, turned by the Earth rotation angle. Against JPL DE421 the Sun is good to 0.4 and
the Moon to 8 arcsec; the splines add less than 0.1 and 1 arcsec.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import erfa
import numpy as np
from scipy.interpolate import CubicSpline

from eqci_space.orbits.earth import earth_rotation_rad, julian_date, utc_to_tai
from eqci_space.units import EARTH_RADIUS_M

__all__ = ["Sky", "make_sky"]

_AU_M = 149_597_870_700.0
_SUN_RADIUS_M = 695_700_000.0
_LIGHT_TIME_DAY = 499.004_784 / 86400.0


@dataclass(frozen=True)
class Sky:
    """Splines of the Sun's and Moon's geocentric position over a period; made by `make_sky`."""

    start: datetime
    sun: CubicSpline
    moon: CubicSpline

    def sun_m(self, seconds: np.ndarray) -> np.ndarray:
        """Earth-fixed position of the Sun (n, 3) [m]."""
        return self._earth_fixed(self.sun, seconds)

    def moon_m(self, seconds: np.ndarray) -> np.ndarray:
        """Earth-fixed position of the Moon (n, 3) [m]."""
        return self._earth_fixed(self.moon, seconds)

    def sunlit(self, satellite_m: np.ndarray, seconds: np.ndarray) -> np.ndarray:
        """Whether Earth-fixed positions (n, 3) [m] see any part of the Sun's disc: the penumbra counts as lit.

        False inside the umbra: the cone that touches the Sun and a sphere of the Earth's equatorial radius, where the
        Earth's disc hides the Sun's (half angles ``asin(R/r)`` and ``asin(Rs/d)``, derived here). It narrows by 0.264
        deg, is 1.38 million km long and at 500 km of height 135.5 deg wide, seen from the Earth's centre; a satellite
        there crosses the penumbra in 8 s. Air and the Earth's flattening, some seconds each, are left out.
        """
        sun = self.sun_m(seconds)
        distance = np.linalg.norm(sun, axis=1)
        axis = sun / distance[:, None]
        along = np.einsum("ij,ij->i", satellite_m, axis)
        across = np.linalg.norm(satellite_m - along[:, None] * axis, axis=1)
        narrowing = np.arcsin((_SUN_RADIUS_M - EARTH_RADIUS_M) / distance)
        umbra = EARTH_RADIUS_M / np.cos(narrowing) + along * np.tan(narrowing)
        return ~((along < 0) & (across < umbra))

    def _earth_fixed(self, spline: CubicSpline, seconds: np.ndarray) -> np.ndarray:
        seconds = np.asarray(seconds, dtype=float)
        x, y, z = np.moveaxis(spline(seconds), -1, 0)
        angle = earth_rotation_rad(*julian_date(self.start, seconds))
        cos, sin = np.cos(angle), np.sin(angle)
        return np.stack([cos * x + sin * y, -sin * x + cos * y, z], axis=-1)


def make_sky(start: datetime, end: datetime) -> Sky:
    """Splines of Sun (12-hour nodes) and Moon (3-hour nodes) that cover [start, end]."""
    length = (end - start).total_seconds()
    return Sky(start, _spline(start, length, 43200.0, _sun_gcrs), _spline(start, length, 10800.0, _moon_gcrs))


def _spline(start: datetime, length: float, step: float, gcrs) -> CubicSpline:  # type: ignore[no-untyped-def]
    nodes = np.arange(-4, int(np.ceil(length / step)) + 5) * step
    jd, fraction = julian_date(start, nodes)
    tt = erfa.taitt(*utc_to_tai(jd, fraction))
    to_intermediate = erfa.c2i06a(*tt)
    return CubicSpline(nodes, np.einsum("nij,nj->ni", to_intermediate, gcrs(*tt)))


def _sun_gcrs(tt1: np.ndarray, tt2: np.ndarray) -> np.ndarray:
    """Apparent geocentric Sun [m]: where it stood a light time ago relative to the Earth."""
    heliocentric, _ = erfa.epv00(tt1, tt2 - _LIGHT_TIME_DAY)
    return -heliocentric["p"] * _AU_M


def _moon_gcrs(tt1: np.ndarray, tt2: np.ndarray) -> np.ndarray:
    return erfa.moon98(tt1, tt2)["p"] * _AU_M

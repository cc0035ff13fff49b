"""Earth orientation and station vectors, offline.

UT1 comes from the IERS file inside `astropy-iers-data`, the same that Astropy and Skyfield can be
pinned to. Beyond its last row the last UT1-TAI is held and one warning is given; the drift is below
a millisecond a day. Polar motion (below 15 m on the ground) is not applied.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from functools import lru_cache

import astropy_iers_data
import erfa
import numpy as np
import pandas as pd
from skyfield.data.iers import parse_dut1_from_finals_all

from eqci_space.errors import ModelValidityWarning, TimeError
from eqci_space.orbits.time_scales import leap_instants

__all__ = [
    "earth_rotation_rad",
    "julian_date",
    "orientation_end",
    "seconds_from",
    "sidereal_rad",
    "station_frame",
    "times_from",
    "to_earth_fixed",
    "utc_to_tai",
]

_MJD_ZERO = 2_400_000.5


@lru_cache(maxsize=1)
def _ut1_minus_tai() -> tuple[np.ndarray, np.ndarray]:
    """Modified Julian dates (UTC, daily) and UT1-TAI [s], free of leap-second steps."""
    with open(astropy_iers_data.IERS_A_FILE, "rb") as stream:
        mjd, dut1 = parse_dut1_from_finals_all(stream)
    tai = utc_to_tai(np.full(len(mjd), _MJD_ZERO), mjd)
    tai_minus_utc_s = np.round(((tai[0] - _MJD_ZERO) + (tai[1] - mjd)) * 86400.0)
    return mjd, dut1 - tai_minus_utc_s


def orientation_end() -> datetime:
    """Last instant of the Earth-orientation table."""
    return datetime.fromtimestamp((float(_ut1_minus_tai()[0][-1]) - 40587.0) * 86400.0, tz=UTC)


@lru_cache(maxsize=1)
def _warn_beyond_table() -> None:
    warnings.warn(
        f"Earth orientation ends {orientation_end():%Y-%m-%d}; the last UT1 is held beyond it "
        "(update astropy-iers-data)",
        ModelValidityWarning,
        stacklevel=4,
    )


def julian_date(start: datetime, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """UTC Julian date of ``start + seconds`` as (whole day, fraction), both shaped like `seconds`.

    Raises
    ------
    TimeError
        `start` has no time zone.
    """
    start = _aware(start, "julian_date")
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    whole = (day - datetime(1858, 11, 17, tzinfo=UTC)).days + _MJD_ZERO
    fraction = ((start - day).total_seconds() + np.asarray(seconds, dtype=float)) / 86400.0
    extra = np.floor(fraction)
    return whole + extra, fraction - extra


@lru_cache(maxsize=1)
def _leap_days() -> np.ndarray:
    """Julian dates of the midnights that begin a day of 86,401 s."""
    midnights = leap_instants(datetime(1972, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
    return np.array([julian_date(m, np.zeros(1))[0][0] - 1.0 for m in midnights])


def utc_to_tai(jd: np.ndarray, fraction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """TAI as (whole day, fraction) of a UTC Julian date; the leap seconds known today are taken to stay.

    ERFA calls years beyond its own table dubious at every call; how far the table of Earth orientation reaches is told
    once. It also counts fractions of a day that ends in a leap second in 86,401 s; ours are of 86,400 s.

    Raises
    ------
    TimeError
        A date lies before the calendar that ERFA knows.
    """
    fraction = np.where(np.isin(jd, _leap_days()), fraction * (86400.0 / 86401.0), fraction)
    day, part, status = erfa.ufunc.utctai(jd, fraction)
    if np.any(np.asarray(status) < 0):
        raise TimeError(f"utc_to_tai: Julian date {float(np.min(jd)):.1f} is no date that ERFA knows; use a later one")
    return day, part


def _ut1(jd: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Fraction of day in UT1 that belongs to the whole day `jd` (UTC)."""
    table_mjd, table_s = _ut1_minus_tai()
    mjd = jd - _MJD_ZERO + fraction
    if mjd.size and float(np.max(mjd)) > table_mjd[-1]:
        _warn_beyond_table()
    tai_day, tai_fraction = utc_to_tai(jd, fraction)
    ut1_minus_tai_s = np.interp(mjd, table_mjd, table_s)
    return (tai_day - jd) + tai_fraction + ut1_minus_tai_s / 86400.0


def sidereal_rad(jd: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Greenwich mean sidereal time IAU 1982 [rad], which turns SGP4's TEME frame into the Earth-fixed one."""
    return erfa.gmst82(jd, _ut1(jd, fraction))


def earth_rotation_rad(jd: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Earth rotation angle [rad] (IAU 2000), which turns the celestial intermediate frame."""
    return erfa.era00(jd, _ut1(jd, fraction))


def to_earth_fixed(frame: str, jd: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Rotations (n, 3, 3) from a CCSDS reference frame into the Earth-fixed one, without polar motion.

    Parameters
    ----------
    frame : str
        EME2000, GCRF, ICRF, TEME, or a name that begins with ITRF.
    jd, fraction : (n,) arrays
        UTC.

    Raises
    ------
    ValueError
        The frame is unknown.
    """
    if frame.startswith("ITRF"):
        return np.broadcast_to(np.eye(3), (len(jd), 3, 3))
    if frame == "TEME":
        return _rotation_about_z(sidereal_rad(jd, fraction))
    if frame not in ("GCRF", "ICRF", "EME2000"):
        raise ValueError(f"unknown reference frame '{frame}'; known: EME2000, GCRF, ICRF, TEME, ITRF...")
    tt = erfa.taitt(*utc_to_tai(jd, fraction))
    rotation = np.einsum("nij,njk->nik", _rotation_about_z(earth_rotation_rad(jd, fraction)), erfa.c2i06a(*tt))
    if frame == "EME2000":  # the frame bias turns GCRS into the mean equator and equinox of J2000
        rotation = rotation @ erfa.bp06(2_451_545.0, 0.0)[0].T
    return rotation


def _rotation_about_z(angle: np.ndarray) -> np.ndarray:
    cos, sin, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    rows = [[cos, sin, zero], [-sin, cos, zero], [zero, zero, one]]
    return np.moveaxis(np.array(rows), -1, 0)


def station_frame(
    latitude_deg: float, longitude_deg: float, height_ellipsoid_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Earth-fixed position (3,) [m] and rotation (3, 3) into east, north, up, on WGS 84."""
    lat, lon = np.radians(latitude_deg), np.radians(longitude_deg)
    position = erfa.gd2gc(1, lon, lat, height_ellipsoid_m)
    sin_lat, cos_lat, sin_lon, cos_lon = np.sin(lat), np.cos(lat), np.sin(lon), np.cos(lon)
    rotation = np.array([
        [-sin_lon, cos_lon, 0.0],
        [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
        [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
    ])  # fmt: skip
    return np.asarray(position, dtype=float), rotation


def _aware(start: datetime, where: str) -> datetime:
    if start.tzinfo is None:
        raise TimeError(f"{where}: start {start} has no time zone; use datetime(..., tzinfo=UTC)")
    return start.astimezone(UTC)


def times_from(start: datetime, seconds: np.ndarray) -> pd.DatetimeIndex:
    """Timestamps (UTC, microseconds) of ``start + seconds``; `start` is aware."""
    micro = np.round(np.asarray(seconds, dtype=float) * 1e6).astype("timedelta64[us]")
    origin = np.datetime64(_aware(start, "times_from").replace(tzinfo=None), "us")
    return pd.DatetimeIndex(origin + micro, tz="UTC")


def seconds_from(start: datetime, times: pd.Series | pd.DatetimeIndex) -> np.ndarray:
    """Seconds from `start` to each of `times`; the inverse of `times_from`."""
    index = pd.DatetimeIndex(times)
    if index.tz is None:
        raise TimeError("seconds_from: times have no time zone; use tz_localize('UTC')")
    origin = np.datetime64(_aware(start, "seconds_from").replace(tzinfo=None), "us")
    naive = index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]")
    return (naive - origin).astype(np.int64) / 1e6

"""Aerosol by month: optical depth from Linke turbidity, brought to a station's height and to a time of year.

Linke turbidity measures the attenuation of the whole solar beam. What it leaves beside molecules, permanent gases and
water vapour is aerosol: good to about 0.05 in optical depth, for water is taken from a usual year and the map that the
turbidity comes from is coarse. Where less than nothing is left, the air is taken for the cleanest that is measured.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from eqci_space.linkbudget.ranges import Range, in_range

__all__ = [
    "optical_depth_at_height",
    "optical_depth_from_linke",
    "optical_depth_in_year",
    "usual_water_cm",
    "year_share",
]

_DRIEST_CM, _WETTEST_CM = 0.8, 2.4  # assumed: January and July of central Europe
_CLEANEST = 0.05
_DEEPEST_VALLEY_M = 300.0
_BROADBAND_NM, _STATED_NM = 700.0, 500.0
_MID_MONTH_DAY = np.array([15.5, 45, 74.5, 105, 135.5, 166, 196.5, 227.5, 258, 288.5, 319, 349.5])
_YEAR_DAY = 365.0


@in_range(
    linke_turbidity=Range(0.5, 12), precipitable_water_cm=Range(0, 5, "cm", above=True), absolute_airmass=Range(1, 5)
)
def optical_depth_from_linke(
    linke_turbidity: np.ndarray, *, precipitable_water_cm: np.ndarray | float, absolute_airmass: float = 1.5
) -> np.ndarray:
    """Broadband optical depth of aerosol, which is that at 700 nm, from the pyrheliometric formula solved for it.

    ``T/(9.4 + 0.9 X) - (-0.101 + 0.235 X^-0.16) - 0.112 X^-0.55 w^0.34``: Kasten 1996 (Solar Energy 56, 239), clean dry
    air and water by Molineaux et al. 1998 (Appl. Opt. 37, 7008), as Ineichen 2008 (Solar Energy 82, 1095) joins them.
    The result is not floored: it is negative where there is less water than assumed.

    Parameters
    ----------
    linke_turbidity : float or array
        T [1], in [0.5, 12].
    precipitable_water_cm : float or array
        w, water vapour of the column [cm], in (0, 5].
    absolute_airmass : float
        X, at which turbidity was measured [1], in [1, 5].

    Returns
    -------
    array
        Optical depth at the zenith [1].

    Examples
    --------
    pvlib 0.16.1 has a turbidity of 3.442 for an optical depth of 0.1 with 1.42 cm of water:

    >>> round(float(optical_depth_from_linke(3.442125, precipitable_water_cm=1.42)), 4)
    0.1
    """
    x = absolute_airmass
    dry = -0.101 + 0.235 * x**-0.16
    water = 0.112 * x**-0.55 * np.asarray(precipitable_water_cm, dtype=float) ** 0.34
    return np.asarray(linke_turbidity, dtype=float) / (9.4 + 0.9 * x) - dry - water


@in_range(latitude_deg=Range(-90, 90, "deg"))
def usual_water_cm(*, latitude_deg: float) -> np.ndarray:
    """Water vapour of the column by month: 0.8 cm in January, 2.4 cm in July, a cosine between (assumed; derived here).

    That is central Europe; south of the equator the year is turned round. The tropics have 4 cm and more: there the
    aerosol that follows is too thick by up to 0.05.

    Parameters
    ----------
    latitude_deg : float
        [deg], in [-90, 90].

    Returns
    -------
    (12,) array
        Precipitable water, January first [cm].

    Examples
    --------
    >>> usual_water_cm(latitude_deg=52.5)[[0, 3, 6]].round(2)
    array([0.8, 1.6, 2.4])
    """
    winter = np.cos(2 * np.pi * np.arange(12) / 12) * (1.0 if latitude_deg >= 0 else -1.0)
    return (_WETTEST_CM + _DRIEST_CM) / 2 - (_WETTEST_CM - _DRIEST_CM) / 2 * winter


@in_range(optical_depth_700nm=Range(-1, 5))
def optical_depth_at_height(
    optical_depth_700nm: np.ndarray,
    *,
    ground_height_m: float,
    height_msl_m: float,
    aerosol_scale_height_m: float = 1000.0,
    angstrom_exponent: float = 1.3,
) -> np.ndarray:
    """Optical depth at 500 nm above a station, from that of its surroundings at 700 nm.

    Ångström 1929 for the wavelength, ``exp(-(h - h0)/H)`` for the height (derived here). A station below its
    surroundings has at most 300 m more air above it (assumed: valleys), so that a station planned at sea level is not
    put under the Alps. The surroundings have at least 0.05 at sea level: the baseline of the Pacific is 0.052 (Kaufman
    et al. 2001, Geophys. Res. Lett. 28, 3251).

    Parameters
    ----------
    optical_depth_700nm : float or array
        At the mean height of the surroundings [1], in [-1, 5].
    ground_height_m : float
        h0, their mean height above the sea [m], in [-500, 11e3].
    height_msl_m : float
        h, of the station [m], in [-500, 11e3].
    aerosol_scale_height_m : float
        H [m], in [1, 1e5].
    angstrom_exponent : float
        [1], in [-1, 4].

    Returns
    -------
    array
        Optical depth at the zenith [1].

    Examples
    --------
    By hand, 0.1 · 1.4^1.3 · e^-0.5, and 0.05 e^-1:

    >>> depth = optical_depth_at_height(np.array([0.1, -0.02]), ground_height_m=500, height_msl_m=1000)
    >>> depth.round(5)
    array([0.09393, 0.01839])
    """
    surroundings = np.asarray(optical_depth_700nm, dtype=float) * (_BROADBAND_NM / _STATED_NM) ** angstrom_exponent
    surroundings = np.maximum(surroundings, _CLEANEST * np.exp(-ground_height_m / aerosol_scale_height_m))
    above = max(height_msl_m - ground_height_m, -_DEEPEST_VALLEY_M)
    return surroundings * np.exp(-above / aerosol_scale_height_m)


@in_range(by_month=Range(0), share_of_year=Range(0, 1))
def optical_depth_in_year(share_of_year: np.ndarray, *, by_month: np.ndarray) -> np.ndarray:
    """Value of a time of year from means of months, which hold in their middles (Fritsch and Butland 1984).

    Monotone cubics around the year: no step at midnight, and nothing above or below the months on both sides.

    Parameters
    ----------
    share_of_year : float or array
        Of `year_share` [1], in [0, 1].
    by_month : (12,) array
        January first [1], at least 0, or > 0.

    Returns
    -------
    array
        In the unit of `by_month` [1].

    Examples
    --------
    The middle of January, and half-way to that of February:

    >>> year = np.concatenate([[0.1, 0.2], np.full(10, 0.1)])
    >>> optical_depth_in_year(np.array([15.5, 30.25]) / 365, by_month=year).round(3)
    array([0.1 , 0.15])
    """
    months = np.asarray(by_month, dtype=float)
    if months.shape != (12,):
        raise ValueError(f"optical_depth_in_year: by_month has the shape {months.shape}; expected 12 months")
    days = np.concatenate([_MID_MONTH_DAY[-3:] - _YEAR_DAY, _MID_MONTH_DAY, _MID_MONTH_DAY[:3] + _YEAR_DAY])
    curve = PchipInterpolator(days, np.concatenate([months[-3:], months, months[:3]]))
    return curve(np.asarray(share_of_year, dtype=float) * _YEAR_DAY)


def year_share(time: np.ndarray) -> np.ndarray:
    """How much of its calendar year is over at a time, without a step at New Year or in leap years (derived here).

    Parameters
    ----------
    time : array of datetime64
        UTC, without zone [datetime64], any.

    Returns
    -------
    array
        In [0, 1) [1].

    Examples
    --------
    >>> year_share(np.array(["2027-07-02T12:00", "2028-07-02T00:00"], dtype="datetime64[s]"))
    array([0.5, 0.5])
    """
    moments = np.asarray(time)
    years = moments.astype("datetime64[Y]")
    begin, end = years.astype(moments.dtype), (years + 1).astype(moments.dtype)
    return (moments - begin) / (end - begin)

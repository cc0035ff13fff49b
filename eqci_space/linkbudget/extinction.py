"""Extinction of clear air: Rayleigh scattering, one aerosol column, a gas term, and cirrus.

The aerosol is given by visibility (Kruse, Kim), by optical depth (Ångström), or by the polynomials of ITU-R P.1622:
three descriptions of one column, never to be added.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.interpolate import PchipInterpolator

from eqci_space.linkbudget.ranges import Range, in_range, within

__all__ = [
    "aerosol_optical_depth",
    "airmass_kasten_young",
    "apparent_elevation_deg",
    "cirrus_loss_db",
    "clear_sky_loss_db",
    "gas_loss_db",
    "rayleigh_optical_depth",
    "scattering_p1622_zenith_db",
    "standard_pressure_pa",
    "tabulated_extinction_loss_db",
    "visibility_attenuation_db_m",
]

DB_PER_NEPER = 10 / np.log(10)
_CONTRAST_NEPER = 3.912
# Rows: coefficients of h³, h², h, 1; columns: of λ³, λ², λ, 1 (h in km, λ in µm).
_P1622 = np.array([
    [0.000487, -0.002237, 0.003864, -0.004442], [-0.00573, 0.02639, -0.04552, 0.05164],
    [0.02565, -0.1191, 0.20385, -0.216], [-0.0638, 0.3034, -0.5083, 0.425],
])  # fmt: skip


@in_range(elevation_deg=Range(-1, 90.1, "deg"), pressure_pa=Range(0, 120e3, "Pa"))
def apparent_elevation_deg(elevation_deg: np.ndarray, *, pressure_pa: float = 101_000.0) -> np.ndarray:
    """Refracted elevation of a geometric one at 10 °C, in visible light; 1550 nm is refracted 1.5 % less.

    Saemundsson 1986 (Sky and Telescope 72, 70): ``R = 1.02'/tan(h + 10.3/(h + 5.11))``.

    Parameters
    ----------
    elevation_deg : float or array
        Geometric elevation [deg], in [-1, 90.1].
    pressure_pa : float
        Air at the telescope [Pa], in [0, 120e3].

    Returns
    -------
    array
        Apparent elevation [deg].

    Examples
    --------
    Meeus (Astronomical Algorithms, example 16.a) prints 24.618' at 33' 14.76":

    >>> round(float(60 * apparent_elevation_deg(0.5541) - 33.246), 3)
    24.618
    """
    h = np.asarray(elevation_deg, dtype=float)
    return h + pressure_pa / 101_000.0 * 1.02 / 60.0 / np.tan(np.radians(h + 10.3 / (h + 5.11)))


@in_range(apparent_elevation_deg=Range(0, 90.1, "deg"))
def airmass_kasten_young(apparent_elevation_deg: np.ndarray) -> np.ndarray:
    """Relative optical airmass (Kasten and Young 1989, Appl. Opt. 28, 4735), 0.99971 at the zenith by construction.

    Parameters
    ----------
    apparent_elevation_deg : float or array
        Refracted elevation [deg], in [0, 90.1].

    Returns
    -------
    array
        Airmass [1].

    Raises
    ------
    ValueError
        An elevation is negative or above 90.1 deg.

    Examples
    --------
    Published 37.92 at the horizon:

    >>> airmass_kasten_young(np.array([0.0, 90.0])).round(5)
    array([37.91961,  0.99971])
    """
    e = np.asarray(apparent_elevation_deg, dtype=float)
    return 1.0 / (np.sin(np.radians(e)) + 0.50572 * (e + 6.07995) ** -1.6364)


@in_range()
def standard_pressure_pa(height_msl_m: np.ndarray | float) -> np.ndarray:
    """Pressure of the ICAO standard atmosphere (ICAO Doc 7488, 1993), constants to five digits.

    Parameters
    ----------
    height_msl_m : float or array
        Above mean sea level [m], in [-500, 11e3].

    Returns
    -------
    array
        Pressure [Pa].

    Examples
    --------
    The standard prints 89 874.6 Pa at 1 km:

    >>> round(float(standard_pressure_pa(1000.0)), 1)
    89874.5
    """
    return 101_325.0 * (1 - 2.25577e-5 * np.asarray(height_msl_m, dtype=float)) ** 5.2559


@in_range()
def rayleigh_optical_depth(*, wavelength_m: float, pressure_pa: np.ndarray | float) -> np.ndarray:
    """Zenith optical depth of molecular scattering (Hansen and Travis 1974, Space Sci. Rev. 16, 527, eq. 2.30).

    Parameters
    ----------
    wavelength_m : float
        [m], in [0.2e-6, 15e-6].
    pressure_pa : float or array
        Air at the telescope [Pa], in [10e3, 120e3].

    Returns
    -------
    array
        Optical depth [1].

    Examples
    --------
    Bodhaine et al. 1999 print 0.0973 at 550 nm:

    >>> round(float(rayleigh_optical_depth(wavelength_m=550e-9, pressure_pa=101_325.0)), 4)
    0.0973
    """
    um = wavelength_m * 1e6
    return 0.008569 * um**-4 * (1 + 0.0113 * um**-2 + 0.00013 * um**-4) * np.asarray(pressure_pa) / 101_325.0


@in_range()
def visibility_attenuation_db_m(
    *, wavelength_m: float, visibility_km: float, model: Literal["kim", "kruse"] = "kim"
) -> float:
    """Horizontal attenuation by haze, from the visibility at 550 nm and 2 % contrast.

    ``(10/ln 10)(3.912/V)(λ/550 nm)^-q`` with q = 1.6 above 50 km, 1.3 down to 6 km; below it Kruse
    0.585 V^(1/3), or Kim 2001 (Proc. SPIE 4214): 0.16 V + 0.34 to 1 km, V - 0.5 to 0.5 km, then 0.

    Parameters
    ----------
    wavelength_m : float
        [m], in [0.2e-6, 15e-6].
    visibility_km : float
        [km], > 0.
    model : {"kim", "kruse"}
        Law of the exponent below 6 km.

    Returns
    -------
    float
        Attenuation [dB/m].

    Raises
    ------
    ValueError
        The model is unknown, or a number out of range.

    Examples
    --------
    Kim's Table 2 prints 14 dB/km at 1 km and 785 nm:

    >>> round(1e3 * visibility_attenuation_db_m(wavelength_m=785e-9, visibility_km=1.0), 2)
    14.22
    """
    if model not in ("kim", "kruse"):
        raise ValueError(f"visibility_attenuation_db_m: model = {model!r}; expected 'kim' or 'kruse'")
    v = visibility_km
    if v > 50:
        q = 1.6
    elif v > 6:
        q = 1.3
    elif model == "kruse":
        q = 0.585 * v ** (1 / 3)
    elif v > 1:
        q = 0.16 * v + 0.34
    else:
        q = max(0.0, v - 0.5)
    return float(DB_PER_NEPER * _CONTRAST_NEPER / (v * 1e3) * (wavelength_m / 550e-9) ** -q)


@in_range()
def clear_sky_loss_db(
    *,
    airmass: np.ndarray,
    wavelength_m: float,
    visibility_km: float | None = None,
    optical_depth_500nm: np.ndarray | float | None = None,
    angstrom_exponent: float = 1.3,
    aerosol_scale_height_m: float = 1000.0,
    pressure_pa: float = 101_325.0,
    height_msl_m: float = 0.0,
    model: Literal["kim", "kruse"] = "kim",
) -> np.ndarray:
    """Slant loss of clear air: airmass times the zenith loss by molecules (Hansen, Travis 1974) and one aerosol column.

    The column is ``visibility attenuation · H exp(-h/H)`` (Kim 2001), or the optical depth at the site's own height.
    Absorption is not in it: see `gas_loss_db`.

    Parameters
    ----------
    airmass : float or array
        [1], in [0, 100].
    wavelength_m : float
        [m], in [0.2e-6, 15e-6].
    visibility_km : float, optional
        At 550 nm and sea level [km], > 0.
    optical_depth_500nm : float or array, optional
        Of the aerosol above the site, instead of the visibility [1], in [0, 5].
    angstrom_exponent : float
        Of the optical depth [1], in [-1, 4].
    aerosol_scale_height_m : float
        H, of the visibility [m], in [1, 1e5].
    pressure_pa : float
        Air at the telescope [Pa], in [10e3, 120e3].
    height_msl_m : float
        h, of the telescope [m], in [-500, 11e3].
    model : {"kim", "kruse"}
        As in `visibility_attenuation_db_m`.

    Returns
    -------
    array
        Loss [dB].

    Raises
    ------
    ValueError
        Both or none of `visibility_km` and `optical_depth_500nm` are given: they describe the same column.

    Examples
    --------
    MODTRAN has 0.481 dB at 850 nm, and 0.575 dB at 785 nm:

    >>> [round(float(clear_sky_loss_db(airmass=1.0, wavelength_m=w, visibility_km=23)), 3) for w in (850e-9, 785e-9)]
    [0.492, 0.565]
    """
    if (visibility_km is None) == (optical_depth_500nm is None):
        raise ValueError(
            f"clear_sky_loss_db: visibility_km = {visibility_km} and optical_depth_500nm = {optical_depth_500nm}; "
            "expected exactly one of them, for both describe the whole aerosol column"
        )
    molecules = DB_PER_NEPER * rayleigh_optical_depth(wavelength_m=wavelength_m, pressure_pa=pressure_pa)
    if visibility_km is not None:
        column_m = aerosol_scale_height_m * np.exp(-height_msl_m / aerosol_scale_height_m)
        aerosol = column_m * visibility_attenuation_db_m(
            wavelength_m=wavelength_m, visibility_km=visibility_km, model=model
        )
    else:
        aerosol = DB_PER_NEPER * aerosol_optical_depth(
            wavelength_m=wavelength_m, optical_depth_500nm=np.asarray(optical_depth_500nm, dtype=float),
            angstrom_exponent=angstrom_exponent,
        )  # fmt: skip
    return np.asarray(airmass) * (molecules + aerosol)


@in_range()
def aerosol_optical_depth(
    *, wavelength_m: float, optical_depth_500nm: np.ndarray | float, angstrom_exponent: float = 1.3
) -> np.ndarray:
    """``τ500 (λ/500 nm)^-å`` (Ångström 1929); a clean continental winter day has τ500 = 0.1, å = 1.3.

    Parameters
    ----------
    wavelength_m : float
        [m], in [0.2e-6, 15e-6].
    optical_depth_500nm : float or array
        [1], in [0, 5].
    angstrom_exponent : float
        [1], in [-1, 4].

    Returns
    -------
    array
        Optical depth [1].

    Examples
    --------
    By hand, 0.1 · 1.7^-1.3:

    >>> round(float(aerosol_optical_depth(wavelength_m=850e-9, optical_depth_500nm=0.1)), 5)
    0.05017
    """
    depth = np.asarray(optical_depth_500nm, dtype=float)
    return depth * (wavelength_m / 500e-9) ** -angstrom_exponent


@in_range(wavelength_m=Range(0.4e-6, 2.5e-6, "m"), site_altitude_m=Range(0, 5000, "m"))
def scattering_p1622_zenith_db(*, wavelength_m: float, site_altitude_m: float) -> float:
    """Zenith loss by scattering (ITU-R P.1622-0, 2003, section 2.2), for elevations above 45 deg.

    It holds molecules and aerosol: an alternative to `clear_sky_loss_db`, not an addition.

    Parameters
    ----------
    wavelength_m : float
        [m], in [0.4e-6, 2.5e-6].
    site_altitude_m : float
        Above mean sea level [m], in [0, 5000].

    Returns
    -------
    float
        Loss [dB].

    Examples
    --------
    >>> round(scattering_p1622_zenith_db(wavelength_m=1.55e-6, site_altitude_m=0.0), 3)
    0.558
    """
    powers = (wavelength_m * 1e6) ** np.arange(3, -1, -1)
    h = site_altitude_m / 1e3
    return max(0.0, float(DB_PER_NEPER * (_P1622 @ powers) @ h ** np.arange(3, -1, -1.0)))


@in_range(table_elevation_deg=Range(0, 90, "deg", above=True), table_loss_db=Range(0, 300, "dB"))
def tabulated_extinction_loss_db(
    elevation_deg: np.ndarray, *, table_elevation_deg: np.ndarray, table_loss_db: np.ndarray
) -> np.ndarray:
    """Slant loss of a radiative-transfer table over elevation, monotone cubics in airmass (Fritsch, Butland 1984).

    Beer's law is reproduced exactly from two rows; saturating bands need rows a few degrees apart.

    Parameters
    ----------
    elevation_deg : float or array
        Within the table [deg], in (0, 90].
    table_elevation_deg : (n,) array
        Rising elevations [deg], in (0, 90].
    table_loss_db : (n,) array
        Losses from space to the telescope [dB], in [0, 300].

    Returns
    -------
    array
        Loss [dB].

    Raises
    ------
    ValueError
        The table does not rise, or an elevation lies outside it.

    Examples
    --------
    MODTRAN at 820 nm, met at its own rows:

    >>> table = {"table_elevation_deg": np.array([10, 30, 90]), "table_loss_db": np.array([5.434, 2.422, 1.440])}
    >>> tabulated_extinction_loss_db(np.array([30.0]), **table).round(3)
    array([2.422])
    """
    elevation, loss = np.asarray(table_elevation_deg, dtype=float), np.asarray(table_loss_db, dtype=float)
    if elevation.ndim != 1 or len(elevation) < 2 or elevation.shape != loss.shape or (np.diff(elevation) <= 0).any():
        raise ValueError(
            f"tabulated_extinction_loss_db: elevations {elevation.tolist()}, losses {loss.tolist()}; expected at least "
            "two rising elevations and a loss for each"
        )
    asked = np.asarray(elevation_deg, dtype=float)
    within("tabulated_extinction_loss_db", "elevation_deg", asked, Range(elevation[0], elevation[-1], "deg"))

    def airmass(e: np.ndarray) -> np.ndarray:
        return airmass_kasten_young(apparent_elevation_deg(e))

    return PchipInterpolator(-airmass(elevation), loss)(np.clip(-airmass(asked), *-airmass(elevation[[0, -1]])))


@in_range()
def gas_loss_db(airmass: np.ndarray, *, zenith_loss_db: float, airmass_exponent: float = 1.0) -> np.ndarray:
    """Loss by absorption lines, ``A X^b``: b is below one where strong lines saturate (derived here).

    `eqci_space.linkbudget.gas.gas_absorption` has A and b by wavelength.

    Parameters
    ----------
    airmass : float or array
        [1], in [0, 100].
    zenith_loss_db : float
        A [dB], in [0, 100].
    airmass_exponent : float
        b [1], in (0, 1.2].

    Returns
    -------
    array
        Loss [dB].

    Examples
    --------
    MODTRAN at 820 nm and 10 deg has 2.535 dB beyond scattering:

    >>> round(float(gas_loss_db(5.58, zenith_loss_db=0.916, airmass_exponent=0.593)), 2)
    2.54
    """
    return zenith_loss_db * np.asarray(airmass, dtype=float) ** airmass_exponent


@in_range()
def cirrus_loss_db(airmass: np.ndarray, *, optical_depth: float) -> np.ndarray:
    """Loss by thin cirrus, ``4.343 τ X``, the same at all wavelengths; forward scattering is counted as lost.

    Subvisual cirrus has τ below 0.03, thin cirrus below 0.3 (Sassen and Cho 1992).

    Parameters
    ----------
    airmass : float or array
        [1], in [0, 100].
    optical_depth : float
        τ at the zenith [1], in [0, 5].

    Returns
    -------
    array
        Loss [dB].

    Examples
    --------
    >>> round(float(cirrus_loss_db(2.0, optical_depth=0.3)), 3)
    2.606
    """
    return DB_PER_NEPER * optical_depth * np.asarray(airmass, dtype=float)

"""Extinction of clear air: Rayleigh scattering, one aerosol column, a gas term, and cirrus.

The aerosol is given by visibility (Kruse, Kim), by optical depth (Ångström), or by the polynomials of ITU-R P.1622:
three descriptions of one column, never to be added.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

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
    "visibility_attenuation_db_m",
]

DB_PER_NEPER = 10 / np.log(10)
_CONTRAST_NEPER = 3.912
# Rows: coefficients of h³, h², h, 1; columns: of λ³, λ², λ, 1 (h in km, λ in µm).
_P1622 = np.array([
    [0.000487, -0.002237, 0.003864, -0.004442], [-0.00573, 0.02639, -0.04552, 0.05164],
    [0.02565, -0.1191, 0.20385, -0.216], [-0.0638, 0.3034, -0.5083, 0.425],
])  # fmt: skip


def apparent_elevation_deg(elevation_deg: np.ndarray, *, pressure_pa: float = 101_000.0) -> np.ndarray:
    """Refracted elevation [deg] of a geometric one at 10 °C, in visible light; 1550 nm is refracted 1.5 % less.

    Saemundsson 1986 (Sky and Telescope 72, 70): ``R = 1.02'/tan(h + 10.3/(h + 5.11))``; Meeus (Astronomical
    Algorithms, example 16.a) prints 24.618' at h = 33' 14.76" (before his 2.6 arcsec correction).
    """
    h = np.asarray(elevation_deg, dtype=float)
    return h + pressure_pa / 101_000.0 * 1.02 / 60.0 / np.tan(np.radians(h + 10.3 / (h + 5.11)))


def airmass_kasten_young(apparent_elevation_deg: np.ndarray) -> np.ndarray:
    """Relative optical airmass (Kasten and Young 1989, Appl. Opt. 28, 4735), valid 0 to 90 deg.

    0.99971 at the zenith by construction; published 37.92 at the horizon.

    Raises
    ------
    ValueError
        An elevation is negative or above 90 deg.
    """
    e = np.asarray(apparent_elevation_deg, dtype=float)
    if e.size and not ((e >= 0) & (e <= 90.1)).all():
        raise ValueError(f"airmass_kasten_young: elevation {e.min()}..{e.max()} deg; expected 0 to 90")
    return 1.0 / (np.sin(np.radians(e)) + 0.50572 * (e + 6.07995) ** -1.6364)


def standard_pressure_pa(height_msl_m: np.ndarray | float) -> np.ndarray:
    """Pressure of the ICAO standard atmosphere [Pa], 0 to 11 km above mean sea level."""
    return 101_325.0 * (1 - 2.25577e-5 * np.asarray(height_msl_m, dtype=float)) ** 5.2559


def rayleigh_optical_depth(*, wavelength_m: float, pressure_pa: np.ndarray | float) -> np.ndarray:
    """Zenith optical depth of molecular scattering (Hansen and Travis 1974, Space Sci. Rev. 16, 527, eq. 2.30)."""
    _check_wavelength(wavelength_m, "rayleigh_optical_depth")
    um = wavelength_m * 1e6
    return 0.008569 * um**-4 * (1 + 0.0113 * um**-2 + 0.00013 * um**-4) * np.asarray(pressure_pa) / 101_325.0


def visibility_attenuation_db_m(
    *, wavelength_m: float, visibility_km: float, model: Literal["kim", "kruse"] = "kim"
) -> float:
    """Horizontal attenuation [dB/m] of haze by visibility at 550 nm and 2 % contrast.

    ``(10/ln 10)(3.912/V)(λ/550 nm)^-q`` with q = 1.6 above 50 km, 1.3 down to 6 km; below it Kruse
    0.585 V^(1/3), or Kim 2001 (Proc. SPIE 4214): 0.16 V + 0.34 to 1 km, V - 0.5 to 0.5 km, then 0.
    Kim's Table 2 prints 14 dB/km at 1 km and 785 nm.
    """
    _check_wavelength(wavelength_m, "visibility_attenuation_db_m")
    v = visibility_km
    if not v > 0:
        raise ValueError(f"visibility_attenuation_db_m: visibility_km={v}; expected a positive number")
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


def clear_sky_loss_db(
    *,
    airmass: np.ndarray,
    wavelength_m: float,
    visibility_km: float | None = None,
    optical_depth_500nm: float | None = None,
    angstrom_exponent: float = 1.3,
    aerosol_scale_height_m: float = 1000.0,
    pressure_pa: float = 101_325.0,
    height_msl_m: float = 0.0,
    model: Literal["kim", "kruse"] = "kim",
) -> np.ndarray:
    """Slant loss [dB] of clear air: airmass times the zenith loss by molecules and one aerosol column.

    The aerosol is ``visibility attenuation · H exp(-h/H)``, or the optical depth at the site's own height. With 23 km
    visibility and H = 1 km the zenith loss at 785 and 850 nm agrees with MODTRAN within 0.011 dB. Water bands, such
    as 810 to 830 nm, are `gas_loss_db`.

    Raises
    ------
    ValueError
        Both or none of `visibility_km` and `optical_depth_500nm` are given: they describe the same column.
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
            wavelength_m=wavelength_m, optical_depth_500nm=float(optical_depth_500nm or 0.0),
            angstrom_exponent=angstrom_exponent,
        )  # fmt: skip
    return np.asarray(airmass) * (molecules + aerosol)


def aerosol_optical_depth(
    *, wavelength_m: float, optical_depth_500nm: np.ndarray | float, angstrom_exponent: float = 1.3
) -> np.ndarray:
    """``τ500 (λ/500 nm)^-å`` (Ångström 1929); a clean continental winter day has τ500 = 0.1, å = 1.3."""
    _check_wavelength(wavelength_m, "aerosol_optical_depth")
    depth = np.asarray(optical_depth_500nm, dtype=float)
    if not (depth >= 0).all() or not -1 <= angstrom_exponent <= 4:
        raise ValueError(
            f"aerosol_optical_depth: depth {depth} and exponent {angstrom_exponent}; expected >= 0 and -1 to 4"
        )
    return depth * (wavelength_m / 500e-9) ** -angstrom_exponent


def scattering_p1622_zenith_db(*, wavelength_m: float, site_altitude_m: float) -> float:
    """Zenith loss [dB] by scattering (ITU-R P.1622-0, section 2.2), sites to 5 km, elevations above 45 deg.

    It holds molecules and aerosol: an alternative to `clear_sky_loss_db`, not an addition. 0.558 dB at 1550 nm.
    """
    _check_wavelength(wavelength_m, "scattering_p1622_zenith_db")
    if not 0 <= site_altitude_m <= 5000:
        raise ValueError(f"scattering_p1622_zenith_db: site_altitude_m = {site_altitude_m}; expected 0 to 5000 m")
    powers = (wavelength_m * 1e6) ** np.arange(3, -1, -1)
    h = site_altitude_m / 1e3
    return float(DB_PER_NEPER * (_P1622 @ powers) @ h ** np.arange(3, -1, -1.0))


def gas_loss_db(airmass: np.ndarray, *, zenith_loss_db: float, airmass_exponent: float = 1.0) -> np.ndarray:
    """Loss [dB] by absorption lines, ``A X^b``: below one where strong lines saturate.

    MODTRAN's 810 nm less the scattering model is about 0.36 dB at the zenith with b = 0.8 (water vapour).
    """
    if not (zenith_loss_db >= 0 and 0 < airmass_exponent <= 1.2):
        raise ValueError(
            f"gas_loss_db: zenith_loss_db = {zenith_loss_db}, airmass_exponent = {airmass_exponent}; expected >= 0 and "
            "above 0 to 1.2"
        )
    return zenith_loss_db * np.asarray(airmass, dtype=float) ** airmass_exponent


def cirrus_loss_db(airmass: np.ndarray, *, optical_depth: float) -> np.ndarray:
    """Loss [dB] by thin cirrus, ``4.343 τ X``, the same at all wavelengths; forward scattering is counted as lost.

    Subvisual cirrus has τ below 0.03, thin cirrus below 0.3 (Sassen and Cho 1992).
    """
    if not 0 <= optical_depth <= 5:
        raise ValueError(f"cirrus_loss_db: optical_depth = {optical_depth}; expected 0 to 5")
    return DB_PER_NEPER * optical_depth * np.asarray(airmass, dtype=float)


def _check_wavelength(wavelength_m: float, where: str) -> None:
    if not 0.2e-6 <= wavelength_m <= 15e-6:
        raise ValueError(f"{where}: wavelength_m={wavelength_m}; expected metres between 0.2e-6 and 15e-6")

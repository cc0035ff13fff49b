"""Optical turbulence: refractive-index profiles and their integrals.

A profile is a set of thin layers above the telescope; every quantity is a sum over layers. Continuous profiles are
turned into layers by Gauss-Legendre panels, which integrate the Hufnagel-Valley profile to 1e-8.
Formulas hold for a plane wave from space (downlink) and Kolmogorov spectra; ``k = 2π/λ``, ``sec z = 1/sin ε``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqci_space.linkbudget.pass_geometry import secant_zenith
from eqci_space.linkbudget.ranges import Range, in_range, within

__all__ = [
    "Layers",
    "cn2_moment",
    "fried_parameter_m",
    "hufnagel_valley_layers",
    "isoplanatic_angle_rad",
    "tabulated_layers",
    "turbulence_scale_height_m",
    "wave_number",
]

KOLMOGOROV_CONSTANT = 0.033
_PANEL_EDGES_M = np.array([
    0, 20, 50, 100, 200, 400, 700, 1000, 1500, 2000, 3000, 4000, 5500, 7000, 9000, 11000, 13000, 15000, 18000, 22000,
    27000, 33000, 40000, 60000, 100000,
], dtype=float)  # fmt: skip
_PANEL_NODES = 18


@dataclass(frozen=True)
class Layers:
    """Turbulence as thin layers.

    Attributes
    ----------
    height_m : (n,) array
        Above the telescope [m], rising.
    strength_m13 : (n,) array
        ``Cn² dh`` of each layer [m^(1/3)].
    """

    height_m: np.ndarray
    strength_m13: np.ndarray

    def __post_init__(self) -> None:
        height, strength = np.asarray(self.height_m, dtype=float), np.asarray(self.strength_m13, dtype=float)
        if height.ndim != 1 or height.shape != strength.shape or not len(height):
            raise ValueError(f"Layers: shapes {height.shape} and {strength.shape}; expected two equal vectors")
        within("Layers", "height_m", height, Range(0, unit="m", below=True))
        within("Layers", "strength_m13", strength, Range(0, unit="m^(1/3)", below=True))
        object.__setattr__(self, "height_m", height)
        object.__setattr__(self, "strength_m13", strength)


def _panels(lower_m: float, upper_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of composite Gauss-Legendre quadrature between two heights."""
    if not 0 <= lower_m < upper_m:
        raise ValueError(f"turbulence: heights {lower_m} to {upper_m} m; expected 0 <= lower < upper")
    inner = _PANEL_EDGES_M + lower_m
    edges = np.concatenate([inner[inner < upper_m], [upper_m]])
    x, w = np.polynomial.legendre.leggauss(_PANEL_NODES)
    half = np.diff(edges)[:, None] / 2
    return ((edges[:-1, None] + half) + half * x).ravel(), (half * w).ravel()


@in_range()
def hufnagel_valley_layers(
    *,
    rms_wind_m_s: float = 21.0,
    ground_cn2_m_neg_2_3: float = 1.7e-14,
    site_height_msl_m: float = 0.0,
    lower_height_m: float = 0.0,
    upper_height_m: float = 100_000.0,
) -> Layers:
    """Layers of the Hufnagel-Valley profile above a telescope.

    ``Cn² = 0.00594 (v/27)² (1e-5 h)^10 e^(-h/1000) + 2.7e-16 e^(-h/1500) + C0 e^(-g/100)`` with h above mean sea level
    and g above local ground: the surface layer follows the terrain, the upper terms do not (Andrews and Phillips 2005,
    eq. 12.1; the ground reference as in ITU-R P.1621). The defaults are "HV 5/7": r0 = 5 cm and θ0 = 7 µrad at 500 nm.

    Parameters
    ----------
    rms_wind_m_s : float
        v between 5 and 20 km [m/s], in [0, 200].
    ground_cn2_m_neg_2_3 : float
        C0 [m^(-2/3)], in [0, 1e-9].
    site_height_msl_m : float
        Ground above mean sea level [m], in [-500, 11e3].
    lower_height_m, upper_height_m : float
        Telescope and end of the integrals above local ground [m], 0 <= lower < upper.

    Returns
    -------
    Layers
        Some hundred, strengths in [m^(1/3)].

    Raises
    ------
    ValueError
        An argument is out of range, or the heights are not in order.

    Examples
    --------
    >>> round(cn2_moment(hufnagel_valley_layers(), 0.0) * 1e12, 4)
    2.2354
    """
    ground, weight = _panels(lower_height_m, upper_height_m)
    sea = ground + site_height_msl_m
    cn2 = (
        0.00594 * (rms_wind_m_s / 27.0) ** 2 * (1e-5 * sea) ** 10 * np.exp(-sea / 1000.0)
        + 2.7e-16 * np.exp(-sea / 1500.0)
        + ground_cn2_m_neg_2_3 * np.exp(-ground / 100.0)
    )
    return Layers(ground - lower_height_m, cn2 * weight)


@in_range()
def tabulated_layers(height_m: np.ndarray, cn2_m_neg_2_3: np.ndarray) -> Layers:
    """Layers of a measured or modelled profile, straight lines between heights above the telescope.

    Two-point Gauss quadrature in each interval, exact for moments of a linear profile up to the second power
    (derived here).

    Parameters
    ----------
    height_m : (n,) array
        Above the telescope [m], >= 0, rising, at least two.
    cn2_m_neg_2_3 : (n,) array
        At the heights [m^(-2/3)], in [0, 1e-9].

    Returns
    -------
    Layers
        2(n - 1) of them, strengths in [m^(1/3)].

    Raises
    ------
    ValueError
        A value is out of range, the heights do not rise, or the shapes differ.

    Examples
    --------
    A constant profile over 1 km: its second moment is Cn² h³/3.

    >>> round(cn2_moment(tabulated_layers(np.array([0.0, 1000.0]), np.array([3e-15, 3e-15])), 2.0), 12)
    1e-06
    """
    height, cn2 = np.asarray(height_m, dtype=float), np.asarray(cn2_m_neg_2_3, dtype=float)
    if height.ndim != 1 or len(height) < 2 or height.shape != cn2.shape or (np.diff(height) <= 0).any():
        raise ValueError(
            f"tabulated_layers: height_m and cn2_m_neg_2_3 of shapes {height.shape} and {cn2.shape}; expected at least "
            "two rising heights and a value for each"
        )
    half = np.diff(height) / 2
    middle = height[:-1] + half
    nodes = (middle[:, None] + half[:, None] * np.array([-1.0, 1.0]) / np.sqrt(3.0)).ravel()
    return Layers(nodes, np.interp(nodes, height, cn2) * np.repeat(half, 2))


def cn2_moment(layers: Layers, order: float) -> float:
    """Moment ``∫ Cn² h^p dh`` of a profile, a sum over its layers (derived here).

    Parameters
    ----------
    layers : Layers
        Above the telescope.
    order : float
        p [1], any; not below 0 where a layer lies at the telescope.

    Returns
    -------
    float
        [m^(p + 1/3)]

    Examples
    --------
    Of HV 5/7, for p = 0 in units of 1e-12:

    >>> round(cn2_moment(hufnagel_valley_layers(), 0.0) * 1e12, 4)
    2.2354
    """
    return float(np.sum(layers.strength_m13 * layers.height_m**order))


def turbulence_scale_height_m(layers: Layers) -> float:
    """Height of the turbulence that scintillates, ``z0 = (μ_2/μ_{5/6})^(6/7)`` (ITU-R P.1622, 2003, eq. 6).

    Parameters
    ----------
    layers : Layers
        Above the telescope.

    Returns
    -------
    float
        [m]

    Examples
    --------
    >>> round(turbulence_scale_height_m(hufnagel_valley_layers()))
    7844
    """
    return (cn2_moment(layers, 2.0) / cn2_moment(layers, 5 / 6)) ** (6 / 7)


def wave_number(wavelength_m: np.ndarray | float) -> np.ndarray:
    """Wave number ``k = 2π/λ`` (definition, ISO 80000-3, 2019).

    Parameters
    ----------
    wavelength_m : array
        λ [m], > 0, any shape.

    Returns
    -------
    array
        [rad/m], shape of `wavelength_m`.

    Examples
    --------
    >>> round(float(wave_number(1e-6)))
    6283185
    """
    return 2 * np.pi / np.asarray(wavelength_m, dtype=float)


@in_range()
def fried_parameter_m(
    layers: Layers, *, wavelength_m: np.ndarray | float, elevation_deg: np.ndarray | float
) -> np.ndarray:
    """Plane-wave Fried parameter ``r0 = [0.423 k² sec z μ_0]^(-3/5)`` (Fried 1966).

    Parameters
    ----------
    layers : Layers
        Above the telescope.
    wavelength_m : array
        λ [m], in [0.2e-6, 15e-6]; arrays broadcast.
    elevation_deg : array
        ε [deg], in (0, 90].

    Returns
    -------
    array
        [m], broadcast.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    The "5" of HV 5/7, in cm at 500 nm in the zenith:

    >>> round(100 * float(fried_parameter_m(hufnagel_valley_layers(), wavelength_m=500e-9, elevation_deg=90.0)), 3)
    4.961
    """
    return (0.423 * wave_number(wavelength_m) ** 2 * secant_zenith(elevation_deg) * cn2_moment(layers, 0.0)) ** -0.6


@in_range()
def isoplanatic_angle_rad(
    layers: Layers, *, wavelength_m: np.ndarray | float, elevation_deg: np.ndarray | float
) -> np.ndarray:
    """Isoplanatic angle ``θ0 = [2.914 k² sec^(8/3) z μ_{5/3}]^(-3/5)`` (Fried 1982).

    Parameters
    ----------
    layers : Layers
        Above the telescope.
    wavelength_m : array
        λ [m], in [0.2e-6, 15e-6]; arrays broadcast.
    elevation_deg : array
        ε [deg], in (0, 90].

    Returns
    -------
    array
        [rad], broadcast.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    The "7" of HV 5/7, in µrad at 500 nm in the zenith:

    >>> round(1e6 * float(isoplanatic_angle_rad(hufnagel_valley_layers(), wavelength_m=500e-9, elevation_deg=90.0)), 3)
    6.894
    """
    moment = cn2_moment(layers, 5 / 3)
    return (2.914 * wave_number(wavelength_m) ** 2 * secant_zenith(elevation_deg) ** (8 / 3) * moment) ** -0.6

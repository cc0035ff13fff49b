"""Optical turbulence: refractive-index profiles, their integrals, and scintillation.

A profile is a set of thin layers above the telescope; every quantity is a sum over layers. Continuous profiles are
turned into layers by Gauss-Legendre panels, which integrate the Hufnagel-Valley profile to 1e-8.
Formulas hold for a plane wave from space (downlink) and Kolmogorov spectra; ``k = 2π/λ``, ``sec z = 1/sin ε``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import erfinv, gamma, j1

from eqci_space.linkbudget.pass_geometry import secant_zenith
from eqci_space.linkbudget.ranges import Range, in_range, within

__all__ = [
    "Layers",
    "aperture_averaged_variance",
    "aperture_averaged_variance_p1622",
    "aperture_averaging_asymptote_coefficient",
    "bufton_wind_m_s",
    "cn2_moment",
    "coherence_time_s",
    "fried_parameter_m",
    "greenwood_frequency_hz",
    "hufnagel_valley_layers",
    "isoplanatic_angle_rad",
    "lognormal_fade_loss_db",
    "rms_wind_bufton_m_s",
    "rms_wind_p1621_m_s",
    "rytov_variance",
    "scintillation_index",
    "tabulated_layers",
    "turbulence_scale_height_m",
]

KOLMOGOROV_CONSTANT = 0.033
_PANEL_EDGES_M = np.array([
    0, 20, 50, 100, 200, 400, 700, 1000, 1500, 2000, 3000, 4000, 5500, 7000, 9000, 11000, 13000, 15000, 18000, 22000,
    27000, 33000, 40000, 60000, 100000,
], dtype=float)  # fmt: skip
_PANEL_NODES = 18
_PATH_KNOTS = 240
_COHERENT_PHASE = 60.0
_RESOLVED_FILTER = 300.0


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


def _wavenumber(wavelength_m: np.ndarray | float) -> np.ndarray:
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
    return (0.423 * _wavenumber(wavelength_m) ** 2 * secant_zenith(elevation_deg) * cn2_moment(layers, 0.0)) ** -0.6


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
    return (2.914 * _wavenumber(wavelength_m) ** 2 * secant_zenith(elevation_deg) ** (8 / 3) * moment) ** -0.6


@in_range()
def rytov_variance(
    layers: Layers, *, wavelength_m: np.ndarray | float, elevation_deg: np.ndarray | float, coefficient: float = 2.25
) -> np.ndarray:
    """Log-irradiance variance of a plane wave in weak turbulence, ``c k^(7/6) sec^(11/6) z μ_{5/6}``.

    Andrews and Phillips 2005, eq. 12.38, with c = 2.25; ITU-R P.1622 prints 2.253.

    Parameters
    ----------
    layers : Layers
        Above the telescope.
    wavelength_m : array
        λ [m], in [0.2e-6, 15e-6]; arrays broadcast.
    elevation_deg : array
        ε [deg], in (0, 90].
    coefficient : float
        c [1], in (0, 10].

    Returns
    -------
    array
        [1], broadcast; weak below 1.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    HV 5/7 at 500 nm in the zenith; 30 deg has 2^(11/6) = 3.564 times as much:

    >>> rytov_variance(hufnagel_valley_layers(), wavelength_m=500e-9, elevation_deg=np.array([90, 30])).round(4).tolist()
    [0.2351, 0.8379]
    """
    secant = secant_zenith(elevation_deg)
    return coefficient * _wavenumber(wavelength_m) ** (7 / 6) * secant ** (11 / 6) * cn2_moment(layers, 5 / 6)


@in_range()
def scintillation_index(rytov: np.ndarray | float) -> np.ndarray:
    """Normalised irradiance variance of a point receiver in weak to strong turbulence.

    ``exp[0.49 s/(1 + 1.11 s^(6/5))^(7/6) + 0.51 s/(1 + 0.69 s^(6/5))^(5/6)] - 1`` with s the Rytov variance (Andrews
    and Phillips 2005, eq. 9.46; recalled, with the limits s for weak and 1 for saturated turbulence as a check).

    Parameters
    ----------
    rytov : array
        s [1], >= 0, any shape.

    Returns
    -------
    array
        [1], shape of `rytov`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    The limits of weak and of saturated turbulence:

    >>> scintillation_index(np.array([0.001, 1e9])).round(3).tolist()
    [0.001, 1.004]
    """
    s = np.asarray(rytov, dtype=float)
    large = 0.49 * s / (1 + 1.11 * s**1.2) ** (7 / 6)
    small = 0.51 * s / (1 + 0.69 * s**1.2) ** (5 / 6)
    return np.expm1(large + small)


@in_range()
def bufton_wind_m_s(
    height_m: np.ndarray,
    *,
    ground_wind_m_s: float = 5.0,
    tropopause_wind_m_s: float = 30.0,
    tropopause_height_m: float = 9400.0,
    tropopause_thickness_m: float = 4800.0,
    slew_rate_rad_s: float = 0.0,
) -> np.ndarray:
    """Wind across the line of sight, ``ω_s h + v_g + v_T exp(-((h - h_T)/d_T)²)`` (Bufton 1973).

    The slew of the telescope drags the beam through high layers.

    Parameters
    ----------
    height_m : array
        h above the telescope [m], >= 0, any shape.
    ground_wind_m_s : float
        v_g [m/s], in [0, 100].
    tropopause_wind_m_s : float
        v_T [m/s], in [0, 200].
    tropopause_height_m : float
        h_T [m], in [0, 30e3].
    tropopause_thickness_m : float
        d_T [m], in (0, 30e3].
    slew_rate_rad_s : float
        ω_s [rad/s], in [0, 1].

    Returns
    -------
    array
        [m/s], shape of `height_m`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    In the jet; and what a slew of 1 deg/s adds at 10 km:

    >>> round(float(bufton_wind_m_s(9400.0)), 1)
    35.0
    >>> round(float(bufton_wind_m_s(10e3, slew_rate_rad_s=np.pi / 180) - bufton_wind_m_s(10e3)), 1)
    174.5
    """
    height = np.asarray(height_m, dtype=float)
    jet = np.exp(-(((height - tropopause_height_m) / tropopause_thickness_m) ** 2))
    return slew_rate_rad_s * height + ground_wind_m_s + tropopause_wind_m_s * jet


@in_range()
def rms_wind_bufton_m_s(*, lower_height_m: float = 5e3, upper_height_m: float = 20e3, **wind: float) -> float:
    """Root mean square of `bufton_wind_m_s` between two heights, as the Hufnagel-Valley profile wants it.

    Andrews and Phillips 2005, section 12.2; for a resting telescope it is ``√(v_g² + 30.69 v_g + 348.91)``.

    Parameters
    ----------
    lower_height_m, upper_height_m : float
        [m], 0 <= lower < upper.
    **wind : float
        Arguments of `bufton_wind_m_s` [m/s], [m] and [rad/s], in the ranges > 0 stated there.

    Returns
    -------
    float
        [m/s]

    Raises
    ------
    ValueError
        An argument is out of range, or the heights are not in order.

    Examples
    --------
    The closed form gives 22.96 m/s:

    >>> round(rms_wind_bufton_m_s(ground_wind_m_s=5.0), 2)
    22.96
    """
    if not 0 <= lower_height_m < upper_height_m:
        raise ValueError(
            f"rms_wind_bufton_m_s: lower_height_m = {lower_height_m}, upper_height_m = {upper_height_m}; expected "
            "0 <= lower < upper"
        )
    x, w = np.polynomial.legendre.leggauss(64)
    height = lower_height_m + (upper_height_m - lower_height_m) * (x + 1) / 2
    return float(np.sqrt(np.sum(w / 2 * bufton_wind_m_s(height, **wind) ** 2)))


@in_range()
def rms_wind_p1621_m_s(ground_wind_m_s: np.ndarray | float) -> np.ndarray:
    """Root mean square wind of the Hufnagel-Valley profile from the wind at the ground.

    ``√(v_g² + 33.11 v_g + 360.31)`` (ITU-R P.1621-2, 2015, eq. 5), 2 % above `rms_wind_bufton_m_s`.

    Parameters
    ----------
    ground_wind_m_s : array
        v_g [m/s], in [0, 100], any shape.

    Returns
    -------
    array
        [m/s], shape of `ground_wind_m_s`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    >>> round(float(rms_wind_p1621_m_s(2.8)), 1)
    21.5
    """
    v = np.asarray(ground_wind_m_s, dtype=float)
    return np.sqrt(v**2 + 33.11 * v + 360.31)


def _wind_moment(layers: Layers, wind_m_s: np.ndarray) -> np.ndarray:
    wind = np.asarray(wind_m_s, dtype=float)
    if wind.shape[-1:] != layers.height_m.shape:
        raise ValueError(f"turbulence: wind_m_s of shape {wind.shape}; expected {layers.height_m.size} layers last")
    return np.sum(layers.strength_m13 * wind ** (5 / 3), axis=-1)


@in_range()
def greenwood_frequency_hz(
    layers: Layers, wind_m_s: np.ndarray, *, wavelength_m: np.ndarray | float, elevation_deg: np.ndarray | float
) -> np.ndarray:
    """Greenwood frequency ``[0.102 k² sec z ∫Cn² v^(5/3) dh]^(3/5)`` (Greenwood 1977).

    Parameters
    ----------
    layers : Layers
        Above the telescope.
    wind_m_s : (..., n) array
        Across the line of sight at the n layers [m/s], in [0, 2e4].
    wavelength_m : array
        λ [m], in [0.2e-6, 15e-6]; arrays broadcast.
    elevation_deg : array
        ε [deg], in (0, 90].

    Returns
    -------
    array
        [Hz], broadcast.

    Raises
    ------
    ValueError
        An argument is out of range, or the wind is not that of the layers.

    Examples
    --------
    One layer with r0 = 10 cm and 10 m/s, in Hz: ``0.4260 v/r0``.

    >>> k = 2 * np.pi / 500e-9
    >>> layer = Layers(np.array([0.0]), np.array([0.1 ** (-5 / 3) / (0.423 * k**2)]))
    >>> round(float(greenwood_frequency_hz(layer, np.array([10.0]), wavelength_m=500e-9, elevation_deg=90.0)), 1)
    42.6
    """
    moment = _wind_moment(layers, wind_m_s)
    return (0.102 * _wavenumber(wavelength_m) ** 2 * secant_zenith(elevation_deg) * moment) ** 0.6


@in_range()
def coherence_time_s(
    layers: Layers, wind_m_s: np.ndarray, *, wavelength_m: np.ndarray | float, elevation_deg: np.ndarray | float
) -> np.ndarray:
    """Coherence time ``[2.914 k² sec z ∫Cn² v^(5/3) dh]^(-3/5)`` (Roddier 1981), 0.1338 over the Greenwood frequency.

    Parameters
    ----------
    layers : Layers
        Above the telescope.
    wind_m_s : (..., n) array
        Across the line of sight at the n layers [m/s], in [0, 2e4].
    wavelength_m : array
        λ [m], in [0.2e-6, 15e-6]; arrays broadcast.
    elevation_deg : array
        ε [deg], in (0, 90].

    Returns
    -------
    array
        [s], broadcast.

    Raises
    ------
    ValueError
        An argument is out of range, or the wind is not that of the layers.

    Examples
    --------
    One layer with r0 = 10 cm and 10 m/s, in ms: ``0.314 r0/v``.

    >>> k = 2 * np.pi / 500e-9
    >>> layer = Layers(np.array([0.0]), np.array([0.1 ** (-5 / 3) / (0.423 * k**2)]))
    >>> round(1e3 * float(coherence_time_s(layer, np.array([10.0]), wavelength_m=500e-9, elevation_deg=90.0)), 2)
    3.14
    """
    moment = _wind_moment(layers, wind_m_s)
    return (2.914 * _wavenumber(wavelength_m) ** 2 * secant_zenith(elevation_deg) * moment) ** -0.6


def aperture_averaging_asymptote_coefficient(kolmogorov_constant: float = KOLMOGOROV_CONSTANT) -> float:
    """K of the variance ``K D^(-7/3) sec³z μ_2`` of apertures far larger than the Fresnel zone.

    ``16 π² κ 2^(7/3) ∫ x^(-2/3) J1² dx``, the integral by Weber and Schafheitlin (Watson 1944, 13.41).

    Parameters
    ----------
    kolmogorov_constant : float
        κ of the spectrum ``κ Cn² q^(-11/3)`` [1], > 0.

    Returns
    -------
    float
        [1]

    Examples
    --------
    Published as 17.34 (Andrews and Phillips 2005):

    >>> round(aperture_averaging_asymptote_coefficient(), 2)
    17.34
    """
    s = 2 / 3
    integral = gamma(s) * gamma(1 + (1 - s) / 2) / (2**s * gamma((1 + s) / 2) ** 2 * gamma(1 + (1 + s) / 2))
    return float(16 * np.pi**2 * kolmogorov_constant * 2 ** (7 / 3) * integral)


@in_range()
def aperture_averaged_variance(
    layers: Layers,
    *,
    wavelength_m: float,
    elevation_deg: np.ndarray | float,
    aperture_diameter_m: float,
    obscuration_ratio: float = 0.0,
    kolmogorov_constant: float = KOLMOGOROV_CONSTANT,
) -> np.ndarray:
    """Log-irradiance variance of the power in an annular aperture, weak turbulence.

    ``8π²k²κ sec z ∫Cn² dh ∫ q^(-8/3) [1 - cos(q² h sec z/k)] F(qD/2) dq`` with F the squared transform of the aperture
    (Tatarskii 1961; Andrews and Phillips 2005, section 10.3). Tends to `rytov_variance` for a point and to
    ``17.34 D^(-7/3) sec³z μ_2`` for a large aperture.

    Parameters
    ----------
    layers : Layers
        Above the telescope.
    wavelength_m : float
        λ [m], in [0.2e-6, 15e-6].
    elevation_deg : array
        ε [deg], in (0, 90], any shape.
    aperture_diameter_m : float
        D [m], > 0.
    obscuration_ratio : float
        Diameter ratio [1], in [0, 1).
    kolmogorov_constant : float
        κ [1], > 0.

    Returns
    -------
    array
        [1], shape of `elevation_deg`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    A metre in the zenith of HV 5/7 at 850 nm, over the asymptote of large apertures:

    >>> layers = hufnagel_valley_layers()
    >>> large = aperture_averaging_asymptote_coefficient() * cn2_moment(layers, 2.0)
    >>> round(float(aperture_averaged_variance(
    ...     layers, wavelength_m=850e-9, elevation_deg=90.0, aperture_diameter_m=1.0) / large), 3)
    0.9
    """
    k, secant = float(_wavenumber(wavelength_m)), secant_zenith(elevation_deg)
    path = layers.height_m * secant[..., None] / k
    top = float(path.max())
    if top == 0:
        return np.zeros(secant.shape)
    # The spectral integral knows height, elevation and wavelength only by h sec z/k: a smooth curve of one variable.
    knots = top * np.geomspace(1e-9, 1.0, _PATH_KNOTS)
    curve = CubicSpline(np.log(knots), np.log(_spectral_integral(knots, aperture_diameter_m, obscuration_ratio)))
    weight = np.exp(curve(np.log(np.maximum(path, knots[0]))))
    return 8 * np.pi**2 * k**2 * kolmogorov_constant * secant * (weight @ layers.strength_m13)


def _spectral_integral(path_m2: np.ndarray, aperture_diameter_m: float, obscuration_ratio: float) -> np.ndarray:
    """``∫ q^(-8/3) [1 - cos(q² a)] F(qD/2) dq`` at values of a [m²]."""
    lowest = min(1e-3, 5e-4 * aperture_diameter_m / float(np.sqrt(path_m2.max())))
    x, w = _aperture_frequencies(10.0 ** np.floor(np.log10(lowest)))
    q, dq = 2 * x / aperture_diameter_m, 2 * w / aperture_diameter_m
    phase = np.outer(path_m2, q**2)
    # Past some hundred radians the cosine averages out; fading it keeps the nodes from sampling it too coarsely.
    waves = 1 - np.cos(phase) * np.exp(-((phase / _COHERENT_PHASE) ** 4))
    small = phase < 1
    waves[small] = 2 * np.sin(phase[small] / 2) ** 2
    return waves @ (_aperture_filter(x, obscuration_ratio) * q ** (-8 / 3) * dq)


@lru_cache(maxsize=16)
def _aperture_frequencies(lowest: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights in x = qD/2: panels of a tenth, none wider than one while the filter is resolved."""
    rising = np.geomspace(lowest, 10.0, int(np.ceil(np.log(10.0 / lowest) / np.log(1.1))) + 1)
    beyond = np.geomspace(_RESOLVED_FILTER, 1e5, 64)
    edges = np.concatenate([rising, np.arange(11.0, _RESOLVED_FILTER), beyond])
    x, w = np.polynomial.legendre.leggauss(8)
    half = np.diff(edges)[:, None] / 2
    return ((edges[:-1, None] + half) + half * x).ravel(), (half * w).ravel()


def _aperture_filter(x: np.ndarray, obscuration: float) -> np.ndarray:
    """Squared transform of the annulus; its mean over the rings, 4 (1 + γ)/(π x³ (1 - γ²)²), where those are fine."""

    def jinc(y: np.ndarray) -> np.ndarray:
        return np.where(y == 0, 1.0, 2 * j1(y) / np.where(y == 0, 1.0, y))

    near = np.minimum(x, _RESOLVED_FILTER)
    exact = (jinc(near) - obscuration**2 * jinc(obscuration * near)) ** 2
    mean = 4 * (1 + obscuration) / (np.pi * x**3)
    return np.where(x < _RESOLVED_FILTER, exact, mean) / (1 - obscuration**2) ** 2


@in_range()
def aperture_averaged_variance_p1622(
    layers: Layers,
    *,
    wavelength_m: float,
    elevation_deg: np.ndarray | float,
    aperture_diameter_m: float,
    coefficient: float = 2.25,
    scale_height_m: float | None = None,
) -> np.ndarray:
    """Fast form of the aperture-averaged variance, ``σ²/[1 + 1.1 (D² sin ε/(λ z0))^(7/6)]`` (ITU-R P.1622, 2003, eq. 7).

    12 to 25 % above the exact integral for telescopes of 0.4 to 1 m.

    Parameters
    ----------
    layers : Layers
        Above the telescope.
    wavelength_m : float
        λ [m], in [0.2e-6, 15e-6].
    elevation_deg : array
        ε [deg], in (0, 90], any shape.
    aperture_diameter_m : float
        D [m], > 0.
    coefficient : float
        Of `rytov_variance` [1], in (0, 10].
    scale_height_m : float, optional
        z0 [m], > 0; default `turbulence_scale_height_m`.

    Returns
    -------
    array
        [1], shape of `elevation_deg`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    At ``D² = λ z0/sin ε`` the variance of a point falls by 2.1:

    >>> layers, beam = hufnagel_valley_layers(), {"wavelength_m": 1e-6, "elevation_deg": 90.0}
    >>> averaged = aperture_averaged_variance_p1622(layers, **beam, aperture_diameter_m=0.1, scale_height_m=1e4)
    >>> round(float(rytov_variance(layers, **beam) / averaged), 12)
    2.1
    """
    z0 = turbulence_scale_height_m(layers) if scale_height_m is None else scale_height_m
    variance = rytov_variance(layers, wavelength_m=wavelength_m, elevation_deg=elevation_deg, coefficient=coefficient)
    fresnel = aperture_diameter_m**2 / (wavelength_m * z0 * secant_zenith(elevation_deg))
    return variance / (1 + 1.1 * fresnel ** (7 / 6))


@in_range()
def lognormal_fade_loss_db(log_irradiance_variance: np.ndarray | float, probability: np.ndarray | float) -> np.ndarray:
    """Loss against the mean that a log-normal fade of unit mean exceeds with a probability.

    ``-(10/ln 10) [√(2s) erf⁻¹(2p - 1) - s/2]`` (quantile of a normal distribution; derived here). The mean loss is zero:
    do not add this to a mean budget.

    Parameters
    ----------
    log_irradiance_variance : array
        s [1], >= 0; arrays broadcast.
    probability : array
        p that the loss is larger [1], in (0, 1).

    Returns
    -------
    array
        [dB], broadcast.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    Variance 0.1 at one per cent, ``4.3429 (0.31623 · 2.32635 + 0.05)``:

    >>> round(float(lognormal_fade_loss_db(0.1, 0.01)), 3)
    3.412
    """
    s, p = np.asarray(log_irradiance_variance, dtype=float), np.asarray(probability, dtype=float)
    return -10 / np.log(10) * (np.sqrt(2 * s) * erfinv(2 * p - 1) - s / 2)

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
        [m/s], > 0.
    ground_cn2_m_neg_2_3 : float
        C0 [m^(-2/3)], >= 0.
    site_height_msl_m : float
        Ground above mean sea level [m].
    lower_height_m, upper_height_m : float
        Telescope and end of the integrals above local ground [m].
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

    Two-point Gauss quadrature in each interval, exact for moments of a linear profile up to the second power.

    Parameters
    ----------
    height_m : (n,) array
        Above the telescope [m], rising, at least two.
    cn2_m_neg_2_3 : (n,) array
        [m^(-2/3)]
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
    """Moment ``∫ Cn² h^p dh`` [m^(p + 1/3)]; 2.2354e-12 for p = 0 of HV 5/7."""
    return float(np.sum(layers.strength_m13 * layers.height_m**order))


def turbulence_scale_height_m(layers: Layers) -> float:
    """``z0 = (μ_2/μ_{5/6})^(6/7)`` [m] (ITU-R P.1622, eq. 6); 7844 m for HV 5/7."""
    return (cn2_moment(layers, 2.0) / cn2_moment(layers, 5 / 6)) ** (6 / 7)


def _wavenumber(wavelength_m: np.ndarray | float) -> np.ndarray:
    return 2 * np.pi / np.asarray(wavelength_m, dtype=float)


@in_range()
def fried_parameter_m(
    layers: Layers, *, wavelength_m: np.ndarray | float, elevation_deg: np.ndarray | float
) -> np.ndarray:
    """Plane-wave Fried parameter ``r0 = [0.423 k² sec z μ_0]^(-3/5)`` [m] (Fried 1966).

    4.961 cm at 500 nm in the zenith of HV 5/7.
    """
    return (0.423 * _wavenumber(wavelength_m) ** 2 * secant_zenith(elevation_deg) * cn2_moment(layers, 0.0)) ** -0.6


@in_range()
def isoplanatic_angle_rad(
    layers: Layers, *, wavelength_m: np.ndarray | float, elevation_deg: np.ndarray | float
) -> np.ndarray:
    """Isoplanatic angle ``θ0 = [2.914 k² sec^(8/3) z μ_{5/3}]^(-3/5)`` [rad] (Fried 1982); 6.894 µrad for HV 5/7."""
    moment = cn2_moment(layers, 5 / 3)
    return (2.914 * _wavenumber(wavelength_m) ** 2 * secant_zenith(elevation_deg) ** (8 / 3) * moment) ** -0.6


@in_range()
def rytov_variance(
    layers: Layers, *, wavelength_m: np.ndarray | float, elevation_deg: np.ndarray | float, coefficient: float = 2.25
) -> np.ndarray:
    """Log-irradiance variance of a plane wave in weak turbulence, ``c k^(7/6) sec^(11/6) z μ_{5/6}``.

    Andrews and Phillips 2005, eq. 12.38, with c = 2.25; ITU-R P.1622 prints 2.253.
    """
    secant = secant_zenith(elevation_deg)
    return coefficient * _wavenumber(wavelength_m) ** (7 / 6) * secant ** (11 / 6) * cn2_moment(layers, 5 / 6)


@in_range()
def scintillation_index(rytov: np.ndarray | float) -> np.ndarray:
    """Normalised irradiance variance of a point receiver in weak to strong turbulence.

    ``exp[0.49 s/(1 + 1.11 s^(6/5))^(7/6) + 0.51 s/(1 + 0.69 s^(6/5))^(5/6)] - 1`` with s the Rytov variance (Andrews
    and Phillips 2005, eq. 9.46; recalled, with the limits s for weak and 1 for saturated turbulence as a check).
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
    """Wind across the line of sight [m/s], ``ω_s h + v_g + v_T exp(-((h - h_T)/d_T)²)`` (Bufton 1973).

    The slew of the telescope drags the beam through high layers: at 1 deg/s it adds 175 m/s at 10 km.
    """  # fmt: skip
    height = np.asarray(height_m, dtype=float)
    jet = np.exp(-(((height - tropopause_height_m) / tropopause_thickness_m) ** 2))
    return slew_rate_rad_s * height + ground_wind_m_s + tropopause_wind_m_s * jet


@in_range()
def rms_wind_bufton_m_s(*, lower_height_m: float = 5e3, upper_height_m: float = 20e3, **wind: float) -> float:
    """Root mean square of `bufton_wind_m_s` between two heights, as the Hufnagel-Valley profile wants it [m/s]."""
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
    """``√(v_g² + 33.11 v_g + 360.31)`` [m/s] (ITU-R P.1621-2, eq. 5): 21.3 m/s for 2.8 m/s at the ground."""
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
    """Greenwood frequency ``[0.102 k² sec z ∫Cn² v^(5/3) dh]^(3/5)`` [Hz] (Greenwood 1977).

    `wind_m_s` is given at the layers (last axis).
    """
    moment = _wind_moment(layers, wind_m_s)
    return (0.102 * _wavenumber(wavelength_m) ** 2 * secant_zenith(elevation_deg) * moment) ** 0.6


@in_range()
def coherence_time_s(
    layers: Layers, wind_m_s: np.ndarray, *, wavelength_m: np.ndarray | float, elevation_deg: np.ndarray | float
) -> np.ndarray:
    """Coherence time ``[2.914 k² sec z ∫Cn² v^(5/3) dh]^(-3/5)`` [s] (Roddier 1981); 0.1338/f_G."""
    moment = _wind_moment(layers, wind_m_s)
    return (2.914 * _wavenumber(wavelength_m) ** 2 * secant_zenith(elevation_deg) * moment) ** -0.6


def aperture_averaging_asymptote_coefficient(kolmogorov_constant: float = KOLMOGOROV_CONSTANT) -> float:
    """K of the variance ``K D^(-7/3) sec³z μ_2`` of apertures far larger than the Fresnel zone; 17.34.

    ``16 π² κ 2^(7/3) ∫ x^(-2/3) J1² dx``, the integral by Weber and Schafheitlin (Watson 1944, 13.41).
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
    """  # fmt: skip
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
    """Fast form of the aperture-averaged variance, ``σ²/[1 + 1.1 (D² sin ε/(λ z0))^(7/6)]`` (ITU-R P.1622, eq. 7).

    12 to 25 % above the exact integral for telescopes of 0.4 to 1 m.
    """  # fmt: skip
    z0 = turbulence_scale_height_m(layers) if scale_height_m is None else scale_height_m
    variance = rytov_variance(layers, wavelength_m=wavelength_m, elevation_deg=elevation_deg, coefficient=coefficient)
    fresnel = aperture_diameter_m**2 / (wavelength_m * z0 * secant_zenith(elevation_deg))
    return variance / (1 + 1.1 * fresnel ** (7 / 6))


@in_range()
def lognormal_fade_loss_db(log_irradiance_variance: np.ndarray | float, probability: np.ndarray | float) -> np.ndarray:
    """Loss [dB] against the mean that a log-normal fade of unit mean exceeds with a probability.

    ``-(10/ln 10) [√(2s) erf⁻¹(2p - 1) - s/2]``. The mean loss is zero: do not add this to a mean budget.
    """
    s, p = np.asarray(log_irradiance_variance, dtype=float), np.asarray(probability, dtype=float)
    return -10 / np.log(10) * (np.sqrt(2 * s) * erfinv(2 * p - 1) - s / 2)

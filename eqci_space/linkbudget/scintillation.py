"""Scintillation of light from space: weak and strong variances, averaging by an aperture, and log-normal fades.

Formulas hold for a plane wave through the layers of `turbulence` and Kolmogorov spectra; ``k = 2π/λ``,
``sec z = 1/sin ε``.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import erfinv, gamma, j1

from eqci_space.linkbudget.pass_geometry import secant_zenith
from eqci_space.linkbudget.ranges import in_range
from eqci_space.linkbudget.turbulence import (
    KOLMOGOROV_CONSTANT,
    Layers,
    cn2_moment,
    turbulence_scale_height_m,
    wave_number,
)

__all__ = [
    "aperture_averaged_variance",
    "aperture_averaged_variance_p1622",
    "aperture_averaging_asymptote_coefficient",
    "lognormal_fade_loss_db",
    "rytov_variance",
    "scintillation_index",
]

_PATH_KNOTS = 240
_COHERENT_PHASE = 60.0
_RESOLVED_FILTER = 300.0


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

    >>> from eqci_space.linkbudget.turbulence import hufnagel_valley_layers
    >>> layers, elevation_deg = hufnagel_valley_layers(), np.array([90.0, 30.0])
    >>> rytov_variance(layers, wavelength_m=500e-9, elevation_deg=elevation_deg).round(4).tolist()
    [0.2351, 0.8379]
    """
    secant = secant_zenith(elevation_deg)
    return coefficient * wave_number(wavelength_m) ** (7 / 6) * secant ** (11 / 6) * cn2_moment(layers, 5 / 6)


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

    >>> from eqci_space.linkbudget.turbulence import hufnagel_valley_layers
    >>> layers = hufnagel_valley_layers()
    >>> large = aperture_averaging_asymptote_coefficient() * cn2_moment(layers, 2.0)
    >>> round(float(aperture_averaged_variance(
    ...     layers, wavelength_m=850e-9, elevation_deg=90.0, aperture_diameter_m=1.0) / large), 3)
    0.9
    """
    k, secant = float(wave_number(wavelength_m)), secant_zenith(elevation_deg)
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
    """Fast form of the aperture-averaged variance, ``σ²/[1 + 1.1 (D² sin ε/(λ z0))^(7/6)]``.

    ITU-R P.1622 (2003), eq. 7; 12 to 25 % above the exact integral for telescopes of 0.4 to 1 m.

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

    >>> from eqci_space.linkbudget.turbulence import hufnagel_valley_layers
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

    ``-(10/ln 10) [√(2s) erf⁻¹(2p - 1) - s/2]`` (quantile of a normal distribution; derived here). The mean loss is
    zero: do not add this to a mean budget.

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

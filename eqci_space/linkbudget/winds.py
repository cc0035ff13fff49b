"""Wind across the line of sight, and how fast it changes the wave: Greenwood frequency and coherence time."""

from __future__ import annotations

import numpy as np

from eqci_space.linkbudget.pass_geometry import secant_zenith
from eqci_space.linkbudget.ranges import in_range
from eqci_space.linkbudget.turbulence import Layers, wave_number

__all__ = [
    "bufton_wind_m_s",
    "coherence_time_s",
    "greenwood_frequency_hz",
    "rms_wind_bufton_m_s",
    "rms_wind_p1621_m_s",
]


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
    return (0.102 * wave_number(wavelength_m) ** 2 * secant_zenith(elevation_deg) * moment) ** 0.6


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
    return (2.914 * wave_number(wavelength_m) ** 2 * secant_zenith(elevation_deg) * moment) ** -0.6

"""Closed forms of beams: cross-checks of the exact diffraction, conversions of divergence, and simple links."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from scipy.optimize import minimize_scalar

from eqci_space.linkbudget.beam import diffraction_loss_db
from eqci_space.linkbudget.ranges import Range, in_range
from eqci_space.units import db_from_ratio

__all__ = [
    "aperture_power_fraction",
    "divergence_half_angle_rad",
    "friis_loss_db",
    "gaussian_bucket_loss_db",
    "gaussian_divergence_full_angle_rad",
    "on_axis_gain_efficiency",
    "optimum_truncation_ratio",
    "receiver_obscuration_loss_db",
    "uniform_disc_loss_db",
    "wavefront_loss_db",
]

DivergenceDefinition = Literal["half_1e2", "full_1e2", "fwhm", "uniform_disc"]
_HALF_1E2 = {"half_1e2": 1.0, "full_1e2": 0.5, "fwhm": 1 / np.sqrt(2 * np.log(2)), "uniform_disc": 1 / np.sqrt(2)}


@in_range(value_rad=Range(0, 0.1, "rad", above=True))
def divergence_half_angle_rad(value_rad: float, definition: DivergenceDefinition | None = None) -> float:
    """1/e² half angle of a measured divergence; without its definition it is refused, for 3 dB hang on it.

    ``half_1e2`` and ``full_1e2`` are the 1/e² intensity half and full angle, ``fwhm`` the full width at half maximum of
    the intensity, ``uniform_disc`` the full angle of a disc of constant irradiance, matched on its axis:
    ``θ = FWHM/√(2 ln 2)`` and ``θ = full/√2`` (derived here).

    Parameters
    ----------
    value_rad : float
        Divergence [rad], in (0, 0.1].
    definition : {"half_1e2", "full_1e2", "fwhm", "uniform_disc"}
        What was measured.

    Returns
    -------
    float
        Half angle [rad].

    Raises
    ------
    ValueError
        The definition is missing or unknown, or the divergence out of range.

    Examples
    --------
    The 10 µrad of Liao et al. 2017, whose printed 22 dB are those of a disc:

    >>> round(1e6 * divergence_half_angle_rad(10e-6, "uniform_disc"), 3)
    7.071
    """
    if definition not in get_args(DivergenceDefinition):
        known = ", ".join(get_args(DivergenceDefinition))
        raise ValueError(
            f"divergence_half_angle_rad: definition = {definition!r} of value_rad = {value_rad}; expected {known}"
        )
    return float(value_rad * _HALF_1E2[str(definition)])


@in_range()
def on_axis_gain_efficiency(*, obscuration_ratio: float, truncation_ratio: np.ndarray | float) -> np.ndarray:
    """``g = (2/α²)[e^(-α²) - e^(-γ²α²)]²`` with α = a/w0 (Klein and Degnan 1974, eq. 9), per watt of the laser.

    Parameters
    ----------
    obscuration_ratio : float
        γ, ratio of diameters [1], in [0, 1).
    truncation_ratio : float or array
        α [1], in (0, 100].

    Returns
    -------
    array
        Gain on the axis over that of a plane wave through the clear aperture [1].

    Examples
    --------
    The largest gain without obscuration, printed as 0.8145:

    >>> round(float(on_axis_gain_efficiency(obscuration_ratio=0.0, truncation_ratio=1.1209)), 4)
    0.8145
    """
    a2 = np.asarray(truncation_ratio, dtype=float) ** 2
    return 2 / a2 * (np.exp(-a2) - np.exp(-(obscuration_ratio**2) * a2)) ** 2


@in_range()
@lru_cache(maxsize=64)
def optimum_truncation_ratio(obscuration_ratio: float) -> float:
    """α that maximises `on_axis_gain_efficiency`.

    The fit of Klein and Degnan 1974, ``1.12 - 1.30γ² + 2.12γ⁴``, is within 0.011 for γ up to 0.4.

    Parameters
    ----------
    obscuration_ratio : float
        γ, ratio of diameters [1], in [0, 1).

    Returns
    -------
    float
        α [1].

    Examples
    --------
    Without obscuration the root of ``e^(α²) = 1 + 2α²``:

    >>> round(optimum_truncation_ratio(0.0), 4)
    1.1209
    """
    found = minimize_scalar(
        lambda a: -float(on_axis_gain_efficiency(obscuration_ratio=obscuration_ratio, truncation_ratio=a)),
        bounds=(0.2, 2.0), method="bounded", options={"xatol": 1e-11},
    )  # fmt: skip
    return float(found.x)


@in_range()
def aperture_power_fraction(*, obscuration_ratio: float, truncation_ratio: np.ndarray | float) -> np.ndarray:
    """Laser power that leaves the aperture, ``e^(-2γ²α²) - e^(-2α²)`` (derived here).

    Parameters
    ----------
    obscuration_ratio : float
        γ, ratio of diameters [1], in [0, 1).
    truncation_ratio : float or array
        α [1], in (0, 100].

    Returns
    -------
    array
        Fraction [1].

    Examples
    --------
    Within the 1/e² radius of a Gaussian, ``1 - e^-2``:

    >>> round(float(aperture_power_fraction(obscuration_ratio=0.0, truncation_ratio=1.0)), 4)
    0.8647
    """
    a2 = np.asarray(truncation_ratio, dtype=float) ** 2
    return np.exp(-2 * obscuration_ratio**2 * a2) - np.exp(-2 * a2)


def receiver_obscuration_loss_db(
    range_m: np.ndarray,
    *,
    rx_obscuration_ratio: float,
    wavelength_m: float,
    tx_aperture_diameter_m: float,
    tx_obscuration_ratio: float,
    tx_beam_radius_m: float,
    rx_aperture_diameter_m: float,
) -> np.ndarray:
    """Loss by the receiver's obscuration in the exact diffraction pattern (derived here).

    Parameters
    ----------
    range_m : float or array
        [m], > 0.
    rx_obscuration_ratio : float
        γ, ratio of diameters [1], in [0, 1).
    wavelength_m : float
        [m], in [0.2e-6, 15e-6].
    tx_aperture_diameter_m, tx_beam_radius_m : float
        Transmitter, and the 1/e² radius of its beam [m], > 0.
    tx_obscuration_ratio : float
        Ratio of diameters [1], in [0, 1).
    rx_aperture_diameter_m : float
        [m], > 0.

    Returns
    -------
    array
        Loss [dB].

    Examples
    --------
    Near the lost area, ``-10 lg(1 - 0.09)`` = 0.4096 dB:

    >>> beam = {"wavelength_m": 850e-9, "tx_aperture_diameter_m": 0.08, "tx_beam_radius_m": 0.0357}
    >>> telescopes = {"tx_obscuration_ratio": 0.0, "rx_aperture_diameter_m": 0.8, "rx_obscuration_ratio": 0.3}
    >>> round(float(receiver_obscuration_loss_db(1e6, **beam, **telescopes)), 4)
    0.4101
    """
    clear, obscured = (
        diffraction_loss_db(
            range_m, wavelength_m=wavelength_m, tx_aperture_diameter_m=tx_aperture_diameter_m,
            tx_obscuration_ratio=tx_obscuration_ratio, tx_beam_radius_m=tx_beam_radius_m,
            rx_aperture_diameter_m=rx_aperture_diameter_m, rx_obscuration_ratio=ratio,
        )
        for ratio in (0.0, rx_obscuration_ratio)
    )  # fmt: skip
    return obscured - clear


@in_range()
def gaussian_bucket_loss_db(*, beam_radius_m: np.ndarray | float, aperture_diameter_m: float) -> np.ndarray:
    """Loss of a centred Gaussian beam at the receiver: ``1 - e^(-2a²/w²)`` is caught (derived here).

    Parameters
    ----------
    beam_radius_m : float or array
        w, 1/e² radius of the irradiance [m], > 0.
    aperture_diameter_m : float
        2a [m], > 0.

    Returns
    -------
    array
        Loss [dB].

    Examples
    --------
    An aperture of ``w √(2 ln 2)`` catches one half:

    >>> round(float(gaussian_bucket_loss_db(beam_radius_m=1.0, aperture_diameter_m=np.sqrt(2 * np.log(2)))), 4)
    3.0103
    """
    return db_from_ratio(-np.expm1(-0.5 * (aperture_diameter_m / np.asarray(beam_radius_m, dtype=float)) ** 2))


@in_range()
def uniform_disc_loss_db(
    *, divergence_full_angle_rad: float, range_m: np.ndarray | float, aperture_diameter_m: float
) -> np.ndarray:
    """``20 lg(θ L/D)`` of a disc of constant irradiance, zero where it is smaller than the aperture (derived here).

    Parameters
    ----------
    divergence_full_angle_rad : float
        θ [rad], in (0, 0.1].
    range_m : float or array
        L [m], > 0.
    aperture_diameter_m : float
        D [m], > 0.

    Returns
    -------
    array
        Loss [dB].

    Examples
    --------
    Liao et al. 2017 print 22 dB for about 10 µrad, 1200 km and 1 m:

    >>> disc = {"divergence_full_angle_rad": 10e-6, "range_m": 1.2e6, "aperture_diameter_m": 1.0}
    >>> round(float(uniform_disc_loss_db(**disc)), 2)
    21.58
    """
    spread = divergence_full_angle_rad * np.asarray(range_m, dtype=float) / aperture_diameter_m
    return 20 * np.log10(np.maximum(1.0, spread))


@in_range()
def gaussian_divergence_full_angle_rad(*, wavelength_m: float, beam_radius_m: float) -> float:
    """1/e² full angle of an untruncated Gaussian waist, ``2λ/(π w0)`` (Kogelnik and Li 1966).

    Parameters
    ----------
    wavelength_m : float
        λ [m], in [0.2e-6, 15e-6].
    beam_radius_m : float
        w0, 1/e² radius of the irradiance [m], > 0.

    Returns
    -------
    float
        Full angle [rad].

    Examples
    --------
    Ntanos et al. 2021 print about 13 µrad for 7.5 cm:

    >>> round(1e6 * gaussian_divergence_full_angle_rad(wavelength_m=1.55e-6, beam_radius_m=0.075), 2)
    13.16
    """
    return float(2 * wavelength_m / (np.pi * beam_radius_m))


@in_range()
def friis_loss_db(
    *, wavelength_m: float, range_m: np.ndarray | float, tx_aperture_diameter_m: float, rx_aperture_diameter_m: float
) -> np.ndarray:
    """Loss between two ideal apertures, ``20 lg(4 L λ/(π D_t D_r))`` (Friis 1946), for large ranges.

    Parameters
    ----------
    wavelength_m : float
        λ [m], in [0.2e-6, 15e-6].
    range_m : float or array
        L [m], > 0.
    tx_aperture_diameter_m, rx_aperture_diameter_m : float
        D_t and D_r [m], > 0.

    Returns
    -------
    array
        Loss [dB].

    Examples
    --------
    The lunar link LLCD: 309.87 dB of free space less gains of 106.80 and 124.20 dB.

    >>> link = {"wavelength_m": 1.55e-6, "tx_aperture_diameter_m": 0.108, "rx_aperture_diameter_m": 0.8}
    >>> round(float(friis_loss_db(range_m=3.844e8, **link)), 2)
    78.87
    """
    area = np.pi * tx_aperture_diameter_m * rx_aperture_diameter_m
    return 20 * np.log10(4 * np.asarray(range_m, dtype=float) * wavelength_m / area)


@in_range()
def wavefront_loss_db(wavefront_error_waves: float) -> float:
    """Loss on axis by an rms wavefront error: Strehl ratio ``e^(-(2πσ)²)`` (Mahajan 1983), good to σ of 1/8 wave.

    Parameters
    ----------
    wavefront_error_waves : float
        σ, rms [waves], in [0, 0.25].

    Returns
    -------
    float
        Loss [dB].

    Examples
    --------
    Maréchal's 1/14 wave keeps a Strehl ratio of 0.818:

    >>> round(10 ** (-wavefront_loss_db(1 / 14) / 10), 3)
    0.818
    """
    return float(10 / np.log(10) * (2 * np.pi * wavefront_error_waves) ** 2)

"""Joint fades of pointing and scintillation: what a link exceeds with a probability beyond its mean."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from eqci_space.linkbudget.elevation_curve import along_elevation
from eqci_space.linkbudget.link import Link, divergence_rad, pointing_jitter_rad, station_layers
from eqci_space.linkbudget.pointing import Axes, axes, mean_pointing_loss_db
from eqci_space.linkbudget.ranges import in_range
from eqci_space.linkbudget.scintillation import aperture_averaged_variance

__all__ = ["fade_loss_db", "fade_probability", "joint_fade_loss_db", "pointing_loss_survival"]

_DB_PER_NEPER = 10 / np.log(10)
_ELEVATION_NODES = 48
_LEVELS = np.geomspace(1e-9, 1.0, 3001)
_REACH = 9.0
_X, _W = np.polynomial.legendre.leggauss(96)


def _axes(jitter_rad: Axes, bias_rad: Axes) -> tuple[np.ndarray, np.ndarray]:
    """Jitter and bias of the two axes, the axis of the larger jitter last."""
    sigma, bias = axes(jitter_rad, bias_rad)
    order = np.argsort(sigma, kind="stable")
    return sigma[order], bias[order]


@in_range()
def pointing_loss_survival(
    loss_db: np.ndarray, *, divergence_half_angle_rad: float, jitter_rad: Axes, bias_rad: Axes = 0.0
) -> np.ndarray:
    """Probability that the pointing loss of a Gaussian beam exceeds a value; biased and anisotropic jitter too.

    The offset leaves a circle: outside in one axis, or inside in it and outside in the other, by quadrature over the
    angle. Equal jitter without bias gives ``p = 10^(-β loss/10)``, ``β = θd²/(4σ²)``.
    """
    (small, large), (first, second) = _axes(jitter_rad, bias_rad)
    loss = np.asarray(loss_db, dtype=float)
    radius = divergence_half_angle_rad * np.sqrt(loss / (2 * _DB_PER_NEPER))[..., None]

    def outside(limit: np.ndarray, center: float, sigma: float) -> np.ndarray:
        if sigma == 0:
            return (np.abs(center) > limit).astype(float)
        return ndtr(-(limit - center) / sigma) + ndtr(-(limit + center) / sigma)

    if small == 0:
        rest = np.sqrt(np.maximum(radius**2 - first**2, 0.0))
        return np.where(radius > abs(first), outside(rest, second, large), 1.0)[..., 0]
    # Only where the narrower axis has weight, and inside the circle; the sine takes the edge of a circle smoothly.
    low, high = np.maximum(-radius, first - _REACH * small), np.minimum(radius, first + _REACH * small)
    middle, half = (low + high) / 2, np.maximum(high - low, 0.0) / 2
    angle = np.pi / 2 * _X
    near = middle + half * np.sin(angle)
    density = np.exp(-0.5 * ((near - first) / small) ** 2) / (small * np.sqrt(2 * np.pi))
    rest = np.sqrt(np.maximum(radius**2 - near**2, 0.0))
    inside = density * outside(rest, second, large) * half * np.cos(angle) * np.pi / 2
    return outside(radius, first, small)[..., 0] + inside @ _W


def _pointing_quantiles_db(divergence_half_angle_rad: float, jitter_rad: Axes, bias_rad: Axes) -> np.ndarray:
    """Pointing loss at the middles of `_LEVELS`, falling."""
    sigma, bias = _axes(jitter_rad, bias_rad)
    middle = np.sqrt(_LEVELS[1:] * _LEVELS[:-1])
    reach = np.abs(bias) + 7 * sigma
    largest = 2 * _DB_PER_NEPER * float(reach @ reach) / divergence_half_angle_rad**2
    if sigma.max() == 0:
        return np.full(middle.shape, 2 * _DB_PER_NEPER * float(bias @ bias) / divergence_half_angle_rad**2)
    loss = largest * np.linspace(0.0, 1.0, 4001) ** 2
    survival = pointing_loss_survival(
        loss, divergence_half_angle_rad=divergence_half_angle_rad, jitter_rad=jitter_rad, bias_rad=bias_rad
    )
    falling = np.log(np.maximum(np.minimum.accumulate(survival), 1e-300))
    return np.interp(-np.log(middle), -falling, loss)


@in_range()
def joint_fade_loss_db(
    *,
    exceeded_probability: float,
    log_irradiance_variance: float,
    divergence_half_angle_rad: float,
    jitter_rad: Axes,
    bias_rad: Axes = 0.0,
) -> float:
    """Loss [dB] that pointing and log-normal scintillation together exceed with a probability.

    The pointing loss stands at 3000 levels of its distribution, scintillation is normal in dB. Equal jitter without
    bias gives the exponentially modified normal distribution. Two separate quantiles must not be added: their sum is
    exceeded far less often.
    """  # fmt: skip
    pointing = _pointing_quantiles_db(divergence_half_angle_rad, jitter_rad, bias_rad)
    return _joint_quantile(pointing, log_irradiance_variance, exceeded_probability)


def _joint_exceeded(pointing_db: np.ndarray, variance: float, loss_db: float) -> float:
    """Probability that pointing and scintillation together lose more."""
    spread, shift = _scintillation_db(variance)
    return float(np.diff(_LEVELS) @ ndtr((pointing_db + shift - loss_db) / spread))


def _scintillation_db(variance: float) -> tuple[float, float]:
    """Standard deviation and mean loss [dB] of log-normal scintillation."""
    return max(_DB_PER_NEPER * np.sqrt(variance), 1e-4), _DB_PER_NEPER * variance / 2


def _joint_quantile(pointing_db: np.ndarray, variance: float, exceeded: float) -> float:
    spread, shift = _scintillation_db(variance)
    low, high = shift - 8 * spread, pointing_db.max() + shift + 8 * spread
    return float(brentq(lambda loss: _joint_exceeded(pointing_db, variance, loss) - exceeded, low, high, xtol=1e-9))


@in_range()
def fade_loss_db(elevation_deg: np.ndarray, link: Link, exceeded_probability: float) -> np.ndarray:
    """Loss [dB] beyond the mean that fades exceed with a probability, at elevations; interpolated in log airmass."""
    elevation = np.asarray(elevation_deg, dtype=float)
    low, high = (float(np.sin(np.radians(e))) for e in (elevation.min(), elevation.max()))
    nodes = np.degrees(np.arcsin(np.clip(np.geomspace(low, high, _ELEVATION_NODES), low, high)))
    fades, mean = _fades_at(nodes, link)
    loss = [_joint_quantile(pointing, variance, exceeded_probability) for pointing, variance in fades]
    return np.interp(elevation, nodes, loss - mean)


def fade_probability(elevation_deg: np.ndarray, link: Link, loss_db: float) -> np.ndarray:
    """Probability (n,) that fades exceed the mean by a loss [dB], at elevations (n,) [deg]; see `fade_loss_db`.

    Its normal quantile is looked up at fixed elevations (`along_elevation`).
    """

    def quantiles(nodes: np.ndarray) -> np.ndarray:
        fades, mean = _fades_at(nodes, link)
        found = [_joint_exceeded(*fade, loss_db + own) for fade, own in zip(fades, mean, strict=True)]
        return ndtri(np.clip(found, 1e-300, 1 - 1e-16))

    return ndtr(along_elevation(quantiles, elevation_deg, nodes=_ELEVATION_NODES))


def _fades_at(nodes: np.ndarray, link: Link) -> tuple[list[tuple[np.ndarray, float]], np.ndarray]:
    """Pointing quantiles [dB] with log-irradiance variances, and mean pointing losses [dB], at elevations [deg]."""
    terminal, receiver = link.terminal, link.station.receiver
    theta = divergence_rad(terminal)
    variance = aperture_averaged_variance(
        station_layers(link.station, link.atmosphere), wavelength_m=terminal.wavelength_m, elevation_deg=nodes,
        aperture_diameter_m=receiver.aperture_diameter_m, obscuration_ratio=receiver.obscuration_ratio,
    )  # fmt: skip
    jitter = pointing_jitter_rad(terminal, nodes)
    bias = terminal.bias_rad
    if terminal.jitter_growth_rad:
        pointing = [_pointing_quantiles_db(theta, j, bias) for j in jitter]
    else:
        pointing = [_pointing_quantiles_db(theta, terminal.jitter_rad, bias)] * len(jitter)
    mean = mean_pointing_loss_db(divergence_half_angle_rad=theta, jitter_rad=jitter, bias_rad=bias)
    fades = [(p, float(v)) for p, v in zip(pointing, variance, strict=True)]
    return fades, np.broadcast_to(mean, nodes.shape)

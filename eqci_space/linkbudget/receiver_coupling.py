"""What a receiver catches of the light in its telescope: into one mode behind adaptive optics, or the field stop."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from eqci_space.linkbudget.adaptive_optics import adaptive_optics_residual_rad2
from eqci_space.linkbudget.beam import equivalent_divergence_half_angle_rad
from eqci_space.linkbudget.coupling import (
    TipTilt,
    field_stop_transmittance,
    optimum_mode_parameter,
    smf_coupling_adaptive,
    smf_coupling_kolmogorov,
)
from eqci_space.linkbudget.elevation_curve import along_elevation
from eqci_space.linkbudget.link import Columns, Link, station_layers
from eqci_space.linkbudget.pointing import mean_pointing_transmittance
from eqci_space.linkbudget.ranges import in_range
from eqci_space.linkbudget.scintillation import aperture_averaged_variance, rytov_variance, scintillation_index
from eqci_space.linkbudget.turbulence import Layers, fried_parameter_m
from eqci_space.linkbudget.winds import bufton_wind_m_s, greenwood_frequency_hz
from eqci_space.units import db_from_ratio

__all__ = ["amplitude_variance", "coupling_lags", "coupling_valid", "receiver_coupling_loss_db"]

_TIP_TILT_ONLY = 3
_FASTEST_SLEW_RAD_S = 0.1
_LARGEST_RESIDUAL_RAD2 = 2.0
_ELEVATION_NODES = 49


def receiver_coupling_loss_db(part: Columns, link: Link) -> np.ndarray:
    """Mean loss [dB] into the fibre or onto the detector: stated, or modelled and what is lost beside it."""
    receiver = link.station.receiver
    if receiver.coupling == "stated":
        return np.full(len(part["range_m"]), receiver.coupling_loss_db)
    if receiver.field == "free_space":
        caught = field_stop_transmittance(
            field_of_view_rad=float(receiver.field_of_view_rad or 0.0), wavelength_m=link.terminal.wavelength_m,
            fried_parameter_m=_fried_m(part, link), aperture_diameter_m=receiver.aperture_diameter_m,
            tracking_jitter_rad=receiver.tracking_jitter_rad,
        )  # fmt: skip
    else:
        caught = _into_fibre(part, link)
    return db_from_ratio(caught) + receiver.coupling_loss_db


def _fried_m(part: Columns, link: Link) -> np.ndarray:
    """Fried parameter along the line of sight [m]."""
    return fried_parameter_m(
        station_layers(link.station, link.atmosphere), wavelength_m=link.terminal.wavelength_m,
        elevation_deg=np.asarray(part["elevation_deg"]),
    )  # fmt: skip


def _into_fibre(part: Columns, link: Link) -> np.ndarray:
    """Mean coupling into one mode: exact integrals to tip-tilt, the residual phase variance beyond.

    Never less than with the tilts alone: the core-and-halo form of adaptive optics is a lower estimate where hardly
    anything is corrected.
    """
    receiver, gamma = link.station.receiver, link.station.receiver.obscuration_ratio
    modes, layers = receiver.adaptive_optics_modes, station_layers(link.station, link.atmosphere)
    ratio, unseen = _wavefront(part, link)
    tilt: TipTilt = "removed" if modes >= _TIP_TILT_ONLY else "uncorrected"
    caught = smf_coupling_kolmogorov(ratio, obscuration_ratio=gamma, tip_tilt=tilt)
    caught = caught * np.exp(-unseen)
    if modes > _TIP_TILT_ONLY:
        residual = adaptive_optics_residual_rad2(aperture_to_fried_ratio=ratio, modes=modes, static_rad2=unseen)
        core = smf_coupling_adaptive(residual, ratio, obscuration_ratio=gamma)
        amplitude = amplitude_variance(
            layers, wavelength_m=link.terminal.wavelength_m, elevation_deg=np.asarray(part["elevation_deg"]),
            aperture_diameter_m=receiver.aperture_diameter_m, obscuration_ratio=gamma,
        )  # fmt: skip
        caught = np.maximum(caught, core * np.exp(-amplitude))
    return caught * _steady_share(link)


def _wavefront(part: Columns, link: Link) -> tuple[np.ndarray, np.ndarray]:
    """Diameter over Fried parameter, and the phase variance that is followed too late or not seen [rad²]."""
    receiver = link.station.receiver
    lag = _servo_lag_rad2(part, link, station_layers(link.station, link.atmosphere))
    return receiver.aperture_diameter_m / _fried_m(part, link), lag + receiver.static_wavefront_rad2


@in_range()
def amplitude_variance(
    layers: Layers,
    *,
    wavelength_m: float,
    elevation_deg: np.ndarray,
    aperture_diameter_m: float,
    obscuration_ratio: float = 0.0,
) -> np.ndarray:
    """Variance of the log-amplitude inside an aperture, which no phase correction takes out.

    ``[ln(1 + σ_I²) - σ_A²]/4``: the scintillation index of a point less the log-irradiance variance of the whole
    aperture, whose power is counted elsewhere; coupling falls by its exponential (Canuet et al. 2018, J. Opt. Soc. Am.
    A 35, 148, recalled). What the corrected modes leave of the phase holds the finest part of it already: pessimistic,
    by less than the term. Looked up at 49 elevations (`elevation_curve.along_elevation`).

    Parameters
    ----------
    layers : Layers
        Above the telescope.
    wavelength_m : float
        λ [m], in [0.2e-6, 15e-6].
    elevation_deg : (n,) array
        [deg], in (0, 90].
    aperture_diameter_m : float
        [m], > 0.
    obscuration_ratio : float
        Diameter ratio [1], in [0, 1).

    Returns
    -------
    (n,) array
        [1], >= 0.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    HV 5/7 at 1550 nm and 30 deg over 0.8 m: ln(1 + 0.2145)/4 less 0.0037/4.

    >>> from eqci_space.linkbudget.turbulence import hufnagel_valley_layers
    >>> value = amplitude_variance(
    ...     hufnagel_valley_layers(), wavelength_m=1550e-9, elevation_deg=np.array([30.0]), aperture_diameter_m=0.8)
    >>> round(float(value[0]), 4)
    0.0477
    """

    def variance(nodes: np.ndarray) -> np.ndarray:
        index = scintillation_index(rytov_variance(layers, wavelength_m=wavelength_m, elevation_deg=nodes))
        aperture = aperture_averaged_variance(
            layers, wavelength_m=wavelength_m, elevation_deg=nodes, aperture_diameter_m=aperture_diameter_m,
            obscuration_ratio=obscuration_ratio,
        )  # fmt: skip
        return np.maximum(np.log1p(index) - aperture, 0.0) / 4

    return np.maximum(along_elevation(variance, elevation_deg, nodes=_ELEVATION_NODES), 0.0)


def coupling_lags(link: Link) -> bool:
    """Whether adaptive optics of finite bandwidth make the coupling depend on the slew of the line of sight."""
    r = link.station.receiver
    corrected = r.field == "single_mode" and r.adaptive_optics_modes >= _TIP_TILT_ONLY
    return r.coupling == "modelled" and corrected and r.adaptive_optics_bandwidth_hz is not None


def _servo_lag_rad2(part: Columns, link: Link, layers: Layers) -> np.ndarray:
    """Phase variance that an adaptive optics of finite bandwidth follows too late."""
    elevation = np.asarray(part["elevation_deg"])
    bandwidth = link.station.receiver.adaptive_optics_bandwidth_hz
    if bandwidth is None or not coupling_lags(link):
        return np.zeros(elevation.shape)
    zenith = _zenith_greenwood(layers, link.atmosphere.ground_wind_m_s, link.terminal.wavelength_m)
    slew = np.clip(np.asarray(part["angular_rate_rad_s"]), 0.0, _FASTEST_SLEW_RAD_S)
    return (zenith(slew) * np.sin(np.radians(elevation)) ** -0.6 / bandwidth) ** (5 / 3)


def _steady_share(link: Link) -> float:
    """Mean over the station's tracking jitter: the fibre's mode, sent backwards, points like a beam."""
    receiver = link.station.receiver
    if receiver.tracking_jitter_rad == 0:
        return 1.0
    width = equivalent_divergence_half_angle_rad(
        wavelength_m=link.terminal.wavelength_m, aperture_diameter_m=receiver.aperture_diameter_m,
        obscuration_ratio=receiver.obscuration_ratio,
        beam_radius_m=receiver.aperture_diameter_m / 2 / optimum_mode_parameter(receiver.obscuration_ratio),
    )  # fmt: skip
    return float(mean_pointing_transmittance(divergence_half_angle_rad=width, jitter_rad=receiver.tracking_jitter_rad))


def coupling_valid(part: Columns, link: Link) -> np.ndarray:
    """Whether the modelled coupling stands on firm ground: beyond tip-tilt only to a residual of 2 rad²."""
    receiver = link.station.receiver
    elevation = np.asarray(part["elevation_deg"])
    if receiver.field != "single_mode" or receiver.adaptive_optics_modes <= _TIP_TILT_ONLY:
        return np.ones(elevation.shape, dtype=bool)
    ratio, unseen = _wavefront(part, link)
    modes = receiver.adaptive_optics_modes
    residual = adaptive_optics_residual_rad2(aperture_to_fried_ratio=ratio, modes=modes, static_rad2=unseen)
    return residual <= _LARGEST_RESIDUAL_RAD2


def _zenith_greenwood(layers: Layers, ground_wind_m_s: float, wavelength_m: float) -> CubicSpline:
    """Greenwood frequency [Hz] at the zenith over the slew rate [rad/s]."""
    slew = np.linspace(0.0, _FASTEST_SLEW_RAD_S, 201)
    wind = np.stack([
        bufton_wind_m_s(layers.height_m, ground_wind_m_s=ground_wind_m_s, slew_rate_rad_s=s) for s in slew
    ])  # fmt: skip
    return CubicSpline(slew, greenwood_frequency_hz(layers, wind, wavelength_m=wavelength_m, elevation_deg=90.0))

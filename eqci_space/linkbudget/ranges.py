"""The valid range of every argument of the room's formulas, by name, and the decorator that checks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import ParamSpec, TypeVar

import numpy as np

__all__ = ["Range", "in_range", "within"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """Numbers between two ends, ends included unless said otherwise."""

    low: float = -np.inf
    high: float = np.inf
    unit: str = ""
    above: bool = False
    below: bool = False

    def holds(self, value: np.ndarray) -> np.ndarray:
        """True where a value lies inside; never for NaN."""
        return (value > self.low if self.above else value >= self.low) & (
            value < self.high if self.below else value <= self.high
        )

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        low = f"above {self.low:g}" if self.above else f"{self.low:g}"
        if self.high == np.inf:
            return ("" if self.above else "at least ") + low + unit + (", finite" if self.below else "")
        return f"{low} to {'below ' if self.below else ''}{self.high:g}{unit}"


_LENGTH = Range(0, unit="m", above=True, below=True)
_ANGLE = Range(0, 0.1, "rad", above=True)
_JITTER = Range(0, 0.1, "rad")
_OFFSET = Range(-0.1, 0.1, "rad")
_RATIO = Range(0, 1, below=True)
_SHARE = Range(0, 1)
_NOT_NEGATIVE = Range(0, below=True)
_RATE = Range(0, unit="1/s", below=True)
_HEIGHT = Range(-500, 11_000, "m")
_WIND = Range(0, 20_000, "m/s")
_ORBIT_HEIGHT = Range(80e3, 1e9, "m")

_RANGES = {
    "airmass": Range(0, 100),
    "aerosol_scale_height_m": Range(1, 1e5, "m"),
    "angstrom_exponent": Range(-1, 4),
    "airmass_exponent": Range(0, 1.2, above=True),
    "angular_rate_rad_s": Range(0, 1, "rad/s"),
    "aperture_diameter_m": _LENGTH,
    "aperture_to_coherence_area_ratio": _NOT_NEGATIVE,
    "aperture_to_fried_ratio": _NOT_NEGATIVE,
    "background_hz": _RATE,
    "bandwidth_hz": Range(0, unit="Hz", above=True),
    "beam_radius_m": _LENGTH,
    "bias_rad": _OFFSET,
    "click_rate_hz": _RATE,
    "coefficient": Range(0, 10, above=True),
    "colour_factor": Range(0, 2),
    "compensated_share": _SHARE,
    "cn2_m_neg_2_3": Range(0, 1e-9, "m^(-2/3)"),
    "dark_count_rate_hz": _RATE,
    "dead_time_s": Range(0, 1, "s"),
    "delay_s": Range(0, 1, "s"),
    "detectors": Range(1),
    "divergence_full_angle_rad": _ANGLE,
    "divergence_half_angle_rad": _ANGLE,
    "earth_radius_m": Range(6.3e6, 6.4e6, "m"),
    "elapsed_s": Range(0, unit="s", below=True),
    "elevation_deg": Range(0, 90, "deg", above=True),
    "exceeded_probability": Range(1e-6, 0.5),
    "exit_beam_radius_m": _LENGTH,
    "extinction_mag_per_airmass": Range(0, 5),
    "extinction_ratio": Range(1),
    "field_of_view_full_angle_rad": Range(0, 2 * np.pi, "rad", above=True, below=True),
    "field_of_view_rad": Range(0, 2 * np.pi, "rad", above=True, below=True),
    "filter_bandwidth_m": Range(0, unit="m", below=True),
    "fried_parameter_m": Range(0, unit="m", above=True),
    "fractional_frequency": Range(-1e-3, 1e-3),
    "gate_s": Range(0, 1, "s", above=True),
    "greenwood_frequency_hz": Range(0, unit="Hz", below=True),
    "ground_cn2_m_neg_2_3": Range(0, 1e-9, "m^(-2/3)"),
    "ground_wind_m_s": Range(0, 100, "m/s"),
    "height_m": Range(0, unit="m", below=True),
    "height_msl_m": _HEIGHT,
    "isoplanatic_angle_rad": Range(0, unit="rad", above=True),
    "jitter_rad": _JITTER,
    "log_irradiance_variance": _NOT_NEGATIVE,
    "loss_db": Range(0, unit="dB"),
    "luminance_cd_m2": _NOT_NEGATIVE,
    "mode_parameter": Range(0, 10, above=True),
    "modes": Range(1, 1e6),
    "moon_phase_angle_deg": Range(-180, 180, "deg"),
    "moon_target_separation_deg": Range(0, 180, "deg"),
    "moon_zenith_angle_deg": Range(0, 180, "deg"),
    "obscuration_ratio": _RATIO,
    "offset_m": Range(0, unit="m", below=True),
    "offset_s": Range(-1, 1, "s"),
    "offset_rad": _OFFSET,
    "optical_depth": Range(0, 5),
    "optical_depth_500nm": Range(0, 5),
    "power_w": Range(0, 1e6, "W"),
    "pressure_pa": Range(10e3, 120e3, "Pa"),
    "probability": Range(0, 1, above=True, below=True),
    "radiance_w_m2_sr_m": _NOT_NEGATIVE,
    "range_m": _LENGTH,
    "residual_rad2": _NOT_NEGATIVE,
    "residual_rms_rad": _JITTER,
    "rms_wind_m_s": Range(0, 200, "m/s"),
    "rx_aperture_diameter_m": _LENGTH,
    "rx_obscuration_ratio": _RATIO,
    "rytov": _NOT_NEGATIVE,
    "satellite_altitude_m": _ORBIT_HEIGHT,
    "site_altitude_m": _HEIGHT,
    "site_height_msl_m": _HEIGHT,
    "slew_rate_rad_s": Range(0, 1, "rad/s"),
    "static_rad2": _NOT_NEGATIVE,
    "strength_m13": Range(0, 1, "m^(1/3)"),
    "sun_elevation_deg": Range(-90, 90, "deg"),
    "target_zenith_angle_deg": Range(0, 90, "deg"),
    "timing_jitter_s": Range(0, 1, "s"),
    "tracking_jitter_rad": _JITTER,
    "tropopause_height_m": Range(0, 30e3, "m"),
    "tropopause_thickness_m": Range(0, 30e3, "m", above=True),
    "tropopause_wind_m_s": Range(0, 200, "m/s"),
    "truncation_ratio": Range(0, 100, above=True),
    "tx_aperture_diameter_m": _LENGTH,
    "tx_beam_radius_m": _LENGTH,
    "tx_obscuration_ratio": _RATIO,
    "visibility_km": Range(0, unit="km", above=True),
    "wander_rms_rad": _JITTER,
    "wavefront_error_waves": Range(0, 0.25, "waves"),
    "wavelength_m": Range(0.2e-6, 15e-6, "m"),
    "wind_m_s": _WIND,
    "zenith_loss_db": Range(0, 100, "dB"),
    "zenith_sky_mag_arcsec2": Range(10, 25, "mag/arcsec²"),
}


def within(where: str, name: str, value: object, allowed: Range) -> None:
    """Raise `ValueError` with the name, the first value outside and the range."""
    numbers = np.asarray(value, dtype=float)
    inside = allowed.holds(numbers)
    if not inside.all():
        bad = numbers[~inside]
        count = f" ({bad.size} of {numbers.size} values)" if numbers.size > 1 else ""
        raise ValueError(f"{where}: {name} = {float(bad.flat[0])!r}{count}; expected {allowed}")


def in_range(**narrower: Range) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorator: refuse arguments outside their range; `narrower` overrules the room's table by name.

    ``None`` and defaults that are not passed are left alone.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        names = tuple(signature(function).parameters)
        allowed = {name: r for name, r in (_RANGES | narrower).items() if name in names}

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> T:
            for name, value in (*zip(names, args, strict=False), *kwargs.items()):
                if name in allowed and value is not None:
                    within(function.__name__, name, value, allowed[name])
            return function(*args, **kwargs)

        return checked

    return decorate

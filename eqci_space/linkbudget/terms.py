"""The terms of the budget, in order: each a loss in dB with its label, model and source.

Those of the downlink serve the uplink too, with the ground as transmitter; `uplink_terms` adds its turbulence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline

from eqci_space.linkbudget.adaptive_optics import adaptive_optics_residual_rad2
from eqci_space.linkbudget.aerosol import optical_depth_in_year
from eqci_space.linkbudget.beam import diffraction_loss_db, equivalent_divergence_half_angle_rad
from eqci_space.linkbudget.clear_air import USUAL_VISIBILITY_KM, monthly_optical_depth
from eqci_space.linkbudget.closed_forms import divergence_half_angle_rad, gaussian_bucket_loss_db, wavefront_loss_db
from eqci_space.linkbudget.coupling import (
    TipTilt,
    field_stop_transmittance,
    optimum_mode_parameter,
    smf_coupling_adaptive,
    smf_coupling_kolmogorov,
)
from eqci_space.linkbudget.detector import (
    TIME_TRANSFER_JITTER_S,
    clock_error_s,
    gate_transmittance,
    neighbour_transmittance,
)
from eqci_space.linkbudget.extinction import (
    airmass_kasten_young,
    apparent_elevation_deg,
    cirrus_loss_db,
    clear_sky_loss_db,
    gas_loss_db,
    standard_pressure_pa,
    tabulated_extinction_loss_db,
)
from eqci_space.linkbudget.gas import gas_absorption
from eqci_space.linkbudget.pointing import axes, mean_pointing_loss_db, mean_pointing_transmittance
from eqci_space.linkbudget.turbulence import Layers, fried_parameter_m, hufnagel_valley_layers
from eqci_space.linkbudget.winds import bufton_wind_m_s, greenwood_frequency_hz
from eqci_space.scenario import Atmosphere, Satellite, Station, Terminal, Uplink, receiver_of
from eqci_space.units import db_from_ratio

__all__ = [
    "TERMS",
    "Columns",
    "Link",
    "Term",
    "airmass_of",
    "coupling_lags",
    "coupling_valid",
    "divergence_rad",
    "known_gas",
    "link_between",
    "neighbour_ratio",
    "pointing_jitter_rad",
    "station_layers",
]

_TIP_TILT_ONLY = 3
_FASTEST_SLEW_RAD_S = 0.1
_CLOSED_GATE = 1e-30
_LARGEST_RESIDUAL_RAD2 = 2.0


@dataclass(frozen=True)
class Link:
    """Who sends, who receives, and through what air; with an uplink, the satellite's receiver stands in the station.

    `link_between` makes one from a satellite and a station.
    """

    terminal: Terminal
    station: Station
    atmosphere: Atmosphere
    uplink: Uplink | None = None


def link_between(satellite: Satellite, station: Station, atmosphere: Atmosphere) -> Link:
    """The link of a satellite and a station, in the direction in which the satellite is used."""
    if satellite.uplink is not None:
        station = station.model_copy(update={"receiver": receiver_of(satellite, station)})
    return Link(satellite.terminal, station, atmosphere, satellite.uplink)


Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Term:
    """One loss: its label, the function of SAMPLES columns that gives it in dB, and where the model comes from."""

    label: str
    loss_db: Callable[[Columns, Link], np.ndarray]
    model: str
    source: str


def divergence_rad(terminal: Terminal) -> float:
    """1/e² half angle [rad] of the far field near its axis, beam quality included."""
    if terminal.divergence_rad is not None and terminal.divergence_definition is not None:
        return divergence_half_angle_rad(terminal.divergence_rad, terminal.divergence_definition)
    return terminal.beam_quality * equivalent_divergence_half_angle_rad(
        wavelength_m=terminal.wavelength_m, aperture_diameter_m=terminal.aperture_diameter_m,
        obscuration_ratio=terminal.obscuration_ratio, beam_radius_m=float(terminal.beam_radius_m or 0.0),
    )  # fmt: skip


def _diffraction(part: Columns, link: Link) -> np.ndarray:
    t, r = link.terminal, link.station.receiver
    distance = np.asarray(part["range_m"])
    if t.divergence_rad is not None:
        width = divergence_rad(t) * distance
        whole = gaussian_bucket_loss_db(beam_radius_m=width, aperture_diameter_m=r.aperture_diameter_m)
        return whole + db_from_ratio(1 - r.obscuration_ratio**2)
    # A beam M² times wider than diffraction stands as far off as one without aberration at M² times the range.
    return diffraction_loss_db(
        distance * t.beam_quality, wavelength_m=t.wavelength_m, tx_aperture_diameter_m=t.aperture_diameter_m,
        tx_obscuration_ratio=t.obscuration_ratio, tx_beam_radius_m=float(t.beam_radius_m or 0.0),
        rx_aperture_diameter_m=r.aperture_diameter_m, rx_obscuration_ratio=r.obscuration_ratio,
    )  # fmt: skip


def _constant(part: Columns, value: float) -> np.ndarray:
    return np.full(len(part["range_m"]), value)


def _wavefront(part: Columns, link: Link) -> np.ndarray:
    return _constant(part, wavefront_loss_db(link.terminal.wavefront_error_waves))


def _pointing(part: Columns, link: Link) -> np.ndarray:
    t, elevation = link.terminal, np.asarray(part["elevation_deg"])
    jitter = pointing_jitter_rad(t, elevation) if t.jitter_growth_rad else t.jitter_rad
    loss = mean_pointing_loss_db(divergence_half_angle_rad=divergence_rad(t), jitter_rad=jitter, bias_rad=t.bias_rad)
    return np.broadcast_to(loss, elevation.shape)


def pointing_jitter_rad(terminal: Terminal, elevation_deg: np.ndarray) -> np.ndarray:
    """Jitter of a terminal by axis (n, 2) [rad] at elevations (n,) [deg].

    It grows by `jitter_growth_rad` from the zenith to the horizon, in proportion to the zenith angle (assumed).
    """
    growth = terminal.jitter_growth_rad * (90.0 - np.asarray(elevation_deg, dtype=float)) / 90.0
    return axes(terminal.jitter_rad, 0.0)[0] + np.maximum(growth, 0.0)[:, None]


def airmass_of(part: Columns) -> np.ndarray:
    """Relative airmass of samples, by their refracted elevation."""
    return airmass_kasten_young(apparent_elevation_deg(np.asarray(part["elevation_deg"])))


def _extinction(part: Columns, link: Link) -> np.ndarray:
    air, height = link.atmosphere, link.station.height_msl_m
    if air.extinction_table:
        elevation, loss = np.array(air.extinction_table).T
        return tabulated_extinction_loss_db(
            np.asarray(part["elevation_deg"]), table_elevation_deg=elevation, table_loss_db=loss
        )
    months = monthly_optical_depth(link.station, air)
    visibility = air.visibility_km
    depth: np.ndarray | float | None = air.optical_depth_500nm
    if months is not None:
        visibility, depth = None, optical_depth_in_year(part["year_share"], by_month=months)
    elif visibility is None and depth is None:
        visibility = USUAL_VISIBILITY_KM
    return clear_sky_loss_db(
        airmass=airmass_of(part), wavelength_m=link.terminal.wavelength_m, visibility_km=visibility,
        optical_depth_500nm=depth, angstrom_exponent=air.angstrom_exponent,
        aerosol_scale_height_m=air.aerosol_scale_height_m, pressure_pa=float(standard_pressure_pa(height)),
        height_msl_m=height,
    )  # fmt: skip


def known_gas(link: Link) -> tuple[float, float] | None:
    """Zenith loss [dB] and airmass exponent of the gas: stated, part of a table of all extinction, or tabulated."""
    air = link.atmosphere
    if air.gas_zenith_loss_db is not None:
        return air.gas_zenith_loss_db, air.gas_airmass_exponent or 1.0
    return (0.0, 1.0) if air.extinction_table else gas_absorption(wavelength_m=link.terminal.wavelength_m)


def _gas(part: Columns, link: Link) -> np.ndarray:
    loss, exponent = known_gas(link) or (0.0, 1.0)
    return gas_loss_db(airmass_of(part), zenith_loss_db=loss, airmass_exponent=exponent)


def _cirrus(part: Columns, link: Link) -> np.ndarray:
    return cirrus_loss_db(airmass_of(part), optical_depth=link.atmosphere.cirrus_optical_depth)


def _optics(part: Columns, link: Link) -> np.ndarray:
    return _constant(part, float(db_from_ratio(link.station.receiver.optics_transmittance)))


@lru_cache(maxsize=256)
def _layers(rms_wind: float, ground_cn2: float, site_height: float, telescope_height: float) -> Layers:
    return hufnagel_valley_layers(
        rms_wind_m_s=rms_wind, ground_cn2_m_neg_2_3=ground_cn2, site_height_msl_m=max(0.0, site_height),
        lower_height_m=telescope_height,
    )  # fmt: skip


def station_layers(station: Station, atmosphere: Atmosphere) -> Layers:
    """Turbulence above a station's telescope."""
    air = atmosphere
    return _layers(air.rms_wind_m_s, air.ground_cn2_m_neg_2_3, station.height_msl_m, air.telescope_height_m)


def _coupling(part: Columns, link: Link) -> np.ndarray:
    receiver = link.station.receiver
    if receiver.coupling == "stated":
        return _constant(part, receiver.coupling_loss_db)
    layers = station_layers(link.station, link.atmosphere)
    fried = fried_parameter_m(
        layers, wavelength_m=link.terminal.wavelength_m, elevation_deg=np.asarray(part["elevation_deg"])
    )
    if receiver.field == "free_space":
        caught = field_stop_transmittance(
            field_of_view_rad=float(receiver.field_of_view_rad or 0.0), wavelength_m=link.terminal.wavelength_m,
            fried_parameter_m=fried, aperture_diameter_m=receiver.aperture_diameter_m,
            tracking_jitter_rad=receiver.tracking_jitter_rad,
        )  # fmt: skip
    else:
        caught = _into_fibre(part, link, layers, receiver.aperture_diameter_m / fried)
    return db_from_ratio(caught) + receiver.coupling_loss_db


def _into_fibre(part: Columns, link: Link, layers: Layers, ratio: np.ndarray) -> np.ndarray:
    """Mean coupling into one mode: exact integrals to tip-tilt, the residual phase variance beyond.

    Never less than with the tilts alone: the core-and-halo form of adaptive optics is a lower estimate where hardly
    anything is corrected.
    """
    receiver, gamma = link.station.receiver, link.station.receiver.obscuration_ratio
    modes = receiver.adaptive_optics_modes
    lag = _servo_lag_rad2(part, link, layers)
    tilt: TipTilt = "removed" if modes >= _TIP_TILT_ONLY else "uncorrected"
    caught = smf_coupling_kolmogorov(ratio, obscuration_ratio=gamma, tip_tilt=tilt)
    caught = caught * np.exp(-lag - receiver.static_wavefront_rad2)
    if modes > _TIP_TILT_ONLY:
        residual = adaptive_optics_residual_rad2(
            aperture_to_fried_ratio=ratio, modes=modes, static_rad2=lag + receiver.static_wavefront_rad2
        )
        caught = np.maximum(caught, smf_coupling_adaptive(residual, ratio, obscuration_ratio=gamma))
    return caught * _steady_share(link)


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
    layers = station_layers(link.station, link.atmosphere)
    fried = fried_parameter_m(layers, wavelength_m=link.terminal.wavelength_m, elevation_deg=elevation)
    residual = adaptive_optics_residual_rad2(
        aperture_to_fried_ratio=receiver.aperture_diameter_m / fried, modes=receiver.adaptive_optics_modes,
        static_rad2=_servo_lag_rad2(part, link, layers) + receiver.static_wavefront_rad2,
    )  # fmt: skip
    return residual <= _LARGEST_RESIDUAL_RAD2


def _zenith_greenwood(layers: Layers, ground_wind_m_s: float, wavelength_m: float) -> CubicSpline:
    """Greenwood frequency [Hz] at the zenith over the slew rate [rad/s]."""
    slew = np.linspace(0.0, _FASTEST_SLEW_RAD_S, 201)
    wind = np.stack([
        bufton_wind_m_s(layers.height_m, ground_wind_m_s=ground_wind_m_s, slew_rate_rad_s=s) for s in slew
    ])  # fmt: skip
    return CubicSpline(slew, greenwood_frequency_hz(layers, wind, wavelength_m=wavelength_m, elevation_deg=90.0))


def _timing(link: Link) -> dict[str, float]:
    """Gate, jitter and walked-off clock of a receiver, as the formulas of the gate take them."""
    r = link.station.receiver
    jitter = np.hypot(r.timing_jitter_s, TIME_TRANSFER_JITTER_S[r.time_transfer])
    drift = clock_error_s(r.clock_hold_over_s, fractional_frequency=r.clock_fractional_frequency)
    return {"gate_s": r.gate_s, "timing_jitter_s": float(jitter), "offset_s": float(drift)}


def _inside(link: Link) -> float:
    return max(gate_transmittance(**_timing(link)), _CLOSED_GATE)


def _gate(part: Columns, link: Link) -> np.ndarray:
    return _constant(part, float(db_from_ratio(_inside(link))) + 0.0)  # no -0.0 in tables


def neighbour_ratio(link: Link) -> float:
    """Light of neighbouring pulses in a gate over that of the gate's own pulse [1]."""
    stray = neighbour_transmittance(period_s=1 / link.terminal.pulse_rate_hz, **_timing(link))
    return stray / _inside(link)


def _detector(part: Columns, link: Link) -> np.ndarray:
    return _constant(part, float(db_from_ratio(link.station.receiver.detector_efficiency)))


TERMS: dict[str, Term] = {
    "diffraction_loss_db": Term(
        "diffraction and apertures", _diffraction, "truncated Gaussian, far field; or measured divergence",
        "Klein and Degnan 1974",
    ),
    "wavefront_loss_db": Term("wavefront of the terminal", _wavefront, "Strehl ratio", "Mahajan 1983"),
    "pointing_loss_db": Term("pointing (mean)", _pointing, "Beckmann, equivalent Gaussian", "Farid, Hranilovic 2007"),
    "extinction_loss_db": Term(
        "clear-sky extinction", _extinction, "Rayleigh and one aerosol column, stated or by month; or tabulated",
        "Hansen, Travis 1974; Kim 2001; Kasten 1996; scenario",
    ),
    "gas_loss_db": Term(
        "gas absorption", _gas, "power of the airmass; tabulated by wavelength, or stated",
        "MODTRAN; LOWTRAN 7; ASTM G173-03; scenario",
    ),
    "cirrus_loss_db": Term("thin cirrus", _cirrus, "grey optical depth", "Sassen, Cho 1992"),
    "optics_loss_db": Term("receiver optics", _optics, "stated", "scenario"),
    "coupling_loss_db": Term(
        "coupling", _coupling, "stated; or turbulence with adaptive optics", "Fried 1966; Noll 1976; Greenwood 1977",
    ),
    "gate_loss_db": Term("timing gate", _gate, "Gaussian jitter, clock in hold-over", "ITU-T G.810"),
    "detector_loss_db": Term("detector efficiency", _detector, "stated", "scenario"),
}  # fmt: skip

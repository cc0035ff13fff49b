"""The terms of the budget, in order: each a loss in dB with its label, model and source.

Those of the downlink serve the uplink too, with the ground as transmitter; `uplink_terms` adds its turbulence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from eqci_space.linkbudget.aerosol import optical_depth_in_year
from eqci_space.linkbudget.beam import diffraction_loss_db
from eqci_space.linkbudget.clear_air import USUAL_VISIBILITY_KM, monthly_optical_depth
from eqci_space.linkbudget.closed_forms import gaussian_bucket_loss_db, wavefront_loss_db
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
from eqci_space.linkbudget.link import Columns, Link, divergence_rad, pointing_jitter_rad
from eqci_space.linkbudget.pointing import mean_pointing_loss_db
from eqci_space.linkbudget.receiver_coupling import receiver_coupling_loss_db
from eqci_space.linkbudget.tracking import tracking_loss_db
from eqci_space.units import db_from_ratio

__all__ = [
    "BEFORE_THE_DETECTOR",
    "TERMS",
    "Term",
    "airmass_of",
    "known_gas",
    "neighbour_ratio",
    "total_loss_db",
]

_CLOSED_GATE = 1e-30


@dataclass(frozen=True)
class Term:
    """One loss: its label, the function of SAMPLES columns that gives it in dB, and where the model comes from."""

    label: str
    loss_db: Callable[[Columns, Link], np.ndarray]
    model: str
    source: str


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
        "coupling", receiver_coupling_loss_db, "stated; or turbulence with adaptive optics",
        "Fried 1966; Noll 1976; Greenwood 1977; Canuet 2018",
    ),
    "tracking_loss_db": Term(
        "lock lost in fades", tracking_loss_db, "time below the tracker's margin, and to acquire again",
        "Rice 1945; scenario",
    ),
    "gate_loss_db": Term("timing gate", _gate, "Gaussian jitter, clock in hold-over", "ITU-T G.810"),
    "detector_loss_db": Term("detector efficiency", _detector, "stated", "scenario"),
}  # fmt: skip
BEFORE_THE_DETECTOR = tuple(name for name in TERMS if name not in ("gate_loss_db", "detector_loss_db"))


def total_loss_db(
    link: Link,
    *,
    elevation_deg: np.ndarray | float,
    range_m: np.ndarray | float,
    angular_rate_rad_s: np.ndarray | float = 0.0,
    year_share: np.ndarray | float = 0.0,
    terms: Iterable[str] = tuple(TERMS),
) -> np.ndarray:
    """Sum of terms [dB] of a link without samples; arguments broadcast.

    Parameters
    ----------
    link : Link
    elevation_deg, range_m, angular_rate_rad_s, year_share : array or float
        Columns of SAMPLES; the share of the year matters where the aerosol has months.
    terms : iterable of str
        Names in `TERMS`; all of them give `total_loss_db` of `link_budget`.
    """
    given = {
        "elevation_deg": elevation_deg, "range_m": range_m, "angular_rate_rad_s": angular_rate_rad_s,
        "year_share": year_share,
    }  # fmt: skip
    even = np.broadcast_arrays(*given.values())
    columns = {name: values.ravel() for name, values in zip(given, even, strict=True)}
    return np.sum([TERMS[name].loss_db(columns, link) for name in terms], axis=0).reshape(even[0].shape)

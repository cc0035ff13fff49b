"""Which aerosol stands above a station: its own months, the turbidity map, or what the scenario states for all."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from eqci_space.linkbudget.aerosol import optical_depth_at_height, optical_depth_from_linke, usual_water_cm
from eqci_space.linkbudget.turbidity_io import monthly_turbidity
from eqci_space.scenario import Atmosphere, Station

__all__ = ["USUAL_VISIBILITY_KM", "aerosol_model", "monthly_optical_depth"]

USUAL_VISIBILITY_KM = 23.0
_MOLECULES = "Hansen, Travis 1974"
_KIM, _ANGSTROM = "Kim 2001; scenario", "Ångström 1929; scenario"


def monthly_optical_depth(station: Station, atmosphere: Atmosphere) -> np.ndarray | None:
    """Optical depth of the aerosol above a station at 500 nm by month; None if one value holds all year.

    What a station states goes before the climatology, and before what holds for all stations.
    """
    if station.optical_depth_500nm_by_month:
        return np.array(station.optical_depth_500nm_by_month)
    if atmosphere.aerosol != "climatology":
        return None
    return _climatology(
        station.latitude_deg, station.longitude_deg, station.height_msl_m, atmosphere.aerosol_scale_height_m,
        atmosphere.angstrom_exponent,
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _climatology(latitude: float, longitude: float, height: float, scale_height: float, exponent: float) -> np.ndarray:
    turbidity, ground = monthly_turbidity(latitude, longitude)
    depth = optical_depth_from_linke(turbidity, precipitable_water_cm=usual_water_cm(latitude_deg=latitude))
    months = optical_depth_at_height(
        depth, ground_height_m=ground, height_msl_m=height, aerosol_scale_height_m=scale_height,
        angstrom_exponent=exponent,
    )  # fmt: skip
    months.flags.writeable = False
    return months


def aerosol_model(station: Station, atmosphere: Atmosphere) -> tuple[str, str]:
    """Model and source of the clear-sky extinction above a station, in words."""
    air = atmosphere
    if air.extinction_table:
        return "table of radiative transfer", "scenario"
    if station.optical_depth_500nm_by_month:
        return "Rayleigh, and the station's own optical depth by month", f"{_MOLECULES}; {_ANGSTROM}"
    if air.aerosol == "climatology":
        return (
            "Rayleigh, and the climatology of turbidity by month at the station's height",
            f"{_MOLECULES}; Remund et al. 2003; Kasten 1996",
        )
    if air.optical_depth_500nm is not None:
        return f"Rayleigh, and an optical depth of {air.optical_depth_500nm:g} at 500 nm", f"{_MOLECULES}; {_ANGSTROM}"
    if air.visibility_km is not None:
        return f"Rayleigh, and a visibility of {air.visibility_km:g} km", f"{_MOLECULES}; {_KIM}"
    return f"Rayleigh, and the usual visibility of {USUAL_VISIBILITY_KM:g} km", f"{_MOLECULES}; {_KIM}; assumed"

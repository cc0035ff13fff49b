"""Where the models of the budget hold, term by term."""

from __future__ import annotations

import numpy as np

from eqci_space.linkbudget.link import Columns, Link, station_layers
from eqci_space.linkbudget.receiver_coupling import coupling_valid
from eqci_space.linkbudget.scintillation import rytov_variance
from eqci_space.linkbudget.terms import TERMS, known_gas

__all__ = ["VALID_WHERE", "term_validity"]

_LOWEST_DEG = 10.0
_LARGEST_RYTOV = 1.0
_FOG_VISIBILITY_KM = 1.0
_FAR_FIELD = 2.5  # in D²/λ, ten times the range at which a beam of that diameter begins to spread

VALID_WHERE = {
    "diffraction_loss_db": "range of at least 2.5 D²/λ",
    "extinction_loss_db": "elevation of at least 10 deg, visibility above 1 km where it is stated",
    "gas_loss_db": "785 to 850, 1060 to 1070 and 1530 to 1565 nm, or stated",
    "cirrus_loss_db": "elevation of at least 10 deg",
    "turbulence_loss_db": "Rytov variance up to 1",
    "coupling_loss_db": "stated; or Rytov variance up to 1 and a residual up to 2 rad² behind adaptive optics",
    "fade_loss_db": "Rytov variance up to 1",
}


def term_validity(part: Columns, link: Link, *, fades: bool = False) -> dict[str, np.ndarray]:
    """Whether each term's model holds for each sample; of an uplink its turbulence too, with `fades` the quantile.

    Terms that `VALID_WHERE` does not name hold everywhere.
    """
    elevation, distance = np.asarray(part["elevation_deg"]), np.asarray(part["range_m"])
    terminal, air = link.terminal, link.atmosphere
    own_aerosol = bool(link.station.optical_depth_500nm_by_month)
    everywhere, high = np.ones(elevation.shape, dtype=bool), elevation >= _LOWEST_DEG
    modelled = link.station.receiver.coupling == "modelled"
    up = link.uplink is not None
    weak = _weak_turbulence(elevation, link) if modelled or fades or up else everywhere
    holds = {
        "diffraction_loss_db": distance >= _FAR_FIELD * terminal.aperture_diameter_m**2 / terminal.wavelength_m,
        "extinction_loss_db": high & (own_aerosol | ((air.visibility_km or np.inf) > _FOG_VISIBILITY_KM)),
        "gas_loss_db": everywhere & (known_gas(link) is not None),
        "cirrus_loss_db": high,
        "coupling_loss_db": weak & coupling_valid(part, link) if modelled else everywhere,
    }
    flags = {column: holds.get(column, everywhere) for column in TERMS}
    return flags | ({"turbulence_loss_db": weak} if up else {}) | ({"fade_loss_db": weak} if fades else {})


def _weak_turbulence(elevation_deg: np.ndarray, link: Link) -> np.ndarray:
    layers = station_layers(link.station, link.atmosphere)
    rytov = rytov_variance(layers, wavelength_m=link.terminal.wavelength_m, elevation_deg=elevation_deg)
    return rytov <= _LARGEST_RYTOV

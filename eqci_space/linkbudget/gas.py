"""Absorption by the gases of clear air: a table of zenith losses in the windows that links use.

Zenith loss and airmass exponent at sea level, means over the spectral resolution of the source, so a laser that stands
on a line loses more: 1 nm for ASTM G173-03, about 5 nm otherwise. Sources:

* 785 to 850 nm: MODTRAN, the clear sky that ships with SatQuMA (MIT licence), less `clear_sky_loss_db` at 23 km of
  visibility and a scale height of 1 km. What that haze column already holds of the gas is not counted again: 0.01 dB
  too much at 850 nm, where the loss is therefore 0. Fits over 10 to 90 deg, within 0.012 dB.
* 1060 to 1070 nm: ASTM G173-03 (SMARTS 2.9.2, US Standard 1976), derived from its direct and extraterrestrial spectra
  less molecules and haze; mostly the collision band of oxygen, linear in airmass.
* 1530 to 1565 nm: LOWTRAN 7 (Kneizys et al. 1988), US Standard 1976, computed; fits over 10 to 90 deg, within 0.002 dB.
  At 1550 nm its mid-latitude winter and summer give 0.040 and 0.093 dB; ASTM G173-03 has 0.001 dB there.
"""

from __future__ import annotations

import numpy as np

from eqci_space.linkbudget.ranges import in_range

__all__ = ["GAS_WINDOWS", "gas_absorption"]

# Rows of a window: wavelength [nm], zenith loss [dB], exponent of the airmass.
GAS_WINDOWS = {
    "MODTRAN": (
        (785, 0.006, 0.88), (790, 0.068, 0.78), (795, 0.098, 0.805), (800, 0.108, 0.845), (805, 0.134, 0.833),
        (810, 0.362, 0.659), (815, 0.771, 0.600), (820, 0.916, 0.593), (825, 0.779, 0.597), (830, 0.592, 0.614),
        (835, 0.352, 0.645), (840, 0.137, 0.71), (845, 0.023, 0.85), (850, 0.0, 0.85),
    ),
    "ASTM G173-03": ((1060, 0.066, 1.0), (1064, 0.075, 1.0), (1070, 0.090, 1.0)),
    "LOWTRAN 7": (
        (1530, 0.233, 0.621), (1535, 0.188, 0.644), (1540, 0.137, 0.665), (1545, 0.098, 0.688), (1550, 0.055, 0.750),
        (1555, 0.048, 0.775), (1560, 0.047, 0.781), (1565, 0.080, 0.715),
    ),
}  # fmt: skip
_ROUNDING_NM = 1e-6


@in_range()
def gas_absorption(*, wavelength_m: float) -> tuple[float, float] | None:
    """Zenith loss and airmass exponent of `gas_loss_db` at a wavelength in a tabulated window, linear between rows.

    Sources of the rows: MODTRAN as shipped with SatQuMA, ASTM G173-03 (2003), LOWTRAN 7 (Kneizys et al. 1988); see the
    module.

    Parameters
    ----------
    wavelength_m : float
        [m], in [0.2e-6, 15e-6].

    Returns
    -------
    (float, float) or None
        Zenith loss at sea level [dB] and exponent [1]; None outside the windows, where a loss has to be stated.

    Examples
    --------
    MODTRAN's water band at 820 nm loses 1.440 dB at the zenith, 0.523 dB of it by scattering:

    >>> gas_absorption(wavelength_m=820e-9)
    (0.916, 0.593)
    >>> gas_absorption(wavelength_m=1.38e-6) is None
    True
    """
    nm = wavelength_m * 1e9
    for rows in GAS_WINDOWS.values():
        nms, loss, exponent = np.array(rows).T
        if nms[0] - _ROUNDING_NM <= nm <= nms[-1] + _ROUNDING_NM:
            return round(float(np.interp(nm, nms, loss)), 9), round(float(np.interp(nm, nms, exponent)), 9)
    return None

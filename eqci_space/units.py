"""Physical constants and the conversion between ratios and decibels.

Constants are CODATA 2018 exact values; those of the Earth are WGS 84 (NIMA TR8350.2) and EGM96.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "EARTH_FLATTENING",
    "EARTH_GM_M3_S2",
    "EARTH_J2",
    "EARTH_RADIUS_M",
    "EARTH_ROTATION_RAD_S",
    "KEY_BIT",
    "PLANCK_J_S",
    "SPEED_OF_LIGHT_M_S",
    "TROPICAL_YEAR_S",
    "db_from_ratio",
    "ratio_from_db",
]

KEY_BIT = 256
"""Length of the AES-256 key in which amounts of key are counted [bit]."""
SPEED_OF_LIGHT_M_S = 299_792_458.0
PLANCK_J_S = 6.626_070_15e-34
EARTH_RADIUS_M = 6_378_137.0
EARTH_FLATTENING = 1 / 298.257_223_563
EARTH_GM_M3_S2 = 3.986_004_418e14
EARTH_J2 = 1.082_626_68e-3
TROPICAL_YEAR_S = 365.242_190 * 86400.0
EARTH_ROTATION_RAD_S = 7.292_115_146_7e-5


def db_from_ratio(ratio: Any) -> Any:
    """Loss [dB, positive] of a transmittance `ratio` in (0, 1]: ``-10 log10(ratio)``."""
    import numpy as np

    return -10.0 * np.log10(ratio)


def ratio_from_db(loss_db: Any) -> Any:
    """Transmittance of a loss [dB, positive]: ``10^(-loss/10)``."""
    return 10.0 ** (-loss_db / 10.0)

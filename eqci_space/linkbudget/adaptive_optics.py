"""What adaptive optics leaves of the phase: fitting, lag, offset and static aberrations."""

from __future__ import annotations

import numpy as np

from eqci_space.linkbudget.ranges import in_range

__all__ = ["adaptive_optics_residual_rad2", "noll_residual_rad2"]

_NOLL = np.array([
    1.0299, 0.582, 0.134, 0.111, 0.0880, 0.0648, 0.0587, 0.0525, 0.0463, 0.0401, 0.0377, 0.0352, 0.0328, 0.0304, 0.0279,
    0.0267, 0.0255, 0.0243, 0.0232, 0.0220, 0.0208,
])  # fmt: skip


@in_range()
def noll_residual_rad2(aperture_to_fried_ratio: np.ndarray | float, modes: int) -> np.ndarray:
    """Phase variance left when the first Zernike modes are corrected.

    Tabulated to 21 modes, ``0.2944 J^(-√3/2) (D/r0)^(5/3)`` beyond (Noll 1976, J. Opt. Soc. Am. 66, 207, table IV).

    Parameters
    ----------
    aperture_to_fried_ratio : array
        D/r0 [1], >= 0, any shape.
    modes : int
        J, piston counted [1], in [1, 1e6]: 1 is piston alone, 3 tip and tilt too.

    Returns
    -------
    array
        [rad²], shape of `aperture_to_fried_ratio`.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    >>> [round(float(noll_residual_rad2(1.0, modes)), 4) for modes in (1, 3, 21)]
    [1.0299, 0.134, 0.0208]
    """
    factor = _NOLL[modes - 1] if modes <= len(_NOLL) else 0.2944 * modes ** (-np.sqrt(3) / 2)
    return factor * np.asarray(aperture_to_fried_ratio, dtype=float) ** (5 / 3)


@in_range()
def adaptive_optics_residual_rad2(
    *,
    aperture_to_fried_ratio: np.ndarray | float,
    modes: int,
    greenwood_frequency_hz: np.ndarray | float = 0.0,
    bandwidth_hz: float = np.inf,
    offset_rad: np.ndarray | float = 0.0,
    isoplanatic_angle_rad: np.ndarray | float = np.inf,
    static_rad2: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Residual phase variance behind adaptive optics: fitting, servo lag, angular offset, and static aberrations.

    Fitting by Noll 1976, servo ``(f_G/f_3dB)^(5/3)`` (Greenwood 1977), offset ``(θ/θ0)^(5/3)`` (Fried 1982).

    Parameters
    ----------
    aperture_to_fried_ratio : array
        D/r0 [1], >= 0; all arrays broadcast.
    modes : int
        Corrected Zernike modes, piston counted [1], in [1, 1e6].
    greenwood_frequency_hz : array
        f_G [Hz], >= 0.
    bandwidth_hz : float
        f_3dB of the closed loop [Hz], > 0.
    offset_rad : array
        θ between the light and what the correction is measured on [rad], in [-0.1, 0.1].
    isoplanatic_angle_rad : array
        θ0 [rad], > 0.
    static_rad2 : array
        Variance of aberrations that the sensor does not see [rad²], >= 0.

    Returns
    -------
    array
        [rad²], broadcast.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    Ten modes at D/r0 = 1 with a loop at the Greenwood frequency: 0.0401 + 1.

    >>> round(float(adaptive_optics_residual_rad2(
    ...     aperture_to_fried_ratio=1.0, modes=10, greenwood_frequency_hz=60.0, bandwidth_hz=60.0)), 4)
    1.0401
    """
    servo = (np.asarray(greenwood_frequency_hz, dtype=float) / bandwidth_hz) ** (5 / 3)
    offset = (np.abs(offset_rad) / np.asarray(isoplanatic_angle_rad, dtype=float)) ** (5 / 3)
    return noll_residual_rad2(aperture_to_fried_ratio, modes) + servo + offset + static_rad2

"""Raman light of classical channels that share a fibre with single photons."""

from __future__ import annotations

import math

from eqci_space.scenario import Coexistence
from eqci_space.units import PLANCK_J_S, SPEED_OF_LIGHT_M_S, ratio_from_db

__all__ = ["raman_click_probability", "raman_power_w"]


def raman_power_w(
    *,
    launch_power_w: float,
    counter_power_w: float,
    length_m: float,
    attenuation_db_km: float,
    raman_coefficient_per_m2: float,
    filter_bandwidth_m: float,
) -> float:
    """Spontaneous Raman light [W] at the receiving end of a span, inside a filter.

    Channels that run with the photons give ``P ρ Δλ L e^(-αL)``, those against them ``P ρ Δλ (1 - e^(-2αL))/(2α)``, one
    attenuation for both wavelengths (Eraerds et al. 2010, New J. Phys. 12, 063027). ρ is a few 1e-9 per km and nm
    between neighbours at 1550 nm (recalled).

    Parameters
    ----------
    launch_power_w, counter_power_w : float
        Sums over the channels of each direction [W], where they enter the fibre, >= 0.
    length_m : float
        Of the span [m], > 0.
    attenuation_db_km : float
        Of the fibre [dB/km], > 0.
    raman_coefficient_per_m2 : float
        ρ per metre of fibre and metre of bandwidth [1/m²], >= 0: 1e-9 per km and nm is 1e-3.
    filter_bandwidth_m : float
        Full width Δλ of the receiver's filter [m], >= 0.

    Returns
    -------
    float
        Power behind the filter [W].

    Raises
    ------
    ValueError
        An argument is negative, or the length or the attenuation is zero.

    Examples
    --------
    A milliwatt against the photons of a span far longer than 10 km, 0.1 nm of filter:

    >>> float(round(raman_power_w(launch_power_w=0.0, counter_power_w=1e-3, length_m=4e5, attenuation_db_km=0.22,
    ...     raman_coefficient_per_m2=2.5e-3, filter_bandwidth_m=1e-10) * 1e12, 3))
    2.468
    """
    values = (launch_power_w, counter_power_w, raman_coefficient_per_m2, filter_bandwidth_m)
    if not all(0 <= v < math.inf for v in values) or not 0 < length_m < math.inf or not 0 < attenuation_db_km < 1e3:
        raise ValueError(
            f"raman_power_w: launch_power_w = {launch_power_w}, counter_power_w = {counter_power_w}, length_m = "
            f"{length_m}, attenuation_db_km = {attenuation_db_km}, raman_coefficient_per_m2 = "
            f"{raman_coefficient_per_m2}, filter_bandwidth_m = {filter_bandwidth_m}; expected none negative, length "
            "and attenuation positive"
        )
    alpha = attenuation_db_km * 1e-3 * math.log(10) / 10
    along = launch_power_w * length_m * math.exp(-alpha * length_m)
    against = counter_power_w * -math.expm1(-2 * alpha * length_m) / (2 * alpha)
    return raman_coefficient_per_m2 * filter_bandwidth_m * (along + against)


def raman_click_probability(
    light: Coexistence, *, loss_db: float, receiver_loss_db: float, detector_efficiency: float
) -> float:
    """Probability of a Raman click per detector and gate, two detectors; the span's length follows from its loss.

    Parameters
    ----------
    light : Coexistence
        Powers, filter, gate and fibre.
    loss_db : float
        Of the span without the receiver [dB], >= 0.
    receiver_loss_db : float
        From the end of the fibre to the detectors [dB], >= 0.
    detector_efficiency : float
        Clicks per photon [1], 0 to 1.

    Returns
    -------
    float
        Per detector and gate [1].

    Raises
    ------
    ValueError
        A loss is negative or not finite, or the efficiency is not between 0 and 1.
    """
    for name, value, most in (
        ("loss_db", loss_db, 1e6), ("receiver_loss_db", receiver_loss_db, 1e6),
        ("detector_efficiency", detector_efficiency, 1.0),
    ):  # fmt: skip
        if not 0 <= value <= most:
            raise ValueError(f"raman_click_probability: {name} = {value}; expected 0 to {most:g}")
    power = raman_power_w(
        launch_power_w=light.launch_power_w, counter_power_w=light.counter_power_w,
        length_m=max(1.0, 1e3 * loss_db / light.attenuation_db_km), attenuation_db_km=light.attenuation_db_km,
        raman_coefficient_per_m2=light.raman_coefficient_per_m2, filter_bandwidth_m=light.filter_bandwidth_m,
    )  # fmt: skip
    photon_j = PLANCK_J_S * SPEED_OF_LIGHT_M_S / light.wavelength_m
    photons_hz = power / photon_j * float(ratio_from_db(receiver_loss_db))
    return -math.expm1(-photons_hz * detector_efficiency * light.gate_s / 2)

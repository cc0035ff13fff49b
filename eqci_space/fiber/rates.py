"""Secret key rate of a fibre span from its loss, by the protocol of a device class."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from eqci_space.errors import ScenarioError
from eqci_space.fiber.coexistence import raman_click_probability
from eqci_space.fiber.saturation import block_length_bit
from eqci_space.linkbudget.detector import dead_time_factor
from eqci_space.qkd.continuous import best_modulated_rate_bit
from eqci_space.qkd.entangled import entangled_key
from eqci_space.qkd.twin_field import ANCHOR_LOSS_DB, LARGEST_STEP_DB, twin_field_rate_bit_s
from eqci_space.qkd.window_keys import pair_coincidences
from eqci_space.scenario import PairSource, QkdDevice
from eqci_space.units import ratio_from_db

__all__ = ["FIBRE_EPSILON", "fibre_key_rate_bit_s", "stated_losses_db"]

_SMALLEST_TRANSMITTANCE = 1e-15
_DETECTORS = 2
FIBRE_EPSILON = 1e-9 + 1e-15
"""Failure probability of each block of a span: secrecy and correctness."""


@lru_cache(maxsize=4096)
def fibre_key_rate_bit_s(loss_db: float, device: QkdDevice) -> float:
    """Key rate [bit/s] over a span; never below zero. `qkd.protocols.PROTOCOLS` says what each protocol's rate states.

    Finite keys: parameters optimised, one block per `block_s`, ε_s = 1e-9, ε_c = 1e-15, f_EC = 1.16, Chernoff bounds;
    `authentication_bit` is paid per block. Generic avalanche diodes at 1 GHz give 282,458 bit/s over 16.4 dB (reference
    table of the tests). Installed links reach a fraction of it; see the scenario's commissioning factor.

    Each of the two detectors of a receiver is blind for `dead_time_s` after a click (non-paralysable, Knoll 2010,
    section 4.7), so that no more than ``2 / dead_time_s`` clicks a second are counted: towards 0 dB the rate goes flat.
    Data sheets hold that already, and homodyne receivers of modulated states have none.

    Parameters
    ----------
    loss_db : float
        Span loss without the receiver [dB], >= 0.
    device : QkdDevice
        Protocol, clock, detectors and noise of the link's ends.

    Returns
    -------
    float
        Secret key [bit/s], authentication paid.

    Raises
    ------
    ValueError
        The loss is negative.
    ScenarioError
        The loss lies outside the data sheet, or far from the anchor of the twin-field estimate.
    """
    if not loss_db >= 0:
        raise ValueError(f"fibre_key_rate_bit_s: loss_db={loss_db}; expected a loss >= 0 dB")
    return max(0.0, _RATES[device.protocol](loss_db, device))


def stated_losses_db(device: QkdDevice) -> tuple[float, float]:
    """Least and largest span loss [dB] for which a device's rate is known: all, but for data sheets and anchors.

    Parameters
    ----------
    device : QkdDevice
        Its protocol decides.
    """
    if device.datasheet:
        return device.datasheet[0][0], device.datasheet[-1][0]
    if device.protocol == "twin-field":
        return ANCHOR_LOSS_DB - LARGEST_STEP_DB, ANCHOR_LOSS_DB + LARGEST_STEP_DB
    return 0.0, math.inf


def _decoy(loss_db: float, device: QkdDevice) -> float:
    noise = device.extraneous_probability
    if device.coexistence:
        raman = raman_click_probability(
            device.coexistence, loss_db=loss_db, receiver_loss_db=device.receiver_loss_db,
            detector_efficiency=device.detector_efficiency,
        )  # fmt: skip
        noise = 1 - (1 - noise) * (1 - raman)
    efficiency = float(ratio_from_db(loss_db + device.receiver_loss_db)) * device.detector_efficiency
    return (block_length_bit(efficiency, noise, device) - device.authentication_bit) / device.block_s


def _entangled(loss_db: float, device: QkdDevice) -> float:
    """The source stands at one end, with detectors like those of the other."""
    source = device.source
    assert source is not None
    near = float(ratio_from_db(device.receiver_loss_db)) * device.detector_efficiency
    noise_hz = 2 * device.extraneous_probability / source.coincidence_window_s
    rate, qber = pair_coincidences(
        source, pulse_rate_hz=device.pulse_rate_hz, efficiency=(near, near * float(ratio_from_db(loss_db))),
        noise_hz=(noise_hz, noise_hz), intrinsic_error=device.intrinsic_error,
    )  # fmt: skip
    ready = 1.0
    for efficiency in (near, near * float(ratio_from_db(loss_db))) if device.dead_time_s else ():
        clicks_hz = _pair_clicks_hz(source, efficiency, noise_hz, device.pulse_rate_hz) / _DETECTORS
        ready *= float(dead_time_factor(click_rate_hz=clicks_hz, dead_time_s=device.dead_time_s))
    key = entangled_key(float(rate) * ready * device.block_s, float(qber))
    return (key.length_bit - device.authentication_bit) / device.block_s


def _pair_clicks_hz(source: PairSource, efficiency: float, noise_hz: float, pulse_rate_hz: float) -> float:
    """Clicks of one end [1/s], dead time apart: a pulse without a click has ``1/(1 + ηλ)²`` (Ma, Fung and Lo 2007)."""
    if source.kind == "continuous":
        return float(source.pair_rate_hz or 0.0) * efficiency + noise_hz
    dark = -math.expm1(-noise_hz * source.coincidence_window_s)
    return pulse_rate_hz * (1 - (1 - dark) / (1 + efficiency * float(source.mean_pairs or 0.0) / 2) ** 2)


def _datasheet(loss_db: float, device: QkdDevice) -> float:
    """Straight lines in the logarithm of the rate."""
    loss, rate = np.array(device.datasheet).T
    if not loss[0] <= loss_db <= loss[-1]:
        raise ScenarioError("fiber.device", [(
            "datasheet",
            f"a span of {loss_db:g} dB is outside {loss[0]:g} to {loss[-1]:g} dB; add a row for it, or lower the reach",
        )])  # fmt: skip
    return float(math.exp(np.interp(loss_db, loss, np.log(rate))))


def _modulated(loss_db: float, device: QkdDevice) -> float:
    states = device.modulated
    assert states is not None
    transmittance = float(ratio_from_db(loss_db + device.receiver_loss_db))
    if transmittance < _SMALLEST_TRANSMITTANCE:
        return 0.0
    return states.symbol_rate_hz * best_modulated_rate_bit(
        transmittance=transmittance, excess_noise=states.excess_noise,
        detector_efficiency=device.detector_efficiency, electronic_noise=states.electronic_noise,
        reconciliation_efficiency=states.reconciliation_efficiency,
    )  # fmt: skip


def _twin_field(loss_db: float, device: QkdDevice) -> float:
    try:
        return twin_field_rate_bit_s(loss_db)
    except ValueError as error:
        raise ScenarioError("fiber.device", [("protocol", str(error))]) from None


_RATES = {
    "bb84-two-decoy": _decoy,
    "bb84-one-decoy": _decoy,
    "bbm92": _entangled,
    "datasheet": _datasheet,
    "cv-qkd": _modulated,
    "twin-field": _twin_field,
}

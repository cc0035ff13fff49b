"""Key blocks of fibre receivers whose detectors are blind for a while after each click."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from eqci_space.qkd.blocks import BlockTable, block_table
from eqci_space.qkd.dead_time import live_share
from eqci_space.qkd.decoy import KeyResult, key_length
from eqci_space.qkd.optimiser import ParameterLimits, optimise_key
from eqci_space.scenario import QkdDevice

__all__ = ["block_length_bit"]

_DETECTORS = 2
_USUAL_PHOTONS = 0.5
_ROUNDS, _SETTLED = 6, 1e-3
_NOTABLE = 0.05


def block_length_bit(efficiency: float, extraneous_probability: float, device: QkdDevice) -> float:
    """Longest key of a decoy-state block over the transmitter's parameters, dead time of the receiver included.

    A pulse that meets a blind detector counts as not sent, so a block has ``N/(1 + R τ)`` pulses, R the clicks of one
    detector per second without dead time (non-paralysable; Knoll 2010, section 4.7). Where that matters, fewer photons
    a pulse give more key, because fewer clicks go to pulses of several photons: the optimum is sought once more below
    the photons that are best for infinite keys (derived here). It is short of the best by less than 1 % up to R τ = 1,
    and by 5 % where R τ is hundreds.

    Parameters
    ----------
    efficiency : float
        From the transmitter to a click, detector included [1], 0 to 1.
    extraneous_probability : float
        Clicks without signal per detector and pulse [1], 0 to 1.
    device : QkdDevice
        Clock, block time, dead time, errors and number of decoys.

    Returns
    -------
    float
        Unfloored and before authentication [bit]; below zero where there is no key.
    """
    limits = ParameterLimits(decoys=1 if device.protocol == "bb84-one-decoy" else 2)
    best = _settled(efficiency, extraneous_probability, device, limits)
    if not device.dead_time_s:
        return best.length_bit
    clicks = 1 / _ready(efficiency, extraneous_probability, device, best.parameters.mean_photon_number) - 1
    if clicks < _NOTABLE:
        return best.length_bit
    # μ e^(-μ)/(1 + a μ) is largest where a μ² + μ = 1; μ in units of the best without dead time, a = R τ there.
    most = best.parameters.intensity_1 * (math.sqrt(1 + 4 * clicks) - 1) / (2 * clicks)
    dimmed = _settled(efficiency, extraneous_probability, device, replace(limits, intensity_1=(0.0, most)))
    return max(best.length_bit, dimmed.length_bit)


def _settled(efficiency: float, noise: float, device: QkdDevice, limits: ParameterLimits) -> KeyResult:
    """Optimum at the dead time of its own light: repeated until the ready share settles, then counted at it."""
    photons = min(_USUAL_PHOTONS, limits.intensity_1[1])
    for _ in range(_ROUNDS):
        ready = _ready(efficiency, noise, device, photons)
        result = optimise_key(_block(efficiency, noise, device, ready), limits=limits)
        photons = result.parameters.mean_photon_number
        own = _ready(efficiency, noise, device, photons)
        if abs(own / ready - 1) < _SETTLED:
            break
    return result if own == ready else key_length(_block(efficiency, noise, device, own), result.parameters)


def _ready(efficiency: float, noise: float, device: QkdDevice, photons: float) -> float:
    return float(live_share(
        np.array([efficiency]), noise, mean_photon_number=photons, pulse_rate_hz=device.pulse_rate_hz,
        detectors=_DETECTORS, dead_time_s=device.dead_time_s,
    )[0])  # fmt: skip


def _block(efficiency: float, noise: float, device: QkdDevice, ready: float) -> BlockTable:
    return block_table(
        efficiency, noise, device.intrinsic_error, device.pulse_rate_hz * device.block_s * ready,
        afterpulse_probability=device.afterpulse_probability,
    )  # fmt: skip

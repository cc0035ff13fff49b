"""Secret key rate of a fibre span from its loss, by decoy-state BB84 of a device class."""

from __future__ import annotations

from functools import lru_cache

from eqci_space.qkd.decoy import block_table, optimise_key
from eqci_space.scenario import QkdDevice
from eqci_space.units import ratio_from_db

__all__ = ["fibre_key_rate_bit_s"]


@lru_cache(maxsize=4096)
def fibre_key_rate_bit_s(loss_db: float, device: QkdDevice) -> float:
    """Finite-key rate [bit/s] of two-decoy efficient BB84 over a span, parameters optimised, one block per `block_s`.

    ε_s = 1e-9, ε_c = 1e-15, f_EC = 1.16, Chernoff bounds. Generic avalanche diodes at 1 GHz give 282,458 bit/s
    over 16.4 dB (reference table of the tests). Installed links reach a fraction of it; see the scenario's
    commissioning factor.

    Parameters
    ----------
    loss_db : float
        Span loss without the receiver [dB], >= 0.
    device : QkdDevice

    Raises
    ------
    ValueError
        The loss is negative.
    """
    if loss_db < 0:
        raise ValueError(f"fibre_key_rate_bit_s: loss_db={loss_db}; expected a loss >= 0 dB")
    block = block_table(
        float(ratio_from_db(loss_db + device.receiver_loss_db)) * device.detector_efficiency,
        device.extraneous_probability, device.intrinsic_error, device.pulse_rate_hz * device.block_s,
        afterpulse_probability=device.afterpulse_probability,
    )  # fmt: skip
    return max(0.0, optimise_key(block).length_bit) / device.block_s

"""Key of a block under extra loss."""

from __future__ import annotations

import numpy as np

from eqci_space.machine.kernels import kernel
from eqci_space.qkd.blocks import BlockTable
from eqci_space.qkd.counts import table_counts
from eqci_space.qkd.decoy import signed_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.optimiser import ParameterLimits, optimise_key
from eqci_space.qkd.security import SecurityParameters

__all__ = ["key_response"]


def key_response(
    block: BlockTable,
    extra_loss_db: np.ndarray,
    parameters: DecoyParameters,
    security: SecurityParameters | None = None,
    *,
    reoptimise: bool = False,
    limits: ParameterLimits | None = None,
) -> np.ndarray:
    """Secret key of a block whose signal is weaker by extra losses, authentication paid, never negative.

    Noise stays as it is. By default the parameters stay too, as for cirrus that no one foresaw; `reoptimise` chooses
    them anew for every loss, as for a link that is known to be worse.

    Parameters
    ----------
    block : BlockTable
    extra_loss_db : array
        [dB], >= -6 (gain), any shape.
    parameters : DecoyParameters
        Of the transmitter; the start when `reoptimise` is set.
    security : SecurityParameters, optional
    reoptimise : bool
    limits : ParameterLimits, optional
        What the transmitter can do, when it is optimised anew.

    Returns
    -------
    array
        [bit], shape as `extra_loss_db`.

    Raises
    ------
    ValueError
        A gain exceeds 6 dB, or a loss is not a number.

    Notes
    -----
    Lim et al. 2014, at a smaller mean photon number; derived here.

    Examples
    --------
    >>> from eqci_space.qkd.blocks import block_table
    >>> found = key_response(block_table(1e-3, 1e-7, 0.01, 1e10), np.array([0.0, 3.0, 30.0]),
    ...                      DecoyParameters(0.9, 0.8, 0.15, 0.6, 0.15))
    >>> bool(found[0] > 2 * found[1] > 0), float(found[2])
    (True, 0.0)
    """
    security = security or SecurityParameters()
    loss = np.asarray(extra_loss_db, dtype=float)
    light = np.array([block.light(float(db)) for db in loss.ravel()]).reshape(-1, 2)
    if reoptimise:
        length = np.array([
            optimise_key(block, security, limits=limits, start=parameters, extra_loss_db=float(db)).length_bit
            for db in loss.ravel()
        ])  # fmt: skip
    else:
        length = _lengths(block.series, light, security.as_array(), parameters.as_array())
    return np.maximum(0.0, np.floor(length - security.authentication_bit)).reshape(loss.shape)


@kernel
def _lengths(series, light, security, x):  # type: ignore[no-untyped-def]
    out = np.empty(light.shape[0])
    for i in range(light.shape[0]):
        out[i] = signed_length(table_counts(series, light[i], x), x, security)[0]
    return out

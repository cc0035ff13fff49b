"""Key of a block under extra loss, and of parts of a window at given parameters: tables for planners."""

from __future__ import annotations

import numpy as np

from eqci_space.machine.kernels import kernel
from eqci_space.qkd.blocks import BlockTable
from eqci_space.qkd.decoy import DecoyParameters, signed_length, table_counts
from eqci_space.qkd.optimiser import ParameterLimits, optimise_key
from eqci_space.qkd.security import SecurityParameters

__all__ = ["key_response", "part_lengths"]


def key_response(
    block: BlockTable,
    extra_loss_db: np.ndarray,
    parameters: DecoyParameters,
    security: SecurityParameters | None = None,
    *,
    reoptimise: bool = False,
    limits: ParameterLimits | None = None,
) -> np.ndarray:
    """Secret key [bit] of a block whose signal is weaker by extra losses, authentication paid, never negative.

    Noise stays as it is. By default the parameters stay too, as for cirrus that no one foresaw; `reoptimise` chooses
    them anew for every loss, as for a link that is known to be worse.

    Parameters
    ----------
    block : BlockTable
    extra_loss_db : array
        [dB], from -6 (gain) on, any shape.
    parameters : DecoyParameters
        Of the transmitter; the start when `reoptimise` is set.

    Returns
    -------
    array
        [bit], shape as `extra_loss_db`.

    Raises
    ------
    ValueError
        A gain exceeds 6 dB, or a loss is not a number.
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


def part_lengths(
    running: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    parameters: DecoyParameters,
    security: SecurityParameters | None = None,
    *,
    afterpulse_probability: float = 0.0,
) -> np.ndarray:
    """Signed key length [bit] of the slots ``first:last`` of a window, at one parameter set and before authentication.

    For hand-over planning: a microsecond per part.

    Parameters
    ----------
    running : (n + 1, 3, 16) array
        Of `blocks.running_tables`.
    first, last : (m,) integer arrays
        0 <= first < last <= n.

    Raises
    ------
    ValueError
        A part is empty or leaves the window.
    """
    security = security or SecurityParameters()
    begin, end = (np.atleast_1d(np.asarray(a, dtype=np.int64)) for a in (first, last))
    begin, end = np.broadcast_arrays(begin, end)
    inside = (begin >= 0) & (begin < end) & (end < len(running))
    if not inside.all():
        i = int(np.flatnonzero(~inside)[0])
        raise ValueError(f"part_lengths: slots {begin[i]}:{end[i]}; expected 0 <= first < last <= {len(running) - 1}")
    light = BlockTable(running[0], afterpulse_probability).light()
    return _parts(running, begin.copy(), end.copy(), light, security.as_array(), parameters.as_array())


@kernel
def _lengths(series, light, security, x):  # type: ignore[no-untyped-def]
    out = np.empty(light.shape[0])
    for i in range(light.shape[0]):
        out[i] = signed_length(table_counts(series, light[i], x), x, security)[0]
    return out


@kernel
def _parts(running, first, last, light, security, x):  # type: ignore[no-untyped-def]
    out = np.empty(first.size)
    for i in range(first.size):
        out[i] = signed_length(table_counts(running[last[i]] - running[first[i]], light, x), x, security)[0]
    return out

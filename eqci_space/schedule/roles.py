"""What each contact of a plan is worth beside the others: needed, spare or useless."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from eqci_space.schedule.world_chunks import Run, WorldsTask
from eqci_space.units import KEY_BIT

__all__ = ["contact_roles"]

_CERTAIN = 2.0  # standard errors


def contact_roles(
    edge: np.ndarray,
    at: np.ndarray,
    key_bit: np.ndarray,
    contacts: pd.Index,
    *,
    run: Run,
    placed: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> pd.DataFrame:
    """Delivery lost in sampled worlds if one contact is left out, all others as they are.

    Parameters
    ----------
    edge, at : (m,) int arrays
        Edges and bins into which key falls, of each contact if `placed` is not given.
    key_bit : (W, n) array
        Key of each contact in every world [bit].
    contacts : Index
        Their names.
    run : callable
        Relays tasks, such as that of `world_runner`.
    placed : callable, optional
        Key (w, m) by place of the key (w, n) of contacts in some worlds (w,).

    Returns
    -------
    DataFrame
        By contact: `lost_without_bit`, the mean over worlds of what all demands together lose, its standard error
        `lost_without_error_bit`, and `role`: *needed* where the loss is more than two standard errors, else *spare*
        where some world loses more than a key of 256 bit, else *useless*.
    """
    worlds = [np.flatnonzero(key_bit[:, i] > 0) for i in range(len(contacts))]
    place = placed or (lambda left, some: left)
    keys = [place(key_bit, np.arange(len(key_bit)))]
    for i, some in enumerate(worlds):
        left = key_bit[some].copy()
        left[:, i] = 0.0
        keys.append(place(left, some))
    tasks = [WorldsTask(edge, at, key, np.ones(len(key))) for key in keys]
    whole, *without = (bits.sum(axis=(1, 2)) for bits in run(tasks, None))
    lost = np.zeros(key_bit.shape)
    for i, (some, bits) in enumerate(zip(worlds, without, strict=True)):
        lost[some, i] = whole[some] - bits
    mean, error = lost.mean(axis=0), lost.std(axis=0) / np.sqrt(len(lost))
    needed, helps = mean > np.maximum(_CERTAIN * error, 1.0), (lost > KEY_BIT).any(axis=0)
    role = np.where(needed, "needed", np.where(helps, "spare", "useless"))
    return pd.DataFrame(
        {"role": role.astype(object), "lost_without_bit": mean, "lost_without_error_bit": error}, index=contacts
    )

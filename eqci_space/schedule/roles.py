"""What each contact of a plan is worth beside the others: needed, spare or useless."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.world_relay import relay_worlds
from eqci_space.units import KEY_BIT

__all__ = ["contact_roles"]

_CERTAIN = 2.0  # standard errors
_Task = tuple[KeyFlowProblem, np.ndarray, np.ndarray, np.ndarray]


def contact_roles(
    problem: KeyFlowProblem,
    edge: np.ndarray,
    at: np.ndarray,
    key_bit: np.ndarray,
    contacts: pd.Index,
    *,
    mapped: Callable[..., Iterable[np.ndarray]] = map,
) -> pd.DataFrame:
    """Delivery lost in sampled worlds if one contact is left out, all others as they are.

    Parameters
    ----------
    problem : KeyFlowProblem
    edge, at : (n,) int arrays
        Edge and bin of the key of each contact.
    key_bit : (W, n) array
        Key of each contact in every world [bit].
    contacts : Index
        Their names.
    mapped : callable
        A map over tasks.

    Returns
    -------
    DataFrame
        By contact: `lost_without_bit`, the mean over worlds of what all demands together lose, its standard error
        `lost_without_error_bit`, and `role`: *needed* where the loss is more than two standard errors, else *spare*
        where some world loses more than a key of 256 bit, else *useless*.
    """
    worlds = [np.flatnonzero(key_bit[:, i] > 0) for i in range(len(contacts))]
    tasks: list[_Task] = [(problem, edge, at, key_bit)]
    for i, some in enumerate(worlds):
        left = key_bit[some].copy()
        left[:, i] = 0.0
        tasks.append((problem, edge, at, left))
    whole, *without = mapped(_delivered, tasks)
    lost = np.zeros(key_bit.shape)
    for i, (some, bits) in enumerate(zip(worlds, without, strict=True)):
        lost[some, i] = whole[some] - bits
    mean, error = lost.mean(axis=0), lost.std(axis=0) / np.sqrt(len(lost))
    needed, helps = mean > np.maximum(_CERTAIN * error, 1.0), (lost > KEY_BIT).any(axis=0)
    role = np.where(needed, "needed", np.where(helps, "spare", "useless"))
    return pd.DataFrame(
        {"role": role.astype(object), "lost_without_bit": mean, "lost_without_error_bit": error}, index=contacts
    )


def _delivered(task: _Task) -> np.ndarray:
    """Bits (W,) that all demands get together."""
    problem, edge, at, key_bit = task
    return relay_worlds(problem, edge, at, key_bit).delivered_bit.sum(axis=(1, 2))

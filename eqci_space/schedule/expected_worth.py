"""The worth of many skies: their mean, or with a tail the mixture of it and the mean of the worst of them."""

from __future__ import annotations

import numpy as np

from eqci_space.schedule.sky_relay import Tail

__all__ = ["sky_weights", "worth_of"]


def worth_of(objective: np.ndarray, tail: Tail | None) -> float:
    """Mean over skies; with a tail, the mixture of it and the mean of the worst part of the skies.

    A sky that the part cuts counts with what is left of the part (Rockafellar and Uryasev 2000).
    """
    return float(sky_weights(objective, tail) @ objective)


def sky_weights(objective: np.ndarray, tail: Tail | None) -> np.ndarray:
    """Part of each sky (S,) in the worth of the whole, by its objective; they sum to one."""
    skies = len(objective)
    weight = np.full(skies, 1.0 / skies)
    if tail is None:
        return weight
    worst = np.clip(tail.part * skies - np.arange(skies), 0.0, 1.0) / (tail.part * skies)
    weight *= 1 - tail.share
    weight[np.argsort(objective, kind="stable")] += tail.share * worst
    return weight

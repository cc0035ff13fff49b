"""Levels of what is delivered over sampled worlds: means and what 90, 50 and 10 % of them exceed, with their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from eqci_space.fiber.problem import bin_starts
from eqci_space.scenario import Scenario
from eqci_space.schedule.quantiles import quantile_standard_error
from eqci_space.units import KEY_BIT
from eqci_space.words import SERVED_IN_FULL

__all__ = ["bin_levels", "demand_levels", "settled", "total_levels"]

_LARGEST_ERROR, _SMALL_PART = 0.05, 0.01


def settled(delivered_bit: np.ndarray, asked_bit: np.ndarray) -> bool:
    """Whether the means over worlds (W, K) are known to 5 %, of all demands that get a hundredth of their ask (K,)."""
    mean = delivered_bit.mean(axis=0)
    error = delivered_bit.std(axis=0) / np.sqrt(len(delivered_bit))
    return bool((error <= _LARGEST_ERROR * mean)[mean > _SMALL_PART * asked_bit].all())


def demand_levels(
    delivered_bit: Mapping[str, np.ndarray], asked_bit: np.ndarray, scenario: Scenario
) -> pd.DataFrame:  # fmt: skip
    """Levels per demand, in bits over the period and in 256-bit keys a day.

    Parameters
    ----------
    delivered_bit : mapping
        (W, K) arrays by what is counted, such as ``weather_only`` and ``all_in``.
    asked_bit : (K,) array
    """
    return _levels(delivered_bit, asked_bit, [d.name for d in scenario.demands], scenario).rename_axis("demand")


def total_levels(delivered_bit: Mapping[str, np.ndarray], asked_bit: np.ndarray, scenario: Scenario) -> pd.DataFrame:
    """Levels of the sums over the demands of each purpose, and over all; as `demand_levels`."""
    purpose = np.array([str(d.purpose) for d in scenario.demands], dtype=object)
    groups = {name: purpose == name for name in dict.fromkeys(purpose.tolist())}
    groups |= {"all": np.ones(len(purpose), dtype=bool)}
    sums = {
        kind: np.stack([bits[:, mine].sum(axis=1) for mine in groups.values()], axis=1)
        for kind, bits in delivered_bit.items()
    }
    asked = np.array([asked_bit[mine].sum() for mine in groups.values()])
    return _levels(sums, asked, list(groups), scenario).rename_axis("demands")


def _levels(
    delivered_bit: Mapping[str, np.ndarray], asked_bit: np.ndarray, names: Sequence[str], scenario: Scenario
) -> pd.DataFrame:
    days = (scenario.end - scenario.start).total_seconds() / 86_400
    columns: dict[str, np.ndarray] = {"asked_bit": asked_bit}
    for kind, bits in delivered_bit.items():
        values = np.sort(bits, axis=0)
        columns[f"{kind}_mean_bit"] = values.mean(axis=0)
        columns[f"{kind}_mean_error_bit"] = values.std(axis=0) / np.sqrt(len(values))
        for share, name in ((90, "exceeded_90pct"), (50, "median"), (10, "exceeded_10pct")):
            columns[f"{kind}_{name}_bit"] = np.quantile(values, 1 - share / 100, axis=0)
            columns[f"{kind}_{name}_error_bit"] = quantile_standard_error(values, 1 - share / 100)
        columns[f"{kind}_met_share"] = (values >= SERVED_IN_FULL * asked_bit).mean(axis=0)
        for name in ("mean", "exceeded_90pct"):
            columns[f"{kind}_{name}_keys_per_day"] = columns[f"{kind}_{name}_bit"] / KEY_BIT / days
    return pd.DataFrame(columns, index=pd.Index(names, dtype=str))


def bin_levels(delivered_bit: np.ndarray, asked_bit: np.ndarray, scenario: Scenario) -> pd.DataFrame:
    """DELIVERY over worlds (W, K, T): bin, demand, asked_bit, mean_bit, exceeded_90pct_bit, exceeded_50pct_bit."""
    n_demands, n_bins = asked_bit.shape
    return pd.DataFrame({
        "bin": np.repeat(bin_starts(scenario), n_demands),
        "demand": np.tile(np.array([d.name for d in scenario.demands], dtype=object), n_bins),
        "asked_bit": asked_bit.T.ravel(),
        "mean_bit": delivered_bit.mean(axis=0).T.ravel(),
        **{
            f"exceeded_{share}pct_bit": np.quantile(delivered_bit, 1 - share / 100, axis=0).T.ravel()
            for share in (90, 50)
        },
    }).astype({"demand": str})  # fmt: skip

"""The pass of Micius over Xinglong on 2016-12-19 from the package's own link budget, figure by figure.

Element set of the night, shipped terminal and receiver, and the losses of the link budget, where `anchors` takes losses
digitised from the paper. The figures are those of V1 to V6.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from anchors import ANCHORS
from verdicts import Verdict, judge

from eqci_space.data import data_path
from eqci_space.qkd.counts import table_counts
from eqci_space.qkd.decoy_parameters import REFERENCE_PARAMETERS
from eqci_space.qkd.optimiser import nearest_parameters
from eqci_space.qkd.protocols import parameter_limits
from eqci_space.qkd.slots import window_slots
from eqci_space.qkd.window_keys import light_of
from eqci_space.scenario import load_scenario
from eqci_space.studies.flown_io import read_flown_passes
from eqci_space.studies.replay import flown_budget, replay_passes

__all__ = ["FROM_THE_BUDGET", "budget_figures", "budget_verdict"]

FARTHEST_M = 1.2e6
FROM_THE_BUDGET = {
    "V1": "sifted rate at the closest point",
    "V2": "sifted rate at 1200 km, both legs",
    "V3": "detections in the pass, bases alike or not",
    "V4": "sifted bits of the pass",
    "V5": "mean QBER, noise and intrinsic error of the presets",
    "V6": "key of the pass, both bases",
}


@cache
def budget_figures() -> dict[str, float]:
    """The model's values in the units of `anchors.ANCHORS`."""
    scenario = load_scenario(data_path("flown", "micius.toml"))
    (flown,) = [p for p in read_flown_passes(data_path("flown", "micius.csv")) if p.id == "F05"]
    row = replay_passes([flown], scenario).passes.loc["F05"]
    # Beyond the exchange too, whose slots end short of 1200 km.
    budget = flown_budget(replace(flown, max_range_m=np.inf), scenario)
    (window,) = window_slots(budget, scenario)
    parameters = nearest_parameters(REFERENCE_PARAMETERS, parameter_limits(scenario.protocol))

    def clicks(first: int, last: int) -> np.ndarray:
        """Clicks at equal bases, by basis."""
        block = window.block(first, last, *light_of(parameters))
        counts = table_counts(block.series, np.array([block.afterpulse_probability, 1.0]), parameters.as_array())
        return counts[:6].reshape(2, 3).sum(axis=1)

    distance = budget["range_m"].to_numpy()
    middle = int(distance.argmin())
    rate = np.array([clicks(i, i + 1).sum() for i in range(len(distance))]) / window.weight_s
    far = [np.interp(FARTHEST_M, distance[leg], rate[leg]) for leg in (np.s_[middle::-1], np.s_[middle:])]
    near = np.flatnonzero(distance <= FARTHEST_M)
    share = parameters.key_basis_probability
    # The receiver meets the sender's basis in its own share of the clicks.
    detections = clicks(near[0], near[-1] + 1) / np.array([share, 1 - share])
    return {
        "V1": rate[middle] / 1e3, "V2": float(np.mean(far)) / 1e3, "V3": detections.sum() / 1e6,
        "V4": row.predicted_sifted_bit / 1e6, "V5": 100 * row.predicted_qber, "V6": row.predicted_key_bit / 1e3,
    }  # fmt: skip


def budget_verdict(name: str) -> tuple[float, Verdict]:
    """The model's value, and what the published figure says about it, at the tolerance of `anchors`."""
    anchor, value = ANCHORS[name], float(budget_figures()[name])
    return value, judge(anchor.published, value, anchor.tolerance, unit=anchor.unit, grade=anchor.grade)

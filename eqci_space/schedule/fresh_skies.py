"""Choices of contacts judged in skies that no plan was made for, the same skies for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.problem import flow_problem
from eqci_space.scenario import Scenario
from eqci_space.schedule.dual_skies import contact_skies
from eqci_space.schedule.sky_deposits import received_share, relay_in_skies
from eqci_space.schedule.sky_keys import key_in_skies

__all__ = ["fresh_deliveries"]


def fresh_deliveries(
    choices: Sequence[Sequence[str]],
    candidates: pd.DataFrame,
    scenario: Scenario,
    *,
    network: Network | None = None,
    skies: int = 200,
    rng: int | None = None,
) -> list[np.ndarray]:
    """What demands get from each choice in sampled skies, weather alone, relay with the sky known.

    Parameters
    ----------
    choices : sequence of sequences of str
        Names of candidates.
    candidates : DataFrame
        CANDIDATES, with what cirrus leaves of their key.
    skies : int
        Skies, the same for all choices.
    rng : int, optional
        Seed; default the scenario's.

    Returns
    -------
    list of (S, K) arrays
        Bits over the period in every sky by demand, one array per choice. Differences between two are paired.
    """
    offered = candidates.loc[sorted({name for names in choices for name in names})]
    sky = contact_skies(offered, scenario, trials=skies, rng=scenario.seed if rng is None else rng)
    key_bit, received = key_in_skies(offered, sky), received_share(sky)
    problem = flow_problem(network or build_network(scenario), scenario)
    found = []
    for names in choices:
        mine = np.flatnonzero(offered.index.isin(names))
        relayed = relay_in_skies(offered.iloc[mine], scenario, problem, key_bit[:, mine], received[:, mine])
        found.append(relayed.delivered_bit.sum(axis=2))
    return found

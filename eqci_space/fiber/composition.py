"""How sure a delivered key is: the failure probabilities of all blocks that it may rest on, added up."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.fiber.edges import SPACE
from eqci_space.fiber.rates import FIBRE_EPSILON
from eqci_space.fiber.relay import Relay
from eqci_space.scenario import LinkRules, Scenario

__all__ = ["failure_probability"]

_FINITE = ("bb84-two-decoy", "bb84-one-decoy", "bbm92")


def failure_probability(relay: Relay, deposits: pd.DataFrame, scenario: Scenario) -> pd.Series:
    """Largest probability with which any of a demand's key of the period is not what its proofs say, by demand.

    Keys of quantum links compose: a relayed key fails at most with the sum of the failure probabilities of the blocks
    of all hops (union bound; composable security of Renner 2005, ETH thesis 16242). Every block on an edge that the
    demand uses counts, for a store does not tell which of them gave a bit. Space blocks have the epsilons of the
    protocol, fibre blocks those of `fiber.rates`; last miles and agreements are taken as secure.

    Parameters
    ----------
    relay : Relay
    deposits : DataFrame
        DEPOSITS, one row per block from space.
    scenario : Scenario

    Returns
    -------
    Series
        [1]; 0 without delivery, NaN where an edge has no finite-key statement (data sheet, CV-QKD, twin field, a
        stated rate).

    Examples
    --------
    Two contacts at each end of a path over a satellite, at 1e-9 + 1e-15 + 1e-12 a block, give 4.004e-9.
    """
    protocol, period_s = scenario.protocol, (scenario.end - scenario.start).total_seconds()
    tags = protocol.epsilon_authentication if protocol.authenticated_messages else 0.0
    block = protocol.epsilon_secrecy + protocol.epsilon_correctness + tags
    of_edge = (deposits.groupby("edge")["block"].nunique() * block).to_dict()
    kinds = dict(zip(relay.stores["edge"], relay.stores["kind"], strict=True))
    links = relay.network.links
    for edge, kind in kinds.items():
        if kind != SPACE:
            of_edge[edge] = _of_link(links.loc[edge], scenario, period_s)
    found = {}
    for demand in scenario.demands:
        rows = relay.routes[relay.routes["demand"] == demand.name]
        edges = sorted({edge for path in rows["edges"] for edge in path})
        found[demand.name] = float(np.sum([of_edge.get(edge, 0.0) for edge in edges]))
    return pd.Series(found, name="failure_probability").rename_axis("demand")


def _of_link(link: pd.Series, scenario: Scenario, period_s: float) -> float:
    """Sum over the blocks of a span in the period."""
    if link["medium"] in ("colocated", "courier", "handover"):
        return 0.0
    rules = scenario.links.get(str(link.name), scenario.links.get(str(link["route"]), LinkRules()))
    device = rules.device or scenario.fiber.device
    if rules.rate_bit_s is not None or device.protocol not in _FINITE:
        return float("nan")
    return float(np.ceil(period_s / device.block_s)) * FIBRE_EPSILON

"""Who sees the key of a demand, by hand: one share over fibre, one over the satellite."""

from itertools import pairwise

import pandas as pd
import pytest

from eqci_space.fiber.edges import key_edges
from eqci_space.fiber.exposure import exposure
from eqci_space.fiber.network import build_network
from eqci_space.fiber.relay import Relay


@pytest.fixture(scope="module")
def shipped(scenario):
    return build_network(scenario)


def seen(scenario, network, *shares):
    """Row of exposure of the first demand, from (path, bit)."""
    demand = scenario.demands[0]
    start = pd.Timestamp(scenario.start)
    edges = key_edges(network, scenario)
    ends = {frozenset((a, b)): str(e) for e, a, b in zip(edges.index, edges["a"], edges["b"], strict=True)}
    rows = [
        {
            "bin": start, "demand": demand.name, "path": list(path), "bit": bit,
            "edges": [ends.get(frozenset(step), "") for step in pairwise(path)],
        }
        for path, bit in shares
    ]  # fmt: skip
    delivery = pd.DataFrame([{"bin": start, "demand": demand.name, "asked_bit": 1000.0, "delivered_bit": 400.0}])
    one = scenario.model_copy(update={"demands": (demand,)})
    relay = Relay(pd.DataFrame(rows), pd.DataFrame(), delivery, network, (), pd.DataFrame(), pd.Series(), 0.0, 0.0, 0.0)
    return exposure(relay, one).iloc[0]


def test_a_satellite_is_neither_a_ground_node_nor_a_foreign_one(scenario, shipped):
    """300 bits pass two Czech nodes, 100 the satellite: 3/4 of two nodes, 1/4 over space."""
    assert scenario.demands[0].between == ("BER", "WAW")
    czech = list(shipped.nodes.index[shipped.nodes["country"] == "CZ"][:2])
    assert len(czech) == 2
    row = seen(scenario, shipped, (("BER", *czech, "WAW"), 300.0), (("BER", "EAGLE1-LIKE", "WAW"), 100.0))
    assert (row["trusted_nodes"], row["foreign_nodes"]) == (1.5, 1.5)
    assert (row["space_share"], row["satellites"]) == (0.25, "EAGLE1-LIKE")
    alone = seen(scenario, shipped, (("BER", "EAGLE1-LIKE", "WAW"), 100.0))
    assert (alone["trusted_nodes"], alone["foreign_nodes"], alone["space_share"]) == (0.0, 0.0, 1.0)
    assert alone["nations"] == "DE, PL"

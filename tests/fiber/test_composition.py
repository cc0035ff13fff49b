"""The failure probability of relayed key, summed over blocks and hops by hand."""

import numpy as np
import pandas as pd
import pytest

from eqci_space.fiber.composition import failure_probability
from eqci_space.fiber.relay import relay_keys
from eqci_space.scenario import LinkRules
from eqci_space.tables import empty_table

NODES = ["A DE one", "B DE one", "C DE one"]


def test_blocks_of_all_hops_add_up(hand_made):
    """Seven days of blocks of 600 s on two spans: 2 x 1008 blocks of 1e-9 + 1e-15."""
    scenario = hand_made(NODES, ["ab A B 20 5", "bc B C 20 5"], [("A", "C", 1e5), ("A", "B", 1e5)], rate_bit_s=None)
    scenario = scenario.model_copy(update={"links": {}})
    days = (scenario.end - scenario.start).total_seconds() / 86400
    found = failure_probability(relay_keys(empty_table("DEPOSITS"), scenario), empty_table("DEPOSITS"), scenario)
    blocks = np.ceil(days * 86400 / scenario.fiber.device.block_s)
    assert found["A C"] == pytest.approx(2 * blocks * (1e-9 + 1e-15), rel=1e-12)
    assert found["A B"] == pytest.approx(blocks * (1e-9 + 1e-15), rel=1e-12)
    assert found["A C"] == pytest.approx(2.016e-6, rel=1e-3)


def test_contacts_count_with_the_epsilons_of_the_protocol(study, scenario):
    """A government demand over the satellite: every contact on the edges of its paths, and the fibre beside them."""
    found = failure_probability(study.relay, study.deposits, scenario)
    routes = study.relay.routes[study.relay.routes["demand"] == "government Warsaw-Prague"]
    edges = {edge for path in routes["edges"] for edge in path}
    space = study.deposits[study.deposits["edge"].isin(edges)]
    links = study.network.links
    spans = [e for e in edges if e in links.index and links.loc[e, "medium"] not in ("colocated", "courier")]
    blocks = np.ceil(7 * 86400 / scenario.fiber.device.block_s)
    assert len(space) >= 2
    assert found["government Warsaw-Prague"] == pytest.approx(
        len(space) * (1e-9 + 1e-15 + 1e-12) + len(spans) * blocks * (1e-9 + 1e-15), rel=1e-9
    )


def test_no_statement_is_not_zero(hand_made):
    scenario = hand_made(NODES[:2], ["ab A B"], [("A", "B", 1e5)])
    assert isinstance(scenario.links["ab"], LinkRules)
    found = failure_probability(relay_keys(empty_table("DEPOSITS"), scenario), empty_table("DEPOSITS"), scenario)
    assert np.isnan(found["A B"])
    dark = hand_made(NODES, ["ab A B"], [("A", "C", 1e5)])
    nothing = failure_probability(relay_keys(empty_table("DEPOSITS"), dark), empty_table("DEPOSITS"), dark)
    assert nothing.equals(pd.Series({"A C": 0.0}, name="failure_probability").rename_axis("demand"))

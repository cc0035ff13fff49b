"""Who sees the key, satellites included, in the exposure table as in the rules."""

import numpy as np
import pandas as pd
import pytest

from eqci_space.fiber.assurance import is_foreign, path_rules
from eqci_space.fiber.edges import key_edges
from eqci_space.fiber.exposure import exposure, handovers
from eqci_space.fiber.network import build_network
from eqci_space.fiber.relay import relay_keys
from eqci_space.scenario import Handover
from eqci_space.tables import empty_table


def demand(assurance="any", ends=("A", "B"), **more):
    return {"name": "key", "between": ends, "bit_per_day": 1e3, "assurance": assurance, **more}


def relayed(scenario):
    """Relay with 1 Mbit on each of S|X and S|Y from the first day on."""
    rows = [
        {"time": pd.Timestamp(scenario.start) + pd.Timedelta(hours=1), "edge": edge, "bit": 1e6, "contact_id": edge,
         "block": edge, "kind": "expected"}
        for edge in (["S|X", "S|Y"] if scenario.satellites else [])
    ]  # fmt: skip
    deposits = pd.DataFrame(rows) if rows else empty_table("DEPOSITS")
    return relay_keys(deposits, scenario)


@pytest.mark.parametrize(
    ("nation", "foreign", "nations"),
    [("", 0.0, "DE, PL"), ("LU", 1.0, "DE, LU, PL"), ("PL", 0.0, "DE, PL"), ("DE", 0.0, "DE, PL")],
)
def test_a_satellite_is_foreign_by_its_nation_as_the_limit_counts(crossroads, nation, foreign, nations):
    """A-D-S-P-B: D and P are at home, S is foreign only where it belongs to a third nation."""
    scenario = crossroads([demand("space_path")], {"nation": nation, "operator": "fleet"})
    row = exposure(relayed(scenario), scenario).loc["key"]
    assert row["delivered_bit"] == pytest.approx(6e3, rel=1e-6)  # from the second day on
    assert (row["foreign_nodes"], row["foreign_satellites"], row["nations"]) == (foreign, foreign, nations)
    assert (row["trusted_nodes"], row["most_nodes"], row["space_share"]) == (2.0, 3, 1.0)
    assert row["operators"] == "fleet, opA, opB, opD, opP"
    assert row["satellites"] == "S"
    limited = crossroads([demand(("space_path", "max_foreign_nodes=0"))], {"nation": nation})
    assert (relayed(limited).unreachable == ()) == (foreign == 0.0)


@pytest.mark.parametrize(
    ("prohibition", "reached"),
    [
        ({"forbidden_nations": ("LU",)}, False), ({"forbidden_operators": ("fleet",)}, False),
        ({"forbidden_nodes": ("S",)}, False), ({"forbidden_nations": ("FR",)}, True),
        ({"forbidden_operators": ("navy",)}, True),
    ],
    ids=str,
)  # fmt: skip
def test_what_exposure_lists_is_what_prohibitions_meet(crossroads, prohibition, reached):
    scenario = crossroads([demand("space_path", **prohibition)], {"nation": "LU", "operator": "fleet"})
    assert (relayed(scenario).unreachable == ()) == reached


def test_one_nation_asks_satellites_to_be_of_it(crossroads):
    """D to P under one flag is impossible; A to F over the sky needs a German satellite, of which there is one path."""
    for nation, count in (("", 0), ("LU", 0), ("DE", 2)):
        scenario = crossroads([demand("national_only", ends=("A", "F"))], {"nation": nation})
        network = build_network(scenario)
        edges = key_edges(network, scenario)
        arcs = np.frombuffer(path_rules(edges, network, scenario)[0].arcs, dtype=bool).reshape(-1, 2)
        assert arcs[edges.index.get_loc("S|X")].sum() == count
        assert arcs[edges.index.get_loc("S|Y")].sum() == 0  # Y stands at Polish P


def test_ground_nodes_of_no_nation_are_not_foreign_either(hand_made):
    nodes = ["A DE x", "M CZ x", "C CZ x", "B DE x"]
    scenario = hand_made(nodes, ["AM A M", "MC M C", "CB C B"], [demand()])
    network = build_network(scenario)
    network.nodes.loc["M", "country"] = ""
    relay = relay_keys(empty_table("DEPOSITS"), scenario, network=network)
    row = exposure(relay, scenario).loc["key"]
    assert (row["foreign_nodes"], row["nations"], row["trusted_nodes"]) == (1.0, "CZ, DE", 2.0)
    limited = scenario.model_copy(update={"demands": (scenario.demands[0].model_copy(
        update={"assurance": ("max_foreign_nodes=1",)}),)})  # fmt: skip
    assert relay_keys(empty_table("DEPOSITS"), limited, network=network).unreachable == ()


def test_foreign_is_of_a_nation_and_of_none_of_the_ends():
    nation = np.array(["DE", "", "PL", "LU", "CZ"])
    assert is_foreign(nation, {"DE", "PL"}).tolist() == [False, False, False, True, True]
    assert is_foreign(nation, {"DE", ""}).tolist() == [False, False, True, True, True]


def test_means_are_weighted_by_bits_and_follow_every_path(crossroads):
    """2000 bit/s over C (one foreign node of one) and over D-P (none of two): half and half of what is asked."""
    scenario = crossroads([{**demand(), "bit_per_day": 2 * 86.4e6}])
    row = exposure(relayed(scenario), scenario).loc["key"]
    assert row["delivered_bit"] == pytest.approx(7 * 2 * 86.4e6, rel=1e-6)
    assert (row["foreign_nodes"], row["trusted_nodes"], row["most_nodes"]) == (
        pytest.approx(0.5),
        pytest.approx(1.5),
        2,
    )
    assert row["foreign_satellites"] == 0.0
    assert row["handovers"] == pytest.approx(1.5)  # East-South-West on one half, East-West on the other
    assert row["operators"] == "carrier, opA, opB, opC, opD, opP"


def test_key_over_a_satellite_crosses_no_border_of_domains(crossroads):
    """Under `agreements_only` a satellite path stands open, fills no quota and is counted by no border."""
    shut = {"handover": "agreements_only"}
    scenario = crossroads([demand()], {}, fiber=shut)
    relay = relayed(scenario)
    assert relay.unreachable == ()
    row = exposure(relay, scenario).loc["key"]
    assert (row["handovers"], row["space_share"]) == (0.0, 1.0)
    assert handovers(relay, scenario).empty
    quota = Handover(name="x", domains=("East", "West"), quota_bit_per_day=1.0)
    beside = crossroads([demand()], {}, fiber=shut, handovers=(quota,))
    assert relayed(beside).delivery["delivered_bit"].sum() == pytest.approx(6e3 + 7, rel=1e-3)
    assert relayed(crossroads([demand()], None, fiber=shut)).unreachable == ("key",)

"""Hand-over between domains: direction, quota, purposes, dates, protection, and the counters of what crossed."""

from datetime import UTC, datetime

import numpy as np
import pytest

from eqci_space.errors import PlanError
from eqci_space.fiber.domains import border_quotas, borders, crossing_bits, crossing_mask
from eqci_space.fiber.edges import key_edges
from eqci_space.fiber.network import build_network
from eqci_space.fiber.problem import flow_problem
from eqci_space.fiber.relay import relay_keys
from eqci_space.scenario import Handover
from eqci_space.tables import empty_table

NODES = ["A1 DE East", "A2 DE East", "B1 PL West", "B2 PL West"]
LINKS = ["A1A2 A1 A2", "X A2 B1", "Y B2 A1", "B1B2 B1 B2"]  # Y is written from West to East
DAY_BIT = 1000.0 * 86400


def between(a, b, bit=1e9, **more):
    return {"name": f"{a} {b}", "between": (a, b), "bit_per_day": bit, **more}


def agreement(name="treaty", domains=("East", "West"), **more):
    return Handover(name=name, domains=domains, **more)


def at(day, hour=12):
    return datetime(2027, 3, day, hour, tzinfo=UTC)


@pytest.fixture
def build(hand_made):
    def make(demands, *handovers, nodes=NODES, links=LINKS, rule="open", **more):
        return hand_made(nodes, links, demands, handovers=handovers, fiber={"handover": rule}, **more)

    return make


def relayed(scenario):
    return relay_keys(empty_table("DEPOSITS"), scenario)


def per_bin(scenario, demand):
    table = relayed(scenario).delivery
    return table[table["demand"] == demand]["delivered_bit"].to_numpy()


def test_open_borders_deliver_over_both_links(build):
    """Two links of 86.4 Mbit a day between the domains; seven bins of a day."""
    assert per_bin(build([between("A1", "B1", 2 * DAY_BIT)]), "A1 B1") == pytest.approx([2 * DAY_BIT] * 7, rel=1e-6)


def test_without_an_agreement_closed_borders_leave_the_demand_unreachable(build):
    scenario = build([between("A1", "B1"), between("A1", "A2")], rule="agreements_only")
    relay = relayed(scenario)
    assert relay.unreachable == ("A1 B1",)
    assert relay.delivery.groupby("demand")["delivered_bit"].sum().tolist() == pytest.approx(
        [7 * DAY_BIT, 0.0], rel=1e-6
    )


@pytest.mark.parametrize(
    ("direction", "there", "back"), [("both", 1, 1), ("forward", 1, 0), ("backward", 0, 1)], ids=str
)
@pytest.mark.parametrize("domains", [("East", "West"), ("West", "East")])
def test_direction_is_that_of_the_demand_however_links_are_written(build, direction, there, back, domains):
    """Forward runs from the agreement's first domain to its second; both ways together need all of the two links."""
    wanted = [between("A1", "B1", DAY_BIT), between("B2", "A2", DAY_BIT)]
    scenario = build(wanted, agreement(domains=domains, direction=direction))
    if domains[0] == "West":
        there, back = back, there
    total = relayed(scenario).delivery.groupby("demand")["delivered_bit"].sum()
    assert total.to_numpy() == pytest.approx([7 * there * DAY_BIT, 7 * back * DAY_BIT], rel=1e-6)


def test_direction_holds_for_every_crossing_of_a_route(build):
    """A1 to A2 must not go out forward and come back over West when only forward is agreed."""
    links = ["Y B2 A1", "X A2 B1", "B1B2 B1 B2"]
    assert per_bin(build([between("A1", "A2")], links=links), "A1 A2").sum() == pytest.approx(7 * DAY_BIT, rel=1e-6)
    assert relayed(build([between("A1", "A2")], agreement(direction="forward"), links=links)).unreachable == ("A1 A2",)


def test_quota_holds_per_direction_and_day_over_all_links(build):
    """1 Mbit a day each way over two links of 86.4 Mbit a day; what stays inside a domain has no quota."""
    scenario = build([between("A1", "B1"), between("B2", "A2"), between("A1", "A2")], agreement(quota_bit_per_day=1e6))
    assert per_bin(scenario, "A1 B1") == pytest.approx([1e6] * 7, rel=1e-6)
    assert per_bin(scenario, "B2 A2") == pytest.approx([1e6] * 7, rel=1e-6)
    assert per_bin(scenario, "A1 A2").sum() >= 7 * (DAY_BIT - 2e6)


def test_agreement_that_begins_and_expires_inside_the_period(build):
    """Bins run from noon: half of bin 0 and a quarter of bin 4 lie inside the dates 2 March 0:00 to 5 March 18:00."""
    dates = {"valid_from": at(2, 0), "valid_until": at(5, 18)}
    limited = build([between("A1", "B1")], agreement(quota_bit_per_day=8e6, **dates))
    assert per_bin(limited, "A1 B1") == pytest.approx([4e6, 8e6, 8e6, 8e6, 2e6, 0, 0], rel=1e-6, abs=1.0)
    unlimited = build([between("A1", "B1", 2 * DAY_BIT)], agreement(**dates))
    assert per_bin(unlimited, "A1 B1") == pytest.approx([2 * DAY_BIT] * 5 + [0, 0], rel=1e-6, abs=1.0)
    over = build([between("A1", "B1")], agreement(valid_until=at(1, 6)))
    assert per_bin(over, "A1 B1").sum() == 0.0


def test_quota_rows_in_numbers(build):
    """Arcs of X run East to West, those of Y West to East; a quota of 3e6 a day over bins of 1 and 0.5 days."""
    first, second = agreement("x", links=("X",), quota_bit_per_day=3e6), agreement("y", links=("Y",), valid_until=at(2))
    scenario = build([between("A1", "B1")], first, second)
    edges = key_edges(build_network(scenario), scenario)
    found = borders(edges, scenario)
    of_arc, quota = border_quotas(found, [(at(1), at(2)), (at(2), at(3, 0))], scenario)
    x, y = (list(edges.index).index(name) for name in "XY")
    assert of_arc[2 * x : 2 * x + 2].tolist() == [0, 1]
    assert of_arc[2 * y : 2 * y + 2].tolist() == [3, 2]
    assert (np.delete(of_arc, [2 * x, 2 * x + 1, 2 * y, 2 * y + 1]) == -1).all()
    assert quota[:2].tolist() == [[3e6, 1.5e6]] * 2
    assert (quota[2:, 0] >= 1e15).all()
    assert (quota[2:, 1] == 0).all()


def test_purposes_admit_only_their_demands(build):
    """The agreement is for government keys: others do not cross, not even over the links it does not name."""
    wanted = [between("A1", "B1", purpose="government"), between("A2", "B2", purpose="data_centre")]
    scenario = build(wanted, agreement(purposes=("government",)))
    assert relayed(scenario).unreachable == ("A2 B2",)
    split = build(wanted, agreement("x", links=("X",), purposes=("government",)), agreement("y", links=("Y",)))
    mask = crossing_mask(borders(key_edges(build_network(split), split), split), split.demands[1], 4)
    assert mask.sum() == 6  # both arcs of X are shut
    assert relayed(split).unreachable == ()


def test_protection_by_computation_needs_the_demand_s_word(build):
    wanted = [between("A1", "B1"), between("A2", "B2", computational=True)]
    scenario = build(wanted, agreement(protection="pqc"))
    relay = relayed(scenario)
    assert relay.unreachable == ("A1 B1",)
    crossed = crossing_bits(relay.routes, key_edges(relay.network, scenario), scenario)
    assert set(crossed["protection"]) == {"pqc"}
    assert crossed["bit"].sum() == pytest.approx(7 * 2 * DAY_BIT, rel=1e-6)


def test_agreement_over_named_links_shuts_the_others(build):
    scenario = build([between("A1", "B1")], agreement(links=("X",)))
    routes = relayed(scenario).routes
    assert {edge for steps in routes["edges"] for edge in steps} == {"A1A2", "X"}
    assert routes["bit"].sum() == pytest.approx(7 * DAY_BIT, rel=1e-6)


def test_a_pair_of_domains_does_not_govern_another(build):
    nodes, links = [*NODES, "C1 CZ South"], [*LINKS, "Z A1 C1"]
    scenario = build(
        [between("A1", "C1"), between("A1", "B1")], agreement(direction="backward"), nodes=nodes, links=links
    )
    assert relayed(scenario).unreachable == ("A1 B1",)
    shut = build([between("A1", "C1")], agreement(), nodes=nodes, links=links, rule="agreements_only")
    assert relayed(shut).unreachable == ("A1 C1",)


def test_agreement_with_nodes_is_an_edge_of_its_own_rate(build):
    """200 bit/s between two border nodes are 17.28 Mbit a day; the links between the domains stay shut."""
    kms = agreement("kms", nodes=("A1", "B2"), rate_bit_s=200.0)
    scenario = build([between("A2", "B2", 17.28e6)], kms)
    assert per_bin(scenario, "A2 B2") == pytest.approx([17.28e6] * 7, rel=1e-6)
    assert {tuple(e) for e in relayed(scenario).routes["edges"]} == {("A1A2", "HO-kms")}
    dated = build([between("A2", "B2", 17.28e6)], kms.model_copy(update={"valid_until": at(3)}))
    assert per_bin(dated, "A2 B2") == pytest.approx([17.28e6] * 2 + [0] * 5, rel=1e-6, abs=1.0)
    beside = build([between("A2", "B2", DAY_BIT + 17.28e6)], kms, agreement("x", links=("X",)))
    assert per_bin(beside, "A2 B2") == pytest.approx([DAY_BIT + 17.28e6] * 7, rel=1e-6)


def test_two_agreements_for_one_border_are_named(build):
    scenario = build([between("A1", "B1")], agreement("old"), agreement("new", domains=("West", "East")))
    with pytest.raises(PlanError, match="'old' and 'new' both govern 'X'; give each its `links`"):
        flow_problem(build_network(scenario), scenario)
    over_links = build([between("A1", "B1")], agreement("old", links=("X", "Y")), agreement("new", links=("Y",)))
    with pytest.raises(PlanError, match="both govern 'Y'"):
        flow_problem(build_network(over_links), over_links)


def test_spans_of_a_split_link_cross_where_the_domain_changes(build):
    """A link of 150 km in two spans has one border span; the agreement may name the link or the span."""
    links, more = ["L A1 B1 150 30"], {"listed_sites": 0, "rule": "agreements_only"}
    scenario = build([between("A1", "B1")], agreement(links=("L",), quota_bit_per_day=1e6), links=links, **more)
    edges = key_edges(build_network(scenario), scenario)
    assert edges.index.tolist() == ["L/1", "L/2"]
    assert [edges.index[b.edge] for b in borders(edges, scenario)] == ["L/2"]  # the node in the middle is East's
    assert per_bin(scenario, "A1 B1") == pytest.approx([1e6] * 7, rel=1e-6)
    named = build([between("A1", "B1")], agreement(links=("L/2",)), links=links, **more)
    assert relayed(named).unreachable == ()


def test_counters_show_each_border_and_direction(build):
    """Quotas of 2 and 1 Mbit a day on the two links: what crossed is counted per link, direction and bin."""
    scenario = build(
        [between("A2", "B1"), between("B2", "A1", bit=3e5)],
        agreement("x", links=("X",), quota_bit_per_day=2e6), agreement("y", links=("Y",), quota_bit_per_day=1e6),
    )  # fmt: skip
    relay = relayed(scenario)
    crossed = crossing_bits(relay.routes, key_edges(relay.network, scenario), scenario)
    total = crossed.groupby(["edge", "from_domain", "to_domain", "agreement"])["bit"].sum()
    assert total["X", "East", "West", "x"] == pytest.approx(14e6, rel=1e-5)
    assert total["Y", "East", "West", "y"] == pytest.approx(7e6, rel=1e-5)
    assert total[:, "West", "East"].sum() == pytest.approx(7 * 3e5, rel=1e-5)
    assert crossed["bit"].sum() == pytest.approx(relay.delivery["delivered_bit"].sum(), rel=1e-9)
    assert len(crossed.drop_duplicates(["bin", "edge", "from_domain"])) == len(crossed)
    assert crossed["bin"].nunique() == 7


def test_counters_of_open_borders_and_of_nothing(build):
    scenario = build([between("A1", "B1", bit=1e6), between("A1", "A2", bit=1e6)])
    relay = relayed(scenario)
    edges = key_edges(relay.network, scenario)
    crossed = crossing_bits(relay.routes, edges, scenario)
    assert crossed["bit"].sum() == pytest.approx(7e6, rel=1e-6)
    assert set(crossed["agreement"]) == {""}
    assert crossing_bits(relay.routes.iloc[:0], edges, scenario).empty

"""Rules that leave a demand without a path, on seven nodes whose paths are known, and against trying all subsets."""

import itertools

import numpy as np
import pytest

from eqci_space.fiber.assurance import combined_rule, rule_book
from eqci_space.fiber.edges import key_edges
from eqci_space.fiber.network import build_network
from eqci_space.fiber.obstacles import blocking_rule, unreachable_reasons
from eqci_space.fiber.paths import cheapest_routes
from eqci_space.scenario import Demand, Handover, LinkRules


def demand(assurance="any", ends=("A", "B"), **more):
    return {"name": "key", "between": ends, "bit_per_day": 1e6, "assurance": assurance, **more}


@pytest.fixture
def obstacle(crossroads):
    def find(*args, satellite=None, changes=None, **more):
        scenario = crossroads([demand(*args, **more)], satellite, **(changes or {}))
        return blocking_rule(scenario.demands[0], build_network(scenario), scenario)

    return find


@pytest.mark.parametrize(
    ("asked", "rules", "where", "words"),
    [
        ({"assurance": "max_nodes=0"}, ["max_nodes=0"], ["C"], "max_nodes=0 (the fewest are 1: C) stands in the way"),
        (
            {"assurance": "max_nodes=1", "forbidden_nodes": ("C",)}, ["forbidden_nodes: C"], ["C"],
            "forbidden_nodes: C (node C) stands in the way",
        ),
        ({"assurance": "national_only"}, ["national_only"], ["DE", "PL"], "the ends lie in DE, PL"),
        ({"assurance": "national_only", "ends": ("D", "C")}, ["national_only"], ["CZ", "DE"], "the ends lie in CZ, DE"),
        ({"assurance": "space_path"}, ["space_path"], ["DP"], "border on 'DP', DE to PL"),
        ({"assurance": "space_path", "ends": ("C", "A")}, ["space_path"], ["AC"], "border on 'AC', CZ to DE"),
        (
            {"forbidden_nations": ("CZ",), "forbidden_nodes": ("D",)}, ["forbidden_nodes: D"], ["D"],
            "forbidden_nodes: D (node D)",
        ),
        (
            {"forbidden_nations": ("CZ", "PL")}, ["forbidden_nations: CZ"], ["C"],
            "forbidden_nations: CZ (node C of CZ) stands in the way",
        ),
        (
            {"forbidden_operators": ("opC", "carrier")}, ["forbidden_operators: opC"], ["C"],
            "forbidden_operators: opC (node C of opC)",
        ),
        (
            {"forbidden_operators": ("carrier",), "forbidden_nodes": ("C", "Q")}, ["forbidden_nodes: C"], ["C"],
            "node C",
        ),
        (
            {"forbidden_operators": ("carrier",), "assurance": "max_foreign_nodes=0"}, ["forbidden_operators: carrier"],
            ["DP"], "link 'DP' of carrier",
        ),
        (
            {"assurance": "max_foreign_nodes=0", "forbidden_nodes": ("P",)}, ["forbidden_nodes: P"], ["P"], "node P",
        ),
        (
            {"assurance": "max_foreign_nodes=0", "ends": ("D", "C"), "forbidden_nations": ("DE", "PL")},
            ["forbidden_nations: DE"], ["A"], "node A of DE",
        ),
        (
            {"assurance": "two_disjoint", "ends": ("E", "C"), "forbidden_nodes": ("F",)}, ["forbidden_nodes: F"], ["F"],
            "node F",
        ),
        (
            {"assurance": ("two_disjoint", "max_nodes=1")}, ["max_nodes=1"], ["C", "D", "P"], "the fewest are 3",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_one_rule_and_where_it_stands(obstacle, asked, rules, where, words):
    found = obstacle(**asked)
    assert (list(found.rules), sorted(found.where)) == (rules, sorted(where))
    assert found.text.startswith("no path: ")
    assert words in found.text
    assert found.text.endswith(" stands in the way")


def test_two_rules_that_only_together_open_a_path(obstacle):
    """C is shut twice over and D too: whichever two go, two are needed."""
    found = obstacle(forbidden_nodes=("C", "D"), forbidden_nations=("CZ",), forbidden_operators=("opD",))
    assert found.rules == ("forbidden_nodes: C", "forbidden_nations: CZ")
    assert found.where == ("C",)
    assert found.text == (
        "no path: forbidden_nodes: C (node C) and forbidden_nations: CZ (node C of CZ) stand together in the way"
    )


def test_three_rules_of_which_none_is_too_many(obstacle):
    found = obstacle(
        forbidden_nodes=("C", "D"), forbidden_nations=("CZ",), forbidden_operators=("opC", "opD", "carrier")
    )
    assert len(found.rules) == 3
    assert set(found.rules) == {"forbidden_nodes: D", "forbidden_operators: opD", "forbidden_operators: carrier"}
    assert set(found.where) == {"D", "DP"}


def test_a_node_that_every_share_passes_is_named(hand_made):
    scenario = hand_made(
        [f"{n} DE x" for n in "ABCDE"], ["AC A C", "AD A D", "CE C E", "DE D E", "EB E B"],
        [{**demand("two_disjoint")}],
    )  # fmt: skip
    found = blocking_rule(scenario.demands[0], build_network(scenario), scenario)
    assert (found.rules, found.where) == (("two_disjoint",), ("E",))
    assert found.text == "no path: two_disjoint (every path passes E) stands in the way"
    single = hand_made(["A DE x", "B DE x"], ["AB A B"], [demand("two_disjoint")])
    found = blocking_rule(single.demands[0], build_network(single), single)
    assert found.text == "no path: two_disjoint (no second path beside AB) stands in the way"


def test_satellites_stand_in_the_way_by_nation_operator_and_name(obstacle):
    lux = {"nation": "LU", "operator": "fleet"}
    assert obstacle("space_path", satellite=lux) is None
    nation = obstacle("space_path", satellite=lux, forbidden_nations=("LU",))
    assert nation.text == "no path: forbidden_nations: LU (node S of LU) stands in the way"
    operator = obstacle("space_path", satellite=lux, forbidden_operators=("fleet",))
    assert operator.rules == ("forbidden_operators: fleet",)
    assert set(operator.where) == {"S", "S|X", "S|Y"}
    few = obstacle(("space_path", "max_foreign_nodes=0"), satellite=lux)
    assert few.text.startswith("no path: space_path")  # over D-P no foreign node would see it
    assert obstacle(("space_path", "max_foreign_nodes=0"), satellite={"nation": "PL"}) is None
    assert obstacle(("space_path", "max_foreign_nodes=0"), satellite={}) is None
    home = obstacle(("space_path", "max_foreign_nodes=0"), satellite=lux, forbidden_operators=("carrier",))
    assert home.text == "no path: max_foreign_nodes=0 (the fewest are 1: S of LU) stands in the way"
    inside = obstacle("national_only", ends=("F", "A"), satellite={}, forbidden_nodes=("D", "E"))
    assert inside.rules == ("forbidden_nodes: D",)


@pytest.mark.parametrize(
    ("agreements", "more", "words"),
    [
        ([], {}, "no agreement on 'DP', East to West"),
        ([{"purposes": ("government",)}], {}, "'x' is not for other on 'DP', East to West"),
        ([{"direction": "backward"}], {}, "'x' runs backward only on 'DP', East to West"),
        ([{"direction": "forward"}], {"ends": ("B", "A")}, "'x' runs forward only on 'DP', West to East"),
        ([{"protection": "pqc"}], {}, "'x' is secure against limited computers only on 'DP', East to West"),
    ],
    ids=str,
)
def test_hand_over_says_what_the_agreement_lacks(obstacle, agreements, more, words):
    agreed = tuple(Handover(name="x", domains=("East", "West"), **a) for a in agreements)
    changes = {"handovers": agreed, "fiber": {"handover": "agreements_only"}}
    found = obstacle(forbidden_nations=("CZ",), changes=changes, **more)
    assert found.rules == ("hand-over",)
    assert found.where == ("DP",)
    assert words in found.text


def test_satellites_need_no_agreement(obstacle):
    changes = {"fiber": {"handover": "agreements_only"}}
    assert obstacle(changes=changes).rules == ("hand-over",)
    assert obstacle(satellite={}, changes=changes) is None


def test_missing_spans_are_named_whatever_the_rules(hand_made):
    ends = {"apart": ("A", "Z"), "ok": ("M", "B")}
    scenario = hand_made(
        ["A DE x", "M DE x", "B PL x", "Z PL x"], ["AM A M 150 36", "MB M B 40 9", "AB A B 200 48"],
        [demand("national_only"), *({**demand(ends=e), "name": n} for n, e in ends.items())],
        links={"AB": LinkRules(reach_db=20.0)},
    )  # fmt: skip
    reasons = unreachable_reasons(build_network(scenario), scenario)
    assert reasons == {
        "key": "no path: spans without key stand in the way, whatever the rules: "
        "'AB' (48.0 dB exceed the reach of 20 dB)",
        "apart": "no path: no link joins A and Z, whatever the rules",
    }


@pytest.mark.parametrize("seed", range(30))
def test_no_smaller_set_of_rules_opens_a_path(crossroads, seed):
    """All sets of rules by size: up to two, none smaller than the one found opens a path; the one found does."""
    rng = np.random.default_rng(seed)
    classes = rng.choice(
        ["national_only", "space_path", "two_disjoint", "max_nodes=1", "max_foreign_nodes=0"], 2, replace=False
    ).tolist()
    ends = tuple(rng.choice(list("ABCDEFP"), 2, replace=False).tolist())
    nodes = tuple(n for n in rng.choice(list("ABCDEFP"), 2, replace=False).tolist() if n not in ends)
    one = demand(
        classes, ends=ends, forbidden_nodes=nodes, forbidden_nations=tuple(rng.choice(["CZ", "PL"], 1).tolist())
    )
    scenario = crossroads([one], {"nation": str(rng.choice(["", "LU", "DE"]))})
    asked, network = Demand(**one), build_network(scenario)
    book = rule_book(key_edges(network, scenario), network, scenario)
    rules = book.rules(asked)

    def opens(gone):
        rule = combined_rule([r for r in rules if r.name not in gone], book.graph, asked)
        return bool(cheapest_routes(book.graph, [ends], [rule], [0], np.ones(2 * len(book.edges))))

    names = [r.name for r in rules]
    smallest = next(n for n in range(len(names) + 1) if any(map(opens, itertools.combinations(names, n))))
    found = blocking_rule(asked, network, scenario)
    assert (found is None) == (smallest == 0)
    if found is not None:
        assert opens(found.rules)
        assert len(found.rules) == smallest or smallest > 2
        assert all(not opens(set(found.rules) - {name}) for name in found.rules)
        assert found.where

"""The independent check of a relay: it accepts what the solver finds, and names whatever was altered in its tables."""

from dataclasses import replace

import pandas as pd
import pytest

from eqci_space.data import data_path, shipped_names
from eqci_space.errors import VerificationError
from eqci_space.fiber.relay import relay_bin_by_bin, relay_keys
from eqci_space.fiber.verify import verify_relay
from eqci_space.scenario import Handover, Outage, load_scenario
from eqci_space.scenario.changes import with_values
from eqci_space.study import Study
from eqci_space.tables import empty_table

NODES = ["A DE one", "B DE one alpha", "C PL two", "D PL two", "E CZ two"]
LINKS = ["ab A B", "bc B C", "cd C D", "ae A E", "ed E D"]
EMPTY = empty_table("DEPOSITS")
LONG = {"euroqci"}


@pytest.mark.parametrize("objective", ["weighted", "max_min", "max_concurrent"])
def test_what_the_solver_finds_is_accepted(study, scenario, objective):
    relay = relay_keys(study.deposits, scenario, network=study.network, objective=objective)
    verify_relay(relay, study.deposits, scenario, objective=objective)
    if objective == "weighted":
        alone = relay_bin_by_bin(study.deposits, scenario, network=study.network)
        verify_relay(alone, study.deposits, scenario)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*sorted({*shipped_names("scenarios", ".toml")} - LONG), "template"])
def test_relays_of_shipped_scenarios_are_accepted(name):
    """Of a plan, of fibre alone, and bin by bin; `make verify-euroqci` does it for those that take minutes.

    What is relayed is a plan for expected key, which takes a tenth of the time of one for skies.
    """
    scenario = load_scenario(data_path("templates", "scenario.toml") if name == "template" else name)
    scenario = with_values(scenario, {"schedule.plan_for": "expected_key", "schedule.spare_tolerance": 0.0})
    study = Study(scenario)
    assert study.relay.delivery["delivered_bit"].sum() >= study.fibre_only.delivery["delivered_bit"].sum() > 0
    verify_relay(relay_bin_by_bin(study.deposits, scenario, network=study.network), study.deposits, scenario)


def altered(relay, table, row, **values):
    """The relay with values of one row of a table changed."""
    changed = getattr(relay, table).copy()
    for column, value in values.items():
        changed.loc[changed.index[row], column] = value
    return replace(relay, **{table: changed})


def first(table, **wanted):
    mask = pd.Series(True, index=table.index)
    for column, value in wanted.items():
        mask &= (table[column] > value) if column.endswith("_bit") else table[column] == value
    return int(mask.to_numpy().argmax())


@pytest.mark.parametrize("factor", [0.9999, 1.0001])
@pytest.mark.parametrize("column", ["used_bit", "stock_bit", "initial_bit", "deposited_bit"])
def test_a_ten_thousandth_in_a_store_is_seen(study, scenario, column, factor):
    row = first(study.relay.stores, kind="space", **{column: 1e4})
    wrong = altered(study.relay, "stores", row, **{column: study.relay.stores[column].iloc[row] * factor})
    if study.relay.stores[column].iloc[row] * abs(factor - 1) < 1:
        pytest.fail("the row is too small to tell")
    with pytest.raises(VerificationError, match=r"_bit of "):
        verify_relay(wrong, study.deposits, scenario)


def test_flows_that_meet_other_paths_are_seen(study, scenario):
    """The fault that this check exists for: the values of a solution read by the columns of another."""
    routes = study.relay.routes
    moved = replace(study.relay, routes=routes.assign(bit=routes["bit"].to_numpy()[::-1]))
    with pytest.raises(VerificationError, match="used_bit of"):
        verify_relay(moved, study.deposits, scenario)


def test_key_out_of_nothing_is_seen(study, scenario):
    delivery = study.relay.delivery
    row = first(delivery, demand="government Berlin-Warsaw", shortage_bit=1.0)
    more = altered(study.relay, "delivery", row, delivered_bit=delivery["delivered_bit"].iloc[row] + 1000.0)
    with pytest.raises(VerificationError, match="delivered_bit of 'government Berlin-Warsaw'"):
        verify_relay(more, study.deposits, scenario)
    asked = altered(study.relay, "delivery", row, asked_bit=delivery["asked_bit"].iloc[row] * 1.01)
    with pytest.raises(VerificationError, match="asked_bit of 'government Berlin-Warsaw'"):
        verify_relay(asked, study.deposits, scenario)


def test_deposits_are_those_of_the_contacts_in_their_bins(study, scenario):
    later = study.deposits.assign(time=study.deposits["time"] + pd.Timedelta("1D"))
    with pytest.raises(VerificationError, match="deposited_bit of"):
        verify_relay(study.relay, later, scenario)


@pytest.mark.parametrize("change", [-0.05, 0.05])
def test_the_objective_is_the_worth_of_the_delivery(study, scenario, change):
    wrong = replace(study.relay, objective=study.relay.objective + change, bound=study.relay.bound + 1)
    with pytest.raises(VerificationError, match="the objective"):
        verify_relay(wrong, study.deposits, scenario)
    with pytest.raises(VerificationError, match="the bound"):
        verify_relay(replace(study.relay, bound=study.relay.objective - 0.05), study.deposits, scenario)


CLASSES = {
    "national_only": {"assurance": ("national_only",)},
    "space_path": {"assurance": ("space_path",)},
    "max_nodes": {"assurance": ("max_nodes=1",)},
    "max_foreign_nodes": {"assurance": ("max_foreign_nodes=0",)},
    "forbidden_nodes": {"forbidden_nodes": ("B", "E")},
    "forbidden_nations": {"forbidden_nations": ("CZ",)},
    "forbidden_operators": {"forbidden_operators": ("alpha",)},
}


@pytest.mark.parametrize("rule", CLASSES)
def test_each_rule_of_a_class_is_read_by_its_words(hand_made, rule):
    """A relay made without the rule, judged by a scenario that has it: two ways from Germany to Poland."""
    asked = [("A", "D", 1e8)]
    free = hand_made(NODES, LINKS, asked)
    relay = relay_keys(EMPTY, free)
    verify_relay(relay, EMPTY, free)
    demand = free.demands[0].model_copy(update=CLASSES[rule])
    with pytest.raises(VerificationError, match=f"none under {rule}"):
        verify_relay(relay, EMPTY, free.model_copy(update={"demands": (demand,)}))


def test_two_shares_have_no_common_node(hand_made):
    free = hand_made(NODES, LINKS, [("A", "D", 1e6)])
    relay = relay_keys(EMPTY, free)
    demand = free.demands[0].model_copy(update={"assurance": ("two_disjoint",)})
    with pytest.raises(VerificationError, match="2 without a common node"):
        verify_relay(relay, EMPTY, free.model_copy(update={"demands": (demand,)}))
    shared = free.model_copy(update={"demands": (demand,)})
    verify_relay(relay_keys(EMPTY, shared), EMPTY, shared)


@pytest.mark.parametrize(
    ("agreement", "words"),
    [
        ({"direction": "backward"}, "not admitted by 'treaty'"),
        ({"purposes": ("government",)}, "not admitted by 'treaty'"),
        ({"protection": "pqc"}, "not admitted by 'treaty'"),
        ({"quota_bit_per_day": 1000.0}, "at most 1000 bit"),
        ({"links": ("ae",)}, "shut, one to two"),
    ],
)
def test_agreements_are_read_by_their_words(hand_made, agreement, words):
    free = hand_made(NODES, LINKS[:3], [("A", "D", 1e7)])
    relay = relay_keys(EMPTY, free)
    treaty = Handover(name="treaty", domains=("one", "two"), **agreement)
    with pytest.raises(VerificationError, match=words):
        verify_relay(relay, EMPTY, free.model_copy(update={"handovers": (treaty,)}))
    shut = free.model_copy(update={"fiber": free.fiber.model_copy(update={"handover": "agreements_only"})})
    with pytest.raises(VerificationError, match="shut, one to two"):
        verify_relay(relay, EMPTY, shut)


def test_outages_caps_and_lives_are_read_by_their_words(hand_made):
    free = hand_made(NODES, LINKS[:3], [("A", "D", 1e6)])
    relay = relay_keys(EMPTY, free)
    edges = list(relay.delivery["bin"].drop_duplicates())
    fire = Outage(node="B", start=edges[1].to_pydatetime(), end=edges[2].to_pydatetime())
    with pytest.raises(VerificationError, match=r"deposited_bit of '(ab|bc)'"):
        verify_relay(relay, EMPTY, free.model_copy(update={"outages": (fire,)}))
    small = free.model_copy(update={"links": {"ab": free.links["ab"].model_copy(update={"store_capacity_bit": 1e5})}})
    capped = relay_keys(EMPTY, small)
    verify_relay(capped, EMPTY, small)
    with pytest.raises(VerificationError, match="_bit of 'ab'"):
        verify_relay(replace(capped, stores=relay.stores), EMPTY, small)
    aged = free.model_copy(update={"fiber": free.fiber.model_copy(update={"key_life_h": 24.0})})
    short = relay_keys(EMPTY, aged)
    verify_relay(short, EMPTY, aged)
    with pytest.raises(VerificationError, match="expired_bit of"):
        verify_relay(replace(short, stores=relay.stores), EMPTY, aged)

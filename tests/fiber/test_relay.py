"""Relay of a whole scenario: conservation, classes, exposure, gain."""

import itertools

import numpy as np
import pandas as pd
import pytest

from eqci_space.errors import PlanError
from eqci_space.fiber.exposure import exposure
from eqci_space.fiber.problem import bin_edges
from eqci_space.fiber.relay import key_deposits, relay_keys


def test_bins_begin_at_noon(scenario):
    edges = bin_edges(scenario)
    assert len(edges) == 8
    assert all(e.hour == 12 for e in edges)
    late = scenario.model_copy(update={"start": scenario.start.replace(hour=15)})
    assert [e.hour for e in bin_edges(late)[:2]] == [15, 12]


def test_stores_balance_and_never_go_negative(study):
    stores = study.relay.stores
    left = stores["initial_bit"] + stores["deposited_bit"]
    right = stores["used_bit"] + stores["spilled_bit"] + stores["expired_bit"] + stores["stock_bit"]
    assert left.to_numpy() == pytest.approx(right.to_numpy(), abs=1.0)
    assert (stores[["initial_bit", "deposited_bit", "used_bit", "stock_bit"]] >= 0).all().all()
    for _, group in stores.groupby("edge"):
        assert group["initial_bit"].iloc[1:].to_numpy() == pytest.approx(group["stock_bit"].iloc[:-1].to_numpy())


def test_every_relayed_bit_is_debited_on_every_hop(study):
    routes = study.relay.routes.explode("edges").groupby(["bin", "edges"])["bit"].sum()
    used = study.relay.stores.set_index(["bin", "edge"])["used_bit"]
    used = used[used > 0]
    assert set(routes.index) == set(used.index)
    assert routes.sort_index().to_numpy() == pytest.approx(used.sort_index().to_numpy(), rel=1e-9)


def test_satellite_key_serves_only_from_the_bin_after_its_arrival(study):
    stores = study.relay.stores
    space = stores[stores["edge"].str.contains("|", regex=False)]
    assert (space["used_bit"] <= space["initial_bit"] + 1.0).all()


def test_paths_respect_their_class(study, scenario):
    country = study.relay.network.nodes["country"]
    satellites, checked = {s.name for s in scenario.satellites}, set()
    for _, route in study.relay.routes.iterrows():
        demand = next(d for d in scenario.demands if d.name == route["demand"])
        nations = [country.get(n, "") for n in route["path"]]
        hand_overs = [(a, b) for a, b in itertools.pairwise(nations) if a and b and a != b]
        if "space_path" in demand.assurance:
            assert not hand_overs
            assert satellites & set(route["path"])
            checked.add("space_path")
        if "national_only" in demand.assurance:
            assert {n for n in nations if n} == {country[demand.between[0]]}
            checked.add("national_only")
        assert [route["path"][0], route["path"][-1]] == list(demand.between)
    assert checked == {"space_path", "national_only"}


def test_delivery_adds_up_to_the_routes(study):
    by_route = study.relay.routes.groupby("demand")["bit"].sum()
    by_demand = study.relay.delivery.groupby("demand")["delivered_bit"].sum()
    by_demand = by_demand[by_demand > 0].sort_index()
    assert by_demand.to_numpy() == pytest.approx(by_route.sort_index().to_numpy())
    shares = study.relay.routes.groupby(["bin", "demand"])["share"].sum()
    assert shares.to_numpy() == pytest.approx(1.0)


def test_space_serves_what_fibre_cannot(study):
    alone, both = (exposure(r, study.scenario) for r in (study.fibre_only, study.relay))
    government = [d for d in both.index if d.startswith("government")]
    assert (alone.loc[government, "delivered_bit"] == 0).all()
    assert (both.loc[government, "delivered_bit"] > 1e5).all()
    assert (both["delivered_bit"] >= alone["delivered_bit"] - 1.0).all()
    assert both.loc[government, "space_share"].to_numpy() == pytest.approx(1.0)
    assert set(study.fibre_only.unreachable) == set()  # the path exists, only its stores are empty


def test_unreachable_demand_is_listed(scenario, study):
    demand = scenario.demands[0].model_copy(update={"assurance": "national_only", "name": "two nations"})
    other = scenario.model_copy(update={"demands": (*scenario.demands, demand)})
    relay = relay_keys(study.deposits, other, network=study.network)
    assert relay.unreachable == ("two nations",)


def test_deposits_follow_the_contacts(study, scenario):
    clear = key_deposits(study.plan, scenario, kind="clear")
    planned = study.plan.contacts[study.plan.contacts["status"] == "planned"]
    assert clear["bit"].sum() == pytest.approx(planned["skl_bit"].sum())
    assert (study.deposits["bit"].to_numpy() <= clear["bit"].to_numpy()).all()
    with pytest.raises(PlanError, match="kind 'dark'"):
        key_deposits(study.plan, scenario, kind="dark")


def test_deposit_on_an_unknown_edge_is_named(study, scenario):
    wrong = study.deposits.assign(edge="EAGLE1-LIKE|NOWHERE")
    with pytest.raises(PlanError, match=r"unknown edge 'EAGLE1-LIKE\|NOWHERE'"):
        relay_keys(wrong, scenario, network=study.network)


def test_an_unknown_objective_is_named(study, scenario):
    with pytest.raises(PlanError, match="objective 'max_mini'; did you mean 'max_min'"):
        relay_keys(study.deposits, scenario, network=study.network, objective="max_mini")


def test_more_key_never_lowers_the_objective(study, scenario):
    rich = study.deposits.assign(bit=study.deposits["bit"] * 3)
    better = relay_keys(rich, scenario, network=study.network)
    assert better.objective >= study.relay.objective - 1e-9
    assert isinstance(better.stores, pd.DataFrame)
    assert np.isfinite(better.stores["stock_bit"]).all()

"""Services and stores from a simulation, against hand-made worlds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from eqci_space.scenario import Service, asked_bit_per_day
from eqci_space.schedule.simulate import simulate_plan
from eqci_space.schedule.sizing import service_levels, store_sizes


@pytest.fixture(scope="module")
def simulation(study):
    return simulate_plan(
        study.plan, study.budget, study.contact_keys, study.scenario, network=study.network, trials=40, rng=3
    )


def test_one_aes_key_a_minute_is_11_megabit_in_30_days(study):
    service = Service(encryptors=1, rekey_interval_s=60)
    demand = study.scenario.demands[0].model_copy(update={"keys_256_per_day": None, "service": service})
    assert 30.4 * asked_bit_per_day(demand) == pytest.approx(11.2e6, rel=2e-3)


def test_encryptors_and_intervals_follow_the_lowest_tenth_of_the_worlds(study, simulation):
    """Worlds that deliver 1, 2, ..., 40 Mbit over a week; 10 encryptors that ask for 1.44 Mbit a week each."""
    service = Service(encryptors=10, rekey_interval_s=107.52, key_bit=256)
    demand = study.scenario.demands[0].model_copy(update={"keys_256_per_day": None, "service": service})
    scenario = study.scenario.model_copy(update={"demands": (demand,)})
    delivered = pd.DataFrame({demand.name: np.arange(1.0, 41.0) * 1e6})
    asked = simulation.demands.loc[[demand.name]].assign(asked_bit=14.4e6)
    row = service_levels(replace(simulation, delivered_bit=delivered, demands=asked), scenario).loc[demand.name]
    assert row["exceeded_90pct_keys_per_day"] == pytest.approx(4.9e6 / 7 / 256)
    assert row["median_keys_per_day"] == pytest.approx(20.5e6 / 7 / 256)
    assert row["encryptors_served_90pct"] == 3  # 4.9 / 1.44
    assert row["interval_for_all_90pct_s"] == pytest.approx(10 * 256 * 7 * 86400 / 4.9e6)
    assert row["p_served"] == pytest.approx(26 / 40)


def test_stores_bridge_the_droughts_of_the_sampled_worlds(study, simulation):
    sizes = store_sizes(simulation, study.plan, study.relay, study.scenario)
    assert set(sizes.index) == set(study.plan.contacts["satellite"] + "|" + study.plan.contacts["ogs"])
    assert (sizes["stock_bit"] >= 0).all()
    # Without any key from space the whole use has to be in store from the start.
    dry = replace(simulation, contact_bit=simulation.contact_bit * 0.0)
    empty = store_sizes(dry, study.plan, study.relay, study.scenario, availability=0.999)
    used = study.relay.stores.groupby("edge")["used_bit"].sum().reindex(empty.index)
    assert_allclose(empty["stock_bit"], used, rtol=1e-9)
    assert_allclose(empty.loc[used > 0, "bridged_days"], 7.0, rtol=1e-6)

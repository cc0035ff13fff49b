"""What a simulation says of services: keys and encryptors served at which probability, and sizes of stores."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.fiber.edges import contact_arrivals
from eqci_space.fiber.problem import bin_of
from eqci_space.fiber.relay import Relay
from eqci_space.fiber.stores import bridged_s, stock_for_availability
from eqci_space.scenario import Demand, Scenario
from eqci_space.schedule.contacts import Plan
from eqci_space.schedule.simulate import Simulation
from eqci_space.tables import planned_contacts
from eqci_space.units import KEY_BIT

__all__ = ["service_levels", "store_sizes"]


def service_levels(simulation: Simulation, scenario: Scenario) -> pd.DataFrame:
    """Keys, encryptors and re-keying intervals that the simulated delivery supports.

    Returns
    -------
    DataFrame
        Indexed by `demand`: key_bit; keys_per_day that 90, 50 and 10 % of the worlds exceed; for services the
        encryptors served at the interval asked for in 90 % of the worlds, and the interval at which all of them are
        served; p_served, the share of the worlds that deliver all that is asked, with availability beside it.
    """
    days = (scenario.end - scenario.start).total_seconds() / 86400.0
    rows = [_level(d, simulation, days) for d in scenario.demands]
    return pd.DataFrame(rows).set_index("demand")


def _level(demand: Demand, simulation: Simulation, days: float) -> dict[str, object]:
    service = demand.service
    key_bit = service.key_bit if service else KEY_BIT
    asked = float(simulation.demands.loc[demand.name, "asked_bit"])
    per_day = simulation.delivered_bit[demand.name].to_numpy() / days
    low, middle, high = np.quantile(per_day, [0.1, 0.5, 0.9])
    row: dict[str, object] = {
        "demand": demand.name, "key_bit": key_bit, "exceeded_90pct_keys_per_day": low / key_bit,
        "median_keys_per_day": middle / key_bit, "exceeded_10pct_keys_per_day": high / key_bit,
        "p_served": float(np.mean(per_day * days >= asked * (1 - 1e-6))), "availability": demand.availability,
        "encryptors": 0, "encryptors_served_90pct": np.nan, "interval_for_all_90pct_s": np.nan,
    }  # fmt: skip
    if service is not None:
        each = key_bit * 86400.0 / service.rekey_interval_s
        row["encryptors"] = service.encryptors
        row["encryptors_served_90pct"] = float(min(service.encryptors, np.floor(low / each + 1e-9)))
        row["interval_for_all_90pct_s"] = service.encryptors * key_bit * 86400.0 / low if low > 0 else float("inf")
    return row


def store_sizes(
    simulation: Simulation, plan: Plan, relay: Relay, scenario: Scenario, *, availability: float = 0.9
) -> pd.DataFrame:
    """Stock at the start with which every satellite store serves its planned use in a share of the sampled bins.

    Parameters
    ----------
    simulation : Simulation
        Of the plan; its sampled contacts, droughts included, fill the stores.
    plan : Plan
    relay : Relay
        Its use of each store, bin by bin, is what has to be served.
    availability : float
        In (0, 1).

    Returns
    -------
    DataFrame
        Indexed by `edge`: used_bit_per_day, stock_bit, and days that this stock bridges at that use.
    """
    days = (scenario.end - scenario.start).total_seconds() / 86400.0
    n_bins = relay.delivery["bin"].nunique()
    planned = planned_contacts(plan.contacts).loc[simulation.contact_bit.columns]
    arrivals = contact_arrivals(planned, scenario)
    # Key serves from the bin after its arrival.
    serves = bin_of(arrivals["time"], scenario) + 1
    edges = arrivals["edge"].to_numpy()
    key = simulation.contact_bit.to_numpy()
    rows = []
    for edge in sorted(set(edges)):
        arriving = np.zeros((len(key), n_bins))
        for i in np.flatnonzero((edges == edge) & (serves > 0) & (serves < n_bins)):
            arriving[:, serves[i]] += key[:, i]
        used = relay.stores[relay.stores["edge"] == edge].sort_values("bin")["used_bit"].to_numpy()
        stock = stock_for_availability(arriving, used, availability)
        rate = used.sum() / (days * 86400.0)
        rows.append((edge, used.sum() / days, stock, bridged_s(stock, rate) / 86400.0 if rate > 0 else float("inf")))
    return pd.DataFrame(rows, columns=["edge", "used_bit_per_day", "stock_bit", "bridged_days"]).set_index("edge")

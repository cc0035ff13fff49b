"""What knowing the sky beforehand would deliver more."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.fiber.network import Network
from eqci_space.fiber.problem import flow_problem
from eqci_space.scenario import Scenario
from eqci_space.schedule.contacts import schedule_contacts
from eqci_space.schedule.dual_skies import contact_skies
from eqci_space.schedule.sky_deposits import received_share, relay_in_skies
from eqci_space.schedule.sky_keys import key_in_skies, key_responses
from eqci_space.weather.field import SkyModel

__all__ = ["sky_regret"]


def sky_regret(
    contacts: pd.DataFrame,
    candidates: pd.DataFrame,
    budget: pd.DataFrame,
    keys: pd.DataFrame,
    scenario: Scenario,
    *,
    network: Network,
    trials: int,
    model: SkyModel | None = None,
    rng: int,
) -> np.ndarray:
    """Mean over skies of what a plan made with the sky known delivers more, per demand [bit].

    Parameters
    ----------
    contacts, candidates : DataFrame
        CONTACTS that are planned, and CANDIDATES.
    budget, keys : DataFrame
        BUDGET and KEYS of the windows.
    trials : int
        Skies; each is planned anew.
    model : SkyModel, optional
        Correlation of the sky.
    rng : int
        Seed of the skies.
    """
    sky = contact_skies(candidates, scenario, trials=trials, rng=rng, model=model)
    realised = key_in_skies(candidates, sky, key_responses(candidates, budget, keys, scenario))
    received, problem = received_share(sky), flow_problem(network, scenario)

    def delivered(taken: pd.DataFrame, trials: slice) -> np.ndarray:
        mine = candidates.index.get_indexer(taken["candidate_id"])
        key_bit, share = realised[trials][:, mine], received[trials][:, mine]
        return relay_in_skies(taken, scenario, problem, key_bit, share).delivered_bit.sum(axis=2)

    base = delivered(contacts, slice(None))
    # The sky is known: nothing to hedge against.
    policy = scenario.schedule.model_copy(update={"backups": False, "plan_for": "expected_key", "cvar_share": 0.0})
    certain = scenario.model_copy(update={"schedule": policy})
    best = []
    for trial, key in enumerate(realised):
        known = candidates.assign(skl_bit=key, p_clear=1.0)
        plan = schedule_contacts(known[known["skl_bit"] > 0], certain, network=network).contacts
        best.append(delivered(plan, slice(trial, trial + 1))[0])
    return (np.array(best) - base).mean(axis=0)

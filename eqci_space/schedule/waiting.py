"""Plans whose blocks wait for several contacts: worth of a choice once its blocks close.

The choice itself counts every contact as if its block closed with it, which bounds what waiting leaves.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from eqci_space.fiber.edges import contact_arrivals
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.scenario import Scenario
from eqci_space.schedule.expected import sky_worth
from eqci_space.schedule.expected_worth import worth_of
from eqci_space.schedule.joint import JointResult
from eqci_space.schedule.sky_deposits import relay_in_skies
from eqci_space.schedule.sky_relay import Tail

__all__ = ["blocks_too_long", "edges_by_fill", "with_waiting"]


def with_waiting(
    found: JointResult,
    choice: KeyFlowProblem,
    usable: pd.DataFrame,
    scenario: Scenario,
    *,
    key_bit: np.ndarray,
    received: np.ndarray,
    tail: Tail | None = None,
) -> JointResult:
    """A choice for sampled skies with what it is worth where key comes when its block closes.

    Parameters
    ----------
    found : JointResult
        Of a choice that takes every contact for a block of its own.
    choice : KeyFlowProblem
    usable : DataFrame
        CANDIDATES of the choice.
    key_bit, received : (S, N) arrays
        What candidates bring to their block in every sky [bit], and the share of their signal.
    tail : Tail, optional
    """
    mine = np.flatnonzero(found.chosen)
    contacts = usable.iloc[mine]
    at_once = worth_of(sky_worth(choice, found.chosen, key_bit).objective, tail)
    waited = relay_in_skies(contacts, scenario, choice, key_bit[:, mine], received[:, mine]).objective
    return replace(found, objective=found.objective - at_once + worth_of(waited, tail))


def edges_by_fill(contacts: pd.DataFrame, scenario: Scenario) -> list[str]:
    """Edges of planned contacts, those first of which fewer blocks are filled in the mean."""
    if contacts.empty:
        return []
    edges = contact_arrivals(contacts, scenario)["edge"]
    return (contacts["p_clear"] * contacts["block_fill"]).groupby(edges).sum().sort_values().index.tolist()


def blocks_too_long(candidates: pd.DataFrame) -> bool:
    """Whether all windows together fill no block of any satellite and station, whatever the sky."""
    if candidates.empty:
        return False
    of_window = candidates.groupby(["edge", "window_id"])["block_fill"].max()
    return bool(of_window.groupby("edge").sum().max() < 1)

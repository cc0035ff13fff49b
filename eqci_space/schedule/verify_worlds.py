"""An independent look at simulated worlds: some of them are relayed anew as tables, and their tables verified."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.errors import VerificationError
from eqci_space.fiber.network import Network
from eqci_space.fiber.problem import bin_starts
from eqci_space.fiber.relay import relay_keys
from eqci_space.fiber.verify import verify_relay
from eqci_space.scenario import Scenario
from eqci_space.schedule.sky_deposits import KeyPlaces
from eqci_space.tables import check_table

__all__ = ["verify_worlds"]

_WORTH_OF_THIRDS = (1.0 / 1.7, 0.5 / 1.7, 0.2 / 1.7)
_RELATIVE = 2e-3  # twice the gap to which the relay of large networks is solved


def verify_worlds(
    delivered_bit: np.ndarray,
    places: KeyPlaces,
    key_bit: np.ndarray,
    edges: list[str],
    scenario: Scenario,
    *,
    network: Network,
    worlds: np.ndarray,
) -> None:
    """Relay some worlds anew, read the tables as a bookkeeper would, and compare what delivery is worth.

    Parameters
    ----------
    delivered_bit : (W, K, T) array
        What demands get in each world [bit], relay with foresight and fibre as it usually is.
    places : KeyPlaces
    key_bit : (W, m) array
        Key that arrives [bit].
    edges : list of str
        Names of the edges that `places` numbers.
    scenario : Scenario
    network : Network
    worlds : int array
        Those that are looked at.

    Raises
    ------
    VerificationError
        A table is wrong, or the worth of a world differs.
    """
    starts = bin_starts(scenario)
    for world in worlds:
        came = np.flatnonzero((key_bit[world] > 0) & (places.bin >= 0))
        deposits = pd.DataFrame({
            "time": starts[places.bin[came]], "edge": [edges[e] for e in places.edge[came]],
            "bit": key_bit[world, came], "contact_id": came.astype(str), "block": came.astype(str), "kind": "realised",
        }).astype({"edge": str})  # fmt: skip
        deposits = check_table(deposits, "DEPOSITS", "verify_worlds")
        relay = relay_keys(deposits, scenario, network=network, objective="weighted")
        verify_relay(relay, deposits, scenario, objective="weighted")
        again = relay.delivery.pivot_table(index="demand", columns="bin", values="delivered_bit")
        asked = relay.delivery.pivot_table(index="demand", columns="bin", values="asked_bit")
        names = [d.name for d in scenario.demands]
        weights = np.array([d.weight for d in scenario.demands])
        right = _worth(again.loc[names].to_numpy(), asked.loc[names].to_numpy(), weights)
        told = _worth(delivered_bit[world], asked.loc[names].to_numpy(), weights)
        if abs(told - right) > _RELATIVE * max(1.0, right):
            raise VerificationError(
                f"verify_worlds: what demands get in world {world} is worth {told:.6g}, by tables {right:.6g}"
            )


def _worth(delivered_bit: np.ndarray, asked_bit: np.ndarray, weights: np.ndarray) -> float:
    """Weighted satisfaction: thirds of an ask count less and less."""
    third = np.where(asked_bit > 0, asked_bit, np.inf) / 3
    parts = [np.clip(delivered_bit / third - i, 0.0, 1.0) * worth for i, worth in enumerate(_WORTH_OF_THIRDS)]
    return float(weights @ np.sum(parts, axis=0).sum(axis=1))

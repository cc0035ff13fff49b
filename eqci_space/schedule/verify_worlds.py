"""An independent look at simulated worlds: some of them are relayed anew as tables, and their tables verified."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.errors import VerificationError
from eqci_space.fiber.network import Network
from eqci_space.fiber.problem import bin_starts
from eqci_space.fiber.relay import relay_keys
from eqci_space.fiber.verify import delivery_worth, verify_relay
from eqci_space.scenario import Scenario
from eqci_space.schedule.sky_deposits import KeyPlaces
from eqci_space.tables import check_table

__all__ = ["verify_worlds"]

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
    starts, number = bin_starts(scenario), pd.Index([d.name for d in scenario.demands])
    for world in worlds:
        came = np.flatnonzero((key_bit[world] > 0) & (places.bin >= 0))
        deposits = pd.DataFrame({
            "time": starts[places.bin[came]], "edge": [edges[e] for e in places.edge[came]],
            "bit": key_bit[world, came], "contact_id": came.astype(str), "block": came.astype(str), "kind": "realised",
        }).astype({"edge": str})  # fmt: skip
        deposits = check_table(deposits, "DEPOSITS", "verify_worlds")
        relay = relay_keys(deposits, scenario, network=network, objective="weighted")
        verify_relay(relay, deposits, scenario, objective="weighted")
        rows = number.get_indexer(relay.delivery["demand"]), starts.get_indexer(relay.delivery["bin"])
        right = delivery_worth(relay.delivery, scenario)
        told = delivery_worth(relay.delivery.assign(delivered_bit=delivered_bit[world][rows]), scenario)
        if abs(told - right) > _RELATIVE * max(1.0, right):
            raise VerificationError(
                f"verify_worlds: what demands get in world {world} is worth {told:.6g}, by tables {right:.6g}"
            )

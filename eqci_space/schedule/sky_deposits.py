"""Where the key of contacts arrives in sampled skies: at their ends, or where blocks wait for several, at another's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from eqci_space.fiber.edges import block_closings, contact_arrivals
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.problem import arrival_places
from eqci_space.fiber.world_relay import WorldRelays, relay_worlds
from eqci_space.scenario import Scenario
from eqci_space.weather.skies import SkySamples

__all__ = ["KeyPlaces", "key_places", "placed_key", "places_of", "received_share", "relay_in_skies", "with_open_blocks"]


@dataclass(frozen=True)
class KeyPlaces:
    """Edges and bins into which key may fall.

    Attributes
    ----------
    edge, bin : (m,) int arrays
        A place per contact; where blocks wait, one per edge and bin.
    place : (n, n) int array or None
        Where blocks wait: the place of the key of a contact (row) whose block closes with another (column); -1 after
        the period.
    """

    edge: np.ndarray
    bin: np.ndarray
    place: np.ndarray | None = None


def key_places(contacts: pd.DataFrame, scenario: Scenario, problem: KeyFlowProblem) -> KeyPlaces:
    """Places of the key of contacts or candidates, in the order of their rows."""
    return places_of(*arrival_places(contacts, scenario, problem), scenario, problem)


def places_of(edge: np.ndarray, at: np.ndarray, scenario: Scenario, problem: KeyFlowProblem) -> KeyPlaces:
    """Places of key that falls into given edges, and into given bins if its block closes at once."""
    if scenario.protocol.block == "window":
        return KeyPlaces(edge, at)
    edges, number = np.unique(edge, return_inverse=True)
    bins = problem.supply_bit.shape[1]
    place = np.where(at >= 0, number[:, None] * bins + at, -1)
    return KeyPlaces(np.repeat(edges, bins), np.tile(np.arange(bins), len(edges)), place)


def received_share(sky: SkySamples, extra_loss_db: np.ndarray | float = 0.0) -> np.ndarray:
    """Share of the signal (W, n) that skies let through, and what a further loss leaves of it."""
    return (1 - sky.lost_share) * 10 ** (-(sky.extra_loss_db + extra_loss_db) / 10)


def with_open_blocks(
    contacts: pd.DataFrame, scenario: Scenario, key_bit: np.ndarray, received: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Key (W, n) less that of blocks which never close, and the contact with which the block of each closes.

    Parameters
    ----------
    contacts : DataFrame
    key_bit : (W, n) array
        What each brings to its block [bit].
    received : (W, n) array
        Of `received_share`.

    Returns
    -------
    (W, n) array, (W, n) int array or None
        None where every contact is a block of its own.
    """
    if scenario.protocol.block == "window":
        return key_bit, None
    arrivals, fill = contact_arrivals(contacts, scenario), contacts["block_fill"].to_numpy(dtype=float)
    closes = block_closings(arrivals["edge"].to_numpy(), pd.DatetimeIndex(arrivals["time"]), received * fill)
    return np.where(closes >= 0, key_bit, 0.0), closes


def placed_key(places: KeyPlaces, key_bit: np.ndarray, closes: np.ndarray | None) -> np.ndarray:
    """Key (W, m) [bit] by place."""
    if places.place is None or closes is None:
        return key_bit
    worlds, contacts = np.nonzero((closes >= 0) & (key_bit > 0))
    at = places.place[contacts, closes[worlds, contacts]]
    inside = at >= 0
    out = np.zeros((len(key_bit), len(places.edge)))
    np.add.at(out, (worlds[inside], at[inside]), key_bit[worlds[inside], contacts[inside]])
    return out


def relay_in_skies(
    contacts: pd.DataFrame, scenario: Scenario, problem: KeyFlowProblem, key_bit: np.ndarray, received: np.ndarray
) -> WorldRelays:
    """Relay, with foresight, of what contacts bring (W, n) [bit], of which a share (W, n) is received."""
    places = key_places(contacts, scenario, problem)
    closed = with_open_blocks(contacts, scenario, key_bit, received)
    return relay_worlds(problem, places.edge, places.bin, placed_key(places, *closed))

"""How contacts look through the sky: the airmass that their light crosses, and how high their satellite stands."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.linkbudget.terms import airmass_of
from eqci_space.scenario import Scenario, receivers_of
from eqci_space.schedule.parts import nanoseconds
from eqci_space.tables import second

__all__ = ["acquired_share", "with_looks"]

_COLUMNS = ("excess_airmass", "max_elevation_deg", "max_elevation_b_deg")


def with_looks(contacts: pd.DataFrame, budget: pd.DataFrame) -> pd.DataFrame:
    """Contacts with `excess_airmass` (beyond that of the zenith) and `max_elevation_deg`, from the slots of their time.

    The airmass is the mean over the light received, so that a loss in proportion to it takes as much of the counts as
    in every slot by itself, to first order. Of a dual downlink it is that of both lines together; `max_elevation_b_deg`
    is that over the second station, and NaN of other contacts.
    """
    slots = budget[["window_id", "time", "weight_s", "transmittance", "elevation_deg"]]
    columns = {"elevation_deg": slots["elevation_deg"].to_numpy()}
    excess, elevation = np.maximum(airmass_of(columns) - 1.0, 0.0), columns["elevation_deg"]
    light = (slots["weight_s"] * slots["transmittance"]).to_numpy()
    time, rows_of = nanoseconds(slots["time"]), slots.groupby("window_id", sort=False).indices
    start, end = nanoseconds(contacts["start"]), nanoseconds(contacts["end"])
    found = np.full((len(contacts), 3), np.nan)
    windows = (contacts["window_id"].to_numpy(dtype=object), second(contacts, "window_id_b"))
    for i in range(len(contacts)):
        seen = []
        for window in (w[i] for w in windows if w[i]):
            if window not in rows_of:
                raise TableError(f"with_looks: window '{window}' is not in the budget; make both from one")
            rows = rows_of[window]
            inside = rows[(time[rows] >= start[i]) & (time[rows] < end[i])]
            rows = inside if len(inside) else rows
            seen.append((np.average(excess[rows], weights=light[rows] + 1e-300), elevation[rows].max()))
        found[i, 0] = sum(value for value, _ in seen)
        found[i, 1 : 1 + len(seen)] = [top for _, top in seen]
    return contacts.assign(**dict(zip(_COLUMNS, found.T, strict=True)))


def acquired_share(contacts: pd.DataFrame, scenario: Scenario) -> np.ndarray:
    """Share of contacts (n,) like each that acquire, by `acquisition_failures` of the receivers, dual ones on both.

    Raises
    ------
    TableError
        A receiver fails by elevation, and the table does not say how high its satellites stand (`with_looks`).
    """
    acquired = np.ones(len(contacts))
    pairs = (("ogs", "max_elevation_deg"), ("ogs_b", "max_elevation_b_deg"))
    for stations, column in ((second(contacts, ogs), column) for ogs, column in pairs):
        for i, receiver in enumerate(receivers_of(scenario, contacts["satellite"], stations)):
            if receiver is None or not receiver.acquisition_failures:
                continue
            if column not in contacts:
                raise TableError(
                    f"acquired_share: contacts lack '{column}', by which receivers at '{stations[i]}' acquire; add it "
                    "with schedule.looks.with_looks(contacts, budget)"
                )
            elevation, share = np.array(receiver.acquisition_failures).T
            acquired[i] *= 1 - np.interp(contacts[column].iloc[i], elevation, share)
    return acquired

"""Decisions on the night: a backup flown in place of a contact whose station a forecast puts under cloud."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["night_choices"]


def night_choices(
    contacts: pd.DataFrame, clear: np.ndarray, *, skill: float, rng: np.random.Generator | int
) -> np.ndarray:
    """Contacts that are flown in every world when, hours before each pass, a forecast tells the sky of both stations.

    With probability `skill` the forecast of a contact and its backup is what comes, else it is their climate, which
    moves nobody (in the mean over worlds that is a forecast whose Brier skill score is `skill`). The backup is flown
    where the forecast puts the contact under cloud and the backup in the clear; of backups that share a window, or
    overlap at a satellite or a station, the first in time.

    Parameters
    ----------
    contacts : DataFrame
        CONTACTS that are planned, and their backups with `backup_of`.
    clear : (W, n) bool
        Whether the line of sight of each is clear in every world, for half of its signal at least.
    skill : float
        0 to 1.

    Returns
    -------
    (W, n) bool
    """
    planned = (contacts["status"] == "planned").to_numpy()
    flown = np.broadcast_to(planned, clear.shape).copy()
    backups = contacts[~planned].sort_values(["start", "backup_of"], kind="stable")
    known = np.random.default_rng(rng).random((len(clear), len(backups))) < skill
    taken: list[tuple[pd.Series, np.ndarray]] = []
    for knows, (name, backup) in zip(known.T, backups.iterrows(), strict=True):
        own, other = contacts.index.get_loc(backup["backup_of"]), contacts.index.get_loc(name)
        instead = knows & ~clear[:, own] & clear[:, other]
        for earlier, mine in taken:
            if _clash(backup, earlier):
                instead &= ~mine
        flown[instead, own], flown[instead, other] = False, True
        taken.append((backup, instead))
    return flown


def _clash(a: pd.Series, b: pd.Series) -> bool:
    """Whether two backups cannot both be flown."""
    stations = [{c["ogs"], c.get("ogs_b", "")} - {""} for c in (a, b)]
    same = a["satellite"] == b["satellite"] or bool(stations[0] & stations[1])
    once = a["window_id"] == b["window_id"] and len(stations[0]) == 1
    return bool(once or (same and a["start"] < b["end"] and b["start"] < a["end"]))

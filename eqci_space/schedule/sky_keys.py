"""Key of contacts and candidates in sampled skies: what cirrus and a link that differs leave of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.qkd.window_keys import part_responses
from eqci_space.scenario import Scenario
from eqci_space.weather.skies import SkySamples

__all__ = ["key_in_skies", "key_responses"]

_LOSSES_DB = np.arange(-6.0, 20.5, 0.5)


def key_responses(contacts: pd.DataFrame, budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Key of contacts or candidates by extra loss, at the parameters of their own row of KEYS or of their window's.

    Parameters
    ----------
    contacts : DataFrame
        CONTACTS or CANDIDATES, indexed by id.
    budget, keys : DataFrame
        BUDGET, and KEYS of the windows and, where they have any, of the parts.

    Returns
    -------
    DataFrame
        A row per contact, a column per loss from -6 to 20 dB [bit].
    """
    named = contacts.set_index("candidate_id") if "candidate_id" in contacts else contacts
    found = part_responses(named[["window_id", "start", "end"]], budget, keys, scenario, list(_LOSSES_DB))
    return found.set_axis(contacts.index)


def key_in_skies(
    contacts: pd.DataFrame, sky: SkySamples, responses: pd.DataFrame | None, *, link_loss_db: np.ndarray | None = None
) -> np.ndarray:
    """Key (trials, contacts) [bit]: zero where the sky blocks, less where cirrus or the link takes light.

    Parameters
    ----------
    contacts : DataFrame
        CONTACTS or CANDIDATES, rows as in `sky`.
    sky : SkySamples
    responses : DataFrame or None
        Of `key_responses`; without, whatever takes light takes the whole key.
    link_loss_db : (trials,) array, optional
        Loss of every trial beside the sky's.
    """
    loss = sky.extra_loss_db if link_loss_db is None else sky.extra_loss_db + link_loss_db[:, None]
    clear = contacts["skl_bit"].to_numpy(dtype=float)
    if responses is None:
        return np.where(sky.blocked | (loss > 0), 0.0, clear)
    steps = responses.columns.to_numpy(dtype=float)
    out = np.empty(loss.shape)
    for i, response in enumerate(responses.loc[contacts.index].to_numpy()):
        out[:, i] = np.interp(loss[:, i], steps, response, right=0.0)
    return np.where(sky.blocked, 0.0, out)

"""Key of contacts and candidates in sampled skies: what cirrus and a link that differs leave of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.qkd.window_keys import part_responses
from eqci_space.scenario import Scenario
from eqci_space.weather.skies import SkySamples

__all__ = ["key_in_skies", "key_responses", "with_responses", "without_key"]

_LOSSES_DB = np.arange(-6.0, 20.5, 0.5)
_CIRRUS_DB = (
    0.5,
    1.0,
    2.0,
    3.0,
    4.0,
    6.0,
    9.0,
    13.0,
)  # of candidates; straight between them


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


def with_responses(
    candidates: pd.DataFrame, budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario
) -> pd.DataFrame:
    """CANDIDATES with their key by what cirrus takes of the light, in columns such as ``skl_2db_bit`` [bit]."""
    found = part_responses(candidates[["window_id", "start", "end"]], budget, keys, scenario, list(_CIRRUS_DB))
    return candidates.assign(**{_column(x): found.to_numpy()[:, i] for i, x in enumerate(_CIRRUS_DB)})


def without_key(candidates: pd.DataFrame) -> pd.DataFrame:
    """Candidates that bring no key in any sky."""
    return candidates.assign(skl_bit=0.0, **{c: 0.0 for c in candidates.columns if _is_response(c)})


def _column(loss_db: float) -> str:
    return f"skl_{loss_db:g}db_bit"


def _is_response(column: str) -> bool:
    return column.startswith("skl_") and column.endswith("db_bit")


def _tabulated(contacts: pd.DataFrame) -> pd.DataFrame | None:
    """Key by extra loss [dB] that a table itself states; None where it states none."""
    columns = [c for c in contacts.columns if _is_response(c)]
    if not columns:
        return None
    losses = [float(c.removeprefix("skl_").removesuffix("db_bit")) for c in columns]
    # Rows without a response, joined to others, lose all where light is lost.
    stated = contacts[["skl_bit", *columns]].set_axis([0.0, *losses], axis=1)
    return stated[sorted(stated.columns)].fillna(0.0)


def key_in_skies(
    contacts: pd.DataFrame,
    sky: SkySamples,
    responses: pd.DataFrame | None = None,
    *,
    link_loss_db: np.ndarray | None = None,
) -> np.ndarray:
    """Key (trials, contacts) [bit]: zero where the sky blocks, less where cirrus or the link takes light.

    Parameters
    ----------
    contacts : DataFrame
        CONTACTS or CANDIDATES, rows as in `sky`.
    sky : SkySamples
    responses : DataFrame, optional
        Of `key_responses`; default those that the table states (`with_responses`). Without any, whatever takes light
        takes the whole key.
    link_loss_db : (trials,) array, optional
        Loss of every trial beside the sky's.
    """
    loss = sky.extra_loss_db if link_loss_db is None else sky.extra_loss_db + link_loss_db[:, None]
    clear = contacts["skl_bit"].to_numpy(dtype=float)
    responses = _tabulated(contacts) if responses is None else responses
    if responses is None:
        return np.where(sky.blocked | (loss > 0), 0.0, clear)
    steps = responses.columns.to_numpy(dtype=float)
    out = np.empty(loss.shape)
    for i, response in enumerate(responses.loc[contacts.index].to_numpy()):
        out[:, i] = np.interp(loss[:, i], steps, response, right=0.0)
    return np.where(sky.blocked, 0.0, out)

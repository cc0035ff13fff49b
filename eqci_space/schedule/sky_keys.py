"""Key of contacts and candidates in sampled skies: what cloud, cirrus and a link that differs leave of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from eqci_space.qkd.dual_downlink import contact_responses
from eqci_space.scenario import Scenario
from eqci_space.weather.skies import SkySamples

__all__ = ["KeyResponses", "key_in_skies", "key_responses", "with_responses", "without_key"]

_LOSSES_DB = np.arange(-6.0, 20.5, 0.5)
_CIRRUS_DB = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 13.0)  # of candidates; straight between them
_SEEN_SHARES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class KeyResponses:
    """What is left of the key of contacts [bit], by their ids.

    Attributes
    ----------
    under_loss : DataFrame
        A column per extra loss [dB].
    of_share : DataFrame
        A column per share of the signal that is seen, rising.
    """

    under_loss: pd.DataFrame
    of_share: pd.DataFrame


def key_responses(contacts: pd.DataFrame, budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario) -> KeyResponses:
    """Key of contacts by loss and by share seen, at the parameters of their own row of KEYS or of their window's.

    Parameters
    ----------
    contacts : DataFrame
        CONTACTS or CANDIDATES, indexed by id.
    budget, keys : DataFrame
        BUDGET, and KEYS of the windows and, where they have any, of the parts.

    Returns
    -------
    KeyResponses
        Losses from -6 to 20 dB, quarters of the signal.
    """
    named = contacts.set_index("candidate_id") if "candidate_id" in contacts else contacts
    return KeyResponses(*(found.set_axis(contacts.index) for found in _responses(named, budget, keys, scenario)))


def _responses(
    parts: pd.DataFrame, budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario,
    losses_db: np.ndarray = _LOSSES_DB,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    columns = ["window_id", "start", "end", *(["window_id_b"] if "window_id_b" in parts else [])]
    losses, shares = [*losses_db, *(0.0 for _ in _SEEN_SHARES)], [*(1.0 for _ in losses_db), *_SEEN_SHARES]
    found = contact_responses(parts[columns], budget, keys, scenario, losses, seen_share=shares)
    count = len(losses_db)
    return found.iloc[:, :count], found.iloc[:, count:].set_axis(list(_SEEN_SHARES), axis=1)


def with_responses(
    candidates: pd.DataFrame, budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario
) -> pd.DataFrame:
    """CANDIDATES with their key by what cirrus takes of the light, and by the share of the signal that cloud leaves.

    Columns such as ``skl_2db_bit`` and ``skl_75pct_bit`` [bit].
    """
    under_loss, of_share = _responses(candidates, budget, keys, scenario, np.array(_CIRRUS_DB))
    columns = {f"skl_{db:g}db_bit": under_loss[db] for db in _CIRRUS_DB}
    return candidates.assign(**columns, **{f"skl_{100 * share:g}pct_bit": of_share[share] for share in _SEEN_SHARES})


def without_key(candidates: pd.DataFrame) -> pd.DataFrame:
    """Candidates that bring no key in any sky."""
    stated = [*_stated(candidates, "db"), *_stated(candidates, "pct")]
    return candidates.assign(skl_bit=0.0, **dict.fromkeys(stated, 0.0))


def _stated(contacts: pd.DataFrame, unit: str) -> dict[str, float]:
    """Columns of a table that state key by loss (`unit` is db) or share seen (pct), with that value, rising."""
    end = f"{unit}_bit"
    named = [c for c in contacts.columns if c.startswith("skl_") and c.endswith(end)]
    return dict(sorted(((c, float(c.removeprefix("skl_").removesuffix(end))) for c in named), key=lambda x: x[1]))


def _tabulated(contacts: pd.DataFrame) -> KeyResponses | None:
    """What a table itself states; None where it states nothing."""
    losses, shares = _stated(contacts, "db"), _stated(contacts, "pct")
    if not losses and not shares:
        return None
    # Rows without a response, joined to others, lose all where light is lost.
    under_loss = contacts[["skl_bit", *losses]].set_axis([0.0, *losses.values()], axis=1).fillna(0.0)
    return KeyResponses(
        under_loss, contacts[[*shares]].set_axis([x / 100 for x in shares.values()], axis=1).fillna(0.0)
    )


def key_in_skies(
    contacts: pd.DataFrame,
    sky: SkySamples,
    responses: KeyResponses | None = None,
    *,
    link_loss_db: np.ndarray | None = None,
) -> np.ndarray:
    """Key (trials, contacts) [bit]: less where cloud blocks a part of the signal, or cirrus or the link takes light.

    A part of the signal counts as the loss that would leave as much key, to which other losses add.

    Parameters
    ----------
    contacts : DataFrame
        CONTACTS or CANDIDATES, rows as in `sky`.
    sky : SkySamples
    responses : KeyResponses, optional
        Default those that the table states (`with_responses`). Without any, whatever takes light takes the whole key.
    link_loss_db : (trials, contacts) array, optional
        Loss beside the sky's.
    """
    loss = sky.extra_loss_db if link_loss_db is None else sky.extra_loss_db + link_loss_db
    clear = contacts["skl_bit"].to_numpy(dtype=float)
    responses = _tabulated(contacts) if responses is None else responses
    if responses is None:
        return np.where((sky.blocked_share > 0) | (loss > 0), 0.0, clear)
    steps, shares = (x.columns.to_numpy(dtype=float) for x in (responses.under_loss, responses.of_share))
    under_loss, of_share = (x.loc[contacts.index].to_numpy() for x in (responses.under_loss, responses.of_share))
    out, seen = np.empty(loss.shape), 1 - sky.lost_share
    for i in range(len(contacts)):
        key = _key_of_share(seen[:, i], shares, of_share[i], np.interp(0.0, steps, under_loss[i]))
        worth_db = loss[:, i] + _worth_db(key, steps, under_loss[i])
        out[:, i] = np.where(loss[:, i] == 0, key, np.interp(worth_db, steps, under_loss[i], right=0.0))
    return out


def _key_of_share(seen: np.ndarray, shares: np.ndarray, of_share: np.ndarray, whole: float) -> np.ndarray:
    """Key of the shares of the signal that are seen; without any that are known a part brings none."""
    if not len(shares):
        return np.where(seen < 1, 0.0, whole)
    return np.interp(seen, [0.0, *shares, 1.0], [0.0, *of_share, whole])


def _worth_db(key: np.ndarray, steps: np.ndarray, under_loss: np.ndarray) -> np.ndarray:
    """Loss [dB] that would leave as much of a contact's key."""
    # Key falls as loss rises; once there is none, no loss brings it back.
    falling = np.minimum.accumulate(under_loss)
    worth = np.maximum(np.interp(-key, -falling, steps), 0.0)
    return np.where(key <= 0, np.inf, np.where(key >= np.interp(0.0, steps, under_loss), 0.0, worth))

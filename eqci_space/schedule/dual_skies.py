"""Skies over contacts with two stations: each line of sight is drawn by itself, and both have to be clear.

Everything that draws skies over contacts asks here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.scenario import Scenario
from eqci_space.tables import second
from eqci_space.weather.field import SkyModel
from eqci_space.weather.skies import ALL_QUARTERS, SkySamples, mean_clear, sample_sky

__all__ = ["contact_skies", "mean_contact_clear", "sky_legs", "with_chance"]

_LEG = ["window_id", "ogs", "start", "end", "p_clear"]


def sky_legs(contacts: pd.DataFrame) -> pd.DataFrame:
    """Lines of sight of CANDIDATES or CONTACTS: their rows, and after them the second stations of dual downlinks.

    Of a dual downlink `p_clear` is the chance of each line alone. Without any the table is returned as it is.
    """
    dual = second(contacts, "ogs_b") != ""
    if not dual.any():
        return contacts
    # Where a table does not say the chances of each line alone, both have the same, as if independent.
    alike = np.sqrt(contacts["p_clear"].to_numpy(dtype=float))
    own = [contacts[c].to_numpy(dtype=float) if c in contacts else alike for c in ("p_clear_a", "p_clear_b")]
    first = contacts.assign(p_clear=np.where(dual, own[0], contacts["p_clear"]))
    other = contacts[dual].assign(
        window_id=second(contacts, "window_id_b")[dual], ogs=second(contacts, "ogs_b")[dual], p_clear=own[1][dual]
    )
    other.index = other.index.astype(str) + " of the second station"
    return pd.concat([first[_LEG], other[_LEG]])


def contact_skies(
    contacts: pd.DataFrame,
    scenario: Scenario,
    *,
    trials: int,
    model: SkyModel | None = None,
    cover_logit_shift: np.ndarray | None = None,
    rng: np.random.Generator | int | None = None,
) -> SkySamples:
    """`sample_sky` of contacts: one of two stations is blocked where either line is, and has the losses of both.

    Parameters
    ----------
    contacts : DataFrame
        CANDIDATES or CONTACTS.
    cover_logit_shift : (trials, lines) array, optional
        By the rows of `sky_legs`.
    scenario, trials, model, rng
        As there.
    """
    legs = sky_legs(contacts)
    sky = sample_sky(legs, scenario, trials=trials, model=model, cover_logit_shift=cover_logit_shift, rng=rng)
    if legs is contacts:
        return sky
    count, dual = len(contacts), np.flatnonzero(second(contacts, "ogs_b") != "")
    quarters, loss = sky.blocked_quarters[:, :count].copy(), sky.extra_loss_db[:, :count].copy()
    quarters[:, dual] |= sky.blocked_quarters[:, count:]
    loss[:, dual] += sky.extra_loss_db[:, count:]
    loss[quarters == ALL_QUARTERS] = 0.0
    share = np.broadcast_to(sky.return_share, len(legs))
    slower = share[:count].copy()
    slower[dual] = np.maximum(slower[dual], share[count:])
    return SkySamples(quarters, loss, slower)


def mean_contact_clear(contacts: pd.DataFrame, scenario: Scenario, cover_logit_shift: np.ndarray) -> np.ndarray:
    """`mean_clear` of contacts (trials, contacts), the shift (trials, lines) by the rows of `sky_legs`.

    Of a dual downlink the correlation of the two lines' being clear stays what it is without a shift.
    """
    legs = sky_legs(contacts)
    clear = mean_clear(legs, scenario, cover_logit_shift)
    if legs is contacts:
        return clear
    count, dual = len(contacts), np.flatnonzero(second(contacts, "ogs_b") != "")
    usual = legs["p_clear"].to_numpy(dtype=float)
    both = contacts["p_clear"].to_numpy(dtype=float)[dual]
    a, b = usual[:count][dual], usual[count:]
    room = np.sqrt(a * (1 - a) * b * (1 - b))
    together = np.divide(both - a * b, room, out=np.zeros(len(dual)), where=room > 0)
    out, one, other = clear[:, :count].copy(), clear[:, :count][:, dual], clear[:, count:]
    joint = one * other + together * np.sqrt(one * (1 - one) * other * (1 - other))
    out[:, dual] = np.clip(joint, np.maximum(0.0, one + other - 1), np.minimum(one, other))
    return out


def with_chance(candidates: pd.DataFrame, p_clear: np.ndarray | pd.Series) -> pd.DataFrame:
    """Candidates with another chance of a clear sky; of dual downlinks both lines' chances move alike.

    Their logarithms keep their ratio to that of the chance of both.
    """
    found = candidates.assign(p_clear=p_clear)
    columns = [c for c in ("p_clear_a", "p_clear_b") if c in candidates]
    if not columns:
        return found
    old, new = (np.clip(t["p_clear"].to_numpy(dtype=float), 1e-12, 1 - 1e-12) for t in (candidates, found))
    power = np.log(new) / np.log(old)
    return found.assign(**{c: candidates[c].to_numpy(dtype=float) ** power for c in columns})

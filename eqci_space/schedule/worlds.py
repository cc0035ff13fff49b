"""Worlds in which a plan may find itself: skies, and the uncertain quantities that a scenario states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.scenario import Scenario, Uncertainty
from eqci_space.schedule.dual_skies import contact_skies, sky_legs
from eqci_space.schedule.looks import acquired_share
from eqci_space.weather.field import SkyModel
from eqci_space.weather.skies import SkySamples

__all__ = ["CLIMATE_CAUSES", "Worlds", "climate_shift", "sample_worlds", "uncertain_value"]

# A cause keeps its stream of random numbers, whatever others there are.
_STREAMS = {
    "link_loss_bias_db": 0, "availability": 1, "commissioning_factor": 2, "cloud_table_logit": 3,
    "interannual_logit": 4, "link_loss_airmass_db": 6,
}  # fmt: skip
_LOT = 5
CLIMATE_CAUSES = ("cloud_table_logit", "interannual_logit")


@dataclass(frozen=True)
class Worlds:
    """Sampled states: the sky, the further loss of each contact [dB], which take place, and the fibre's factor."""

    sky: SkySamples
    link_loss_db: np.ndarray
    takes_place: np.ndarray
    fibre_factor: np.ndarray


def sample_worlds(
    contacts: pd.DataFrame,
    scenario: Scenario,
    *,
    trials: int,
    only: str | None = None,
    model: SkyModel | None = None,
    rng: int = 0,
) -> Worlds:
    """Draw worlds for contacts; `only` keeps all but one cause at their usual values.

    Causes are ``sky`` and the quantities of the scenario's ``[[uncertainty]]`` tables. A trial does not depend on how
    many others are drawn. `model` is the sky's correlation, such as that of a fit. Where receivers fail to acquire, or
    the loss grows with the airmass, contacts come from `schedule.looks.with_looks`.
    """
    count = len(contacts)
    drawn, streams = _drawn(scenario, only), _streams(rng)
    shift = _cover_shift(contacts, drawn, streams, trials)
    sky = contact_skies(
        contacts, scenario, trials=trials, rng=rng, model=model, cover_logit_shift=shift if shift.any() else None
    )
    loss = np.repeat(_drawn_or(drawn, streams, "link_loss_bias_db", (trials, 1), 0.0), count, axis=1)
    if "link_loss_airmass_db" in drawn:
        slope = _draw(drawn["link_loss_airmass_db"], streams["link_loss_airmass_db"], (trials, 1))
        loss = loss + slope * _excess_airmass(contacts)
    available = np.clip(_drawn_or(drawn, streams, "availability", (trials,), 1.0), 0.0, 1.0)
    lot = np.random.default_rng(np.random.SeedSequence(rng, spawn_key=(_LOT,))).random((trials, count))
    fibre = _drawn_or(drawn, streams, "commissioning_factor", (trials,), 1.0)
    acquired = acquired_share(contacts, scenario) if only in (None, "availability") else np.ones(count)
    return Worlds(sky, loss, lot < available[:, None] * acquired, np.maximum(fibre, 0.0))


def _excess_airmass(contacts: pd.DataFrame) -> np.ndarray:
    if "excess_airmass" not in contacts:
        raise TableError(
            "sample_worlds: contacts lack 'excess_airmass', which link_loss_airmass_db goes by; add it with "
            "schedule.looks.with_looks(contacts, budget)"
        )
    return contacts["excess_airmass"].to_numpy(dtype=float)


def _drawn(scenario: Scenario, only: str | None) -> dict[str, Uncertainty]:
    return {str(u.quantity): u for u in scenario.uncertainties if only in (None, u.quantity)}


def _streams(seed: int) -> dict[str, np.random.Generator]:
    """A stream of its own for every cause."""
    return {name: np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,))) for name, i in _STREAMS.items()}


def climate_shift(
    contacts: pd.DataFrame, scenario: Scenario, *, trials: int, only: str | None = None, rng: int
) -> np.ndarray:
    """Errors of the climate (trials, lines of sight) in logits as `sample_worlds` draws them, by rows of `sky_legs`."""
    return _cover_shift(contacts, _drawn(scenario, only), _streams(rng), trials)


def _cover_shift(
    contacts: pd.DataFrame, drawn: dict[str, Uncertainty], streams: dict[str, np.random.Generator], trials: int
) -> np.ndarray:
    """Errors of the climate in logits by the rows of `sky_legs`: one per station, and one per year for all."""
    legs = sky_legs(contacts)
    stations = pd.unique(legs["ogs"])
    shift = np.zeros((trials, len(legs)))
    if "cloud_table_logit" in drawn:
        per_station = _draw(drawn["cloud_table_logit"], streams["cloud_table_logit"], (trials, len(stations)))
        shift += per_station[:, pd.Index(stations).get_indexer(legs["ogs"])]
    if "interannual_logit" in drawn:
        shift += _draw(drawn["interannual_logit"], streams["interannual_logit"], (trials, 1))
    return shift


def _drawn_or(
    drawn: dict[str, Uncertainty],
    streams: dict[str, np.random.Generator],
    name: str,
    shape: tuple[int, ...],
    usual: float,
) -> np.ndarray:
    return _draw(drawn[name], streams[name], shape) if name in drawn else np.full(shape, usual)


def _draw(uncertainty: Uncertainty, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    standard = rng.random if uncertainty.distribution == "uniform" else rng.standard_normal
    return uncertain_value(uncertainty, standard(shape))


def uncertain_value(uncertainty: Uncertainty, standard: np.ndarray | float) -> np.ndarray:
    """Values of an uncertainty for standard ones: shares in [0, 1] of a uniform distribution, else standard normal."""
    u = uncertainty
    if u.distribution == "uniform":
        return u.low + (u.high - u.low) * np.asarray(standard)
    normal = np.asarray(standard)
    return u.median * np.exp(u.sigma * normal) if u.distribution == "lognormal" else u.mean + u.sd * normal

"""Worlds in which a plan may find itself: skies, and the uncertain quantities that a scenario states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from eqci_space.scenario import Scenario, Uncertainty
from eqci_space.schedule.dual_skies import contact_skies, sky_legs
from eqci_space.weather.field import SkyModel
from eqci_space.weather.skies import SkySamples

__all__ = ["CLIMATE_CAUSES", "Worlds", "climate_shift", "sample_worlds", "uncertain_value"]

_CAUSES = ("link_loss_bias_db", "availability", "commissioning_factor", "cloud_table_logit", "interannual_logit")
CLIMATE_CAUSES = _CAUSES[3:]


@dataclass(frozen=True)
class Worlds:
    """Sampled states: the sky, and per trial the loss bias [dB], the contacts that take place, the fibre's factor."""

    sky: SkySamples
    link_loss_bias_db: np.ndarray
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
    many others are drawn. `model` is the sky's correlation, such as that of a fit.
    """
    count = len(contacts)
    drawn, streams = _drawn(scenario, only), _streams(rng)
    shift = _cover_shift(contacts, drawn, streams, trials)
    sky = contact_skies(
        contacts, scenario, trials=trials, rng=rng, model=model, cover_logit_shift=shift if shift.any() else None
    )
    bias = _drawn_or(drawn, streams, "link_loss_bias_db", (trials,), 0.0)
    available = np.clip(_drawn_or(drawn, streams, "availability", (trials,), 1.0), 0.0, 1.0)
    lot = np.random.default_rng(np.random.SeedSequence(rng, spawn_key=(len(_CAUSES),))).random((trials, count))
    fibre = _drawn_or(drawn, streams, "commissioning_factor", (trials,), 1.0)
    return Worlds(sky, bias, lot < available[:, None], np.maximum(fibre, 0.0))


def _drawn(scenario: Scenario, only: str | None) -> dict[str, Uncertainty]:
    return {str(u.quantity): u for u in scenario.uncertainties if only in (None, u.quantity)}


def _streams(seed: int) -> dict[str, np.random.Generator]:
    """A stream of its own for every cause."""
    return {name: np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,))) for i, name in enumerate(_CAUSES)}


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

"""Worlds of weather for a plan: which contacts a correlated sky blocks, and what cirrus costs the others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.scenario import Scenario
from eqci_space.weather.field import TRIALS_PER_BLOCK, SkyModel, sample_latent, spatial_factors
from eqci_space.weather.forecast import cloud_quantile
from eqci_space.weather.outlook import Outlook, outlook

__all__ = ["SkySamples", "cirrus_share", "mean_clear", "sample_sky"]

_DB_PER_NEPER = 10 / np.log(10)
_COVERS = np.linspace(0.005, 0.995, 100)
_LATENT = np.linspace(-4.5, 4.5, 181)
_FLATTEST_TANGENT = 1 / np.tan(np.radians(5.0))
_CIRRUS_MEDIAN, _CIRRUS_SPREAD, _CIRRUS_MOST = 0.25, 1.0, 3.0
_SMALLEST_LOGIT, _LARGEST_LOGIT = -5.0, 5.0


@dataclass(frozen=True)
class SkySamples:
    """Trials of the sky over candidates: (trials, candidates) flags and losses [dB], zero where blocked."""

    blocked: np.ndarray
    extra_loss_db: np.ndarray


def cirrus_share(latitude_deg: np.ndarray | float) -> np.ndarray:
    """Share of cloudy lines of sight that meet nothing but cirrus: 0.10 from 50 N on, 0.35 to 40 N.

    ERA5 total, low and middle cover at five places give 0.05 to 0.12 between 51 and 60 N, and 0.37 in Sardinia;
    straight between (assumed).
    """
    return np.asarray(np.interp(latitude_deg, [40.0, 50.0], [0.35, 0.10]))


def sample_sky(
    candidates: pd.DataFrame,
    scenario: Scenario,
    *,
    trials: int,
    model: SkyModel | None = None,
    cover_logit_shift: np.ndarray | None = None,
    rng: np.random.Generator | int | None = None,
) -> SkySamples:
    """Draw skies over the candidates of a scenario.

    One state of the sky per contact. Cloud fraction is the quantile of its beta distribution at the latent field
    (`weather.field`), drawn towards the forecast where there is one, or that of a past of the record; and the line of
    sight is clear with the probability that the fraction leaves it, at the elevation at which the mean over skies is
    the candidate's own `p_clear`. So the share of clear trials is `p_clear`, and neighbours in space and time share
    their weather. A part of what is cloudy is cirrus alone, which costs loss instead of blocking: optical depths
    log-normal about 0.25 with spread 1, at most 3 (assumed).

    Parameters
    ----------
    candidates : DataFrame
        CANDIDATES or CONTACTS.
    trials : int
        At least 1; a trial does not depend on how many others are drawn.
    cover_logit_shift : (trials, candidates) array, optional
        Shift of the mean cover in logits, such as errors of the climate table.
    rng : Generator or int

    Raises
    ------
    TableError
        `trials` is below 1, a station is unknown, or the shift has another shape.
    """
    for column in ("ogs", "start", "end", "p_clear"):
        if column not in candidates.columns:
            raise TableError(f"sample_sky: candidates lack '{column}'; expected CANDIDATES or CONTACTS")
    count = len(candidates)
    shape = None if cover_logit_shift is None else cover_logit_shift.shape
    if trials < 1 or shape not in (None, (trials, count)):
        raise TableError(
            f"sample_sky: trials = {trials}, cover_logit_shift of shape {shape}; expected at least one trial, and a "
            f"shift of shape ({trials}, {count})"
        )
    if scenario.weather.model == "clear_sky" or not count:
        return SkySamples(np.zeros((trials, count), dtype=bool), np.zeros((trials, count), dtype=np.float32))
    seed = int(np.random.default_rng(rng).integers(2**63))
    middle = pd.DatetimeIndex(candidates["start"] + (candidates["end"] - candidates["start"]) / 2)
    known = outlook(candidates["ogs"].to_numpy(), middle, scenario)
    clear = np.clip(candidates["p_clear"].to_numpy(dtype=float), 0.0, 1.0)
    if scenario.weather.model == "constant":
        known = replace(known, cover=np.clip(1 - clear, _COVERS[0], _COVERS[-1]))
    tangent = _tangents(known, clear)
    fraction = _fractions(known, middle, cover_logit_shift, model or SkyModel(), trials, seed)
    chance = (1 - fraction) ** (1 + (0.55 - fraction / 2) * tangent)
    chance[:, clear <= 0], chance[:, clear >= 1] = 0.0, 1.0
    lot, cirrus, depth = _lots(trials, count, seed)
    cloudy = lot > chance
    share = scenario.weather.cirrus_share
    thin = cloudy & (cirrus < (cirrus_share(known.places[known.place, 0]) if share is None else share))
    slant = np.sqrt(1 + tangent**2)
    loss = np.where(thin, _DB_PER_NEPER * np.minimum(depth, _CIRRUS_MOST) * slant, 0.0)
    return SkySamples(cloudy & ~thin, loss.astype(np.float32))


def mean_clear(candidates: pd.DataFrame, scenario: Scenario, cover_logit_shift: np.ndarray) -> np.ndarray:
    """Probability of a clear line of sight under shifts of the mean cover, without drawing skies.

    `cover_logit_shift` (trials, candidates), as in `sample_sky`, the result likewise. A shift of zero gives `p_clear`.
    """
    middle = pd.DatetimeIndex(candidates["start"] + (candidates["end"] - candidates["start"]) / 2)
    clear = np.clip(candidates["p_clear"].to_numpy(dtype=float), 0.0, 1.0)
    if scenario.weather.model == "clear_sky" or not len(candidates):
        return np.broadcast_to(clear, cover_logit_shift.shape)
    known = outlook(candidates["ogs"].to_numpy(), middle, scenario)
    if scenario.weather.model == "constant":
        known = replace(known, cover=np.clip(1 - clear, _COVERS[0], _COVERS[-1]))
    tangent = _tangents(known, clear)[:, None]
    reach = max(1e-6, float(np.abs(cover_logit_shift).max(initial=0.0)))
    steps = np.linspace(-reach, reach, 41)
    chance = np.empty((len(clear), len(steps)))
    for j, step in enumerate(steps):
        if known.past is None:
            s, weight = replace(known, cover=_shifted(known.cover, np.array(step))).covers()
        else:
            s, weight = known.covers()
            s = _shifted(s, np.array(step))
        chance[:, j] = ((1 - s) ** (1 + (0.55 - s / 2) * tangent) * weight).sum(axis=1)
    chance[clear <= 0], chance[clear >= 1] = 0.0, 1.0
    return np.column_stack([np.interp(cover_logit_shift[:, i], steps, row) for i, row in enumerate(chance)])


def _fractions(
    known: Outlook, middle: pd.DatetimeIndex, shift: np.ndarray | None, model: SkyModel, trials: int, seed: int
) -> np.ndarray:
    """Cloud fraction at every contact in every trial (trials, m)."""
    if known.past is not None:
        cover = known.past.drawn(trials, seed)
        return cover if shift is None else _shifted(cover, shift)
    hours = (middle - middle.min()) / pd.Timedelta(hours=1)
    latent = sample_latent(
        hours.to_numpy(dtype=float), known.place, spatial_factors(known.places[:, 0], known.places[:, 1], model), model,
        trials=trials, seed=seed,
    )  # fmt: skip
    if known.mean.any() or (known.spread != 1).any():
        latent = known.mean + known.spread * latent
    mean = known.cover if shift is None else _shifted(known.cover, shift)
    return _interpolated(latent, np.broadcast_to(mean, latent.shape))


def _shifted(cover: np.ndarray, logit_shift: np.ndarray) -> np.ndarray:
    """Cover moved in logits, 0 and 1 staying."""
    inner = np.clip(cover, 1e-12, 1 - 1e-12)
    logit = np.clip(np.log(inner / (1 - inner)) + logit_shift, _SMALLEST_LOGIT, _LARGEST_LOGIT)
    return np.where((cover <= 0) | (cover >= 1), cover, 1 / (1 + np.exp(-logit)))


def _tangents(known: Outlook, p_clear: np.ndarray) -> np.ndarray:
    """Tangent of the zenith angle at which the mean over what may come is the probability given, by bisection."""
    s, weight = known.covers()
    low, high = np.zeros(len(s)), np.full(len(s), _FLATTEST_TANGENT)
    for _ in range(40):
        middle = 0.5 * (low + high)
        mean = ((1 - s) ** (1 + (0.55 - s / 2) * middle[:, None]) * weight).sum(axis=1)
        low, high = np.where(mean > p_clear, middle, low), np.where(mean > p_clear, high, middle)
    return 0.5 * (low + high)


def _interpolated(latent: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Cloud fraction at latent values and mean covers, bilinear in a table of the quantiles."""
    table = cloud_quantile(_LATENT, _COVERS[:, None])
    x = np.clip((latent - _LATENT[0]) / (_LATENT[1] - _LATENT[0]), 0, len(_LATENT) - 1.001)
    y = np.clip((cover - _COVERS[0]) / (_COVERS[1] - _COVERS[0]), 0, len(_COVERS) - 1.001)
    i, j = y.astype(np.int32), x.astype(np.int32)
    u, v = y - i, x - j
    lower = (1 - v) * table[i, j] + v * table[i, j + 1]
    upper = (1 - v) * table[i + 1, j] + v * table[i + 1, j + 1]
    return (1 - u) * lower + u * upper


def _lots(trials: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Uniform draws for the line of sight and for cirrus, and optical depths; streams per block of trials."""
    parts = []
    for block in range(-(-trials // TRIALS_PER_BLOCK)):
        rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(block, 1))))
        uniform = rng.random((2, TRIALS_PER_BLOCK, count))
        depth = _CIRRUS_MEDIAN * np.exp(_CIRRUS_SPREAD * rng.standard_normal((TRIALS_PER_BLOCK, count)))
        parts.append((uniform[0], uniform[1], depth))
    lot, cirrus, depth = (np.concatenate(columns)[:trials] for columns in zip(*parts, strict=True))
    return lot, cirrus, depth

"""Worlds of weather for a plan: which contacts a correlated sky blocks, and what cirrus costs the others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import ndtri

from eqci_space.errors import TableError
from eqci_space.scenario import Scenario, receivers_of
from eqci_space.weather.field import SkyModel, sample_alone, sample_latent, spatial_factors
from eqci_space.weather.forecast import cloud_quantile
from eqci_space.weather.line_of_sight import seen_from_space, tangents_of_means
from eqci_space.weather.outlook import Outlook, outlook

__all__ = ["ALL_QUARTERS", "SkySamples", "cirrus_share", "mean_clear", "sample_sky", "shared_skies"]

_DB_PER_NEPER = 10 / np.log(10)
_COVERS = np.linspace(0.005, 0.995, 100)
_LATENT = np.linspace(-4.5, 4.5, 181)
_CIRRUS_MEDIAN, _CIRRUS_SPREAD, _CIRRUS_MOST = 0.25, 1.0, 3.0
_SMALLEST_LOGIT, _LARGEST_LOGIT = -5.0, 5.0
_ONE_SKY = pd.Timedelta("30min")
# Where in a contact the middles of the four quarters of its signal lie: medians of the shipped week's windows.
_QUARTER_MIDDLES = np.array([0.18, 0.40, 0.60, 0.82])
_QUARTERS = len(_QUARTER_MIDDLES)
_LOOK_NS = 20_000_000_000
ALL_QUARTERS = 0b1111
"""Bits of a contact that cloud blocks all along."""
_STREAMS = {"gap": 1, "cirrus": 2, "depth": 3}


@dataclass(frozen=True)
class SkySamples:
    """Trials of the sky over candidates, (trials, candidates).

    Attributes
    ----------
    blocked_quarters : uint8 array
        Bit k is set where cloud blocks quarter k of the signal.
    extra_loss_db : array
        Loss in cirrus [dB]; zero where cloud blocks all.
    return_share : (candidates,) array
        Share of the signal, at most a quarter, that it costs to acquire again each time cloud has gone.
    """

    blocked_quarters: np.ndarray
    extra_loss_db: np.ndarray
    return_share: np.ndarray | float = 0.0

    @property
    def blocked_share(self) -> np.ndarray:
        """Share of the signal that cloud blocks: 0 to 1 in quarters."""
        return np.bitwise_count(self.blocked_quarters).astype(np.float32) / _QUARTERS

    @property
    def lost_share(self) -> np.ndarray:
        """Share of the signal that cloud costs: what it blocks, and the time to acquire again each time it has gone."""
        cloudy = self.blocked_quarters
        returns = np.bitwise_count((cloudy << 1) & ~cloudy & ALL_QUARTERS)
        return self.blocked_share + returns * np.float32(self.return_share)


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

    One state of the sky per station and time. Cloud fraction is one for rows that overlap at a station
    (`shared_skies`): the quantile of its beta distribution at the latent field (`weather.field`), drawn towards the
    forecast where there is one, or that of a past of the record. The line of sight is clear with the probability that
    the fraction leaves it, at the elevation at which the mean over skies is the candidate's own `p_clear`. So the mean
    share that is clear is `p_clear`. Neighbours in space and time share their weather; which gap of a broken sky a line
    of sight meets is a process of its own at every station, and changes within `SkyModel.gap_tau_h`: it is looked up
    in the middle of each quarter of the signal, so that a contact may be blocked in part; behind cloud the link is
    acquired anew, which takes the receiver's `reacquisition_s`. A part of what is cloudy is
    cirrus alone, which costs loss instead of blocking: optical depths log-normal about 0.25 with spread 1, at most 3
    (assumed); a veil over part of a contact costs its part of the decibels.

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
        return SkySamples(np.zeros((trials, count), dtype=np.uint8), np.zeros((trials, count), dtype=np.float32))
    seed, sky = int(np.random.default_rng(rng).integers(2**63)), model or SkyModel()
    number = shared_skies(candidates)
    first, middle = _middles(candidates, number)
    known = outlook(candidates["ogs"].to_numpy()[first], middle, scenario)
    clear = np.clip(candidates["p_clear"].to_numpy(dtype=float), 0.0, 1.0)
    if scenario.weather.model == "constant":
        mean = np.bincount(number, clear) / np.bincount(number)
        known = replace(known, cover=np.clip(1 - mean, _COVERS[0], _COVERS[-1]))
    shift = None if cover_logit_shift is None else cover_logit_shift[:, first]
    lines, line = np.unique(np.column_stack([number, clear]), axis=0, return_inverse=True)
    own, clear = lines[:, 0].astype(int), lines[:, 1]
    tangent = tangents_of_means(clear, *(values[own] for values in known.covers()))
    fraction = _fractions(known, middle, shift, sky, trials, seed)[:, own]
    chance = seen_from_space(fraction, tangent)
    chance[:, clear <= 0], chance[:, clear >= 1] = 0.0, 1.0
    cloudy = _cloudy_quarters(candidates, known.place[number], ndtri(chance)[:, line.ravel()], sky, trials, seed)
    thin, loss = _veils(known, middle, sky, scenario, trials, seed)
    slant = np.sqrt(1 + tangent[line.ravel()] ** 2)
    thin, loss = thin[:, number], loss[:, number] * slant * np.bitwise_count(cloudy) / _QUARTERS
    return SkySamples(
        np.where(thin, 0, cloudy).astype(np.uint8), np.where(thin, loss, 0.0).astype(np.float32),
        _return_share(candidates, scenario),
    )  # fmt: skip


def _return_share(candidates: pd.DataFrame, scenario: Scenario) -> np.ndarray:
    """Share of the signal of each row that acquiring once more costs, its time counted as signal throughout."""
    satellites = candidates.get("satellite", pd.Series(scenario.satellites[0].name, index=candidates.index))
    again_s = np.array([r.reacquisition_s if r else 0.0 for r in receivers_of(scenario, satellites, candidates["ogs"])])
    length_s = (candidates["end"] - candidates["start"]).dt.total_seconds().to_numpy()
    return np.minimum(again_s / length_s, 1 / _QUARTERS).astype(np.float32)


def _cloudy_quarters(
    candidates: pd.DataFrame, place: np.ndarray, threshold: np.ndarray, model: SkyModel, trials: int, seed: int
) -> np.ndarray:
    """Quarters of each row's signal (trials, rows), as bits, whose line of sight is cloudy.

    Rows look at one sky, each at its own instants; they are told apart to 20 seconds.
    """
    start, end = (pd.DatetimeIndex(candidates[column]).as_unit("ns").asi8 for column in ("start", "end"))
    middles_ns = start[:, None] + np.outer(end - start, _QUARTER_MIDDLES)
    looks = np.column_stack([np.repeat(place, len(_QUARTER_MIDDLES)), middles_ns.ravel() // _LOOK_NS])
    looks, look_of = np.unique(looks.astype(np.int64), axis=0, return_inverse=True)
    hours = looks[:, 1] * (_LOOK_NS / 3.6e12)
    gap = sample_alone(
        hours - hours.min(), looks[:, 0], model.gap_tau_h, trials=trials, seed=_own_seed("gap", seed)
    )  # fmt: skip
    look_of = look_of.reshape(middles_ns.shape)
    cloudy = np.zeros(threshold.shape, dtype=np.uint8)
    for bit, look in enumerate(look_of.T):
        cloudy |= (gap[:, look] > threshold).astype(np.uint8) << bit
    return cloudy


def _veils(
    known: Outlook, middle: pd.DatetimeIndex, model: SkyModel, scenario: Scenario, trials: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Whether what clouds each sky is cirrus alone (trials, skies), and its loss upwards [dB]."""
    hours = ((middle - middle.min()) / pd.Timedelta(hours=1)).to_numpy(dtype=float)
    cirrus, depth = (
        sample_alone(hours, known.place, model.cirrus_tau_h, trials=trials, seed=_own_seed(stream, seed))
        for stream in ("cirrus", "depth")
    )
    share = scenario.weather.cirrus_share
    veil = cirrus_share(known.places[known.place, 0]) if share is None else np.full(len(middle), share)
    optical_depth = np.minimum(_CIRRUS_MEDIAN * np.exp(_CIRRUS_SPREAD * depth), _CIRRUS_MOST)
    return cirrus < ndtri(veil), _DB_PER_NEPER * optical_depth


def _own_seed(stream: str, seed: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=(_STREAMS[stream],)).generate_state(1, np.uint64)[0])


def shared_skies(candidates: pd.DataFrame) -> np.ndarray:
    """Number of the sky (n,) that each row of CANDIDATES or CONTACTS sees; rows of one station that overlap see one.

    Rows of one window always share theirs. Where overlaps go on and on, as under a large constellation, a new sky
    begins with the first window that starts half an hour or more after the sky did.
    """
    own = pd.Series(range(len(candidates)), index=candidates.index)
    code = pd.factorize(candidates.get("window_id", own))[0]
    spans = candidates[["ogs", "start", "end"]].groupby(code).agg({"ogs": "first", "start": "min", "end": "max"})
    skies, number = np.empty(len(spans), dtype=int), -1
    ogs, began, until = None, pd.Timestamp(0), pd.Timestamp(0)
    for window, station, start, end in spans.sort_values(["ogs", "start", "end"]).itertuples():
        if station != ogs or start >= until or start - began >= _ONE_SKY:
            number, ogs, began, until = number + 1, station, start, end
        until = max(until, end)
        skies[window] = number
    return skies[code]


def _middles(candidates: pd.DataFrame, number: np.ndarray) -> tuple[np.ndarray, pd.DatetimeIndex]:
    """First row of every sky, and the middle of the time that its rows span."""
    _, first = np.unique(number, return_index=True)
    start = candidates["start"].groupby(number).min()
    return first, pd.DatetimeIndex(start + (candidates["end"].groupby(number).max() - start) / 2)


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
    tangent = tangents_of_means(clear, *known.covers())[:, None]
    reach = max(1e-6, float(np.abs(cover_logit_shift).max(initial=0.0)))
    steps = np.linspace(-reach, reach, 41)
    chance = np.empty((len(clear), len(steps)))
    for j, step in enumerate(steps):
        if known.past is None:
            s, weight = replace(known, cover=_shifted(known.cover, np.array(step))).covers()
        else:
            s, weight = known.covers()
            s = _shifted(s, np.array(step))
        chance[:, j] = (seen_from_space(s, tangent) * weight).sum(axis=1)
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

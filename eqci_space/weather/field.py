"""Correlated skies: a Gaussian field in space and time behind the cloud of every station.

``Z_i(t) = √w1 X1_i(t) + √w2 X2_i(t)`` with stationary Gaussian X_k of correlation ``exp(-|Δt|/τ_k) C_k(d_ij)``: two
Ornstein-Uhlenbeck processes, exact for any step. Cloud is what exceeds a threshold or a quantile, so that every station
keeps its own climate. Weights, times, lengths and shape are fitted together: to the hourly autocorrelation of the
oktas of 15 German stations up to a day (DWD test reference years, rms 0.007), and to daily mean oktas of 12 European
lowland stations, seasons removed (ECA&D 2000 to 2009, Klein Tank et al. 2002): 66 pairs of one day with rms 0.052 and
bias +0.009, at 700 to 1,100 km 0.166 where 0.144 is observed, and at a lag of three days 0.146 where 0.135 is. Birch
et al. 2023 use a model of this family for eight ground stations.

How long a gap in the cloud stays in the line of sight, and a veil of cirrus, is assumed: no record here shows it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from eqci_space.errors import EqciWarning
from eqci_space.machine.kernels import kernel
from eqci_space.machine.workers import threads_per_process

__all__ = [
    "SkyModel",
    "distances_km",
    "hourly_blocked",
    "latent_correlation",
    "nearest_correlation",
    "repaired_correlation",
    "sample_alone",
    "sample_latent",
    "spatial_factors",
    "unpacked",
]

TRIALS_PER_BLOCK = 16
_EARTH_KM = 6371.0
_HOURS_PER_CHUNK = 730
_SMALLEST_EIGENVALUE = 1e-6
_ROUNDING = 1e-12
_PRODUCTS_AT_ONCE = 500_000
_WORTH_TELLING = 1e-3


@dataclass(frozen=True)
class SkyModel:
    """Correlation of the latent field: shares, times and lengths of its two parts, shape, nugget, and what is finer.

    Attributes
    ----------
    weights : (2,)
        Shares of variance, adding to 1: fast, slow.
    tau_h : (2,)
        Correlation times [h].
    length_km : (2,)
        Correlation lengths [km].
    nugget : float
        Part of the correlation lost at once between different places, 0 to 0.5.
    shape : float
        Power of the distance in the exponent, 0 (exclusive) to 2.
    gap_tau_h, cirrus_tau_h : float
        Correlation times [h] of a gap between clouds and of cirrus in one station's line of sight (assumed).
    """

    weights: tuple[float, float] = (0.672, 0.328)
    tau_h: tuple[float, float] = (9.85, 59.7)
    length_km: tuple[float, float] = (337.0, 918.0)
    nugget: float = 0.0
    shape: float = 1.5
    gap_tau_h: float = 0.33
    cirrus_tau_h: float = 3.0

    def __post_init__(self) -> None:
        if min(self.weights) < 0 or abs(sum(self.weights) - 1) > 1e-9:
            raise ValueError(f"SkyModel: weights = {self.weights}; expected shares that add to 1")
        positive = (*self.tau_h, *self.length_km, self.gap_tau_h, self.cirrus_tau_h)
        if min(positive) <= 0 or not 0 <= self.nugget <= 0.5 or not 0 < self.shape <= 2:
            raise ValueError(
                f"SkyModel: tau_h = {self.tau_h}, length_km = {self.length_km}, gap_tau_h = {self.gap_tau_h}, "
                f"cirrus_tau_h = {self.cirrus_tau_h}, nugget = {self.nugget}, shape = {self.shape}; expected positive "
                "times and lengths, a nugget of 0 to 0.5 and a shape above 0, at most 2"
            )

    def autocorrelation(self, lag_h: np.ndarray | float) -> np.ndarray:
        """Correlation of the latent field at one place over a time."""
        lag = np.abs(np.asarray(lag_h, dtype=float))
        return sum(
            (w * np.exp(-lag / tau) for w, tau in zip(self.weights, self.tau_h, strict=True)), np.zeros(lag.shape)
        )


def distances_km(latitude_deg: np.ndarray, longitude_deg: np.ndarray) -> np.ndarray:
    """Great-circle distances [km] between all places, (n, n)."""
    lat, lon = np.radians(np.asarray(latitude_deg, dtype=float)), np.radians(np.asarray(longitude_deg, dtype=float))
    half = (
        np.sin((lat[:, None] - lat) / 2) ** 2
        + np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    )
    return 2 * _EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))


def latent_correlation(
    distance_km: np.ndarray, length_km: float, nugget: float = 0.0, shape: float = 1.0
) -> np.ndarray:
    """``(1 - nugget) exp(-(d/L)^shape)``, 1 on the diagonal: 0.47 at 500 km for L = 657 km and a shape of 1.

    Two stations at one place share their sky: off the diagonal a distance of zero has no nugget either.
    """
    distance = np.asarray(distance_km, dtype=float)
    return np.where(distance == 0, 1.0, (1 - nugget) * np.exp(-((distance / length_km) ** shape)))


def nearest_correlation(matrix: np.ndarray) -> tuple[np.ndarray, float]:
    """A correlation matrix near a given one, and the largest change of an entry.

    A given matrix without negative eigenvalues is one already, and returned as it is: places may share their sky.
    Otherwise eigenvalues below 1e-6 are lifted to it and the diagonal scaled back to 1 (Rebonato and Jaeckel 1999).

    Raises
    ------
    ValueError
        The matrix is not square and symmetric with ones on the diagonal and entries from -1 to 1.
    """
    given = np.asarray(matrix, dtype=float)
    if given.ndim != 2 or given.shape[0] != given.shape[1] or not np.isfinite(given).all():
        raise ValueError(f"nearest_correlation: shape {given.shape}; expected a square matrix of finite numbers")
    skew = float(np.abs(given - given.T).max(initial=0.0))
    if skew > 1e-8 or np.abs(np.diag(given) - 1).max(initial=0.0) > 1e-8 or np.abs(given).max(initial=0.0) > 1 + 1e-8:
        raise ValueError(
            f"nearest_correlation: asymmetry {skew:.2g}, diagonal {np.diag(given).min():g} to "
            f"{np.diag(given).max():g}, largest entry {np.abs(given).max():g}; expected a symmetric matrix, ones on "
            "its diagonal, none beyond 1"
        )
    value, vector = np.linalg.eigh(given)
    if value.min(initial=1.0) >= -_ROUNDING:
        return given, 0.0
    lifted = (vector * np.maximum(value, _SMALLEST_EIGENVALUE)) @ vector.T
    scale = 1 / np.sqrt(np.diag(lifted))
    mended = lifted * np.outer(scale, scale)
    np.fill_diagonal(mended, 1.0)
    return mended, float(np.abs(mended - given).max())


def repaired_correlation(matrix: np.ndarray, where: str) -> np.ndarray:
    """`nearest_correlation`, which says so where an entry moved by more than 0.001.

    Warns
    -----
    EqciWarning
        The matrix has a negative eigenvalue.
    """
    mended, change = nearest_correlation(matrix)
    if change > _WORTH_TELLING:
        warnings.warn(
            f"{where}: the correlation matrix has a negative eigenvalue; the nearest without is used, its entries "
            f"moved by up to {change:.2g}",
            EqciWarning,
            stacklevel=3,
        )
    return mended


def spatial_factors(
    latitude_deg: np.ndarray, longitude_deg: np.ndarray, model: SkyModel, *, slow: np.ndarray | None = None
) -> np.ndarray:
    """Factors F_k (2, n, n) with ``F_k F_kᵀ = C_k``; places may coincide. `slow` replaces C_2 by a measured matrix."""
    distance = distances_km(latitude_deg, longitude_deg)
    matrices = [latent_correlation(distance, length, model.nugget, model.shape) for length in model.length_km]
    if slow is not None:
        if np.shape(slow) != distance.shape:
            raise ValueError(f"spatial_factors: slow of shape {np.shape(slow)}; expected {distance.shape}")
        matrices[1] = repaired_correlation(slow, "spatial_factors: slow")
    factors = []
    for matrix in matrices:
        value, vector = np.linalg.eigh(matrix)
        factors.append(vector * np.sqrt(np.maximum(value, 0.0)))
    return np.stack(factors)


def _generator(seed: int, block: int) -> np.random.Generator:
    """One stream per block of trials, whoever works on it."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(block,))))


def sample_latent(
    time_h: np.ndarray, place: np.ndarray, factors: np.ndarray, model: SkyModel, *, trials: int, seed: int
) -> np.ndarray:
    """Latent field at events, (trials, events), float32.

    The process steps from one event time to the next, exactly, so that times may be irregular and equal times share one
    state. A trial does not depend on how many others are drawn.

    Parameters
    ----------
    time_h : (m,) array
        Times of the events [h], any order.
    place : (m,) integer array
        Place of each event.
    factors : (2, n, n) array
        Of `spatial_factors`.
    """
    order = np.argsort(time_h, kind="stable")
    steps, first = np.unique(np.asarray(time_h, dtype=float)[order], return_index=True)
    groups = np.split(order, first[1:])
    out = np.empty((trials, len(order)), dtype=np.float32)

    def fill(block: int) -> None:
        rng = _generator(seed, block)
        begin, end = block * TRIALS_PER_BLOCK, min((block + 1) * TRIALS_PER_BLOCK, trials)
        state, last = np.zeros((2, TRIALS_PER_BLOCK, factors.shape[1])), -np.inf
        for when, events in zip(steps, groups, strict=True):
            noise = rng.standard_normal(state.shape) @ factors.transpose(0, 2, 1)
            keep = np.exp(-(when - last) / np.array(model.tau_h))[:, None, None]
            state = keep * state + np.sqrt(1 - keep**2) * noise
            latent = np.sqrt(model.weights[0]) * state[0] + np.sqrt(model.weights[1]) * state[1]
            out[begin:end, events] = latent[: end - begin, place[events]]
            last = when

    _over_blocks(fill, trials)
    return out


def sample_alone(time_h: np.ndarray, place: np.ndarray, tau_h: float, *, trials: int, seed: int) -> np.ndarray:
    """Standard normal values at events, (trials, events), float32, with memory at each place and none between places.

    Ornstein-Uhlenbeck, exact for any step; equal times at a place share one value. A trial does not depend on how many
    others are drawn.

    Parameters
    ----------
    time_h : (m,) array
        Times of the events [h], any order.
    place : (m,) integer array
        Place of each event.
    tau_h : float
        Correlation time [h], > 0.
    """
    order = np.lexsort((time_h, place))
    when, where = np.asarray(time_h, dtype=float)[order], np.asarray(place)[order]
    keep = np.exp(-np.diff(when, prepend=when[:1]) / tau_h)
    keep[np.flatnonzero(np.diff(where, prepend=-1))] = 0.0
    out = np.empty((trials, len(order)), dtype=np.float32)

    def fill(block: int) -> None:
        noise = _generator(seed, block).standard_normal((len(order), TRIALS_PER_BLOCK), dtype=np.float32)
        begin, end = block * TRIALS_PER_BLOCK, min((block + 1) * TRIALS_PER_BLOCK, trials)
        out[begin:end, order] = _chained(noise, keep)[:, : end - begin].T

    _over_blocks(fill, trials)
    return out


@kernel
def _chained(noise, keep):  # type: ignore[no-untyped-def]
    """Every row keeps its part of the row before; the noise is overwritten."""
    for e in range(1, noise.shape[0]):
        gain = np.sqrt(1 - keep[e] * keep[e])
        for r in range(noise.shape[1]):
            noise[e, r] = keep[e] * noise[e - 1, r] + gain * noise[e, r]
    return noise


def _over_blocks(func, trials: int) -> None:  # type: ignore[no-untyped-def]
    blocks = range(-(-trials // TRIALS_PER_BLOCK))
    with ThreadPoolExecutor(max_workers=threads_per_process()) as pool:
        for _ in pool.map(func, blocks):
            pass


def hourly_blocked(
    threshold: np.ndarray, factors: np.ndarray, model: SkyModel, *, trials: int, seed: int
) -> Iterator[np.ndarray]:
    """Whether the latent field exceeds a threshold, hour by hour, as packed bits; memory flat in the number of trials.

    Parameters
    ----------
    threshold : (hours, n) array
        Latent threshold of every hour and place, such as ``Φ⁻¹(1 - p_cloudy)``; infinite ones are allowed.

    Yields
    ------
    (b, n, ceil(hours/8)) uint8 array
        `b` trials, 16 except at the end; bit h % 8 of byte h // 8 is hour h. `unpacked` turns it into flags.
    """
    limits = np.ascontiguousarray(threshold, dtype=np.float32)
    blocks = -(-trials // TRIALS_PER_BLOCK)
    with ThreadPoolExecutor(max_workers=threads_per_process()) as pool:
        workers = threads_per_process()
        for begin in range(0, blocks, workers):
            batch = range(begin, min(begin + workers, blocks))
            done = list(pool.map(lambda b: _hourly_block(limits, factors, model, seed, b), batch))
            for block, bits in zip(batch, done, strict=True):
                yield bits[: min(TRIALS_PER_BLOCK, trials - block * TRIALS_PER_BLOCK)]


def _hourly_block(threshold: np.ndarray, factors: np.ndarray, model: SkyModel, seed: int, block: int) -> np.ndarray:
    rng = _generator(seed, block)
    hours, places = threshold.shape
    keep = np.exp(-1 / np.array(model.tau_h, dtype=np.float32)).astype(np.float32)
    share = np.sqrt(np.array(model.weights, dtype=np.float32))
    transposed = factors.transpose(0, 2, 1).astype(np.float32)
    state = np.stack([rng.standard_normal((TRIALS_PER_BLOCK, places), dtype=np.float32) @ f for f in transposed])
    bits = np.zeros((TRIALS_PER_BLOCK, places, -(-hours // 8)), dtype=np.uint8)
    normals = np.empty((_HOURS_PER_CHUNK * TRIALS_PER_BLOCK, places), dtype=np.float32)
    noise = np.empty((2, *normals.shape), dtype=np.float32)
    for begin in range(0, hours, _HOURS_PER_CHUNK):
        count = min(_HOURS_PER_CHUNK, hours - begin)
        for k in range(2):
            part = normals[: count * TRIALS_PER_BLOCK]
            rng.standard_normal(dtype=np.float32, out=part)
            _correlate(part, transposed[k], noise[k, : len(part)])
        fast, slow = noise[:, : count * TRIALS_PER_BLOCK].reshape(2, count, TRIALS_PER_BLOCK, places)
        _step_hours(state, fast, slow, keep, share, threshold, begin, bits)
    return bits


def _correlate(normals: np.ndarray, transposed: np.ndarray, out: np.ndarray) -> None:
    """Product of rows and a factor, in parts too small for the linear algebra library to start threads of its own.

    Its threads wait for those that work on other blocks: years of 30 stations took six times as long.
    """
    rows = max(TRIALS_PER_BLOCK, _PRODUCTS_AT_ONCE // transposed.size)
    for begin in range(0, len(normals), rows):
        np.matmul(normals[begin : begin + rows], transposed, out=out[begin : begin + rows])


@kernel
def _step_hours(state, fast, slow, keep, share, threshold, begin, bits):  # type: ignore[no-untyped-def]
    """Advance the field hour by hour; set a bit where it exceeds the threshold."""
    gain0, gain1 = np.sqrt(1 - keep[0] * keep[0]), np.sqrt(1 - keep[1] * keep[1])
    for t in range(fast.shape[0]):
        hour = begin + t
        byte, mask = hour // 8, np.uint8(1 << (hour % 8))
        for r in range(fast.shape[1]):
            for i in range(fast.shape[2]):
                if hour > 0:
                    state[0, r, i] = keep[0] * state[0, r, i] + gain0 * fast[t, r, i]
                    state[1, r, i] = keep[1] * state[1, r, i] + gain1 * slow[t, r, i]
                if share[0] * state[0, r, i] + share[1] * state[1, r, i] > threshold[hour, i]:
                    bits[r, i, byte] |= mask


def unpacked(bits: np.ndarray, hours: int) -> np.ndarray:
    """Flags (trials, n, hours) of packed ones."""
    return np.unpackbits(bits, axis=-1, count=hours, bitorder="little").astype(bool)

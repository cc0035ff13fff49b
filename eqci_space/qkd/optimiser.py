"""Best protocol parameters of a block, or of several that share them.

Nelder-Mead on the signed length in logistic coordinates. The starts are the best points of a coarse grid, one for each
level of the first intensity's probability, because noisy short blocks have their optimum where the second intensity is
sent mostly. The signed objective keeps a slope where there is no key, so that no start is lost there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqci_space.kernels import kernel
from eqci_space.qkd.blocks import BlockTable
from eqci_space.qkd.decoy import DecoyParameters, KeyResult, key_result, signed_length, table_counts
from eqci_space.qkd.security import SecurityParameters

__all__ = [
    "ParameterLimits",
    "block_value",
    "from_free",
    "grid_starts",
    "nearest_parameters",
    "nelder_mead",
    "optimise_common",
    "optimise_key",
    "settled",
    "to_free",
    "without_steps",
]

Limit = tuple[float, float]


@dataclass(frozen=True)
class ParameterLimits:
    """What the transmitter can do: the range of each parameter, a fixed third intensity, and the number of decoys.

    Equal ends fix a parameter. Within the limits p1 + p2 stays below 1 (with one decoy it is 1, and the limits of p2
    are not used) and μ2 + μ3 below μ1. Free parameters keep away from these ends, and from 0 and 1, by 1e-4 of the room
    there is: with infinitely many pulses the best transmitter would send next to no decoys, and next to dark ones.
    """

    key_basis_probability: Limit = (0.0, 1.0)
    probability_1: Limit = (0.0, 1.0)
    probability_2: Limit = (0.0, 1.0)
    intensity_1: Limit = (0.0, 1.0)
    intensity_2: Limit = (0.0, 1.0)
    intensity_3: float = 0.0
    decoys: int = 2

    def __post_init__(self) -> None:
        for name in _FREE:
            low, high = getattr(self, name)
            if not 0 <= low <= high <= 1:
                raise ValueError(f"ParameterLimits: {name} = ({low}, {high}); expected 0 <= lower <= upper <= 1")
            if high == 0 or (low == 1 and name != "intensity_1"):
                raise ValueError(f"ParameterLimits: {name} is fixed at {low}; expected that it can lie between 0 and 1")
        if self.decoys not in (1, 2):
            raise ValueError(f"ParameterLimits: decoys = {self.decoys}; expected 1 or 2")
        if self.decoys == 2 and self.probability_1[0] + self.probability_2[0] >= 1:
            raise ValueError(
                f"ParameterLimits: p1 from {self.probability_1[0]} and p2 from {self.probability_2[0]} on leave "
                "nothing for the third intensity; expected lower ends that add to less than 1"
            )
        if not 0 <= self.intensity_3 < self.intensity_2[1] or self._least_sum() >= self.intensity_1[1]:
            raise ValueError(
                f"ParameterLimits: intensity_3 = {self.intensity_3}, intensity_2 = {self.intensity_2}, intensity_1 = "
                f"{self.intensity_1}; expected that μ3 < μ2 and μ2 + μ3 < μ1 are possible"
            )

    def _least_sum(self) -> float:
        return max(self.intensity_2[0], self.intensity_3) + self.intensity_3

    @classmethod
    def fixed(cls, parameters: DecoyParameters) -> ParameterLimits:
        """Limits that leave no choice."""
        values = {name: (getattr(parameters, name),) * 2 for name in _FREE}
        return cls(**values, intensity_3=parameters.intensity_3, decoys=parameters.decoys)

    def as_array(self) -> np.ndarray:
        """For the kernels: rows of lower and upper ends, and a row of μ3 and the number of decoys."""
        return np.array([*(getattr(self, name) for name in _FREE), (self.intensity_3, self.decoys)])


_FREE = ("key_basis_probability", "probability_1", "probability_2", "intensity_1", "intensity_2")
_FREEDOM = len(_FREE)
# The coarse grid: key-basis probability, p1, share of p2 in the rest, μ1, share of μ2 in μ1. The last two levels of p1
# serve one decoy only, whose noisy windows want the bright intensity rarely, or all light faint.
_GRID_BASIS = np.array([0.4, 0.65, 0.9])
_GRID_P1 = np.array([0.08, 0.35, 0.62, 0.88, 0.95, 0.005, 0.7])
_GRID_DIMMED = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.3])  # factor of μ1
_LEVELS_ONE_DECOY = 2
_GRID_P2_SHARE = np.array([0.5, 0.9])
_GRID_MU1 = np.array([0.33, 0.5, 0.7])
_GRID_MU2_SHARE = np.array([0.15, 0.32])
_START_REACH = 3.0
_DISTANCE = 1e-4
_LEAST_WIDTH = 0.01
_ROUNDS = 6


def optimise_key(
    block: BlockTable,
    security: SecurityParameters | None = None,
    *,
    limits: ParameterLimits | None = None,
    start: DecoyParameters | None = None,
    extra_loss_db: float = 0.0,
) -> KeyResult:
    """Largest secret key length of a block over the free parameters, unfloored and before authentication.

    `start` is tried beside the grid. `extra_loss_db`, from -6 dB on, weakens the signal of the block.
    """
    return optimise_common([block], security, limits=limits, start=start, extra_loss_db=extra_loss_db)[0]


def optimise_common(
    blocks: Sequence[BlockTable],
    security: SecurityParameters | None = None,
    *,
    limits: ParameterLimits | None = None,
    start: DecoyParameters | None = None,
    extra_loss_db: float = 0.0,
) -> list[KeyResult]:
    """One parameter set for several blocks: the largest sum of their keys, blocks without key counting nothing.

    What hardware with fixed intensities and splitting ratios can do.

    Raises
    ------
    ValueError
        No block is given, or the blocks differ in afterpulse probability.
    """
    security, limits = security or SecurityParameters(), limits or ParameterLimits()
    afterpulse = {b.afterpulse_probability for b in blocks}
    if len(afterpulse) != 1:
        raise ValueError(
            f"optimise_common: {len(blocks)} blocks with afterpulse probabilities {sorted(afterpulse)}; expected at "
            "least one block, and one receiver"
        )
    given = np.empty((0, 7)) if start is None else start.as_array()[None, :]
    tables = np.stack([b.series for b in blocks])
    light = blocks[0].light(extra_loss_db)
    x = _optimise(tables, light, security.as_array(), limits.as_array(), given)
    return [key_result(table_counts(b.series, light, x), x, security) for b in blocks]


def nearest_parameters(parameters: DecoyParameters, limits: ParameterLimits) -> DecoyParameters:
    """What a transmitter sends that comes close to given parameters: each moved into its range."""
    rows = limits.as_array()
    return DecoyParameters.from_array(from_free(to_free(parameters.as_array(), rows), rows))


@kernel
def _logit(p):  # type: ignore[no-untyped-def]
    p = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


@kernel
def _logistic(y):  # type: ignore[no-untyped-def]
    return 1.0 / (1.0 + math.exp(-min(max(y, -25.0), 25.0)))


@kernel
def _bounds(x, i, limits):  # type: ignore[no-untyped-def]
    """Range of parameter i, given those before it: room for p2 beside p1, and for μ2 between μ3 and μ1 - μ3.

    The ends that the protocol sets keep a distance, those that the transmitter sets are reached.
    """
    least, most = 0.0, 1.0
    if i == 1 and limits[5, 1] > 1.5:
        most = 1 - limits[2, 0]
    if i == 2:
        most = 1 - x[1]
    if i == 3:
        least = max(limits[4, 0], limits[5, 0]) + limits[5, 0] + _LEAST_WIDTH
    if i == 4:
        least, most = limits[5, 0], x[3] - limits[5, 0]
    low = max(limits[i, 0], least + _DISTANCE * (most - least))
    high = min(limits[i, 1], most - _DISTANCE * (most - least))
    if low > high:  # the transmitter leaves no choice
        low = high = limits[i, 0] if limits[i, 0] > high else limits[i, 1]
    return low, high


@kernel
def to_free(x, limits):  # type: ignore[no-untyped-def]
    """Unbounded coordinates of parameters."""
    out = np.zeros(5)
    for i in range(5):
        low, high = _bounds(x, i, limits)
        if high > low:
            out[i] = _logit((x[i] - low) / (high - low))
    return out


@kernel
def from_free(y, limits):  # type: ignore[no-untyped-def]
    """Inverse of `to_free`, in the kernels' form of parameters."""
    out = np.empty(7)
    out[5], out[6] = limits[5, 0], limits[5, 1]
    for i in range(5):
        low, high = _bounds(out, i, limits)
        out[i] = low + (high - low) * _logistic(y[i])
    if out[6] < 1.5:
        out[2] = 1 - out[1]
    return out


@kernel
def block_value(tables, light, security, x):  # type: ignore[no-untyped-def]
    """Sum of the positive key lengths of the blocks, or the largest of the signed ones where none is positive."""
    total, best = 0.0, -1e300
    for t in range(tables.shape[0]):
        length = signed_length(table_counts(tables[t], light, x), x, security)[0]
        total += max(length, 0.0)
        best = max(best, length)
    return total if total > 0 else best


@kernel
def nelder_mead(tables, light, security, limits, y0, size):  # type: ignore[no-untyped-def]
    """Maximum of `block_value` from y0 by the simplex method with standard coefficients."""
    n = 5
    simplex = np.empty((n + 1, n))
    value = np.empty(n + 1)
    for i in range(n + 1):
        simplex[i] = y0
        if i > 0:
            simplex[i, i - 1] += size
        value[i] = -block_value(tables, light, security, from_free(simplex[i], limits))
    for _ in range(600):
        order = np.argsort(value)
        simplex, value = simplex[order], value[order]
        if value[n] - value[0] <= 1e-9 * abs(value[0]) + 1e-9:
            break
        centre = np.zeros(n)
        for i in range(n):
            centre += simplex[i] / n
        mirrored = 2 * centre - simplex[n]
        f = -block_value(tables, light, security, from_free(mirrored, limits))
        if f < value[0]:
            further = 3 * centre - 2 * simplex[n]
            g = -block_value(tables, light, security, from_free(further, limits))
            if g < f:
                simplex[n], value[n] = further, g
            else:
                simplex[n], value[n] = mirrored, f
            continue
        if f < value[n - 1]:
            simplex[n], value[n] = mirrored, f
            continue
        near = 0.5 * (centre + (mirrored if f < value[n] else simplex[n]))
        g = -block_value(tables, light, security, from_free(near, limits))
        if g < min(f, value[n]):
            simplex[n], value[n] = near, g
            continue
        for i in range(1, n + 1):
            simplex[i] = 0.5 * (simplex[i] + simplex[0])
            value[i] = -block_value(tables, light, security, from_free(simplex[i], limits))
    best = np.argmin(value)
    return simplex[best], -value[best]


@kernel
def _off_the_ends(y):  # type: ignore[no-untyped-def]
    """Coordinates from which a search can leave: at the end of a range they are flat."""
    return np.minimum(np.maximum(y, -_START_REACH), _START_REACH)


@kernel
def _grid_point(i, basis, share, mu1, mu2_share, limits):  # type: ignore[no-untyped-def]
    """A point of the coarse grid, moved into the limits."""
    bright = _GRID_MU1[mu1] * _GRID_DIMMED[i]
    x = np.array([
        _GRID_BASIS[basis], _GRID_P1[i], (1 - _GRID_P1[i]) * _GRID_P2_SHARE[share], bright,
        bright * _GRID_MU2_SHARE[mu2_share], limits[5, 0], limits[5, 1],
    ])  # fmt: skip
    return from_free(_off_the_ends(to_free(x, limits)), limits)


@kernel
def grid_starts(tables, light, security, limits):  # type: ignore[no-untyped-def]
    """Best point of the coarse grid for every level of p1, and its value."""
    two = limits[5, 1] > 1.5
    levels = _GRID_P1.size - (_LEVELS_ONE_DECOY if two else 0)
    starts, values = np.empty((levels, 7)), np.full(levels, -1e300)
    for i in range(levels):
        for basis in range(_GRID_BASIS.size):
            for share in range(_GRID_P2_SHARE.size if two else 1):
                for mu1 in range(_GRID_MU1.size):
                    for mu2_share in range(_GRID_MU2_SHARE.size):
                        x = _grid_point(i, basis, share, mu1, mu2_share, limits)
                        value = block_value(tables, light, security, x)
                        if value > values[i]:
                            values[i] = value
                            starts[i] = x
    return starts, values


@kernel
def without_steps(security):  # type: ignore[no-untyped-def]
    """Security parameters for the search: the one-shot leakage interpolated."""
    smooth = security.copy()
    if smooth[4] == 0:
        smooth[4] = 2
    return smooth


@kernel
def settled(tables, light, security, limits, y):  # type: ignore[no-untyped-def]
    """Parameters near those of the search, the steps counted."""
    best_y, best = y, block_value(tables, light, security, from_free(y, limits))
    for size in (0.1, 0.3):
        tried, value = nelder_mead(tables, light, security, limits, best_y, size)
        if value > best:
            best_y, best = tried, value
    return from_free(best_y, limits)


@kernel
def _optimise(tables, light, security, limits, given):  # type: ignore[no-untyped-def]
    """Best parameters over the given starts and those of the grid, polished by smaller simplexes."""
    smooth = without_steps(security)
    grid, _ = grid_starts(tables, light, smooth, limits)
    best_y, best = to_free(grid[0], limits), -1e300
    for s in range(given.shape[0] + grid.shape[0]):
        x = given[s] if s < given.shape[0] else grid[s - given.shape[0]]
        y, value = nelder_mead(tables, light, smooth, limits, to_free(x, limits), 0.5)
        if value > best:
            best_y, best = y, value
    for _ in range(_ROUNDS):
        before = best
        y, value = nelder_mead(tables, light, smooth, limits, _off_the_ends(best_y), 0.2)
        if value > best:
            best_y, best = y, value
        if best - before <= 1e-6 * abs(before):
            break
    return settled(tables, light, security, limits, best_y)

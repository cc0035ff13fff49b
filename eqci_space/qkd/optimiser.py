"""Best protocol parameters of a block, or of several that share them.

Nelder-Mead on the signed length in logistic coordinates. The starts are the best points of a coarse grid, one for each
level of the first intensity's probability, because noisy short blocks have their optimum where the second intensity is
sent mostly. The signed objective keeps a slope where there is no key, so that no start is lost there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqci_space.machine.kernels import kernel
from eqci_space.qkd.blocks import BlockTable, widened
from eqci_space.qkd.coarse_grid import grid_points, grid_starts
from eqci_space.qkd.counts import table_counts
from eqci_space.qkd.decoy import KeyResult, key_result
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.security import SecurityParameters
from eqci_space.qkd.simplex import block_value, from_free, nelder_mead, off_the_ends, to_free

__all__ = [
    "ParameterLimits",
    "nearest_parameters",
    "optimise_common",
    "optimise_key",
    "refined_key",
    "settled",
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

    Parameters
    ----------
    block : BlockTable
    security : SecurityParameters, optional
    limits : ParameterLimits, optional
        What the transmitter can do.
    start : DecoyParameters, optional
        Tried beside the grid.
    extra_loss_db : float
        Weakens the signal of the block [dB], >= -6.

    Returns
    -------
    KeyResult
        Its length [bit].

    Raises
    ------
    ValueError
        The gain exceeds 6 dB.

    Notes
    -----
    Nelder and Mead 1965 from the starts of a coarse grid.

    Examples
    --------
    Never less than at the parameters given.

    >>> from eqci_space.qkd.blocks import block_table
    >>> from eqci_space.qkd.decoy import key_length
    >>> block, given = block_table(1e-3, 1e-7, 0.01, 1e10), DecoyParameters(0.9, 0.8, 0.15, 0.6, 0.15)
    >>> optimise_key(block).length_bit > key_length(block, given).length_bit > 0
    True
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

    Parameters
    ----------
    blocks : sequence of BlockTable
        At least one.
    security : SecurityParameters, optional
    limits : ParameterLimits, optional
        What the transmitter can do.
    start : DecoyParameters, optional
        Tried beside the grid.
    extra_loss_db : float
        Weakens the signal of all blocks [dB], >= -6.

    Returns
    -------
    list of KeyResult
        Lengths [bit], in the order of the blocks.

    Raises
    ------
    ValueError
        No block is given, or the blocks differ in afterpulse probability.

    Notes
    -----
    Nelder and Mead 1965 from the starts of a coarse grid.

    Examples
    --------
    >>> from eqci_space.qkd.blocks import block_table
    >>> one, other = optimise_common([block_table(eta, 1e-7, 0.01, 1e10) for eta in (1e-3, 3e-3)])
    >>> one.parameters == other.parameters, one.length_bit < other.length_bit
    (True, True)
    """
    security, limits = security or SecurityParameters(), limits or ParameterLimits()
    afterpulse = {b.afterpulse_probability for b in blocks}
    if len(afterpulse) != 1:
        raise ValueError(
            f"optimise_common: {len(blocks)} blocks with afterpulse probabilities {sorted(afterpulse)}; expected at "
            "least one block, and one receiver"
        )
    given = np.empty((0, 7)) if start is None else start.as_array()[None, :]
    rows = max(len(b.series) for b in blocks)
    tables = np.stack([widened(b.series, rows) for b in blocks])
    light = blocks[0].light(extra_loss_db)
    x = _optimise(tables, light, security.as_array(), limits.as_array(), given)
    return [key_result(table_counts(table, light, x), x, security) for table in tables]


def refined_key(
    block: BlockTable, start: DecoyParameters, security: SecurityParameters | None = None, *, limits: ParameterLimits
) -> KeyResult:
    """Largest key length of a block that a search from good parameters finds, unfloored and before authentication.

    For parts of a window whose own optimum is known: a third of the time of `optimise_key`, and the same key (derived
    here, by the simplex method of Nelder and Mead 1965).

    Parameters
    ----------
    block : BlockTable
    start : DecoyParameters
        Within the limits.
    security : SecurityParameters, optional
        Default ``SecurityParameters()``.
    limits : ParameterLimits

    Returns
    -------
    KeyResult

    Examples
    --------
    From the optimum itself it moves nowhere:

    >>> import numpy as np
    >>> from eqci_space.qkd.blocks import block_table
    >>> flat = np.ones(10)
    >>> block = block_table(1e-3 * flat, 1e-6 * flat, 0.01 * flat, 1e9 * flat)
    >>> best = optimise_key(block)
    >>> again = refined_key(block, best.parameters, limits=ParameterLimits())
    >>> abs(again.length_bit / best.length_bit - 1) < 1e-6
    True
    """
    security = security or SecurityParameters()
    tables, light = block.series[None], block.light()
    x = _refine(tables, light, security.as_array(), limits.as_array(), start.as_array())
    return key_result(table_counts(block.series, light, x), x, security)


def nearest_parameters(parameters: DecoyParameters, limits: ParameterLimits) -> DecoyParameters:
    """What a transmitter sends that comes close to given parameters: each moved into its range.

    Parameters
    ----------
    parameters : DecoyParameters
    limits : ParameterLimits

    Returns
    -------
    DecoyParameters
        Within the limits [1].

    Notes
    -----
    Bookkeeping, derived here.

    Examples
    --------
    >>> limits = ParameterLimits(intensity_1=(0.3, 0.5))
    >>> round(nearest_parameters(DecoyParameters(0.9, 0.8, 0.15, 0.7, 0.15), limits).intensity_1, 6)
    0.5
    """
    rows = limits.as_array()
    return DecoyParameters.from_array(from_free(to_free(parameters.as_array(), rows), rows))


@kernel
def without_steps(security):  # type: ignore[no-untyped-def]
    """Security parameters for the search: the one-shot leakage interpolated.

    Parameters
    ----------
    security : (6,) array
        Of `SecurityParameters.as_array` [1], >= 0.

    Returns
    -------
    (6,) array
        [1]

    Notes
    -----
    The form is derived here.

    Examples
    --------
    >>> float(without_steps(SecurityParameters().as_array())[4])
    2.0
    """
    smooth = security.copy()
    if smooth[4] == 0:
        smooth[4] = 2
    return smooth


@kernel
def settled(tables, light, security, limits, y):  # type: ignore[no-untyped-def]
    """Parameters near those of the search, the steps of the leakage counted.

    Parameters
    ----------
    tables : (m, rows, 16) array
        Series of blocks [1], any value.
    light : (2,) array
        As in `counts.table_counts` [1], >= 0.
    security : (6,) array
        Of `SecurityParameters.as_array` [1], >= 0.
    limits : (6, 2) array
        Of `ParameterLimits.as_array` [1], in [0, 2].
    y : (5,) array
        Coordinates of `simplex.to_free` [1], any value.

    Returns
    -------
    (7,) array
        Parameters in the kernels' form [1].

    Notes
    -----
    Nelder and Mead 1965.

    Examples
    --------
    >>> from eqci_space.qkd.blocks import block_table
    >>> tables, light = block_table(1e-3, 1e-7, 0.01, 1e10).series[None], np.array([0.0, 1.0])
    >>> limits, y = ParameterLimits().as_array(), np.array([2.0, 1.0, 1.0, 0.0, -1.0])
    >>> x = settled(tables, light, SecurityParameters().as_array(), limits, y)
    >>> bool(0 < x[4] < x[3] < 1)
    True
    """
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
    grid, _ = grid_starts(tables, light, smooth, grid_points(limits))
    best_y, best = to_free(grid[0], limits), -1e300
    for s in range(given.shape[0] + grid.shape[0]):
        x = given[s] if s < given.shape[0] else grid[s - given.shape[0]]
        y, value = nelder_mead(tables, light, smooth, limits, to_free(x, limits), 0.5)
        if value > best:
            best_y, best = y, value
    return _polished(tables, light, security, limits, best_y, best)


@kernel
def _refine(tables, light, security, limits, start):  # type: ignore[no-untyped-def]
    """Best parameters from one start."""
    y = off_the_ends(to_free(start, limits))
    best_y, best = nelder_mead(tables, light, without_steps(security), limits, y, 0.5)
    return _polished(tables, light, security, limits, best_y, best)


@kernel
def _polished(tables, light, security, limits, best_y, best):  # type: ignore[no-untyped-def]
    """Parameters from where smaller simplexes gain no more than a millionth, the steps counted."""
    smooth = without_steps(security)
    for _ in range(_ROUNDS):
        before = best
        y, value = nelder_mead(tables, light, smooth, limits, off_the_ends(best_y), 0.2)
        if value > best:
            best_y, best = y, value
        if best - before <= 1e-6 * abs(before):
            break
    return settled(tables, light, security, limits, best_y)

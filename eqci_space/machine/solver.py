"""Linear and mixed-integer programmes for HiGHS, from coordinate lists.

The toolkit states its programmes as plain arrays and asks HiGHS through `highspy`: `maximise` for one answer,
`GrowingProgramme` for a linear programme that gains columns and is solved again from where it stood. One thread, a
fixed seed and stopping on a gap or on a count of nodes make results repeatable.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import highspy
import numpy as np

from eqci_space.errors import InfeasibleError, PlanError

__all__ = ["GrowingProgramme", "Programme", "Solution", "gap_between", "maximise"]

_NOTHING = 1e-12  # below which a bound counts as zero, so that no gap is divided by it


def gap_between(objective: float, bound: float) -> float:
    """Distance of a proven upper bound from an objective, as a share of the bound; 0 where they meet."""
    return max(0.0, bound - objective) / max(abs(bound), _NOTHING)


@dataclass(frozen=True)
class Programme:
    """``max objective·x`` with ``matrix x <= row_upper`` and ``lower <= x <= upper``.

    Parameters
    ----------
    objective, lower, upper : (n,) float arrays
    integer : (n,) bool array
    row_upper : (m,) float array
    row, column, value : coordinate lists of the matrix
    """

    objective: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    integer: np.ndarray
    row_upper: np.ndarray
    row: np.ndarray
    column: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Solution:
    """Optimal point, objective, proven upper bound, the price of each row (LP only, >= 0), and nodes searched."""

    x: np.ndarray
    objective: float
    bound: float
    row_price: np.ndarray
    nodes: int = 0

    @property
    def gap(self) -> float:
        """Relative distance of the bound from the objective."""
        return gap_between(self.objective, self.bound)


def maximise(
    programme: Programme, *, relative_gap: float = 1e-6, most_nodes: int | None = None, start: np.ndarray | None = None
) -> Solution:
    """Solve a `Programme`.

    Parameters
    ----------
    relative_gap : float
        At which an integer programme stops.
    most_nodes : int, optional
        Nodes of the search tree after which an integer programme stops with the best point found.
    start : (n,) array, optional
        A point to start an integer programme from.

    Raises
    ------
    InfeasibleError
        No point satisfies the rows and bounds.
    PlanError
        HiGHS stopped without an optimum, or at `most_nodes` without a point.
    """
    highs = _loaded(programme)
    is_mip = bool(programme.integer.any())
    highs.setOptionValue("mip_rel_gap", relative_gap)
    if most_nodes is not None:
        highs.setOptionValue("mip_max_nodes", most_nodes)
    if start is not None and is_mip:
        point = highspy.HighsSolution()
        point.col_value = start.tolist()
        highs.setSolution(point)
    highs.run()
    stopped = is_mip and highs.getModelStatus() == highspy.HighsModelStatus.kSolutionLimit
    return _answer(highs, is_mip, stopped)


class GrowingProgramme:
    """A linear programme that is solved again after columns were added or bounds moved, from the last basis.

    Its integer marks are ignored. With `interior` it is solved anew each time by an interior-point method without
    crossover: prices then lie in the middle of the optimal ones, which suits pricing, and large programmes are faster.
    """

    def __init__(self, programme: Programme, *, interior: bool = False):
        self._highs = _loaded(replace(programme, integer=np.zeros(len(programme.objective), dtype=bool)))
        self._interior = interior
        if interior:
            self._highs.setOptionValue("solver", "ipm")
            self._highs.setOptionValue("run_crossover", "off")
        else:
            self._highs.setOptionValue("simplex_strategy", _PRIMAL_SIMPLEX)

    def add_columns(
        self, objective: np.ndarray, upper: np.ndarray, start: np.ndarray, row: np.ndarray, value: np.ndarray
    ) -> None:
        """Add columns from 0 to `upper`; column j has the entries from ``start[j]`` on."""
        n = len(objective)
        self._highs.addCols(
            n, objective, np.zeros(n), upper, len(row), start.astype(np.int32), row.astype(np.int32), value
        )

    def set_bounds(self, column: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> None:
        """Move the bounds of columns; the last basis is then no point any more, but its prices still are good."""
        if not self._interior:
            self._highs.setOptionValue("simplex_strategy", _DUAL_SIMPLEX)
        self._highs.changeColsBounds(len(column), column.astype(np.int32), lower, upper)

    def set_row_upper(self, row: np.ndarray, upper: np.ndarray) -> None:
        """Move the upper sides of rows; as `set_bounds`."""
        if not self._interior:
            self._highs.setOptionValue("simplex_strategy", _DUAL_SIMPLEX)
        self._highs.changeRowsBounds(len(row), row.astype(np.int32), np.full(len(row), -np.inf), upper)

    def solve(self) -> Solution:
        """Solve from the last basis.

        Raises
        ------
        InfeasibleError, PlanError
            As `maximise`.
        """
        self._highs.run()
        if not self._interior:
            self._highs.setOptionValue("simplex_strategy", _PRIMAL_SIMPLEX)
        if self._highs.getModelStatus() == highspy.HighsModelStatus.kUnknown:
            # Interior points got stuck before their tolerance, or a basis that was moved went astray: a new one gets
            # there.
            self._highs.clearSolver()
            self._highs.setOptionValue("solver", "simplex")
            self._highs.run()
            if self._interior:
                self._highs.setOptionValue("solver", "ipm")
        return _answer(self._highs, False, False)


_DUAL_SIMPLEX, _PRIMAL_SIMPLEX = 1, 4


def _loaded(p: Programme) -> highspy.Highs:
    """A solver that holds the programme."""
    n, m = len(p.objective), len(p.row_upper)
    order = np.lexsort((p.row, p.column))
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = n, m
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = p.objective, p.lower, p.upper
    lp.row_lower_, lp.row_upper_ = np.full(m, -np.inf), p.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(np.bincount(p.column, minlength=n))])
    lp.a_matrix_.index_ = p.row[order]
    lp.a_matrix_.value_ = p.value[order]
    if p.integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(i)] for i in p.integer]
    highs = _quiet_highs()
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("random_seed", 7)
    highs.passModel(lp)
    return highs


def _answer(highs: highspy.Highs, is_mip: bool, stopped: bool) -> Solution:
    status = highs.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        raise InfeasibleError("maximise: the programme has no feasible point; relax a constraint")
    found, info = highs.getSolution(), highs.getInfo()
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if status != highspy.HighsModelStatus.kOptimal and not (stopped and feasible):
        raise PlanError(f"maximise: HiGHS stopped with {status}; expected an optimum")
    objective = float(info.objective_function_value)
    price = np.zeros(highs.getNumRow()) if is_mip else np.maximum(np.asarray(found.row_dual, dtype=float), 0.0)
    bound, nodes = (float(info.mip_dual_bound), int(info.mip_node_count)) if is_mip else (objective, 0)
    return Solution(np.asarray(found.col_value, dtype=float), objective, max(bound, objective), price, nodes)


def _quiet_highs() -> highspy.Highs:
    """A solver that prints nothing; its first construction writes a banner to file descriptor 1."""
    kept = os.dup(1)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        highs = highspy.Highs()
    finally:
        os.dup2(kept, 1)
        os.close(sink)
        os.close(kept)
    highs.setOptionValue("output_flag", False)
    return highs

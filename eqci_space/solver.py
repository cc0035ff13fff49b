"""Linear and mixed-integer programmes for HiGHS, from coordinate lists.

One call, one answer: the toolkit states its programmes as plain arrays and asks HiGHS through
`highspy`. One thread, a fixed seed and stopping on a gap make results repeatable.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import highspy
import numpy as np

from eqci_space.errors import InfeasibleError, PlanError

__all__ = ["Programme", "Solution", "maximise"]


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
    """Optimal point, objective, proven upper bound, and the price of each row (LP only, >= 0)."""

    x: np.ndarray
    objective: float
    bound: float
    row_price: np.ndarray

    @property
    def gap(self) -> float:
        """Relative distance of the bound from the objective."""
        return max(0.0, self.bound - self.objective) / max(abs(self.bound), 1e-12)


def maximise(programme: Programme, *, relative_gap: float = 1e-6) -> Solution:
    """Solve a `Programme`.

    Raises
    ------
    InfeasibleError
        No point satisfies the rows and bounds.
    PlanError
        HiGHS stopped without an optimum.
    """
    p = programme
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
    is_mip = bool(p.integer.any())
    if is_mip:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(i)] for i in p.integer]
    highs = _quiet_highs()
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("random_seed", 7)
    highs.setOptionValue("mip_rel_gap", relative_gap)
    highs.passModel(lp)
    highs.run()
    status = highs.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        raise InfeasibleError("maximise: the programme has no feasible point; relax a constraint")
    if status != highspy.HighsModelStatus.kOptimal:
        raise PlanError(f"maximise: HiGHS stopped with {status}; expected an optimum")
    found, info = highs.getSolution(), highs.getInfo()
    objective = float(info.objective_function_value)
    price = np.zeros(m) if is_mip else np.maximum(np.asarray(found.row_dual, dtype=float), 0.0)
    bound = float(info.mip_dual_bound) if is_mip else objective
    return Solution(np.asarray(found.col_value, dtype=float), objective, max(bound, objective), price)


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

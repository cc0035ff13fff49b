"""The programme solver against hand-solved cases."""

import numpy as np
import pytest

from eqci_space.errors import InfeasibleError, PlanError
from eqci_space.machine.solver import Programme, maximise


def programme(integer: bool, row_upper=(4.0, 5.0), upper=np.inf) -> Programme:
    """max 3x + 2y, x + y <= 4, 2x + y <= 5."""
    return Programme(
        np.array([3.0, 2.0]), np.zeros(2), np.full(2, upper), np.array([integer, integer]), np.array(row_upper),
        np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([1.0, 1.0, 2.0, 1.0]),
    )  # fmt: skip


def test_linear_optimum_and_row_prices():
    solution = maximise(programme(False))
    assert solution.x == pytest.approx([1.0, 3.0])
    assert solution.objective == pytest.approx(9.0)
    assert solution.row_price == pytest.approx([1.0, 1.0])  # strong duality: 4·1 + 5·1 = 9
    assert solution.gap == 0.0


def test_integer_optimum_is_proven():
    solution = maximise(programme(True, row_upper=(3.5, 4.5)))
    assert solution.objective == pytest.approx(7.0)  # x = 1, y = 2; the linear optimum is 8.0
    assert solution.bound == pytest.approx(7.0)


def test_infeasible_and_unbounded_programmes_raise(capfd):
    with pytest.raises(InfeasibleError):
        maximise(programme(False, row_upper=(-1.0, 5.0)))
    free = programme(False)
    with pytest.raises(PlanError):
        maximise(
            Programme(
                free.objective,
                free.lower,
                free.upper,
                free.integer,
                np.full(2, np.inf),
                *(free.row, free.column, free.value),
            )
        )
    assert capfd.readouterr().out == ""

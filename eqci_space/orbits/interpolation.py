"""Position and velocity between the nodes of a uniform grid: one polynomial per grid interval.

SGP4's velocity is not the derivative of its position, so only positions enter. Each interval has the
polynomial of degree eleven through its twelve nearest nodes, in powers of the fraction of the interval.
Velocities are its exact derivative.
"""

from __future__ import annotations

import numpy as np

from eqci_space.machine.kernels import kernel

__all__ = ["NODES", "interval_polynomial", "polynomial_state", "states"]

NODES = 12
_CENTRAL = NODES // 2 - 1


def _power_basis() -> np.ndarray:
    """Element [p, i, m]: coefficient of u^m in the Lagrange polynomial of node i, for the stencil's interval p.

    The fraction u runs from -1/2 to 1/2 in the interval; its nodes stand at i - p - 1/2.
    """
    basis = np.zeros((NODES - 1, NODES, NODES), dtype=np.longdouble)
    for p in range(NODES - 1):
        nodes = np.arange(NODES, dtype=np.longdouble) - p - np.longdouble(0.5)
        for i in range(NODES):
            others = np.delete(nodes, i)
            polynomial = np.ones(1, dtype=np.longdouble)
            for node in others:  # multiply by (u - node), lowest power first
                polynomial = np.append(0.0, polynomial) - node * np.append(polynomial, 0.0)
            basis[p, i] = polynomial / np.prod(nodes[i] - others)
    return basis.astype(float)


_BASIS = _power_basis()


@kernel
def interval_polynomial(grid: np.ndarray, k: int, out: np.ndarray) -> None:
    """Coefficients (12, 3) of grid interval `k` into `out`; near the ends of the grid the stencil is one-sided."""
    low = min(max(k - _CENTRAL, 0), grid.shape[1] - NODES)
    p = k - low
    out[:, :] = 0.0
    for i in range(NODES):
        x, y, z = grid[0, low + i], grid[1, low + i], grid[2, low + i]
        for m in range(NODES):
            weight = _BASIS[p, i, m]
            out[m, 0] += weight * x
            out[m, 1] += weight * y
            out[m, 2] += weight * z


@kernel
def polynomial_state(c: np.ndarray, u: float, per_second: float) -> tuple[float, float, float, float, float, float]:
    """Position [m] and velocity [m/s], six numbers, of a polynomial at fraction `u`; `per_second` is 1/step."""
    px, py, pz = c[NODES - 1, 0], c[NODES - 1, 1], c[NODES - 1, 2]
    vx = vy = vz = 0.0
    for m in range(NODES - 2, -1, -1):
        vx, vy, vz = vx * u + px, vy * u + py, vz * u + pz
        px, py, pz = px * u + c[m, 0], py * u + c[m, 1], pz * u + c[m, 2]
    return px, py, pz, vx * per_second, vy * per_second, vz * per_second


@kernel
def states(grid: np.ndarray, first: float, step: float, times: np.ndarray) -> np.ndarray:
    """Positions and velocities (n, 6) at `times`; quick when neighbouring times share an interval."""
    out = np.empty((times.size, 6))
    polynomial = np.empty((NODES, 3))
    made = -1
    for i in range(times.size):
        x = (times[i] - first) / step
        k = min(max(int(np.floor(x)), 0), grid.shape[1] - 2)
        if k != made:
            interval_polynomial(grid, k, polynomial)
            made = k
        out[i, 0], out[i, 1], out[i, 2], out[i, 3], out[i, 4], out[i, 5] = polynomial_state(
            polynomial, x - k - 0.5, 1.0 / step
        )
    return out

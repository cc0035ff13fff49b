"""The coarse grid from which searches of protocol parameters start; compiled."""

from __future__ import annotations

import numpy as np

from eqci_space.machine.kernels import kernel
from eqci_space.qkd.blocks import clenshaw
from eqci_space.qkd.counts import light_counts, set_counts, share_out
from eqci_space.qkd.decoy import signed_length
from eqci_space.qkd.simplex import from_free, off_the_ends, to_free

__all__ = ["grid_points", "grid_starts"]

# Key-basis probability, p1, share of p2 in the rest, μ1, share of μ2 in μ1. The last two levels of p1
# serve one decoy only, whose noisy windows want the bright intensity rarely, or all light faint.
_GRID_BASIS = np.array([0.4, 0.65, 0.9])
_GRID_P1 = np.array([0.08, 0.35, 0.62, 0.88, 0.95, 0.005, 0.7])
_GRID_DIMMED = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.3])  # factor of μ1
_LEVELS_ONE_DECOY = 2
_GRID_P2_SHARE = np.array([0.5, 0.9])
_GRID_MU1 = np.array([0.33, 0.5, 0.7])
_GRID_MU2_SHARE = np.array([0.15, 0.32])


@kernel
def grid_points(limits):  # type: ignore[no-untyped-def]
    """The coarse grid, moved into the limits. Intensities do not depend on the basis and on the share of p2.

    Parameters
    ----------
    limits : (6, 2) array
        Of `optimiser.ParameterLimits.as_array` [1], in [0, 2].

    Returns
    -------
    (levels of p1, bases, shares of p2, μ1, shares of μ2, 7) array
        Parameters in the kernels' form [1].

    Notes
    -----
    Chosen here: derived here from the optima of noisy and quiet windows.

    Examples
    --------
    >>> grid_points(np.array([[0.0, 1.0]] * 5 + [[0.0, 2.0]])).shape
    (5, 3, 2, 3, 2, 7)
    """
    two = limits[5, 1] > 1.5
    levels, shares = _GRID_P1.size - (_LEVELS_ONE_DECOY if two else 0), _GRID_P2_SHARE.size if two else 1
    points = np.empty((levels, _GRID_BASIS.size, shares, _GRID_MU1.size, _GRID_MU2_SHARE.size, 7))
    for i, basis, share, mu1, mu2_share in np.ndindex(points.shape[:5]):
        bright = _GRID_MU1[mu1] * _GRID_DIMMED[i]
        x = np.array([
            _GRID_BASIS[basis], _GRID_P1[i], (1 - _GRID_P1[i]) * _GRID_P2_SHARE[share], bright,
            bright * _GRID_MU2_SHARE[mu2_share], limits[5, 0], limits[5, 1],
        ])  # fmt: skip
        points[i, basis, share, mu1, mu2_share] = from_free(off_the_ends(to_free(x, limits)), limits)
    return points


@kernel
def _light_of_grid(tables, light, points):  # type: ignore[no-untyped-def]
    """`light_counts` for the grid at one level of p1: (μ1, share of μ2, table, intensity, detections or errors)."""
    out = np.zeros((points.shape[2], points.shape[3], tables.shape[0], 3, 2))
    for t in range(tables.shape[0]):
        dark = clenshaw(tables[t], 1, 0.0)
        for mu1, mu2_share in np.ndindex(points.shape[2:4]):
            x = points[0, 0, mu1, mu2_share]
            for k in range(int(x[6]) + 1):
                out[mu1, mu2_share, t, k] = light_counts(tables[t], 0, light, x[3 + k], dark)
    return out


@kernel
def grid_starts(tables, light, security, points):  # type: ignore[no-untyped-def]
    """Best of the `grid_points` for every level of p1, and its value.

    Parameters
    ----------
    tables : (m, rows, 16) array
        Series of blocks [1], any value.
    light : (2,) array
        As in `counts.table_counts` [1], >= 0.
    security : (6,) array
        Of `SecurityParameters.as_array` [1], >= 0.
    points : (levels, bases, shares, μ1, shares, 7) array
        Of `grid_points` [1], >= 0.

    Returns
    -------
    (levels, 7) array, (levels,) array
        Parameters [1] and values [bit].

    Notes
    -----
    The form is derived here.

    Examples
    --------
    >>> from eqci_space.qkd.blocks import block_table
    >>> from eqci_space.qkd.security import SecurityParameters
    >>> block, points = block_table(1e-3, 1e-7, 0.01, 1e10), grid_points(np.array([[0.0, 1.0]] * 5 + [[0.0, 2.0]]))
    >>> starts, values = grid_starts(block.series[None], block.light(), SecurityParameters().as_array(), points)
    >>> starts.shape, bool(values.max() > 0)
    ((5, 7), True)
    """
    starts, values = np.empty((points.shape[0], 7)), np.full(points.shape[0], -1e300)
    counts = np.zeros(12)
    for i in range(points.shape[0]):
        lit = _light_of_grid(tables, light, points[i])
        for basis, share, mu1, mu2_share in np.ndindex(points.shape[1:5]):
            x = points[i, basis, share, mu1, mu2_share]
            total, best = 0.0, -1e300
            for t in range(tables.shape[0]):
                if tables.shape[1] > 3:  # light of neighbours and dark counts of pairs depend on more than μ
                    set_counts(counts, tables[t], light, x)
                else:
                    for k in range(int(x[6]) + 1):
                        share_out(counts, k, lit[mu1, mu2_share, t, k, 0], lit[mu1, mu2_share, t, k, 1], x)
                length = signed_length(counts, x, security)[0]
                total += max(length, 0.0)
                best = max(best, length)
            value = total if total > 0 else best
            if value > values[i]:
                values[i] = value
                starts[i] = x
    return starts, values

"""Simplex search of protocol parameters in logistic coordinates, which stay within a transmitter's limits; compiled."""

from __future__ import annotations

import math

import numpy as np

from eqci_space.machine.kernels import kernel
from eqci_space.qkd.counts import set_counts
from eqci_space.qkd.decoy import signed_length

__all__ = ["block_value", "block_value_in", "from_free", "nelder_mead", "off_the_ends", "to_free"]

_START_REACH = 3.0
_DISTANCE = 1e-4
_LEAST_WIDTH = 0.01


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
    """Unbounded coordinates of parameters.

    Parameters
    ----------
    x : (7,) array
        Of `DecoyParameters.as_array` [1], >= 0.
    limits : (6, 2) array
        Of `optimiser.ParameterLimits.as_array` [1], in [0, 2].

    Returns
    -------
    (5,) array
        [1]

    Notes
    -----
    Logistic coordinates within the ranges, derived here.

    Examples
    --------
    The middle of every range stands at zero.

    >>> limits = np.array([[0.0, 1.0]] * 5 + [[0.0, 2.0]])
    >>> bool(abs(to_free(np.array([0.5, 0.5, 0.25, 0.505, 0.2525, 0.0, 2.0]), limits)).max() < 1e-2)
    True
    """
    out = np.zeros(5)
    for i in range(5):
        low, high = _bounds(x, i, limits)
        if high > low:
            out[i] = _logit((x[i] - low) / (high - low))
    return out


@kernel
def from_free(y, limits):  # type: ignore[no-untyped-def]
    """Inverse of `to_free`, in the kernels' form of parameters.

    Parameters
    ----------
    y : (5,) array
        Coordinates [1], any value.
    limits : (6, 2) array
        Of `optimiser.ParameterLimits.as_array` [1], in [0, 2].

    Returns
    -------
    (7,) array
        [1]

    Notes
    -----
    The form is derived here.

    Examples
    --------
    >>> limits = np.array([[0.0, 1.0]] * 5 + [[0.0, 2.0]])
    >>> x = np.array([0.9, 0.8, 0.15, 0.7, 0.15, 0.0, 2.0])
    >>> bool(np.allclose(from_free(to_free(x, limits), limits), x))
    True
    """
    out = np.empty(7)
    _set_from_free(out, y, limits)
    return out


@kernel
def _set_from_free(out, y, limits):  # type: ignore[no-untyped-def]
    out[5], out[6] = limits[5, 0], limits[5, 1]
    for i in range(5):
        low, high = _bounds(out, i, limits)
        out[i] = low + (high - low) * _logistic(y[i])
    if out[6] < 1.5:
        out[2] = 1 - out[1]


@kernel
def off_the_ends(y):  # type: ignore[no-untyped-def]
    """Coordinates from which a search can leave: at the end of a range they are flat.

    Parameters
    ----------
    y : (5,) array
        Coordinates [1], any value.

    Returns
    -------
    (5,) array
        [1]

    Notes
    -----
    The form is derived here.

    Examples
    --------
    >>> off_the_ends(np.array([-9.0, 0.0, 9.0])).tolist()
    [-3.0, 0.0, 3.0]
    """
    return np.minimum(np.maximum(y, -_START_REACH), _START_REACH)


@kernel
def block_value(tables, light, security, x):  # type: ignore[no-untyped-def]
    """Sum of the positive key lengths of the blocks, or the largest of the signed ones where none is positive.

    Parameters
    ----------
    tables : (m, rows, 16) array
        Series of blocks [1], any value.
    light : (2,) array
        As in `counts.table_counts` [1], >= 0.
    security : (6,) array
        Of `SecurityParameters.as_array` [1], >= 0.
    x : (7,) array
        Of `DecoyParameters.as_array` [1], >= 0.

    Returns
    -------
    float
        [bit]

    Notes
    -----
    Lim et al. 2014, and Rusca et al. 2018 for one decoy.

    Examples
    --------
    >>> from eqci_space.qkd.blocks import block_table
    >>> from eqci_space.qkd.decoy import key_length
    >>> from eqci_space.qkd.decoy_parameters import DecoyParameters
    >>> from eqci_space.qkd.security import SecurityParameters
    >>> block, parameters = block_table(1e-3, 1e-7, 0.01, 1e10), DecoyParameters(0.9, 0.8, 0.15, 0.6, 0.15)
    >>> arguments = np.stack([block.series] * 2), block.light(), SecurityParameters().as_array(), parameters.as_array()
    >>> value = block_value(*arguments)
    >>> bool(np.isclose(value, 2 * key_length(block, parameters).length_bit))
    True
    """
    return block_value_in(tables, light, security, x, np.zeros(12))


@kernel
def block_value_in(tables, light, security, x, counts):  # type: ignore[no-untyped-def]
    """`block_value` with room for counts, for loops.

    Parameters
    ----------
    tables : (m, rows, 16) array
        Series of blocks [1], any value.
    light : (2,) array
        As in `counts.table_counts` [1], >= 0.
    security : (6,) array
        Of `SecurityParameters.as_array` [1], >= 0.
    x : (7,) array
        Of `DecoyParameters.as_array` [1], >= 0.
    counts : (12,) array
        Room [1], at first zero and then of one number of decoys only, any value.

    Returns
    -------
    float
        [bit]

    Notes
    -----
    Lim et al. 2014, and Rusca et al. 2018 for one decoy.

    Examples
    --------
    >>> from eqci_space.qkd.blocks import block_table
    >>> from eqci_space.qkd.decoy import key_length
    >>> from eqci_space.qkd.decoy_parameters import DecoyParameters
    >>> from eqci_space.qkd.security import SecurityParameters
    >>> block, parameters = block_table(1e-3, 1e-7, 0.01, 1e10), DecoyParameters(0.9, 0.8, 0.15, 0.6, 0.15)
    >>> arguments = np.stack([block.series] * 2), block.light(), SecurityParameters().as_array(), parameters.as_array()
    >>> value = block_value_in(*arguments, np.zeros(12))
    >>> bool(np.isclose(value, 2 * key_length(block, parameters).length_bit))
    True
    """
    total, best = 0.0, -1e300
    for t in range(tables.shape[0]):
        set_counts(counts, tables[t], light, x)
        length = signed_length(counts, x, security)[0]
        total += max(length, 0.0)
        best = max(best, length)
    return total if total > 0 else best


@kernel
def _value_at(y, tables, light, security, limits, x, counts):  # type: ignore[no-untyped-def]
    """`block_value` at coordinates, with room for parameters and counts."""
    _set_from_free(x, y, limits)
    return block_value_in(tables, light, security, x, counts)


@kernel
def _sort_rows(value, simplex):  # type: ignore[no-untyped-def]
    """By value, in place; equal ones stay in their order."""
    for i in range(1, value.size):
        j = i
        while j > 0 and value[j] < value[j - 1]:
            value[j], value[j - 1] = value[j - 1], value[j]
            for c in range(simplex.shape[1]):
                simplex[j, c], simplex[j - 1, c] = simplex[j - 1, c], simplex[j, c]
            j -= 1


@kernel
def nelder_mead(tables, light, security, limits, y0, size):  # type: ignore[no-untyped-def]
    """Maximum of `block_value` from y0 by the simplex method with standard coefficients.

    Its arrays are made once: it is called for some hundred values of half a microsecond.

    Parameters
    ----------
    tables : (m, rows, 16) array
        Series of blocks [1], any value.
    light : (2,) array
        As in `counts.table_counts` [1], >= 0.
    security : (6,) array
        Of `SecurityParameters.as_array` [1], >= 0.
    limits : (6, 2) array
        Of `optimiser.ParameterLimits.as_array` [1], in [0, 2].
    y0 : (5,) array
        Coordinates of the start [1], any value.
    size : float
        Of the first simplex in every coordinate [1], > 0.

    Returns
    -------
    (5,) array, float
        Coordinates [1] and value [bit].

    Notes
    -----
    Nelder and Mead 1965 (Computer Journal 7, 308).

    Examples
    --------
    >>> from eqci_space.qkd.blocks import block_table
    >>> from eqci_space.qkd.security import SecurityParameters
    >>> block, limits = block_table(1e-3, 1e-7, 0.01, 1e10), np.array([[0.0, 1.0]] * 5 + [[0.0, 2.0]])
    >>> arguments = block.series[None], block.light(), SecurityParameters().as_array()
    >>> y0 = np.array([2.0, 1.0, 1.0, 0.0, -1.0])
    >>> _, value = nelder_mead(*arguments, limits, y0, 0.5)
    >>> bool(value > block_value(*arguments, from_free(y0, limits)) > 0)
    True
    """
    n = 5
    simplex, value = np.empty((n + 1, n)), np.empty(n + 1)
    centre, mirrored, other = np.empty(n), np.empty(n), np.empty(n)
    x, counts = np.empty(7), np.zeros(12)
    for i in range(n + 1):
        simplex[i] = y0
        if i > 0:
            simplex[i, i - 1] += size
        value[i] = -_value_at(simplex[i], tables, light, security, limits, x, counts)
    for _ in range(600):
        _sort_rows(value, simplex)
        if value[n] - value[0] <= 1e-9 * abs(value[0]) + 1e-9:
            break
        for c in range(n):
            centre[c] = 0.0
            for i in range(n):
                centre[c] += simplex[i, c] / n
            mirrored[c] = 2 * centre[c] - simplex[n, c]
        f = -_value_at(mirrored, tables, light, security, limits, x, counts)
        if f < value[0]:
            for c in range(n):
                other[c] = 3 * centre[c] - 2 * simplex[n, c]
            g = -_value_at(other, tables, light, security, limits, x, counts)
            if g < f:
                simplex[n], value[n] = other, g
            else:
                simplex[n], value[n] = mirrored, f
            continue
        if f < value[n - 1]:
            simplex[n], value[n] = mirrored, f
            continue
        for c in range(n):
            other[c] = 0.5 * (centre[c] + (mirrored[c] if f < value[n] else simplex[n, c]))
        g = -_value_at(other, tables, light, security, limits, x, counts)
        if g < min(f, value[n]):
            simplex[n], value[n] = other, g
            continue
        for i in range(1, n + 1):
            for c in range(n):
                simplex[i, c] = 0.5 * (simplex[i, c] + simplex[0, c])
            value[i] = -_value_at(simplex[i], tables, light, security, limits, x, counts)
    best = np.argmin(value)
    return simplex[best], -value[best]

"""Tables of a key block: all that decoy-state formulas need to know of a pass, in 48 numbers.

A slot t with N_t pulses, end-to-end efficiency η_t, extraneous probability P_t per detector and pulse, and intrinsic
error Q_t enters only through three sums over slots,

    S0(μ) = Σ N (1 - e^(-μη)),   S1(μ) = Σ N P e^(-μη),   S2(μ) = Σ N Q (1 - e^(-μη)),

because detections are (1+P_ap)(S0 + 2 S1) and errors S1(0) + P_ap/2 · detections + S2. As Chebyshev series on [0, 4]
they make a key length cost a microsecond whatever the number of slots. Blocks of several windows are sums of tables,
parts of a window differences of running sums, and extra loss is a smaller μ.

Two more sums stand behind them where a receiver asks for it. S3(μ) = Σ N D e^(-μη) holds dark counts D of detectors
that serve one basis alone: they click in every gate, so that a sifted pulse of basis probability p meets D/p.
S4(μ) = Σ N κη/2 e^(-μη) holds the light of neighbouring pulses that falls into a gate, per mean photon number. Where
dead time leaves the two bases different numbers of pulses, the rows of the test basis follow those of the key basis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqci_space.machine.kernels import kernel
from eqci_space.qkd.dead_time import check_afterpulses

__all__ = [
    "DOMAIN",
    "ROWS",
    "BlockTable",
    "block_table",
    "check_slots",
    "clenshaw",
    "running_tables",
    "three_sums",
    "widened",
]

DOMAIN = 4.0
"""Largest mean photon number of the tables: 1, and 6 dB of gain beside it."""
_NODES = 16
_MOST_GAIN_DB = 6.0
_PLAIN, _FULL = 3, 5
ROWS = (_PLAIN, _FULL, 2 * _FULL)
"""Numbers of rows that a table may have: three sums, all five, and five for each basis."""


@dataclass(frozen=True)
class BlockTable:
    """The sums of a block as Chebyshev series on μ in [0, 4], 16 numbers a row, and its afterpulse probability.

    Rows are S0, S1, S2; or S0 to S4; or those of the key basis and then those of the test basis.
    """

    series: np.ndarray
    afterpulse_probability: float = 0.0

    def __post_init__(self) -> None:
        check_afterpulses(self.afterpulse_probability)

    def light(self, extra_loss_db: float = 0.0) -> np.ndarray:
        """For the kernels: the afterpulse probability, and the attenuation of the signal by an extra loss.

        Raises
        ------
        ValueError
            The gain exceeds 6 dB.
        """
        if not extra_loss_db >= -_MOST_GAIN_DB:
            raise ValueError(f"BlockTable: extra_loss_db = {extra_loss_db}; expected at least -{_MOST_GAIN_DB:g} dB")
        return np.array([self.afterpulse_probability, 10 ** (-extra_loss_db / 10)])

    def __add__(self, other: BlockTable) -> BlockTable:
        """The block of both; they must share the afterpulse probability."""
        if self.afterpulse_probability != other.afterpulse_probability:
            raise ValueError(
                f"BlockTable: afterpulse probabilities {self.afterpulse_probability} and "
                f"{other.afterpulse_probability} in one block; expected the same receiver"
            )
        rows = max(len(self.series), len(other.series))
        return BlockTable(widened(self.series, rows) + widened(other.series, rows), self.afterpulse_probability)


def check_slots(*columns: np.ndarray | float) -> list[np.ndarray]:
    """Columns of slots as vectors of one length.

    Parameters
    ----------
    *columns : (n,) array or float
        Efficiency, extraneous probability, intrinsic error [1], each in [0, 1], and pulses [1], >= 0; then, as far as
        given, dark counts of separate pairs [1], in [0, 1], light of neighbours [1], >= 0, and pulses of the test
        basis [1], >= 0.

    Returns
    -------
    list of (n,) arrays
        As given [1].

    Raises
    ------
    ValueError
        A value lies outside its range.

    Notes
    -----
    Bookkeeping, derived here.

    Examples
    --------
    >>> [c.tolist() for c in check_slots([0.1, 0.2], 1e-7, 0.01, 1e8)][1]
    [1e-07, 1e-07]
    """
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(c, dtype=float)) for c in columns))
    for (name, top), values in zip(_COLUMNS.items(), arrays, strict=False):
        inside = (values >= 0) & (values <= top)
        if not inside.all():
            raise ValueError(f"slots: {name} = {values[~inside][0]}; expected 0 to {top:g}")
    return list(arrays)


_COLUMNS = {
    "efficiency": 1.0, "extraneous_probability": 1.0, "intrinsic_error": 1.0, "pulses": 1e30,
    "pair_dark_probability": 1.0, "neighbour_ratio": 1e300, "test_pulses": 1e30,
}  # fmt: skip


def block_table(
    efficiency: np.ndarray | float,
    extraneous_probability: np.ndarray | float,
    intrinsic_error: np.ndarray | float,
    pulses: np.ndarray | float,
    *,
    afterpulse_probability: float = 0.0,
    pair_dark_probability: np.ndarray | float = 0.0,
    neighbour_ratio: np.ndarray | float = 0.0,
    test_pulses: np.ndarray | float | None = None,
) -> BlockTable:
    """Tabulate the sums of a block.

    Parameters
    ----------
    efficiency : (n,) array
        End-to-end transmittance of each slot, detector included [1], in [0, 1].
    extraneous_probability : (n,) array or float
        Dark and sky clicks per detector and pulse [1], in [0, 1]; where each basis has detectors of its own, those of
        the sky if all of it went to one basis.
    intrinsic_error : (n,) array or float
        Error probability of a signal click [1], in [0, 1].
    pulses : (n,) array or float
        Pulses sent in each slot [1], >= 0.
    afterpulse_probability : float
        Of a click [1], in [0, 1).
    pair_dark_probability : (n,) array or float
        Dark clicks per detector and pulse of detectors that serve one basis alone [1], in [0, 1].
    neighbour_ratio : (n,) array or float
        Light of neighbouring pulses in a gate over that of its own pulse [1], >= 0.
    test_pulses : (n,) array or float, optional
        Pulses that meet ready detectors of the test basis [1], >= 0; `pulses` are then those of the key basis.

    Returns
    -------
    BlockTable
        Its series [1].

    Raises
    ------
    ValueError
        A value lies outside its range.

    Notes
    -----
    The form is derived here from the counts of Lim et al. 2014 (Phys. Rev. A 89, 022307).

    Examples
    --------
    Of 1e9 pulses of 0.5 photons, 1 in 200 is caught at 1 %: 1e9 (1 - exp(-0.005)).

    >>> round(float(clenshaw(block_table(0.01, 1e-7, 0.01, 1e9).series, 0, 0.5)))
    4987521
    """
    columns = check_slots(
        efficiency, extraneous_probability, intrinsic_error, pulses, pair_dark_probability, neighbour_ratio,
        *(() if test_pulses is None else (test_pulses,)),
    )  # fmt: skip
    caught, survival, to_series = _node_values(columns[0])
    weights = _weights(columns)
    values = np.stack([(caught if _of_light(row) else survival) @ w for row, w in enumerate(weights)])
    return BlockTable(values @ to_series, afterpulse_probability)


def running_tables(
    efficiency: np.ndarray,
    extraneous_probability: np.ndarray | float,
    intrinsic_error: np.ndarray | float,
    pulses: np.ndarray | float,
    *,
    pair_dark_probability: np.ndarray | float = 0.0,
    neighbour_ratio: np.ndarray | float = 0.0,
    test_pulses: np.ndarray | float | None = None,
) -> np.ndarray:
    """Series of the first 0, 1, … n slots: the slots from i to j are row j less row i.

    Parameters
    ----------
    efficiency, extraneous_probability, intrinsic_error, pulses : (n,) array or float
        As in `block_table` [1], >= 0.
    pair_dark_probability, neighbour_ratio : (n,) array or float
        Likewise [1], >= 0.
    test_pulses : (n,) array or float, optional
        Likewise [1], >= 0.

    Returns
    -------
    (n + 1, rows, 16) array
        [1]

    Raises
    ------
    ValueError
        A value lies outside its range.

    Notes
    -----
    The form is derived here.

    Examples
    --------
    >>> running = running_tables(np.array([0.01, 0.02]), 1e-7, 0.01, 1e9)
    >>> [round(float(clenshaw(table, 0, 0.5))) for table in running]
    [0, 4987521, 14937687]
    """
    columns = check_slots(
        efficiency, extraneous_probability, intrinsic_error, pulses, pair_dark_probability, neighbour_ratio,
        *(() if test_pulses is None else (test_pulses,)),
    )  # fmt: skip
    caught, survival, to_series = _node_values(columns[0])
    return _running_series(caught, survival, np.stack(_weights(columns)), to_series)


def _weights(columns: list[np.ndarray]) -> list[np.ndarray]:
    """What each row sums, per slot: three rows where the others would be empty."""
    eta, noise, error, pulses, dark, neighbours = columns[:6]
    plain = [pulses, pulses * noise, pulses * error]
    if len(columns) == 6 and not dark.any() and not neighbours.any():
        return plain
    rest = (dark, 0.5 * neighbours * eta)
    full = [*plain, *(pulses * r for r in rest)]
    if len(columns) == 6:
        return full
    test = columns[6]
    return [*full, test, test * noise, test * error, *(test * r for r in rest)]


def _of_light(row: int) -> bool:
    return row % _FULL in (0, 2)


def widened(series: np.ndarray, rows: int) -> np.ndarray:
    """A table with as many rows as another: empty sums added, or the rows of one basis repeated for the other.

    Parameters
    ----------
    series : (rows, 16) array
        Of a `BlockTable` [1], any value.
    rows : int
        3, 5 or 10 [1], >= those it has.

    Returns
    -------
    (rows, 16) array
        [1]

    Notes
    -----
    Bookkeeping, derived here.

    Examples
    --------
    >>> widened(block_table(0.01, 1e-7, 0.01, 1e9).series, 10).shape
    (10, 16)
    """
    if len(series) == _PLAIN and rows > _PLAIN:
        series = np.concatenate([series, np.zeros((_FULL - _PLAIN, _NODES))])
    return np.concatenate([series, series]) if len(series) < rows else series


def _node_values(eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``1 - e^(-μη)`` and ``e^(-μη)`` at the Chebyshev nodes, and the matrix from node values to the series."""
    angle = np.pi * (np.arange(_NODES) + 0.5) / _NODES
    exponent = -np.outer(0.5 * DOMAIN * (np.cos(angle) + 1), eta)
    to_series = 2.0 / _NODES * np.cos(np.outer(angle, np.arange(_NODES)))
    to_series[:, 0] *= 0.5
    return -np.expm1(exponent), np.exp(exponent), to_series


@kernel
def _running_series(caught, survival, weights, to_series):  # type: ignore[no-untyped-def]
    """Sums over slots at the nodes, and the series of the sums after every slot."""
    nodes, slots = caught.shape
    rows = weights.shape[0]
    sums, out = np.zeros((rows, nodes)), np.zeros((slots + 1, rows, nodes))
    for i in range(slots):
        for row in range(rows):
            source = caught if row % 5 == 0 or row % 5 == 2 else survival
            for k in range(nodes):
                sums[row, k] += source[k, i] * weights[row, i]
            for k in range(nodes):
                for j in range(nodes):
                    out[i + 1, row, j] += sums[row, k] * to_series[k, j]
    return out


@kernel
def clenshaw(series: np.ndarray, row: int, mu: float) -> float:
    """Value of one of the series at a mean photon number.

    Parameters
    ----------
    series : (rows, 16) array
        Of a `BlockTable` [1], any value.
    row : int
        Of the sum [1], >= 0.
    mu : float
        Mean photon number [1], in [0, 4].

    Returns
    -------
    float
        [1]

    Notes
    -----
    Clenshaw 1955 (Math. Tables Aids Comput. 9, 118).

    Examples
    --------
    T0 + 2 T1 at the middle of the domain, where T1 is zero, and at its end.

    >>> clenshaw(np.array([[1.0, 2.0]]), 0, 2.0), clenshaw(np.array([[1.0, 2.0]]), 0, 4.0)
    (1.0, 3.0)
    """
    u = 2.0 * (mu * (2.0 / DOMAIN) - 1.0)
    b1 = b2 = 0.0
    for j in range(series.shape[1] - 1, 0, -1):
        b1, b2 = u * b1 - b2 + series[row, j], b1
    return 0.5 * u * b1 - b2 + series[row, 0]


@kernel
def three_sums(series: np.ndarray, first: int, mu: float) -> tuple[float, float, float]:
    """S0, S1 and S2 at once, which costs little more than one: their recurrences do not wait for each other.

    Parameters
    ----------
    series : (rows, 16) array
        Of a `BlockTable` [1], any value.
    first : int
        Row at which the basis begins [1], 0 or 5, >= 0.
    mu : float
        Mean photon number [1], in [0, 4].

    Returns
    -------
    tuple of float
        [1]

    Notes
    -----
    Clenshaw 1955 (Math. Tables Aids Comput. 9, 118).

    Examples
    --------
    >>> [round(v) for v in three_sums(block_table(0.01, 1e-7, 0.02, 1e9).series, 0, 0.5)]
    [4987521, 100, 99750]
    """
    u = 2.0 * (mu * (2.0 / DOMAIN) - 1.0)
    a1 = a2 = b1 = b2 = c1 = c2 = 0.0
    for j in range(series.shape[1] - 1, 0, -1):
        a1, a2 = u * a1 - a2 + series[first, j], a1
        b1, b2 = u * b1 - b2 + series[first + 1, j], b1
        c1, c2 = u * c1 - c2 + series[first + 2, j], c1
    half = 0.5 * u
    return (
        half * a1 - a2 + series[first, 0], half * b1 - b2 + series[first + 1, 0],
        half * c1 - c2 + series[first + 2, 0],
    )  # fmt: skip

"""Tables of a key block: all that decoy-state formulas need to know of a pass, in 48 numbers.

A slot t with N_t pulses, end-to-end efficiency η_t, extraneous probability P_t per detector and pulse, and intrinsic
error Q_t enters only through three sums over slots,

    S0(μ) = Σ N (1 - e^(-μη)),   S1(μ) = Σ N P e^(-μη),   S2(μ) = Σ N Q (1 - e^(-μη)),

because detections are (1+P_ap)(S0 + 2 S1) and errors S1(0) + P_ap/2 · detections + S2. As Chebyshev series on [0, 4]
they make a key length cost a microsecond whatever the number of slots. Blocks of several windows are sums of tables,
parts of a window differences of running sums, and extra loss is a smaller μ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqci_space.machine.kernels import kernel

__all__ = [
    "DOMAIN",
    "BlockTable",
    "block_table",
    "check_afterpulses",
    "check_slots",
    "clenshaw",
    "live_share",
    "running_tables",
    "three_sums",
]

DOMAIN = 4.0
"""Largest mean photon number of the tables: 1, and 6 dB of gain beside it."""
_NODES = 16
_MOST_GAIN_DB = 6.0


@dataclass(frozen=True)
class BlockTable:
    """The sums S0, S1, S2 of a block as Chebyshev series (3, 16) on μ in [0, 4], and its afterpulse probability."""

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
        return BlockTable(self.series + other.series, self.afterpulse_probability)


def check_slots(*columns: np.ndarray | float) -> list[np.ndarray]:
    """Efficiency, extraneous probability, intrinsic error and pulses of slots as vectors of one length.

    Raises
    ------
    ValueError
        A value lies outside its range.
    """
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(c, dtype=float)) for c in columns))
    names = ("efficiency", "extraneous_probability", "intrinsic_error", "pulses")
    for name, values, top in zip(names, arrays, (1.0, 1.0, 1.0, 1e30), strict=True):
        inside = (values >= 0) & (values <= top)
        if not inside.all():
            raise ValueError(f"slots: {name} = {values[~inside][0]}; expected 0 to {top:g}")
    return list(arrays)


def block_table(
    efficiency: np.ndarray | float,
    extraneous_probability: np.ndarray | float,
    intrinsic_error: np.ndarray | float,
    pulses: np.ndarray | float,
    *,
    afterpulse_probability: float = 0.0,
) -> BlockTable:
    """Tabulate the three sums of a block.

    Parameters
    ----------
    efficiency : (n,) array
        End-to-end transmittance of each slot, detector included, 0..1.
    extraneous_probability : (n,) array or float
        Dark and sky clicks per detector and pulse.
    intrinsic_error : (n,) array or float
        Error probability of a signal click.
    pulses : (n,) array or float
        Pulses sent in each slot.
    """
    eta, noise, error, n = check_slots(efficiency, extraneous_probability, intrinsic_error, pulses)
    caught, survival, to_series = _node_values(eta)
    values = np.stack([caught @ n, survival @ (n * noise), caught @ (n * error)])
    return BlockTable(values @ to_series, afterpulse_probability)


def running_tables(
    efficiency: np.ndarray,
    extraneous_probability: np.ndarray | float,
    intrinsic_error: np.ndarray | float,
    pulses: np.ndarray | float,
) -> np.ndarray:
    """Series (n + 1, 3, 16) of the first 0, 1, … n slots: the slots from i to j are row j less row i."""
    eta, noise, error, n = check_slots(efficiency, extraneous_probability, intrinsic_error, pulses)
    caught, survival, to_series = _node_values(eta)
    return _running_series(caught, survival, n, n * noise, n * error, to_series)


def live_share(
    efficiency: np.ndarray,
    extraneous_probability: np.ndarray | float,
    *,
    mean_photon_number: float,
    pulse_rate_hz: float,
    detectors: int,
    dead_time_s: float,
) -> np.ndarray:
    """Share of the time that a detector is ready, ``1/(1 + R τ)``, R its clicks per second without dead time.

    Non-paralysable (Knoll 2010, section 4.7). A pulse that arrives while a detector is blind counts as not sent, which
    keeps the statistics of intensities and bases.
    """
    if not 0 <= dead_time_s <= 1 or detectors < 1:
        raise ValueError(
            f"live_share: dead_time_s = {dead_time_s}, detectors = {detectors}; expected 0 to 1 s and at least 1"
        )
    for name, value, most in (
        ("mean_photon_number", mean_photon_number, 1e3), ("pulse_rate_hz", pulse_rate_hz, 1e15),
        ("efficiency", efficiency, 1.0), ("extraneous_probability", extraneous_probability, 1.0),
    ):  # fmt: skip
        numbers = np.asarray(value, dtype=float)
        inside = (numbers >= 0) & (numbers <= most)
        if not inside.all():
            raise ValueError(f"live_share: {name} = {numbers[~inside].flat[0]}; expected 0 to {most:g}")
    noise = np.asarray(extraneous_probability, dtype=float)
    clicks = -np.expm1(-mean_photon_number * np.asarray(efficiency, dtype=float)) / detectors + noise
    return 1 / (1 + pulse_rate_hz * clicks * dead_time_s)


def check_afterpulses(probability: float) -> None:
    """Refuse what is no afterpulse probability."""
    if not 0 <= probability < 1:
        raise ValueError(f"blocks: afterpulse_probability = {probability}; expected 0 to below 1")


def _node_values(eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``1 - e^(-μη)`` and ``e^(-μη)`` at the Chebyshev nodes, and the matrix from node values to the series."""
    angle = np.pi * (np.arange(_NODES) + 0.5) / _NODES
    exponent = -np.outer(0.5 * DOMAIN * (np.cos(angle) + 1), eta)
    to_series = 2.0 / _NODES * np.cos(np.outer(angle, np.arange(_NODES)))
    to_series[:, 0] *= 0.5
    return -np.expm1(exponent), np.exp(exponent), to_series


@kernel
def _running_series(caught, survival, pulses, dark, flipped, to_series):  # type: ignore[no-untyped-def]
    """Sums over slots at the nodes, and the series of the sums after every slot."""
    nodes, slots = caught.shape
    sums, out = np.zeros((3, nodes)), np.zeros((slots + 1, 3, nodes))
    for i in range(slots):
        for k in range(nodes):
            sums[0, k] += caught[k, i] * pulses[i]
            sums[1, k] += survival[k, i] * dark[i]
            sums[2, k] += caught[k, i] * flipped[i]
        for row in range(3):
            for k in range(nodes):
                for j in range(nodes):
                    out[i + 1, row, j] += sums[row, k] * to_series[k, j]
    return out


@kernel
def clenshaw(series, row, mu):  # type: ignore[no-untyped-def]
    """Value of one of the series at a mean photon number."""
    u = 2.0 * (mu * (2.0 / DOMAIN) - 1.0)
    b1 = b2 = 0.0
    for j in range(series.shape[1] - 1, 0, -1):
        b1, b2 = u * b1 - b2 + series[row, j], b1
    return 0.5 * u * b1 - b2 + series[row, 0]


@kernel
def three_sums(series, mu):  # type: ignore[no-untyped-def]
    """All three at once, which costs little more than one: their recurrences do not wait for each other."""
    u = 2.0 * (mu * (2.0 / DOMAIN) - 1.0)
    a1 = a2 = b1 = b2 = c1 = c2 = 0.0
    for j in range(series.shape[1] - 1, 0, -1):
        a1, a2 = u * a1 - a2 + series[0, j], a1
        b1, b2 = u * b1 - b2 + series[1, j], b1
        c1, c2 = u * c1 - c2 + series[2, j], c1
    half = 0.5 * u
    return half * a1 - a2 + series[0, 0], half * b1 - b2 + series[1, 0], half * c1 - c2 + series[2, 0]

"""What is detected of a block: clicks and errors per intensity, in the key basis X and the test basis Z.

From tables in a microsecond (`table_counts`), or slot by slot as a check of them (`slot_counts`). Counts of Lim et al.
2014 (Phys. Rev. A 89, 022307) with afterpulses as in SatQuMA (Sidhu et al. 2022, npj Quantum Inf. 8, 18).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqci_space.machine.kernels import kernel
from eqci_space.qkd.blocks import check_slots, clenshaw, three_sums
from eqci_space.qkd.dead_time import check_afterpulses
from eqci_space.qkd.decoy_parameters import DecoyParameters

__all__ = ["Counts", "light_counts", "set_counts", "share_out", "slot_counts", "table_counts"]


@dataclass(frozen=True)
class Counts:
    """Detections per intensity in both bases (3,), and errors per intensity in both (3,)."""

    key_basis: np.ndarray
    test_basis: np.ndarray
    key_errors: np.ndarray
    test_errors: np.ndarray

    def __post_init__(self) -> None:
        for name in ("key_basis", "test_basis", "key_errors", "test_errors"):
            values = np.asarray(getattr(self, name), dtype=float)
            if values.shape != (3,) or not ((values >= 0) & np.isfinite(values)).all():
                raise ValueError(f"Counts: {name} = {values}; expected three finite counts that are not negative")


def slot_counts(
    efficiency: np.ndarray | float,
    extraneous_probability: np.ndarray | float,
    intrinsic_error: np.ndarray | float,
    pulses: np.ndarray | float,
    parameters: DecoyParameters,
    *,
    afterpulse_probability: float = 0.0,
    pair_dark_probability: np.ndarray | float = 0.0,
    neighbour_ratio: np.ndarray | float = 0.0,
    shared_errors: bool = False,
) -> Counts:
    """Expected counts summed slot by slot, without tables.

    Parameters
    ----------
    efficiency, extraneous_probability, intrinsic_error, pulses : (n,) array or float
        As in `blocks.block_table` [1], >= 0.
    parameters : DecoyParameters
    afterpulse_probability : float
        Of a click [1], in [0, 1).
    pair_dark_probability, neighbour_ratio : (n,) array or float
        As in `blocks.block_table` [1], >= 0.
    shared_errors : bool
        Split the test-basis errors among the intensities in proportion to their detections, as SatQuMA v2 does; the
        default gives each intensity its own errors. The shared split overstates the key by up to 7 % at fixed
        parameters, so it serves comparison only.

    Returns
    -------
    Counts
        Expected numbers [1].

    Raises
    ------
    ValueError
        A value lies outside its range.

    Notes
    -----
    Counts of Lim et al. 2014 (Phys. Rev. A 89, 022307) with afterpulses as in Sidhu et al. 2022; dark counts of
    separate pairs and light of neighbours derived here.

    Examples
    --------
    Errors of the key basis by dark counts alone, in 1e9 pulses: at separate pairs every pulse of that basis meets them,
    at a common one only those that the receiver measures in it.

    >>> parameters = DecoyParameters(0.9, 0.8, 0.15, 0.7, 0.15)
    >>> common = slot_counts(0.0, 1e-6, 0.0, 1e9, parameters)
    >>> separate = slot_counts(0.0, 0.0, 0.0, 1e9, parameters, pair_dark_probability=1e-6)
    >>> round(float(common.key_errors.sum())), round(float(separate.key_errors.sum()))
    (810, 900)
    """
    eta, noise, error, n, dark, ratio = check_slots(
        efficiency, extraneous_probability, intrinsic_error, pulses, pair_dark_probability, neighbour_ratio
    )
    check_afterpulses(afterpulse_probability)
    p = parameters
    mu = np.array([p.intensity_1, p.intensity_2, p.intensity_3])
    chance = np.array([p.probability_1, p.probability_2, 1 - p.probability_1 - p.probability_2])
    if p.decoys == 1:
        chance[2] = 0.0
    caught = -np.expm1(-np.outer(mu, eta))
    counts = []
    for share in (p.key_basis_probability, 1 - p.key_basis_probability):
        idle = noise + dark / share + 0.5 * p.mean_photon_number * ratio * eta
        clicks = (1 + afterpulse_probability) * (caught + 2 * idle * (1 - caught))
        wrong = idle + 0.5 * afterpulse_probability * clicks + error * caught
        shared = clicks * (chance @ wrong) / (chance @ clicks) if shared_errors else wrong
        counts.append([share**2 * chance * (values @ n) for values in (clicks, wrong, shared)])
    (key, key_wrong, _), (test, _, test_wrong) = counts
    return Counts(key, test, key_wrong, test_wrong)


@kernel
def table_counts(series: np.ndarray, light: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Counts of a table as a vector.

    Parameters
    ----------
    series : (rows, 16) array
        Of a `BlockTable` [1], any value.
    light : (2,) array
        Afterpulse probability [1], in [0, 1), and attenuation of the signal beyond the table's [1], in (0, 4].
    x : (7,) array
        Of `DecoyParameters.as_array` [1], >= 0.

    Returns
    -------
    (12,) array
        Key basis (3), test basis (3), key errors (3), test errors (3) [1].

    Notes
    -----
    Lim et al. 2014, as tabulated in `eqci_space.qkd.blocks`.

    Examples
    --------
    >>> from eqci_space.qkd.blocks import block_table
    >>> x = DecoyParameters(0.9, 0.8, 0.15, 0.7, 0.15).as_array()
    >>> counts = table_counts(block_table(0.01, 0.0, 0.0, 1e9).series, np.array([0.0, 1.0]), x)
    >>> round(float(counts[0]))  # 1e9 · 0.81 · 0.8 · (1 - exp(-0.007))
    4520161
    """
    out = np.zeros(12)
    set_counts(out, series, light, x)
    return out


@kernel
def set_counts(out: np.ndarray, series: np.ndarray, light: np.ndarray, x: np.ndarray) -> None:
    """`table_counts` in place, for loops; what no intensity has is left as it is.

    Parameters
    ----------
    out : (12,) array
        Counts [1], any value before.
    series : (rows, 16) array
        As in `table_counts` [1], any value.
    light : (2,) array
        Likewise [1], >= 0.
    x : (7,) array
        Likewise [1], >= 0.

    Returns
    -------
    None

    Notes
    -----
    Lim et al. 2014.

    Examples
    --------
    >>> from eqci_space.qkd.blocks import block_table
    >>> out = np.zeros(12)
    >>> x = DecoyParameters(0.5, 0.8, 0.15, 0.7, 0.15).as_array()
    >>> set_counts(out, block_table(0.01, 0.0, 0.5, 1e9).series, np.array([0.0, 1.0]), x)
    >>> round(float(out[9] / out[3]), 9)
    0.5
    """
    dark = clenshaw(series, 1, 0.0)
    for k in range(int(x[6]) + 1):
        clicks, wrong = light_counts(series, 0, light, x[3 + k], dark)
        share_out(out, k, clicks, wrong, x)
    if series.shape[0] > 3:
        _replace_test_counts(out, series, light, x)
        _add_side_counts(out, series, light, x)


@kernel
def _replace_test_counts(out, series, light, x):  # type: ignore[no-untyped-def]
    """Counts of a test basis that has rows of its own."""
    if series.shape[0] > 5:
        dark = clenshaw(series, 6, 0.0)
        for k in range(int(x[6]) + 1):
            clicks, wrong = light_counts(series, 5, light, x[3 + k], dark)
            chance = (x[1 + k] if k < 2 else 1.0 - x[1] - x[2]) * (1 - x[0]) ** 2
            out[3 + k], out[9 + k] = chance * clicks, chance * wrong


@kernel
def _add_side_counts(out, series, light, x):  # type: ignore[no-untyped-def]
    """Add the light of neighbours, and the dark counts of a pair that serves its basis alone.

    Neighbours' light meets a basis like any light, with the square of its probability; the dark counts of a pair meet
    it whenever the sender chose it.
    """
    mean = light[1] * (x[1] * x[3] + x[2] * x[4] + max(0.0, 1.0 - x[1] - x[2]) * x[5])
    for basis in range(2):
        first = 5 * basis if series.shape[0] > 5 else 0
        share = x[0] if basis == 0 else 1 - x[0]
        idle = share * clenshaw(series, first + 3, 0.0) + share * share * mean * clenshaw(series, first + 4, 0.0)
        for k in range(int(x[6]) + 1):
            mu = x[3 + k] * light[1]
            unlit = share * clenshaw(series, first + 3, mu) + share * share * mean * clenshaw(series, first + 4, mu)
            clicks = 2 * (1 + light[0]) * unlit
            chance = x[1 + k] if k < 2 else 1.0 - x[1] - x[2]
            out[3 * basis + k] += chance * clicks
            out[6 + 3 * basis + k] += chance * (idle + 0.5 * light[0] * clicks)


@kernel
def light_counts(
    series: np.ndarray, first: int, light: np.ndarray, intensity: float, dark: float
) -> tuple[float, float]:
    """Detections and errors of signal and noise if all pulses had one intensity and met a matching basis.

    Parameters
    ----------
    series : (rows, 16) array
        Of a `BlockTable` [1], any value.
    first : int
        Row at which the basis begins [1], 0 or 5, >= 0.
    light : (2,) array
        As in `table_counts` [1], >= 0.
    intensity : float
        Mean photon number [1], in [0, 1].
    dark : float
        S1(0), clicks per detector without light [1], >= 0.

    Returns
    -------
    tuple of float
        Detections and errors [1].

    Notes
    -----
    Lim et al. 2014 (Phys. Rev. A 89, 022307), with afterpulses as in Sidhu et al. 2022.

    Examples
    --------
    >>> from eqci_space.qkd.blocks import block_table
    >>> series = block_table(0.01, 0.0, 0.02, 1e9).series
    >>> [round(v) for v in light_counts(series, 0, np.array([0.0, 1.0]), 0.5, 0.0)]
    [4987521, 99750]
    """
    afterpulse, mu = light[0], intensity * light[1]
    caught, noise, flipped = 0.0, dark, 0.0
    if mu > 0:
        caught, noise, flipped = three_sums(series, first, mu)
    clicks = (1 + afterpulse) * (caught + 2 * noise)
    return clicks, dark + 0.5 * afterpulse * clicks + flipped


@kernel
def share_out(out: np.ndarray, k: int, clicks: float, wrong: float, x: np.ndarray) -> None:
    """Set the counts of intensity k, those of `light_counts` shared by its probability and the bases'.

    Parameters
    ----------
    out : (12,) array
        Counts [1], any value before.
    k : int
        Intensity [1], in [0, 2].
    clicks, wrong : float
        Of `light_counts` [1], >= 0.
    x : (7,) array
        As in `table_counts` [1], >= 0.

    Returns
    -------
    None

    Notes
    -----
    Sender and receiver both choose a basis (Lo, Chau and Ardehali 2005, J. Cryptology 18, 133).

    Examples
    --------
    >>> out = np.zeros(12)
    >>> share_out(out, 0, 1000.0, 10.0, DecoyParameters(0.9, 0.8, 0.15, 0.7, 0.15).as_array())
    >>> [round(float(v), 6) for v in out[[0, 3, 6, 9]]]
    [648.0, 8.0, 6.48, 0.08]
    """
    chance = x[1 + k] if k < 2 else 1.0 - x[1] - x[2]
    key, test = x[0] ** 2 * chance, (1 - x[0]) ** 2 * chance
    out[k] = key * clicks
    out[3 + k] = test * clicks
    out[6 + k] = key * wrong
    out[9 + k] = test * wrong

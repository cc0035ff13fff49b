"""Finite-key length of efficient BB84 with weak coherent pulses and one or two decoy intensities.

Two decoys: structure of Lim et al. 2014 (Phys. Rev. A 89, 022307) with the multiplicative Chernoff bounds of Yin et al.
2020 as used in SatQuMA (Sidhu et al. 2022, npj Quantum Inf. 8, 18) or Hoeffding bounds. One decoy: Rusca et al. 2018
(Appl. Phys. Lett. 112, 171104). Key basis X, test basis Z, intensities μ1 > μ2 (> μ3 >= 0).

Wiesemann et al. (arXiv:2405.16578) consolidate these proofs and mend technical gaps in them; lengths carry the name of
the proof used so that a later one can be told apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from eqci_space.machine.kernels import kernel
from eqci_space.qkd.blocks import BlockTable, check_afterpulses, check_slots, clenshaw, three_sums
from eqci_space.qkd.leakage import entropy, leakage_bit
from eqci_space.qkd.sampling import sampled_error
from eqci_space.qkd.security import SecurityParameters

__all__ = [
    "REFERENCE_PARAMETERS",
    "Counts",
    "DecoyParameters",
    "KeyResult",
    "key_length",
    "key_result",
    "light_counts",
    "proof_name",
    "set_counts",
    "share_out",
    "signed_length",
    "slot_counts",
    "table_counts",
]

_FLOOR = 1e-10


@dataclass(frozen=True)
class DecoyParameters:
    """Protocol parameters: key-basis probability, and probabilities and mean photon numbers of the intensities.

    With two decoys the third intensity is sent with probability 1 - p1 - p2; with one, p1 + p2 = 1.
    """

    key_basis_probability: float
    probability_1: float
    probability_2: float
    intensity_1: float
    intensity_2: float
    intensity_3: float = 0.0
    decoys: int = 2

    def __post_init__(self) -> None:
        p = (self.key_basis_probability, self.probability_1, self.probability_2)
        if self.decoys not in (1, 2):
            raise ValueError(f"DecoyParameters: decoys = {self.decoys}; expected 1 or 2")
        rest = 1 - self.probability_1 - self.probability_2
        if not all(0 < x < 1 for x in p) or (rest <= 0 if self.decoys == 2 else abs(rest) > 1e-9):
            total = "p1 + p2 < 1, the rest being the third intensity" if self.decoys == 2 else "p1 + p2 = 1"
            raise ValueError(f"DecoyParameters: probabilities {p}; expected each in (0, 1) and {total}")
        if not 0 < self.intensity_2 < self.intensity_1 <= 1:
            raise ValueError(
                f"DecoyParameters: intensities {self.intensity_1}, {self.intensity_2}; expected 0 < μ2 < μ1 <= 1"
            )
        if not 0 <= self.intensity_3 < self.intensity_2 or self.intensity_2 + self.intensity_3 >= self.intensity_1:
            raise ValueError(
                f"DecoyParameters: intensity_3 = {self.intensity_3} beside {self.intensity_1}, {self.intensity_2}; "
                "expected 0 <= μ3 < μ2 and μ2 + μ3 < μ1"
            )

    def as_array(self) -> np.ndarray:
        """For the kernels: p_X, p1, p2, μ1, μ2, μ3, number of decoys."""
        return np.array([
            self.key_basis_probability, self.probability_1, self.probability_2, self.intensity_1, self.intensity_2,
            self.intensity_3, self.decoys,
        ])  # fmt: skip

    @classmethod
    def from_array(cls, x: np.ndarray) -> DecoyParameters:
        """Inverse of `as_array`."""
        px, p1, p2, mu1, mu2, mu3, decoys = map(float, x)
        return cls(px, p1, p2, mu1, mu2, mu3, int(decoys))

    @property
    def mean_photon_number(self) -> float:
        """Mean over the intensities."""
        rest = max(0.0, 1 - self.probability_1 - self.probability_2)
        return self.probability_1 * self.intensity_1 + self.probability_2 * self.intensity_2 + rest * self.intensity_3


REFERENCE_PARAMETERS = DecoyParameters(0.8, 0.8, 0.15, 0.7, 0.15)
"""Ordinary parameters, at which blocks without key are described."""


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


@dataclass(frozen=True)
class KeyResult:
    """Unfloored secret key length [bit] (negative: no key) and what led to it.

    `phase_error` is the bound on the single-photon phase error rate, `leakage_bit` the error correction,
    `vacuum_bit` and `single_photon_bit` the bounds s_X0 and s_X1. The length does not yet pay for authentication.
    It holds for the block as one, by the `proof` and with the failure probabilities of `security`.
    """

    length_bit: float
    qber: float
    sifted_bit: float
    phase_error: float
    leakage_bit: float
    vacuum_bit: float
    single_photon_bit: float
    parameters: DecoyParameters
    protocol: str
    proof: str
    security: SecurityParameters


def proof_name(decoys: int, security: SecurityParameters) -> str:
    """Name of the proof that a length rests on.

    Parameters
    ----------
    decoys : int
        1 or 2 [1], > 0.
    security : SecurityParameters

    Returns
    -------
    str
        Proof, bound of the counts and, unless it is the closed form γ of Lim et al. 2014, the sampling inequality.

    Examples
    --------
    >>> proof_name(2, SecurityParameters())
    'lim2014-chernoff-fung2010'
    >>> proof_name(1, SecurityParameters(bound="hoeffding", sampling="lim2014"))
    'rusca2018-hoeffding'
    """
    name = f"{'lim2014' if decoys == 2 else 'rusca2018'}-{security.bound}"
    return name if security.sampling == "lim2014" else f"{name}-{security.sampling}"


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


def key_length(
    block: BlockTable | Counts,
    parameters: DecoyParameters,
    security: SecurityParameters | None = None,
    *,
    extra_loss_db: float = 0.0,
) -> KeyResult:
    """Secret key length of a block at given parameters, unfloored and before authentication.

    Parameters
    ----------
    block : BlockTable or Counts
    parameters : DecoyParameters
    security : SecurityParameters, optional
    extra_loss_db : float
        Weakens the signal of a tabulated block [dB], >= -6; its noise stays.

    Returns
    -------
    KeyResult
        Its length [bit]; negative: no key.

    Raises
    ------
    ValueError
        The block is given as counts together with an extra loss, or the gain exceeds 6 dB.

    Notes
    -----
    Lim et al. 2014 (Phys. Rev. A 89, 022307) and, for one decoy, Rusca et al. 2018 (Appl. Phys. Lett. 112, 171104).

    A 500 km zenith pass with 20 dB zenith loss at SatQuMA's default parameters, with its shared error split and the
    closed form γ, gives 19,536,709.98 bits, as SatQuMA v2 does (case F01 of the tests).

    Examples
    --------
    >>> from eqci_space.qkd.blocks import block_table
    >>> parameters = DecoyParameters(0.9, 0.8, 0.15, 0.6, 0.15)
    >>> found = key_length(block_table(1e-3, 1e-7, 0.01, 1e10), parameters)
    >>> found.proof, round(found.qber, 4)
    ('lim2014-chernoff-fung2010', 0.0102)
    """
    security = security or SecurityParameters()
    x = parameters.as_array()
    if isinstance(block, Counts):
        if extra_loss_db:
            raise ValueError(f"key_length: extra_loss_db = {extra_loss_db} with counts; expected a BlockTable for that")
        counts = np.concatenate([block.key_basis, block.test_basis, block.key_errors, block.test_errors])
    else:
        counts = table_counts(block.series, block.light(extra_loss_db), x)
    return key_result(counts, x, security)


def key_result(counts: np.ndarray, x: np.ndarray, security: SecurityParameters) -> KeyResult:
    """Key length of counts and parameters in the kernels' form.

    Parameters
    ----------
    counts : (12,) array
        Of `table_counts` [1], >= 0.
    x : (7,) array
        Of `DecoyParameters.as_array` [1], >= 0.
    security : SecurityParameters

    Returns
    -------
    KeyResult
        Its length [bit]; negative: no key.

    Notes
    -----
    Lim et al. 2014; Rusca et al. 2018.

    Examples
    --------
    Nothing detected: no key.

    >>> x = DecoyParameters(0.9, 0.8, 0.15, 0.6, 0.15).as_array()
    >>> key_result(np.zeros(12), x, SecurityParameters()).length_bit < 0
    True
    """
    length, phase, leak, vacuum, single = signed_length(counts, x, security.as_array())
    sifted, parameters = float(counts[:3].sum()), DecoyParameters.from_array(x)
    return KeyResult(
        float(length), float(counts[6:9].sum() / sifted) if sifted > 0 else 0.5, sifted, float(phase), float(leak),
        float(vacuum), float(single), parameters, "bb84-two-decoy" if parameters.decoys == 2 else "bb84-one-decoy",
        proof_name(parameters.decoys, security), security,
    )  # fmt: skip


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


@kernel
def _below(n, total, beta, bound):  # type: ignore[no-untyped-def]
    """Lower bound of an expected count."""
    if bound == 0:
        return n - (beta / 2 + math.sqrt(2 * n * beta + beta * beta / 4))
    if bound == 1:
        return n - math.sqrt(total * beta / 2)
    return n


@kernel
def _above(n, total, beta, bound):  # type: ignore[no-untyped-def]
    """Upper bound of an expected count."""
    if bound == 0:
        return n + beta + math.sqrt(2 * n * beta + beta * beta)
    if bound == 1:
        return n + math.sqrt(total * beta / 2)
    return n


@kernel
def _two_decoy_bounds(counts, first, x, beta, bound):  # type: ignore[no-untyped-def]
    """Lower bounds of the detections from vacuum and from single photons, for counts[first:first+3], and τ1."""
    mu1, mu2, mu3 = x[3], x[4], x[5]
    p1, p2 = x[1], x[2]
    p3 = 1 - p1 - p2
    total = counts[first] + counts[first + 1] + counts[first + 2]
    e1, e2, e3 = math.exp(-mu1), math.exp(-mu2), math.exp(-mu3)
    tau0 = p1 * e1 + p2 * e2 + p3 * e3
    tau1 = p1 * e1 * mu1 + p2 * e2 * mu2 + p3 * e3 * mu3
    low2 = _below(counts[first + 1], total, beta, bound) / (p2 * e2)
    high2 = _above(counts[first + 1], total, beta, bound) / (p2 * e2)
    low3 = _below(counts[first + 2], total, beta, bound) / (p3 * e3)
    high1 = _above(counts[first], total, beta, bound) / (p1 * e1)
    high3 = _above(counts[first + 2], total, beta, bound) / (p3 * e3)
    s0 = min(max(tau0 * (mu2 * low3 - mu3 * high2) / (mu2 - mu3), 0.0), total)
    rest = (mu2 * mu2 - mu3 * mu3) / (mu1 * mu1) * (high1 - s0 / tau0)
    s1 = tau1 * mu1 * (low2 - high3 - rest) / ((mu2 - mu3) * (mu1 - mu2 - mu3))
    return s0, min(max(s1, _FLOOR), max(total, _FLOOR)), tau1


@kernel
def _one_decoy_bounds(counts, first, wrong, x, beta, bound):  # type: ignore[no-untyped-def]
    """The same with one decoy; errors of the basis stand at counts[wrong:wrong+2] and bound the vacuum from above."""
    mu1, mu2 = x[3], x[4]
    p1, p2 = x[1], x[2]
    total, errors = counts[first] + counts[first + 1], counts[wrong] + counts[wrong + 1]
    e1, e2 = math.exp(-mu1), math.exp(-mu2)
    tau0 = p1 * e1 + p2 * e2
    tau1 = p1 * e1 * mu1 + p2 * e2 * mu2
    high1 = _above(counts[first], total, beta, bound) / (p1 * e1)
    low2 = _below(counts[first + 1], total, beta, bound) / (p2 * e2)
    chance = 0.0 if bound == 2 else math.sqrt(total * beta / 2)
    most0 = 2 * (tau0 * _above(counts[wrong + 1], errors, beta, bound) / (p2 * e2) + chance)
    s0 = min(max(tau0 * (mu1 * low2 - mu2 * high1) / (mu1 - mu2), 0.0), total)
    ratio = (mu2 / mu1) ** 2
    s1 = tau1 * mu1 / (mu2 * (mu1 - mu2)) * (low2 - ratio * high1 - (1 - ratio) * most0 / tau0)
    return s0, min(max(s1, _FLOOR), max(total, _FLOOR)), tau1


@kernel
def signed_length(counts, x, security):  # type: ignore[no-untyped-def]
    """Signed key length and what led to it.

    Parameters
    ----------
    counts : (12,) array
        Of `table_counts` [1], >= 0.
    x : (7,) array
        Of `DecoyParameters.as_array` [1], >= 0.
    security : (6,) array
        Of `SecurityParameters.as_array` [1], >= 0.

    Returns
    -------
    tuple of float
        Length [bit], phase error bound [1], leakage [bit], vacuum and single-photon bounds [1].

    Notes
    -----
    Lim et al. 2014, eqs 1 to 5; Rusca et al. 2018, eqs 2 to 6.

    Examples
    --------
    The first is the length of `key_length`.

    >>> from eqci_space.qkd.blocks import block_table
    >>> block, parameters = block_table(1e-3, 1e-7, 0.01, 1e10), DecoyParameters(0.9, 0.8, 0.15, 0.6, 0.15)
    >>> x = parameters.as_array()
    >>> found = signed_length(table_counts(block.series, block.light(), x), x, SecurityParameters().as_array())
    >>> found[0] == key_length(block, parameters).length_bit
    True
    """
    eps_s, eps_c, f_ec, bound = security[0], security[1], security[2], int(security[3])
    two = x[6] > 1.5
    constant = 21.0 if two else 19.0
    beta = math.log(constant / eps_s)
    wrong = counts[9] + counts[10] + counts[11]
    if two:
        s_x0, s_x1, _ = _two_decoy_bounds(counts, 0, x, beta, bound)
        _, s_z1, tau1 = _two_decoy_bounds(counts, 3, x, beta, bound)
        high = _above(counts[10], wrong, beta, bound) * math.exp(x[4]) / x[2]
        low = _below(counts[11], wrong, beta, bound) * math.exp(x[5]) / (1 - x[1] - x[2])
        v_z1 = tau1 * (high - low) / (x[4] - x[5])
    else:
        s_x0, s_x1, _ = _one_decoy_bounds(counts, 0, 6, x, beta, bound)
        _, s_z1, tau1 = _one_decoy_bounds(counts, 3, 9, x, beta, bound)
        high = _above(counts[9], wrong, beta, bound) * math.exp(x[3]) / x[1]
        low = _below(counts[10], wrong, beta, bound) * math.exp(x[4]) / x[2]
        v_z1 = tau1 * (high - low) / (x[3] - x[4])
    v_z1 = max(min(v_z1, wrong), _FLOOR)
    ratio = v_z1 / s_z1
    phase = min(ratio, 0.5)
    if bound != 2:
        phase = sampled_error(ratio, s_z1, s_x1, 2 * math.log2(eps_s / constant), int(security[5]))
    n = counts[0] + counts[1] + counts[2]
    leak = leakage_bit(n, (counts[6] + counts[7] + counts[8]) / n if n > 0 else 0.5, eps_c, f_ec, int(security[4]))
    length = s_x0 + s_x1 * (1 - entropy(phase)) - leak
    if bound != 2:
        length -= 6 * math.log2(constant / eps_s) + math.log2(2 / eps_c)
    return length, phase, leak, s_x0, s_x1

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
from eqci_space.qkd.blocks import BlockTable
from eqci_space.qkd.counts import Counts, table_counts
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.leakage import entropy, leakage_bit
from eqci_space.qkd.sampling import sampled_error
from eqci_space.qkd.security import SecurityParameters

__all__ = ["KeyResult", "key_length", "key_result", "proof_name", "signed_length"]

_FLOOR = 1e-10


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

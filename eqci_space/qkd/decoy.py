"""Finite-key length of efficient BB84 with weak coherent pulses and two decoys.

Structure of Lim et al. 2014 (Phys. Rev. A 89, 022307) with the multiplicative Chernoff bounds of Yin et al.
2020 as used in SatQuMA (Sidhu et al. 2022, npj Quantum Inf. 8, 18) or Hoeffding bounds, and the one-shot
leakage of Tomamichel et al. 2017. Key basis X, test basis Z, intensities μ1 > μ2 > μ3 = 0 (vacuum).

A slot t with N_t pulses, end-to-end efficiency η_t, extraneous probability P_t per detector and pulse, and
intrinsic error Q_t enters only through three sums over slots,

    S0(μ) = Σ N (1 - e^(-μη)),   S1(μ) = Σ N P e^(-μη),   S2(μ) = Σ N Q (1 - e^(-μη)),

because detections are (1+P_ap)(S0 + 2 S1) and errors S1(0) + P_ap/2 · detections + S2. The sums are
tabulated as Chebyshev series on [0, 1], after which one key length costs a microsecond whatever the number
of slots, and blocks of several windows are sums of tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from eqci_space.kernels import kernel

__all__ = [
    "BOUNDS",
    "REFERENCE_PARAMETERS",
    "BlockTable",
    "Counts",
    "DecoyParameters",
    "KeyResult",
    "SecurityParameters",
    "block_table",
    "key_length",
    "optimise_key",
    "slot_counts",
]

BOUNDS = {"chernoff": 0, "hoeffding": 1, "asymptotic": 2}
_LEAKAGE = {"one-shot": 0, "block": 1}
_NODES = 16
_FLOOR = 1e-10


@dataclass(frozen=True)
class DecoyParameters:
    """Protocol parameters: key-basis probability, probabilities and mean photon numbers of intensities 1 and 2.

    The third intensity is vacuum, sent with probability 1 - p1 - p2.
    """

    key_basis_probability: float
    probability_1: float
    probability_2: float
    intensity_1: float
    intensity_2: float

    def __post_init__(self) -> None:
        p = (self.key_basis_probability, self.probability_1, self.probability_2)
        if not all(0 < x < 1 for x in p) or self.probability_1 + self.probability_2 >= 1:
            raise ValueError(f"DecoyParameters: probabilities {p}; expected each in (0, 1) and p1 + p2 < 1")
        if not 0 < self.intensity_2 < self.intensity_1 <= 1:
            raise ValueError(
                f"DecoyParameters: intensities {self.intensity_1}, {self.intensity_2}; expected 0 < μ2 < μ1 <= 1"
            )


@dataclass(frozen=True)
class SecurityParameters:
    """Security budget and post-processing: ε of secrecy and correctness, f_EC, bound and leakage model."""

    epsilon_secrecy: float = 1e-9
    epsilon_correctness: float = 1e-15
    error_correction_efficiency: float = 1.16
    bound: str = "chernoff"
    leakage: str = "one-shot"

    def __post_init__(self) -> None:
        for name in ("epsilon_secrecy", "epsilon_correctness"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"SecurityParameters: {name}={getattr(self, name)}; expected in (0, 1)")
        if self.error_correction_efficiency < 1:
            raise ValueError(f"SecurityParameters: error_correction_efficiency={self.error_correction_efficiency} < 1")
        if self.bound not in BOUNDS or self.leakage not in _LEAKAGE:
            raise ValueError(
                f"SecurityParameters: bound '{self.bound}', leakage '{self.leakage}'; "
                f"expected one of {list(BOUNDS)} and one of {list(_LEAKAGE)}"
            )

    def _array(self) -> np.ndarray:
        return np.array([
            self.epsilon_secrecy, self.epsilon_correctness, self.error_correction_efficiency,
            BOUNDS[self.bound], _LEAKAGE[self.leakage],
        ])  # fmt: skip


@dataclass(frozen=True)
class BlockTable:
    """The sums S0, S1, S2 of a block as Chebyshev series (3, 16) on μ in [0, 1], and its afterpulse probability."""

    series: np.ndarray
    afterpulse_probability: float


@dataclass(frozen=True)
class Counts:
    """Detections per intensity in both bases (3,), errors in the key basis, errors per intensity in the test basis."""

    key_basis: np.ndarray
    test_basis: np.ndarray
    key_errors: float
    test_errors: np.ndarray


@dataclass(frozen=True)
class KeyResult:
    """Unfloored secret key length [bit] (negative: no key) and what led to it.

    `phase_error` is the bound on the single-photon phase error rate, `leakage_bit` the error correction,
    `vacuum_bit` and `single_photon_bit` the bounds s_X0 and s_X1.
    """

    length_bit: float
    qber: float
    sifted_bit: float
    phase_error: float
    leakage_bit: float
    vacuum_bit: float
    single_photon_bit: float
    parameters: DecoyParameters


def _check_slots(efficiency: np.ndarray, extraneous: np.ndarray, error: np.ndarray, pulses: np.ndarray) -> None:
    for name, values, top in (
        ("efficiency", efficiency, 1.0), ("extraneous_probability", extraneous, 1.0),
        ("intrinsic_error", error, 1.0), ("pulses", pulses, 1e30),
    ):  # fmt: skip
        if values.size and not ((values >= 0) & (values <= top)).all():
            raise ValueError(f"slots: {name} {values.min()}..{values.max()}; expected 0 to {top}")


REFERENCE_PARAMETERS = DecoyParameters(0.8, 0.8, 0.15, 0.7, 0.15)
"""Ordinary parameters, at which blocks without key are described."""


def _slots(*columns: np.ndarray | float) -> list[np.ndarray]:
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(c, dtype=float)) for c in columns))
    _check_slots(*arrays)
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
    if not 0 <= afterpulse_probability < 1:
        raise ValueError(f"block_table: afterpulse_probability={afterpulse_probability}; expected in [0, 1)")
    eta, noise, error, n = _slots(efficiency, extraneous_probability, intrinsic_error, pulses)
    angle = np.pi * (np.arange(_NODES) + 0.5) / _NODES
    survival = np.exp(-np.outer(0.5 * (np.cos(angle) + 1), eta))
    caught = -np.expm1(-np.outer(0.5 * (np.cos(angle) + 1), eta))
    values = np.stack([caught @ n, survival @ (n * noise), caught @ (n * error)])
    to_series = 2.0 / _NODES * np.cos(np.outer(angle, np.arange(_NODES)))
    to_series[:, 0] *= 0.5
    return BlockTable(values @ to_series, afterpulse_probability)


def slot_counts(
    efficiency: np.ndarray | float,
    extraneous_probability: np.ndarray | float,
    intrinsic_error: np.ndarray | float,
    pulses: np.ndarray | float,
    parameters: DecoyParameters,
    *,
    afterpulse_probability: float = 0.0,
    shared_errors: bool = False,
) -> Counts:
    """Expected counts summed slot by slot, without tables.

    `shared_errors` splits the test-basis errors among the intensities in proportion to their detections, as
    SatQuMA v2 does; the default gives each intensity its own errors. The shared split overstates the key by
    up to 7 % at fixed parameters, so it serves comparison only.
    """
    eta, noise, error, n = _slots(efficiency, extraneous_probability, intrinsic_error, pulses)
    p = parameters
    mu = np.array([p.intensity_1, p.intensity_2, 0.0])
    chance = np.array([p.probability_1, p.probability_2, 1 - p.probability_1 - p.probability_2])
    caught = -np.expm1(-np.outer(mu, eta))
    clicks = (1 + afterpulse_probability) * (caught + 2 * noise * (1 - caught))
    wrong = noise + 0.5 * afterpulse_probability * clicks + error * caught
    key, test = p.key_basis_probability**2, (1 - p.key_basis_probability) ** 2
    own = wrong @ n
    shared = (clicks * (chance @ wrong) / (chance @ clicks)) @ n
    return Counts(
        key * chance * (clicks @ n), test * chance * (clicks @ n),
        float(key * (chance @ own)), test * chance * (shared if shared_errors else own),
    )  # fmt: skip


def key_length(
    block: BlockTable | Counts, parameters: DecoyParameters, security: SecurityParameters | None = None
) -> KeyResult:
    """Secret key length of a block at given parameters, unfloored.

    Reference: a 500 km zenith pass with 20 dB zenith loss at SatQuMA's default parameters and its shared
    error split gives 19,536,709.98 bits, as SatQuMA v2 does (case F01 of the tests).
    """
    security = security or SecurityParameters()
    x = _parameter_array(parameters)
    if isinstance(block, Counts):
        counts = np.concatenate([block.key_basis, block.test_basis, [block.key_errors], block.test_errors])
    else:
        counts = _table_counts(block.series, block.afterpulse_probability, x)
    return _result(counts, x, security)


def optimise_key(
    block: BlockTable,
    security: SecurityParameters | None = None,
    *,
    start: DecoyParameters | None = None,
) -> KeyResult:
    """Largest secret key length over all five parameters (vacuum third intensity).

    Nelder-Mead on the signed length in logistic coordinates. The starts are the best points of a coarse grid, one
    for each level of the first intensity's probability, because noisy short blocks have their optimum where
    the second intensity is sent mostly. The signed objective keeps a slope where there is no key.
    """
    security = security or SecurityParameters()
    starts = np.empty((0, 5)) if start is None else _parameter_array(start)[None, :]
    x = _optimise(block.series, block.afterpulse_probability, security._array(), starts)
    return _result(_table_counts(block.series, block.afterpulse_probability, x), x, security)


def _parameter_array(p: DecoyParameters) -> np.ndarray:
    return np.array([p.key_basis_probability, p.probability_1, p.probability_2, p.intensity_1, p.intensity_2])


# The coarse grid: key-basis probability, p1, share of p2 in the rest, μ1, share of μ2 in μ1.
_GRID_BASIS = np.array([0.4, 0.65, 0.9])
_GRID_P1 = np.array([0.08, 0.35, 0.62, 0.88])
_GRID_P2_SHARE = np.array([0.5, 0.9])
_GRID_MU1 = np.array([0.33, 0.5, 0.7])
_GRID_MU2_SHARE = np.array([0.15, 0.32])


def _result(counts: np.ndarray, x: np.ndarray, security: SecurityParameters) -> KeyResult:
    length, phase, leak, vacuum, single = _length(counts, x, security._array())
    sifted = float(counts[:3].sum())
    return KeyResult(
        float(length), float(counts[6] / sifted) if sifted > 0 else 0.5, sifted, float(phase), float(leak),
        float(vacuum), float(single), DecoyParameters(*map(float, x)),
    )  # fmt: skip


@kernel
def _clenshaw(series, row, mu):  # type: ignore[no-untyped-def]
    """Value of a Chebyshev series on [0, 1]."""
    u = 2.0 * (2.0 * mu - 1.0)
    b1 = b2 = 0.0
    for j in range(series.shape[1] - 1, 0, -1):
        b1, b2 = u * b1 - b2 + series[row, j], b1
    return 0.5 * u * b1 - b2 + series[row, 0]


@kernel
def _table_counts(series, afterpulse, x):  # type: ignore[no-untyped-def]
    """Counts as a vector: key basis (3), test basis (3), key errors, test errors (3)."""
    out = np.zeros(10)
    vacuum_noise = _clenshaw(series, 1, 0.0)
    for k in range(3):
        mu = x[3 + k] if k < 2 else 0.0
        chance = x[1 + k] if k < 2 else 1.0 - x[1] - x[2]
        caught = _clenshaw(series, 0, mu) if k < 2 else 0.0
        clicks = (1 + afterpulse) * (caught + 2 * _clenshaw(series, 1, mu))
        wrong = vacuum_noise + 0.5 * afterpulse * clicks
        if k < 2:
            wrong += _clenshaw(series, 2, mu)
        key, test = x[0] ** 2 * chance, (1 - x[0]) ** 2 * chance
        out[k] = key * clicks
        out[3 + k] = test * clicks
        out[6] += key * wrong
        out[7 + k] = test * wrong
    return out


@kernel
def _entropy(x):  # type: ignore[no-untyped-def]
    if x <= 0.0 or x >= 1.0:
        return 0.0
    return -(x * math.log2(x) + (1 - x) * math.log2(1 - x))


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
def _photon_bounds(counts, first, x, beta, bound):  # type: ignore[no-untyped-def]
    """Lower bounds of the detections from vacuum and from single photons, for counts[first:first+3]."""
    mu1, mu2 = x[3], x[4]
    p1, p2 = x[1], x[2]
    p3 = 1 - p1 - p2
    total = counts[first] + counts[first + 1] + counts[first + 2]
    tau0 = p1 * math.exp(-mu1) + p2 * math.exp(-mu2) + p3
    tau1 = p1 * math.exp(-mu1) * mu1 + p2 * math.exp(-mu2) * mu2
    low2 = math.exp(mu2) / p2 * _below(counts[first + 1], total, beta, bound)
    low3 = _below(counts[first + 2], total, beta, bound) / p3
    high1 = math.exp(mu1) / p1 * _above(counts[first], total, beta, bound)
    high3 = _above(counts[first + 2], total, beta, bound) / p3
    s0 = max(tau0 * low3, _FLOOR)
    s1 = tau1 * mu1 * (low2 - high3 - (mu2 / mu1) ** 2 * (high1 - s0 / tau0)) / (mu1 * mu2 - mu2 * mu2)
    return s0, max(s1, _FLOOR), tau1


@kernel
def _length(counts, x, security):  # type: ignore[no-untyped-def]
    """Signed key length, phase error bound, leakage, vacuum and single-photon bounds."""
    eps_s, eps_c, f_ec, bound = security[0], security[1], security[2], int(security[3])
    beta = math.log(21 / eps_s)
    s_x0, s_x1, _ = _photon_bounds(counts, 0, x, beta, bound)
    _, s_z1, tau1 = _photon_bounds(counts, 3, x, beta, bound)
    wrong = counts[7] + counts[8] + counts[9]
    high2 = math.exp(x[4]) / x[2] * _above(counts[8], wrong, beta, bound)
    low3 = _below(counts[9], wrong, beta, bound) / (1 - x[1] - x[2])
    v_z1 = max(min(tau1 * (high2 - low3) / x[4], wrong), _FLOOR)
    ratio = v_z1 / s_z1
    phase = 0.5
    if ratio < 0.5:
        gamma = 0.0
        if bound != 2:
            pair = (s_z1 + s_x1) / (s_z1 * s_x1)
            spread = (1 - ratio) * ratio
            argument = math.log2(pair * 441.0 / (spread * eps_s * eps_s))
            gamma = math.sqrt(max(pair * spread / math.log(2.0) * argument, 0.0))
        phase = min(ratio + gamma, 0.5)
    n = counts[0] + counts[1] + counts[2]
    leak = _leakage(n, counts[6] / n if n > 0 else 0.5, eps_c, f_ec, int(security[4]))
    length = s_x0 + s_x1 * (1 - _entropy(phase)) - leak
    if bound != 2:
        length -= 6 * math.log2(21 / eps_s) + math.log2(2 / eps_c)
    return length, phase, leak, s_x0, s_x1


@kernel
def _leakage(n, q, eps_c, f_ec, model):  # type: ignore[no-untyped-def]
    """Bits revealed by error correction: f n h(q), or the larger one-shot estimate of Tomamichel et al. 2017."""
    block = f_ec * n * _entropy(q)
    if model == 1 or q <= 0.0 or q >= 0.5 or n < 2:
        return block
    slope = math.log2((1 - q) / q)
    rest = n * _entropy(q) - slope - 0.5 * math.log2(n) - math.log2(1 / eps_c)
    chance = eps_c * (1 + 1 / math.sqrt(n))
    strength = -math.log(chance)
    bernstein = strength / 3 + math.sqrt(strength * strength / 9 + 2 * n * q * (1 - q) * strength)
    if rest + (bernstein + 1.0) * slope <= block:
        return block
    return max(block, rest + (n * (1 - q) - _binomial_quantile(chance, math.floor(n), 1 - q)) * slope)


@kernel
def _binomial_quantile(chance, n, p):  # type: ignore[no-untyped-def]
    """Smallest k with P[Binomial(n, p) <= k] >= chance, for a small `chance`."""
    t = math.sqrt(-2.0 * math.log(chance))
    z = -(t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))))
    sigma = math.sqrt(n * p * (1 - p))
    k = math.floor(n * p + z * sigma + (z * z - 1) * (1 - 2 * p) / 6 - 0.5)
    k = min(max(k, 0.0), n)
    step = 1.0
    if _binomial_cdf(k, n, p) >= chance:
        while k >= 0 and _binomial_cdf(k - step, n, p) >= chance:
            k -= step
            step *= 2
        low, high = k - step, k
    else:
        while k < n and _binomial_cdf(k + step, n, p) < chance:
            k += step
            step *= 2
        low, high = k, k + step
    while high - low > 1:
        middle = math.floor(0.5 * (low + high))
        if _binomial_cdf(middle, n, p) >= chance:
            high = middle
        else:
            low = middle
    return min(max(high, 0.0), n)


@kernel
def _binomial_cdf(k, n, p):  # type: ignore[no-untyped-def]
    """P[Binomial(n, p) <= k] = I_{1-p}(n-k, k+1) by the continued fraction of the incomplete beta function."""
    if k < 0:
        return 0.0
    if k >= n:
        return 1.0
    a, b, x = n - k, k + 1.0, 1 - p
    flip = x > (a + 1) / (a + b + 2)
    if flip:
        a, b, x = b, a, 1 - x
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    ) / a  # fmt: skip
    c, d = 1.0, 1.0 / (1 - (a + b) * x / (a + 1))
    h = d
    for m in range(1, 100000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + even * d)
        c = 1 + even / c
        h *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / (1 + odd * d)
        c = 1 + odd / c
        h *= d * c
        if abs(d * c - 1) < 1e-13:
            break
    return 1 - front * h if flip else front * h


@kernel
def _logit(p):  # type: ignore[no-untyped-def]
    return math.log(p / (1 - p))


@kernel
def _logistic(y):  # type: ignore[no-untyped-def]
    return 1.0 / (1.0 + math.exp(-min(max(y, -30.0), 30.0)))


@kernel
def _to_free(x):  # type: ignore[no-untyped-def]
    """Unbounded coordinates of parameters: p2 as a share of 1 - p1, μ2 as a share of μ1."""
    shares = (x[0], x[1], x[2] / (1 - x[1]), x[3], x[4] / x[3])
    out = np.empty(5)
    for i in range(5):
        out[i] = _logit(min(max(shares[i], 1e-9), 1 - 1e-9))
    return out


@kernel
def _from_free(y):  # type: ignore[no-untyped-def]
    out = np.empty(5)
    out[0], out[1], out[3] = _logistic(y[0]), _logistic(y[1]), _logistic(y[3])
    out[2] = (1 - out[1]) * _logistic(y[2])
    out[4] = out[3] * _logistic(y[4])
    return out


@kernel
def _loss(series, afterpulse, security, y):  # type: ignore[no-untyped-def]
    x = _from_free(y)
    return -_length(_table_counts(series, afterpulse, x), x, security)[0]


@kernel
def _nelder_mead(series, afterpulse, security, y0, size):  # type: ignore[no-untyped-def]
    """Minimum of `_loss` from y0 by the simplex method with standard coefficients."""
    n = 5
    simplex = np.empty((n + 1, n))
    value = np.empty(n + 1)
    for i in range(n + 1):
        simplex[i] = y0
        if i > 0:
            simplex[i, i - 1] += size
        value[i] = _loss(series, afterpulse, security, simplex[i])
    for _ in range(600):
        order = np.argsort(value)
        simplex, value = simplex[order], value[order]
        if value[n] - value[0] <= 1e-9 * abs(value[0]) + 1e-9:
            break
        centre = np.zeros(n)
        for i in range(n):
            centre += simplex[i] / n
        mirrored = 2 * centre - simplex[n]
        f = _loss(series, afterpulse, security, mirrored)
        if f < value[0]:
            further = 3 * centre - 2 * simplex[n]
            g = _loss(series, afterpulse, security, further)
            if g < f:
                simplex[n], value[n] = further, g
            else:
                simplex[n], value[n] = mirrored, f
            continue
        if f < value[n - 1]:
            simplex[n], value[n] = mirrored, f
            continue
        near = 0.5 * (centre + (mirrored if f < value[n] else simplex[n]))
        g = _loss(series, afterpulse, security, near)
        if g < min(f, value[n]):
            simplex[n], value[n] = near, g
            continue
        for i in range(1, n + 1):
            simplex[i] = 0.5 * (simplex[i] + simplex[0])
            value[i] = _loss(series, afterpulse, security, simplex[i])
    best = np.argmin(value)
    return simplex[best], value[best]


@kernel
def _grid_starts(series, afterpulse, security):  # type: ignore[no-untyped-def]
    """Best point of the coarse grid for every level of p1."""
    starts = np.empty((_GRID_P1.size, 5))
    x = np.empty(5)
    for i in range(_GRID_P1.size):
        best = -1e300
        for basis in _GRID_BASIS:
            for share in _GRID_P2_SHARE:
                for mu1 in _GRID_MU1:
                    for mu2_share in _GRID_MU2_SHARE:
                        x[0], x[1], x[2] = basis, _GRID_P1[i], (1 - _GRID_P1[i]) * share
                        x[3], x[4] = mu1, mu1 * mu2_share
                        value = _length(_table_counts(series, afterpulse, x), x, security)[0]
                        if value > best:
                            best = value
                            starts[i] = x
    return starts


@kernel
def _optimise(series, afterpulse, security, given):  # type: ignore[no-untyped-def]
    """Best parameters over the given starts and those of the grid, polished once by a smaller simplex."""
    grid = _grid_starts(series, afterpulse, security)
    best_y, best = _to_free(grid[0]), 1e300
    for s in range(given.shape[0] + grid.shape[0]):
        x = given[s] if s < given.shape[0] else grid[s - given.shape[0]]
        y, value = _nelder_mead(series, afterpulse, security, _to_free(x), 0.5)
        if value < best:
            best_y, best = y, value
    y, value = _nelder_mead(series, afterpulse, security, best_y, 0.2)
    return _from_free(y if value < best else best_y)

"""Bits that error correction reveals, and the binomial quantile of the one-shot estimate; compiled."""

from __future__ import annotations

import math

from eqci_space.machine.kernels import kernel

__all__ = ["binomial_cdf", "binomial_quantile", "entropy", "leakage_bit"]

_LARGEST_EXACT = 1e14  # beyond, Bernstein's bound of the quantile stands in: above it by less than 1e-6 of the count


@kernel
def entropy(x):  # type: ignore[no-untyped-def]
    """Binary entropy [bit], zero outside (0, 1)."""
    if x <= 0.0 or x >= 1.0:
        return 0.0
    return -(x * math.log2(x) + (1 - x) * math.log2(1 - x))


@kernel
def leakage_bit(n, q, eps_c, f_ec, model):  # type: ignore[no-untyped-def]
    """Bits revealed by error correction: f n h(q), or the larger one-shot estimate of Tomamichel et al. 2017.

    Model 0 is the estimate, 1 only f n h(q), 2 the estimate without its steps, for searches: each bit of its quantile
    is a step of lb((1-q)/q) on which a search comes to rest.
    """
    block = f_ec * n * entropy(q)
    if model == 1 or q <= 0.0 or q >= 0.5 or n < 2:
        return block
    slope = math.log2((1 - q) / q)
    rest = n * entropy(q) - slope - 0.5 * math.log2(n) - math.log2(1 / eps_c)
    chance = eps_c * (1 + 1 / math.sqrt(n))
    strength = -math.log(chance)
    bernstein = strength / 3 + math.sqrt(strength * strength / 9 + 2 * n * q * (1 - q) * strength)
    most = rest + (bernstein + 1.0) * slope
    if most <= block or n > _LARGEST_EXACT:
        return max(block, most)
    quantile = _between(chance, n, 1 - q) if model == 2 else binomial_quantile(chance, math.floor(n), 1 - q)
    return max(block, rest + (n * (1 - q) - quantile) * slope)


@kernel
def _between(chance, n, p):  # type: ignore[no-untyped-def]
    """The quantile interpolated between whole numbers, for a number of trials that need not be whole."""
    high = binomial_quantile(chance, n, p)
    if high < 1:
        return high
    below, above = binomial_cdf(high - 1, n, p), binomial_cdf(high, n, p)
    if below <= 0 or above <= below:
        return high
    return high + math.log(chance / above) / math.log(above / below)


@kernel
def binomial_quantile(chance, n, p):  # type: ignore[no-untyped-def]
    """Smallest k with P[Binomial(n, p) <= k] >= chance, for a small `chance`."""
    t = math.sqrt(-2.0 * math.log(chance))
    z = -(t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))))
    sigma = math.sqrt(n * p * (1 - p))
    k = math.floor(n * p + z * sigma + (z * z - 1) * (1 - 2 * p) / 6 - 0.5)
    k = min(max(k, 0.0), n)
    step = 1.0
    if binomial_cdf(k, n, p) >= chance:
        while k >= 0 and binomial_cdf(k - step, n, p) >= chance:
            k -= step
            step *= 2
        low, high = k - step, k
    else:
        while k < n and binomial_cdf(k + step, n, p) < chance:
            k += step
            step *= 2
        low, high = k, k + step
    while high - low > 1:
        middle = math.floor(0.5 * (low + high))
        if binomial_cdf(middle, n, p) >= chance:
            high = middle
        else:
            low = middle
    return min(max(high, 0.0), n)


@kernel
def binomial_cdf(k, n, p):  # type: ignore[no-untyped-def]
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

"""Error rate of the bits that were not tested, from those that were: random sampling without replacement; compiled."""

from __future__ import annotations

import math

from eqci_space.machine.kernels import kernel
from eqci_space.qkd.leakage import entropy

__all__ = ["sampled_error"]

_HALVINGS = 48
_SMALLEST_RATIO = 1e-15


@kernel
def sampled_error(ratio, tested, kept, log2_failure, method):  # type: ignore[no-untyped-def]
    """Bound on the error rate among `kept` bits when `tested` bits chosen at random show `ratio`.

    `log2_failure` is the logarithm of the probability that the bound fails. Method 0 is the closed form γ of Lim et al.
    2014, an expansion for small deviations. Method 1 solves ``2^(-(c+d) ξ) = failure`` with the exponent of Fung, Ma
    and Chau 2010 (Phys. Rev. A 81, 012318), ``ξ = h(p) - [c h(b) + d h(θ)]/(c+d)``, p the rate in both samples
    together, and without their prefactor ``√((c+d)/(c d b (1-b)))``, for with it the exact hypergeometric tail is
    larger in samples of 1e4 and more (checked against SciPy from 50 to 1e5).
    """
    if ratio >= 0.5:
        return 0.5
    if method == 0:
        ratio = max(ratio, _SMALLEST_RATIO)
        pair = (tested + kept) / (tested * kept)
        spread = ratio * (1 - ratio)
        argument = math.log2(pair / spread) - log2_failure
        return min(ratio + math.sqrt(max(pair * spread / math.log(2.0) * argument, 0.0)), 0.5)
    share = tested / (tested + kept)
    low, high = ratio, 0.5
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        excess = entropy(share * ratio + (1 - share) * middle) - share * entropy(ratio) - (1 - share) * entropy(middle)
        if (tested + kept) * excess < -log2_failure:
            low = middle
        else:
            high = middle
    return high

"""Security budget of a key: failure probabilities, bounds, proofs, and the key that authentication consumes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = ["BOUNDS", "MOST_QBER", "SAMPLING", "SecurityParameters", "authentication_tag_bit"]

BOUNDS = {"chernoff": 0, "hoeffding": 1, "asymptotic": 2}
SAMPLING = {"lim2014": 0, "fung2010": 1}
MOST_QBER = 0.11
"""Error rate beyond which one-way post-processing gives no key, ``1 = 2 h(q)`` (Shor and Preskill 2000)."""
_LEAKAGE = {"one-shot": 0, "block": 1}
_LARGEST_MESSAGE_BIT = 1e10


@dataclass(frozen=True)
class SecurityParameters:
    """Failure probabilities and post-processing of one key block.

    Attributes
    ----------
    epsilon_secrecy, epsilon_correctness : float
        In (0, 1).
    error_correction_efficiency : float
        f_EC >= 1, leaked bits over Shannon's.
    bound : {"chernoff", "hoeffding", "asymptotic"}
    leakage : {"one-shot", "block"}
        The larger of ``f n h(q)`` and the one-shot estimate of Tomamichel et al. 2017, or the former alone.
    sampling : {"lim2014", "fung2010"}
        Phase error of the key from the errors of the test: the hypergeometric inequality, or the closed form γ that the
        literature derives from it for small deviations, which small samples break. "lim2014" serves comparison.
    epsilon_authentication : float
        In (0, 1); chance that a forged message of the block passes.
    authenticated_messages : int
        Classical messages of a block that carry a tag; 0 leaves authentication to other means.
    """

    epsilon_secrecy: float = 1e-9
    epsilon_correctness: float = 1e-15
    error_correction_efficiency: float = 1.16
    bound: str = "chernoff"
    leakage: str = "one-shot"
    sampling: str = "fung2010"
    epsilon_authentication: float = 1e-12
    authenticated_messages: int = 4

    def __post_init__(self) -> None:
        for name in ("epsilon_secrecy", "epsilon_correctness", "epsilon_authentication"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"SecurityParameters: {name} = {getattr(self, name)}; expected between 0 and 1")
        if not 1 <= self.error_correction_efficiency < 100:
            raise ValueError(
                f"SecurityParameters: error_correction_efficiency = {self.error_correction_efficiency}; expected at "
                "least 1, and below 100"
            )
        if not 0 <= self.authenticated_messages <= 10_000 or self.authenticated_messages % 1:
            raise ValueError(
                f"SecurityParameters: authenticated_messages = {self.authenticated_messages}; expected 0 to "
                "10000, whole"
            )
        for name, known in (("bound", BOUNDS), ("leakage", _LEAKAGE), ("sampling", SAMPLING)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"SecurityParameters: {name} = '{getattr(self, name)}'; expected one of {', '.join(known)}"
                )

    @property
    def epsilon(self) -> float:
        """Total failure probability: secrecy, correctness and authentication add (composability)."""
        authentication = self.epsilon_authentication if self.authenticated_messages else 0.0
        return self.epsilon_secrecy + self.epsilon_correctness + authentication

    @property
    def authentication_bit(self) -> int:
        """Key that the tags of a block consume [bit]."""
        if not self.authenticated_messages:
            return 0
        share = self.epsilon_authentication / self.authenticated_messages
        return self.authenticated_messages * authentication_tag_bit(share)

    def as_array(self) -> np.ndarray:
        """For the kernels: ε_s, ε_c, f_EC, bound, leakage, sampling."""
        return np.array([
            self.epsilon_secrecy, self.epsilon_correctness, self.error_correction_efficiency,
            BOUNDS[self.bound], _LEAKAGE[self.leakage], SAMPLING[self.sampling],
        ])  # fmt: skip


@lru_cache(maxsize=64)
def authentication_tag_bit(epsilon: float, *, message_bit: float = _LARGEST_MESSAGE_BIT) -> int:
    """Length of a Wegman-Carter tag: the smallest t with ``(L/t + 1) 2^-t <= ε``.

    Polynomial hashing over GF(2^t) of a message of L bits, the tag one-time padded, the hash key used again (Wegman and
    Carter 1981; Portmann 2014, IEEE Trans. Inf. Theory 60, 4383): a tag costs t bits of key.

    Parameters
    ----------
    epsilon : float
        Chance that a forged message passes [1], in (0, 1).
    message_bit : float
        Length L [bit], in [1, 1e30].

    Returns
    -------
    int
        [bit]

    Raises
    ------
    ValueError
        `epsilon` is not in (0, 1), or the message is shorter than a bit.

    Examples
    --------
    >>> authentication_tag_bit(2.5e-13, message_bit=1e10)
    69
    """
    if not 0 < epsilon < 1 or not 1 <= message_bit <= 1e30:
        raise ValueError(
            f"authentication_tag_bit: epsilon = {epsilon}, message_bit = {message_bit}; expected (0, 1) and 1 to 1e30"
        )
    tag = 1
    while math.log2(message_bit / tag + 1) - tag > math.log2(epsilon):
        tag += 1
    return tag

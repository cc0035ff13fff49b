"""What a sender of decoy states chooses: the probabilities of bases and intensities, and the mean photon numbers.

Of decoy states: Lo, Ma and Chen 2005 (Phys. Rev. Lett. 94, 230504); names as in Lim et al. 2014 (Phys. Rev. A 89,
022307), μ1 > μ2 (> μ3 >= 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["REFERENCE_PARAMETERS", "DecoyParameters"]


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

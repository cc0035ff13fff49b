"""What a scenario says of the quantum key protocol: states, sources, and the security budget."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from eqci_space.scenario.fields import (
    Epsilon,
    Fraction,
    NotNegative,
    PositiveFraction,
    Record,
)

__all__ = ["BlockLength", "PairSource", "Protocol"]

_MOST_WINDOWS = 1000


def _both_ends(value: object) -> object:
    return (value, value) if isinstance(value, int | float) and not isinstance(value, bool) else value


ParameterRange = Annotated[tuple[Fraction, Fraction], BeforeValidator(_both_ends)]


class BlockLength(Record):
    """A finite-key block that closes as soon as it holds so many sifted bits."""

    sifted_bit: Annotated[float, Field(ge=1e3, le=1e12)]


def _block(value: object) -> object:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value == "window" or isinstance(value, dict | BlockLength) or (whole and 2 <= value <= _MOST_WINDOWS):  # type: ignore[operator]
        return value
    raise ValueError(
        f"got {value!r}; expected 'window', a whole number of windows from 2 to {_MOST_WINDOWS}, or "
        "{ sifted_bit = ... }"
    )


class PairSource(Record):
    """A source of entangled photon pairs: pulsed, or continuously pumped with coincidences inside a window.

    In a downlink to one station the other photon is measured on board with `own_efficiency` and `own_noise_hz`.
    """

    kind: Literal["pulsed", "continuous"] = "continuous"
    pair_rate_hz: Annotated[float, Field(gt=0, le=1e12)] | None = None
    mean_pairs: Annotated[float, Field(gt=0, le=2)] | None = None
    coincidence_window_s: Annotated[float, Field(gt=0, le=1e-6)] = 1e-9
    window_share: PositiveFraction = 1.0
    own_efficiency: PositiveFraction = 0.5
    own_noise_hz: NotNegative = 1000.0

    @model_validator(mode="after")
    def _brightness(self) -> PairSource:
        wanted, other = ("pair_rate_hz", "mean_pairs") if self.kind == "continuous" else ("mean_pairs", "pair_rate_hz")
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            raise ValueError(f"a {self.kind} source needs {wanted}, and not {other}")
        return self


class Protocol(Record):
    """Quantum key protocol between ground and space, what the transmitter can do, and the security budget.

    Probabilities and intensities are ranges [lowest, highest] within which each window's key is optimised; one number
    fixes a parameter. With ``parameters = "common"`` all windows of a satellite use one set. Authentication takes
    `authenticated_messages` tags from the key of each block. A block is a window, or waits for several contacts of a
    satellite and station: until it holds as much as so many windows bring under a clear sky, or so many sifted bits.
    With ``downlink = "dual"`` a satellite that nobody has to
    trust sends the two photons of every pair to two stations at once, which so share key with each other.
    """

    kind: Literal["bb84-two-decoy", "bb84-one-decoy", "bbm92"] = "bb84-two-decoy"
    epsilon_secrecy: Epsilon = 1e-9
    epsilon_correctness: Epsilon = 1e-15
    epsilon_authentication: Epsilon = 1e-12
    authenticated_messages: Annotated[int, Field(ge=0, le=10_000)] = 4
    error_correction_efficiency: Annotated[float, Field(ge=1, le=2)] = 1.16
    bound: Literal["chernoff", "hoeffding", "asymptotic"] = "chernoff"
    leakage: Literal["one-shot", "block"] = "one-shot"
    sampling: Literal["lim2014", "fung2010"] = "fung2010"
    block: Annotated[Literal["window"] | int | BlockLength, BeforeValidator(_block)] = "window"
    parameters: Literal["per_window", "common"] = "per_window"
    key_basis_probability: ParameterRange = (0.0, 1.0)
    probability_1: ParameterRange = (0.0, 1.0)
    probability_2: ParameterRange = (0.0, 1.0)
    intensity_1: ParameterRange = (0.0, 1.0)
    intensity_2: ParameterRange = (0.0, 1.0)
    intensity_3: Annotated[float, Field(ge=0, lt=1)] = 0.0
    source: PairSource | None = None
    downlink: Literal["single", "dual"] = "single"

    @model_validator(mode="after")
    def _consistent(self) -> Protocol:
        if (self.kind == "bbm92") != (self.source is not None):
            raise ValueError("a [protocol.source] goes with kind = 'bbm92', and only with it")
        if self.downlink == "dual" and self.kind != "bbm92":
            raise ValueError(
                f"downlink = 'dual' sends entangled pairs, and kind is '{self.kind}'; set kind = 'bbm92' with a "
                "[protocol.source], or downlink = 'single'"
            )
        for name in ("key_basis_probability", "probability_1", "probability_2", "intensity_1", "intensity_2"):
            low, high = getattr(self, name)
            if low > high or high == 0 or (low == 1 and "intensity" not in name):
                raise ValueError(f"{name}: [{low:g}, {high:g}]; expected [lowest, highest], not all at 0 or 1")
        if self.kind == "bb84-two-decoy" and self.probability_1[0] + self.probability_2[0] >= 1:
            raise ValueError("probability_1 and probability_2: their lower ends leave nothing for the third intensity")
        least = max(self.intensity_2[0], self.intensity_3) + self.intensity_3
        if self.intensity_3 >= self.intensity_2[1] or least >= self.intensity_1[1]:
            raise ValueError("intensities: expected that 1 > 2 + 3 and 2 > 3 are possible within the ranges")
        return self

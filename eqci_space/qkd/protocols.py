"""The protocols by name: where they run, what their key lengths state, and the settings a scenario gives them."""

from __future__ import annotations

from dataclasses import dataclass

from eqci_space.qkd.optimiser import ParameterLimits
from eqci_space.qkd.security import SecurityParameters
from eqci_space.scenario import Protocol

__all__ = ["PROTOCOLS", "ProtocolEntry", "parameter_limits", "security_parameters"]


@dataclass(frozen=True)
class ProtocolEntry:
    """`statement` says what a rate is: ``finite`` key lengths, ``asymptotic`` estimates, or figures ``anchored`` at a
    demonstration or a data sheet.
    """

    label: str
    statement: str
    space: bool
    fibre: bool
    source: str


PROTOCOLS = {
    "bb84-two-decoy": ProtocolEntry(
        "BB84, two decoys", "finite", True, True, "Lim et al. 2014; Chernoff bounds as in Sidhu et al. 2022"
    ),
    "bb84-one-decoy": ProtocolEntry("BB84, one decoy", "finite", True, True, "Rusca et al. 2018"),
    "bbm92": ProtocolEntry(
        "BBM92, entangled pairs", "finite", True, True, "Ma, Fung and Lo 2007; Tomamichel et al. 2012"
    ),
    "datasheet": ProtocolEntry("data sheet of the device", "anchored", False, True, "scenario"),
    "cv-qkd": ProtocolEntry("Gaussian-modulated coherent states", "asymptotic", False, True, "Lodewyck et al. 2007"),
    "twin-field": ProtocolEntry("twin field", "anchored", False, True, "Frankfurt-Kehl, arXiv:2405.11990"),
}


def security_parameters(protocol: Protocol) -> SecurityParameters:
    """Security budget of a scenario's protocol."""
    return SecurityParameters(
        protocol.epsilon_secrecy, protocol.epsilon_correctness, protocol.error_correction_efficiency, protocol.bound,
        protocol.leakage, protocol.sampling, protocol.epsilon_authentication, protocol.authenticated_messages,
    )  # fmt: skip


def parameter_limits(protocol: Protocol) -> ParameterLimits:
    """What the transmitter can do."""
    return ParameterLimits(
        protocol.key_basis_probability, protocol.probability_1, protocol.probability_2, protocol.intensity_1,
        protocol.intensity_2, protocol.intensity_3, 1 if protocol.kind == "bb84-one-decoy" else 2,
    )  # fmt: skip

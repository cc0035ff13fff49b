"""Which links have been held against a flight: until then a key rests on a budget, and whoever shows it says so."""

from __future__ import annotations

from collections.abc import Sequence

from eqci_space.scenario.model import Scenario
from eqci_space.words import short_list

__all__ = ["unproven_links", "unproven_sentence"]

_SHOWN = 3


def unproven_links(scenario: Scenario) -> list[str]:
    """Satellites of a scenario whose terminal states no flight that its link was held against."""
    return [s.name for s in scenario.satellites if not s.terminal.flown]


def unproven_sentence(names: Sequence[str]) -> str:
    """What to say of such satellites beside a key; empty if there is none."""
    if not names:
        return ""
    return (
        f"link unproven: the losses of {short_list(list(names), _SHOWN)} are those of a budget, held against no flight"
    )

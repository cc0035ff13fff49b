"""An independent check of a plan: it shares no code with the planner."""

from __future__ import annotations

import pandas as pd

from eqci_space.errors import PlanError
from eqci_space.scenario import Scenario
from eqci_space.schedule.contacts import Plan

__all__ = ["verify_plan"]

_ROUNDING = pd.Timedelta(microseconds=2)  # times of tables are rounded to the microsecond


def verify_plan(plan: Plan, windows: pd.DataFrame, scenario: Scenario) -> None:
    """Check that every contact lies in its window and that no satellite or station serves two at once.

    Parameters
    ----------
    plan : Plan
    windows : DataFrame
        WINDOWS the plan was made from.
    scenario : Scenario

    Raises
    ------
    PlanError
        The first conflict, with both contacts named.
    """
    planned = plan.contacts[plan.contacts["status"] == "planned"]
    for contact_id, contact in planned.iterrows():
        inside = windows[
            (windows["satellite"] == contact["satellite"])
            & (windows["ogs"] == contact["ogs"])
            & (windows["start"] - _ROUNDING <= contact["start"])
            & (windows["end"] + _ROUNDING >= contact["end"])
        ]
        if contact["end"] <= contact["start"] or inside.empty:
            raise PlanError(
                f"verify_plan: contact '{contact_id}' ({contact['start']} to {contact['end']}) lies in no window"
            )
        if contact["start"] < scenario.start or contact["end"] > scenario.end:
            raise PlanError(f"verify_plan: contact '{contact_id}' leaves the period")
        if not 0 <= contact["expected_skl_bit"] <= contact["skl_bit"]:
            raise PlanError(f"verify_plan: contact '{contact_id}' expects more key than a clear sky gives")
    pauses = {"satellite": scenario.schedule.slew_s, "ogs": scenario.schedule.turnaround_s}
    room = {s.name: s.terminals for s in scenario.satellites} | {o: s.telescopes for o, s in scenario.stations.items()}
    for resource, pause_s in pauses.items():
        for name, group in planned.groupby(resource):
            _check_resource(
                resource, str(name), group.sort_values("start"), pd.Timedelta(seconds=pause_s), room[str(name)]
            )


def _check_resource(resource: str, name: str, contacts: pd.DataFrame, pause: pd.Timedelta, room: int) -> None:
    """No instant is claimed by more contacts, pauses included, than there is room for."""
    busy: list[tuple[pd.Timestamp, str]] = []
    for contact_id, contact in contacts.iterrows():
        busy = [(free, other) for free, other in busy if free > contact["start"]]
        if len(busy) >= room:
            free, other = min(busy)
            raise PlanError(
                f"verify_plan: {resource} '{name}' is free from {free}, but '{contact_id}' begins at "
                f"{contact['start']}, after '{other}'"
            )
        busy.append((contact["end"] + pause, str(contact_id)))

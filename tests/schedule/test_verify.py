"""The independent check of plans: every rule broken by hand, one at a time."""

import pandas as pd
import pytest
from plan_cases import SATELLITE, at, offers

from eqci_space.errors import PlanError
from eqci_space.scenario import Booking, SatelliteQuota
from eqci_space.schedule.conflicts import choice_limits
from eqci_space.schedule.contacts import Plan
from eqci_space.schedule.verify import verify_plan

TABLE = offers(
    ("w", "PQSAT", at(0), 200, 1e5), ("p", "ONDREJOV", at(0, 90), 300, 1e5), ("b", "DLR-OP", at(0, 91), 100, 1e5),
    ("w2", "PQSAT", at(1), 250, 1e5), ("late", "PQSAT", at(0, 6), 60, 1e5, 1.0, "w"),
    ("soon", "GRAZ", at(0, 93 + 1 / 3), 60, 1e5), ("turn", "PQSAT", at(0, 5), 60, 1e5, 1.0, "turn", "SECOND"),
    ("night", "GRAZ", at(0, 300), 100, 1e5),
)  # fmt: skip
WINDOWS = TABLE.reset_index()[["window_id", "satellite", "ogs", "start", "end"]]
DAY_0 = pd.Timestamp("2027-03-01T12:00Z")


def plan_of(*names, backup_of=None):
    """A plan of some candidates; the last is a backup of `backup_of`."""
    rows = TABLE.loc[list(names)].reset_index()
    rows = rows.assign(contact_id=rows["candidate_id"], expected_skl_bit=rows["skl_bit"], status="planned", reason="",
                       backup_of="")  # fmt: skip
    if backup_of:
        rows.loc[rows.index[-1], ["status", "backup_of"]] = ["backup", backup_of]
    return Plan(rows.set_index("contact_id"), 0.0, 0.0, 0.0, 0)


def with_satellite(scenario, **changes):
    first = scenario.satellites[0]
    second = first.model_copy(update={"name": "SECOND"})
    return scenario.model_copy(update={"satellites": (first.model_copy(update=changes), second)})


def booked(name, satellite=None, station=None):
    start, end = TABLE.loc[name, ["start", "end"]]
    return Booking(satellite=satellite, station=station, start=start + pd.Timedelta("10s"), end=end)


def test_a_satellite_turns_and_acquires_between_stations(scenario):
    """80 s from b to night's station: enough to turn in 45 s and to acquire in 35, and not in 36."""
    later = TABLE.loc["b", "end"] + pd.Timedelta("80s")
    table = offers(("b", "DLR-OP", at(0, 91), 100, 1e5), ("next", "GRAZ", later, 60, 1e5))
    rows = table.reset_index()
    rows = rows.assign(
        contact_id=rows["candidate_id"], expected_skl_bit=rows["skl_bit"], status="planned", reason="", backup_of=""
    )
    plan, windows = Plan(rows.set_index("contact_id"), 0.0, 0.0, 0.0, 0), rows[WINDOWS.columns]
    for acquisition_s, room in ((35.0, True), (36.0, False)):
        graz = scenario.stations["GRAZ"]
        graz = graz.model_copy(update={"receiver": graz.receiver.model_copy(update={"acquisition_s": acquisition_s})})
        mine = scenario.model_copy(update={
            "stations": {**scenario.stations, "GRAZ": graz},
            "schedule": scenario.schedule.model_copy(update={"slew_s": 45.0}),
        })  # fmt: skip
        limits = [limit for limit in choice_limits(table, mine) if limit.name.startswith("satellite")]
        assert bool(limits) is not room
        if room:
            verify_plan(plan, windows, mine)
        else:
            with pytest.raises(PlanError, match=r"satellite 'EAGLE1-LIKE' is free from .* but 'next' begins at"):
                verify_plan(plan, windows, mine)


def test_a_plan_within_all_rules_passes(scenario):
    limited = with_satellite(scenario, duty_s_per_day=500.0, duty_s_per_orbit=300.0)
    quotas = (SatelliteQuota(nation="PL", contacts_per_day=1, contact_s_per_day=250.0),)
    verify_plan(plan_of("w", "p", "w2"), WINDOWS, limited.model_copy(update={"satellite_quotas": quotas}))
    verify_plan(plan_of("w", "p", "w2", "b", backup_of="p"), WINDOWS, limited)


@pytest.mark.parametrize(
    ("names", "rules", "message"),
    [
        (("w", "late"), {}, "'w', 'late' share window 'w', which gives one contact"),
        (("p", "b"), {}, "satellite 'EAGLE1-LIKE' is free from .* but 'b' begins at"),
        (("b", "soon"), {}, "satellite 'EAGLE1-LIKE' is free from .* but 'soon' begins"),  # 40 s, of 60 to slew
        (("w", "turn"), {}, "ogs 'PQSAT' is free from .* but 'turn' begins at"),  # 100 s, of 120 to turn around
        (("w", "night"), {"duty_s_per_day": 299.0}, "'w', 'night' use 300 of the daily duty"),  # the day is a night
        (("w", "p"), {"duty_s_per_day": 499.0}, "'w', 'p' use 500 of the daily duty of EAGLE1-LIKE, which has 499"),
        (("p",), {"duty_s_per_orbit": 299.0}, "'p' use 300 of the duty of EAGLE1-LIKE per orbit, which has 299"),
        (("w",), {"booking": ("satellite", SATELLITE)}, "contact 'w' lies in a booking of 'EAGLE1-LIKE'"),
        (("w",), {"booking": ("station", "PQSAT")}, "contact 'w' lies in a booking of 'PQSAT'"),
        (("w",), {"quota": {"contacts_per_day": 0}}, "'w' use 1 of the daily quota of PL, which has 0"),
        (("w2",), {"quota": {"contact_s_per_day": 249.0}}, "'w2' use 250 of the daily quota of PL, which has 249"),
    ],
)
def test_each_broken_rule_is_named(scenario, names, rules, message):
    broken = with_satellite(scenario, **{k: v for k, v in rules.items() if k.startswith("duty")})
    if "booking" in rules:
        kind, who = rules["booking"]
        broken = broken.model_copy(update={"bookings": (booked(names[0], **{kind: who}),)})
    if "quota" in rules:
        broken = broken.model_copy(update={"satellite_quotas": (SatelliteQuota(nation="PL", **rules["quota"]),)})
    with pytest.raises(PlanError, match=message):
        verify_plan(plan_of(*names), WINDOWS, broken)


def test_rules_that_concern_others_do_not_bind(scenario):
    other = scenario.model_copy(update={
        "satellite_quotas": (SatelliteQuota(nation="CZ", contacts_per_day=0),
                             SatelliteQuota(nation="PL", satellite="OTHER", contacts_per_day=0)),
        "bookings": (booked("p", station="PQSAT"), Booking(satellite=SATELLITE, start=DAY_0, end=at(0))),
    })  # fmt: skip
    verify_plan(plan_of("w"), WINDOWS, other)


def test_backups_are_checked_in_the_place_of_their_contact(scenario):
    verify_plan(plan_of("w", "p", "b", backup_of="p"), WINDOWS, scenario)
    with pytest.raises(PlanError, match="satellite 'EAGLE1-LIKE' is free from"):
        verify_plan(plan_of("w", "p", "b", backup_of="w"), WINDOWS, scenario)
    limited = with_satellite(scenario, duty_s_per_day=299.0)
    with pytest.raises(PlanError, match="'p' use 300 of the daily duty"):
        verify_plan(plan_of("b", "p", backup_of="b"), WINDOWS, limited)

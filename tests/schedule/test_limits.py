"""Terminals, telescopes, duty, quotas and windows: limits on chosen contacts, by hand-made offers with known optima."""

import numpy as np
import pandas as pd
import pytest
from plan_cases import SATELLITE, at, chosen, offers, only, planned, with_policy

from eqci_space.orbits.ephemeris import orbital_period_s
from eqci_space.scenario import SatelliteQuota
from eqci_space.schedule.conflicts import choice_limits, interval_cliques
from eqci_space.schedule.contacts import schedule_contacts
from eqci_space.schedule.verify import verify_plan

SLOPE = 1 / (1.7 / 3)  # worth of the first third


@pytest.fixture(scope="module")
def two_stations(scenario):
    """Government keys Warsaw-Prague over PQSAT and ONDREJOV, 102,400 bit a day, weight 3; no backups."""
    return with_policy(only(scenario, "government Warsaw-Prague"), backups=False)


def plan_of(study, scenario, candidates, **options):
    return schedule_contacts(candidates, scenario, network=study.network, **options)


def worth(bit):
    """Objective of a little key spread over the days: weight 3, first third of 102,400 bit."""
    return 3 * SLOPE * bit / 102_400


def changed_satellite(scenario, **changes):
    return scenario.model_copy(update={"satellites": (scenario.satellites[0].model_copy(update=changes),)})


def changed_station(scenario, name, **changes):
    station = scenario.stations[name].model_copy(update=changes)
    return scenario.model_copy(update={"stations": {**scenario.stations, name: station}})


def test_two_stations_deliver_the_smaller_of_their_keys(study, two_stations):
    """min(B1, B2) through the satellite: 60,000 of 90,000 and 60,000 bits."""
    table = offers(("w", "PQSAT", at(0), 200, 100_000, 0.9), ("p", "ONDREJOV", at(1), 200, 120_000, 0.5))
    plan = plan_of(study, two_stations, table)
    assert chosen(plan) == {"w", "p"}
    assert plan.objective == pytest.approx(worth(60_000), abs=2e-4)
    assert plan.gain == pytest.approx(plan.objective)
    assert plan.without_space == 0
    assert plan.bound == pytest.approx(plan.objective, rel=1e-6)
    assert planned(plan)["expected_skl_bit"].to_dict() == {"w": 90_000.0, "p": 60_000.0}


@pytest.mark.parametrize(("warsaw", "prague", "takes"), [(3, 1, "p2"), (1, 3, "w2"), (2, 2.0001, "w2")])
def test_a_crossing_goes_to_the_station_that_is_short(study, two_stations, warsaw, prague, takes):
    """Both ends have key from the first night [10,000 bit]; the second night has room for one contact of as much."""
    table = offers(
        ("w1", "PQSAT", at(0), 100, warsaw * 1e4), ("p1", "ONDREJOV", at(0, 90), 100, prague * 1e4),
        ("w2", "PQSAT", at(1), 100, 2e4), ("p2", "ONDREJOV", at(1, 1), 100, 2e4),
    )  # fmt: skip
    plan = plan_of(study, two_stations, table)
    assert chosen(plan) == {"w1", "p1", takes}
    short = min(warsaw + 2 * (takes == "w2"), prague + 2 * (takes == "p2")) * 1e4
    assert plan.objective == pytest.approx(worth(short), abs=2e-4)


def test_largest_key_is_not_the_best_plan(study, two_stations):
    """One crossing: 500,000 bits at one end or hand-over with 40,000 and 30,000. Only the latter delivers."""
    table = offers(
        ("whole", "PQSAT", at(0), 240, 500_000, 1.0, "W"), ("first", "PQSAT", at(0), 80, 40_000, 1.0, "W"),
        ("second", "ONDREJOV", at(0, 7 / 3), 80, 30_000, 1.0, "P"),
    )  # fmt: skip
    plan = plan_of(study, two_stations, table)
    assert chosen(plan) == {"first", "second"}
    assert plan.objective == pytest.approx(worth(30_000), abs=2e-4)
    later = with_policy(two_stations, slew_s=61.0)
    alone = plan_of(study, later, table)
    assert chosen(alone) == {"whole"}
    assert alone.notes == ("space changes nothing for the demands: contacts fill the stores evenly",)


@pytest.mark.parametrize(("terminals", "most"), [(1, 1), (2, 2), (3, 3)])
def test_satellite_serves_as_many_stations_as_it_has_terminals(study, scenario, terminals, most):
    several = changed_satellite(with_policy(only(scenario, "government"), backups=False), terminals=terminals)
    table = offers(
        ("b", "DLR-OP", at(0, 0), 200, 100_000), ("w", "PQSAT", at(0, 1), 200, 100_000),
        ("p", "ONDREJOV", at(0, 2), 200, 100_000),
    )  # fmt: skip
    plan = plan_of(study, several, table)
    assert len(plan.contacts) == most
    windows = table.reset_index()[["window_id", "satellite", "ogs", "start", "end"]]
    verify_plan(plan, windows, several)
    # Three stores of 100,000 serve three pairs: 50,000 for each of them.
    delivered = {1: 0, 2: 100_000, 3: 150_000}[terminals]
    assert plan.objective == pytest.approx(worth(delivered), abs=1e-2 if terminals == 1 else 2e-4)


def test_limit_of_two_terminals_is_written_for_each_largest_overlap(scenario):
    """Contacts of 200 s, a minute apart: with slew each overlaps the four before it, five at a time.

    A station's second contact comes 300 s after its first began, within 200 + 120 s.
    """
    two = changed_satellite(scenario, terminals=2)
    stations = ["DLR-OP", "PQSAT", "ONDREJOV", "GRAZ", "DLR-TRAUEN"] * 2
    limits = choice_limits(offers(*((f"c{i}", name, at(0, i), 200, 1000) for i, name in enumerate(stations))), two)
    shared = [limit for limit in limits if limit.name == f"satellite {SATELLITE}"]
    assert [limit.candidates.tolist() for limit in shared] == [list(range(i, i + 5)) for i in range(6)]
    assert {limit.most for limit in shared} == {2.0}
    single = {limit.name: limit for limit in limits if limit.most == 1}
    assert set(single) == {f"ogs {o}" for o in stations}
    assert single["ogs PQSAT"].candidates.tolist() == [1, 6]
    enough = offers(*((f"c{i}", name, at(0, i), 200, 1000) for i, name in enumerate(stations[:5])))
    assert choice_limits(enough, changed_satellite(scenario, terminals=5)) == []


@pytest.mark.parametrize("telescopes", [1, 2])
def test_station_serves_as_many_satellites_as_it_has_telescopes(study, two_stations, telescopes):
    base = two_stations.satellites[0]
    pair = two_stations.model_copy(update={
        "satellites": (base, base.model_copy(update={"name": "SECOND"})),
    })  # fmt: skip
    pair = changed_station(pair, "PQSAT", telescopes=telescopes)
    table = offers(
        ("w1", "PQSAT", at(0), 200, 50_000), ("w2", "PQSAT", at(0, 1), 200, 50_000, 1.0, "w2", "SECOND"),
        ("p1", "ONDREJOV", at(1), 200, 50_000), ("p2", "ONDREJOV", at(1, 20), 200, 50_000, 1.0, "p2", "SECOND"),
    )  # fmt: skip
    plan = schedule_contacts(table, pair)
    assert len(set(chosen(plan)) & {"w1", "w2"}) == telescopes
    assert plan.objective == pytest.approx(worth(50_000 * telescopes), abs=3e-4)


def test_turnaround_of_a_station_is_kept(study, two_stations):
    base = two_stations.satellites[0]
    pair = two_stations.model_copy(update={"satellites": (base, base.model_copy(update={"name": "SECOND"}))})
    for gap_s, count in ((119, 1), (120, 2)):
        start = at(0) + pd.Timedelta(seconds=200 + gap_s)
        table = offers(("w1", "PQSAT", at(0), 200, 50_000), ("w2", "PQSAT", start, 200, 50_000, 1.0, "w2", "SECOND"))
        assert len(schedule_contacts(table, pair).contacts) == count


def test_window_gives_one_contact(study, two_stations):
    """Two parts of one window, two hours apart by hand: only one of them, and the limit says why."""
    table = offers(
        ("w1", "PQSAT", at(0), 100, 50_000, 1.0, "W"), ("w2", "PQSAT", at(0, 30), 100, 60_000, 1.0, "W"),
        ("p", "ONDREJOV", at(1), 100, 90_000),
    )  # fmt: skip
    plan = plan_of(study, two_stations, table)
    assert chosen(plan) == {"w2", "p"}
    assert [limit.name for limit in choice_limits(table, two_stations)] == ["window W"]


def test_duty_per_day_is_a_knapsack(study, two_stations):
    """500 s a day: of Warsaw contacts of 300, 250 and 250 s the two shorter fit, and together bring more."""
    limited = changed_satellite(two_stations, duty_s_per_day=500.0)
    table = offers(
        ("w1", "PQSAT", at(0), 300, 70_000), ("w2", "PQSAT", at(0, 20), 250, 50_000),
        ("w3", "PQSAT", at(0, 40), 250, 45_000), ("p", "ONDREJOV", at(1), 400, 90_000),
    )  # fmt: skip
    assert chosen(plan_of(study, two_stations, table)) == {"w1", "w2", "w3", "p"}
    plan = plan_of(study, limited, table)
    assert chosen(plan) == {"w2", "w3", "p"}
    assert plan.objective == pytest.approx(worth(90_000), abs=2e-4)
    names = [limit.name for limit in choice_limits(table, limited)]
    assert names == [f"duty of {SATELLITE} in the day from 2027-03-01 12:00"]


def test_duty_per_orbit_counts_orbits_from_noon_of_2000(study, two_stations):
    """Every plan counts alike, whenever it begins."""
    limited = changed_satellite(two_stations, duty_s_per_orbit=350.0)
    period_s = orbital_period_s(limited.satellites[0], limited)
    assert period_s == pytest.approx(5677, abs=5)
    turn = pd.Timedelta(seconds=period_s).round("ms")
    noon = pd.Timestamp("2000-01-01T12:00Z")
    orbits = np.ceil((pd.Timestamp(limited.start) - noon).total_seconds() / period_s) + 5
    begin = noon + pd.Timedelta(seconds=orbits * period_s)
    first = begin + pd.Timedelta("1min")
    table = offers(
        ("a", "PQSAT", first, 200, 50_000), ("b", "PQSAT", first + pd.Timedelta("10min"), 200, 40_000),
        ("c", "PQSAT", first + turn, 200, 30_000), ("d", "ONDREJOV", first + 15 * turn, 200, 200_000),
    )  # fmt: skip
    assert chosen(plan_of(study, limited, table)) == {"a", "c", "d"}
    limits = choice_limits(table, limited)
    name = f"duty of {SATELLITE} in the orbit from {begin:%Y-%m-%d %H:%M}"
    assert [(limit.name, limit.most) for limit in limits] == [(name, 350.0)]
    assert limits[0].weight.tolist() == [200.0, 200.0]


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ({"contacts_per_day": 1}, {"w2", "w3", "p"}),
        ({"contact_s_per_day": 220.0}, {"w1", "w3", "p"}),
        ({"contacts_per_day": 0}, set()),
        ({"contacts_per_day": 1, "satellite": SATELLITE}, {"w2", "w3", "p"}),
        ({"contacts_per_day": 1, "satellite": "OTHER"}, {"w1", "w2", "w3", "p"}),
    ],
)
def test_quota_of_a_nation_is_per_day(study, two_stations, quota, expected):
    """Poland's contacts: two in the first day, of 200 and 260 s, one in the second."""
    limited = two_stations.model_copy(update={"satellite_quotas": (SatelliteQuota(nation="PL", **quota),)})
    table = offers(
        ("w1", "PQSAT", at(0), 200, 40_000), ("w2", "PQSAT", at(0, 90), 260, 60_000),
        ("w3", "PQSAT", at(1), 200, 30_000), ("p", "ONDREJOV", at(1, 90), 200, 300_000),
    )  # fmt: skip
    found = chosen(plan_of(study, limited, table))
    assert found & {"w1", "w2", "w3"} == expected - {"p"}
    assert ("p" in found) or not expected


def test_quota_of_another_nation_does_not_bind(study, two_stations):
    limited = two_stations.model_copy(update={"satellite_quotas": (SatelliteQuota(nation="DE", contacts_per_day=0),)})
    table = offers(("w", "PQSAT", at(0), 200, 50_000), ("p", "ONDREJOV", at(1), 200, 50_000))
    assert chosen(plan_of(study, limited, table)) == {"w", "p"}
    barred = offers(("b", "DLR-OP", at(0), 200, 50_000), ("p", "ONDREJOV", at(1), 200, 50_000))
    assert "b" not in chosen(plan_of(study, limited, barred))


def test_quotas_of_the_shipped_week(study, scenario):
    """One contact a day for Germany, none of its own satellite time beyond 250 s; the plan keeps both and loses."""
    quotas = (SatelliteQuota(nation="DE", contacts_per_day=1), SatelliteQuota(nation="CZ", contact_s_per_day=100.0))
    limited = with_policy(only(scenario, "government"), backups=False).model_copy(update={"satellite_quotas": quotas})
    free = limited.model_copy(update={"satellite_quotas": ()})
    plans = [plan_of(study, s, study.candidates) for s in (limited, free)]
    contacts = plans[0].contacts
    day = (contacts["start"] - pd.Timestamp(scenario.start)).dt.days
    german = contacts["ogs"].isin(["DLR-OP", "DLR-TRAUEN"])
    assert german[german].groupby(day).count().max() == 1
    czech = contacts[contacts["ogs"] == "ONDREJOV"]
    length = (czech["end"] - czech["start"]).dt.total_seconds()
    assert length.groupby(day[czech.index]).sum().max() <= 100
    assert plans[0].objective < plans[1].objective - 1


@pytest.mark.parametrize("room", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_cliques_with_room_allow_exactly_what_never_exceeds_it(seed, room):
    """Every choice of ten intervals: at most `room` at any instant if and only if at most `room` of each clique."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 30, 10)
    end = start + rng.integers(1, 14, 10)
    cliques = interval_cliques(start, end)
    busy = (start[:, None] <= np.arange(45)) & (np.arange(45) < end[:, None])
    for number in range(1 << 10):
        taken = np.array([number >> i & 1 for i in range(10)], dtype=bool)
        by_clique = all(taken[c].sum() <= room for c in cliques)
        assert by_clique == (busy[taken].sum(axis=0) <= room).all()

"""Epochs of designed orbits: they hold wherever a scenario starts, and a file without them is told so."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from eqci_space.data import data_path
from eqci_space.errors import ScenarioError, UndatedOrbitWarning
from eqci_space.orbits.design import mean_sun_longitude_deg
from eqci_space.orbits.elements import propagator
from eqci_space.orbits.ephemeris import ephemerides, positions_m, satellite_elements
from eqci_space.orbits.passes import find_passes
from eqci_space.scenario import CircularOrbit, SunSynchronousOrbit, load_scenario
from eqci_space.studies.batch import batch_chunks, chunk_tables, packed_scenario, unpacked_scenario

START = datetime(2027, 3, 1, 12, tzinfo=UTC)
EPOCH_LINE = "epoch = 2027-03-01T12:00:00Z      # when node and anomaly hold; the orbit stays when the period moves\n"
UNDATED = (EPOCH_LINE, "")
PATTERNS = """
[[constellation]]
name = "W"
terminal = "eagle1-like-nominal"
[constellation.pattern]
kind = "walker_delta"
altitude_km = 700
inclination_deg = 60
satellites = 2
planes = 2
{epoch}
[[constellation]]
name = "T"
terminal = "eagle1-like-nominal"
[constellation.pattern]
kind = "train"
satellites = 2
spacing_s = 600
orbit = {{ kind = "circular", altitude_km = 550, inclination_deg = 53{inline} }}
"""
DATED = PATTERNS.format(epoch="epoch = 2027-02-27T06:30:00Z\n", inline=", epoch = 2026-12-31T23:59:59Z")
SHIFT = timedelta(days=1)


def undated(path, **options):
    """Scenario and the warnings of its loading."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UndatedOrbitWarning)
        return load_scenario(path, **options), [str(w.message) for w in caught]


def assert_common_passes(one: pd.DataFrame, other: pd.DataFrame, since: datetime):
    """Whole passes that rise after `since` are the same to a millisecond."""
    one, other = (t[(t["aos"] > pd.Timestamp(since)) & ~t["truncated"]] for t in (one, other))
    one, other = (t.sort_values(["satellite", "ogs", "aos"]) for t in (one, other))
    assert len(one) == len(other) > 20
    for column in ("satellite", "ogs"):
        assert list(one[column]) == list(other[column])
    for column in ("aos", "los"):
        apart = (one[column].to_numpy() - other[column].to_numpy()) / np.timedelta64(1, "s")
        assert np.abs(apart).max() < 1e-3, column
    assert one["max_elevation_deg"].to_numpy() == pytest.approx(other["max_elevation_deg"].to_numpy(), abs=1e-6)


# ---------------------------------------------------------------- the orbit stays where it is


@pytest.mark.parametrize("shift", [SHIFT, timedelta(hours=7, seconds=13)])
def test_passes_stay_when_the_start_moves(edited, shift):
    scenario = load_scenario(edited(extra=DATED))
    later = scenario.model_copy(update={"start": scenario.start + shift})
    assert_common_passes(find_passes(scenario), find_passes(later), later.start)
    assert find_passes(later)["satellite"].nunique() == 5


def test_passes_stay_when_the_start_is_edited_in_the_file(edited):
    before = find_passes(load_scenario(edited(extra=DATED)))
    later = load_scenario(edited(("start = 2027-03-01T12", "start = 2027-03-02T12"), extra=DATED))
    assert later.start == START + SHIFT
    assert_common_passes(before, find_passes(later), later.start)


def test_passes_of_the_shipped_constellation_stay(scenario):
    whole = load_scenario("euroqci")
    two = whole.model_copy(update={"satellites": whole.satellites[:2], "end": whole.start + timedelta(days=3)})
    later = two.model_copy(update={"start": two.start + SHIFT})
    assert_common_passes(find_passes(two), find_passes(later), later.start)


def test_workers_and_later_plans_see_the_same_orbit(edited):
    scenario, _ = undated(edited(UNDATED))
    expected = satellite_elements(scenario.satellites[0], scenario)
    copy = unpacked_scenario(packed_scenario(scenario))
    assert satellite_elements(copy.satellites[0], copy) == expected
    part = scenario.model_copy(update={"start": scenario.start + 3 * SHIFT})  # as a rolling plan takes its horizons
    assert satellite_elements(part.satellites[0], part) == expected
    chunk = batch_chunks(part, chunk_day=2.0)[0]
    alone = find_passes(scenario)
    mine = alone[(alone["aos"] >= chunk.start) & (alone["aos"] < chunk.end)]
    found = chunk_tables(chunk)["passes"]
    assert list(found.index) == list(mine.index)
    assert np.abs((found["aos"] - mine["aos"]).dt.total_seconds()).max() < 1e-3


def test_node_and_anomaly_hold_at_the_epoch_and_not_at_the_start(edited):
    # At 600 km a turn takes 2π √(6978.137³/398600.4418) = 5801.2 s; 1000 s before the start the satellite was at 90 deg
    # from its node at 30 deg, so at the start it is 62.06 deg further along, and 0.07 deg by the J2 drift of perigee.
    orbit = CircularOrbit(
        kind="circular", altitude_km=600, inclination_deg=90, raan_deg=30, mean_anomaly_deg=90,
        epoch=START - timedelta(seconds=1000),
    )  # fmt: skip
    scenario = load_scenario(edited())
    satellite = scenario.satellites[0].model_copy(update={"orbit": orbit})
    elements = satellite_elements(satellite, scenario)
    assert elements.epoch == START - timedelta(seconds=1000)
    _, position, _ = propagator(elements).sgp4(2_461_466.0, 0.0)  # Julian date of the start
    assert np.linalg.norm(position) == pytest.approx(6978, abs=15)
    latitude_deg = np.degrees(np.arcsin(position[2] / np.linalg.norm(position)))
    assert latitude_deg == pytest.approx(180 - (90 + 62.06), abs=0.2)
    # Over the far side of the pole it stands opposite to its node.
    assert np.degrees(np.arctan2(position[1], position[0])) % 360 == pytest.approx(210, abs=0.2)


@pytest.mark.parametrize("days", [-1500, -400, 100])
def test_a_sun_synchronous_orbit_keeps_its_local_time_away_from_its_epoch(edited, days):
    ltan_h = 10.5
    start = START + timedelta(days=days)
    orbit = SunSynchronousOrbit(kind="sun_synchronous", altitude_km=600, ltan_h=ltan_h, epoch=START)
    scenario = load_scenario(edited())
    satellite = scenario.satellites[0].model_copy(update={"orbit": orbit})
    moved = scenario.model_copy(update={"satellites": (satellite,), "start": start, "end": start + SHIFT})
    (ephemeris,) = ephemerides(moved, moved.start, moved.end).values()
    seconds = np.arange(0.0, 86_400.0, 1.0)
    x, y, z = positions_m(ephemeris, seconds).T
    rising = np.flatnonzero((z[:-1] < 0) & (z[1:] >= 0))
    assert len(rising) in (14, 15)
    # Local mean time of a place is UTC and its longitude; UT1 - UTC is below a second.
    longitude_h = np.degrees(np.arctan2(y[rising], x[rising])) / 15
    local_h = (12.0 + seconds[rising] / 3600 + longitude_h) % 24
    assert local_h == pytest.approx(np.full(len(rising), ltan_h), abs=20 / 3600)
    assert (mean_sun_longitude_deg(START) + 15 * (ltan_h - 12)) % 360 == pytest.approx(
        satellite_elements(satellite, moved).raan_deg
    )


# ---------------------------------------------------------------- files that state no epoch


def test_a_file_without_epoch_is_told_the_line_to_add(edited):
    scenario, (message,) = undated(edited(UNDATED))
    assert "edited.toml: satellite 'EAGLE1-LIKE' has a designed orbit without epoch" in message
    assert "add epoch = 2027-03-01T12:00:00Z" in message
    assert scenario.satellites[0].orbit.epoch == START
    # With that line the same file is silent and gives the same orbit.
    assert scenario.satellites == load_scenario(edited()).satellites


def test_undated_orbits_are_named_once_by_what_the_file_calls_them(edited):
    scenario, (message,) = undated(edited(UNDATED, extra=PATTERNS.format(epoch="", inline="")))
    assert "satellite 'EAGLE1-LIKE', constellation 'W', constellation 'T' have designed orbits" in message
    assert {s.orbit.epoch for s in scenario.satellites} == {START}
    assert len(scenario.satellites) == 5


def test_only_what_lacks_an_epoch_is_named(edited):
    scenario, (message,) = undated(edited(extra=PATTERNS.format(epoch="epoch = 2027-01-01T00:00:00Z\n", inline="")))
    assert "constellation 'T' has a designed orbit" in message
    assert "EAGLE1-LIKE" not in message
    assert "'W'" not in message
    epochs = {s.name: s.orbit.epoch for s in scenario.satellites}
    assert epochs["W-2-1"] == datetime(2027, 1, 1, tzinfo=UTC)
    assert epochs["T-2"] == START


def test_each_satellite_of_a_pattern_has_the_epoch_of_the_pattern(edited):
    epochs = {s.name: s.orbit.epoch for s in load_scenario(edited(extra=DATED)).satellites}
    walker, train = datetime(2027, 2, 27, 6, 30, tzinfo=UTC), datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    expected = {"EAGLE1-LIKE": START, "W-1-1": walker, "W-2-1": walker, "T-1": train, "T-2": train}
    assert epochs == expected


def test_an_overlay_that_moves_the_start_leaves_undated_orbits_in_place(edited, tmp_path):
    overlay = tmp_path / "later.toml"
    extra = PATTERNS.format(epoch="epoch = 2027-01-01T00:00:00Z\n", inline="").split('[[constellation]]\nname = "T"')[1]
    overlay.write_text("start = 2027-03-03T12:00:00Z\n\n" + '[[constellation]]\nname = "T"' + extra, encoding="utf-8")
    scenario, messages = undated(edited(UNDATED), overlays=[overlay])
    epochs = {s.name: s.orbit.epoch for s in scenario.satellites}
    assert scenario.start == START + 2 * SHIFT
    # What the overlay adds without epoch begins at the overlay's start.
    assert epochs == {"EAGLE1-LIKE": START, "T-1": scenario.start, "T-2": scenario.start}
    assert ["2027-03-01T12:00:00Z" in m for m in messages] == [True, False]
    assert ["2027-03-03T12:00:00Z" in m for m in messages] == [False, True]


def test_an_orbit_made_in_python_without_epoch_begins_at_the_start(scenario):
    orbit = CircularOrbit(kind="circular", altitude_km=600, inclination_deg=60)
    satellite = scenario.satellites[0].model_copy(update={"orbit": orbit})
    assert satellite_elements(satellite, scenario).epoch == scenario.start


def test_what_is_shipped_states_its_epochs(tmp_path):
    # Our own warnings are errors here.
    for scenario in (load_scenario("quant-gpicz"), load_scenario("euroqci")):
        assert {s.orbit.epoch for s in scenario.satellites} == {scenario.start}
    assert load_scenario(data_path("templates", "scenario.toml")).satellites[0].orbit.epoch == START


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("epoch", "message"),
    [
        ("2027-03-01T12:00:00", "has no time zone; write 2027-03-01T12:00:00Z"),
        ("2027-03-01", "is a day without time"),
        ("1957-10-04T19:28:34Z", "expected the years 1973 to 2099"),
        ("2207-03-01T12:00:00Z", "expected the years 1973 to 2099"),
        ('"at noon"', "Invalid isoformat string"),
    ],
)
def test_an_epoch_that_cannot_be_is_refused(edited, epoch, message):
    with pytest.raises(ScenarioError) as caught:
        load_scenario(edited(("epoch = 2027-03-01T12:00:00Z", f"epoch = {epoch}")))
    ((path, text),) = caught.value.problems
    assert path == "satellite.0.orbit.epoch"
    assert message in text


@pytest.mark.parametrize("start", ["2027-03-01T12:00:00", "1957-03-01T12:00:00Z", "true"])
def test_a_wrong_start_is_not_reported_again_for_the_orbit(edited, start):
    with pytest.raises(ScenarioError) as caught:
        load_scenario(edited(UNDATED, ("start = 2027-03-01T12:00:00Z", f"start = {start}")))
    assert [path for path, _ in caught.value.problems] == ["start"]

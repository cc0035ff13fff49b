"""Which object of a file a satellite is, and which of its sets serves a period: made-up catalogues, right by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from eqci_space.data import data_path
from eqci_space.errors import AssumedObjectWarning, ElementsError, ScenarioError, StaleElementsWarning
from eqci_space.orbits.elements import BadRecord, ElementSet, check_age, signed_age_day
from eqci_space.orbits.ephemeris import satellite_elements
from eqci_space.orbits.passes import find_passes
from eqci_space.orbits.selection import select_elements
from eqci_space.scenario import load_scenario

DAY = timedelta(days=1)
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def made(name, number, day=0.0):
    return ElementSet(
        name=name, catalogue_number=number, epoch=NEW_YEAR + day * DAY, mean_motion_rev_day=15.0, eccentricity=0.001,
        inclination_deg=97.0, raan_deg=10.0, argument_of_pericenter_deg=20.0, mean_anomaly_deg=30.0,
    )  # fmt: skip


def refusal(sets, **stated):
    with pytest.raises(ElementsError) as caught:
        select_elements(sets, "OWN", "satellite 'OWN' in x.json", **stated)
    return str(caught.value)


# ---------------------------------------------------------------- which object


def test_a_stated_name_that_is_absent_is_refused_even_in_a_file_of_one_object():
    assert refusal([made("WEATHER 7", 41001)], object_name="QUBE-1") == (
        "satellite 'OWN' in x.json: no object 'QUBE-1'; the file has 1 object; choose by object_name or "
        "catalogue_number: 'WEATHER 7' (catalogue number 41001, epoch 2027-01-01T00:00Z)"
    )


def test_a_stated_name_is_refused_among_several_names_of_one_number():
    sets = [made(f"PIECE {x}", 99_900, day) for day, x in enumerate("ABC")]
    message = refusal(sets, object_name="PIECE D")
    assert "no object 'PIECE D'; did you mean 'PIECE C' or 'PIECE B' or 'PIECE A'? the file has 3 objects" in message
    assert "'PIECE A' (catalogue number 99900, epoch 2027-01-01T00:00Z)" in message
    assert select_elements(sets, "OWN", "here", object_name="PIECE B") == sets[1]


@pytest.mark.parametrize(
    ("sets", "stated", "count", "remedy"),
    [
        ([made("A", 99_900), made("B", 99_900)], {"catalogue_number": 99_900}, 2, "state object_name too"),
        ([made("DEBRIS", 5), made("DEBRIS", 6)], {"object_name": "DEBRIS"}, 2, "state catalogue_number too"),
        ([made("OWN", 5), made("OWN", 6), made("OWN", 7)], {}, 3, "state catalogue_number too"),
    ],
)
def test_what_fits_several_objects_is_refused_with_what_tells_them_apart(sets, stated, count, remedy):
    assert f" fits {count} objects; {remedy}: '{sets[0].name}' (catalogue number" in refusal(sets, **stated)


def test_name_and_number_must_agree_on_one_object():
    sets = [made("A", 5), made("A", 6), made("B", 6)]
    assert select_elements(sets, "OWN", "here", object_name="A", catalogue_number=6) == sets[1]
    message = refusal(sets, object_name="B", catalogue_number=5)
    assert "no object 'B' with catalogue number 5; " in message
    for shown in ("'A' (catalogue number 5,", "'A' (catalogue number 6,", "'B' (catalogue number 6,"):
        assert shown in message


def test_the_own_name_is_waived_for_one_object_alone_and_only_with_a_warning():
    with pytest.warns(AssumedObjectWarning, match=r"no object 'OWN'.*'X' \(catalogue number 5.*object_name = \"X\""):
        assert select_elements([made("X", 5)], "OWN", "here").name == "X"
    with pytest.warns(AssumedObjectWarning, match="say so with catalogue_number = 5, or"):
        assert select_elements([made("5", 5)], "OWN", "here").name == "5"
    assert "no object 'OWN'; the file has 2 objects" in refusal([made("X", 5), made("Y", 5)])


def test_sets_without_a_name_or_a_number_belong_to_the_object_that_has_it():
    # Two-line sets with and without a title, and OMM with and without NORAD_CAT_ID.
    sets = [made("5", 5, 0), made("A", 5, 1), made("A", 0, 2)]
    assert select_elements(sets, "A", "here") == sets[2]
    assert select_elements(sets, "OWN", "here", catalogue_number=5) == sets[2]
    assert "no catalogue number" in refusal([made("A", 0)], object_name="A", catalogue_number=7)
    # Of two objects under the number an unnamed set may be either, and is a third.
    assert "fits 3 objects" in refusal([*sets[:2], made("B", 5)], catalogue_number=5)


def test_a_skipped_record_of_another_name_is_another_object():
    bad = BadRecord("x.json record 2: ECCENTRICITY is 2", "B", 5)
    with pytest.raises(ElementsError, match=r"no object 'OWN'; the file has 2 objects; 1 malformed record skipped"):
        select_elements([made("A", 5)], "OWN", "here", skipped=[bad])
    with pytest.raises(ElementsError, match="catalogue number 5 fits 2 objects"):
        select_elements([made("A", 5)], "OWN", "here", catalogue_number=5, skipped=[bad])


def test_long_lists_are_cut_with_near_matches_first():
    sets = [made(f"SAT {i:03d}", 40_000 + i) for i in range(300)]
    message = refusal(sets, object_name="SAT 2577")
    assert message.index("'SAT 257' (") < message.index("'SAT 000' (")
    assert message.endswith(" and 292 more")
    message = refusal(sets, catalogue_number=4_0257_1)
    assert "numbers 40000 to 40299" in message
    assert message.index("catalogue number 40257,") < message.index("catalogue number 40000,")


# ---------------------------------------------------------------- which set


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (0.0, 1.0, 0),  # at the start, the others weeks later
        (79.0, 80.0, 2),
        (-40.0, -39.0, 0),
        (25.0, 26.0, 1),  # between two, nearer to the later one
        (10.0, 20.0, 0),  # as far from both: the one that was known before
        (28.0, 33.0, 1),  # inside the period
        (100.0, 101.0, 2),
    ],
)
def test_of_a_history_the_set_nearest_to_the_period_is_taken(begin, end, expected):
    sets = [made("H", 7, day) for day in (0, 30, 80)]
    period = NEW_YEAR + begin * DAY, NEW_YEAR + end * DAY
    for order in (sets, sets[::-1]):
        assert select_elements(order, "H", "here", period=period) == sets[expected]
        assert select_elements(order, "OWN", "here", catalogue_number=7, period=period) == sets[expected]


@pytest.fixture
def scenario_of(tmp_path, edited):
    """The shipped scenario with its satellite from a file of records, and lines of its own."""

    def write(records, *lines):
        (tmp_path / "sets.json").write_text(json.dumps(records), encoding="utf-8")
        text = data_path("scenarios", "quant-gpicz.toml").read_text(encoding="utf-8")
        orbit = text[text.index("[satellite.orbit]") : text.index("[stations]")]
        return load_scenario(edited((orbit, "\n".join(('elements = "sets.json"', *lines, "", "")))))

    return write


def record(name, number, epoch, anomaly):
    return {
        "OBJECT_NAME": name, "NORAD_CAT_ID": number, "EPOCH": epoch, "MEAN_MOTION": 15.1, "ECCENTRICITY": 0.001,
        "INCLINATION": 97.5, "RA_OF_ASC_NODE": 60, "ARG_OF_PERICENTER": 90, "MEAN_ANOMALY": anomaly, "BSTAR": 1e-5,
    }  # fmt: skip


def test_a_scenario_plans_with_the_set_of_its_period(scenario_of):
    # The scenario is the week from 2027-03-01T12:00Z.
    history = [
        record("EAGLE1-LIKE", 70001, f"2027-{day}T00:00:00", i) for i, day in enumerate(("02-27", "03-04", "05-30"))
    ]
    scenario = scenario_of(history)
    found = satellite_elements(scenario.satellites[0], scenario)
    assert found.epoch == datetime(2027, 3, 4, tzinfo=UTC)
    day = {"start": scenario.start, "end": scenario.start + DAY}
    # A part of the period is planned with the same set, so that passes and samples are of one orbit.
    passes = find_passes(scenario, **day)
    assert len(passes) > 3
    assert passes.equals(find_passes(scenario_of(history[1:2]), **day))


@pytest.mark.parametrize("line", ['object_name = "NOBODY"', "catalogue_number = 1"])
def test_a_scenario_refuses_what_its_file_does_not_have(scenario_of, line):
    scenario = scenario_of([record("WEATHER 7", 41001, "2027-03-01T00:00:00", 0)], line)
    day = {"start": scenario.start, "end": scenario.start + DAY}
    with pytest.raises(ElementsError, match=r"^satellite 'EAGLE1-LIKE' in sets\.json: no .*'WEATHER 7' \(catalogue"):
        find_passes(scenario, **day)


def test_a_catalogue_number_without_an_element_file_is_refused(edited):
    with pytest.raises(ScenarioError, match="catalogue_number chooses a record of an element file"):
        load_scenario(edited(("[satellite.orbit]", "catalogue_number = 5\n\n[satellite.orbit]")))


# ---------------------------------------------------------------- age and advice


@pytest.mark.parametrize(
    ("begin", "end", "age", "advice"),
    [
        (40, 41, 41, "is before the period; get newer elements"),
        (-41, -40, -41, "is after the period; get older elements, from a history of the object"),
        (-2, 20, 20, "is long before the period's end; get newer elements"),
        (-20, 2, -20, "is long after the period's start; get older elements"),
        (-20, 20.5, 20.5, "lies in a period too long for one set; shorten the period"),
        (1, 60, 60, "is before a period too long for one set; shorten the period"),
    ],
)
def test_ages_are_signed_and_the_advice_fits(begin, end, age, advice):
    period = NEW_YEAR + begin * DAY, NEW_YEAR + end * DAY
    assert signed_age_day(made("A", 5), *period) == age
    with pytest.warns(StaleElementsWarning, match=f"{abs(age):.1f} days from the period .*T00:00Z {advice}"):
        check_age(made("A", 5), *period)

"""What a contact was chosen over, and by which rule, on hand-made candidates."""

import numpy as np
import pytest
from plan_cases import at, offers

from eqci_space.schedule.conflicts import choice_limits
from eqci_space.schedule.reasons import choice_reasons


def reason(scenario, *rows, chosen=("a",), barred=()):
    """The reason of candidate a."""
    table = offers(*rows)
    taken, closed = (np.asarray(table.index.isin(names)) for names in (chosen, barred))
    found = choice_reasons(table, taken, choice_limits(table, scenario), barred=closed)
    return dict(zip(table.index[taken], found, strict=True))["a"]


@pytest.fixture
def two(scenario):
    second = scenario.satellites[0].model_copy(update={"name": "SECOND"})
    return scenario.model_copy(update={"satellites": (*scenario.satellites, second)})


A = ("a", "PQSAT", at(0), 200, 1e5)  # to 20:03:20; slew 60 s, turnaround 120 s


@pytest.mark.parametrize(
    ("rival", "text"),
    [
        (("b", "GRAZ", at(0, 1), 200, 1e5), "chosen over GRAZ (same satellite)"),
        (("b", "GRAZ", at(0, 4), 200, 1e5), "chosen over GRAZ (satellite slew)"),
        (("b", "GRAZ", at(0, -4), 200, 1e5), "chosen over GRAZ (satellite slew)"),
        (("b", "GRAZ", at(0, 4 + 1 / 3), 200, 1e5), "no rival in this crossing"),
        (("b", "PQSAT", at(0, 1), 200, 1e5, 1.0, "b", "SECOND"), "chosen over SECOND (same station)"),
        (("b", "PQSAT", at(0, 5), 200, 1e5, 1.0, "b", "SECOND"), "chosen over SECOND (station turnaround)"),
        (("b", "PQSAT", at(0, 5 + 1 / 3), 200, 1e5, 1.0, "b", "SECOND"), "no rival in this crossing"),
        (("b", "PQSAT", at(0, 9), 60, 1e5, 1.0, "a"), "chosen over another part of its window"),
        (("b", "PQSAT", at(0), 100, 1e5, 1.0, "a"), "no rival in this crossing"),
        (("b", "PQSAT", at(0, 3), 100, 1e5, 1.0, "a"), "no rival in this crossing"),
        (("b", "GRAZ", at(0, 1), 200, 1e5, 1.0, "b", "SECOND"), "no rival in this crossing"),
    ],
)
def test_the_rule_that_excludes_a_rival_is_named(two, rival, text):
    assert reason(two, A, rival) == text


def test_rivals_of_several_rules_are_named_once_by_the_strictest(two):
    rows = (
        A, ("b", "GRAZ", at(0, 1), 200, 1e5, 1.0, "b"), ("c", "GRAZ", at(0, 4), 60, 1e5, 1.0, "b"),
        ("d", "ONDREJOV", at(0, 4), 60, 1e5), ("e", "PQSAT", at(0, 5), 60, 1e5, 1.0, "e", "SECOND"),
        ("f", "DLR-OP", at(0, 2), 60, 1e5),
    )  # fmt: skip
    assert reason(two, *rows) == (
        "chosen over DLR-OP, GRAZ (same satellite); ONDREJOV (satellite slew); SECOND (station turnaround)"
    )
    assert reason(two, *rows, barred=("f", "b", "c")) == (
        "chosen over ONDREJOV (satellite slew); SECOND (station turnaround)"
    )


def test_a_second_terminal_leaves_room_until_both_are_taken(scenario):
    satellite = scenario.satellites[0].model_copy(update={"terminals": 2})
    roomy = scenario.model_copy(update={"satellites": (satellite,)})
    rows = (A, ("b", "GRAZ", at(0, 1), 200, 1e5), ("c", "ONDREJOV", at(0, 1), 200, 1e5))
    assert reason(roomy, *rows) == "no rival in this crossing"
    assert reason(roomy, *rows, chosen=("a", "b")) == "chosen over ONDREJOV (same satellite)"


@pytest.mark.parametrize(("duty_s", "text"), [(500.0, "no rival in this crossing"), (300.0, "chosen over GRAZ (duty)")])
def test_a_duty_that_is_used_up_is_named(scenario, duty_s, text):
    """200 s are used and 200 s more would be of the same night: with 300 s a day one of both."""
    satellite = scenario.satellites[0].model_copy(update={"duty_s_per_day": duty_s})
    assert (
        reason(scenario.model_copy(update={"satellites": (satellite,)}), A, ("b", "GRAZ", at(0, 95), 200, 1e5)) == text
    )


def test_what_has_no_room_in_the_place_of_a_contact_is_no_rival_of_it(scenario):
    """Duty of 150 s: the 60 s contact was not chosen over one of 200 s, which never had room."""
    satellite = scenario.satellites[0].model_copy(update={"duty_s_per_day": 150.0})
    short = ("a", "PQSAT", at(0), 60, 1e5)
    limited = scenario.model_copy(update={"satellites": (satellite,)})
    assert reason(limited, short, ("b", "GRAZ", at(0, 95), 200, 1e5)) == "no rival in this crossing"

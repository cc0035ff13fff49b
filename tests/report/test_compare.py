"""Differences of runs, on hand-made plans."""

import pandas as pd
import pytest

from eqci_space.report.compare import compare_runs
from eqci_space.report.run_io import Run
from eqci_space.schedule.diff import match_contacts


def plan(*rows):
    table = pd.DataFrame(rows, columns=["contact_id", "satellite", "ogs", "start", "end", "expected_skl_bit", "status"])
    for edge in ("start", "end"):
        table[edge] = pd.to_datetime(table[edge].map(lambda t: f"2027-03-01T{t}Z"), utc=True, format="ISO8601")
    return table.assign(skl_bit=2 * table["expected_skl_bit"]).set_index("contact_id")


def run(contacts, delivered, gap=0.0):
    delivery = pd.DataFrame(
        [(d, 1000.0, bit) for d, bit in delivered.items()], columns=["demand", "asked_bit", "delivered_bit"]
    )
    manifest = {"counts": {"passes": 9, "contacts": 99}, "plan": {"gap": gap}, "unreachable_demands": ["far"]}
    return Run({"contacts": contacts, "delivery": delivery}, manifest)


A = plan(
    ("a1", "S", "G", "20:00:00", "20:05:00", 100.0, "planned"),
    ("a2", "S", "H", "21:00:00", "21:05:00", 200.0, "planned"),
    ("a3", "S", "G", "22:00:00", "22:05:00", 300.0, "planned"),
    ("a4", "S", "G", "23:00:00", "23:05:00", 400.0, "planned"),
    ("a5", "S", "H", "23:30:00", "23:35:00", 500.0, "cancelled"),
)
B = plan(
    ("b4", "S", "G", "23:00:00", "23:05:00", 400.0, "backup"),
    ("b1", "S", "G", "20:00:00.9", "20:05:00", 100.0, "planned"),
    ("b3", "S", "G", "22:01:30", "22:04:00", 250.0, "planned"),
    ("b5", "S", "H", "23:30:00", "23:35:00", 500.0, "planned"),
    ("b6", "T", "H", "21:00:00", "21:05:00", 200.0, "planned"),
)


def test_contacts_are_matched_by_satellite_station_and_time_whatever_their_ids():
    found = compare_runs(run(A, {"x": 1.0}), run(B, {"x": 1.0})).contacts
    assert list(zip(found["contact_a"], found["contact_b"], found["change"], strict=True)) == [
        ("a1", "b1", "same"), ("a2", "", "dropped"), ("", "b6", "added"), ("a3", "b3", "moved, key"),
        ("a4", "b4", "status"), ("", "b5", "added"),
    ]  # fmt: skip
    moved = found.iloc[3]
    assert (moved["start_shift_s"], moved["end_shift_s"], moved["difference_bit"]) == (90.0, -60.0, -50.0)
    dropped = found.iloc[1]
    assert pd.isna(dropped["start_b"])
    assert dropped["difference_bit"] == -200.0


def test_longest_overlap_is_matched_and_no_contact_twice():
    a = plan(("a", "S", "G", "20:00:00", "20:10:00", 1.0, "planned"))
    b = plan(
        ("b1", "S", "G", "20:00:00", "20:02:00", 1.0, "planned"),
        ("b2", "S", "G", "20:03:00", "20:10:00", 1.0, "planned"),
        ("b3", "S", "G", "20:10:00", "20:12:00", 1.0, "planned"),
    )  # fmt: skip
    assert match_contacts(a, b) == [(0, 1)]
    assert match_contacts(b, a) == [(1, 0)]
    assert match_contacts(a.iloc[:0], b) == []


def test_delivery_and_headline_numbers():
    found = compare_runs(run(A, {"x": 500.0, "old": 7.0}), run(B, {"x": 750.0, "new": 9.0}, gap=0.25))
    x = found.delivery.loc["x"]
    assert (x["difference_bit"], x["share_a"], x["share_b"]) == (250.0, 0.5, 0.75)
    assert pd.isna(found.delivery.loc["old", "delivered_bit_b"])
    assert list(found.delivery.index) == ["x", "old", "new"]
    numbers = found.headline
    assert tuple(numbers.loc["planned contacts", ["a", "b"]]) == (4.0, 4.0)
    assert tuple(numbers.loc["expected space key [bit]", ["a", "b", "difference", "relative"]]) == (
        1000.0, 1050.0, 50.0, 0.05,
    )  # fmt: skip
    assert tuple(numbers.loc["contact time [s]", ["a", "b"]]) == (1200.0, pytest.approx(1049.1))
    assert numbers.loc["gap", "difference"] == 0.25
    assert pd.isna(numbers.loc["gap", "relative"])
    assert "contacts" not in numbers.index


def test_a_saved_run_does_not_differ_from_itself(run_directory):
    found = compare_runs(run_directory, run_directory)
    assert set(found.contacts["change"]) == {"same"}
    assert (found.headline["difference"] == 0).all()
    assert len(found.contacts) > 5

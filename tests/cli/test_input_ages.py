"""Ages of every kind of input, against hand-made files."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from eqci_space.orbits.earth import orientation_end
from eqci_space.orbits.elements_io import read_elements
from eqci_space.orbits.ephemeris import make_ephemeris, motion
from eqci_space.orbits.oem_io import write_oem
from eqci_space.report.input_ages import age_records, input_ages, orientation_issued
from eqci_space.scenario import load_scenario


def rows(path):
    return {row["kind"]: row for row in age_records(input_ages(load_scenario(path)))}


def clouds(folder, first, hours):
    """A record of both stations, hour by hour."""
    lines = [
        f"{site},{first + timedelta(hours=h):%Y-%m-%dT%H:%MZ},0.5" for site in ("DLR-OP", "PQSAT") for h in range(hours)
    ]
    (folder / "clouds.csv").write_text("site,time,cloud_fraction\n" + "\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("hours", "state"), [(48, "covers the period"), (24, "ends in the period; the climate stands in")]
)
def test_a_forecast_has_the_age_of_its_issue(short, tmp_path, hours, state):
    issued = 'model = "forecast"\nfile = "clouds.csv"\nissued = 2027-02-28T18:00:00Z'
    clouds(tmp_path, datetime(2027, 3, 1, tzinfo=UTC), hours)
    found = rows(short(('model = "climatology"', issued)))
    assert found["forecast"]["age_day"] == 0.75
    assert found["forecast"]["date"] == "2027-02-28T18:00Z"
    assert found["forecast"]["until"] == ("2027-03-02T23:00Z" if hours == 48 else "2027-03-01T23:00Z")
    assert found["forecast"]["state"] == state
    assert found["climatology"]["age_day"] is None
    assert not found["forecast"]["stale"]


def test_a_record_says_which_years_it_holds(short, tmp_path):
    clouds(tmp_path, datetime(2026, 2, 15, tzinfo=UTC), 24 * 31)
    found = rows(short(('model = "climatology"', 'model = "record"\nfile = "clouds.csv"')))
    assert found["record"]["date"] == "2026-02-15T00:00Z"
    assert found["record"]["until"] == "2026-03-17T23:00Z"
    assert found["record"]["age_day"] == 379.5
    assert "climatology" not in found


def test_an_ephemeris_says_what_it_covers(with_elements, tmp_path):
    path = with_elements()
    elements = read_elements(tmp_path / "mine.omm.json")[0]
    begin, end = datetime(2027, 3, 1, tzinfo=UTC), datetime(2027, 3, 3, tzinfo=UTC)
    seconds = np.arange(0.0, (end - begin).total_seconds() + 1, 60.0)
    write_oem(
        "EAGLE1-LIKE", begin, seconds, *motion(make_ephemeris(elements, begin, end), seconds), tmp_path / "mine.oem"
    )
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace('elements = "mine.omm.json"\ncatalogue_number = 99001', 'ephemeris = "mine.oem"'), encoding="utf-8"
    )
    found = rows(path)["ephemeris"]
    assert (found["file"], found["state"], found["stale"]) == ("mine.oem", "covers the period", False)
    assert found["age_day"] == 0.5


def test_earth_orientation_has_the_age_of_its_package(short):
    found = rows(short())["earth_orientation"]
    start = datetime(2027, 3, 1, 12, tzinfo=UTC)
    assert found["age_day"] == round((start - orientation_issued()) / timedelta(days=1), 3)
    assert found["until"] == f"{orientation_end():%Y-%m-%dT%H:%MZ}"
    assert found["stale"] == (orientation_end() < start + timedelta(days=1))


def test_many_designed_orbits_are_one_line():
    (row,) = [r for r in age_records(input_ages(load_scenario("euroqci"))) if r["kind"] == "design"]
    assert row["input"] == "orbit of 10 satellites"

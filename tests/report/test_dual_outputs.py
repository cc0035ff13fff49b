"""A run of a dual downlink as its readers get it: both stations of every contact everywhere."""

import json

import pandas as pd
import pytest
from icalendar import Calendar
from matplotlib import pyplot as plt

import eqci_space as eq
from eqci_space.report.exports.contact_calendar import write_calendar
from eqci_space.report.release import export_material, release
from eqci_space.scenario.changes import with_values
from eqci_space.study import Study
from eqci_space.tables import by_station

SOURCE = {"kind": "continuous", "pair_rate_hz": 1e9, "coincidence_window_s": 3e-11}


@pytest.fixture(scope="module")
def pairs(scenario):
    """One night of the shipped week with pairs to two stations at once."""
    values = {
        "satellite.0.terminals": 2, "satellite.0.terminal": "eagle1-like-optimistic", "protocol.kind": "bbm92",
        "stations.receiver": "ogs-80cm-snspd-optimistic", "protocol.source": SOURCE, "protocol.downlink": "dual",
        "start": pd.Timestamp("2027-03-02T12:00:00Z").to_pydatetime(),
        "end": pd.Timestamp("2027-03-04T12:00:00Z").to_pydatetime(),
    }  # fmt: skip
    return with_values(scenario, values)


@pytest.fixture(scope="module")
def study(pairs):
    return Study(pairs)


@pytest.fixture(scope="module")
def folder(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("dual") / "run"
    study.save(path, trials=10)
    return path


def test_a_run_is_written_and_read_again(folder, study):
    run = eq.load_run(folder)
    planned = run.contacts[run.contacts["status"] == "planned"]
    assert len(planned)
    assert (planned["ogs_b"] > planned["ogs"]).all()
    assert {"window_id_b", "p_clear_a", "p_clear_b"} <= set(run.contacts.columns)
    assert run.manifest["simulation"]["trials"] == 10
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "ONDREJOV (hypothetical) + " in html or " + ONDREJOV (hypothetical)" in html
    rows = pd.read_csv(folder / "contacts.csv", keep_default_na=False)
    assert (rows["ogs_b"] != "").all()
    assert set(rows["ogs_b_status"]) <= {"operational", "planned", "hypothetical"}


def test_both_crews_have_a_sheet_and_the_calendar_names_both_stations(folder, study):
    contacts = study.plan.contacts
    stations = set(contacts["ogs"]) | set(contacts["ogs_b"])
    assert {p.stem.removeprefix("crew-") for p in folder.glob("crew-*.csv")} == stations
    first = contacts.iloc[0]
    for ogs, other in ((first["ogs"], first["ogs_b"]), (first["ogs_b"], first["ogs"])):
        sheet = pd.read_csv(folder / f"crew-{ogs}.csv", keep_default_na=False)
        row = sheet[sheet["contact_id"] == contacts.index[0]].iloc[0]
        assert row["with_ogs"] == other
        column = "p_clear_a" if ogs == first["ogs"] else "p_clear_b"
        assert row["p_clear"] == pytest.approx(first[column], abs=5e-4)
        assert f"together with {other}" in (folder / f"crew-{ogs}.html").read_text(encoding="utf-8")
    events = Calendar.from_ical((folder / "contacts.ics").read_bytes()).walk("VEVENT")
    assert len(events) == len(contacts)
    for event in events:
        assert f"{event['X-EQCI-OGS']} + {event['X-EQCI-OGS-B']}" in str(event["summary"])


def test_a_later_plan_carries_the_calendar_on(folder, study, pairs, tmp_path):
    released = release(export_material(study.run.tables, study.run.manifest, pairs))
    write_calendar(released, tmp_path / "contacts.ics", earlier=folder)
    again, before = (
        {str(e["uid"]): int(e["sequence"]) for e in Calendar.from_ical(p.read_bytes()).walk("VEVENT")}
        for p in (tmp_path / "contacts.ics", folder / "contacts.ics")
    )
    assert again == before


def test_the_scene_has_a_line_to_each_station(folder, study):
    packets = json.loads((folder / "scene.czml").read_text(encoding="utf-8"))
    lines = {p["id"] for p in packets if p["id"].startswith("contact/")}
    planned = by_station(study.plan.contacts)
    assert lines == {f"contact/{c.satellite}/{c.ogs}/{c.status}" for c in planned.itertuples()}


def test_the_key_network_has_links_between_stations(folder, study):
    text = (folder / "qkdn.json").read_text(encoding="utf-8")
    planned = study.plan.contacts[study.plan.contacts["status"] == "planned"]
    for row in planned.itertuples():
        assert json.dumps(f"{row.ogs}|{row.ogs_b}") in text
    assert "EAGLE1-LIKE|" not in text


def test_the_gantt_chart_shows_contacts_in_the_rows_of_both_stations(study, pairs):
    ax = eq.plot.gantt_by_station(study.plan, pairs, windows=study.windows)
    bars = [c for c in ax.collections if type(c).__name__ == "PolyCollection" and c.get_zorder() == 1]
    planned = study.plan.contacts[study.plan.contacts["status"] == "planned"]
    blue = [c for c in bars if c.get_hatch() is None and tuple(c.get_facecolor()[0]) != (1.0, 1.0, 1.0, 1.0)]
    assert sum(len(c.get_paths()) for c in blue) == 2 * len(planned)
    for draw in (eq.plot.gantt_by_satellite, eq.plot.night_keys):
        draw(study.plan, pairs)
    for draw in (eq.plot.key_stores, eq.plot.network_map, eq.plot.bottleneck_map):
        draw(study.relay, pairs)
    plt.close("all")


def test_a_public_release_names_both_stations(study, pairs):
    released = release(export_material(study.run.tables, study.run.manifest, pairs), level="public")
    contacts = released.tables["contacts"]
    assert (contacts["ogs_b"] != "").all()
    assert all(f"{c.ogs}+{c.ogs_b}" in name for name, c in zip(contacts.index, contacts.itertuples(), strict=True))
    assert (contacts["reason"] == "").all()

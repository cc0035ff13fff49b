"""Plots of plans over time: every contact has its bar, numbers are those of the tables, labels stay apart."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from label_checks import assert_labels_apart
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose
from shapely import box

import eqci_space as eq
from eqci_space.errors import TableError
from eqci_space.report.plots import schedule as schedule_plots
from eqci_space.report.plots.labels import hypothetical_note
from eqci_space.report.plots.schedule import joined_windows, night_label
from eqci_space.report.plots.style import BLUE, GREY, NIGHT
from eqci_space.scenario import Weather


def boxes(ax, *, colour=None, hatched=None, gid=None):
    """Rectangles of an axes by colour of their face (any alpha), hatching and name."""
    found = []
    for c in ax.collections:
        if not isinstance(c, PolyCollection) or (gid is not None and c.get_gid() != gid):
            continue
        if colour is not None and tuple(c.get_facecolor()[0])[:3] != to_rgba(colour)[:3]:
            continue
        if hatched is None or bool(c.get_hatch()) == hatched:
            found += [box(*path.get_extents().extents) for path in c.get_paths()]
    return found


def counts(plan):
    status = plan.contacts["status"].value_counts()
    return int(status["planned"]), int(status["backup"])


def test_by_station_every_contact_and_backup_has_a_bar(study, scenario):
    ax = eq.plot.gantt_by_station(study.plan, scenario, windows=study.windows)
    planned, backups = counts(study.plan)
    assert len(boxes(ax, colour=BLUE, hatched=False)) == planned
    assert len(boxes(ax, hatched=True)) == backups > 0
    assert len(boxes(ax, colour="white")) == len(study.windows)
    rows = dict(zip(scenario.stations, ax.get_yticks(), strict=True))
    heights = [abs(b.centroid.y - rows[o]) for b, o in zip(
        boxes(ax, colour=BLUE, hatched=False), study.plan.contacts.query("status == 'planned'")["ogs"], strict=True
    )]  # fmt: skip
    assert max(heights) < 0.25
    assert eq.plot.gantt is eq.plot.gantt_by_station
    assert_labels_apart(ax)


def test_by_satellite_bars_stand_apart_and_stations_have_colours(study, scenario):
    ax = eq.plot.gantt_by_satellite(study.plan, scenario, windows=study.windows)
    planned, backups = counts(study.plan)
    legend = [t.get_text() for t in ax.get_legend().get_texts()]
    assert legend[:5] == [eq.plot.station_label(o, scenario) for o in scenario.stations]
    outlines, hatched = boxes(ax, colour="white"), boxes(ax, hatched=True)
    nights = boxes(ax, colour=NIGHT)
    assert len(boxes(ax, hatched=False)) - len(outlines) - len(nights) == planned
    # Crossings of the stations are an orbit apart.
    gaps = study.windows["start"].sort_values().diff() > pd.Timedelta("30min")
    assert len(outlines) == 1 + gaps.sum()
    assert len(hatched) == backups
    assert len(nights) == 7
    for a, b in itertools.combinations(outlines, 2):
        assert a.distance(b) > 0
    assert [t.get_text() for t in ax.get_yticklabels()] == ["EAGLE1-LIKE"]
    assert_labels_apart(ax)


def test_many_windows_are_a_strip_below_the_contacts(study, scenario, monkeypatch):
    monkeypatch.setattr(schedule_plots, "MANY_WINDOWS", 10)
    ax = eq.plot.gantt_by_station(study.plan, scenario, windows=study.windows)
    planned, backups = counts(study.plan)
    assert len(boxes(ax, colour=BLUE, hatched=False)) == planned
    assert len(boxes(ax, hatched=True)) == backups
    gap = pd.Timedelta((scenario.end - scenario.start) / 250)
    joined = joined_windows(study.windows, "ogs", gap)
    strips = boxes(ax, colour=GREY)
    assert len(strips) == len(joined) <= len(study.windows)
    bars = [*boxes(ax, colour=BLUE, hatched=False), *boxes(ax, hatched=True)]
    assert all(strip.intersection(bar).area == 0 for strip in strips for bar in bars)
    assert "windows" in [t.get_text() for t in ax.get_legend().get_texts()]
    assert_labels_apart(ax)


def test_windows_are_joined_over_small_gaps_by_station():
    start = pd.Timestamp("2027-03-01T20:00Z")
    rows = [("A", 0, 5), ("A", 6, 9), ("A", 20, 22), ("B", 5, 6)]
    windows = pd.DataFrame([
        {"ogs": o, "start": start + pd.Timedelta(minutes=a), "end": start + pd.Timedelta(minutes=b)} for o, a, b in rows
    ])  # fmt: skip
    minutes = lambda t: ((t - start).dt.total_seconds() / 60).tolist()  # noqa: E731
    for gap, expected in (("0min", rows), ("1min", [("A", 0, 9), ("A", 20, 22), ("B", 5, 6)])):
        found = joined_windows(windows, "ogs", pd.Timedelta(gap))
        assert list(zip(found["ogs"], minutes(found["start"]), minutes(found["end"]), strict=True)) == expected


def test_large_amounts_per_night_stand_in_mbit(study, scenario):
    contacts = study.plan.contacts.assign(
        skl_bit=study.plan.contacts["skl_bit"] * 100, expected_skl_bit=study.plan.contacts["expected_skl_bit"] * 100
    )
    ax = eq.plot.night_keys(replace(study.plan, contacts=contacts), scenario)
    planned = contacts.query("status == 'planned'")
    assert ax.get_ylabel() == "key of planned contacts [Mbit]"
    assert_allclose(sum(p.get_height() for p in ax.patches), planned["expected_skl_bit"].sum() / 1e6)
    assert_labels_apart(ax)


def test_the_chance_of_cloud_is_the_darkness_of_the_night(study, scenario):
    half = scenario.model_copy(update={"weather": Weather(model="constant", p_clear=0.25)})
    ax = eq.plot.gantt_by_station(study.plan, half)
    (cloud, *_) = [c for c in ax.collections if c.get_gid() == "cloud"]
    assert_allclose(cloud.get_facecolor()[:, 3], 0.75 * 0.6)
    assert len(boxes(ax, gid="cloud")) == len(boxes(ax, colour=NIGHT)) == 35
    clear = scenario.model_copy(update={"weather": Weather(model="clear_sky")})
    assert boxes(eq.plot.gantt_by_station(study.plan, clear), gid="cloud") == []


def test_a_station_off_the_cloud_map_has_nights_without_cloud(study, scenario):
    far = scenario.stations["GRAZ"].model_copy(update={"latitude_deg": 78.23, "longitude_deg": 15.4})
    ax = eq.plot.gantt_by_station(study.plan, scenario.model_copy(update={"stations": {"GRAZ": far}}))
    assert boxes(ax, gid="cloud") == []
    assert len(boxes(ax, colour=NIGHT)) == 7


def test_two_contacts_in_one_window_are_both_seen(study, scenario):
    first = study.plan.contacts.iloc[[0]]
    second = first.assign(start=first["end"], end=first["end"] + pd.Timedelta("2min")).rename(index=lambda i: f"{i}b")
    plan = replace(study.plan, contacts=pd.concat([first, second]))
    bars = boxes(eq.plot.gantt_by_station(plan, scenario, windows=study.windows), colour=BLUE, hatched=False)
    assert len(bars) == 2
    assert bars[0].intersection(bars[1]).area == 0


@pytest.mark.parametrize(
    ("time", "label"),
    [
        ("2027-01-14T20:00Z", "14/15 Jan"), ("2027-01-15T11:59Z", "14/15 Jan"), ("2027-01-15T12:00Z", "15/16 Jan"),
        ("2027-01-31T23:00Z", "31 Jan/1 Feb"), ("2028-02-29T01:00Z", "28/29 Feb"),
    ],
)  # fmt: skip
def test_a_night_runs_from_noon_to_noon(time, label):
    assert night_label(pd.Timestamp(time)) == label


def test_nights_add_up_to_the_plan(study, scenario):
    ax = eq.plot.night_keys(study.plan, scenario)
    planned = study.plan.contacts.query("status == 'planned'")
    assert_allclose(sum(p.get_height() for p in ax.patches), planned["expected_skl_bit"].sum() / 1e3)
    (clear,) = ax.lines
    assert_allclose(clear.get_ydata().sum(), planned["skl_bit"].sum() / 1e3)
    assert [t.get_text() for t in ax.get_xticklabels()] == [f"{d}/{d + 1} Mar" for d in range(1, 8)]
    assert ax.get_title().endswith("hypothetical: ONDREJOV")
    assert_labels_apart(ax)
    with pytest.raises(TableError, match="no planned contact"):
        eq.plot.night_keys(replace(study.plan, contacts=planned.iloc[:0]), scenario)


def test_of_many_stations_the_best_are_told_apart(study, scenario):
    many = {f"S{i}": scenario.stations["GRAZ"] for i in range(9)}
    contacts = pd.concat([study.plan.contacts.iloc[[0]]] * 9, ignore_index=True)
    contacts = contacts.assign(ogs=list(many), expected_skl_bit=1e3 * np.arange(1.0, 10.0))
    ax = eq.plot.night_keys(replace(study.plan, contacts=contacts), scenario.model_copy(update={"stations": many}))
    legend = [t.get_text() for t in ax.get_legend().get_texts()]
    assert legend == ["all clear", *(f"S{i}" for i in range(3, 9)), "3 other stations"]
    assert_allclose(sum(p.get_height() for p in ax.patches), 45e3 / 1e6)
    assert_labels_apart(ax)


def test_short_periods_are_labelled_with_hours(study, scenario):
    two_days = scenario.model_copy(update={"end": scenario.start + pd.Timedelta("2D").to_pytimedelta()})
    for plot in (eq.plot.gantt_by_station, eq.plot.gantt_by_satellite):
        ax = plot(study.plan, two_days, windows=study.windows)
        ax.figure.draw_without_rendering()
        assert [t.get_text() for t in ax.get_xticklabels()][:2] == ["01 Mar\n12:00", "01 Mar\n18:00"]
        assert_labels_apart(ax)


def test_comparison_has_a_bar_and_a_number_for_every_value():
    table = pd.DataFrame({"plan": [614.4, 1234.0], "fibre": [0.0, 12.5]}, index=["Berlin-Warsaw", "Warsaw-Prague"])
    ax = eq.plot.scenario_comparison(table, quantity="delivered [kbit]")
    assert [p.get_width() for p in ax.patches] == [614.4, 1234.0, 0.0, 12.5]
    assert [t.get_text() for t in ax.texts] == ["614", "1,234", "0", "12.5"]
    assert ax.get_xlabel() == "delivered [kbit]"
    assert_labels_apart(ax)
    assert eq.plot.scenario_comparison(table[["plan"]], quantity="delivered [kbit]").get_legend() is None
    with pytest.raises(TableError, match="finite numbers in 1 to 7 columns"):
        eq.plot.scenario_comparison(table.replace(0.0, np.nan), quantity="delivered [kbit]")


def test_hypothetical_stations_are_named_while_they_are_few(scenario):
    assert hypothetical_note(scenario) == "; hypothetical: ONDREJOV"
    assert hypothetical_note(scenario, shown=["GRAZ"]) == ""
    many = {f"X{i}": scenario.stations["ONDREJOV"] for i in range(5)}
    assert hypothetical_note(scenario.model_copy(update={"stations": many})) == "; 5 stations are hypothetical"

"""The plots of networks and plans: what they draw, and that nothing covers what it should not."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.dates import date2num
from matplotlib.text import Text
from shapely import LineString, Point, box

import eqci_space as eq
from eqci_space.fiber.network import build_network
from eqci_space.report.page.svg import svg_text
from eqci_space.report.plots.labels import MapLabel, place_labels
from eqci_space.report.plots.maps import CRS
from eqci_space.report.plots.style import BLUE, NIGHT, new_axes
from eqci_space.scenario import StationPosition


def day(number, hour=0):
    return datetime(2027, 3, number, hour, tzinfo=UTC)


def position(latitude_deg, longitude_deg, begin, end, node="POZ"):
    return StationPosition(
        latitude_deg=latitude_deg, longitude_deg=longitude_deg, height_ellipsoid_m=120, height_msl_m=80,
        valid_from=begin, valid_to=end, node=node,
    )  # fmt: skip


def with_positions(scenario, *positions):
    station = scenario.stations["PQSAT"].model_copy(update={"positions": positions})
    return scenario.model_copy(update={"stations": {**scenario.stations, "PQSAT": station}})


@pytest.fixture(scope="module")
def mobile(scenario):
    """The shipped scenario with its mobile station at Poznan, then at Wroclaw, and elsewhere after the period."""
    return with_positions(
        scenario,
        position(52.41, 16.92, day(1), day(4)),
        position(51.11, 17.03, day(5), day(8), "WAW"),
        position(54.35, 18.65, day(20), day(25)),
    )


def shapes_of_labels(ax):
    """Extents of all labels [pixel] without the lines to their markers, by their text."""
    ax.figure.draw_without_rendering()
    return [(t.get_text(), box(*Text.get_window_extent(t).extents)) for t in ax.texts if t.get_text()]


def assert_apart(labels):
    for (first, a), (second, b) in itertools.combinations(labels, 2):
        assert a.intersection(b).area == 0, (first, second)


def markers(ax, kind):
    return [tuple(np.ravel(line.get_data())) for line in ax.get_lines() if line.get_marker() == kind]


# ---------------------------------------------------------------- labels


def cluster(n, spread):
    angle = 2 * np.pi * np.arange(n) / n
    return [
        MapLabel(f"station {i}\n{i} kbit", spread * np.cos(a), spread * np.sin(a), 9.0, {"fontsize": 8})
        for i, a in enumerate(angle)
    ]


def axes():
    ax = new_axes(8, 6)
    ax.set_xlim(-100, 100)
    ax.set_ylim(-100, 100)
    return ax


@pytest.mark.parametrize("spread", [0.01, 2.0, 6.0])
def test_labels_of_close_markers_stay_apart_and_in_the_frame(spread):
    ax = axes()
    place_labels(ax, cluster(8, spread))
    found = shapes_of_labels(ax)
    assert len(found) == 8
    assert_apart(found)
    frame = box(*ax.get_window_extent().extents)
    assert all(frame.contains(shape) for _, shape in found)
    pixels = ax.transData.transform([(label.x, label.y) for label in cluster(8, spread)])
    radius = 9.0 / 2 * ax.figure.dpi / 72
    for text, shape in found:
        assert all(shape.distance(Point(p)) > 0.9 * radius for p in pixels), text


def test_a_label_avoids_the_line_through_its_marker_and_one_at_the_edge_turns_inside():
    ax = axes()
    line = LineString([(0, 0), (90, 0)])
    place_labels(ax, [MapLabel("east", 0, 0, 6.0), MapLabel("edge", 99, 50, 6.0)], [(line, 1.0)])
    found = dict(shapes_of_labels(ax))
    pixels = LineString(ax.transData.transform(line.coords))
    assert not found["east"].intersects(pixels)
    assert found["edge"].bounds[2] < ax.transData.transform((99, 50))[0]


def test_a_distant_label_is_joined_to_its_marker_and_a_near_one_is_not():
    crowded, alone = axes(), axes()
    place_labels(crowded, cluster(8, 0.01))
    place_labels(alone, cluster(1, 0.01))
    assert any(t.arrow_patch is not None for t in crowded.texts)
    assert all(t.arrow_patch is None for t in alone.texts)


def test_labels_have_a_light_ground():
    ax = axes()
    place_labels(ax, cluster(1, 0.0))
    assert ax.texts[0].get_bbox_patch().get_facecolor() == to_rgba("white", 0.7)


def test_an_optional_label_is_left_out_where_no_place_is_free():
    around = [MapLabel(str(i), 3 * np.cos(a), 3 * np.sin(a), 90.0) for i, a in enumerate(np.linspace(0, 6, 9))]
    ax = axes()
    place_labels(ax, [*around, MapLabel("spare", 0, 0, 5.0, optional=True), MapLabel("needed", 1, 1, 5.0)])
    assert "needed" in {t.get_text() for t in ax.texts}
    assert "spare" not in {t.get_text() for t in ax.texts}
    free = axes()
    place_labels(free, [MapLabel("spare", 0, 0, 5.0, optional=True)])
    assert [t.get_text() for t in free.texts] == ["spare"]


# ---------------------------------------------------------------- the map of the network


def test_labels_of_the_map_stay_apart_and_off_the_markers(study, scenario, mobile):
    beside_ondrejov = with_positions(scenario, position(49.98, 14.72, day(1), day(8), "PRG"))
    for shown in (scenario, mobile, beside_ondrejov):
        ax = eq.plot.network_map(replace(study.relay, network=build_network(shown)), shown)
        found = shapes_of_labels(ax)
        assert len(found) >= 13
        assert_apart(found)
        centres = [ax.transData.transform(p) for p in markers(ax, "^") + markers(ax, "o")]
        assert len(centres) >= 13
        for text, shape in found:
            assert all(shape.distance(Point(p)) > 2 for p in centres), text


def test_the_map_is_the_same_each_time(study, mobile):
    first, second = (svg_text(eq.plot.network_map(study.relay, mobile)) for _ in range(2))
    assert first == second


def test_a_mobile_station_is_drawn_at_each_place_of_the_period_with_its_dates(study, mobile):
    ax = eq.plot.network_map(study.relay, mobile)
    places = gpd.GeoSeries([Point(16.92, 52.41), Point(17.03, 51.11)], crs="EPSG:4326").to_crs(CRS)
    drawn = markers(ax, "^")
    assert len(drawn) == 4 + 2
    for place in places:
        assert min(np.hypot(x - place.x, y - place.y) for x, y in drawn) < 1.0
    lines = [t.get_text().split("\n") for t in ax.texts if t.get_text().startswith("PQSAT")]
    assert [part[:2] for part in sorted(lines)] == [
        ["PQSAT (planned)", "1 Mar – 4 Mar"], ["PQSAT (planned)", "5 Mar – 8 Mar"],
    ]  # fmt: skip
    assert sum(part[-1].endswith("bit") for part in lines) == 1  # its stores travel with it: one amount


def test_last_miles_of_a_mobile_station_begin_where_it_stands(study, mobile):
    relay = replace(study.relay, network=build_network(mobile))
    ax = eq.plot.network_map(relay, mobile)
    nodes = relay.network.nodes.to_crs(CRS)
    (second,) = gpd.GeoSeries([Point(17.03, 51.11)], crs="EPSG:4326").to_crs(CRS)
    wanted = LineString([second, nodes.geometry["WAW"]])
    drawn = [LineString(path.vertices) for c in ax.collections for path in c.get_paths() if len(path.vertices) == 2]
    assert any(line.equals_exact(wanted, 1.0) for line in drawn)


def test_places_beyond_the_nodes_lie_inside_the_frame(study, scenario):
    far = with_positions(scenario, position(56.0, 24.0, day(1), day(8)))
    ax = eq.plot.network_map(study.relay, far)
    (place,) = gpd.GeoSeries([Point(24.0, 56.0)], crs="EPSG:4326").to_crs(CRS)
    assert ax.get_xlim()[0] < place.x < ax.get_xlim()[1]
    assert ax.get_ylim()[0] < place.y < ax.get_ylim()[1]


@pytest.fixture(scope="module")
def crowded(study, scenario):
    """Thirty stations in a lattice, every third hypothetical and every second with key from space."""
    base = scenario.stations["GRAZ"]
    stations = {
        f"S{i:02}": base.model_copy(
            update={"latitude_deg": 46.0 + i // 6 * 1.6, "longitude_deg": 8.0 + i % 6 * 2.4,
                    "status_class": "hypothetical" if i % 3 == 0 else "operational"}
        )
        for i in range(30)
    }  # fmt: skip
    many = scenario.model_copy(update={"stations": stations})
    stores = study.relay.stores
    space = stores[stores["edge"] == "EAGLE1-LIKE|PQSAT"]
    more = [space.assign(edge=f"EAGLE1-LIKE|{ogs}") for ogs in list(stations)[::2]]
    ground = stores[~stores["edge"].str.contains("|", regex=False)]
    routes = study.relay.routes.iloc[:0]
    return replace(
        study.relay, network=build_network(many), stores=pd.concat([ground, *more], ignore_index=True), routes=routes
    ), many  # fmt: skip


def test_on_a_map_of_many_stations_those_with_key_are_named_and_nothing_overlaps(crowded):
    relay, many = crowded
    ax = eq.plot.network_map(relay, many)
    found = shapes_of_labels(ax)
    assert_apart(found)
    names = {text.split("\n")[0] for text, _ in found}
    assert {o for i, o in enumerate(many.stations) if i % 2 == 0} <= names
    assert ax.get_title().endswith("10 stations are hypothetical")
    assert ax.figure.get_size_inches()[1] == 13


def test_on_a_bottleneck_map_of_many_stations_the_dearest_are_named(crowded):
    relay, many = crowded
    edges = [f"EAGLE1-LIKE|{ogs}" for ogs in many.stations]
    prices = pd.DataFrame({"bin": relay.delivery["bin"].iloc[0], "edge": edges, "worth_per_mbit": np.arange(30.0)})
    ax = eq.plot.bottleneck_map(replace(relay, prices=prices), many)
    found = shapes_of_labels(ax)
    assert_apart(found)
    worth = {text.split()[0] for text, _ in found if "per Mbit" in text}
    assert worth == {f"S{i:02}" for i in range(22, 30)}


def test_of_many_stores_the_fullest_are_told_apart(crowded):
    relay, many = crowded
    scale = relay.stores["edge"].map({f"EAGLE1-LIKE|S{i:02}": i + 1.0 for i in range(30)}).fillna(1.0)
    stores = relay.stores.assign(**{c: 50 * scale * relay.stores[c] for c in ("stock_bit", "initial_bit")})
    ax = eq.plot.key_stores(replace(relay, stores=stores), many)
    legend = [t.get_text().split()[0] for t in ax.get_legend().get_texts()]
    assert legend == [*(f"S{i:02}" for i in range(16, 30, 2)), "8"]
    assert ax.get_ylabel() == "key in store [Mbit]"
    highest = max(line.get_ydata().max() for line in ax.lines if len(line.get_ydata()))
    assert highest == pytest.approx(stores.loc[stores["edge"].str.contains("|", regex=False), "stock_bit"].max() / 1e6)


# ---------------------------------------------------------------- contacts over time


def bars(ax, colour):
    """Rectangles of a colour, in the order drawn."""
    found = []
    for collection in ax.collections:
        if isinstance(collection, PolyCollection) and tuple(collection.get_facecolor()[0]) == to_rgba(colour):
            found += [box(*path.get_extents().extents) for path in collection.get_paths()]
    return found


def crowd(study, satellites=19, per_night=40):
    """Windows of many satellites over every station in one night, every third a contact."""
    rows = [
        (
            f"S{i % satellites}/{ogs}/{i}",
            f"S{i % satellites}",
            ogs,
            pd.Timestamp(day(2, 20)) + pd.Timedelta(minutes=11 * i),
        )
        for ogs in study.scenario.stations
        for i in range(per_night)
    ]
    windows = pd.DataFrame(rows, columns=["window_id", "satellite", "ogs", "start"]).set_index("window_id")
    windows["end"] = windows["start"] + pd.Timedelta(minutes=5)
    contacts = windows.iloc[::3].reset_index(names="candidate_id")
    contacts["start"] += pd.Timedelta(minutes=2)  # a contact may use a part of its window
    return replace(study.plan, contacts=contacts), windows


def test_bars_of_many_satellites_stay_apart(study, scenario):
    plan, windows = crowd(study)
    ax = eq.plot.gantt(plan, scenario, windows=windows)
    outlined, taken = bars(ax, "white"), bars(ax, BLUE)
    assert (len(outlined), len(taken)) == (len(windows), len(plan.contacts))
    for drawn in (outlined, taken):
        for a, b in itertools.combinations(drawn, 2):
            assert a.distance(b) > 0
    for contact, window in zip(taken, outlined[::3], strict=True):
        touched = [other for other in outlined if other.intersection(contact).area > 0]
        assert touched == [window]
        assert contact.bounds[1::2] == window.bounds[1::2]


def test_a_contact_without_its_window_has_a_lane_of_its_own(study, scenario):
    plan, windows = crowd(study)
    ax = eq.plot.gantt(plan, scenario, windows=windows.drop(index=plan.contacts["candidate_id"]))
    for a, b in itertools.combinations(bars(ax, "white") + bars(ax, BLUE), 2):
        assert a.distance(b) > 0
    assert len(bars(eq.plot.gantt(plan, scenario), BLUE)) == len(plan.contacts)


def test_the_height_follows_the_rows(study, scenario):
    plan, windows = crowd(study)
    low = eq.plot.gantt(study.plan, scenario, windows=study.windows).figure.get_size_inches()
    high = eq.plot.gantt(plan, scenario, windows=windows).figure.get_size_inches()
    assert low[0] == high[0]
    assert high[1] > low[1] + 1
    few = scenario.model_copy(update={"stations": {"GRAZ": scenario.stations["GRAZ"]}})
    assert eq.plot.gantt(plan, few, windows=windows).figure.get_size_inches()[1] < low[1]
    assert min(b.bounds[3] - b.bounds[1] for b in bars(eq.plot.gantt(plan, scenario, windows=windows), BLUE)) > 0.1


def test_nights_of_a_mobile_station_are_those_of_its_places_and_dates(study, mobile):
    ax = eq.plot.gantt(study.plan, mobile, windows=study.windows)
    row = list(mobile.stations).index("PQSAT")
    low, high = ax.get_yticks()[row] - 0.1, ax.get_yticks()[row] + 0.1
    nights = [b for b in bars(ax, NIGHT) if b.bounds[1] < low and b.bounds[3] > high]
    assert len(nights) == 3 + 4  # until 4 March 00:00 and from 5 March 00:00, the nights between whole or cut
    gap = box(date2num(day(4)), 0, date2num(day(5)), 100)
    assert all(night.intersection(gap).area == 0 for night in nights)


def test_a_plan_without_contact_or_station_is_drawn(study, scenario):
    plan = replace(study.plan, contacts=study.plan.contacts.iloc[:0])
    assert bars(eq.plot.gantt(plan, scenario, windows=study.windows.iloc[:0]), BLUE) == []
    assert eq.plot.gantt(plan, scenario.model_copy(update={"stations": {}})).get_title(loc="left")


def test_waterfall_of_a_quantile_budget_ends_at_its_total(study, scenario):
    """The fade is a bar of its own; without it the total would fall short of the budget's."""
    samples = study.samples[study.samples["window_id"] == study.windows.index[0]]
    budget = eq.link_budget(samples, scenario, statistic="quantile")
    axes = eq.plot.waterfall(budget, study.windows.index[0])
    top = budget.loc[budget["elevation_deg"].idxmax()]
    assert [t.get_text() for t in axes.get_yticklabels()][-2:] == ["fade", "total"]
    assert axes.patches[-1].get_width() == pytest.approx(top["total_loss_db"], rel=1e-9)


@pytest.mark.parametrize(("stray", "detectors"), [(0.0, 2), (0.0, 4), (0.04, 4)])
def test_the_profile_of_a_window_is_what_its_key_is_made_from(study, scenario, stray, detectors):
    """Sifted clicks of the slots used add up to those of the key, errors likewise: dark counts per basis, neighbours.

    Light of neighbours beside 4 % of it is half wrong: where little else clicks the error rate is (e + 0.02)/1.04.
    """
    stations = {
        name: station.model_copy(
            update={"receiver": station.receiver.model_copy(
                update={"detectors": detectors, "dark_count_rate_hz": 300.0, "dead_time_s": 30e-9}
            )}
        )
        for name, station in scenario.stations.items()
    }  # fmt: skip
    chosen = scenario.model_copy(update={"stations": stations})
    best = study.keys["skl_bit"].idxmax()
    budget = study.budget[study.budget["window_id"] == best].assign(neighbour_ratio=stray)
    keys = eq.window_keys(budget, chosen)
    row = keys.loc[best]
    ax = eq.plot.key_profile(budget, keys, chosen, best)
    (rate,), (error,) = ax.lines, next(a for a in ax.figure.axes if a is not ax).lines
    used = budget["time"].between(row["usable_start"], row["usable_end"]).to_numpy()
    sifted = 1e3 * rate.get_ydata()[used] * budget["weight_s"].to_numpy()[used]
    assert sifted.sum() == pytest.approx(row["sifted_bit"], rel=1e-6)
    assert sifted @ error.get_ydata()[used] / 100 / sifted.sum() == pytest.approx(row["qber"], rel=1e-6)
    if stray:
        expected = (budget["intrinsic_error"].min() + stray / 2) / (1 + stray)
        assert error.get_ydata().min() / 100 == pytest.approx(expected, abs=2.5e-3)

"""The last mile of stations: inside a site, by courier, and from place to place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from eqci_space.errors import ScenarioError
from eqci_space.fiber.edges import edge_supply_bit, key_edges
from eqci_space.fiber.network import build_network, station_node
from eqci_space.fiber.problem import bin_edges
from eqci_space.scenario import Courier, Station, load_scenario
from eqci_space.study import Study

COLOCATED = 'attach = { value = "colocated", source = "assumed: parked at the Warsaw node" }\n'
MOVES = [datetime(2027, 3, d, 12, tzinfo=UTC) for d in (1, 4, 5, 8)]
PLACES = """
[[station.PQSAT.position]]
latitude_deg = 52.4069
longitude_deg = 16.9299
height_ellipsoid_m = 120
height_msl_m = 80
valid_from = 2027-03-05T12:00:00Z
valid_to = 2027-03-08T12:00:00Z
node = "POZ"

[[station.PQSAT.position]]
latitude_deg = 52.2297
longitude_deg = 21.0122
height_ellipsoid_m = 155
height_msl_m = 110
valid_from = 2027-03-01T12:00:00Z
valid_to = 2027-03-04T12:00:00Z
node = "WAW"
"""


def bins(scenario):
    return list(pairwise(bin_edges(scenario)))


def supply(scenario, edge):
    """Supply of an edge per bin [bit]."""
    edges = key_edges(build_network(scenario), scenario)
    return edge_supply_bit(edges, bins(scenario), scenario)[edges.index.get_loc(edge)]


def with_pq(scenario, **changes):
    station = scenario.stations["PQSAT"].model_copy(update=changes)
    return scenario.model_copy(update={"stations": {**scenario.stations, "PQSAT": station}})


# ---------------------------------------------------------------- fibre and site


def test_fixed_edges_are_open_for_the_whole_period(scenario):
    edges = key_edges(build_network(scenario), scenario)
    assert (edges["valid_from"] == scenario.start).all()
    assert (edges["valid_to"] == scenario.end).all()
    table = edge_supply_bit(edges, bins(scenario), scenario)
    # Rate by a day of 86,400 s in each of seven bins; satellites bring nothing by themselves.
    expected = np.outer(edges["rate_bit_s"], np.full(7, 86_400.0))
    assert table == pytest.approx(expected)
    assert (table[(edges["kind"] == "space").to_numpy()] == 0).all()


def test_short_first_and_last_bins_bring_their_share(scenario):
    short = scenario.model_copy(
        update={"start": datetime(2027, 3, 1, 18, tzinfo=UTC), "end": datetime(2027, 3, 3, 15, tzinfo=UTC)}
    )
    # Bins: 1 March 18:00 to 2 March 12:00, a day, and three hours; a site hands over 1 Mbit/s.
    assert supply(short, "LM-PQSAT") == pytest.approx(1e6 * 3600 * np.array([18.0, 24.0, 3.0]))


# ---------------------------------------------------------------- courier


@pytest.mark.parametrize(
    ("interval_day", "visits"),
    [(7.0, [1, 0, 0, 0, 0, 0, 0]), (2.0, [1, 0, 1, 0, 1, 0, 1]), (0.5, [2] * 7), (2.5, [1, 0, 1, 0, 0, 1, 0])],
)
def test_a_courier_brings_a_pad_at_the_start_and_after_each_interval(scenario, interval_day, visits):
    courier = Courier(interval_day=interval_day, pad_bit=3e8)
    carried = with_pq(scenario, attach="courier", courier=courier)
    assert supply(carried, "LM-PQSAT") == pytest.approx(3e8 * np.array(visits))


def test_a_courier_comes_from_the_first_day_of_a_dated_station(scenario):
    opened = datetime(2027, 3, 3, 6, tzinfo=UTC)  # in the second bin
    closed = datetime(2027, 3, 6, 6, tzinfo=UTC)  # the visit of that moment would be too late
    dated = with_pq(
        scenario, attach="courier", courier=Courier(interval_day=1.5, pad_bit=1e9), valid_from=opened, valid_to=closed
    )
    # Visits on 3 March 06:00 and 4 March 18:00.
    assert supply(dated, "LM-PQSAT") == pytest.approx(1e9 * np.array([0, 1, 0, 1, 0, 0, 0]))


def test_a_courier_keeps_its_days_when_a_plan_begins_later(scenario):
    """Visits every 2.5 days from the 1st: of a plan from the 4th on that of the 6th at noon."""
    carried = with_pq(scenario, attach="courier", courier=Courier(interval_day=2.5, pad_bit=3e8))
    network = build_network(carried)
    later = carried.model_copy(update={"start": carried.start + timedelta(days=3)})
    edges, bins = key_edges(network, later), list(pairwise(bin_edges(later)))
    row = edge_supply_bit(edges, bins, later)[edges.index.get_loc("LM-PQSAT")]
    assert row == pytest.approx(3e8 * np.array([0, 0, 1, 0]))


def test_the_row_of_a_courier_has_its_mean_rate(scenario):
    carried = with_pq(scenario, attach="courier", courier=Courier(interval_day=5, pad_bit=2e9))
    row = build_network(carried).links.loc["LM-PQSAT"]
    assert [row["a"], row["b"], row["medium"]] == ["OGS-PQSAT", "WAW", "courier"]
    assert row["skr_bit_s"] == pytest.approx(2e9 / (5 * 86_400))
    assert row["loss_db"] == 0.0


def test_a_courier_of_the_file_is_read(edited):
    text = 'attach = "courier"\ncourier = { interval_day = 3.5, pad_bit = { value = 5e8, source = "assumed" } }\n'
    scenario = load_scenario(edited((COLOCATED, text)))
    assert scenario.stations["PQSAT"].courier == Courier(interval_day=3.5, pad_bit=5e8)
    assert ("station.PQSAT.courier.pad_bit", "500000000.0", "assumed") in scenario.sources


@pytest.mark.parametrize("courier", ["interval_day = 0", "pad_bit = 0", "interval_day = 400", "days = 3"])
def test_couriers_out_of_range_are_refused(edited, courier):
    with pytest.raises(ScenarioError) as caught:
        load_scenario(edited((COLOCATED, f'attach = "courier"\ncourier = {{ {courier} }}\n')))
    key = courier.split()[0]
    assert [path for path, _ in caught.value.problems] == [f"station.PQSAT.courier.{key}"]


@pytest.fixture(scope="module")
def carried_study(scenario, study):
    """Nothing but a small pad a day joins the Polish station to Warsaw; its sky is that of the other."""
    carried = with_pq(scenario, attach="courier", courier=Courier(interval_day=1, pad_bit=60_000))
    return Study(carried, {name: getattr(study, name) for name in ("passes", "windows", "samples", "budget", "keys")})


def test_a_study_with_a_courier_delivers_and_never_more_than_its_pads(carried_study, study):
    relay = carried_study.relay
    stores = relay.stores[relay.stores["edge"] == "LM-PQSAT"]
    assert stores["deposited_bit"].tolist() == [60_000.0] * 7
    assert 0 < stores["used_bit"].sum() <= 7 * 60_000 + 1e-3  # what a linear programme leaves of a bit
    assert (stores["used_bit"].cumsum() <= 60_000 * np.arange(1, 8) + 1e-6).all()
    government = relay.delivery[relay.delivery["demand"] == "government Berlin-Warsaw"]["delivered_bit"].sum()
    plenty = study.relay.delivery
    unlimited = plenty[plenty["demand"] == "government Berlin-Warsaw"]["delivered_bit"].sum()
    assert 0 < government < unlimited


# ---------------------------------------------------------------- mobile stations


@pytest.fixture
def moving(edited):
    return load_scenario(edited((COLOCATED, COLOCATED), extra=PLACES))


def test_a_mobile_station_has_one_edge_per_position_in_order_of_time(moving):
    links = build_network(moving).links
    mine = links[links.index.str.startswith("LM-PQSAT")]
    assert mine.index.tolist() == ["LM-PQSAT/1", "LM-PQSAT/2"]
    assert mine["a"].tolist() == ["OGS-PQSAT", "OGS-PQSAT"]
    assert mine["b"].tolist() == ["WAW", "POZ"]
    assert mine["valid_from"].tolist() == [MOVES[0], MOVES[2]]
    assert mine["valid_to"].tolist() == [MOVES[1], MOVES[3]]
    assert mine["medium"].tolist() == ["colocated", "colocated"]
    assert station_node(moving, "PQSAT") == "OGS-PQSAT"


def test_each_edge_is_open_in_its_dates_only(moving):
    day_bit = 86_400 * 1e6
    assert supply(moving, "LM-PQSAT/1").tolist() == [day_bit] * 3 + [0.0] * 4
    assert supply(moving, "LM-PQSAT/2").tolist() == [0.0] * 4 + [day_bit] * 3


def test_an_edge_that_opens_within_a_bin_brings_its_share(scenario, moving):
    positions = list(moving.stations["PQSAT"].positions)
    first = min(range(2), key=lambda i: positions[i].valid_from)
    positions[first] = positions[first].model_copy(
        update={"valid_from": MOVES[0] + timedelta(hours=30), "valid_to": MOVES[0] + timedelta(hours=60)}
    )
    shifted = with_pq(moving, positions=tuple(positions))
    # Bins of 24 h: open from hour 30 to hour 60, so 18 h of the second and 12 h of the third.
    expected = 3600 * 1e6 * np.array([0, 18, 12, 0, 0, 0, 0])
    assert supply(shifted, "LM-PQSAT/1") == pytest.approx(expected)


def test_a_mobile_station_may_be_served_by_courier_at_one_place(edited):
    text = PLACES.replace('node = "POZ"', 'node = "POZ"\nattach = "courier"')
    extra = text + "\n[station.PQSAT.courier]\ninterval_day = 2\npad_bit = 1e8\n"
    moving = load_scenario(edited((COLOCATED, COLOCATED), extra=extra))
    assert supply(moving, "LM-PQSAT/1").tolist() == [86_400 * 1e6] * 3 + [0.0] * 4
    # At Poznan from 5 March 12:00: visits then and on 7 March.
    assert supply(moving, "LM-PQSAT/2") == pytest.approx(1e8 * np.array([0, 0, 0, 0, 1, 0, 1]))


def test_overlapping_dates_are_refused(edited):
    overlap = PLACES.replace("2027-03-05T12:00:00Z", "2027-03-04T11:00:00Z")
    with pytest.raises(ScenarioError, match=r"station\.PQSAT: two positions hold at 2027-03-04T11:00:00"):
        load_scenario(edited((COLOCATED, COLOCATED), extra=overlap))


def test_dates_that_touch_are_accepted(edited):
    touching = PLACES.replace("2027-03-05T12:00:00Z", "2027-03-04T12:00:00Z")
    assert len(load_scenario(edited((COLOCATED, COLOCATED), extra=touching)).stations["PQSAT"].positions) == 2


def test_a_reversed_position_and_dates_beside_positions_are_refused(edited):
    reversed_dates = PLACES.replace("2027-03-05T12:00:00Z", "2027-03-09T12:00:00Z")
    with pytest.raises(ScenarioError, match=r"station\.PQSAT\.position\.0: valid_to 2027-03-08T12:00:00\+00:00 is not"):
        load_scenario(edited((COLOCATED, COLOCATED), extra=reversed_dates))
    with pytest.raises(ScenarioError, match="takes its dates from them; drop valid_from and valid_to"):
        load_scenario(edited((COLOCATED, COLOCATED + "valid_from = 2027-03-02T00:00:00Z\n"), extra=PLACES))


def test_an_unknown_node_of_a_position_is_refused(edited):
    with pytest.raises(ScenarioError, match="unknown node 'POX'; did you mean 'POZ'"):
        load_scenario(edited((COLOCATED, COLOCATED), extra=PLACES.replace('"POZ"', '"POX"')))


def test_an_unknown_node_of_a_position_is_named_by_its_place_in_the_file(edited):
    with pytest.raises(ScenarioError) as caught:
        load_scenario(edited((COLOCATED, COLOCATED), extra=PLACES.replace('"POZ"', '"POX"')))
    assert [path for path, _ in caught.value.problems] == ["station.PQSAT.position.0.node"]


def test_a_whole_study_with_a_mobile_station_runs(moving, tmp_path):
    """The three days about the move: the last of one place, none, the first of the other."""
    start, end = MOVES[1] - timedelta(days=1), MOVES[2] + timedelta(days=1)
    study = Study(moving.model_copy(update={"start": start, "end": end}))
    run = study.save(tmp_path / "run", trials=0)
    windows = study.windows[study.windows["ogs"] == "PQSAT"]
    assert ((windows["end"] <= MOVES[1]) | (windows["start"] >= MOVES[2])).all()
    assert (windows["start"] >= MOVES[2]).any()
    assert (windows["end"] <= MOVES[1]).any()
    assert run.manifest["counts"]["windows"] == len(study.windows)
    stores = study.relay.stores.set_index(["edge", "bin"])["deposited_bit"]
    assert (stores["LM-PQSAT/1"].to_numpy() > 0).tolist() == [True, False, False]
    assert (stores["LM-PQSAT/2"].to_numpy() > 0).tolist() == [False, False, True]
    warsaw = study.relay.delivery.query("demand == 'government Berlin-Warsaw'")["delivered_bit"].sum()
    assert warsaw > 0
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    assert (tmp_path / "run" / "network.gpkg").exists()


def test_a_mobile_station_is_a_station_without_own_dates(moving):
    station = moving.stations["PQSAT"]
    assert isinstance(station, Station)
    assert (station.valid_from, station.valid_to) == (None, None)


# ---------------------------------------------------------------- stations that have fibre in the network


@pytest.mark.parametrize("attach", ["none", "courier", "colocated"])
@pytest.mark.parametrize("ogs", ["GRAZ", "DLR-TRAUEN", "ONDREJOV"])
def test_a_station_attached_otherwise_loses_the_fibre_of_the_network(edited, ogs, attach):
    node = {"GRAZ": "GRZ", "DLR-TRAUEN": "HAJ", "ONDREJOV": "PRG"}[ogs]
    extra = f'\n[station.{ogs}]\nattach = "{attach}"\nnode = "{node}"\n'
    scenario = load_scenario(edited(extra=extra))
    links = build_network(scenario).links
    own = links[(links["a"] == f"OGS-{ogs}") | (links["b"] == f"OGS-{ogs}")]
    assert own["medium"].tolist() == ([] if attach == "none" else [attach])


def test_a_last_mile_leads_to_a_node_that_is_no_station(edited):
    path = edited(extra='\n[station.DLR-OP]\nattach = "courier"\n')
    with pytest.raises(ScenarioError, match=r"station.DLR-OP.node: 'OBP' is .*station"):
        load_scenario(path)

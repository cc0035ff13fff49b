"""The shipped scenario `euroqci`: what it holds, that its sea stays without nodes, and that its passes give key."""

import csv
import tomllib

import pytest

from eqci_space.data import data_path
from eqci_space.fiber.network import build_network, station_node
from eqci_space.ogs.sites import station_table
from eqci_space.ogs.windows import observable_windows
from eqci_space.orbits.passes import find_passes
from eqci_space.scenario import load_scenario
from eqci_space.study import Study

# The seats of government of the 27 member states.
CAPITALS = {
    "AMS": "NL", "ATH": "GR", "BER": "DE", "BRU": "BE", "BTS": "SK", "BUD": "HU", "BUH": "RO", "CPH": "DK", "DUB": "IE",
    "HEL": "FI", "LIS": "PT", "LJU": "SI", "LUX": "LU", "MAD": "ES", "MLA": "MT", "NIC": "CY", "PAR": "FR", "PRG": "CZ",
    "RIX": "LV", "ROM": "IT", "SOF": "BG", "STO": "SE", "TLL": "EE", "VIE": "AT", "VNO": "LT", "WAW": "PL", "ZAG": "HR",
}  # fmt: skip
OUTSIDE = {"CHILBOLTON", "HOGS", "SVALBARD"}


@pytest.fixture(scope="module")
def euroqci():
    return load_scenario("euroqci")


@pytest.fixture(scope="module")
def network(euroqci):
    return build_network(euroqci)


def rows(network: str, file: str) -> list[dict[str, str]]:
    with data_path("fiber", network, f"{file}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_ten_satellites_in_five_planes_over_every_station(euroqci):
    assert len(euroqci.satellites) == 10
    assert {(s.orbit.altitude_km, s.orbit.inclination_deg) for s in euroqci.satellites} == {(600, 60)}
    assert sorted({s.orbit.raan_deg for s in euroqci.satellites}) == [0, 72, 144, 216, 288]
    assert (euroqci.end - euroqci.start).days == 7
    assert len(euroqci.stations) == 49
    assert {o for o, s in euroqci.stations.items() if s.attach == "none"} == OUTSIDE
    assert euroqci.stations["PQSAT"].attach == "colocated"


def test_the_status_of_every_station_is_shown(euroqci):
    counts = station_table(euroqci)["status_class"].value_counts()
    assert dict(counts) == {"hypothetical": 27, "operational": 11, "planned": 11}
    assert (station_table(euroqci)["status"] != "").all()


def test_what_is_a_planning_choice_says_so(euroqci):
    sources = {path: source for path, _, source in euroqci.sources}
    for key in ("kind", "altitude_km", "inclination_deg", "satellites", "planes", "phasing", "raan_deg"):
        assert "assumed" in sources[f"constellation.0.pattern.{key}"]
    quantities = [path for path in sources if path.startswith("demand.")]
    assert len(quantities) == 26 + 2 * 53
    assert all("assumed" in sources[path] for path in quantities)


def test_each_capital_asks_brussels_and_its_three_nearest(euroqci):
    with_brussels = {d.between[0] for d in euroqci.demands if d.assurance == ("space_path",)}
    assert with_brussels == CAPITALS.keys() - {"BRU"}
    others = [set(d.between) for d in euroqci.demands if d.assurance == ("any",)]
    assert len(others) == len({frozenset(pair) for pair in others}) == 53
    assert {"HEL", "TLL"} in others
    for capital in CAPITALS:
        assert sum(capital in pair for pair in others) >= 3, capital


def test_nodes_are_unique_and_hold_every_capital():
    nodes = rows("euroqci", "nodes")
    country = {row["node"]: row["country"] for row in nodes}
    assert len(country) == len(nodes) == 243
    assert {node: country[node] for node in CAPITALS} == CAPITALS
    assert all(row["domain"] and row["source"] and row["confidence"] for row in nodes)


def test_links_are_those_of_the_smaller_network_and_more():
    links = {row["link"]: row for row in rows("euroqci", "links")}
    assert len(links) == len(rows("euroqci", "links")) == 281
    for row in rows("de-pl-cz", "links"):
        assert links[row["link"]] == row
    assert all(row["source"] and row["confidence"] and row["loss_source"] for row in links.values())


def test_long_links_become_chains_of_assumed_nodes_by_land_and_never_under_the_sea(euroqci, network):
    """Madrid-Lisbon, 805.2 km at 80 km a span: 11 spans; Lisbon-Tenerife stays one span of 284.2 dB without key."""
    chain = network.links[network.links["route"] == "EU-MAD-LIS"]
    assert len(chain) == 11
    assert chain["loss_db"].iloc[0] == pytest.approx(201.3 / 11)
    assert chain["assumed"].all()
    assert (chain["skr_bit_s"] > 0).all()
    sea = network.links[network.links["medium"] == "submarine"]
    assert len(sea) == 11
    assert not sea["assumed"].any()
    assert set(sea.index[sea["skr_bit_s"] > 0]) == {"SUB-TLL-HEL"}
    assert sea.loc["SUB-TFE-LIS", "reason"] == "284.2 dB exceed the reach of 24 dB"
    with data_path("scenarios", "euroqci.toml").open("rb") as stream:
        assert set(tomllib.load(stream)["link"]) == set(sea.index)


def test_only_the_islands_depend_on_satellites(euroqci, network):
    """What fibre with key reaches from Brussels: all capitals but Dublin, Nicosia and Valletta."""
    alive = network.links[network.links["skr_bit_s"] > 0]
    reached, frontier = set(), {"BRU"}
    while frontier:
        reached |= frontier
        ends = alive[alive["a"].isin(frontier) | alive["b"].isin(frontier)]
        frontier = (set(ends["a"]) | set(ends["b"])) - reached
    assert CAPITALS.keys() - reached == {"DUB", "MLA", "NIC"}
    stations = {o for o, s in euroqci.stations.items() if s.attach != "none"}
    assert {o for o in stations if station_node(euroqci, o) not in reached} == {
        "CYPRUS", "ESA-OGS", "LAPALMA", "MALTA", "SKINAKAS", "WATERFORD",
    }  # fmt: skip


def test_a_week_of_passes_reaches_every_station_but_svalbard_and_gives_key(euroqci):
    """At 78 N no pass of an orbit inclined by 60 deg at 600 km rises above 20 deg."""
    two = euroqci.model_copy(update={"satellites": euroqci.satellites[2:3] + euroqci.satellites[4:5]})
    windows = observable_windows(find_passes(two), two)
    assert set(windows["ogs"]) == euroqci.stations.keys() - {"SVALBARD"}
    few = {o: euroqci.stations[o] for o in ("MALTA", "REDU", "WATERFORD")}
    study = Study(two.model_copy(update={"stations": few}))
    offers = study.candidates
    assert set(offers["ogs"]) == set(few)
    assert (offers["skl_bit"] > 0).all()
    # Ten times what one demand of 400 keys a day takes in the week.
    assert (offers["skl_bit"] * offers["p_clear"]).groupby(offers["ogs"]).sum().min() > 10 * 400 * 256 * 7

"""The terrestrial network: reading, splitting, attaching."""

import networkx as nx
import pandas as pd
import pytest

from eqci_space.data import data_path
from eqci_space.errors import DataError
from eqci_space.fiber.edges import key_edges
from eqci_space.fiber.hubs import dead_spans
from eqci_space.fiber.network import build_network, station_node
from eqci_space.fiber.network_io import read_network
from eqci_space.fiber.rates import fibre_key_rate_bit_s
from eqci_space.scenario import Coexistence, LinkRules, load_scenario

PATHS = {  # shortest by fibre length: km, intermediate nodes (computed from the compiled tables)
    ("FRA", "PRG"): (677, 9), ("BER", "PRG"): (439, 4), ("BER", "WAW"): (748, 10), ("PRG", "WAW"): (833, 10),
    ("FRA", "WAW"): (1409, 18), ("MUC", "BER"): (866, 11),
}  # fmt: skip


def length_graph(nodes, links) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from(nodes.index)
    for _, row in links.iterrows():
        graph.add_edge(row["a"], row["b"], km=row["length_km"])
    return graph


@pytest.mark.parametrize(("ends", "expected"), PATHS.items())
def test_shortest_paths_of_the_shipped_tables(scenario, ends, expected):
    nodes, links = read_network(scenario)
    graph = length_graph(nodes, links)
    km, path = nx.single_source_dijkstra(graph, *ends, weight="km")
    assert (round(km), len(path) - 2) == expected


def test_published_totals_are_honoured(scenario):
    _, links = read_network(scenario)
    totals = links.groupby("corridor")["length_km"].sum()
    assert totals["QNQ-NDH-ERF"] == pytest.approx(150, abs=0.11)
    assert totals["QNQ-ERF-JEN"] == pytest.approx(70)
    assert totals["QNQ-BER-FRA"] == pytest.approx(670, abs=0.5)
    assert totals["PIO-POZ-WAW"] == pytest.approx(380, abs=0.5)
    assert totals["CZQ-PRG-BRN"] == pytest.approx(306, abs=0.5)


def test_splitting_keeps_length_and_loss_and_marks_the_new_nodes(scenario):
    _, raw = read_network(scenario)
    network = build_network(scenario)
    made = network.links[network.links["assumed"]]
    origin = made.index.str.rsplit("/", n=1).str[0]
    for column in ("length_km", "loss_db"):
        total = made[column].groupby(origin).sum()
        assert total.to_numpy() == pytest.approx(raw.loc[total.index, column].to_numpy())
    assert (network.links["loss_db"] <= scenario.fiber.reach_db + 1e-9).all()
    assert (network.nodes["trust"] == "assumed").sum() == len(made) - origin.nunique()
    assert network.nodes.loc["EU-VIE-GRZ/1", "country"] == "AT"  # 232 km without listed sites: two nodes
    assert "EU-VIE-GRZ/2" in network.nodes.index
    assert "EU-VIE-GRZ/3" not in network.nodes.index


def test_dead_spans_state_their_reason_and_cut_warsaw_off(edited):
    dead = build_network(load_scenario(edited(('beyond_reach = { value = "split"', 'beyond_reach = { value = "dead"'))))
    spans = dead.links[~dead.links["within_reach"]]
    core = spans[~spans.index.str.startswith(("LM-", "EU-"))]
    assert len(core) == 28  # spans of the core above 24 dB
    assert (spans["skr_bit_s"] == 0).all()
    assert spans["reason"].str.contains("exceed the reach of 24 dB").all()
    live = length_graph(dead.nodes, dead.links[dead.links["skr_bit_s"] > 0])
    assert not nx.has_path(live, "WAW", "BER")


def test_every_span_without_a_rate_is_dead_and_says_why(hand_made):
    """Beyond reach, under Raman light, drifted, stated as 0; the live one is not among them."""
    scenario = hand_made(
        ["A DE x", "B DE x", "C DE x"],
        ["far A B 120 30", "loud A B 50 11", "drift B C 50 12", "off B C 50 13", "live A C 50 10"], [("A", "B", 1.0)],
        rate_bit_s=None,
        links={
            "loud": LinkRules(coexistence=Coexistence(launch_power_w=1e-2)), "drift": LinkRules(extra_error=0.4),
            "off": LinkRules(rate_bit_s=0.0),
        },
    )  # fmt: skip
    network = build_network(scenario)
    spans = dead_spans(network)
    assert spans["reason"].to_dict() == {
        "far": "30.0 dB exceed the reach of 24 dB", "off": "a rate of 0 bit/s is stated",
        "drift": "the extra error of 0.4 leaves no key at 12.0 dB",
        "loud": "Raman light of the classical channels leaves no key at 11.0 dB",
    }  # fmt: skip
    assert spans.index.tolist() == ["far", "off", "drift", "loud"]  # by falling loss
    assert network.links.loc["live", "reason"] == ""
    assert network.links.loc["loud", "within_reach"]


def test_rate_is_that_of_the_device_times_the_commissioning_factor(scenario):
    network = build_network(scenario)
    span = network.links.loc["QNQ-ERF-JEN"]
    assert span["loss_db"] == 17.5
    assert 0.2 * 1.6e5 < span["skr_bit_s"] < 0.2 * 2.9e5  # between the reference rates at 18.6 and 16.4 dB
    bare = scenario.fiber.device.model_copy(update={"dead_time_s": 0.0})
    assert 0.97 < span["skr_bit_s"] / (0.2 * fibre_key_rate_bit_s(17.5, bare)) < 1  # 50 ns of dead time cost 2 %


def test_stations_attach_by_fibre_or_inside_a_site(scenario):
    network = build_network(scenario)
    assert station_node(scenario, "DLR-OP") == "OBP"
    assert station_node(scenario, "PQSAT") == "OGS-PQSAT"
    assert network.links.loc["LM-PQSAT", ["a", "b", "medium"]].tolist() == ["OGS-PQSAT", "WAW", "colocated"]
    assert "OGS-IOF-JENA" not in network.nodes.index  # not used by the scenario
    edges = key_edges(network, scenario)
    assert edges.loc["EAGLE1-LIKE|PQSAT", ["a", "b", "kind"]].tolist() == ["EAGLE1-LIKE", "OGS-PQSAT", "space"]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("links.csv", "QNQ-ERF-JEN,ERF,JEN", "QNQ-ERF-JEN,ERF,JENA", "ends at unknown node 'JENA'; did you mean 'JEN'"),
        ("links.csv", "QNQ-ERF-JEN,ERF,JEN", "QNQ-NDH-ERF-1,ERF,JEN", "link 'QNQ-NDH-ERF-1' stands twice"),
        ("links.csv", "ERF,JEN,70,", "ERF,JEN,-70,", r"links\.csv line \d+, length_km: of 'QNQ-ERF-JEN' is -70"),
        ("links.csv", "ERF,JEN,70,", "ERF,ERF,70,", "joins 'ERF' to itself"),
        ("nodes.csv", "50.1155", "95.1", r"nodes\.csv line \d+, latitude_deg: of 'FRA' is 95.1"),
        ("nodes.csv", "node,name,country", "id,name,country", "column 'node' is missing"),
    ],
)
def test_broken_network_tables_are_named(scenario, tmp_path, file, old, new, message):
    folder = tmp_path / "net"
    folder.mkdir()
    for name in ("nodes.csv", "links.csv"):
        text = data_path("fiber", "de-pl-cz", name).read_text(encoding="utf-8")
        if name == file:
            assert old in text
            text = text.replace(old, new, 1)
        (folder / name).write_text(text, encoding="utf-8")
    fiber = scenario.fiber.model_copy(update={"network": f"{folder}/"})
    with pytest.raises(DataError, match=message):
        read_network(scenario.model_copy(update={"fiber": fiber}))


def test_colocated_and_detached_stations(scenario):
    station = scenario.stations["PQSAT"].model_copy(update={"attach": "none"})
    other = scenario.model_copy(update={"stations": {"PQSAT": station}})
    network = build_network(other)
    assert "LM-PQSAT" not in network.links.index
    assert "OGS-PQSAT" in network.nodes.index
    assert isinstance(network.nodes, pd.DataFrame)

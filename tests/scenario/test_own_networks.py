"""Networks of one's own as people write them: copies of the shipped one, altered, and what is said of them."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from eqci_space.data import data_path
from eqci_space.errors import ImplausibleInputWarning, ScenarioError
from eqci_space.fiber.network import build_network
from eqci_space.scenario import load_scenario

ATTACH = 'attach = { value = "colocated", source = "assumed: parked at the Warsaw node" }\n'
SHIPPED = {
    name: data_path("fiber", "de-pl-cz", f"{name}.csv").read_text(encoding="utf-8") for name in ("nodes", "links")
}


@pytest.fixture
def own(edited, tmp_path):
    """Write a copy of the shipped network and a scenario of it; return the path of the scenario."""

    def write(nodes=SHIPPED["nodes"], links=SHIPPED["links"], changes=(), extra=""):
        (tmp_path / "net").mkdir(exist_ok=True)
        for name, text in (("nodes", nodes), ("links", links)):
            (tmp_path / "net" / f"{name}.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        return edited(('network = "de-pl-cz"', 'network = "./net"'), *changes, extra=extra)

    return write


def problems(path):
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    return caught.value.problems


def altered(name, *changes):
    text = SHIPPED[name]
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def continental(text):
    """The same table with semicolons and decimal commas, as a spreadsheet of Germany or Poland writes it."""
    rows = list(csv.reader(line for line in text.splitlines() if not line.startswith("#")))
    numeric = {"latitude_deg", "longitude_deg", "length_km", "loss_db"}
    head = rows[0]
    changed = [[c.replace(".", ",") if head[i] in numeric else c for i, c in enumerate(row)] for row in rows[1:]]
    out = io.StringIO()
    csv.writer(out, delimiter=";", lineterminator="\r\n").writerows([head, *changed])
    return "\ufeff" + out.getvalue()


# ---------------------------------------------------------------- tables of everyday life


def test_a_network_with_semicolons_and_decimal_commas_is_the_same_network(own, scenario):
    expected = build_network(scenario)
    found = build_network(load_scenario(own(continental(SHIPPED["nodes"]), continental(SHIPPED["links"]))))
    pd.testing.assert_frame_equal(pd.DataFrame(found.links), pd.DataFrame(expected.links))
    pd.testing.assert_frame_equal(pd.DataFrame(found.nodes), pd.DataFrame(expected.nodes))


def test_all_errors_of_both_tables_are_problems_of_the_network(own):
    nodes = altered("nodes", ("50.1155", "true"))
    links = altered("links", ("ERF,JEN,70,", "ERF,JENA,70,5,"))
    found = problems(own(nodes, links))
    assert [path for path, _ in found] == ["fiber.network"] * 2
    assert "latitude_deg: 'true' is no number" in found[0][1]
    assert found[0][1].startswith("nodes.csv line ")
    assert "if numbers have decimal commas, write points" in found[1][1]


def test_tables_of_other_encodings_say_how_to_save_them(own):
    nodes = SHIPPED["nodes"].replace("Frankfurt", "Frankfürt", 1).encode("latin-1", errors="replace")
    ((path, message),) = problems(own(nodes))
    assert (path, "nodes.csv: not UTF-8 text (" in message, "; save it as UTF-8)" in message) == ("fiber.network", 1, 1)


# ---------------------------------------------------------------- scenarios of everyday life


def test_a_scenario_with_a_byte_order_mark_is_read(edited, scenario):
    path = edited()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_scenario(path).demands == scenario.demands


@pytest.mark.parametrize(
    ("encoding", "message"),
    [("utf-16", r"not UTF-8 text \(text in UTF-16, as PowerShell writes it; save it as UTF-8\)"),
     ("latin-1", r"not UTF-8 text \(.* at byte \d+; save it as UTF-8\)")],
)  # fmt: skip
def test_a_scenario_of_another_encoding_says_how_to_save_it(edited, encoding, message):
    path = edited(('name = "QUANT-GPICz"', 'name = "Zürich"'))
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding, errors="replace"))
    with pytest.raises(ScenarioError, match=message):
        load_scenario(path)


@pytest.mark.parametrize(
    ("old", "new", "path", "kind"),
    [
        (
            "keys_256_per_day = { value = 400,",
            "keys_256_per_day = { value = true,",
            "demand.0.keys_256_per_day",
            "number",
        ),
        ("seed  = 7", "seed = true", "seed", "integer"),
        ("[atmosphere]", "[atmosphere]\nextinction_table = [[10, true]]", "atmosphere.extinction_table.0.1", "number"),
    ],
)
def test_true_is_no_number(edited, old, new, path, kind):
    text = edited().read_text(encoding="utf-8")
    old = old if old in text else old.replace("seed  = 7", "seed = 7")
    found = dict(problems(edited((old, new))))
    assert found[path] == f"input should be a valid {kind} (got true)"


def test_true_stays_a_switch_where_one_is_meant(edited):
    assert load_scenario(edited(("[schedule]\n", "[schedule]\nbackups = false\n"))).schedule.backups is False


# ---------------------------------------------------------------- words that decide who sees key


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "FRA,Frankfurt am Main,DE,",
            "FRA,Frankfurt am Main,de,",
            "country: of 'FRA': 'de' is no country of ISO 3166; write 'DE' (Germany)",
        ),
        ("FRA,Frankfurt am Main,DE,", "FRA,Frankfurt am Main,Germany,", "write 'DE' (Germany)"),
        (
            "FRA,Frankfurt am Main,DE,",
            "FRA,Frankfurt am Main,EL,",
            "'EL' is no country of ISO 3166; write 'GR' (Greece)",
        ),
        ("FRA,Frankfurt am Main,DE,", "FRA,Frankfurt am Main,UK,", "write 'GB' (Britain (UK))"),
        ("FRA,Frankfurt am Main,DE,", "FRA,Frankfurt am Main,ZZ,", "write its two letters, such as DE for Germany"),
        (
            "DE,Q-net-Q,ix,trusted,50.1155",
            "DE,Q-net-Q,IX,trusted,50.1155",
            "role: of 'FRA' is 'IX'; expected hub or ix or trusted_node or station; did you mean 'ix'?",
        ),
        (
            "DE,Q-net-Q,ix,trusted,50.1155",
            "DE,Q-net-Q,ix,untrusted,50.1155",
            "trust: of 'FRA' is 'untrusted'; expected "
            "trusted or assumed; a node that is not trusted passes no key on: leave it out, or let demands forbid it",
        ),
    ],
)
def test_nodes_keep_to_closed_vocabularies(own, old, new, message):
    ((path, found),) = problems(own(altered("nodes", (old, new))))
    assert path == "fiber.network"
    assert found.startswith("nodes.csv line 2, ")
    assert message in found


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("ERF,JEN,70,", "medium", "medium: of 'QNQ-ERF-JEN' is 'undersea'; expected terrestrial or submarine; "),
     ("ERF,JEN,70,", "listed_sites", "listed_sites: of 'QNQ-ERF-JEN' is 0.5; expected 1 where the nodes between")],
)  # fmt: skip
def test_links_keep_to_closed_vocabularies(own, old, new, message):
    rows = list(csv.reader(SHIPPED["links"].splitlines()))
    row = next(r for r in rows if r[0] == "QNQ-ERF-JEN")
    row[rows[0].index(new)] = {"medium": "undersea", "listed_sites": "0.5"}[new]
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    ((_, found),) = problems(own(links=out.getvalue()))
    assert message in found


def test_blanks_around_a_country_do_not_let_key_through_what_is_forbidden(own):
    # The country decides: a cell with blanks is the country itself, so that forbidding it works.
    nodes = altered("nodes", ("FRA,Frankfurt am Main,DE,", "FRA,Frankfurt am Main, DE ,"))
    network = build_network(load_scenario(own(nodes)))
    assert network.nodes.loc["FRA", "country"] == "DE"


@pytest.mark.parametrize(
    ("key", "name", "message"),
    [
        ("forbidden_operators", "Pionier-Q", "unknown operator 'Pionier-Q'; did you mean 'PIONIER-Q'"),
        ("forbidden_operators", "Nobody", "unknown operator 'Nobody'"),
        ("forbidden_nations", "pl", "'pl' is no country of ISO 3166; write 'PL' (Poland)"),
        ("forbidden_nations", "CH", "unknown nation 'CH'"),
    ],
)
def test_whom_a_demand_forbids_exists(edited, key, name, message):
    found = problems(edited(("[[demand]]\nname = \"government Berlin-Warsaw\"",
                             f'[[demand]]\n{key} = ["{name}"]\nname = "government Berlin-Warsaw"')))  # fmt: skip
    assert len(found) == 1
    assert found[0][0].startswith(f"demand.0.{key}")
    assert message in found[0][1]


def test_a_link_s_own_operator_can_be_forbidden(edited):
    change = ("[[demand]]\nname = \"government Berlin-Warsaw\"",
              '[[demand]]\nforbidden_operators = ["CESNET"]\nname = "government Berlin-Warsaw"')  # fmt: skip
    assert load_scenario(edited(change)).demands[0].forbidden_operators == ("CESNET",)


@pytest.mark.parametrize(
    ("extra", "path", "message"),
    [
        (
            '[[outage]]\nlink = "QNQ-ERF-JEN/9"\n',
            "outage.0.link",
            "unknown span 'QNQ-ERF-JEN/9'; link 'QNQ-ERF-JEN' has ",
        ),
        ('[[outage]]\nlink = "QNQ-ERF-JEN/x"\n', "outage.0.link", "unknown span 'QNQ-ERF-JEN/x'"),
    ],
)
def test_spans_of_outages_exist(edited, extra, path, message):
    times = "start = 2027-03-02T00:00:00Z\nend = 2027-03-03T00:00:00Z\n"
    with pytest.raises(ScenarioError) as caught:
        build_network(load_scenario(edited(extra=f"\n{extra}{times}")))
    assert caught.value.problems[0][0] == path
    assert message in caught.value.problems[0][1]


# ---------------------------------------------------------------- names that are taken


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("BER", "'BER' is the name of a node of the network too; rename one"),
        ("GRAZ", "'GRAZ' is the name of a station too; rename one"),
        ("OGS-GRAZ", "'OGS-GRAZ' is the name of a node of the network too; rename one"),
        ("OGS-PQSAT", "'OGS-PQSAT' is the node of station 'PQSAT'; rename the satellite"),
    ],
)
def test_a_satellite_shares_its_name_with_nothing(edited, name, message):
    found = problems(edited(('name = "EAGLE1-LIKE"', f'name = "{name}"')))
    assert ("satellite.0.name", message) in found


def test_reserved_ids_of_the_key_graph_are_refused(own):
    # One link is called as PQSAT's last mile would be, and one node of the backbone as its own node.
    nodes = altered("nodes", ("\nERF,Erfurt", "\nOGS-PQSAT,Erfurt"))
    links = altered("links", ("\nQNQ-ERF-JEN,", "\nLM-PQSAT,")).replace(",ERF,", ",OGS-PQSAT,")
    links = links.replace("LM-PQSAT,OGS-PQSAT,", "LM-PQSAT,BER,")
    found = problems(own(nodes, links))
    assert ("fiber.network", "link 'LM-PQSAT' has the id of the last mile of station 'PQSAT'; rename the link") in found
    ((_, message),) = [p for p in found if p[0] == "station.PQSAT"]
    assert message == (
        "node 'OGS-PQSAT' of the network, a hub, has the id of the station's own node; rename the node, or "
        "give it the role 'station' if it is the station's"
    )


# ---------------------------------------------------------------- what cannot be right


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "links",
            "ERF,JEN,70,39.2,17.5",
            "ERF,JEN,70,39.2,0.22",
            "line 4, loss_db: link 'QNQ-ERF-JEN' loses 0.22 dB over "
            "70 km, 0.0031 dB/km; no fibre is below 0.05; loss_db is the loss of the whole link, such as 15.4",
        ),
        ("links", "ERF,JEN,70,39.2,17.5", "ERF,JEN,70,39.2,0", "loses 0 dB over 70 km"),
        ("nodes", "50.1155,8.6842", "8.6842,50.1155", "nodes.csv line 2: 'FRA': 8.6842, 50.1155 is 5"),
        (
            "nodes",
            "50.1155,8.6842",
            "8.6842,50.1155",
            "latitude and longitude are exchanged; write latitude_deg 50.1155, longitude_deg 8.6842",
        ),
        ("nodes", "50.1155,8.6842", "50.1155,368.6842", "is 368.6842; expected a number in -180..180"),
        (
            "nodes",
            "50.1155,8.6842",
            "50.1155,351.3",
            "is 351.3; 351.3 counts from 0 to 360; expected -180 to 180, east positive; write -8.7",
        ),
        (
            "nodes",
            "50.1155,8.6842",
            "50 06 55.8 N,8.6842",
            "'50 06 55.8 N' is no number; write decimal degrees, north and east positive: 50.1155",
        ),
    ],
)
def test_what_no_network_can_be_is_refused(own, name, old, new, message):
    ((path, found),) = problems(own(**{name: altered(name, (old, new))}))
    assert path == "fiber.network"
    assert message in found


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "links",
            "ERF,JEN,70,39.2,17.5",
            "ERF,JEN,30,39.2,7.5",
            "links.csv: link 'QNQ-ERF-JEN' is 30 km long, and its ends are 39 km apart; mend the length",
        ),
        (
            "links",
            "ERF,JEN,70,39.2,17.5",
            "ERF,JEN,70,39.2,9.1",
            "loses 9.1 dB over 70 km, 0.13 dB/km; the best glass has",
        ),
        ("nodes", "50.1155,8.6842", "41.9,12.5", "nodes.csv: 'FRA': 41.9, 12.5 is "),
    ],
)
def test_what_a_network_can_hardly_be_is_warned_of(own, name, old, new, message):
    path = own(**{name: altered(name, (old, new))})
    with pytest.warns(ImplausibleInputWarning) as caught:
        load_scenario(path)
    assert any(message in str(w.message) for w in caught)


def test_a_large_loss_needs_a_reason(own):
    rows = list(csv.DictReader(io.StringIO(SHIPPED["links"])))
    rows[2] |= {"loss_db": "40", "loss_source": "", "note": ""}
    out = io.StringIO()
    table = csv.DictWriter(out, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    with pytest.warns(
        ImplausibleInputWarning, match=r"loses 40 dB over 70 km, more than 0\.5 dB/km and 3 dB of connec"
    ):
        load_scenario(own(links=out.getvalue()))
    load_scenario(own(links=altered("links", ("ERF,JEN,70,39.2,17.5", "ERF,JEN,70,39.2,40"))))


@pytest.mark.parametrize("network", ["quant-gpicz", "euroqci"])
def test_shipped_networks_and_stations_are_plausible(network):
    load_scenario(network)  # a warning would be an error here


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ("52.4,16.9,2440,2390", ""),
        ("16.9,52.4,100,60", "16.9, 52.4 is 4"),
        (
            "52.4,-16.9,100,60",
            "longitudes count east positive, and this one west; write latitude_deg 52.4, longitude_deg 16.9",
        ),
        ("-52.4,16.9,100,60", "the latitude has the wrong sign"),
        (
            "52.4,16.9,2.44,2390",
            "differ by -2387.56 m; expected -110 to 90, as anywhere on Earth; one of them is in km",
        ),
        (
            "52.4,16.9,100,300",
            "differ by -200 m; expected -110 to 90, as anywhere on Earth; mend the one that is wrong",
        ),
    ],
)
def test_stations_stand_where_they_can(edited, position, message):
    keys = ("latitude_deg", "longitude_deg", "height_ellipsoid_m", "height_msl_m")
    lines = "".join(f"{k} = {v}\n" for k, v in zip(keys, position.split(","), strict=True))
    path = edited((ATTACH, ATTACH + lines))
    if not message:
        load_scenario(path)
        return
    ((where, found),) = problems(path)
    assert where == "station.PQSAT"
    assert message in found


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("longitude_deg", "376.9", "input should be less than or equal to 180 (got 376.9)"),
        ("longitude_deg", "343.49", "343.49 counts from 0 to 360; expected -180 to 180, east positive; write -16.51"),
        (
            "longitude_deg",
            '"16 30 36 W"',
            "'16 30 36 W' is no number; write decimal degrees, north and east positive: -16.51",
        ),
        ("latitude_deg", '"28°18\'N"', "'28°18'N' is no number; write decimal degrees, north and east positive: 28.3"),
    ],
)
def test_other_notations_of_angles_say_what_to_write(edited, key, value, message):
    assert problems(edited((ATTACH, f"{ATTACH}{key} = {value}\n"))) == [(f"station.PQSAT.{key}", message)]

"""Networks of one's own as people write them: copies of the shipped one, altered, and what is said of them."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from eqci_space.data import data_path
from eqci_space.errors import ScenarioError
from eqci_space.fiber.network import build_network
from eqci_space.scenario import load_scenario

SHIPPED = {
    name: data_path("fiber", "de-pl-cz", f"{name}.csv").read_text(encoding="utf-8") for name in ("nodes", "links")
}


@pytest.fixture
def own(edited, tmp_path):
    """Write a copy of the shipped network with texts replaced, and a scenario of it; the path of the scenario."""

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

"""Fuzzing of tables and saved results: networks, catalogues, masks, runs, coverages, check-points.

Readers of orbits, calendars and weather have fuzz tests beside their other ones.
"""

import json
import shutil
import sys
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from eqci_space.data import data_path
from eqci_space.errors import DataError
from eqci_space.fiber.network import build_network
from eqci_space.fiber.network_io import read_network
from eqci_space.files.csv_rows import keyed_rows
from eqci_space.machine.checkpoints import Checkpoints
from eqci_space.report.coverage_io import read_coverage, write_coverage
from eqci_space.report.run_io import Run, load_run
from eqci_space.scenario.horizons_io import read_horizon_mask
from eqci_space.studies.coverage import QUANTITIES

sys.path.append(str(Path(__file__).parent))
from hostile import FUZZ, TEXTS, TREE, changed, is_clear, loads_or_refuses, mutated_bytes, mutated_text, outcome
from hostile import toml_text as toml

NETWORK = {
    name: data_path("fiber", "de-pl-cz", f"{name}.csv").read_text(encoding="utf-8") for name in ("nodes", "links")
}
CATALOGUE = data_path("sites", "euroqci.csv").read_text(encoding="utf-8")
MASK = "azimuth_deg,elevation_deg\n" + "".join(f"{a},{10 + a % 7}\n" for a in range(0, 360, 20))
SEEDS = st.integers(0, 2**32)


def read_or_clear(reader, *arguments):
    """What a reader gives, or None; a refusal is clear."""
    found, message = outcome(reader, *arguments)
    assert found is not None or is_clear(message), message[:2000]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of a scenario with a network, a catalogue and a mask of its own."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "net").mkdir()
    tree = changed(changed(TREE, ("fiber", "network"), "./net"), ("stations", "catalogue"), "mine.csv")
    tree = changed(tree, ("station", "PQSAT", "horizon_mask"), "mask.csv")
    (folder / "x.toml").write_text(toml(tree), encoding="utf-8")
    put_sound(folder)
    return folder


def put_sound(folder):
    for name, text in NETWORK.items():
        (folder / "net" / f"{name}.csv").write_text(text, encoding="utf-8")
    (folder / "mine.csv").write_text(CATALOGUE, encoding="utf-8")
    (folder / "mask.csv").write_text(MASK, encoding="utf-8")


ORIGINALS = {
    "net/nodes.csv": NETWORK["nodes"],
    "net/links.csv": NETWORK["links"],
    "mine.csv": CATALOGUE,
    "mask.csv": MASK,
}


@pytest.mark.parametrize("file", ORIGINALS)
@settings(FUZZ, max_examples=40)
@given(seed=SEEDS, binary=st.booleans())
def test_mutated_tables_beside_a_scenario_are_loaded_or_refused(folder, file, seed, binary):
    put_sound(folder)
    text = ORIGINALS[file]
    content = mutated_bytes(text.encode(), seed) if binary else mutated_text(text, seed).encode()
    (folder / file).write_bytes(content)
    scenario = loads_or_refuses(folder / "x.toml")
    if scenario is not None and file.startswith("net/"):
        network = read_or_clear(build_network, scenario)
        assert network is None or network.links["length_km"].between(0, 1e5).all()


@settings(FUZZ, max_examples=50)
@given(
    column=st.sampled_from(["node", "country", "domain", "latitude_deg"]),
    text=st.sampled_from(TEXTS) | st.text(),
)
def test_mutated_cells_of_a_network_are_read_or_refused(folder, scenario, column, text):
    put_sound(folder)
    rows = pd.read_csv(folder / "net" / "nodes.csv", dtype=str, keep_default_na=False)
    rows.loc[3, column] = text.encode("utf-8", "replace").decode()
    rows.to_csv(folder / "net" / "nodes.csv", index=False)
    fiber = scenario.fiber.model_copy(update={"network": "./net"})
    own = scenario.model_copy(update={"fiber": fiber, "file": str(folder / "x.toml")})
    tables = read_or_clear(read_network, own)
    assert tables is None or tables[0]["latitude_deg"].between(-90, 90).all()


def test_the_sound_tables_are_those_of_the_shipped_scenario(folder, scenario):
    put_sound(folder)
    own = loads_or_refuses(folder / "x.toml")
    mine, shipped = build_network(own), build_network(scenario)
    pd.testing.assert_frame_equal(pd.DataFrame(mine.links), pd.DataFrame(shipped.links))
    assert list(own.stations) == list(scenario.stations)
    assert len(own.stations["PQSAT"].horizon_mask) == 18


@pytest.mark.parametrize(
    ("reader", "original"), [(read_horizon_mask, MASK), (lambda p: keyed_rows(p, "ogs"), CATALOGUE)]
)
def test_mutations_of_tables_reach_both_outcomes(tmp_path, reader, original):
    # A fuzzer that is always refused, or never, would test nothing.
    found = set()
    for seed in range(60):
        path = tmp_path / f"{seed}.csv"
        path.write_text(mutated_text(original, seed), encoding="utf-8", errors="surrogatepass")
        found.add(read_or_clear(reader, path) is not None)
    assert found == {True, False}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ogs,name\na/b,x\n", r"t\.csv line 2: ogs 'a/b' is no name"),
        ("ogs,name\nA|B,x\n", "is no name"),
        ("ogs,name\n,x\n", "'' is no name"),
        ("ogs,ogs\nA,B\n", "column 'ogs' stands twice; keep one of them"),
        ("ogs,name\nA,\x1b[2J\n", r"t\.csv: holds the control character U\+001B; remove it"),
        ("ogs,name\nA,\u202ex\n", r"U\+202E"),
        ("ogs,name\n" + "#" * 5_000_000, r"t\.csv: 5000009 bytes; expected at most 5000000; keep only what is used"),
    ],
)
def test_ids_and_texts_of_tables_are_held_to_rules(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        keyed_rows(tmp_path / "t.csv", "ogs")


@pytest.mark.parametrize("path", ["gone.csv", ".", "x\0y", "n" * 500])
def test_what_is_no_readable_file_is_refused(tmp_path, path):
    with pytest.raises(DataError, match=r"no file|cannot be read"):
        keyed_rows(tmp_path / path, "ogs")


def test_links_that_would_be_cut_into_endless_spans_are_refused(scenario):
    for change in ({"unlisted_span_km": 1e-9}, {"reach_db": 1e-300}):
        fiber = scenario.fiber.model_copy(update=change)
        with pytest.raises(DataError, match=r"spans; expected at most 10000; check length and loss"):
            build_network(scenario.model_copy(update={"fiber": fiber}))


# ---------------------------------------------------------------- saved runs


@pytest.fixture(scope="module")
def run_copy(day_run, tmp_path_factory):
    target = tmp_path_factory.mktemp("runs") / "run"
    shutil.copytree(day_run, target)
    return target


@settings(FUZZ, max_examples=100)
@given(seed=SEEDS, file=st.sampled_from(["run.json", "contacts.parquet", "delivery.parquet", "routes.parquet"]))
def test_mutated_runs_are_loaded_or_refused(run_copy, day_run, seed, file):
    content = (day_run / file).read_bytes()
    (run_copy / file).write_bytes(mutated_bytes(content, seed))
    run = read_or_clear(load_run, run_copy)
    (run_copy / file).write_bytes(content)
    assert run is None or isinstance(run, Run)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "../x", ""]), inner, max_size=2),
    max_leaves=4,
)


@settings(FUZZ, max_examples=60)
@given(key=st.sampled_from(["schema_version", "tables", "release", "scenario"]), value=JSON)
def test_manifests_of_any_values_are_loaded_or_refused(run_copy, day_run, key, value):
    manifest = json.loads((day_run / "run.json").read_text(encoding="utf-8"))
    (run_copy / "run.json").write_text(json.dumps({**manifest, key: value}), encoding="utf-8")
    run = read_or_clear(load_run, run_copy)
    assert run is None or run.manifest["schema_version"] == manifest["schema_version"]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "[" * 100_000, '{"schema_version": 2, "tables": 7}'])
def test_what_is_no_manifest_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="run the scenario again"):
        load_run(tmp_path)


def test_a_table_that_breaks_its_contract_is_refused(day_run, run_copy):
    content = (day_run / "contacts.parquet").read_bytes()
    pd.read_parquet(run_copy / "contacts.parquet").drop(columns="p_clear").to_parquet(run_copy / "contacts.parquet")
    (run_copy / "run.json").write_bytes((day_run / "run.json").read_bytes())
    _, message = outcome(load_run, run_copy)
    (run_copy / "contacts.parquet").write_bytes(content)
    assert "contacts.parquet of 'run': CONTACTS lacks 'p_clear'" in message


# ---------------------------------------------------------------- coverages


def small_coverage():
    """Two cells of a coverage, made up."""
    cells = {
        "cell": ["50N 10E", "51N 10E"],
        "month": ["2027-03"] * 2,
        "latitude_deg": [50.0, 51.0],
        "longitude_deg": 10.0,
    }
    shapes = [shapely.box(9.5, lat - 0.5, 10.5, lat + 0.5) for lat in (50, 51)]
    table = gpd.GeoDataFrame({**cells, **dict.fromkeys(QUANTITIES, 1.0)}, geometry=shapes, crs="EPSG:4326")
    table.attrs = {"scenario": "<b>", "months": ["2027-03"]}
    return table


@pytest.fixture(scope="module")
def coverage_file(tmp_path_factory):
    return write_coverage(small_coverage(), tmp_path_factory.mktemp("coverage"))[0]


@settings(FUZZ, max_examples=80)
@given(seed=SEEDS)
def test_mutated_coverages_are_read_or_refused(coverage_file, tmp_path_factory, seed):
    path = tmp_path_factory.getbasetemp() / "mutated.gpkg"
    path.write_bytes(mutated_bytes(coverage_file.read_bytes(), seed))
    table = read_or_clear(read_coverage, path)
    assert table is None or {"cell", "month", *QUANTITIES} <= set(table.columns)


def test_a_coverage_comes_back_with_its_facts_and_without_its_version(coverage_file):
    table = read_coverage(coverage_file)
    assert table.attrs == small_coverage().attrs
    assert table.drop(columns="geometry").equals(pd.DataFrame(small_coverage().drop(columns="geometry")))


# ---------------------------------------------------------------- check-points


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    store = Checkpoints(tmp_path_factory.mktemp("shelf"), small_coverage)
    store.save("a", "{}", {"x": [1, 2.5, None]})
    store.save("b", "{}", {"one": pd.DataFrame({"x": [1]}), "two": pd.DataFrame({"y": ["z"]})})
    return store


@settings(FUZZ, max_examples=100)
@given(seed=SEEDS, file=st.sampled_from(["a.json", "b.json", "b.one.parquet"]))
def test_mutated_check_points_are_whole_or_count_as_missing(shelf, seed, file):
    name, content = file[0], (shelf.folder / file).read_bytes()
    (shelf.folder / file).write_bytes(mutated_bytes(content, seed))
    there, found = shelf.has(name), read_or_clear(shelf.load, name)
    (shelf.folder / file).write_bytes(content)
    assert there or found is None
    assert shelf.has(name)


@settings(FUZZ, max_examples=100)
@given(key=st.sampled_from(["schema_version", "shape", "sha256", "value"]), value=JSON)
def test_check_points_of_any_values_are_whole_or_count_as_missing(shelf, key, value):
    content = (shelf.folder / "b.json").read_bytes()
    (shelf.folder / "b.json").write_text(json.dumps({**json.loads(content), key: value}), encoding="utf-8")
    there, found = shelf.has("b"), read_or_clear(shelf.load, "b")
    (shelf.folder / "b.json").write_bytes(content)
    assert there == (found is not None)


def test_a_check_point_names_no_file_outside_its_folder(shelf):
    (shelf.folder.parent / "secret.parquet").write_bytes(b"")
    note = json.loads((shelf.folder / "b.json").read_text(encoding="utf-8"))
    note["sha256"] = {"/../../secret": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
    (shelf.folder / "c.json").write_text(json.dumps(note), encoding="utf-8")
    assert not shelf.has("c")
    with pytest.raises(ValueError, match="is no name of a table"):
        shelf.save("d", "{}", {"/../../secret": pd.DataFrame({"x": [1]})})

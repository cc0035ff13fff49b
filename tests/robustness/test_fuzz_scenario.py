"""Fuzzing of scenario loading: whatever a file holds, a sound scenario comes back or a clear refusal."""

import os
import string
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqci_space.errors import ScenarioError
from eqci_space.scenario import Scenario, load_scenario

sys.path.append(str(Path(__file__).parent))
from hostile import FUZZ, SHIPPED, TREE, VALUES, changed, loads_or_refuses, mutated_tree, toml_text

KEYS = st.sampled_from([*TREE, "name", "orbit", "value", "source", "use", "", "a.b", "é"]) | st.text(max_size=5)
# Whatever is hurled at the reader may strike out an epoch.
pytestmark = pytest.mark.filterwarnings("ignore::eqci_space.errors.UndatedOrbitWarning")
LEAVES = st.sampled_from(VALUES) | st.integers() | st.floats() | st.text(max_size=8)
TREES = st.dictionaries(
    KEYS, st.recursive(LEAVES, lambda x: st.lists(x, max_size=3) | st.dictionaries(KEYS, x, max_size=3)), max_size=5
)
PLAIN = st.characters(exclude_categories=("Cs",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of scenarios, beside a secret that none of them may read."""
    folder = tmp_path_factory.mktemp("fuzz") / "scenarios"
    folder.mkdir()
    (folder.parent / "a.csv").write_text("ogs,name\nSECRET,secret\n", encoding="utf-8")
    return folder


@settings(FUZZ, max_examples=150)
@given(content=st.binary(max_size=200) | st.text(PLAIN, max_size=200).map(str.encode))
def test_arbitrary_content_is_refused(folder, content):
    (folder / "x.toml").write_bytes(content)
    assert loads_or_refuses(folder / "x.toml") is None


@settings(FUZZ, max_examples=150)
@given(tree=TREES)
def test_arbitrary_trees_are_refused(folder, tree):
    (folder / "x.toml").write_text(toml_text({k: v for k, v in tree.items() if k}), encoding="utf-8")
    assert loads_or_refuses(folder / "x.toml") is None


@settings(FUZZ, max_examples=60)
@given(tree=TREES)
def test_arbitrary_trees_over_the_shipped_scenario_are_loaded_or_refused(folder, tree):
    (folder / "x.toml").write_text(toml_text({**TREE, **tree}), encoding="utf-8")
    loads_or_refuses(folder / "x.toml")


@settings(FUZZ, max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_mutated_scenarios_are_loaded_or_refused(folder, seed):
    (folder / "x.toml").write_text(toml_text(mutated_tree(seed)), encoding="utf-8")
    loads_or_refuses(folder / "x.toml")


@settings(FUZZ, max_examples=60)
@given(tree=TREES, kind=st.sampled_from(["demand", "satellite", "variant", "outage", "fiber", "station", "schedule"]),
       value=LEAVES | st.lists(st.dictionaries(st.sampled_from(["name", "quantity", "between", "orbit"]), LEAVES)),
       same=st.booleans())  # fmt: skip
def test_arbitrary_overlays_are_laid_over_or_refused(folder, tree, kind, value, same):
    (folder / "over.toml").write_text(toml_text({**tree, kind: value}), encoding="utf-8")
    (folder / "x.toml").write_text(toml_text({**TREE, kind: value} if same else TREE), encoding="utf-8")
    loads_or_refuses(folder / "x.toml", overlays=[folder / "over.toml"])


def test_the_mutations_reach_both_outcomes(folder):
    # A fuzzer that is always refused, or never, would test nothing.
    found = set()
    for seed in range(60):
        (folder / "x.toml").write_text(toml_text(mutated_tree(seed)), encoding="utf-8")
        found.add(isinstance(loads_or_refuses(folder / "x.toml"), Scenario))
    assert found == {True, False}


# ---------------------------------------------------------------- files outside the folder

FILE_KEYS = [
    ("satellite", 0, "elements"), ("satellite", 0, "ephemeris"), ("weather", "file"), ("stations", "catalogue"),
    ("station", "PQSAT", "horizon_mask"), ("station", "PQSAT", "maintenance"), ("fiber", "network"),
]  # fmt: skip


def naming(path, name):
    """The shipped scenario with a file name at a place."""
    tree = changed(TREE, path, name)
    if path[0] == "weather":
        tree["weather"]["model"] = "record"
    if path[0] == "satellite":
        del tree["satellite"][0]["orbit"]
    return toml_text(tree)


@pytest.mark.parametrize("path", FILE_KEYS)
@pytest.mark.parametrize(
    "name", ["../a.csv", "sub/../../a.csv", "{outer}/a.csv", "link.csv", "loop.csv", "C:\\a.csv", "/dev/zero/a.csv"]
)
def test_files_outside_the_folder_are_not_read(folder, path, name):
    for link, target in (("link.csv", folder.parent / "a.csv"), ("loop.csv", folder / "loop.csv")):
        if not (folder / link).is_symlink():
            os.symlink(target, folder / link)
    name = name.format(outer=folder.parent)
    if path == ("fiber", "network"):
        name = f"{name}/"  # a folder, in which nodes.csv and links.csv would lie
    (folder / "x.toml").write_text(naming(path, name), encoding="utf-8")
    assert loads_or_refuses(folder / "x.toml") is None
    with pytest.raises(ScenarioError, match=r"leads out of the scenario's folder|can be no file name|no shipped data"):
        load_scenario(folder / "x.toml")


@pytest.mark.parametrize("path", FILE_KEYS)
@pytest.mark.parametrize("name", ["gone.csv", "n" * 5000 + ".csv", "x.toml/a.csv", "."])
def test_names_of_no_file_are_refused_beside_their_key(folder, path, name):
    (folder / "x.toml").write_text(naming(path, name), encoding="utf-8")
    assert loads_or_refuses(folder / "x.toml") is None
    with pytest.raises(ScenarioError, match=rf"{path[0]}.*{path[-1]}"):
        load_scenario(folder / "x.toml")


def test_a_file_in_a_folder_below_is_read(folder):
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "sub" / "mask.csv").write_text("azimuth_deg,elevation_deg\n0,12\n180,30\n", encoding="utf-8")
    (folder / "x.toml").write_text(naming(FILE_KEYS[4], "sub/../sub/mask.csv"), encoding="utf-8")
    assert loads_or_refuses(folder / "x.toml").stations["PQSAT"].horizon_mask == ((0.0, 12.0), (180.0, 30.0))


@pytest.mark.parametrize("name", ["\0.toml", "x" * 5000 + ".toml", "gone/../x.toml", ".", "", "..", "nul\0"])
def test_a_scenario_of_an_impossible_name_is_refused(name, tmp_path):
    with pytest.raises(ScenarioError, match=r"no such file|no shipped scenario"):
        load_scenario(name)
    with pytest.raises(ScenarioError, match="no such overlay file"):
        load_scenario("quant-gpicz", overlays=[tmp_path / f"{name}.toml"])


# ---------------------------------------------------------------- content that takes long, or is too much


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a." * 2_000_000 + "b = 1", "dotted parts"),
        ("[" + '"a" . ' * 700_000 + "b]", "dotted parts"),
        ("[" + ".".join("a" * 39) + "]\nx = 1", "nested more than 32 deep"),
        ("a = " + "[" * 90 + "]" * 90, "nested more than 32 deep"),
        ("a = " + "[" * 9000 + "]" * 9000, "not valid TOML"),
        ("seed = " + "9" * 5000, "not valid TOML"),
        ("start = 2027-01-01T00:00:00+99:99", "not valid TOML"),
        ('description = "' + "x" * 10_001 + '"', "10001 characters; expected at most 10000"),
        ('description = "\\u001b[31m"', r"holds the control character U\+001B; remove it"),
        ('description = "\\u202egnp"', r"holds the control character U\+202E"),
        ('"\\u0000" = 1', r"key '\\x00' holds the control character U\+0000"),
        ("x" * 4_900_000, "not valid TOML"),
        ("#" * 5_000_001, "5000001 bytes; expected at most 5000000; keep only what is used"),
        ("".join(f"x{i} = 1\n" for i in range(20_000)), "and 900 more"),
    ],
)
def test_bombs_are_refused_at_once(tmp_path, content, message):
    (tmp_path / "x.toml").write_text(content, encoding="utf-8")
    begin = time.process_time()
    assert loads_or_refuses(tmp_path / "x.toml") is None
    assert time.process_time() - begin < 5
    with pytest.raises(ScenarioError, match=message):
        load_scenario(tmp_path / "x.toml")


def test_many_demands_of_one_name_are_refused_at_once(edited):
    more = '[[demand]]\nname = "a"\nbetween = ["BER", "WAW"]\nbit_per_day = 1\n' * 20_000
    begin = time.process_time()
    with pytest.raises(ScenarioError, match="demand names must differ; 'a' stands twice"):
        load_scenario(edited(extra=more))
    assert time.process_time() - begin < 10


def test_a_description_of_several_lines_and_scripts_is_kept(edited):
    text = "Zwei Zeilen,\\n\\tשלום, 量子, 👩‍🚀 and <b>"
    assert load_scenario(edited(("One EAGLE-1-like satellite and", text))).description.startswith("Zwei Zeilen,\n\tש")


@pytest.mark.parametrize("name", ["a|b", "a/b", " ", "a\\nb", "x" * 81, "\\u202ex", "\\u0007"])
def test_what_can_be_no_name_is_refused_for_every_kind_of_thing(edited, name):
    for old in ('name = "QUANT-GPICz"', 'name = "EAGLE1-LIKE"', 'name = "pessimistic"', "[station.PQSAT]"):
        new = old.replace(old.split('"')[1], name) if '"' in old else f'[station."{name}"]\ncountry = "PL"\n'
        with pytest.raises(ScenarioError):
            load_scenario(edited((old, new)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ((("2027-03-08", "2100-03-08"),), "start: the period .* expected the years 1973 to 2099; move it"),
        ((("2027-03-01", "1957-10-04"),), "the years 1973 to 2099"),
        ((("2027-03-08", "2090-03-08"), ('bin = "1D"', 'bin = "1h"')), r"schedule.bin: \d+ demands times bins"),
    ],
)  # fmt: skip
def test_periods_without_bounds_are_refused(edited, changes, message):
    with pytest.raises(ScenarioError, match=message):
        load_scenario(edited(*changes))


WALKER = """
[[constellation]]
name = "W{}"
terminal = "eagle1-like-nominal"
[constellation.pattern]
kind = "walker_delta"
altitude_km = 600
inclination_deg = 60
satellites = 10000
planes = 100
"""


def test_constellations_without_bounds_are_refused(edited):
    begin = time.process_time()
    with pytest.raises(ScenarioError, match="satellite: 20001 satellites; expected at most 20000; plan a part"):
        load_scenario(edited(extra="".join(WALKER.format(c) for c in string.ascii_letters)))
    assert time.process_time() - begin < 20
    with pytest.raises(ScenarioError, match=r"end: \d+ satellites times stations times days; expected at most"):
        load_scenario(edited(("2027-03-08", "2029-03-08"), extra=WALKER.format("A")))


def test_the_shipped_scenario_as_the_writer_of_these_tests_writes_it_is_the_same(tmp_path):
    for name, text in (("a.toml", SHIPPED), ("b.toml", toml_text(TREE))):
        (tmp_path / name).write_text(text, encoding="utf-8")
    a, b = (load_scenario(tmp_path / name) for name in ("a.toml", "b.toml"))
    assert a.model_dump() == b.model_dump()

"""The grammar of the interface, held for every public function, and the spellings of yesterday.

Tables and records come first, the scenario second, options by keyword, `rng` last; writers take what they write and
then where; a folder is `directory`, a file `path`, processes are `jobs`.
"""

import importlib
import inspect
import pkgutil
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import eqci_space as eq
from eqci_space.data import data_path
from eqci_space.errors import DataError, EqciDeprecationWarning, EqciWarning
from eqci_space.machine.deprecation import GONE_IN, once_by_position, once_first, once_named
from eqci_space.orbits.oem_io import read_oem
from eqci_space.report import plots
from eqci_space.report.release import Material, Released, export_material, release
from eqci_space.study import Study

OTHER_WORDS = {
    "folder": "directory", "dir": "directory", "out_dir": "directory", "file": "path", "filename": "path",
    "file_path": "path", "workers": "jobs", "n_jobs": "jobs", "processes": "jobs", "random_state": "rng",
    "n_trials": "trials", "scn": "scenario",
}  # fmt: skip
PATHS = {"path", "directory", "name_or_path", "run_a", "run_b", "previous", "earlier", "checkpoint", "overlays"}
TABLES = ("DataFrame", "Plan", "Relay", "Network", "Simulation", "Run", "Findings", "Released", "Material")
# A sentence reads `percent(share, 1)` and `short_list(names, 3)` as they stand.
WORDS = "eqci_space.words"


def public_functions():
    """Functions of every module's ``__all__`` and public methods of its classes, by name; kernels and commands apart.

    Compiled kernels take everything by position, and commands take the words of the command line.
    """
    found = {}
    for name in (m.name for m in pkgutil.walk_packages(eq.__path__, "eqci_space.")):
        module = importlib.import_module(name) if not name.startswith("eqci_space.cli") else None
        for public in getattr(module, "__all__", ()):
            value = getattr(module, public)
            if getattr(value, "__module__", None) != name or hasattr(value, "py_func"):
                continue
            members = vars(value).items() if inspect.isclass(value) else [("", value)]
            for key, member in members:
                function = getattr(member, "__func__", member)
                if inspect.isfunction(function) and not key.startswith("_"):
                    found[".".join([name, public, key]).rstrip(".")] = function
    return found


FUNCTIONS = public_functions()


@dataclass(frozen=True)
class Taken:
    """The parameters of a function: all in order, and those that may be given by position."""

    all: list
    by_position: list


def taken(function):
    ps = [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]
    return Taken(ps, [p for p in ps if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)])


def names_in(parameter):
    """The words of a parameter's annotation, without its defaults."""
    text = parameter.annotation if isinstance(parameter.annotation, str) else inspect.formatannotation(
        parameter.annotation
    )  # fmt: skip
    return set(re.findall(r"\w+", text.replace("Path]", "Path")))


def is_option(parameter):
    """Whether it has a default and is a text, a flag, a count or a list of them: no quantity, array or table."""
    kinds = {"str", "int", "bool", "Literal", "None", "Sequence", "Mapping", "Iterable", "tuple", "dict", "list"}
    words = names_in(parameter)
    literal = "Literal" in words
    return parameter.default is not parameter.empty and (literal or words <= kinds)


def found_by(rule):
    return {name: problem for name, function in FUNCTIONS.items() if (problem := rule(name, taken(function)))}


def test_the_walk_sees_the_interface():
    assert len(FUNCTIONS) > 400
    for name in set(eq.__all__) - {"__version__", "plot"}:
        value = getattr(eq, name)
        assert inspect.isclass(value) or value in FUNCTIONS.values(), name
    for name in plots.__all__:
        value = getattr(plots, name)
        assert not inspect.isfunction(value) or value in FUNCTIONS.values(), name


def test_one_word_each_for_directories_files_and_processes():
    wrong = found_by(lambda name, t: {p.name: OTHER_WORDS[p.name] for p in t.all if p.name in OTHER_WORDS})
    assert wrong == {}
    paths = found_by(
        lambda name, t: [
            p.name for p in t.all
            if "Path" in names_in(p) and not names_in(p) & {"bytes", "Callable"} and p.name not in PATHS
        ]
    )  # fmt: skip
    assert paths == {}


def test_options_are_given_by_keyword():
    assert found_by(
        lambda name, t: [] if name.startswith(WORDS) else [p.name for p in t.by_position if is_option(p)]
    ) == {}  # fmt: skip


def test_rng_comes_last():
    assert found_by(lambda name, t: [p.name for p in t.all[:-1] if p.name in ("rng", "seed")]) == {}


def test_tables_come_before_the_scenario_and_labels_after_it():
    def misplaced(name, t):
        names = [p.name for p in t.by_position]
        if "scenario" not in names:
            return []
        at = names.index("scenario")
        before, after = t.by_position[:at], t.by_position[at + 1 :]
        has_table = any(names_in(p) & set(TABLES) for p in before)
        labels = [p.name for p in before if has_table and names_in(p) == {"str"}]
        return labels + [p.name for p in after if names_in(p) & set(TABLES)]

    assert found_by(misplaced) == {}


def test_writers_take_what_they_write_and_then_where():
    def first(name, t):
        if not name.rsplit(".", 1)[-1].startswith("write_") or {"content", "write"} & {p.name for p in t.all}:
            return []  # bytes, or a function that writes: these go into a place that is there first
        names = [p.name for p in t.by_position]
        return [] if len(names) > 1 and names[-1] in ("path", "directory") else names

    assert found_by(first) == {}
    assert sum(n.rsplit(".", 1)[-1].startswith("write_") for n in FUNCTIONS) >= 16


def test_a_new_name_is_taken_by_its_old_one_with_a_warning():
    @once_named(workers="jobs", folder="directory")
    def work(table, directory=".", *, jobs=1):
        return table, directory, jobs

    with pytest.warns(EqciDeprecationWarning, match=rf"work: 'workers=' is now 'jobs='; .* goes in version {GONE_IN}"):
        assert work(3, workers=2) == (3, ".", 2)
    with pytest.warns(EqciDeprecationWarning, match="'folder=' is now 'directory='"):
        assert work(3, folder="x") == (3, "x", 1)
    with pytest.raises(TypeError, match="both 'workers' and 'jobs'"):
        work(3, workers=2, jobs=2)
    assert work(3, "y", jobs=4) == (3, "y", 4)
    assert "workers" not in inspect.signature(work).parameters


def test_what_stood_first_is_found_by_its_type():
    @once_first("path")
    def write(table, path, *, sep=","):
        return table, path, sep

    for old in (lambda: write("a.csv", [1]), lambda: write("a.csv", table=[1])):
        with pytest.warns(EqciDeprecationWarning, match="write: 'path' now stands at place 2") as caught:
            assert old() == ([1], "a.csv", ",")
        assert Path(caught[0].filename) == Path(__file__)
    for new in (write([1], "a.csv"), write("text", "a.csv", sep=";"), write("text", path=Path("a.csv"))):
        assert str(new[1]) == "a.csv"
    with pytest.raises(TypeError, match="missing 1 required"):
        write([1])


def test_options_are_still_taken_by_position():
    @once_by_position("level", "name")
    def give(material, *, level="internal", name=""):
        return material, level, name

    with pytest.warns(EqciDeprecationWarning, match="give: give level=, name= by name"):
        assert give(1, "public", "x") == (1, "public", "x")
    with pytest.warns(EqciDeprecationWarning), pytest.raises(TypeError, match="multiple values"):
        give(1, "public", level="internal")
    with pytest.raises(TypeError, match="positional"):
        give(1, 2, 3, 4)
    assert give(1, level="public") == (1, "public", "")


def test_the_warning_is_one_of_ours_and_a_deprecation():
    assert issubclass(EqciDeprecationWarning, DeprecationWarning)
    assert issubclass(EqciDeprecationWarning, EqciWarning)


def test_writers_of_orbits_take_the_path_first_as_before(tmp_path):
    sets = eq.read_elements(data_path("orbits", "synthetic_constellations.omm.json"))[:2]
    with pytest.warns(EqciDeprecationWarning, match="write_omm: 'path' now stands at place 2"):
        eq.write_omm(tmp_path / "old.json", sets)
    eq.write_omm(sets, tmp_path / "new.json")
    assert (tmp_path / "old.json").read_bytes() == (tmp_path / "new.json").read_bytes()
    assert eq.read_elements(tmp_path / "new.json") == sets

    start, seconds = datetime(2027, 3, 1, tzinfo=UTC), 60.0 * np.arange(9)
    states = (np.full((9, 3), 7e6), np.ones((9, 3)))
    with pytest.warns(EqciDeprecationWarning, match="write_oem: 'path' now stands at place 6"):
        eq.write_oem(str(tmp_path / "old.oem"), "X", start, seconds, *states, frame="GCRF")
    eq.write_oem("X", start, seconds, *states, str(tmp_path / "new.oem"), frame="GCRF")
    assert (tmp_path / "old.oem").read_bytes() == (tmp_path / "new.oem").read_bytes()
    assert read_oem(tmp_path / "new.oem")[0].object_name == "X"


@pytest.mark.parametrize("name", ["save", "report"])
def test_a_study_takes_workers_as_before(name, tmp_path):
    study = Study(eq.load_scenario("quant-gpicz"))
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "letter.txt").write_text("mine", encoding="utf-8")
    with pytest.warns(EqciDeprecationWarning, match="'workers=' is now 'jobs='"), pytest.raises(DataError):
        getattr(study, name)(tmp_path / "held", workers=2, previous=tmp_path / "none")


def test_material_and_release_take_their_old_order():
    scenario = eq.load_scenario("quant-gpicz")
    warned = pytest.warns(EqciDeprecationWarning, match="export_material: 'scenario' now stands at place 3")
    with warned, pytest.raises(KeyError, match="contacts"):
        export_material(scenario, {}, {})
    period = pd.Timestamp(scenario.start), pd.Timestamp(scenario.end)
    with pytest.warns(EqciDeprecationWarning, match="release: give level= by name"):
        released = release(Material(scenario.name, *period, {}, {}, {}), "internal")
    assert isinstance(released, Released)
    assert released.level == "internal"

"""Versions of Python and of packages: what is promised is stated, and the known-good environment keeps the promise."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.lowest import ROOT, lowest_versions, main

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = dict(
    line.lower().replace("_", "-").split("==")
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)


def numbers(version):
    return [int(x) for x in re.findall(r"\d+", version)]


def bounds(requirements):
    found = {}
    for text in requirements:
        name, _, bound = text.partition(">=")
        if not name.startswith("eqci-space"):
            found[name.lower().replace("_", "-")] = bound
    return found


def test_versions_of_python_are_stated():
    assert PROJECT["requires-python"] == ">=3.11"
    named = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if c.startswith("Programming Language")]
    assert named == ["3.11", "3.12", "3.13"]


@pytest.mark.parametrize("extra", ["", *(e for e in PROJECT["optional-dependencies"] if e != "bench")])
def test_the_known_good_environment_has_every_dependency_within_its_bound(extra):
    stated = bounds(PROJECT["dependencies"] if not extra else PROJECT["optional-dependencies"][extra])
    assert {name for name in stated if name not in PINS} == set()
    assert {name: bound for name, bound in stated.items() if numbers(PINS[name]) < numbers(bound)} == {}


def test_every_direct_dependency_has_a_lowest_version():
    lowest = lowest_versions()
    assert len(lowest) == len(PROJECT["dependencies"])
    # Known not to run: typer 0.18 cannot show choices of words, scipy 1.14 cannot find shortest paths, and highspy 1.12
    # cannot move the bounds of rows.
    assert numbers(lowest["typer"]) >= [0, 19]
    assert numbers(lowest["scipy"]) >= [1, 15]
    assert numbers(lowest["highspy"]) >= [1, 13]


def test_a_dependency_without_a_bound_is_named(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["a>=1.0", "b", "c<3"]\n', encoding="utf-8")
    with pytest.raises(SystemExit, match=r"b, c<3; expected name>=version"):
        lowest_versions(tmp_path)


def test_the_lowest_versions_can_be_listed(capsys):
    assert main(["--list"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"numpy=={lowest_versions()['numpy']}"


def test_the_constraints_name_each_package_once():
    lines = [x for x in Path(ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if x[0] != "#"]
    assert len({x.split("==")[0].lower() for x in lines}) == len(lines) == len(PINS)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", x) for x in lines)

"""What holds for the whole package: light import, public names, docstrings, data, and no word about its making."""

import ast
import csv
import hashlib
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import eqci_space

ROOT = Path(__file__).parents[1]

MOST_ROOMS, MOST_FILES, MOST_LINES, MOST_CODE_LINES, MOST_PARAMETERS = 16, 8, 450, 60, 9
TAKES_MORE = {  # at most five, each with its reason
    "cli/runs.py run": "a parameter is an option of the command line",
    "cli/studies.py sweep": "a parameter is an option of the command line",
    "schedule/simulate.py simulate_plan": "four tables, and every option is a choice of the user's own",
}
HEAVY = ("numpy", "pandas", "astropy", "geopandas", "matplotlib", "numba", "scipy", "skyfield", "highspy")
MODULES = sorted(m.name for m in pkgutil.walk_packages(eqci_space.__path__, "eqci_space."))


@pytest.mark.parametrize("code", ["import eqci_space", "import eqci_space.cli", "import eqci_space.scenario.load"])
def test_import_is_light(code):
    check = f"import sys; {code}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_resolve():
    for name in eqci_space.__all__:
        assert getattr(eqci_space, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = eqci_space.nonsense


@pytest.mark.parametrize("name", MODULES)
def test_module_exports_are_sorted_complete_and_documented(name):
    module = importlib.import_module(name)
    assert module.__doc__
    if not hasattr(module, "__all__"):
        assert not name.split(".")[-1].startswith("_")
        assert hasattr(module, "__path__")
        return
    assert sorted(module.__all__) == sorted(set(module.__all__))
    for public in module.__all__:
        value = getattr(module, public)
        if callable(value) and not isinstance(value, type(re)):
            assert (value.__doc__ or "").strip(), f"{name}.{public} has no docstring"


def test_checksums_of_the_shipped_data_are_right():
    with (ROOT / "data" / "SOURCES.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["file"]: row for row in csv.DictReader(stream)}
    files = {
        str(p.relative_to(ROOT / "data")) for p in (ROOT / "data").rglob("*")
        if p.is_file() and p.name not in ("SOURCES.csv", "README.md")
    }  # fmt: skip
    assert set(rows) == files
    for file, row in rows.items():
        assert hashlib.sha256((ROOT / "data" / file).read_bytes()).hexdigest() == row["sha256"], file
        assert row["origin"]
        assert row["licence"]


def test_no_print_socket_or_pickle_in_the_package():
    banned = {"socket", "pickle", "requests", "urllib", "http", "ftplib"}
    for path in (ROOT / "eqci_space").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not {a.name.split(".")[0] for a in node.names} & banned, path
            if isinstance(node, ast.ImportFrom) and node.module:
                assert node.module.split(".")[0] not in banned, path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec"), path


def test_rooms_and_files_at_the_top_can_be_seen_at_once():
    entries = [p for p in (ROOT / "eqci_space").iterdir() if p.name not in ("__pycache__", "_data")]
    rooms = [p.name for p in entries if p.is_dir()]
    assert len(rooms) <= MOST_ROOMS, rooms
    assert len(entries) - len(rooms) <= MOST_FILES, sorted(p.name for p in entries if p.is_file())


def sizes(path):
    """Name, lines of code (docstring apart) and number of parameters (self apart) of functions, nested ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(node, clean=False) is not None else 0
            a = node.args
            taken = [*a.posonlyargs, *a.args, *a.kwonlyargs, *(x for x in (a.vararg, a.kwarg) if x)]
            own = [x for x in taken if x.arg not in ("self", "cls")]
            yield node.name, node.end_lineno - node.lineno + 1 - docstring, len(own)


def test_modules_and_functions_fit_on_a_screen():
    files = {str(p.relative_to(ROOT / "eqci_space")): p for p in (ROOT / "eqci_space").rglob("*.py")}
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in files.items()}
    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}
    found = [(f"{name} {function}", *size) for name, path in files.items() for function, *size in sizes(path)]
    assert len(found) > 1500
    assert [f for f in found if f[1] > MOST_CODE_LINES] == []
    many = {name: parameters for name, _, parameters in found if parameters > MOST_PARAMETERS}
    assert set(many) == set(TAKES_MORE), many
    assert len(TAKES_MORE) <= 5

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

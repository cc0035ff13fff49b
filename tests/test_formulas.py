"""The form of formula docstrings: unit, shape and range per parameter, a source, and a number that is computed."""

import doctest
import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SECTION = re.compile(r"^(Parameters|Returns|Raises|Examples|Notes|Warns|See Also)\n-+$", re.MULTILINE)
ENTRY = re.compile(r"^(?P<names>[*\w, ]+?)(?: : (?P<kind>.+))?$")
UNIT, RANGE = re.compile(r"\[[^\]]+\]"), re.compile(r">|<|≥|≤|\bin [\[({]|\bany\b")
SOURCE = re.compile(r"derived here|\b(?:1[6-9]|20)\d\d[a-z]?\b")


def formula_modules():
    """Modules that the contract of the floors keeps free of tables and scenarios."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (contract,) = [c for c in contracts if c["name"].startswith("formula")]
    return contract["source_modules"]


def formulas():
    found = []
    for name in formula_modules():
        module = importlib.import_module(name)
        for public in module.__all__:
            value = inspect.unwrap(getattr(module, public))
            value = getattr(value, "py_func", value)
            if inspect.isfunction(value) and value.__module__ == name:
                found.append(pytest.param(value, id=f"{name.removeprefix('eqci_space.')}.{public}"))
    return found


def sections(doc):
    parts = SECTION.split(inspect.cleandoc(doc))
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def entries(text):
    """Parameters by name: kind and the text that explains it."""
    found, names = {}, []
    for line in text.strip().splitlines():
        head = ENTRY.match(line) if line and not line[0].isspace() else None
        if head:
            names = [n.strip(" *") for n in head["names"].split(",")]
            found |= dict.fromkeys(names, (head["kind"] or "", ""))
        for n in names if not head else ():
            found[n] = (found[n][0], f"{found[n][1]} {line.strip()}")
    return found


def numeric(kind):
    return any(word in kind for word in ("float", "array", "int"))


@pytest.mark.parametrize("function", formulas())
def test_a_formula_states_units_ranges_source_and_a_number(function):
    parts = sections(function.__doc__ or "")
    stated = entries(parts.get("Parameters", ""))
    wanted = list(inspect.signature(function).parameters)
    assert [n for n in wanted if n not in stated] == [], "parameters without an entry"
    for name in wanted:
        kind, text = stated[name]
        assert kind, f"{name}: no kind, such as 'float' or '(n,) array'"
        if numeric(kind):
            assert UNIT.search(kind + text), f"{name}: no unit in brackets; [1] for ratios and counts"
            assert RANGE.search(kind + text), f"{name}: no valid range, such as '> 0' or 'any'"
    returned = parts.get("Returns", "")
    assert returned, "no Returns section"
    if numeric(returned):
        assert UNIT.search(returned), "Returns: no unit in brackets"
    assert SOURCE.search(parts[""] + parts.get("Notes", "") + returned), "no source: a year, or 'derived here'"
    assert ">>>" in parts.get("Examples", ""), "no example with a number"


@pytest.mark.parametrize("name", formula_modules())
def test_the_numbers_of_formula_docstrings_are_right(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0

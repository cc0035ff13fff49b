"""Kernels and their cache on disk: loaded again, and begun anew where it holds what cannot be read."""

import os
import pickle
import subprocess
import sys
import types

import numba
import pytest

from eqci_space.machine import kernels
from eqci_space.machine.kernels import kernel


def sevenfold(x):
    return 7 * x


def run(x):
    """Result of the kernel as a new process would make it, and how often it came from the cache."""
    compiled = kernel(sevenfold)
    return compiled(x), sum(compiled.stats.cache_hits.values())


GONE = {
    "a type that is gone": b"ceqci_space.machine.kernels\n_NoSuchType\n.",
    "a module that is gone": b"ceqci_space.no_such_module\nname\n.",
    "a cut index": b"",
    "no pickle": b"\xff\x00damaged",
}


@pytest.mark.parametrize("content", GONE.values(), ids=GONE)
def test_a_cache_of_another_version_is_begun_anew(tmp_path, monkeypatch, content):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert run(6) == (42, 0)
    assert run(6) == (42, 1)
    (index,) = tmp_path.rglob("*.nbi")
    index.write_bytes(pickle.dumps(numba.__version__, protocol=-1) + content)
    assert run(6) == (42, 0)
    assert run(6) == (42, 1)


PARTS = {
    "constants": "RATE = 10.0\nWEIGHTS = (1, 2)\n",
    "inner": """
import numpy as np
from eqci_space.machine.kernels import kernel
from tiny.constants import WEIGHTS

TABLE = np.array([1.0, 2.0])

@kernel
def added(x, y=0.5):
    return np.floor(x + y) + 1 + WEIGHTS[1] + TABLE[1]
""",
    "middle": """
from eqci_space.machine.kernels import kernel
from tiny.inner import added

@kernel
def passed(x):
    return added(x)
""",
    "outer": """
from eqci_space.machine.kernels import kernel
from tiny import constants
from tiny.middle import passed

@kernel
def scaled(x):
    return constants.RATE * passed(x)
""",
}
CALLEE = PARTS["inner"].replace("+ 1 +", "+ 5 +")


def test_a_new_process_sees_what_was_edited_in_another_module_and_leaves_no_litter(tmp_path):
    package = tmp_path / "tiny"
    package.mkdir()
    (package / "__init__.py").touch()
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    env |= {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "PYTHONDONTWRITEBYTECODE": "1"}
    show = "from tiny.outer import scaled; print(scaled(1.0), *scaled.stats.cache_hits.values())"

    def values(**edits):
        """Result of a new process, and 1 if it came from the cache."""
        for part, text in (PARTS | edits).items():
            (package / f"{part}.py").write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, "-c", show], env=env, capture_output=True, text=True, check=True)
        assert len(list((package / "__pycache__").glob("*.nb?"))) == 6
        return [float(word) for word in done.stdout.split()]

    assert values() == [60.0]
    assert values() == [60.0, 1.0]
    assert values(inner=CALLEE) == [100.0]
    assert values(inner=CALLEE, outer="\n\n" + PARTS["outer"]) == [100.0]
    remarks = {"inner": f"{CALLEE}# a remark\n", "constants": "UNUSED = 1\n" + PARTS["constants"]}
    assert values(**remarks, outer="\n\n" + PARTS["outer"]) == [100.0, 1.0]


def ingredients(monkeypatch, **edits):
    """Of the outer kernel, the modules being made from their text."""
    monkeypatch.setitem(sys.modules, "tiny", types.ModuleType("tiny"))
    for part, text in (PARTS | edits).items():
        module = types.ModuleType(f"tiny.{part}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        setattr(sys.modules["tiny"], part, module)
        exec(text, vars(module))
    return list(kernels._ingredients(sys.modules["tiny.outer"].scaled, set()))


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("inner", "+ 1 +", "+ 5 +"),
        ("inner", "np.floor", "np.ceil"),
        ("inner", "x + y)", "y + x)"),
        ("inner", "y=0.5", "y=0.25"),
        ("inner", "[1.0, 2.0]", "[1.0, 4.0]"),
        ("inner", "[1.0, 2.0]", "[1, 2]"),
        ("constants", "(1, 2)", "(1, 7)"),
        ("constants", "(1, 2)", "(1, 2.0)"),
        ("constants", "10.0", "20.0"),
    ],
)
def test_whatever_goes_into_the_code_names_the_cache(monkeypatch, part, old, new):
    assert old in PARTS[part]
    assert ingredients(monkeypatch, **{part: PARTS[part].replace(old, new)}) != ingredients(monkeypatch)


def test_remarks_and_lines_do_not_name_the_cache(monkeypatch):
    inner = "\n# remark\n" + PARTS["inner"].replace("    return", '    """Words."""\n    return')
    assert ingredients(monkeypatch, inner=inner) == ingredients(monkeypatch)


def test_the_name_of_a_cache_is_the_same_in_every_process():
    """Whatever the seed of hashes and the places in memory."""
    code = (
        "from eqci_space.fiber.replay_steps import _run\nfrom eqci_space.machine import kernels\n"
        "from eqci_space.qkd.simplex import nelder_mead\n"
        "print(*kernels._ingredients([nelder_mead, _run], set()))"
    )
    path = os.pathsep.join(sys.path)
    one, other = (
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    )  # fmt: skip
    assert one == other
    assert "signed_length" in one
    assert " at 0x" not in one

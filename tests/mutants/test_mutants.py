"""The table of seeded faults and its runner: texts are where they are said to be, survivors are found."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.mutants import runner  # noqa: E402
from tests.mutants.runner import Fault, Outcome, check_faults, chosen_faults, load_faults, report, run_faults  # noqa: E402


@pytest.fixture
def toy(tmp_path):
    """A package of one formula with one test, laid out as this project."""
    (tmp_path / "eqci_space").mkdir()
    (tmp_path / "eqci_space" / "__init__.py").write_text("")
    (tmp_path / "eqci_space" / "toy.py").write_text("def area(a, b):\n    return a * b + 0 * a\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_toy.py").write_text(
        "from eqci_space.toy import area\n\n\ndef test_area():\n    assert area(2, 3) == 6\n"
    )
    for name in ("data", "docs", "notebooks"):
        (tmp_path / name).mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    return tmp_path


KILLED = Fault("toy.py", "a * b", "a + b", ("test_toy.py",))
LIVING = Fault("toy.py", "+ 0 * a", "- 0 * a", ("test_toy.py",))
HARMLESS = Fault("toy.py", "+ 0 * a", "+ 0 * b", ("test_toy.py",), "0 times anything is 0")


def test_the_table_holds_at_least_120_faults_that_fit_the_code():
    faults = load_faults()
    check_faults(faults)
    assert len(faults) >= 120
    assert len({fault.file for fault in faults}) >= 30


def test_faults_that_no_longer_fit_are_named(toy):
    check_faults([KILLED, LIVING], toy)
    gone = Fault("toy.py", "a / b", "a", ("test_toy.py",))
    twice = Fault("toy.py", "b", "c", ("test_gone.py",))
    same = Fault("toy.py", "a * b", "a * b", ())
    with pytest.raises(ValueError, match="stands there 0 times") as error:
        check_faults([gone, twice, same, KILLED, KILLED], toy)
    for words in (
        "'a / b'",
        "stands there 2 times",
        "no test file 'tests/test_gone.py'",
        "changes nothing",
        "twice in",
    ):
        assert words in str(error.value)


def test_survivors_are_found_and_the_tree_is_left_alone(toy):
    before = (toy / "eqci_space" / "toy.py").read_bytes()
    outcomes = run_faults([KILLED, LIVING, HARMLESS], jobs=2, root=toy)
    assert [o.noticed for o in outcomes] == [True, False, False]
    assert (toy / "eqci_space" / "toy.py").read_bytes() == before
    lines, code = report(outcomes)
    assert code == 1
    assert lines[0] == "3 faults, 1 noticed, 1 harmless"
    assert f"survived: {LIVING}" in lines
    assert f"harmless: {HARMLESS}; 0 times anything is 0" in lines
    assert report([Outcome(KILLED, True), Outcome(HARMLESS, False)])[1] == 0
    assert report([Outcome(HARMLESS, True)])[0][1].startswith("noticed though called harmless")


def test_a_fault_without_an_end_is_noticed(toy, monkeypatch):
    monkeypatch.setattr(runner, "_LEAST_S", 1.0)
    endless = Fault("toy.py", "    return a * b + 0 * a", "    while True: pass", ("test_toy.py",))
    assert [o.noticed for o in run_faults([endless], root=toy)] == [True]


def test_tests_that_fail_without_a_fault_prove_nothing(toy):
    (toy / "tests" / "test_toy.py").write_text("def test_nothing():\n    assert False\n")
    with pytest.raises(ValueError, match="the tests fail without a fault"):
        run_faults([KILLED], root=toy)


def test_draws_repeat_and_modules_can_be_chosen():
    faults = load_faults()
    drawn = chosen_faults(faults, sample=10, seed=3)
    assert drawn == chosen_faults(faults, sample=10, seed=3)
    assert drawn != chosen_faults(faults, sample=10, seed=4)
    assert {f.file for f in chosen_faults(faults, only="qkd/decoy")} == {"qkd/decoy.py"}
    with pytest.raises(ValueError, match="no fault in a module like 'nothing'"):
        chosen_faults(faults, only="nothing")


@pytest.mark.slow
def test_faults_drawn_at_random_are_noticed():
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "--sample", "6", "--seed", "2"], cwd=ROOT, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

"""Fixtures shared by the tests: the shipped scenario, a study of it, and the Earth orientation of other libraries."""

import os
import signal
from pathlib import Path

import astropy_iers_data
import pytest
from astropy.utils import iers
from skyfield.api import Loader

from eqci_space.scenario import load_scenario
from eqci_space.scenario.changes import with_values
from eqci_space.study import Study

ROOT = Path(__file__).parents[1]
FAST = 'plan_for = "expected_key"\nspare_tolerance = 0.0\n'


@pytest.fixture(scope="session")
def scenario():
    """The shipped week, planned for expected key: fast, and its contacts are those of a proven optimum."""
    return with_values(
        load_scenario("quant-gpicz"), {"schedule.plan_for": "expected_key", "schedule.spare_tolerance": 0.0}
    )


@pytest.fixture(scope="session")
def study(scenario):
    return Study(scenario)


@pytest.fixture(scope="session")
def run_directory(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "quant-gpicz"
    study.save(folder, trials=0)
    return folder


@pytest.fixture
def edited(tmp_path):
    """Write an edited copy of the shipped scenario, planned as `scenario` is, and return its path."""
    text = (ROOT / "data" / "scenarios" / "quant-gpicz.toml").read_text(encoding="utf-8")
    text = text.replace("[schedule]\n", f"[schedule]\n{FAST}")

    def write(*changes: tuple[str, str], extra: str = "") -> Path:
        new = text
        for old, replacement in changes:
            assert old in new, old
            new = new.replace(old, replacement)
        path = tmp_path / "edited.toml"
        path.write_text(new + extra, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def timescale():
    """Skyfield's time scale from the file that the package reads."""
    return Loader(os.path.dirname(astropy_iers_data.IERS_A_FILE)).timescale(builtin=False)


@pytest.fixture
def astropy_orientation():
    """Astropy pinned to the same file, without downloads; the user's settings come back afterwards."""
    table = iers.IERS_A.open(astropy_iers_data.IERS_A_FILE)
    with iers.conf.set_temp("auto_download", False), iers.earth_orientation_table.set(table):
        yield table


def pytest_addoption(parser):
    parser.addoption("--cases-dir", help="directory of reference tables to judge instead of tests/cases")


@pytest.fixture
def hears_interrupts():
    """Interrupts reach this process and those it starts, also where a script that started it ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)

"""Fixtures shared by the tests: the shipped scenario, studies of it, and the Earth orientation of other libraries."""

import fcntl
import os
import pickle
import signal
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import astropy_iers_data
import pytest
from astropy.utils import iers
from skyfield.api import Loader

from eqci_space.scenario import Atmosphere, load_scenario
from eqci_space.scenario.changes import with_values
from eqci_space.study import STAGES, Study

ROOT = Path(__file__).parents[1]
# The files that take longest, in this order: workers begin with them, so that none ends with one alone.
LONGEST = (
    "qkd/test_optimiser.py", "test_notebooks.py", "robustness/test_fuzz_mutations.py", "test_benchmarks.py",
    "mutants/test_mutants.py", "weather/test_outlook.py", "cli/test_processes.py", "machine/test_kill_and_resume.py",
    "schedule/test_edits_and_diff.py", "studies/test_sweeps.py", "schedule/test_simulate.py", "fiber/test_last_mile.py",
    "studies/test_batch.py", "cli/test_runs.py", "test_docs.py", "qkd/test_decoy.py", "orbits/test_oem.py",
    "orbits/test_passes.py", "robustness/test_saved_files.py", "schedule/test_blocks.py", "report/test_dual_outputs.py",
    "fiber/test_resilience.py", "test_formulas.py", "weather/test_field.py", "weather/test_analysis.py",
    "report/test_outputs.py", "linkbudget/test_case_runner.py", "studies/test_replay.py",
)  # fmt: skip
FAST = 'plan_for = "expected_key"\nspare_tolerance = 0.0\n'
UPLINKED = """
name = "UPWARDS"
start = 2027-03-01T12:00:00Z
end = 2027-03-02T12:00:00Z

[[satellite]]
name = "RISER"
[satellite.orbit]
kind = "sun_synchronous"
altitude_km = 500
ltan_h = 22.5
mean_anomaly_deg = 180
epoch = 2027-03-01T12:00:00Z
[satellite.uplink]
transmitter = "ground-13cm-785nm"
receiver = "satellite-30cm-si"
tracked = true
delay_s = 0.001
background_radiance_w_m2_sr_m = { value = 100, source = "assumed: ground of albedo 0.3 under a full moon" }

[stations]
catalogue = "euroqci"
use = ["GRAZ"]
receiver = "ogs-80cm-snspd"

[station.GRAZ]
node = "PRG"
attach = "colocated"

[fiber]
network = "de-pl-cz"
device = "apd-1ghz"

[[demand]]
name = "Prague-Berlin"
between = ["PRG", "BER"]
purpose = "government"
assurance = "any"
keys_256_per_day = 4

[schedule]
plan_for = "expected_key"
"""
"""One satellite that the ground sends to, and one station, for a day."""


def pytest_collection_modifyitems(items):
    """Put the longest files first."""
    rank = {str(ROOT / "tests" / name): i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(str(item.path), len(rank)))


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Return `made(name, compute)`: what `compute()` returns, made by the first process of the session that asks.

    The others wait for it and read it, so that two workers do not both plan the shipped week.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "once"
    folder.mkdir(exist_ok=True)

    def made(name, compute):
        kept = folder / f"{name}.pickle"
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                work = kept.with_suffix(".work")
                work.write_bytes(pickle.dumps(compute()))
                work.rename(kept)
        return pickle.loads(kept.read_bytes())

    return made


class SharedStudy(Study):
    """A study whose stages are made once a session (`once`), each when it is first asked for; to be read only."""

    def __init__(self, scenario, name, once):
        super().__init__(scenario)
        self.made = lambda stage: once(f"{name}-{stage}", lambda: getattr(Study, stage).func(self))


def _shared(stage):
    return cached_property(lambda self: self.made(stage))


for _stage in (*STAGES, "deposits", "contact_keys"):
    setattr(SharedStudy, _stage, _shared(_stage))
    getattr(SharedStudy, _stage).__set_name__(SharedStudy, _stage)


def shipped_week():
    return with_values(
        load_scenario("quant-gpicz"), {"schedule.plan_for": "expected_key", "schedule.spare_tolerance": 0.0}
    )


@pytest.fixture(scope="session")
def scenario():
    """The shipped week, planned for expected key: fast, and its contacts are those of a proven optimum."""
    return shipped_week()


@pytest.fixture(scope="session")
def plain():
    """The shipped week with what can be told by hand: stated air and coupling, no time to acquire, no lock to lose."""
    optics = {
        "coupling": "stated", "coupling_loss_db": 4.0, "acquisition_s": 0.0, "reacquisition_s": 0.0,
        "acquisition_failures": (), "tracking_margin_db": None, "adaptive_optics_modes": 1,
        "adaptive_optics_bandwidth_hz": None, "static_wavefront_rad2": 0.0,
    }  # fmt: skip
    scenario = shipped_week()
    stations = {
        name: station.model_copy(update={"receiver": station.receiver.model_copy(update=optics)})
        for name, station in scenario.stations.items()
    }
    air = Atmosphere(visibility_km=23, aerosol_scale_height_m=1000)
    return scenario.model_copy(update={"stations": stations, "atmosphere": air})


@pytest.fixture(scope="session")
def study(scenario, once):
    return SharedStudy(scenario, "expected", once)


@pytest.fixture(scope="session")
def shipped_study(once):
    """A study of the shipped week planned as it is shipped, for delivery over skies."""
    return SharedStudy(load_scenario("quant-gpicz"), "shipped", once)


@pytest.fixture(scope="session")
def run_directory(study, once, tmp_path_factory):
    """Of `study`; to be read only."""
    return once("run-directory", lambda: _saved(study, tmp_path_factory.mktemp("run") / "quant-gpicz"))


@pytest.fixture(scope="session")
def day_study(scenario, once):
    """One day of `scenario`, where a week is not the point."""
    return SharedStudy(scenario.model_copy(update={"end": scenario.start + timedelta(days=1)}), "day", once)


@pytest.fixture(scope="session")
def day_run(day_study, once, tmp_path_factory):
    """Directory of `day_study`, small enough to be damaged often; to be copied before."""
    return once("day-run", lambda: _saved(day_study, tmp_path_factory.mktemp("day") / "run"))


def _saved(study, folder):
    study.save(folder, trials=0)
    return folder


@pytest.fixture
def edited(tmp_path):
    """Write an edited copy of the shipped scenario, planned as `scenario` is, and return its path."""
    text = (ROOT / "data" / "scenarios" / "quant-gpicz.toml").read_text(encoding="utf-8")
    text = text.replace("[schedule]\n", f"[schedule]\n{FAST}")

    return _editor(text, tmp_path / "edited.toml")


def _editor(text, path):
    """A function that writes a text with changes, each of which has to fit, and returns its path."""

    def write(*changes: tuple[str, str], extra: str = "") -> Path:
        new = text
        for old, replacement in changes:
            assert old in new, old
            new = new.replace(old, replacement)
        path.write_text(new + extra, encoding="utf-8")
        return path

    return write


@pytest.fixture
def upwards(tmp_path):
    """Write an edited copy of the scenario with an uplink and return its path."""

    return _editor(UPLINKED, tmp_path / "upwards.toml")


@pytest.fixture(scope="session")
def uplinked(tmp_path_factory):
    """The scenario with an uplink."""
    path = tmp_path_factory.mktemp("uplink") / "upwards.toml"
    path.write_text(UPLINKED, encoding="utf-8")
    return load_scenario(path)


@pytest.fixture(scope="session")
def uplink_study(uplinked, once):
    return SharedStudy(uplinked, "uplink", once)


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

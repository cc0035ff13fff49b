"""Surroundings that turn against a run: a clock far ahead of the data, no place for caches, interrupts."""

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numba
import numpy as np
import pytest

from eqci_space.errors import ModelValidityWarning, TimeError
from eqci_space.machine import kernels
from eqci_space.orbits import earth
from eqci_space.orbits.earth import julian_date, orientation_end, to_earth_fixed, utc_to_tai
from eqci_space.orbits.sky import make_sky
from eqci_space.study import Study

PACKAGE = Path(__file__).resolve().parents[2] / "eqci_space"

# ---------------------------------------------------------------- a clock ahead of the data


@pytest.mark.parametrize(
    "start", [orientation_end() + timedelta(days=3 * 365), datetime(2095, 3, 1, tzinfo=UTC)], ids=["3 years", "2095"]
)
def test_a_period_far_beyond_the_orientation_table_runs_with_one_warning(scenario, tmp_path, start):
    start = start.replace(hour=12)
    later = scenario.model_copy(update={"start": start, "end": start + timedelta(days=1), "variants": ()})
    earth._warn_beyond_table.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study = Study(later)
        if start.year < 2050:
            study.save(tmp_path / "run", trials=0)
        else:
            _ = study.candidates
    assert [(w.category, str(w.message)[:22]) for w in caught] == [(ModelValidityWarning, "Earth orientation ends")]
    assert 10 <= len(study.passes) <= 20
    assert not study.windows.empty


def test_no_module_reads_the_clock_but_to_measure_how_long_a_stage_took():
    # What a run says must not depend on when it is made.
    readers = ("datetime.now", "utcnow", "time.time(", "Timestamp.now", "Timestamp.today", "date.today", "now(UTC")
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not [r for r in readers if r in text], path.name


def test_atomic_time_of_any_year_is_that_of_the_known_leap_seconds():
    # TAI - UTC has been 37 s since 2017 (IERS Bulletin C 52); it was 10 s when leap seconds began in 1972.
    for year, seconds in ((1972, 10), (2017, 37), (2030, 37), (2095, 37)):
        day, part = utc_to_tai(*julian_date(datetime(year, 3, 1, tzinfo=UTC), np.zeros(1)))
        whole, fraction = julian_date(datetime(year, 3, 1, tzinfo=UTC), np.zeros(1))
        assert (day - whole + part - fraction) * 86400 == pytest.approx(seconds, abs=1e-4)
    with pytest.raises(TimeError, match="no date that ERFA knows"):
        utc_to_tai(np.array([-1e6]), np.zeros(1))


def test_rotations_and_sky_of_far_years_are_silent():
    start = datetime(2095, 7, 1, tzinfo=UTC)
    jd, fraction = julian_date(start, np.arange(3.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=ModelValidityWarning)
        assert np.isfinite(to_earth_fixed("GCRF", jd, fraction)).all()
        make_sky(start, start + timedelta(days=1))


# ---------------------------------------------------------------- no place for compiled kernels

STAGE = """
import sys
from datetime import timedelta
import eqci_space
from eqci_space.orbits.passes import find_passes
from eqci_space.scenario import load_scenario

scenario = load_scenario("quant-gpicz")
passes = find_passes(scenario.model_copy(update={"end": scenario.start + timedelta(hours=12)}))
print(eqci_space.__file__, len(passes))
"""


def run_stage(package, **environment):
    """Passes of half a day in another process; what it printed. No cache of bytecode is written either."""
    env = {**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run([sys.executable, "-c", STAGE], capture_output=True, text=True, cwd="/", env=env, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    where, count = done.stdout.split()
    assert Path(where).is_relative_to(package)
    assert not done.stderr
    return int(count)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A copy of package and data that cannot be written: by its modes, and for root because a file bars the caches."""
    root = tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, root / "eqci_space", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parent / "data", root / "eqci_space" / "_data")
    folders = [p for p in (root / "eqci_space").rglob("*") if p.is_dir() and "_data" not in p.parts]
    for folder in (root / "eqci_space", *folders):
        (folder / "__pycache__").touch()
        folder.chmod(0o555)
    yield root
    for folder in (root / "eqci_space", *folders):
        folder.chmod(0o755)


@pytest.mark.slow
def test_a_read_only_installation_without_a_home_runs(installed, tmp_path):
    (tmp_path / "file").touch()
    nowhere = str(tmp_path / "file")  # a file in place of a folder bars root as well
    before = sorted(installed.rglob("*"))
    assert run_stage(installed, NUMBA_CACHE_DIR=nowhere, HOME=nowhere, XDG_CACHE_HOME=nowhere) == 8
    assert sorted(installed.rglob("*")) == before


def sixfold(x):
    return 6 * x


def test_a_kernel_is_cached_where_a_cache_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert kernels.kernel(sixfold)(7) == 42
    again = kernels.kernel(sixfold)
    assert again(7) == 42
    assert sum(again.stats.cache_hits.values()) == 1


def test_a_kernel_works_where_no_cache_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [numba.core.caching.UserProvidedCacheLocator])
    assert kernels.kernel(sixfold)(7) == 42


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_kernel_works_when_the_disk_of_its_cache_is_full_or_gone(tmp_path, monkeypatch, when):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    compiled = kernels.kernel(sixfold)
    if when == "before":
        shutil.rmtree(tmp_path / "cache")
        (tmp_path / "cache").touch()
    else:

        def full(self, path, data):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(numba.core.caching.IndexDataCacheFile, "_save_data", full)
    assert compiled(7) == 42
    assert compiled(7.5) == 45.0


# ---------------------------------------------------------------- interrupts

DRIVER = """
import sys, time
from eqci_space.machine.parallel import run_chunks

def slow(chunk):
    time.sleep(0.2)
    return chunk * 2

if __name__ == "__main__":
    import driver
    print(run_chunks(driver.slow, list(range(20)), jobs=2, checkpoint="kept", progress=lambda n: None)[19])
"""


@pytest.mark.usefixtures("hears_interrupts")
def test_ctrl_c_in_a_run_of_two_processes_keeps_finished_chunks(tmp_path):
    """The signal goes to the whole group, as a terminal sends it."""
    (tmp_path / "driver.py").write_text(DRIVER, encoding="utf-8")

    def start():
        return subprocess.Popen(
            [sys.executable, "driver.py"], cwd=tmp_path, start_new_session=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )  # fmt: skip

    def kept():
        return sorted(p.name for p in (tmp_path / "kept").glob("[0-9a-f]*.json"))

    first, limit = start(), time.monotonic() + 120
    while len(kept()) < 3 and time.monotonic() < limit:
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGINT)
    _, err = first.communicate(timeout=60)
    assert first.returncode != 0
    assert "KeyboardInterrupt" in err
    finished = kept()
    assert 3 <= len(finished) < 20
    stamps = {name: (tmp_path / "kept" / name).stat().st_mtime_ns for name in finished}
    second = start()
    out, err = second.communicate(timeout=120)
    assert (second.returncode, out.strip()) == (0, "38"), err
    assert len(kept()) == 20
    assert {name: (tmp_path / "kept" / name).stat().st_mtime_ns for name in finished} == stamps

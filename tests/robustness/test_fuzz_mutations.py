"""Two thousand mutations of a file of every reader: read, or refused by an error of ours, soon and in little memory."""

import resource
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from fuzz import LARGEST_MB, LONGEST_S, fuzz, readers

NAMES = (
    "run.json", "contacts.parquet", "delivery.parquet", "previous calendar", "check-point value", "check-point note",
    "check-point table", "batch.json", "windows.parquet", "parquet", "geopackage", "netcdf", "zip", "weather csv",
    "oem", "oem in xml", "omm", "omm in xml", "closures", "nodes", "links", "tle", "scenario", "sites", "horizon mask",
)  # fmt: skip
FEW, MANY = 40, 2000


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return readers(tmp_path_factory.mktemp("fuzz"))


def test_every_reader_is_fuzzed(files):
    assert set(files) == set(NAMES)


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def check(reader, inputs, first):
    before = peak_mb()
    reader.read(reader.path)  # the sound file
    found = fuzz(reader, inputs, first=first)
    assert found.uncaught == {}
    assert sum(found.counts.values()) == inputs
    assert found.slowest_s < LONGEST_S
    assert peak_mb() - before < LARGEST_MB
    reader.read(reader.path)


@pytest.mark.parametrize("name", NAMES)
def test_mutations_are_read_or_refused(files, name):
    check(files[name], FEW, 10**6)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_thousands_of_mutations_are_read_or_refused(files, name):
    check(files[name], MANY, 0)

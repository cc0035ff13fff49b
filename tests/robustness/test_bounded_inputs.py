"""Files that are no files, and files that declare far more than they hold: refused at once."""

import json
import os
import zipfile

import netCDF4
import pytest

from eqci_space.errors import EqciError
from eqci_space.files.csv_rows import keyed_rows
from eqci_space.orbits.elements_io import read_elements
from eqci_space.orbits.oem_io import read_oem
from eqci_space.report.run_io import load_run
from eqci_space.scenario import load_scenario
from eqci_space.scenario.calendars_io import read_maintenance
from eqci_space.scenario.horizons_io import read_horizon_mask
from eqci_space.studies.batch import load_batch
from eqci_space.weather.weather_io import read_weather

DEEP = "[" * 100_000
SITES = {"A": (47.9, 11.1)}
READERS = {
    "x.csv": lambda p: keyed_rows(p, "ogs"), "mask.csv": read_horizon_mask, "x.toml": load_scenario,
    "x.tle": read_elements, "x.json": read_elements, "x.oem": read_oem, "w.csv": read_weather,
    "w.nc": lambda p: read_weather(p, sites=SITES), "batch.json": lambda p: load_batch(p.parent),
    "run.json": lambda p: load_run(p.parent),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_pipes_and_devices_are_refused_without_waiting(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(EqciError, match=r"is a pipe, socket or device; save its|no run\.json|no (such )?file"):
        READERS[name](tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(EqciError):
        READERS[name](tmp_path / name)


def test_nested_json_of_a_batch_is_refused(tmp_path):
    (tmp_path / "batch.json").write_text(DEEP, encoding="utf-8")
    with pytest.raises(EqciError, match="no finished batch"):
        load_batch(tmp_path)


@pytest.mark.parametrize("form", ["NETCDF4", "NETCDF3_CLASSIC"])
def test_a_grid_of_endless_axes_is_refused(tmp_path, form):
    with netCDF4.Dataset(tmp_path / "x.nc", "w", format=form) as grid:
        for name, length in (("time", 2), ("latitude", 100_000_000), ("longitude", 2)):
            grid.createDimension(name, length)
        if form == "NETCDF4":
            grid.createVariable("latitude", "f8", ("latitude",), chunksizes=(1_000_000,))
        grid.createVariable("tcc", "f4", ("time", "longitude"))
    assert (tmp_path / "x.nc").stat().st_size < 100_000
    with pytest.raises(EqciError, match="dimension 'latitude' declares 100000000 values; expected at most 5000000"):
        read_weather(tmp_path / "x.nc", sites=SITES)


def test_a_packed_file_of_endless_content_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", b"0" * 300_000_000)
    with pytest.raises(EqciError, match=r"member x\.csv has 300000000 bytes; expected at most 256000000"):
        read_weather(tmp_path / "x.zip", sites=SITES)


def test_a_member_without_a_name_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("name", b"x")
    content = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(content.replace(b"name", b"\0ame"))
    with pytest.raises(EqciError):
        read_weather(tmp_path / "x.zip", sites=SITES)


def test_maintenance_from_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "m.ics")
    with pytest.raises(EqciError, match="is a pipe, socket or device"):
        read_maintenance(tmp_path / "m.ics", *_period())


def _period():
    from datetime import UTC, datetime

    return datetime(2027, 3, 1, tzinfo=UTC), datetime(2027, 3, 2, tzinfo=UTC)


def test_numbers_of_many_digits_are_read_in_linear_time(tmp_path):
    record = json.dumps([{"OBJECT_NAME": "X", "MEAN_MOTION": "1" * 400_000 + "x"}])
    (tmp_path / "x.json").write_text(record, encoding="utf-8")
    with pytest.raises(EqciError):
        read_elements(tmp_path / "x.json")
    (tmp_path / "w.csv").write_text(f"site,time,cloud_fraction\nA,2027-03-01T00:00Z,{'1' * 400_000}x\n")
    with pytest.raises(EqciError):
        read_weather(tmp_path / "w.csv")

"""Weather files: every form of the same truth gives one table, and every known trap is refused or reported."""

from __future__ import annotations

import json
import random
import sys
import warnings
import zipfile
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqci_space.errors import BadRecordWarning, DataError, EqciWarning, TableError, TimeError
from eqci_space.weather.weather_io import read_weather, write_weather_csv

START = datetime(2027, 2, 28, 20, tzinfo=UTC)
TIMES = [START + timedelta(hours=h) for h in range(10)]
COVER = [0.0, 0.1875, 0.4375, 0.75, 1.0, 0.75, 0.0, 0.4375, 0.1875, 1.0]
LOW = [0.0, 0.125, 0.25, 0.5, 1.0, 0.5, 0.0, 0.25, 0.125, 1.0]
GROUPS = {0.0: "SKC", 0.1875: "FEW020", 0.4375: "FEW010 SCT030", 0.75: "SCT010 BKN040CB", 1.0: "OVC005"}
PLACE = (52.20, 21.03)
SITES = {"WARSAW": PLACE}
LATITUDES = np.arange(52.75, 51.5, -0.25)
LONGITUDES = np.arange(20.5, 21.75, 0.25)
COLUMNS = [
    "site", "time", "cloud_fraction", "low_fraction", "mid_fraction", "high_fraction", "cover_kind", "visibility_m",
    "source",
]  # fmt: skip
PACKED = 2e-5


# ---------------------------------------------------------------- fixtures, all built here


def on_grid(values, latitudes=LATITUDES, longitudes=LONGITUDES, place=PLACE):
    """Values at the cell of the site; every other cell holds 0.33."""
    grid = np.full((len(values), len(latitudes), len(longitudes)), 0.33)
    i = int(np.argmin(abs(latitudes - place[0])))
    j = int(np.argmin(abs((longitudes - place[1] + 180) % 360 - 180)))
    grid[:, i, j] = values
    return grid


def legacy_netcdf(
    path,
    fields=None,
    *,
    latitudes=LATITUDES,
    longitudes=LONGITUDES,
    expver=None,
    times=TIMES,
    place=PLACE,
    form="NETCDF3_64BIT_OFFSET",
    units="(0 - 1)",
    scale=1.0,
):
    """The layout before September 2024; `expver` gives for each version the times that it has."""
    import netCDF4

    fields = {"tcc": COVER, "lcc": LOW} if fields is None else fields
    epoch = datetime(1900, 1, 1, tzinfo=UTC)
    with netCDF4.Dataset(path, "w", format=form) as data:
        axes = {"time": times, "latitude": latitudes, "longitude": longitudes}
        for axis, values in axes.items():
            data.createDimension(axis, len(values))
        time = data.createVariable("time", "i4", ("time",))
        time.setncatts({"units": "hours since 1900-01-01 00:00:00.0", "calendar": "gregorian", "long_name": "time"})
        time[:] = [round((t - epoch).total_seconds() / 3600) for t in times]
        for axis in ("latitude", "longitude"):
            data.createVariable(axis, "f4", (axis,))[:] = axes[axis]
        names = ("time", "latitude", "longitude")
        if expver:
            data.createDimension("expver", len(expver))
            data.createVariable("expver", "i4", ("expver",))[:] = list(expver)
            names = ("time", "expver", "latitude", "longitude")
        for name, values in fields.items():
            variable = data.createVariable(name, "i2", names, fill_value=-32767)
            variable.setncatts({"scale_factor": scale / 65532, "add_offset": 0.5 * scale, "units": units})
            grid = on_grid(values, latitudes, longitudes, place) * scale
            if expver:
                layers = [np.where(np.isin(np.arange(len(times)), kept)[:, None, None], grid, np.nan)
                          for kept in expver.values()]  # fmt: skip
                grid = np.stack(layers, axis=1)
            variable[:] = np.ma.masked_array(np.nan_to_num(grid), np.isnan(grid))
    return path


def new_netcdf(path, fields=None, *, times=TIMES, number=None, units="(0 - 1)"):
    """The layout since September 2024; `number` adds ensemble members as a dimension."""
    import netCDF4

    fields = {"tcc": COVER, "lcc": LOW} if fields is None else fields
    with netCDF4.Dataset(path, "w", format="NETCDF4") as data:
        data.createDimension("valid_time", len(times))
        data.createDimension("latitude", len(LATITUDES))
        data.createDimension("longitude", len(LONGITUDES))
        time = data.createVariable("valid_time", "i8", ("valid_time",))
        time.setncatts({"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"})
        time[:] = [round(t.timestamp()) for t in times]
        data.createVariable("latitude", "f8", ("latitude",))[:] = LATITUDES
        data["latitude"].setncatts({"units": "degrees_north", "stored_direction": "decreasing"})
        data.createVariable("longitude", "f8", ("longitude",))[:] = LONGITUDES
        version = data.createVariable("expver", str, ("valid_time",))
        version[:] = np.array(["0001"] * (len(times) - 1) + ["0005"], dtype=object)
        names = ("valid_time", "latitude", "longitude")
        if number:
            data.createDimension("number", number)
            names = ("number", *names)
        data.createVariable("number", "i8", ("number",) if number else ())[...] = np.arange(number) if number else 0
        for name, values in fields.items():
            variable = data.createVariable(name, "f4", names, fill_value=np.float32(np.nan))
            variable.setncatts({"units": units, "GRIB_paramId": 164, "coordinates": "number valid_time expver"})
            variable[:] = np.broadcast_to(on_grid(values), (*([number] if number else []), *on_grid(values).shape))
    return path


def zipped(path, members):
    """A ZIP under any name; `members` gives name -> bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def grib(path, messages=None, *, missing=(), grid="regular_ll", edition=1):
    """GRIB with one message per (variable, hour index): ECMWF's fractions (edition 1) or DWD's percent (edition 2)."""
    from cfgrib.messages import Message

    numbers = {"tcc": 164, "lcc": 186, "mcc": 187, "hcc": 188, "t": 130}
    fields = {"tcc": on_grid(COVER), "lcc": on_grid(LOW), "t": on_grid(COVER) + 280}
    with open(path, "wb") as file:
        for name, hour in messages or [("tcc", h) for h in range(len(TIMES))]:
            message = Message.from_sample_name(f"regular_ll_sfc_grib{edition}" if grid == "regular_ll" else grid)
            keys = {"centre": "ecmf", "table2Version": 128, "indicatorOfParameter": numbers[name]}
            if edition == 2:
                keys = {"centre": "edzw", "paramId": {"tcc": 228164, "lcc": 3073}[name]}
            if grid == "regular_ll":
                keys |= {
                    "Ni": len(LONGITUDES), "Nj": len(LATITUDES), "latitudeOfFirstGridPointInDegrees": LATITUDES[0],
                    "latitudeOfLastGridPointInDegrees": LATITUDES[-1],
                    "longitudeOfFirstGridPointInDegrees": LONGITUDES[0],
                    "longitudeOfLastGridPointInDegrees": LONGITUDES[-1], "iDirectionIncrementInDegrees": 0.25,
                    "jDirectionIncrementInDegrees": 0.25,
                }  # fmt: skip
            keys |= {"dataDate": int(f"{TIMES[hour]:%Y%m%d}"), "dataTime": TIMES[hour].hour * 100, "bitsPerValue": 16}
            for key, value in keys.items():
                message[key] = value
            if grid == "regular_ll":
                values = fields[name][hour].ravel() * (100 if edition == 2 else 1)
                if hour in missing:
                    message["bitmapPresent"] = 1
                    values = np.where(values == 0.33, values, message["missingValue"])
                message["values"] = values
            message.write(file)
    return path


def open_meteo(cover=None, *, old=False, offset_h=0, place=PLACE, **changes):
    """An answer of Open-Meteo for one place, times in local clock."""
    total, low = ("cloudcover", "cloudcover_low") if old else ("cloud_cover", "cloud_cover_low")
    cover = [c * 100 for c in COVER] if cover is None else cover
    answer = {
        "latitude": place[0] + 0.05, "longitude": place[1] - 0.04, "generationtime_ms": 0.1, "elevation": 113.0,
        "utc_offset_seconds": offset_h * 3600, "timezone": "GMT", "timezone_abbreviation": "GMT",
        "hourly_units": {"time": "iso8601", total: "%", low: "%", "visibility": "m"},
        "hourly": {
            "time": [f"{t + timedelta(hours=offset_h):%Y-%m-%dT%H:%M}" for t in TIMES],
            total: cover, low: [c * 100 for c in LOW], "visibility": [10000.0] * len(TIMES),
        },
    }  # fmt: skip
    return answer | changes


def metar_lines(stamp="{:%Y-%m-%dT%H:%MZ} ", prefix="METAR "):
    reports = [f"EPWA {t:%d%H%M}Z 24008KT 9999 {GROUPS[c]} 05/01 Q1015" for t, c in zip(TIMES, COVER, strict=True)]
    return [f"{stamp.format(t)}{prefix}{r} NOSIG=" for t, r in zip(TIMES, reports, strict=True)]


def epw_text(times=TIMES, cover=None, *, zone_h=1.0, city="Warszawa Okęcie", years=None, visibility="10.0"):
    """EPW in local standard time with hours 1 to 24."""
    head = [
        f"LOCATION,{city},MZ,POL,TEST,123750,52.17,20.97,{zone_h},106.0", "DESIGN CONDITIONS,0",
        "TYPICAL/EXTREME PERIODS,0", "GROUND TEMPERATURES,0", "HOLIDAYS/DAYLIGHT SAVINGS,No,0,0,0",
        "COMMENTS 1,made by a test", "COMMENTS 2,", "DATA PERIODS,1,1,Data,Sunday, 1/ 1,12/31",
    ]  # fmt: skip
    lines = []
    for i, (time, value) in enumerate(zip(times, COVER if cover is None else cover, strict=True)):
        ending = time + timedelta(hours=zone_h)
        began = ending - timedelta(hours=1)
        year = years[i] if years else began.year
        row = [year, began.month, began.day, began.hour + 1, 0, "?9?9"] + ["1"] * 29
        row[22], row[23], row[24] = (value if isinstance(value, str) else f"{value * 10:g}"), "0", visibility
        lines.append(",".join(map(str, row)))
    return "\n".join(head + lines) + "\n"


def csv_text(column="cloud_fraction", full=1.0, zone="Z", times=TIMES):
    lines = [f"WARSAW,{t:%Y-%m-%dT%H:%M:%S}{zone},{c * full!r}" for t, c in zip(times, COVER, strict=False)]
    return "\n".join([f"site,time,{column}", *lines]) + "\n"


def put(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


@pytest.fixture
def file(tmp_path):
    """A file of this name and content."""
    return lambda content, name="x.dat": put(tmp_path / name, content)


def without(items, *indices):
    return [x for i, x in enumerate(items) if i not in indices]


# ---------------------------------------------------------------- one truth, many forms


FORMS = {
    "legacy netCDF": (legacy_netcdf, {"sites": SITES}, PACKED, True),
    "legacy netCDF, 0 to 360": (
        lambda p: legacy_netcdf(p, form="NETCDF4"),
        {"sites": {"WARSAW": (52.2, 381.03 - 360)}},
        PACKED,
        True,
    ),
    "legacy netCDF in percent": (lambda p: legacy_netcdf(p, units="%", scale=100.0), {"sites": SITES}, PACKED, True),
    "new netCDF": (new_netcdf, {"sites": SITES}, 0.0, True),
    "new netCDF, one member": (lambda p: new_netcdf(p, number=1), {"sites": SITES}, 0.0, True),
    "GRIB": (grib, {"sites": SITES}, PACKED, False),
    "GRIB edition 2 in percent": (
        lambda p: grib(p, [(v, h) for h in range(10) for v in ("tcc", "lcc")], edition=2),
        {"sites": SITES},
        PACKED,
        True,
    ),
    "mixed GRIB": (
        lambda p: grib(p, [(v, h) for v in ("lcc", "t", "tcc") for h in range(10)]),
        {"sites": SITES},
        PACKED,
        True,
    ),
    "Open-Meteo": (lambda p: put(p, json.dumps(open_meteo())), {"sites": SITES}, 0.0, True),
    "Open-Meteo, a list": (
        lambda p: put(p, json.dumps([open_meteo(place=(40.0, 3.0)), open_meteo()])),
        {"sites": SITES},
        0.0,
        True,
    ),
    "Open-Meteo, old names": (lambda p: put(p, json.dumps(open_meteo(old=True))), {"sites": SITES}, 0.0, True),
    "METAR": (lambda p: put(p, "\n".join(metar_lines())), {}, 0.0, False),
    "METAR with commas": (lambda p: put(p, "\r\n".join(metar_lines("{:%Y-%m-%d %H:%M+00:00},", ""))), {}, 0.0, False),
    "EPW": (lambda p: put(p, epw_text()), {"sites": SITES}, 0.0, False),
    "EPW in Latin-1": (
        lambda p: put(p, epw_text(zone_h=-3.0, city="São Paulo").encode("latin-1")),
        {"sites": SITES},
        0.0,
        False,
    ),
    "CSV": (lambda p: put(p, csv_text()), {}, 0.0, False),
    "CSV in percent": (lambda p: put(p, "# comment\n" + csv_text("cloud_percent", 100)), {}, 0.0, False),
    "CSV in oktas": (lambda p: put(p, "\ufeff" + csv_text("cloud_okta", 8)), {}, 0.0, False),
    "CSV in tenths": (lambda p: put(p, csv_text("cloud_tenths", 10)), {}, 0.0, False),
    "CSV, naive": (
        lambda p: put(p, csv_text("N", 8, "", [t + timedelta(hours=5.5) for t in TIMES])),
        {"utc_offset_h": 5.5, "unit": "okta", "variable": "N"},
        0.0,
        False,
    ),
    "CSV with offsets": (
        lambda p: put(p, csv_text("n_okta", 8, "-02:00", [t - timedelta(hours=2) for t in TIMES])),
        {"variable": "n_okta"},
        0.0,
        False,
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_truth_gives_the_same_table(tmp_path, form):
    build, options, tolerance, layered = FORMS[form]
    table = read_weather(build(tmp_path / "any.dat"), **options)
    expected = pd.DataFrame({
        "site": pd.Series(["EPWA" if "METAR" in form else "WARSAW"] * 10),
        "time": pd.DatetimeIndex(TIMES).as_unit("ns"),
        "cloud_fraction": COVER,
        "low_fraction": LOW if layered else np.nan,
        "mid_fraction": np.nan,
        "high_fraction": np.nan,
        "cover_kind": pd.Series(["earth" if "netCDF" in form or "GRIB" in form or "Open" in form else "sky"] * 10),
        "visibility_m": 10000.0 if any(k in form for k in ("METAR", "EPW", "Open")) else np.nan,
    })  # fmt: skip
    assert list(table.columns) == COLUMNS
    assert str(table["time"].dtype) == "datetime64[ns, UTC]"
    assert isinstance(table.index, pd.RangeIndex)
    assert table["source"].str.endswith(": any.dat").all()
    assert table.attrs == {"gaps": [], "bad_records": []}
    pd.testing.assert_frame_equal(table.drop(columns="source"), expected, rtol=0, atol=tolerance)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["any.dat"]


# ---------------------------------------------------------------- grids: axes, versions, ZIP, cells


@pytest.mark.parametrize("start", [0.0, -180.0])
@pytest.mark.parametrize("longitude", [-0.1, 359.9, 0.12, 180.0, -180.0, 179.9])
@pytest.mark.parametrize("rising", [False, True])
def test_longitudes_wrap_and_latitudes_run_either_way(tmp_path, start, longitude, rising):
    longitudes = start + np.arange(0, 360, 0.25)
    latitudes = np.sort(LATITUDES) if rising else LATITUDES
    path = legacy_netcdf(tmp_path / "x.nc", {"tcc": COVER}, latitudes=latitudes, longitudes=longitudes,
                         place=(52.2, longitude))  # fmt: skip
    table = read_weather(path, sites={"A": (52.2, longitude)})
    np.testing.assert_allclose(table["cloud_fraction"], COVER, atol=PACKED)


def test_each_site_takes_its_own_nearest_cell_and_nothing_is_interpolated(tmp_path):
    path = new_netcdf(tmp_path / "x.nc")
    table = read_weather(path, sites={"Z": PLACE, "B": (52.40, 21.0), "A": (51.9, 20.4)})
    assert list(table["site"].unique()) == ["A", "B", "Z"]
    found = {site: rows["cloud_fraction"].tolist() for site, rows in table.groupby("site")}
    assert found["Z"] == COVER
    np.testing.assert_allclose([found["A"], found["B"]], 0.33, atol=1e-7)


@pytest.mark.parametrize(
    ("place", "distance"),
    [((52.2, 21.7), "0.82"), ((53.0, 21.0), "1.00"), ((52.2, -21.0), "166.00"), ((51.6, 20.35), "0.85")],
)
@pytest.mark.parametrize("build", [legacy_netcdf, new_netcdf, grib])
def test_a_site_outside_the_grid_is_refused(tmp_path, build, place, distance):
    path = build(tmp_path / "x.nc")
    with pytest.raises(DataError, match=rf"x.nc.*site 'A' at .* is {distance} cells from .* expected at most 0.75"):
        read_weather(path, sites={"A": place})


def test_a_site_at_the_rim_of_the_outermost_cell_is_served(tmp_path):
    assert len(read_weather(new_netcdf(tmp_path / "x.nc"), sites={"A": (52.875, 21.625)})) == 10


def test_preliminary_data_fill_what_final_ones_leave_open(tmp_path):
    versions = {5: range(6, 10), 1: range(7)}
    path = legacy_netcdf(tmp_path / "x.nc", {"tcc": COVER, "lcc": LOW}, expver=versions)
    table = read_weather(path, sites=SITES)
    np.testing.assert_allclose(table["cloud_fraction"], COVER, atol=PACKED)
    np.testing.assert_allclose(table["low_fraction"], LOW, atol=PACKED)


def test_a_time_that_neither_version_has_is_a_gap(tmp_path):
    path = legacy_netcdf(tmp_path / "x.nc", expver={1: range(4), 5: range(6, 10)})
    with pytest.warns(BadRecordWarning, match=r"x.nc: 1 gaps in time: 'WARSAW' 2027-03-01T00:00Z to 2027-03-01T01:00Z"):
        table = read_weather(path, sites=SITES)
    assert table.attrs["gaps"] == [("WARSAW", pd.Timestamp(TIMES[4]), pd.Timestamp(TIMES[5]))]
    assert len(table) == 8


@pytest.mark.parametrize("inner", ["new", "legacy"])
def test_a_zip_named_nc_is_unpacked_and_its_instant_member_taken(tmp_path, inner):
    content = (new_netcdf if inner == "new" else legacy_netcdf)(tmp_path / "inner.nc").read_bytes()
    wrong = new_netcdf(tmp_path / "wrong.nc", {"tcc": COVER[::-1]}).read_bytes()
    stem = "data_stream-oper_stepType-"
    path = zipped(tmp_path / "era5.nc", {f"{stem}accum.nc": wrong, f"{stem}instant.nc": content})
    table = read_weather(path, sites=SITES)
    np.testing.assert_allclose(table["cloud_fraction"], COVER, atol=PACKED)
    assert (table["source"] == "netcdf: era5.nc").all()
    only = zipped(tmp_path / "one.nc", {"any name": content})
    np.testing.assert_allclose(read_weather(only, sites=SITES)["cloud_fraction"], COVER, atol=PACKED)


@pytest.mark.parametrize("names", [[], ["a.nc", "b.nc"], ["a-instant.nc", "b-instant.nc"]])
def test_a_zip_without_a_single_choice_is_refused(tmp_path, names):
    path = zipped(tmp_path / "x.nc", dict.fromkeys(names, b"CDF\x01"))
    with pytest.raises(DataError, match=rf"x.nc: ZIP file with members {', '.join(names) or 'none'}; expected one"):
        read_weather(path, sites=SITES)


@pytest.mark.parametrize("build", [legacy_netcdf, new_netcdf, grib])
@pytest.mark.parametrize("kept", [0.02, 0.31, 0.72, 0.95, 0.999])
@pytest.mark.parametrize("packed", [False, True])
def test_cut_grids_are_refused(tmp_path, build, kept, packed):
    path = build(tmp_path / "x.nc")
    if packed:
        path = zipped(path, {"a.nc": path.read_bytes()})
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(DataError, match=r"x\.nc.*(cut short|begins with)"):
        read_weather(path, sites=SITES)


@pytest.mark.parametrize("build", [legacy_netcdf, new_netcdf, grib])
def test_grids_need_sites_and_no_offset(tmp_path, build):
    path = build(tmp_path / "x.nc")
    with pytest.raises(DataError, match=r"x.nc: a grid needs sites; give sites="):
        read_weather(path)
    with pytest.raises(DataError, match="utc_offset_h has no meaning for"):
        read_weather(path, sites=SITES, utc_offset_h=1.0)


def test_unknown_variables_units_and_members_are_refused(tmp_path):
    path = new_netcdf(tmp_path / "x.nc", {"tc": COVER})
    with pytest.raises(DataError, match=r"x.nc: no variable tcc or .*did you mean 'tc'.*variable="):
        read_weather(path, sites=SITES)
    assert read_weather(path, sites=SITES, variable="tc")["cloud_fraction"].tolist() == COVER
    path = new_netcdf(tmp_path / "y.nc", units="furlong")
    with pytest.raises(DataError, match=r"y.nc: tcc has units 'furlong'; say unit="):
        read_weather(path, sites=SITES)
    assert len(read_weather(path, sites=SITES, unit="fraction")) == 10
    with pytest.raises(
        DataError, match=r"z.nc: tcc has the further dimensions \{'number': 3\}; choose one of each, such"
    ):
        read_weather(new_netcdf(tmp_path / "z.nc", number=3), sites=SITES)


def test_grids_with_two_dimensional_coordinates_or_odd_times_are_refused(tmp_path):
    import netCDF4

    for name in ("curved", "calendar", "plain"):
        with netCDF4.Dataset(tmp_path / name, "w") as data:
            for axis in ("time", "y", "latitude", "longitude"):
                data.createDimension(axis, 3)
            time = data.createVariable("time", "i4", ("time",))
            time[:] = range(3)
            if name == "calendar":
                time.setncatts({"units": "days since 2000-01-01", "calendar": "360_day"})
            data.createVariable("latitude", "f8", ("latitude",))[:] = [1, 2, 3]
            data.createVariable("longitude", "f8", ("longitude",))[:] = [1, 2, 3]
            axes = ("time", "y", "longitude") if name == "curved" else ("time", "latitude", "longitude")
            data.createVariable("tcc", "f4", axes)[:] = 0.5
            data["tcc"].units = "1"
    for name, message in (
        (
            "curved",
            r"curved: tcc has the dimensions \('time', 'y', 'longitude'\); expected time, latitude and longitude",
        ),
        ("calendar", r"calendar: time holds object .* calendar '360_day'; expected times since an epoch"),
        ("plain", r"plain: time holds int32 with units None"),
    ):
        with pytest.raises(DataError, match=message):
            read_weather(tmp_path / name, sites={"A": (2, 2)})


def test_a_grid_in_percent_that_says_fraction_is_refused(tmp_path):
    path = new_netcdf(tmp_path / "x.nc", {"tcc": [c * 100 for c in COVER]})
    with pytest.raises(DataError, match=r"x.nc time step 2 'WARSAW': tcc 18.75 is no fraction; expected 0 to 1; mend"):
        read_weather(path, sites=SITES)
    assert read_weather(path, sites=SITES, unit="percent")["cloud_fraction"].tolist() == COVER
    over = new_netcdf(tmp_path / "y.nc", {"tcc": [1.00005, -0.00005] * 5})
    assert read_weather(over, sites=SITES)["cloud_fraction"].tolist() == [1.0, 0.0] * 5


def test_doubled_and_falling_times_of_a_grid_are_refused(tmp_path):
    times = [*TIMES[:3], TIMES[2], *TIMES[4:]]
    with pytest.raises(
        DataError, match=r"x.nc: times of a site must rise: time step 4 'WARSAW' 2027-02-28T22:00:00Z stands twice"
    ):
        read_weather(legacy_netcdf(tmp_path / "x.nc", times=times), sites=SITES)
    with pytest.raises(
        DataError, match=r"time step 2 'WARSAW' 2027-03-01T04:00:00Z stands behind 2027-03-01T05:00:00Z.*and 4 more"
    ):
        read_weather(new_netcdf(tmp_path / "x.nc", times=TIMES[::-1]), sites=SITES)


# ---------------------------------------------------------------- GRIB


def test_grib_messages_in_any_order_with_layers_missing(tmp_path):
    messages = [("tcc", h) for h in (7, 0, 1, 9, 2, 3, 4, 5, 6, 8)] + [("lcc", 3), ("t", 0)]
    table = read_weather(grib(tmp_path / "x.grib", messages), sites=SITES)
    np.testing.assert_allclose(table["cloud_fraction"], COVER, atol=PACKED)
    assert np.flatnonzero(table["low_fraction"].notna()).tolist() == [3]
    np.testing.assert_allclose(table["low_fraction"][3], LOW[3], atol=PACKED)


def test_one_grib_message_makes_a_table_of_one_row(tmp_path):
    table = read_weather(grib(tmp_path / "x.grib", [("tcc", 3)]), sites=SITES)
    np.testing.assert_allclose(table["cloud_fraction"], [0.75], atol=PACKED)
    assert table["time"].tolist() == [pd.Timestamp(TIMES[3])]


def test_grib_values_behind_the_bitmap_are_a_gap(tmp_path):
    with pytest.warns(BadRecordWarning, match="'WARSAW' 2027-02-28T22:00Z to 2027-02-28T22:00Z"):
        table = read_weather(grib(tmp_path / "x.grib", missing=(2,)), sites=SITES)
    assert len(table) == 9


def test_grib_with_two_messages_of_one_time_is_refused(tmp_path):
    path = grib(tmp_path / "x.grib", [("tcc", 0), ("lcc", 0), ("tcc", 0)])
    with pytest.raises(DataError, match=r"x.grib message 3: tcc of 2027-02-28T20:00Z stands twice"):
        read_weather(path, sites=SITES)


def test_grib_without_cover_or_regular_grid_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"x.grib: no instantaneous tcc; found t \(instant\); name the total cover"):
        read_weather(grib(tmp_path / "x.grib", [("t", 0)]), sites=SITES)
    with pytest.raises(DataError, match=r"y.grib message 1: grid 'reduced_gg'; expected a regular grid"):
        read_weather(grib(tmp_path / "y.grib", [("tcc", 0)], grid="reduced_gg_pl_48_grib1"), sites=SITES)


def test_a_variable_of_another_name_is_taken_on_request(tmp_path):
    table = read_weather(grib(tmp_path / "x.grib", [("lcc", h) for h in range(10)]), sites=SITES, variable="lcc")
    np.testing.assert_allclose(table["cloud_fraction"], LOW, atol=PACKED)
    assert table["low_fraction"].isna().all()


# ---------------------------------------------------------------- Open-Meteo


def test_local_times_are_turned_into_utc_with_a_warning(file):
    path = file(json.dumps(open_meteo(offset_h=2)))
    with pytest.warns(EqciWarning, match=r"x.dat: times are local, \+2 h from UTC") as caught:
        table = read_weather(path)
    assert len(caught) == 1
    assert table["time"].tolist() == [pd.Timestamp(t) for t in TIMES]
    assert table["site"].unique().tolist() == ["52.2500,20.9900"]


def test_unix_times_and_a_missing_offset(file):
    answer = open_meteo()
    del answer["utc_offset_seconds"]
    with pytest.raises(DataError, match=r"x.dat: utc_offset_seconds is missing; state utc_offset_h"):
        read_weather(file(json.dumps(answer)))
    assert len(read_weather(file(json.dumps(answer)), utc_offset_h=0)) == 10
    with pytest.raises(DataError, match="utc_offset_seconds 0 contradicts utc_offset_h 1"):
        read_weather(file(json.dumps(open_meteo())), utc_offset_h=1)
    answer = open_meteo()
    answer["hourly_units"]["time"], answer["hourly"]["time"] = "unixtime", [t.timestamp() for t in TIMES]
    assert read_weather(file(json.dumps(answer)))["time"].tolist() == [pd.Timestamp(t) for t in TIMES]


def test_nulls_are_left_out_and_reported(file):
    cover = [c * 100 for c in COVER]
    cover[3] = cover[4] = cover[9] = None
    with pytest.warns(BadRecordWarning, match="2 gaps in time"):
        table = read_weather(file(json.dumps(open_meteo(cover))), sites=SITES)
    assert table["cloud_fraction"].tolist() == without(COVER, 3, 4, 9)
    assert [(str(a), str(b)) for _, a, b in table.attrs["gaps"]] == [
        (str(TIMES[3]), str(TIMES[4])), (str(TIMES[9]), str(TIMES[9])),
    ]  # fmt: skip
    with pytest.raises(DataError, match="2 gaps in time"):
        read_weather(file(json.dumps(open_meteo(cover))), sites=SITES, on_gap="raise")


@pytest.mark.parametrize(
    ("cover", "message"),
    [
        (
            [0, 50, 104, 100, 0, 0, 0, 0, 0, 0],
            r"hourly record 2 '.*': cloud_cover 104 is no percent; expected 0 to 100",
        ),
        (COVER, r"hourly record 4 '.*': cloud_cover 1 is the largest value, though the unit is percent"),
        ([-1.0] * 10, "cloud_cover -1 is no percent"),
        ([1.0] * 9, r"hourly.cloud_cover: 9 values; expected 10"),
        ([None] * 10, r"no record has a total cloud cover \(cloud_cover\)"),
        ([True] * 10, r"hourly.cloud_cover\[0\] is 'True'; expected a number"),
        (["5"] * 10, r"hourly.cloud_cover\[0\] is '5'; expected a number"),
        ([float("nan")] * 10, r"hourly.cloud_cover\[0\] is 'nan'; expected a number"),
        ([10**400] * 10, r"hourly.cloud_cover\[0\] is '1000"),
        ("none", r"hourly.cloud_cover: no list; expected 10"),
    ],
)
def test_values_that_are_no_percent_are_refused(file, cover, message):
    with pytest.raises(DataError, match=r"x.dat.*" + message):
        read_weather(file(json.dumps(open_meteo(cover))))


def test_a_clear_spell_and_the_stated_unit_are_believed(file):
    assert read_weather(file(json.dumps(open_meteo([0] * 10))))["cloud_fraction"].tolist() == [0.0] * 10
    answer = open_meteo(COVER)
    answer["hourly"]["cloud_cover_low"] = LOW
    table = read_weather(file(json.dumps(answer)), unit="fraction")
    assert table["cloud_fraction"].tolist() == COVER
    assert table["low_fraction"].tolist() == LOW
    dim = read_weather(file(json.dumps(open_meteo([0, 1] * 5))), unit="percent")
    assert dim["cloud_fraction"].tolist() == [0, 0.01] * 5


def test_columns_of_several_models_are_chosen_by_variable(file):
    answer = open_meteo()
    for name in ("cloud_cover", "cloud_cover_low"):
        answer["hourly"][f"{name}_icon_eu"] = answer["hourly"].pop(name)
        answer["hourly_units"][f"{name}_icon_eu"] = "%"
    with pytest.raises(
        DataError, match=r"hourly has no cloud_cover or cloudcover; found cloud_cover_icon_eu, .* by variable="
    ):
        read_weather(file(json.dumps(answer)))
    table = read_weather(file(json.dumps(answer)), variable="cloud_cover_icon_eu")
    assert table["cloud_fraction"].tolist() == COVER
    assert table["low_fraction"].tolist() == LOW


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "an empty list"),
        ("[3]", "a int; expected an object"),
        ("[" * 100_000, "not valid JSON"),
        ('{"latitude": 5', "not valid JSON, perhaps cut short"),
        ('{"error": true, "reason": "Daily limit exceeded"}', "answered with an error: Daily limit exceeded"),
        ('{"latitude": 95, "longitude": 5}', "latitude 95, longitude 5 are of no place"),
        ('{"latitude": 5, "longitude": 5, "utc_offset_seconds": 0}', "hourly or hourly_units is missing"),
        (json.dumps(open_meteo(hourly={"time": []})), "hourly.time is no list of times"),
        (json.dumps(open_meteo(utc_offset_seconds=1e6)), "utc_offset_seconds 1e.06; expected at most 15 h"),
        (json.dumps(open_meteo(hourly_units={"time": "iso8601"})), "hourly_units.cloud_cover is None; expected '%'"),
        (json.dumps([open_meteo(), open_meteo()]), "location 52.2500,20.9900 stands 2 times"),
        (
            json.dumps(open_meteo()).replace("2027-02-28T20:00", "20 h"),
            r"hourly.time\[0\] is '20 h'; expected an ISO 8601",
        ),
        (json.dumps(open_meteo()).replace("2027-02-28T20:00", "0001-01-01T00:00"), "expected the years 1678 to 2261"),
        (json.dumps(open_meteo()).replace('"m"', '"ft"'), "visibility has unit 'ft'; expected 'm'"),
        (json.dumps(open_meteo()).replace("10000.0", "-3"), "visibility -3 m; expected 0 or more"),
        (json.dumps([open_meteo(), open_meteo(place=(1, 1), old=True)]), "location 2: variables and units .* differ"),
    ],
)
def test_malformed_answers_are_refused(file, content, message):
    with pytest.raises(DataError, match=r"x.dat.*" + message):
        read_weather(file(content))


def test_a_site_far_from_every_place_is_refused(file):
    with pytest.raises(
        DataError, match=r"x.dat: site 'B' at 52.6, 21 is 0.35 deg from the nearest place of the file, 52.25"
    ):
        read_weather(file(json.dumps(open_meteo())), sites={"B": (52.6, 21.0)})


# ---------------------------------------------------------------- METAR


@pytest.mark.parametrize(
    ("groups", "cover", "visibility_m", "note"),
    [
        ("9999 SKC", 0.0, 10000.0, ""),
        ("10SM CLR", 0.0, 16093.44, "; CLR: no cloud below 12000 ft; cirrus unknown"),
        ("9999 NSC", 0.0, 10000.0, "; NSC: no cloud below 5000 ft; cirrus unknown"),
        ("AUTO //// NCD", 0.0, np.nan, "; NCD: no cloud below 5000 ft; cirrus unknown"),
        ("CAVOK", 0.0, 10000.0, "; CAVOK: no cloud below 5000 ft; cirrus unknown"),
        ("9999 FEW020 SCT040 BKN100", 0.75, 10000.0, ""),
        ("9999 OVC008 FEW020", 1.0, 10000.0, ""),
        ("9999 SCT///", 0.4375, 10000.0, ""),
        ("0100 FG VV///", 1.0, 100.0, ""),
        ("9999 FEW020TCU TEMPO OVC005", 0.1875, 10000.0, ""),
        ("9999 FEW020 XYZ12 05/01 Q1015 RMK OVC BKN", 0.1875, 10000.0, ""),
        ("9999 FEW020 BECMG SKC", 0.1875, 10000.0, ""),
    ],
)
def test_cover_of_a_report(file, groups, cover, visibility_m, note):
    table = read_weather(file(f"2027-03-01T12:00Z METAR EPWA 011200Z 24008KT {groups}="))
    assert table["cloud_fraction"].tolist() == [cover]
    np.testing.assert_allclose(table["visibility_m"], [visibility_m], rtol=1e-9)
    assert table["source"].tolist() == ["metar: x.dat" + note]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("24008KT 9999 05/01 Q1015", "no cloud group"),
        ("24008KT 9999 ////// 05/01", "no cloud group"),
        ("NIL", "NIL, no report"),
        ("24008KT 9999 BKN0100X", "cloud groups cannot be parsed"),
        ("99999KT 9999 OVC010", "cloud groups cannot be parsed"),
        ("24008KT 9999 FEW010 BKNXX0", "cloud groups cannot be parsed"),
    ],
)
def test_reports_without_cover_are_named_by_line(file, body, problem):
    lines = metar_lines()
    lines[4] = f"{TIMES[4]:%Y-%m-%dT%H:%MZ} METAR EPWA {TIMES[4]:%d%H%M}Z {body}="
    message = rf"1 records without cover: line 5 EPWA 010000Z: {problem} \(nothing was filled in\)"
    with pytest.warns(BadRecordWarning, match=r"1 gaps in time: 'EPWA' 2027-03-01T00:00Z to .*" + message):
        table = read_weather(file("\n".join(lines)))
    assert len(table) == 9
    assert table.attrs["bad_records"] == [f"line 5 EPWA 010000Z: {problem}"]
    with pytest.raises(DataError, match=message):
        read_weather(file("\n".join(lines)), on_gap="raise")


def test_year_and_month_come_from_the_reference_or_from_the_time_in_front(file):
    bare = metar_lines("")
    with pytest.raises(TimeError, match=r"x.dat line 1: '282000Z' has no year and month; .* reference="):
        read_weather(file("\n".join(bare)))
    march = read_weather(file("\n".join(bare[4:])), reference=datetime(2027, 3, 17, tzinfo=UTC))
    assert march["time"].tolist() == [pd.Timestamp(t) for t in TIMES[4:]]
    with pytest.raises(
        DataError, match=r"'EPWA' 2027-03-01T00:00:00Z stands behind 2027-03-28T23:00:00Z; .*cross months"
    ):
        read_weather(file("\n".join(bare)), reference=datetime(2027, 3, 17, tzinfo=UTC))
    with pytest.raises(DataError, match=r"x.dat line 1: time group '302000Z' is no time of 2027-02"):
        read_weather(file("EPWA 302000Z CAVOK"), reference=datetime(2027, 2, 1, tzinfo=UTC))
    issued = read_weather(file("2027-01-01T00:05+01:00 EPWA 312300Z CAVOK\n2027-01-01T00:05Z EPWA 010000Z CAVOK"))
    assert issued["time"].tolist() == [pd.Timestamp("2026-12-31T23:00Z"), pd.Timestamp("2027-01-01T00:00Z")]


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        (
            "2027-03-01T12:00 EPWA 011200Z CAVOK",
            TimeError,
            "'2027-03-01T12:00' has no time zone; write 2027-03-01T12:00Z",
        ),
        ("2027-03-05T12:00Z EPWA 011200Z CAVOK", DataError, "'011200Z' is more than a day from 2027-03-05T12:00Z"),
        ("2027-13-05T12:00Z EPWA 011200Z CAVOK", DataError, "'2027-13-05T12:00Z' is no ISO 8601 time"),
        ("2027-03-01T12:00Z EPWA 012500Z CAVOK", DataError, "'012500Z' is no time of 2027-03"),
        ("TAF EPWA 011130Z 0112/0212 CAVOK", DataError, "'TAF EPWA 011130Z 0112/0212 CAVOK' is no report"),
        ("0001-01-01T00:00Z EPWA 311200Z CAVOK", DataError, "'311200Z' is more than a day"),
        ("2027-03-01T12:00Z EPWA 011200Z CAVOK é", DataError, "is no report"),
    ],
)
def test_lines_that_are_no_report_are_refused(file, line, error, message):
    with pytest.raises(error, match=f"x.dat line 1: .*{message}"):
        read_weather(file(line + "\n"))


def test_a_missing_report_is_a_gap_and_a_special_one_is_none(file):
    lines = metar_lines()
    special = "2027-02-28T21:12Z SPECI EPWA 282112Z 24008KT 9999 OVC005"
    with pytest.warns(BadRecordWarning, match="2027-03-01T00:00Z to 2027-03-01T02:00Z"):
        table = read_weather(file("\n".join([*lines[:2], special, *lines[2:4], *lines[7:]])))
    assert len(table) == 8
    assert len(table.attrs["gaps"]) == 1


def test_stations_are_kept_apart_and_picked_by_name(file):
    lines = [x for line in metar_lines() for x in (line, line.replace("EPWA", "EDDB"))]
    path = file("# two stations\n\n" + "\n".join(lines))
    assert read_weather(path)["site"].tolist() == ["EDDB"] * 10 + ["EPWA"] * 10
    assert read_weather(path, sites={"EPWA": PLACE})["site"].tolist() == ["EPWA"] * 10
    with pytest.raises(DataError, match=r"x.dat: has no site 'LOWW'; it has EDDB, EPWA"):
        read_weather(path, sites={"LOWW": PLACE})


# ---------------------------------------------------------------- EPW


def test_hours_end_and_times_are_local_standard(file):
    text = epw_text([datetime(2027, 12, 31, 22, tzinfo=UTC), datetime(2027, 12, 31, 23, tzinfo=UTC)], [0.5, 1.0])
    rows = text.splitlines()[8:]
    assert [r.split(",")[:5] for r in rows] == [["2027", "12", "31", "23", "0"], ["2027", "12", "31", "24", "0"]]
    table = read_weather(file(text))
    assert [t.isoformat() for t in table["time"]] == ["2027-12-31T22:00:00+00:00", "2027-12-31T23:00:00+00:00"]
    assert table["site"].tolist() == ["Warszawa Okęcie"] * 2


def test_missing_cover_and_visibility(file):
    cover = [f"{c * 10:g}" for c in COVER]
    cover[5] = "99"
    with pytest.warns(BadRecordWarning, match="2027-03-01T01:00Z to 2027-03-01T01:00Z"):
        table = read_weather(file(epw_text(cover=cover, visibility="9999")), sites=SITES)
    assert table["cloud_fraction"].tolist() == without(COVER, 5)
    assert table["visibility_m"].isna().all()


def test_a_typical_year_of_several_years_needs_a_reference(file):
    years = [2003] * 4 + [1999] * 6
    path = file(epw_text(years=years))
    with pytest.raises(DataError, match=r"line 13 '.*' 1999-.* stands behind 2003-.*reference=datetime"):
        read_weather(path)
    table = read_weather(path, reference=datetime(2027, 1, 1, tzinfo=UTC), sites=SITES)
    assert table["time"].tolist() == [pd.Timestamp(t) for t in TIMES]


def test_leap_days_do_not_fit_a_common_year(file):
    times = [datetime(2028, 2, 28, 20, tzinfo=UTC) + timedelta(hours=6 * i) for i in range(10)]
    path = file(epw_text(times))
    assert len(read_weather(path, reference=datetime(2032, 1, 1, tzinfo=UTC))) == 10
    with pytest.raises(DataError, match=r"x.dat line 10: 2027-2-29 is no date"):
        read_weather(path, reference=datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DATA PERIODS", "DATA", "expected eight header lines"),
        (",1.0,106.0", ",,106.0", "line 1: time zone '' is no number"),
        (",1.0,106.0", ",99,106.0", "line 1: latitude 52.17, longitude 20.97, time zone 99 h of no place"),
        ("2027,2,28,22", "2027,2,28,25", "line 10: hour 25, minute 0; expected hours 1 to 24"),
        ("2027,2,28,22", "2027,2,30,22", "line 10: 2027-2-30 is no date"),
        ("2027,2,28,22", "2027,2,x,22", "line 10: day 'x' is no number"),
        (",1.875,0,", ",18.75,0,", "line 10 '.*': total sky cover 18.75 is no tenths; expected 0 to 10"),
        (",1.875,0,10.0", ",1.875,0,-1", "line 10: visibility -1000 m; expected 0 or more"),
        ("2027,2,28,23", "2027,2,28,22", "line 11 '.*' 2027-02-28T21:00:00Z stands twice"),
    ],
)
def test_malformed_typical_years_are_refused(file, old, new, message):
    text = epw_text()
    assert old in text
    with pytest.raises(DataError, match=r"x.dat.*" + message):
        read_weather(file(text.replace(old, new, 1)))


def test_a_typical_year_cut_in_a_line_is_refused(file):
    with pytest.raises(DataError, match=r"x.dat line 18: 13 values; expected 35"):
        read_weather(file(epw_text()[:-50]))


def test_a_typical_year_far_from_the_site_is_refused(file):
    with pytest.raises(DataError, match=r"site 'A' at 50, 20 is 2.17 deg from the nearest place"):
        read_weather(file(epw_text()), sites={"A": (50, 20)})


# ---------------------------------------------------------------- CSV


FIRST = "2027-02-28T20:00:00Z"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (csv_text("cloud_fraction", 100), DataError, "line 3 'WARSAW': cloud_fraction 18.75 is no fraction"),
        (csv_text("cloud_percent", 1), DataError, "line 6 'WARSAW': cloud_percent 1 is the largest value"),
        (csv_text("cloud_okta", 10), DataError, "line 6 'WARSAW': cloud_okta 10 is no okta; expected 0 to 8, 9 or -1"),
        (csv_text("cloud_tenths", 12), DataError, "line 6 'WARSAW': cloud_tenths 12 is no tenths; expected 0 to 10"),
        (csv_text("cloud_fraction", -1), DataError, "cloud_fraction -0.1875 is no fraction"),
        (csv_text(zone=""), TimeError, "line 2: time '2027-02-28T20:00:00' has no time zone; write 2027-.*Z"),
        (csv_text(zone="+25:00"), DataError, "line 2: time '2027-02-28T20:00:00.25:00' is no ISO 8601 time"),
        (csv_text("cover"), DataError, "no column of total cover; expected cloud_fraction, cloud_percent"),
        (csv_text("cloud_okta,cloud_okta"), DataError, "column 'cloud_okta' stands twice"),
        (csv_text("cloud_okta,cloud_tenths"), DataError, "columns cloud_okta and cloud_tenths; expected one"),
        (csv_text().replace("site,", "place,"), DataError, "column 'site' is missing; found"),
        (csv_text().replace("WARSAW", "", 1), DataError, "line 2: site is empty"),
        (csv_text().replace(",0.75", ",1_0", 1), DataError, "line 5, cloud_fraction: '1_0' is no number"),
        (csv_text().replace(",0.75", ",inf", 1), DataError, "line 5, cloud_fraction: 'inf' is no number"),
        (csv_text().replace(",0.75", ",1e999", 1), DataError, "line 5, cloud_fraction: '1e999' is beyond all"),
        (csv_text().replace(",0.75", "", 1), DataError, "line 5: 2 cells; expected 3, as in the header"),
        (csv_text().replace(",0.75", ',"0.75', 1), DataError, "not valid CSV"),
        (csv_text().replace(FIRST, "0001-01-01T00:00:00+05:00"), DataError, "outside the years 1 to 9999"),
        (csv_text().replace(FIRST, "1500-01-01T00:00:00Z"), DataError, "expected the years 1678 to 2261"),
        (csv_text().replace("T22:", "T21:"), DataError, "line 4 'WARSAW' 2027-02-28T21:00:00Z stands twice"),
        (csv_text().replace("-28T22:", "-27T22:"), DataError, "line 4 .* 2027-02-27T22:00:00Z stands behind 2027"),
        ("site,time,cloud_fraction\n", DataError, "no record found; expected at least one line"),
    ],
)  # fmt: skip
def test_malformed_csv_is_refused(file, text, error, message):
    with pytest.raises(error, match=r"x.dat.*" + message):
        read_weather(file(text))


def test_obscured_sky_is_overcast(file):
    text = "site,time,cloud_okta\n" + "".join(f"A,2027-03-01T0{i}:00Z,{v}\n" for i, v in enumerate((9, -1, 8, 0)))
    assert read_weather(file(text))["cloud_fraction"].tolist() == [1.0, 1.0, 1.0, 0.0]


def test_empty_cells_and_left_out_hours_are_gaps(file):
    text = csv_text().replace(",0.75\n", ",\n", 1).splitlines(keepends=True)
    with pytest.warns(BadRecordWarning, match="2 gaps in time") as caught:
        table = read_weather(file("".join(without(text, 6, 7))))
    assert len(caught) == 1
    assert [(a.hour, b.hour) for _, a, b in table.attrs["gaps"]] == [(23, 23), (1, 2)]
    assert len(table) == 7


def test_neighbouring_losses_of_both_sorts_are_one_gap(file):
    text = csv_text().replace(",0.75\n", ",\n", 1).splitlines(keepends=True)
    with pytest.warns(BadRecordWarning, match="1 gaps in time: 'WARSAW' 2027-02-28T23:00Z to 2027-03-01T01:00Z"):
        read_weather(file("".join(without(text, 5, 6))))


def test_each_site_has_its_own_step(file):
    rows = [f"B,2027-03-01T{h:02}:00Z,0.5" for h in range(0, 24, 3)] + [
        f"A,2027-03-01T{h:02}:00Z,0.5" for h in range(6)
    ]
    table = read_weather(file("site,time,cloud_fraction\n" + "\n".join(rows)))
    assert table.attrs["gaps"] == []
    assert table["site"].tolist() == ["A"] * 6 + ["B"] * 8


def test_a_table_survives_its_csv(tmp_path, file):
    lines = [*metar_lines(), "2027-03-01T06:00Z EDDB 010600Z 24008KT CAVOK"]
    first = read_weather(file("\n".join(lines)))
    second = read_weather(new_netcdf(tmp_path / "x.nc"), sites={'Wien, "Nord"': (52.0, 21.0), **SITES})
    for table in (first, second):
        write_weather_csv(table, tmp_path / "out.csv")
        again = read_weather(tmp_path / "out.csv")
        pd.testing.assert_frame_equal(again, table, check_exact=True)
        write_weather_csv(again, tmp_path / "again.csv")
        assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


def test_only_whole_tables_are_written(tmp_path, file):
    table = read_weather(file(csv_text()))
    with pytest.raises(TableError, match="the table lacks 'source'"):
        write_weather_csv(table.drop(columns="source"), tmp_path / "x.csv")
    with pytest.raises(TimeError, match="the times have no zone"):
        write_weather_csv(table.assign(time=table["time"].dt.tz_localize(None)), tmp_path / "x.csv")
    with pytest.raises(DataError, match=r"x.dat line 2: cover_kind 'moon'; expected sky or earth"):
        read_weather(file(csv_text("cloud_okta,cover_kind").replace("\n", ",moon\n").replace("kind,moon", "kind")))


# ---------------------------------------------------------------- arguments and packages


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"on_gap": "ignore"}, DataError, "on_gap 'ignore'; expected 'report' or 'raise'"),
        ({"unit": "eighths"}, DataError, "unit 'eighths'; expected one of fraction, percent, okta, tenths"),
        ({"kind": "bufr"}, DataError, "kind 'bufr'; expected one of netcdf, grib"),
        ({"utc_offset_h": 60}, DataError, "utc_offset_h 60; expected -15 to 15"),
        ({"reference": datetime(2027, 1, 1)}, TimeError, "reference 2027-01-01 00:00:00 has no time zone"),  # noqa: DTZ001
        ({"reference": START}, DataError, "reference has no meaning for csv files"),
        ({"sites": {}}, DataError, "sites is empty"),
        ({"sites": {"A": 5}}, DataError, "site 'A' is 5; expected"),
        ({"sites": {"A": (95, 5)}}, DataError, r"site 'A' at \(95, 5\); expected latitude -90..90"),
    ],
)
def test_arguments_are_checked(file, options, error, message):
    with pytest.raises(error, match=message):
        read_weather(file(csv_text()), **options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with b''; expected netCDF"),
        (b"hello", "begins with b'hello'"),
        (b"\xff\xfe" + csv_text().encode("utf-16-le"), "begins with"),
        (csv_text().encode() + b"\xff", "not UTF-8 text"),
    ],
)
def test_files_of_no_known_form_are_refused(file, content, message):
    with pytest.raises(DataError, match=r"x.dat: " + message):
        read_weather(file(content))


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="read_weather: no file"):
        read_weather(tmp_path / "none.csv")
    with pytest.raises(DataError, match="read_weather: no file"):
        read_weather(tmp_path)


def test_a_stated_kind_is_believed(file):
    with pytest.raises(DataError, match=r"x.dat: not valid JSON"):
        read_weather(file(csv_text()), kind="openmeteo")
    assert len(read_weather(file(csv_text()), kind="csv")) == 10


@pytest.mark.parametrize(
    ("package", "build", "options"),
    [
        ("xarray", legacy_netcdf, {"sites": SITES}),
        ("netCDF4", new_netcdf, {"sites": SITES}),
        ("cfgrib", grib, {"sites": SITES}),
        ("metar", lambda p: put(p, "\n".join(metar_lines())), {}),
    ],
)
def test_a_missing_package_names_the_extra(tmp_path, monkeypatch, package, build, options):
    path = build(tmp_path / "x.dat")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError, match=rf'x.dat.*needs.*{package}.*pip install "eqci-space\[weather\]"'):
        read_weather(path, **options)


# ---------------------------------------------------------------- fuzzing: read, or refused by name


FUZZ = settings(max_examples=150, deadline=None, database=None, derandomize=True)
BINARY = {
    "classic": (legacy_netcdf, {"sites": SITES}),
    "hdf": (new_netcdf, {"sites": SITES}),
    "grib": (lambda p: grib(p, [("tcc", 0), ("lcc", 0), ("tcc", 1)]), {"sites": SITES}),
    "grib2": (lambda p: grib(p, [("tcc", 0), ("lcc", 0), ("tcc", 1)], edition=2), {"sites": SITES}),
    "zip": (lambda p: zipped(p, {"instant.nc": legacy_netcdf(p).read_bytes()}), {"sites": SITES}),
}
TEXT = {
    "openmeteo": (json.dumps(open_meteo(), indent=1), {}),
    "metar": ("\n".join(metar_lines()), {}),
    "epw": (epw_text(), {}),
    "csv": (
        csv_text("cloud_okta,visibility_m,cover_kind").replace("\n", ",9e3,sky\n").replace("kind,9e3,sky", "kind"),
        {},
    ),
}
# What tends to break readers of text: separators, signs, number words, other digits, line ends, NUL, huge numbers.
SNIPPETS = [
    "", " ", "\n", "\r", "\t", "\x00", "\x0c", "\x1c", "\x85", "\u2028", "\ufeff", ",", ",,", '"', "'", "[", "]", "{",
    "}", ":", "-", "+", ".", "_", "e", "1e400", "1e300", "-1e-400", "nan", "NaN", "inf", "-0", "٧", "é", "量", "null",
    "true", "0" * 30, "9" * 30, "0001-01-01T00:00+23:59", "9999-12-31T23:59:59Z", "1600-01-01T00:00Z", "99", "9999",
    "-1", "Z", "#", "CAVOK", "NIL", "////", "OVC///", "VV", "FEWOVC", "TAF", "LOCATION,", "time", "site", "cloud_okta",
    "cloud_percent",
]  # fmt: skip


@pytest.fixture(scope="module")
def binaries(tmp_path_factory):
    """Bytes of a valid file of each binary form."""
    folder = tmp_path_factory.mktemp("valid")
    return {form: build(folder / form).read_bytes() for form, (build, _) in BINARY.items()}


@pytest.fixture(scope="module")
def fuzz_file(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "fuzz.dat"


def reads_or_refuses(path, content, **options):
    """A sound table, or an error that names the file; the table if it was read."""
    path.unlink(missing_ok=True)  # a file overwritten in place may be answered from the cache of HDF5
    put(path, content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            table = read_weather(path, **options)
        except (DataError, TimeError) as error:
            table, message = None, str(error)
    if table is None:
        assert path.name in message
        return None
    assert list(table.columns) == COLUMNS
    assert len(table)
    assert table["cloud_fraction"].between(0, 1).all()
    for column in ("low_fraction", "mid_fraction", "high_fraction"):
        assert (table[column].between(0, 1) | table[column].isna()).all()
    assert not (table["visibility_m"] < 0).any()
    assert table["cover_kind"].isin(["sky", "earth"]).all()
    assert not table.duplicated(["site", "time"]).any()
    assert table.sort_values(["site", "time"]).index.is_monotonic_increasing
    assert all(first <= last for _, first, last in table.attrs["gaps"])
    return table


def mutated_bytes(content, seed):
    """Up to six changed, set or lost bytes, and now and then a cut; the same for a seed."""
    draw, content = random.Random(seed), bytearray(content)
    for _ in range(draw.randint(1, 6)):
        kind, place = draw.randrange(12), draw.randrange(len(content) or 1)
        if kind < 5:
            content[place : place + 1] = bytes([draw.randrange(256)])
        elif kind < 8:
            content[place : place + 4] = bytes(draw.choice((0, 255)) for _ in range(draw.choice((1, 2, 4))))
        elif kind < 11:
            content[place : place + 1] = bytes([content[place] ^ 1 << draw.randrange(8)]) if content else b""
        else:
            content = content[:place]
    return bytes(content)


def mutated_text(text, seed):
    """Up to four changed characters, words or lines; the same for a seed."""
    draw = random.Random(seed)
    for _ in range(draw.randint(1, 4)):
        kind, place, length = draw.randrange(6), draw.randrange(len(text) + 1), draw.choice((0, 1, 2, 5, 30))
        lines = text.split("\n")
        i, j = draw.randrange(len(lines)), draw.randrange(len(lines))
        if kind <= 1:
            text = text[:place] + (draw.choice(SNIPPETS) if kind else "") + text[place + length :]
        elif kind == 2:
            text = text[:place] if draw.random() < 0.3 else text
        elif kind == 3:
            text = "\n".join((*lines[:i], *([lines[i]] * draw.choice((0, 2))), *lines[i + 1 :]))
        elif kind == 4:
            lines[i], lines[j] = lines[j], lines[i]
            text = "\n".join(lines)
        else:
            separator = draw.choice((" ", ","))
            words = text.split(separator)
            words[draw.randrange(len(words))] = draw.choice(SNIPPETS)
            text = separator.join(words)
    return text


@pytest.mark.parametrize("form", BINARY)
@settings(FUZZ, max_examples=100)
@given(seed=st.integers(0, 2**32))
def test_mutated_binary_files_are_read_or_refused(fuzz_file, binaries, form, seed):
    reads_or_refuses(fuzz_file, mutated_bytes(binaries[form], seed), **BINARY[form][1])


@pytest.mark.parametrize("form", TEXT)
@FUZZ
@given(seed=st.integers(0, 2**32), stated=st.booleans())
def test_mutated_text_files_are_read_or_refused(fuzz_file, form, seed, stated):
    reads_or_refuses(fuzz_file, mutated_text(TEXT[form][0], seed), **TEXT[form][1], kind=form if stated else None)


@pytest.mark.parametrize("form", [*BINARY, *TEXT])
def test_files_cut_anywhere_are_read_or_refused(fuzz_file, binaries, form):
    content = binaries[form] if form in BINARY else TEXT[form][0].encode()
    options = (BINARY | TEXT)[form][1]
    cuts = [int(len(content) * i / 61) for i in range(61)] + [len(content) - i for i in range(1, 4)]
    whole = [len(content) * i // 3 for i in range(1, 3)] if form in ("grib", "grib2") else []
    for cut in cuts:
        table = reads_or_refuses(fuzz_file, content[:cut], **options)
        if form in BINARY and cut not in whole:
            assert table is None, cut


CONTENT = st.binary(max_size=200) | st.builds(
    str.__add__,
    st.sampled_from(
        ["", "[", '{"latitude":1,"longitude":2,"hourly":', "LOCATION,", "site,time,cloud_okta\nA,", "EPWA 011200Z "]
    ),
    st.text(max_size=100) | st.lists(st.sampled_from(SNIPPETS)).map("".join),
)


@FUZZ
@given(content=CONTENT, kind=st.sampled_from([None, "openmeteo", "metar", "epw", "csv"]))
def test_arbitrary_text_is_read_or_refused(fuzz_file, content, kind):
    reads_or_refuses(fuzz_file, content, kind=kind)


@settings(FUZZ, max_examples=60)
@given(
    content=st.binary(max_size=200),
    magic=st.sampled_from([b"", b"CDF\x01", b"CDF\x02", b"\x89HDF\r\n\x1a\n", b"GRIB\0\0\x40\x01", b"PK\x03\x04"]),
)
def test_arbitrary_bytes_are_read_or_refused(fuzz_file, content, magic):
    reads_or_refuses(fuzz_file, magic + content, sites=SITES)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@FUZZ
@given(
    field=st.sampled_from(
        ["latitude", "longitude", "utc_offset_seconds", "hourly", "hourly_units", "error"]
        + [(part, name) for part in ("hourly", "hourly_units") for name in ("time", "cloud_cover", "visibility")]
        + [("hourly", name, 2) for name in ("time", "cloud_cover", "visibility")]
    ),
    value=JSON_VALUES,
)
def test_mutated_json_values_are_read_or_refused(fuzz_file, field, value):
    answer = open_meteo()
    *outer, last = (field,) if isinstance(field, str) else field
    place = answer
    for key in outer:
        place = place[key]
    place[last] = value
    reads_or_refuses(fuzz_file, json.dumps(answer))


def test_the_mutations_reach_both_outcomes_in_every_form(fuzz_file, binaries):
    # A fuzzer that is always refused, or never, would test nothing.
    for form, (_, options) in (BINARY | TEXT).items():
        outcomes = set()
        for seed in range(40):
            content = mutated_bytes(binaries[form], seed) if form in BINARY else mutated_text(TEXT[form][0], seed)
            outcomes.add(reads_or_refuses(fuzz_file, content, **options) is None)
        assert outcomes == ({True} if form == "zip" else {True, False}), form  # a ZIP has checksums

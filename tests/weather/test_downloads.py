"""Weather files as services hand them out: airport reports, tables of Open-Meteo, ensembles, forecasts, one point."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqci_space.errors import BadRecordWarning, DataError, EqciWarning, TimeError
from eqci_space.weather.weather_io import read_weather

SITES = {"WARSAW": (52.20, 21.03)}
HOURS = [datetime(2027, 2, 28, 22, tzinfo=UTC) + timedelta(hours=h) for h in range(4)]
GROUPS = ["FEW020", "SCT030", "BKN040", "OVC005"]
COVER = [0.1875, 0.4375, 0.75, 1.0]
BODIES = [f"EPWA {t:%d%H%M}Z 24008KT 9999 {g} 05/01 Q1015" for t, g in zip(HOURS, GROUPS, strict=True)]


def joined(lines):
    return "\n".join(lines) + "\n"


def awc_table(times=HOURS):
    """The cache of the Aviation Weather Center: a preamble, sky_cover twice, newest first."""
    head = ["No errors", "No warnings", "3 ms", "data source=metars", "4 results"]
    names = "raw_text,station_id,observation_time,latitude,longitude,sky_cover,cloud_base_ft_agl,sky_cover,elevation_m"
    rows = [
        f"METAR {b},EPWA,{t:%Y-%m-%dT%H:%M:%SZ},52.16,20.97,SCT,4000,,110" for t, b in zip(times, BODIES, strict=True)
    ]
    return joined([*head, names, *rows[::-1]])


def awc_json():
    entries = [
        {"icaoId": "EPWA", "obsTime": int(t.timestamp()), "reportTime": f"{t:%Y-%m-%d %H:%M:%S}", "rawOb": f"METAR {b}",
         "clouds": [{"cover": "FEW", "base": 2000}]}
        for t, b in zip(HOURS, BODIES, strict=True)
    ]  # fmt: skip
    return json.dumps(entries[::-1])


def awc_xml():
    """The same as XML, newest first, sky conditions as empty elements."""
    rows = [
        f"<METAR><raw_text>METAR {b}</raw_text><station_id>EPWA</station_id>"
        f"<observation_time>{t:%Y-%m-%dT%H:%M:%SZ}</observation_time><sky_condition sky_cover='SCT'/></METAR>"
        for t, b in zip(HOURS, BODIES, strict=True)
    ]
    head = '<?xml version="1.0" encoding="UTF-8"?><response version="1.3"><data_source name="metars"/><errors/>'
    return f"{head}<data num_results='4'>{''.join(rows[::-1])}</data></response>"


def noaa_hourly():
    """Global hourly data: quoted cells, reports among the remarks, rows of other kinds between."""
    rows = [
        f'"12375099999","{t:%Y-%m-%dT%H:%M:%S}","4","52.16","20.96","FM-15","99999","MET{len(b):03d}METAR {b}"'
        for t, b in zip(HOURS, BODIES, strict=True)
    ]
    synop = '"12375099999","2027-02-28T23:30:00","4","52.16","20.96","FM-12","99999","SYN07612375 11658 82408"'
    return joined(
        [
            '"STATION","DATE","SOURCE","LATITUDE","LONGITUDE","REPORT_TYPE","CALL_SIGN","REM"',
            *rows[:2],
            synop,
            *rows[2:],
        ]
    )


def iem(columns, rows, zone="Etc/UTC", separator=","):
    head = ["#DEBUG: Format Typ    -> onlycomma", *([f"#DEBUG: Time Zone    -> {zone}"] if zone else [])]
    return joined([*head, separator.join(columns), *(separator.join(row) for row in rows)])


IEM_REPORTS = [["EPWA", f"{t:%Y-%m-%d %H:%M}", b] for t, b in zip(HOURS, BODIES, strict=True)]
IEM_SKY = [["EPWA", f"{t:%Y-%m-%d %H:%M}", "6.21", g[:3], "M", "M"] for t, g in zip(HOURS, GROUPS, strict=True)]
SKY = ["station", "valid", "vsby", "skyc1", "skyc2", "skyc3"]
REPORTS = {
    "OGIMET text": joined(["#" * 20, "# query made at 03/02/2027", *(
        f"{t:%Y%m%d%H%M} METAR {b}=".replace(" 9999 ", " 9999\n                  ")
        for t, b in zip(HOURS[::-1], BODIES[::-1], strict=True)
    )]),
    "OGIMET table": joined(f"EPWA,{t:%Y,%m,%d,%H,%M},METAR {b}=" for t, b in zip(HOURS, BODIES, strict=True)),
    "IEM": iem(["station", "valid", "metar"], IEM_REPORTS),
    "IEM in a zone of its own": iem(
        ["station", "valid", "metar"],
        [[s, f"{t - timedelta(hours=6):%Y-%m-%d %H:%M}", b] for (s, _, b), t in zip(IEM_REPORTS, HOURS, strict=True)],
        "America/Chicago",
    ),
    "IEM with tabs": iem(["station", "valid", "metar"], IEM_REPORTS, separator="\t"),
    "IEM, sky columns": iem(SKY, IEM_SKY),
    "NOAA, a date over each report": "\n".join(
        f"{t:%Y/%m/%d %H:%M}\n{b}\n" for t, b in zip(HOURS, BODIES, strict=True)
    ),
    "AWC table": awc_table(),
    "AWC JSON": awc_json(),
    "AWC XML": awc_xml(),
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    def put(content, name="x.dat"):
        path = tmp_path / name
        path.unlink(missing_ok=True)
        path.write_bytes(content.encode())
        return path

    return put


# ---------------------------------------------------------------- airport reports


@pytest.mark.parametrize("form", REPORTS)
def test_every_download_of_reports_gives_the_same_table(file, form):
    table = read_weather(file(REPORTS[form]))
    assert table["site"].tolist() == ["EPWA"] * 4
    assert table["time"].tolist() == [pd.Timestamp(t) for t in HOURS]
    assert table["cloud_fraction"].tolist() == COVER
    assert table["visibility_m"].tolist() == pytest.approx([10000.0] * 4, rel=1e-3)
    assert table["cover_kind"].unique().tolist() == ["sky"]
    assert table["source"].str.startswith("metar: ").all()


def test_rows_of_other_kinds_are_passed_over_with_a_word(file):
    with pytest.warns(EqciWarning, match=r"x.dat: 1 rows hold no airport report and were passed over"):
        table = read_weather(file(noaa_hourly()))
    assert table["cloud_fraction"].tolist() == COVER


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("IEM", BODIES[1], "M"),
        ("IEM, sky columns", "6.21,SCT", "6.21,M"),
        ("AWC table", f"METAR {BODIES[1]}", ""),
        ("AWC JSON", f"METAR {BODIES[1]}", "lost"),
        ("AWC XML", f"METAR {BODIES[1]}", "lost"),
    ],
)
def test_a_missing_report_is_a_gap(file, old, new, problem):
    with pytest.warns(BadRecordWarning, match=r"1 gaps in time: 'EPWA' 2027-02-28T23:00Z to .*EPWA: no report"):
        table = read_weather(file(REPORTS[old].replace(new, problem)))
    assert table["cloud_fraction"].tolist() == [COVER[0], *COVER[2:]]


def test_nil_reports_and_corrections_at_one_time(file):
    lines = REPORTS["OGIMET table"].splitlines()
    nil = lines[1].split("24008KT")[0] + "NIL="
    corrected = lines[2].replace("METAR EPWA", "METAR COR EPWA").replace("BKN", "OVC")
    table = read_weather(file(joined([lines[0], nil, *lines[1:2], corrected, *lines[2:]])))
    assert table["cloud_fraction"].tolist() == [COVER[0], COVER[1], 1.0, 1.0]


def test_of_reports_that_contradict_each_other_the_last_counts_with_a_word(file):
    lines = REPORTS["OGIMET table"].splitlines()
    with pytest.warns(EqciWarning, match=r"several reports differ at 'EPWA' 2027-02-28T23:00Z; the last of each"):
        table = read_weather(file(joined([*lines, lines[1].replace("SCT", "OVC")])))
    assert table["cloud_fraction"].tolist() == [COVER[0], 1.0, *COVER[2:]]


def test_sky_columns_need_to_know_the_zone(file):
    content = iem(SKY, IEM_SKY, zone=None)
    with pytest.raises(TimeError, match=r"line 3: valid '2027-02-28 22:00' has no time zone; .*utc_offset_h = 0"):
        read_weather(file(content))
    assert read_weather(file(content), utc_offset_h=0)["time"].tolist() == [pd.Timestamp(t) for t in HOURS]
    with pytest.raises(TimeError, match="has no time zone"):
        read_weather(file(iem(SKY, IEM_SKY, zone="Europe/Warsaw")))


def test_a_site_may_have_another_name_in_the_file(file):
    table = read_weather(file(REPORTS["IEM"]), sites=SITES, names={"WARSAW": "EPWA"})
    assert table["site"].unique().tolist() == ["WARSAW"]
    with pytest.raises(DataError, match=r"has no site 'WARSAW'; it has EPWA; .*names = \{ 'WARSAW' = 'EPWA' \}"):
        read_weather(file(REPORTS["IEM"]), sites=SITES)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (REPORTS["OGIMET table"].replace("02,28,22", "02,31,22"), DataError, "2027-02-31-22-00 is no time"),
        (REPORTS["IEM"] + "EPWA,2027-03-01 02:00\n", DataError, "line 8: 2 cells; expected 3, as in the header"),
        (REPORTS["IEM"].replace("2027-02-28 22:00", "soon"), DataError, "line 4: 'soon' is no ISO 8601 time"),
        (REPORTS["IEM"].replace('EPWA 28', '"EPWA 28'), DataError, "cells; expected|not valid CSV"),
        (awc_json()[:-3], DataError, "not valid JSON, perhaps cut short"),
        ('[{"icaoId": "EPWA", "rawOb": 5}]', DataError, "report 1: has no text rawOb"),
        ('[{"icaoId": "EPWA", "rawOb": "x", "obsTime": 1e99}]', DataError, "report 1: '1e.99' is no ISO 8601 time"),
        (f'[{{"icaoId": "EPWA", "rawOb": "x", "obsTime": {10**30}}}]', DataError, "is no time in seconds since 1970"),
        (awc_xml()[:-30], DataError, "not valid XML"),
        (awc_xml().replace("raw_text", "raw"), DataError, "line 1: a METAR lacks raw_text; download"),
        ('<response><data_source name="metars"/></response>', DataError, "XML without a METAR"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><METAR/>', DataError, "a document type or entity"),
        ("<html><title>403 Forbidden</title></html>", DataError, "is a web page titled '403 Forbidden'"),
    ],
)  # fmt: skip
def test_broken_downloads_are_refused(file, content, error, message):
    with pytest.raises(error, match=rf"x.dat.*({message})"):
        read_weather(file(content))


def test_the_month_can_be_said_in_a_scenario(file):
    with pytest.raises(TimeError, match=r"reference = 2027-03-01T00:00:00Z under \[weather\]"):
        read_weather(file(joined(BODIES)))
    february = read_weather(file(joined(BODIES[:2])), reference=datetime(2027, 2, 1, tzinfo=UTC))
    assert february["time"].tolist() == [pd.Timestamp(t) for t in HOURS[:2]]


# ---------------------------------------------------------------- Open-Meteo


PREAMBLE = "latitude,longitude,elevation,utc_offset_seconds,timezone,timezone_abbreviation\n"
PLACE = "52.25,20.99,107.0,0,GMT,GMT\n"


def hourly(column="cloud_cover (%)", cover=("19", "44", "NaN", "100"), times=HOURS):
    return joined(
        [
            f"time,{column},cloud_cover_low (%)",
            *(f"{t:%Y-%m-%dT%H:%M},{c},0" for t, c in zip(times, cover, strict=True)),
        ]
    )


def test_a_table_of_open_meteo(file):
    with pytest.warns(BadRecordWarning, match="1 gaps in time"):
        table = read_weather(file(f"{PREAMBLE}{PLACE}\n{hourly()}"), sites=SITES)
    assert table["cloud_fraction"].tolist() == [0.19, 0.44, 1.0]
    assert table["low_fraction"].tolist() == [0, 0, 0]
    assert table["time"].tolist() == [pd.Timestamp(t) for t in [*HOURS[:2], HOURS[3]]]
    assert table["cover_kind"].unique().tolist() == ["earth"]


def test_a_table_saved_by_a_spreadsheet_and_of_local_times(file):
    content = f"{PREAMBLE}{PLACE}\n{hourly(cover=('19.5', '44', '75', '100'))}".replace(",0,GMT,GMT", ",3600,CET,CET")
    content = content.replace(".", "|").replace(",", ";").replace("|", ",").replace("\n\n", "\n;;;;;\n")
    with pytest.warns(EqciWarning, match=r"times are local, \+1 h"):
        table = read_weather(file("\ufeffsep=;\r\n" + content.replace("\n", "\r\n")), sites=SITES)
    assert table["cloud_fraction"].tolist() == [0.195, 0.44, 0.75, 1.0]
    assert table["time"].iloc[0] == pd.Timestamp(HOURS[0] - timedelta(hours=1))


def test_a_table_of_several_places(file):
    rows = [f"{i},{t:%Y-%m-%dT%H:%M},{10 * i + k}" for i in range(2) for k, t in enumerate(HOURS)]
    content = joined([f"location_id,{PREAMBLE.strip()}", "0,40.0,3.0,5,0,GMT,GMT", "1,52.25,20.99,107,0,GMT,GMT", "",
                      "location_id,time,cloud_cover (%)", *rows])  # fmt: skip
    assert read_weather(file(content), sites=SITES)["cloud_fraction"].tolist() == [0.1, 0.11, 0.12, 0.13]
    with pytest.raises(DataError, match=r"line 14: location '2' is not among the places"):
        read_weather(file(content + "2,2027-03-01T00:00,5\n"), sites=SITES)


def test_seconds_since_1970_in_a_table(file):
    content = hourly(cover=("1", "2", "3", "4"))
    for t in HOURS:
        content = content.replace(f"{t:%Y-%m-%dT%H:%M}", str(int(t.timestamp())))
    table = read_weather(file(f"{PREAMBLE}{PLACE}\n{content}"), sites=SITES)
    assert table["time"].tolist() == [pd.Timestamp(t) for t in HOURS]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PREAMBLE + PLACE, "expected a place, a blank line and hourly values"),
        (f"{PREAMBLE}{PLACE}\ntime,cloud_cover_mean (%)\n2027-03-01,50\n", "ask for hourly=cloud_cover; means of days"),
        (f"{PREAMBLE}{PLACE}\n{hourly('temperature_2m (°C)')}", "found cloud_cover_low, temperature_2m, time"),
        (f"{PREAMBLE}{PLACE}\n{hourly('cloud_cover')}", "hourly_units.cloud_cover is None; .*unit='percent'"),
        (f"{PREAMBLE}{PLACE}\n{hourly(cover=('1', '2', 'x', '4'))}", r"line 7, cloud_cover \(%\): 'x' is no number"),
        (f"{PREAMBLE}{PLACE}\n{hourly()}\n{hourly('b (%)')}", "a second block of hourly values"),
    ],
)  # fmt: skip
def test_broken_tables_of_open_meteo_are_refused(file, content, message):
    with pytest.raises(DataError, match=rf"x.dat.*{message}"):
        read_weather(file(content), sites=SITES)


def quarters(values, times):
    return {"time": [f"{t:%Y-%m-%dT%H:%M}" for t in times], **values}


def answer(**blocks):
    units = {f"{b}_units": {"time": "iso8601", **dict.fromkeys(v, "%")} for b, v in blocks.items()}
    return {"latitude": 52.25, "longitude": 20.99, "utc_offset_seconds": 0, **blocks, **units}


def test_quarters_of_hours(file):
    times = [HOURS[0] + timedelta(minutes=15 * k) for k in range(5)]
    block = quarters({"cloud_cover": [0, 25, 50, 75, 100]}, times)
    alone = read_weather(file(json.dumps(answer(minutely_15=block))), sites=SITES)
    assert alone["cloud_fraction"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert alone["time"].tolist() == [pd.Timestamp(t) for t in times]
    other = quarters({"temperature_2m": [1, 2, 3, 4]}, HOURS)
    assert len(read_weather(file(json.dumps(answer(hourly=other, minutely_15=block))), sites=SITES)) == 5
    both = answer(hourly=quarters({"cloud_cover": [1, 2, 3, 4]}, HOURS), minutely_15=block)
    assert read_weather(file(json.dumps(both)), sites=SITES)["cloud_fraction"].tolist() == [0.01, 0.02, 0.03, 0.04]
    table = joined(["time,cloud_cover (%)", *(f"{t:%Y-%m-%dT%H:%M},{25 * k}" for k, t in enumerate(times))])
    in_lines = read_weather(file(f"{PREAMBLE}{PLACE}\n{table}"), sites=SITES)
    assert in_lines["cloud_fraction"].tolist() == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("model", ["", "_icon_d2_eps"])
def test_members_of_an_ensemble_are_named(file, model):
    values = {f"cloud_cover{m}{model}": [k, 2, 3, 4] for k, m in enumerate(["", "_member01", "_member02", "_member03"])}
    content = json.dumps(answer(hourly=quarters(values, HOURS)))
    if not model:
        message = (
            r"cloud_cover is the control run .* 3 members cloud_cover_member01 to cloud_cover_member03 were not used"
        )
        with pytest.warns(EqciWarning, match=message + r".*variable = 'cloud_cover_member01'"):
            assert read_weather(file(content), sites=SITES)["cloud_fraction"].iloc[0] == 0
    else:
        with pytest.raises(DataError, match="found cloud_cover_icon_d2_eps, cloud_cover_member01_icon_d2_eps"):
            read_weather(file(content), sites=SITES)
    for k, member in enumerate(["", "_member01", "_member02"]):
        table = read_weather(file(content), sites=SITES, variable=f"cloud_cover{member}{model}")
        assert table["cloud_fraction"].iloc[0] == k / 100


# ---------------------------------------------------------------- grids


def grid(values, dims, coords, *, units="(0 - 1)"):
    import xarray

    return xarray.Dataset({"tcc": (dims, values, {"units": units})}, coords)


PLACES = {"latitude": [52.25, 52.0], "longitude": [20.75, 21.0]}
PLAIN = [np.datetime64(t.replace(tzinfo=None), "ns") for t in HOURS]


def saved(data, tmp_path):
    path = tmp_path / "x.nc"
    path.unlink(missing_ok=True)
    data.to_netcdf(path)
    return path


def over_places(series):
    """The series at the cell of the site, 0.9 elsewhere."""
    values = np.full((*np.shape(series), 2, 2), 0.9)
    values[..., 0, 1] = series
    return values


@pytest.mark.parametrize("stated", ["valid_time", "sum"])
@pytest.mark.parametrize("run", ["axis", "scalar"])
def test_a_forecast_over_run_and_step(tmp_path, stated, run):
    steps = ("step", [0, 1, 2, 3], {"units": "hours"})
    dims, values = ("step", "latitude", "longitude"), over_places(COVER)
    coords = {"step": steps, "time": ((), PLAIN[0]), **PLACES}
    if run == "axis":
        dims, values, coords["time"] = ("time", *dims), values[None], PLAIN[:1]
    if stated == "valid_time":
        valid = np.array(PLAIN) if run == "scalar" else np.array(PLAIN)[None]
        coords["valid_time"] = (dims[:-2], valid)
    table = read_weather(saved(grid(values, dims, coords), tmp_path), sites=SITES)
    assert table["time"].tolist() == [pd.Timestamp(t) for t in HOURS]
    assert table["cloud_fraction"].tolist() == COVER


def test_of_several_runs_the_latest_counts(tmp_path):
    values = over_places([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    coords = {"forecast_reference_time": PLAIN[:2], "forecast_period": ("forecast_period", [0, 1, 2], {"units": "h"})}
    dims = ("forecast_reference_time", "forecast_period", "latitude", "longitude")
    with pytest.warns(EqciWarning, match="several runs tell of the same time; the latest of them counts"):
        table = read_weather(saved(grid(values, dims, coords | PLACES), tmp_path), sites=SITES)
    assert table["time"].tolist() == [pd.Timestamp(t) for t in HOURS]
    assert table["cloud_fraction"].tolist() == [0.1, 0.4, 0.5, 0.6]


def test_a_step_without_unit_is_refused(tmp_path):
    data = grid(
        over_places(COVER), ("step", "latitude", "longitude"), {"step": [0, 1, 2, 3], "time": PLAIN[0], **PLACES}
    )
    with pytest.raises(DataError, match=r"x.nc: step has units None and run 'time'; expected hours after"):
        read_weather(saved(data, tmp_path), sites=SITES)


@pytest.mark.parametrize("axes", [{}, {"latitude": [52.25]}, {"latitude": [52.25], "longitude": [21.0]}])
def test_a_file_of_one_point(tmp_path, axes):
    dims = ("time", *axes)
    coords = {"time": PLAIN, "latitude": 52.25, "longitude": 21.0, **axes}
    path = saved(grid(np.reshape(COVER, (4, *[1] * len(axes))), dims, coords), tmp_path)
    assert read_weather(path, sites=SITES)["cloud_fraction"].tolist() == COVER
    with pytest.raises(DataError, match=r"site 'FAR' at 55, 21 is 11.00 cells from the nearest centre"):
        read_weather(path, sites={"FAR": (55.0, 21.0)})


def test_a_file_without_place_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has the dimensions \('time',\); expected .* or one point with latitude"):
        read_weather(saved(grid(COVER, ("time",), {"time": PLAIN}), tmp_path), sites=SITES)


def test_a_member_is_chosen_by_variable(tmp_path):
    values = over_places([COVER, COVER[::-1], [0.5] * 4])
    data = grid(values, ("number", "time", "latitude", "longitude"), {"number": [0, 1, 7], "time": PLAIN, **PLACES})
    path = saved(data, tmp_path)
    with pytest.raises(DataError, match=r"variable='tcc\[number=0\]' \(number has 0, 1, 7\)"):
        read_weather(path, sites=SITES)
    assert read_weather(path, sites=SITES, variable="tcc[number=0]")["cloud_fraction"].tolist() == COVER
    assert read_weather(path, sites=SITES, variable="tcc[number = 7]")["cloud_fraction"].tolist() == [0.5] * 4
    for variable, message in (
        ("tcc[number=3]", "number has no single value '3'; it has 0, 1, 7"),
        ("tcc[level=3]", "tcc has no axis 'level'; it has number, time, latitude, longitude"),
        ("tcc[3]", r"variable 'tcc\[3\]'; expected such as 'tcc\[number=0\]'"),
    ):
        with pytest.raises(DataError, match=message):
            read_weather(path, sites=SITES, variable=variable)


@pytest.mark.parametrize("units", ["(0-1)", "0-1", "0 - 1", "[0 - 1]", "( 0 - 1 )", "1", "Fraction"])
def test_spellings_of_a_fraction(tmp_path, units):
    data = grid(over_places(COVER), ("time", "latitude", "longitude"), {"time": PLAIN, **PLACES}, units=units)
    assert read_weather(saved(data, tmp_path), sites=SITES)["cloud_fraction"].tolist() == COVER


# ---------------------------------------------------------------- fuzzing: read, or refused by name

BYTES = {**REPORTS, "NOAA hourly": noaa_hourly(), "Open-Meteo": f"{PREAMBLE}{PLACE}\n{hourly()}"}
WORDS = [
    "",
    "\n",
    "\n\n",
    ",",
    ";",
    '"',
    "\x00",
    "é",
    "9" * 40,
    "NaN",
    "time",
    "EPWA 312500Z X",
    "#",
    "latitude,longitude\n",
]


@pytest.mark.parametrize("form", BYTES)
@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from(WORDS)), min_size=1, max_size=4))
def test_mutated_downloads_are_read_or_refused(tmp_path_factory, form, cuts):
    text = BYTES[form]
    for place, length, word in cuts:
        at = int(place * len(text))
        text = text[:at] + word + text[at + length :]
    path = tmp_path_factory.getbasetemp() / "mutated.dat"
    path.write_bytes(text.encode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            table = read_weather(path)
        except (DataError, TimeError) as error:
            assert path.name in str(error)  # noqa: PT017
            return
    assert table["cloud_fraction"].between(0, 1).all()
    assert not table.duplicated(["site", "time"]).any()

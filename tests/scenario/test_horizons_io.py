"""Horizon masks as surveys and tools write them; every mask says north, east, south and west by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eqci_space.errors import DataError
from eqci_space.scenario import load_scenario
from eqci_space.scenario.ground import Station
from eqci_space.scenario.horizons_io import read_horizon_mask

ATTACH = 'attach = { value = "colocated", source = "assumed: parked at the Warsaw node" }\n'
COMPASS = [(0.0, 2.0), (90.0, 3.0), (180.0, 4.0), (270.0, 1.5)]  # north, east, south, west


@pytest.fixture
def mask(tmp_path):
    def read(text, name="mask.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", newline="")
        return read_horizon_mask(path)

    return read


PVGIS = "Latitude (decimal degrees):\t50.1\nLongitude (decimal degrees):\t19.9\n\n"
NOTES = "\nA: Azimuth (0 = S, 90 = W, -90 = E) (degree)\nH_hor: Horizon height (degree)\n\nPVGIS (c) European Union\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.hrz", "# N.I.N.A.\n0 2\n90 3\n180 4\n270 1.5\n360 2\n"),
        ("m.txt", "; roof\n0\t2\n90\t3\n180\t4\n270\t1.5\n"),
        ("m.csv", "0,2\n90,3\n\n180,4\n270,1.5\n"),
        ("m.csv", "0, 2\r\n90, 3\r\n180, 4\r\n270, 1.5\r\n"),
        ("m.csv", "0;2\n90;3,0\n180;4\n270;1,5\n"),
        ("m.txt", "0 2,0\n90 3,0\n180 4,0\n270 1,5\n"),
        ("m.hrz", "  270.0   1.5\n180 4\n90 3\n0 2\n"),
        ("m.hrz", "180 4\n270 1.5\n360 2\n90 3\n"),
        ("m.hpts", "[[2, 0], [3, 90], [4, 180], [1.5, 270], [2, 360]]"),
        ("m.hpts", "0 2\n90 3\n180 4\n270 1.5\n"),
        ("m.csv", "azimuth_deg,elevation_deg\n-180,4\n-90,1.5\n0,2\n90,3\n180,4\n"),
        ("m.csv", "azimuth_deg,elevation_deg\n180,4\n90,3\n0,2\n-90,1.5\n"),
        ("m.csv", f"{PVGIS}A\tH_hor\n-180.0\t2.0\n-90.0\t3.0\n0.0\t4.0\n90.0\t1.5\n180.0\t2.0\n{NOTES}"),
        ("m.csv", f"{PVGIS}A,H_hor\n90,1.5\n0,4\n-90,3\n-180,2\n"),
        ("m.csv", f"{PVGIS}A\tH_hor\tA_sun(w)\tH_sun(w)\n" + "".join(
            f"{a}\t{h}\t{a / 2}\t60\n" for a, h in ((-180, 2), (-90, 3), (0, 4), (90, 1.5))) + NOTES),
    ],
)  # fmt: skip
def test_every_form_says_the_same_of_the_compass(mask, name, text):
    assert mask(text, name) == COMPASS


def test_elevations_below_the_horizontal_count_as_none(mask):
    assert mask("azimuth_deg,elevation_deg\n0,-0.5\n90,3\n180,-12\n") == [(0, 0), (90, 3), (180, 0)]
    assert mask("0 -0.5\n90 3\n", "m.hrz") == [(0, 0), (90, 3)]


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("0 5\n90 5\n90 30\n180 30\n180 5\n", [(0, 5), (89.9, 5), (90, 30), (180, 30), (180.1, 5)]),
        ("180 5\n180 30\n90 30\n90 5\n0 5\n", [(0, 5), (89.9, 5), (90, 30), (180, 30), (180.1, 5)]),
        ("0 5\n90 5\n90 40\n90 7\n", [(0, 5), (89.9, 5), (90, 40), (90.1, 7)]),  # a mast
        ("0 5\n0 20\n100 20\n360 5\n", [(0, 20), (100, 20), (359.9, 5 + 15 * 0.1 / 260)]),  # at north
        ("10 5\n10.2 5\n10.2 30\n20 30\n", [(10, 5), (10.2, 30), (20, 30)]),  # no room for a foot
        ("90 5\n90 30\n", [(90, 30)]),
    ],
)
def test_walls_stand_at_their_azimuth(mask, text, pairs):
    assert mask(text, "m.hrz") == [(a, pytest.approx(e)) for a, e in pairs]


@st.composite
def surveys(draw):
    azimuths = draw(st.lists(st.integers(0, 3599), min_size=2, max_size=12, unique=True).map(sorted))
    heights = st.lists(st.integers(-20, 80), min_size=1, max_size=3)
    return [(a / 10, e) for a in azimuths for e in draw(heights)]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=surveys(), falls=st.booleans())
def test_a_mask_is_nowhere_lower_than_the_survey_and_the_station_takes_it(mask, rows, falls):
    pairs = mask("".join(f"{a} {e}\n" for a, e in (rows[::-1] if falls else rows)), "m.hrz")
    station = Station.model_construct(horizon_mask=tuple(pairs), positions=(), valid_from=None, valid_to=None)
    assert Station._ordered(station) is station
    # Far from walls the two are equal; an azimuth with two elevations has the higher one.
    wide = [(a + turn, max(e, 0)) for turn in (-360, 0, 360) for a, e in rows]
    tried = np.arange(0.05, 360, 0.1)
    survey = np.interp(tried, [a for a, _ in wide], [e for _, e in wide])
    read = np.interp(tried, [a for a, _ in pairs], [e for _, e in pairs], period=360)
    assert np.all(read >= survey - 1e-9)
    tops = {a: max(e for b, e in rows if b == a) for a, _ in rows}
    assert all(dict(pairs)[a] == max(e, 0) for a, e in tops.items())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.hrz", "-180 4\n-90 1\n0 2\n", r"line 1: azimuth -180 may count from north or from south; write the header"),
        ("m.hrz", "12 0\n18 100\n10 200\n", "line 2: elevation_deg is 100; expected 0 to below 90, after the azimuth"),
        ("m.hrz", "0 5\n90 high\n", "line 2: expected two numbers, azimuth and elevation; got '90 high'"),
        ("m.hrz", "0 5\n90 3 7\n", "line 2: expected two numbers"),
        ("m.hrz", "0 5\n", None),
        ("m.hrz", "0 5\n400 3\n", "line 2: azimuth_deg is 400; expected 0 to 360"),
        (
            "m.hrz",
            "0 5\n180 3\n90 4\n270 1\n",
            "line 3: azimuth_deg 90 after 180; let them rise or fall",
        ),
        ("m.hrz", "0 5\n360 6\n", "elevation 5 at 0 deg but 6 at 360 deg; they are one direction"),
        ("m.csv", "azimuth,height\n0,5\n", r"column 'azimuth_deg' is missing; found \['azimuth', 'height'\]; write "),
        ("m.csv", "azimuth_deg,elevation_deg\n-90,5\n270,6\n", "azimuths from -90 to 270; expected 0 to 360, or -180"),
        ("m.csv", f"{PVGIS}A\tH_hor\n200\t5\n", "line 5: A is 200; expected -180 to 180 from south"),
        ("m.csv", f"{PVGIS}A\tH_hor\n0\n", "line 5: 1 cells; expected 2"),
        ("m.csv", f"{PVGIS}A\tH_hor\n{NOTES}", "m.csv: no row"),
        ("m.hpts", "[[2, 0], 3]", r"pair 2 is no \[elevation, azimuth\]"),
        ("m.hpts", "[" * 100_000, "not valid JSON"),
        ("m.hpts", "[[NaN, 0]]", "pair 1 is no"),
        ("m.hpts", "[[1, 1" + "0" * 4000 + "]]", "pair 1 is no"),
        ("m.hpts", "[]", "no row"),
    ],
)
def test_what_is_no_mask_says_what_to_write(mask, name, text, message):
    if message is None:
        assert mask(text, name) == [(0, 5)]
        return
    with pytest.raises(DataError, match=message) as caught:
        mask(text, name)
    assert str(caught.value).startswith(name)


def test_a_scenario_takes_a_mask_of_any_form(edited, tmp_path):
    (tmp_path / "trees.hrz").write_text("0 12\n90 -1\n90 30\n", encoding="utf-8")
    station = load_scenario(edited((ATTACH, ATTACH + 'horizon_mask = "trees.hrz"\n'))).stations["PQSAT"]
    assert [a for a, _ in station.horizon_mask] == [0.0, 89.9, 90.0]

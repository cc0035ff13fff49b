"""Places, heights and links against what can be: numbers by hand and from atlases."""

from __future__ import annotations

import pytest

from eqci_space.files.degrees import decimal_degrees, longitude_problem
from eqci_space.scenario.plausibility import (
    great_circle_km,
    heights_problem,
    link_doubt,
    link_problem,
    position_doubt,
    position_problem,
)


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("28 18 00 N", 28.3),
        ("16 30 36 W", -16.51),
        ("16°30'36\"W", -16.51),
        ("16°30′36″ W", -16.51),
        ("47:04:12.5", 47.070139),
        ("-33 52.5", -33.875),
        ("52.4N", 52.4),
        ("70,4 S", -70.4),
        ("52.4", None),
        ("52,4", None),
        ("12 km", None),
        ("28 60 00 N", None),
        ("28 18 75 N", None),
    ],
)
def test_angles_of_other_notations(text, degrees):
    assert decimal_degrees(text) == degrees


@pytest.mark.parametrize(("value", "found"), [(180.0, ""), (-16.5, ""), (180.1, "write -179.9"), (360.0, "write 0"),
                                              (360.1, "")])  # fmt: skip
def test_longitudes_that_count_around(value, found):
    assert longitude_problem(value).endswith(found)
    assert bool(longitude_problem(value)) == bool(found)


def test_the_great_circle_of_a_quarter_and_between_cities():
    # A quarter of a sphere of 6378.137 km; Milan to Rome is 477 km on a sphere of 6371 km.
    assert great_circle_km((0.0, 0.0), (0.0, 90.0)) == pytest.approx(6378.137 * 3.141592653589793 / 2, rel=1e-12)
    assert great_circle_km((45.4642, 9.19), (41.9028, 12.4964)) * 6371 / 6378.137 == pytest.approx(477, abs=0.5)


@pytest.mark.parametrize(("ellipsoid_m", "msl_m"), [(0, 110), (90, 0), (2440, 2390), (-20, 30)])
def test_heights_may_differ_by_as_much_as_the_geoid_does(ellipsoid_m, msl_m):
    assert heights_problem(ellipsoid_m, msl_m) == ""


@pytest.mark.parametrize(("ellipsoid_m", "msl_m", "remedy"), [
    (0, 110.1, "mend"), (90.1, 0, "mend"), (1.29, 1240, "km: write metres"), (3050, 3.0, "km: write metres"),
])  # fmt: skip
def test_heights_that_differ_by_more_are_refused(ellipsoid_m, msl_m, remedy):
    assert remedy in heights_problem(ellipsoid_m, msl_m)


@pytest.mark.parametrize(
    ("country", "latitude_deg", "longitude_deg", "cause"),
    [
        ("GR", 23.73, 37.98, "exchanged"),  # Athens
        ("PT", 38.72, 9.14, "count east positive"),  # Lisbon
        ("CZ", -50.08, 14.43, "wrong sign"),  # Prague
    ],
)
def test_positions_that_are_right_in_a_mirror_are_refused(country, latitude_deg, longitude_deg, cause):
    assert cause in position_problem(country, latitude_deg, longitude_deg)


@pytest.mark.parametrize(
    ("country", "latitude_deg", "longitude_deg", "doubted"),
    [
        ("GR", 37.98, 23.73, False),
        ("PT", 38.72, -9.14, False),
        ("FI", 60.1, 19.93, False),  # Mariehamn, of a country of its own in the basemap
        ("MT", 35.9, 14.5, False),
        ("DE", 49.2, 16.6, True),  # Brno is 200 km from Germany
        ("NZ", -41.3, 174.8, False),  # not in the basemap
        ("NZ", 41.3, 174.8, False),
    ],
)
def test_positions_far_from_their_country_are_doubted(country, latitude_deg, longitude_deg, doubted):
    assert position_problem(country, latitude_deg, longitude_deg) == ""
    assert bool(position_doubt(country, latitude_deg, longitude_deg)) == doubted


@pytest.mark.parametrize(
    ("length_km", "loss_db", "apart_km", "explained", "problem", "doubt"),
    [
        (100, 22.0, 90, False, "", ""),
        (100, 4.9, 90, False, "0.049 dB/km", ""),
        (100, 5.0, 90, False, "", "0.05 dB/km; the best glass"),
        (100, 14.0, 90, False, "", ""),
        (100, 13.9, 90, False, "", "0.14 dB/km; the best glass"),
        (100, 53.0, 90, False, "", ""),
        (100, 53.1, 90, False, "", "more than 0.5 dB/km"),
        (100, 53.1, 90, True, "", ""),
        (0.5, 0.0, 0.4, False, "", ""),
        (1.0, 3.4, 0.9, False, "", ""),
        (96.0, 22.0, 100, False, "", ""),
        (95.9, 22.0, 100, True, "", "its ends are 100 km apart"),
    ],
)
def test_links_against_fibre_and_great_circle(length_km, loss_db, apart_km, explained, problem, doubt):
    found = link_problem(length_km, loss_db)
    assert problem in found
    assert bool(found) == bool(problem)
    if not problem:
        found = link_doubt(length_km, loss_db, apart_km, explained=explained)
        assert doubt in found
        assert bool(found) == bool(doubt)

"""Coverage says of a grid point what the stages say of a station that stands there."""

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose

import eqci_space as eq
from eqci_space.errors import TableError
from eqci_space.linkbudget.clear_air import monthly_optical_depth
from eqci_space.ogs.windows import nightly_windows
from eqci_space.scenario import Atmosphere, CircularOrbit, Weather
from eqci_space.studies.coverage import EUROPE, QUANTITIES, _grid, _reference_station, compare_coverages, coverage
from eqci_space.studies.key_lookup import KeyLookup

MIDDLE = (10.0, 48.0, 14.0, 52.0)
MARCH = (datetime(2027, 3, 1, 12, tzinfo=UTC), datetime(2027, 4, 1, 12, tzinfo=UTC))


def with_orbit(scenario, **changes):
    (satellite,) = scenario.satellites
    moved = satellite.model_copy(update={"orbit": satellite.orbit.model_copy(update=changes)})
    return scenario.model_copy(update={"satellites": (moved,)})


def with_rules(scenario, **changes):
    return scenario.model_copy(update={"station_rules": scenario.station_rules.model_copy(update=changes)})


@pytest.fixture(scope="module")
def march(scenario):
    return coverage(scenario, resolution_deg=2, region=MIDDLE)


def station_by_the_stages(scenario, latitude_deg, longitude_deg):
    """Nights, keys and chances of a station with the equipment of the rules, by the ordinary pipeline."""
    rules = scenario.station_rules
    station = scenario.stations["GRAZ"].model_copy(update={
        "latitude_deg": latitude_deg, "longitude_deg": longitude_deg, "height_msl_m": 0.0, "height_ellipsoid_m": 0.0,
        "receiver": rules.receiver, "min_elevation_deg": rules.min_elevation_deg, "zenith_sky_mag_v_arcsec2": 22.0,
        "sun_max_elevation_deg": rules.sun_max_elevation_deg, "moon_keep_out_deg": rules.moon_keep_out_deg,
    })  # fmt: skip
    every = scenario.schedule.model_copy(update={"min_contact_s": 1.0})  # the map counts windows of any length
    here = scenario.model_copy(update={"stations": {"HERE": station}, "schedule": every})
    windows = eq.observable_windows(eq.find_passes(here, start=MARCH[0], end=MARCH[1]), here)
    budget = eq.link_budget(eq.sample_windows(windows, here), here)
    offers = eq.contact_candidates(budget, eq.window_keys(budget, here), here)
    nights = nightly_windows(windows, here.model_copy(update={"start": MARCH[0], "end": MARCH[1]}))
    return nights, offers


@pytest.mark.parametrize(
    "changed",
    [
        lambda s: s,
        # Twilight: windows cut by the night's edge, noise over three decades, keep-out holes around the Moon.
        lambda s: with_rules(with_orbit(s, ltan_h=18.5), sun_max_elevation_deg=-4.0, moon_keep_out_deg=40.0),
    ],
    ids=["night", "twilight"],
)
def test_point_equals_a_station_that_stands_there(scenario, changed):
    scn = changed(scenario)
    table = coverage(scn, resolution_deg=2, region=MIDDLE)
    error = table.attrs["key_lookup_error"]
    assert 0 < error["month_largest"] < 0.02
    assert error["window_exceeded_5pct"] < 0.03
    assert error["windows"] > 20
    row = table.set_index("cell").loc["51N 13E"]
    nights, offers = station_by_the_stages(scn, 51.0, 13.0)
    assert len(nights) == 31
    assert row["windows_per_night"] == pytest.approx(nights["windows"].mean(), rel=1e-12)
    assert row["usable_s_per_night"] == pytest.approx(nights["seconds"].mean(), abs=1e-4)
    assert row["overlap_s_per_night"] == 0
    stated = error["month_largest"] + error["window_exceeded_5pct"]
    assert row["clear_sky_key_bit"] == pytest.approx(offers["skl_bit"].sum(), rel=stated)
    expected = (offers["skl_bit"] * offers["p_clear"]).sum()
    assert row["expected_key_bit"] == pytest.approx(expected, rel=stated)
    assert row["p_clear"] == pytest.approx(expected / offers["skl_bit"].sum(), rel=stated)


def test_no_night_no_window(scenario):
    """At 60 N the Sun stays above -10 deg all June: at midnight of the solstice it stands at -(90 - 60 - 23.4) deg."""
    dusk = with_orbit(scenario, ltan_h=18.0)
    table = coverage(dusk, resolution_deg=1, region=(10.0, 59.5, 13.0, 60.5), months=[6])
    assert list(table["latitude_deg"]) == [60.0] * 3
    assert (table[list(QUANTITIES)] == 0).all().all()
    assert table.attrs["key_lookup_error"]["windows"] == 0


def test_long_nights_have_windows_where_june_has_none(scenario):
    dusk = with_orbit(scenario, ltan_h=18.0).model_copy(update={"start": datetime(2026, 12, 1, 12, tzinfo=UTC)})
    table = coverage(dusk, resolution_deg=1, region=(10.0, 59.5, 13.0, 60.5))
    assert list(table["month"]) == ["2026-12"] * 3
    assert (table["windows_per_night"] > 0).all()


def test_satellite_that_is_never_seen(scenario):
    orbit = CircularOrbit(kind="circular", altitude_km=500, inclination_deg=0)
    equatorial = scenario.satellites[0].model_copy(update={"orbit": orbit})
    table = coverage(scenario.model_copy(update={"satellites": (equatorial,)}), resolution_deg=2, region=MIDDLE)
    assert (table[list(QUANTITIES)] == 0).all().all()


def test_twin_satellite_doubles_the_key_and_shares_all_the_time(scenario, march):
    (satellite,) = scenario.satellites
    twin = satellite.model_copy(update={"name": "TWIN"})
    both = coverage(scenario.model_copy(update={"satellites": (satellite, twin)}), resolution_deg=2, region=MIDDLE)
    for column in ("windows_per_night", "usable_s_per_night", "clear_sky_key_bit", "expected_key_bit"):
        assert_allclose(both[column], 2 * march[column], rtol=1e-9)
    assert_allclose(both["overlap_s_per_night"], march["usable_s_per_night"], rtol=1e-9)
    assert_allclose(both["p_clear"], march["p_clear"], rtol=1e-9)


def test_cells_of_the_grid(march):
    assert list(march["cell"]) == ["49N 11E", "49N 13E", "51N 11E", "51N 13E"]
    assert str(march.crs) == "EPSG:4326"
    assert march.geometry.iloc[0].bounds == (10, 48, 12, 50)
    assert march.attrs["months"] == ["2027-03"]
    assert march.attrs["station"]["aperture_diameter_m"] == 0.8
    assert march[list(QUANTITIES)].notna().all().all()


def test_land_and_sea(scenario):
    """56 N 3 E lies in the North Sea, 56 N 9 E in Jutland."""
    region = (2.0, 55.0, 10.0, 57.0)
    still = scenario.model_copy(update={"weather": Weather(model="clear_sky")})
    land = coverage(still, resolution_deg=2, region=region)
    everywhere = coverage(still, resolution_deg=2, region=region, include_sea=True)
    assert "56N 9E" in set(land["cell"])
    assert "56N 3E" not in set(land["cell"])
    assert list(everywhere["cell"]) == ["56N 3E", "56N 5E", "56N 7E", "56N 9E"]
    assert_allclose(everywhere["expected_key_bit"], everywhere["clear_sky_key_bit"])


def test_land_points_stand_for_the_area_of_the_land():
    """8.3 million km² of the box are land on the shipped map, in the equal-area projection."""
    cells = _grid(1.0, EUROPE, False)
    assert cells.to_crs("EPSG:3035").area.sum() / 1e12 == pytest.approx(8.336, rel=0.03)


def test_stated_chance_of_a_clear_sky_holds_everywhere(scenario, march):
    constant = scenario.model_copy(update={"weather": Weather(model="constant", p_clear=0.4)})
    table = coverage(constant, resolution_deg=2, region=MIDDLE)
    assert_allclose(table["expected_key_bit"], 0.4 * table["clear_sky_key_bit"])
    assert_allclose(table["clear_sky_key_bit"], march["clear_sky_key_bit"])


def test_months_are_the_next_ones_and_come_in_order(scenario):
    done = []
    autumn = scenario.model_copy(update={"start": datetime(2026, 11, 20, tzinfo=UTC)})
    table = coverage(
        autumn, resolution_deg=2, region=(10.0, 50.0, 12.0, 52.0), months=[1, 12],
        progress=lambda now, total: done.append((now, total)),
    )  # fmt: skip
    assert list(table["month"]) == ["2026-12", "2027-01"]
    assert done == [(1, 2), (2, 2)]


def test_station_by_name_brings_its_equipment(scenario, march):
    small = coverage(scenario, resolution_deg=2, region=(10.0, 50.0, 12.0, 52.0), station="PQSAT")
    assert small.attrs["station"]["aperture_diameter_m"] == 0.6
    assert 0 < small["clear_sky_key_bit"].iloc[0] < march.set_index("cell")["clear_sky_key_bit"]["51N 11E"]
    record = _reference_station(scenario, scenario.stations["PQSAT"])
    assert record == _reference_station(scenario, "PQSAT")
    assert record.receiver == scenario.stations["PQSAT"].receiver
    with pytest.raises(TableError, match="no station 'PQ'; "):
        coverage(scenario, station="PQ")
    bare = scenario.model_copy(update={"station_rules": None})
    with pytest.raises(TableError, match=r"no \[stations\]"):
        coverage(bare)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"resolution_deg": 0.0}, "expected 0.1 to 5 degrees"),
        ({"resolution_deg": float("nan")}, "expected 0.1 to 5 degrees"),
        ({"resolution_deg": 9.0}, "expected 0.1 to 5 degrees"),
        ({"region": (10.0, 50.0, 9.0, 52.0)}, "at least one cell wide and high"),
        ({"region": (10.0, 50.0, 10.5, 52.0)}, "at least one cell wide and high"),
        ({"region": (-40.0, 50.0, 10.0, 52.0)}, "in -26 to 46 E"),
        ({"region": (10.0, 50.0, 12.0)}, "expected four numbers"),
        ({"region": (10.0, 50.0, float("nan"), 52.0)}, "expected four numbers"),
        ({"region": (-20.0, 45.0, -18.0, 47.0)}, "lies on land"),
        ({"months": [0]}, "expected different whole numbers from 1 to 12"),
        ({"months": [13]}, "expected different whole numbers"),
        ({"months": [3, 3]}, "expected different whole numbers"),
        ({"months": []}, "expected different whole numbers"),
        ({"months": [1.5]}, "expected different whole numbers"),
    ],
)
def test_wrong_arguments_are_named(scenario, wrong, message):
    with pytest.raises(TableError, match=message):
        coverage(scenario, **wrong)


def test_scenario_without_satellites(scenario):
    with pytest.raises(TableError, match="no satellite"):
        coverage(scenario.model_copy(update={"satellites": ()}))


def test_high_orbits_have_no_lookup(scenario):
    orbit = CircularOrbit(kind="circular", altitude_km=35_786, inclination_deg=0)
    fixed = scenario.satellites[0].model_copy(update={"orbit": orbit})
    with pytest.raises(TableError, match="whole passes"):
        coverage(
            scenario.model_copy(update={"satellites": (fixed,)}), resolution_deg=2, region=(32.0, 38.0, 34.0, 40.0)
        )


def test_same_twice(scenario, march):
    again = coverage(scenario, resolution_deg=2, region=MIDDLE)
    assert again.equals(march)
    assert again.attrs == march.attrs


def test_comparison_is_second_less_first(scenario, march):
    evening = coverage(with_orbit(scenario, ltan_h=21.0), resolution_deg=2, region=MIDDLE)
    change = compare_coverages(march, evening)
    for column in QUANTITIES:
        assert_allclose(change[column], evening[column] - march[column])
    assert (compare_coverages(march, march)[list(QUANTITIES)] == 0).all().all()
    assert change.attrs["compared_with"]["scenario"] == scenario.name
    elsewhere = march.assign(cell=march["cell"] + " far")
    with pytest.raises(TableError, match="no cell and month in common"):
        compare_coverages(march, elsewhere)
    with pytest.raises(TableError, match="no column 'p_clear'"):
        compare_coverages(march, march.drop(columns="p_clear"))


def lookup():
    """Key = 1000 (light - 2 noise/1e-6) where positive, passes that brighten evenly."""
    elevation = 20 + 70 * np.linspace(0, 1, 15) ** 2
    light, seconds = np.linspace(0, 7.0, 15), np.linspace(0, 350.0, 15)
    noise = np.geomspace(1e-7, 1e-6, 9)
    return KeyLookup(elevation, light, seconds, noise, np.maximum(0, 1000 * (light[:, None] - 2e6 * noise)))


def test_lookup_gives_its_nodes_back_and_reads_cut_windows_by_their_light():
    table = lookup()
    for i in (4, 9, 14):
        for j in (0, 4, 8):
            got = table.key(np.array([table.light_s[i]]), np.array([table.noise[j] * table.seconds[i]]))
            assert_allclose(got, table.key_bit[i, j], rtol=0.01, atol=10)
    assert table.key(np.zeros(1), np.zeros(1))[0] == 0
    # Half the light of the best pass in any number of seconds is read at the pass with that light.
    assert_allclose(table.key(np.array([3.5]), np.array([1e-7 * 175])), 1000 * (3.5 - 0.2), rtol=0.01)


def test_lookup_beyond_its_best_pass_grows_with_the_light():
    """Twice the light at twice the noise counts is twice the key."""
    table = lookup()
    one, two = table.key(np.array([7.0, 14.0]), np.array([1e-7 * 350, 1e-7 * 700]))
    assert_allclose(one, 1000 * (7 - 0.2), rtol=0.01)
    assert_allclose(two, 2 * one)


def test_each_point_of_the_climatology_has_its_own_air(scenario):
    """The key of a point is that of a station that stands there; hazier places earn less."""
    air = Atmosphere(aerosol="climatology")
    hazy, even = (scenario.model_copy(update={"atmosphere": a}) for a in (air, Atmosphere(visibility_km=23)))
    region = (2.0, 50.0, 26.0, 52.0)
    table, clear = (coverage(s, resolution_deg=2, region=region) for s in (hazy, even))
    error = table.attrs["key_lookup_error"]
    assert error["month_largest"] < 0.01
    assert abs(error["bias"]) < 0.005
    reference = _reference_station(hazy, None)
    depth = [
        monthly_optical_depth(
            reference.model_copy(update={"latitude_deg": row.latitude_deg, "longitude_deg": row.longitude_deg}), air
        )[2]
        for row in table.itertuples()
    ]
    kept = table["clear_sky_key_bit"] / clear["clear_sky_key_bit"]
    assert np.corrcoef(depth, kept)[0, 1] < -0.95

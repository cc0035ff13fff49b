"""Which states of SGP4 are believed: decayed and diverged orbits, leaps, and the passes that are left of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import numpy as np
import pytest

from eqci_space.errors import ElementsError, LostOrbitWarning
from eqci_space.orbits.elements import ElementSet, propagator
from eqci_space.orbits.elements_io import write_omm
from eqci_space.orbits.ephemeris import check_states, covered_s, ephemerides, make_ephemeris, sample_times
from eqci_space.orbits.passes import find_passes
from eqci_space.orbits.soundness import believed_span
from eqci_space.orbits.tle_io import parse_tle
from eqci_space.scenario import StationPosition

DAY = timedelta(days=1)
EPOCH = datetime(2027, 1, 1, tzinfo=UTC)
VERIFICATION = files("sgp4").joinpath("SGP4-VER.TLE")
EARTH_KM = 6378.137


def falling(bstar=0.02, mean_motion=15.95, **changes):
    """An orbit of 270 km with so much drag that it is down within two days."""
    values = {
        "name": "FALLING", "catalogue_number": 7, "epoch": EPOCH, "mean_motion_rev_day": mean_motion,
        "eccentricity": 0.001, "inclination_deg": 97.5, "raan_deg": 40.0, "argument_of_pericenter_deg": 90.0,
        "mean_anomaly_deg": 10.0, "bstar_per_earth_radius": bstar,
    }  # fmt: skip
    return ElementSet(**(values | changes))


def verified(number):
    """A case of the SGP4 verification set (Vallado et al. 2006, AIAA 2006-6753), whatever its checksums."""
    lines = [x[:69] for x in VERIFICATION.read_text().splitlines() if x[2:7] == f"{number:05d}"]
    (found,) = parse_tle("\n".join(lines[:2]), "x")
    return found


def refused(elements, begin, end):
    with pytest.raises(ElementsError) as caught:
        make_ephemeris(elements, begin, end)
    return str(caught.value)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(("bstar", "day"), [(0.02, 8.0), (0.02, 11.0), (0.04, 9.0), (0.1, 13.0)])
def test_states_after_the_decay_are_refused_although_sgp4_reports_no_error(bstar, day):
    elements = falling(bstar)
    satrec = propagator(elements)
    radii_km = []
    for minutes in np.arange(day, day + 0.5, 0.05) * 1440.0:
        error, position_km, _ = satrec.sgp4_tsince(minutes)
        assert error == 0
        radii_km.append(np.linalg.norm(position_km))
    assert min(radii_km) > EARTH_KM + 1000.0
    message = refused(elements, EPOCH + day * DAY, EPOCH + (day + 0.5) * DAY)
    assert re.match(r"make_ephemeris: SGP4 error 6 for 'FALLING' at 2027-01-0\dT\S+Z \(6 means decayed\), and", message)
    assert "below 80 km, where no satellite survives; get newer elements, or let the passes end there" in message


def test_a_divergence_backwards_asks_for_older_elements():
    # At twelve days before it the drag polynomials give nonsense too; at one day before they hold.
    assert "back: " in refused(falling(), EPOCH - 12 * DAY, EPOCH - 11 * DAY)
    assert "get older elements" in refused(falling(), EPOCH - 12 * DAY, EPOCH - 11 * DAY)
    assert make_ephemeris(falling(), EPOCH - DAY, EPOCH).grid_m.shape[1] > 500


def test_a_leap_within_a_step_is_refused_and_placed():
    # Object 20413: the inclination crosses 0.2 rad, where SGP4 changes its formulas. The plain scan below finds where.
    elements = verified(20413)
    satrec = propagator(elements)
    minutes = np.arange(1440.0, 4320.0, 0.5)
    states = [satrec.sgp4_tsince(m) for m in minutes]
    places, speeds = (np.array([s[i] for s in states]) for i in (1, 2))
    left = np.linalg.norm(np.diff(places, axis=0) - 15.0 * (speeds[1:] + speeds[:-1]), axis=1)
    first = int(np.argmax(left > 100.0))
    leap_at = elements.epoch + timedelta(minutes=minutes[first])
    message = refused(elements, elements.epoch + DAY, elements.epoch + 3 * DAY)
    found = re.search(r"from (\S+)Z on: SGP4 leaps by (\d+) km within 535 s, which no orbit does", message)
    assert float(found.group(2)) == pytest.approx(left[first], rel=0.05)
    assert timedelta(0) <= datetime.fromisoformat(found.group(1) + "+00:00") - leap_at <= timedelta(seconds=600)
    before = make_ephemeris(elements, leap_at - DAY, leap_at - timedelta(minutes=20))
    assert np.isfinite(before.grid_m).all()


def test_radii_beyond_the_apogee_and_leaps_are_found_at_their_nodes():
    # A circle of 7000 km in steps of 180 s; no drag, so that the way from the epoch is sound.
    elements = falling(0.0, 14.8237)
    times = np.arange(200) * 180.0
    angle = times * 2 * np.pi * 14.8237 / 86400.0
    grid = 7e6 * np.stack([np.cos(angle), np.sin(angle), 0 * angle])
    none = np.zeros(200, dtype=int)

    def span(positions, errors=none, epoch_node=0):
        radius = np.linalg.norm(positions, axis=0)
        low, high, before, after = believed_span(elements, errors, positions, radius, -180.0 * epoch_node, 180.0)
        return low, high, before and before.at_s, after and after.at_s

    assert span(grid) == (0, 200, None, None)
    far, low = grid.copy(), grid.copy()
    far[:, 120:] *= 1.52
    low[:, 120:] *= (6378.137 + 79.0) / 7000.0
    assert span(far) == span(low) == (0, 120, None, 120 * 180.0)
    assert span(far, epoch_node=150) == (0, 0, None, 0.0)
    for node in (7, 60, 190):
        leapt = grid.copy()
        leapt[1, node:] += 12e3
        assert span(leapt) == (0, node, None, node * 180.0)
        assert span(leapt, epoch_node=199) == (node, 200, (node - 200) * 180.0, None)
        leapt[1, node:] -= 4e3
        assert span(leapt) == (0, 200, None, None)
    failed = none.copy()
    failed[[40, 170]] = 1
    assert span(grid, failed, epoch_node=100) == (41, 170, -60 * 180.0, 70 * 180.0)


SOUND = [5, 6251, 8195, 9880, 14128, 16925, 21897, 22674, 23177, 23599, 24208, 25954, 26975, 28057, 28129, 28623, 88888]


@pytest.mark.parametrize("number", SOUND)
def test_orbits_of_the_verification_set_are_believed_for_a_week(number):
    # Low, transfer, Molniya and geostationary orbits; 16925 has its perigee at 90 km.
    elements = verified(number)
    begin = max(elements.epoch, datetime(1973, 1, 2, tzinfo=UTC))
    ephemeris = make_ephemeris(elements, begin, begin + 7 * DAY)
    assert covered_s(ephemeris)[0] < 0
    assert covered_s(ephemeris)[1] > 7 * 86400.0


# ---------------------------------------------------------------- what is left of a scenario


@pytest.fixture
def constellation(scenario, tmp_path):
    """A scenario of two satellites, one that decays on its second day and a sound one, over one station."""

    def make(**options):
        sound = falling(0.0, 15.2, name="SOUND", catalogue_number=8)
        write_omm([falling(), sound], tmp_path / "two.json")
        some = scenario.satellites[0]
        satellites = tuple(
            some.model_copy(update={"orbit": None, "elements": "two.json", "name": name, **options})
            for name in ("FALLING", "SOUND")
        )
        station = scenario.stations["DLR-OP"].model_copy(update={"min_elevation_deg": 5.0})
        return scenario.model_copy(
            update={
                "satellites": satellites, "stations": {"DLR-OP": station}, "start": EPOCH, "end": EPOCH + 4 * DAY,
                "file": str(tmp_path / "x.toml"),
            }
        )  # fmt: skip

    return make


def test_a_decay_refuses_the_scenario_and_names_satellite_file_and_time(constellation):
    mine = constellation()
    for attempt in (find_passes, lambda s: check_states(s.satellites[0], s)):
        with pytest.raises(ElementsError) as caught:
            attempt(mine)
        message = str(caught.value)
        assert re.match(r"satellite 'FALLING' in two\.json: make_ephemeris: SGP4 error 6 for .*2027-01-02", message)
        assert message.endswith(
            'shorten the period or get newer elements, or let the passes end there with bad_states = "end"'
        )
    assert check_states(mine.satellites[1], mine) == ""


@pytest.mark.parametrize("options", [{"bad_states": "end"}, {"bad_records": "skip"}])
def test_passes_end_at_the_decay_on_request_and_the_others_stay(constellation, options):
    mine = constellation(**options)
    with pytest.warns(LostOrbitWarning, match=r"satellite 'FALLING' in two\.json: .*; its passes end there$") as warned:
        found = find_passes(mine)
    assert len(warned) == 1
    assert "its passes end there" in check_states(mine.satellites[0], mine)
    # The decay is at 14 h on 2 January; what was found before is what a period that ends earlier has.
    sound_until = EPOCH + timedelta(hours=36)
    early = find_passes(mine, end=sound_until)
    assert (
        found[found["los"] < sound_until]
        .drop(columns="truncated")
        .equals(early[early["los"] < sound_until].drop(columns="truncated"))
    )
    falling_passes = found[found["satellite"] == "FALLING"]
    assert len(falling_passes) >= 3
    assert falling_passes["los"].max() < EPOCH + timedelta(hours=38.5)
    assert found[found["satellite"] == "SOUND"]["los"].max() > EPOCH + 3.5 * DAY
    # Later stages ask for parts of the period, on other grids, and find every pass covered.
    last = falling_passes["los"].max().to_pydatetime()
    for shift in (0.0, 37.0, 101.0):
        begin = EPOCH + timedelta(seconds=shift)
        orbit = ephemerides(mine, begin, mine.end)["FALLING"]
        (known,) = orbit.known_s
        assert covered_s(orbit.arcs[0])[1] > known[1] >= (last - begin).total_seconds() - orbit.arcs[0].step_s
        (times,) = sample_times(orbit, EPOCH + DAY, 3 * 86400.0, 60.0, fewest=9)
        assert times[-1] + 86400.0 - shift == pytest.approx(known[1])


def test_a_satellite_that_is_down_before_the_period_has_no_passes_and_refuses_no_other(constellation):
    mine = constellation(bad_records="skip").model_copy(update={"start": EPOCH + 9 * DAY, "end": EPOCH + 10 * DAY})
    with pytest.warns(LostOrbitWarning, match=r"'FALLING' in two\.json: .*; it has no passes in the period$"):
        found = find_passes(mine)
    assert set(found["satellite"]) == {"SOUND"}
    assert list(ephemerides(mine, mine.start, mine.end)) == ["SOUND"]
    assert "it has no passes in the period" in check_states(mine.satellites[0], mine)
    strict = constellation(bad_records="skip", bad_states="raise")
    with pytest.raises(ElementsError, match="'FALLING' in two"):
        find_passes(strict)


def test_a_mobile_station_behind_the_decay_sees_only_the_other(constellation):
    mine = constellation(bad_states="end")
    station = mine.stations["DLR-OP"]
    spot = {k: getattr(station, k) for k in ("latitude_deg", "longitude_deg", "height_ellipsoid_m", "height_msl_m")}
    later = StationPosition(**spot, node="BER", valid_from=EPOCH + 2 * DAY, valid_to=EPOCH + 3 * DAY)
    mine = mine.model_copy(update={"stations": {"DLR-OP": station.model_copy(update={"positions": (later,)})}})
    with pytest.warns(LostOrbitWarning):
        assert set(find_passes(mine)["satellite"]) == {"SOUND"}

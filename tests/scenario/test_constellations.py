"""Constellations: published patterns, trains timed on their way, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.optimize import brentq

from eqci_space.errors import ScenarioError
from eqci_space.orbits.design import constellation, design
from eqci_space.orbits.elements import propagator
from eqci_space.orbits.ephemeris import make_ephemeris, positions_m
from eqci_space.orbits.passes import find_passes
from eqci_space.scenario import CircularOrbit, SunSynchronousOrbit, Train, Walker, load_scenario
from eqci_space.scenario.constellations import members, train_orbits, walker_orbits

EPOCH = datetime(2027, 3, 1, 12, tzinfo=UTC)
GALILEO = Walker(
    kind="walker_delta", altitude_km=23_222, inclination_deg=56, satellites=24, planes=3, phasing=1, raan_deg=10
)


# ---------------------------------------------------------------- Walker patterns


def test_galileo_has_its_published_geometry():
    # ESA/EUSPA, Galileo OS SDD: Walker 24/3/1, 56 deg, semi-major axis 29,600 km; planes 120 deg apart, satellites
    # 45 deg apart in a plane, 15 deg shift between neighbouring planes; period 14 h 04 min 42 s.
    rows = walker_orbits(GALILEO)
    assert [(plane, slot) for plane, slot, _ in rows] == [(p, s) for p in range(3) for s in range(8)]
    raan = {plane: {o.raan_deg for p, _, o in rows if p == plane} for plane in range(3)}
    assert raan == {0: {10.0}, 1: {130.0}, 2: {250.0}}
    for plane in range(3):
        along = [o.mean_anomaly_deg for p, _, o in rows if p == plane]
        assert np.diff(along) % 360 == pytest.approx(np.full(7, 45.0))
        assert along[0] == pytest.approx(15.0 * plane)
    orbit = constellation("GSAT", GALILEO, EPOCH)[0]
    period_s = 86_400 / orbit.mean_motion_rev_day
    assert period_s == pytest.approx(14 * 3600 + 4 * 60 + 42, abs=5)
    assert orbit.inclination_deg == 56


def test_a_walker_star_spreads_its_nodes_over_half_a_turn():
    # Iridium: 66 satellites in 6 planes at 86.4 deg, 780 km; the planes of a star of 180 deg stand 30 deg apart.
    star = Walker(kind="walker_star", altitude_km=780, inclination_deg=86.4, satellites=66, planes=6, phasing=2)
    rows = walker_orbits(star)
    assert sorted({o.raan_deg for _, _, o in rows}) == pytest.approx([0.0, 30.0, 60.0, 90.0, 120.0, 150.0])
    assert len(rows) == 66
    second = [o.mean_anomaly_deg for plane, _, o in rows if plane == 1]
    assert second[0] == pytest.approx(2 * 360 / 66)
    assert np.diff(second) % 360 == pytest.approx(np.full(10, 360 / 11))


@pytest.mark.parametrize(
    ("satellites", "planes", "phasing"), [(24, 3, 1), (12, 12, 5), (8, 1, 0), (1, 1, 0), (6, 2, 1)]
)
def test_a_delta_pattern_looks_the_same_from_every_plane(satellites, planes, phasing):
    # Walker's symmetry: stepping one plane on turns nodes by 360/planes and anomalies by phasing · 360/satellites;
    # after all planes, the sum of the shifts, phasing · 360 · planes/satellites, is a whole number of slots.
    pattern = Walker(
        kind="walker_delta", altitude_km=1000, inclination_deg=50, satellites=satellites, planes=planes, phasing=phasing
    )
    rows = walker_orbits(pattern)
    places = {(round(o.raan_deg, 6) % 360, round(o.mean_anomaly_deg, 6) % 360) for _, _, o in rows}
    turned = {
        (round(o.raan_deg + 360 / planes, 6) % 360, round(o.mean_anomaly_deg + 360 * phasing / satellites, 6) % 360)
        for _, _, o in rows
    }
    assert len(places) == satellites

    def close(a, b):
        return all(abs((x - y + 180) % 360 - 180) < 1e-5 for x, y in zip(a, b, strict=True))

    assert all(any(close(t, p) for p in places) for t in turned)


def test_names_count_planes_and_satellites_from_one():
    names = [name for name, _ in members("G", GALILEO)]
    assert names[:2] == ["G-1-1", "G-1-2"]
    assert names[-1] == "G-3-8"
    assert len(set(names)) == 24
    train = Train(kind="train", orbit=CircularOrbit(kind="circular", altitude_km=500, inclination_deg=97),
                  satellites=3, spacing_s=60)  # fmt: skip
    assert [name for name, _ in members("T", train)] == ["T-1", "T-2", "T-3"]
    assert [e.name for e in constellation("T", train, EPOCH)] == ["T-1", "T-2", "T-3"]


def test_members_stand_apart_in_space_as_designed():
    # Two neighbours in a plane of eight see each other under 45 deg from the Earth's centre, all along the orbit.
    first, second = (propagator(e) for e in constellation("G", GALILEO, EPOCH)[:2])
    days = np.linspace(0, 1, 200)
    day = np.full(200, 2_461_466.0)
    (e1, a, _), (e2, b, _) = first.sgp4_array(day, days), second.sgp4_array(day, days)
    assert not np.concatenate([e1, e2]).any()
    cosine = np.einsum("ij,ij->i", a, b) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    # The eccentricity of 1e-4 moves each by 2e-4 rad; J2 and the Moon move both alike to 0.01 deg.
    assert np.degrees(np.arccos(cosine)) == pytest.approx(np.full(200, 45.0), abs=0.05)


# ---------------------------------------------------------------- trains


ORBITS = {
    "sun-synchronous": SunSynchronousOrbit(kind="sun_synchronous", altitude_km=500, ltan_h=22.5, mean_anomaly_deg=30),
    "circular": CircularOrbit(kind="circular", altitude_km=700, inclination_deg=53, raan_deg=350, mean_anomaly_deg=20),
}


def ephemerides_of(pattern):
    end = EPOCH + timedelta(hours=6)
    return [make_ephemeris(e, EPOCH, end) for e in constellation("T", pattern, EPOCH)]


def crossings(ephemeris, latitude_deg, after_s):
    """Time [s] and longitude [deg] at which the satellite next crosses a geocentric latitude northwards."""

    def excess(seconds):
        x, y, z = positions_m(ephemeris, np.atleast_1d(seconds)).T
        return np.degrees(np.arctan2(z, np.hypot(x, y))) - latitude_deg

    scan = np.arange(after_s, after_s + 7000.0, 10.0)
    value = excess(scan)
    i = int(np.flatnonzero((value[:-1] < 0) & (value[1:] >= 0))[0])
    at = brentq(lambda t: float(excess(t)[0]), scan[i], scan[i + 1], xtol=1e-6)
    x, y, _ = positions_m(ephemeris, np.array([at]))[0]
    return at, float(np.degrees(np.arctan2(y, x)))


@pytest.mark.parametrize("name", ORBITS)
@pytest.mark.parametrize("spacing_s", [60.0, 600.0])
@pytest.mark.parametrize("latitude_deg", [0.0, 47.0])
def test_a_train_over_one_ground_track_passes_the_same_place_one_after_another(name, spacing_s, latitude_deg):
    pattern = Train(kind="train", orbit=ORBITS[name], satellites=3, spacing_s=spacing_s, track="ground")
    times, longitudes = zip(
        *[crossings(e, latitude_deg, 3000.0 + i * spacing_s) for i, e in enumerate(ephemerides_of(pattern))],
        strict=True,
    )
    # `train_orbits` neglects J2 and states an error of a thousandth of the angles; twice that is granted here, of the
    # spacing and of the Earth's turn of 0.0042 deg/s in it, and 0.001 deg for short-period terms.
    assert np.diff(times) == pytest.approx(np.full(2, spacing_s), rel=2e-3)
    turn = np.diff(longitudes) % 360
    assert np.minimum(turn, 360 - turn).max() < 0.0042 * 2e-3 * spacing_s + 1e-3


@pytest.mark.parametrize("name", ORBITS)
def test_a_train_in_one_orbit_crosses_a_latitude_later_and_further_west(name):
    spacing_s = 300.0
    pattern = Train(kind="train", orbit=ORBITS[name], satellites=3, spacing_s=spacing_s)
    times, longitudes = zip(
        *[crossings(e, 20.0, 3000.0 + i * spacing_s) for i, e in enumerate(ephemerides_of(pattern))], strict=True
    )
    assert np.diff(times) == pytest.approx(np.full(2, spacing_s), rel=2e-3)
    # The Earth turns 360 deg in 86,164.1 s, relative to a node that moves by up to 5 deg a day.
    west = -((np.diff(longitudes) + 180) % 360 - 180)
    assert west == pytest.approx(np.full(2, 360 / 86_164.1 * spacing_s), abs=0.02)


def test_orbits_of_a_train_differ_in_anomaly_and_for_one_track_in_node():
    first = ORBITS["circular"]
    same = train_orbits(Train(kind="train", orbit=first, satellites=3, spacing_s=100))
    assert [o.raan_deg for o in same] == [350.0] * 3
    # Period at 700 km: 2π √(7078.137³/398600.44) = 5926.4 s, so 100 s are 6.0746 deg; the perigee drifts by
    # 0.75 J2 (R/a)² (5 cos²i - 1) of the mean motion, 6.59e-4 · (5 · 0.36218 - 1) = 5.35e-4 at 53 deg.
    step = 6.0746 * (1 + 5.35e-4)
    assert np.diff([o.mean_anomaly_deg for o in same]) % 360 == pytest.approx(np.full(2, 360 - step), abs=1e-3)
    track = train_orbits(Train(kind="train", orbit=first, satellites=3, spacing_s=100, track="ground"))
    assert [o.mean_anomaly_deg for o in track] == [o.mean_anomaly_deg for o in same]
    # 100 s of 360 deg / 86,164.1 s, and the node's drift of 1.5 J2 (R/a)² n cos i = 1.3185e-3 · 6.0746 · 0.60182 deg
    # in that time, westward.
    turn = 0.417807 + 1.3185e-3 * 6.0746 * 0.60182
    assert np.diff([o.raan_deg for o in track]) % 360 == pytest.approx(np.full(2, turn), abs=1e-5)
    later = train_orbits(Train(kind="train", orbit=ORBITS["sun-synchronous"], satellites=2, spacing_s=3600.0,
                               track="ground"))  # fmt: skip
    # A 24th of a solar day later over the same track: an hour later in local time.
    assert later[1].ltan_h == pytest.approx(23.5, abs=1e-4)


# ---------------------------------------------------------------- a geostationary satellite


def test_a_geostationary_satellite_stays_near_its_longitude_for_a_day():
    # Synchronous radius 42,164.17 km (r³ = GM/ω²), so 35,786.03 km above 6378.137 km. Sun, Moon and J22 may move it by
    # a hundredth of a degree in a day; the eccentricity of 1e-4 swings it by 2e-4 rad = 0.011 deg, SGP4's own
    # mean motion by J2 (37e-6 of a turn a day each in mean anomaly and perigee) by some 0.03 deg.
    orbit = CircularOrbit(kind="circular", altitude_km=35_786.03, inclination_deg=0, raan_deg=100)
    ephemeris = make_ephemeris(design("GEO", orbit, EPOCH), EPOCH, EPOCH + timedelta(days=1))
    x, y, z = positions_m(ephemeris, np.linspace(0, 86_400, 289)).T
    longitude = np.degrees(np.unwrap(np.arctan2(y, x)))
    assert np.ptp(longitude) < 0.1
    assert np.degrees(np.arctan2(z, np.hypot(x, y))) == pytest.approx(np.zeros(289), abs=0.02)
    assert np.hypot(x, y) == pytest.approx(np.full(289, 42_164.17e3), abs=10e3)


def test_a_circular_orbit_crosses_its_node_at_its_right_ascension():
    orbit = CircularOrbit(kind="circular", altitude_km=600, inclination_deg=60, raan_deg=123)
    _, position, velocity = propagator(design("C", orbit, EPOCH)).sgp4(2_461_466.0, 0.0)
    assert np.degrees(np.arctan2(position[1], position[0])) == pytest.approx(123.0, abs=0.2)
    assert velocity[2] > 6.0
    normal = np.cross(position, velocity)
    assert np.degrees(np.arccos(normal[2] / np.linalg.norm(normal))) == pytest.approx(60.0, abs=0.05)


# ---------------------------------------------------------------- in scenarios


def table(pattern, name="C"):
    lines = "\n".join(f"{k} = {v}" for k, v in pattern.items())
    return f'\n[[constellation]]\nname = "{name}"\nterminal = "eagle1-like-nominal"\n[constellation.pattern]\n{lines}\n'


WALKER = {"kind": '"walker_delta"', "altitude_km": 600, "inclination_deg": 97.8, "satellites": 6, "planes": 3,
          "epoch": "2027-03-01T12:00:00Z"}  # fmt: skip
TRAIN = {"kind": '"train"', "satellites": 2, "spacing_s": 60,
         "orbit": '{ kind = "sun_synchronous", altitude_km = 500, ltan_h = 22.5, epoch = 2027-03-01T12:00:00Z }',
}  # fmt: skip


def problems(path) -> dict[str, str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    return dict(caught.value.problems)


def test_constellations_of_a_scenario_become_satellites(edited):
    scenario = load_scenario(edited(extra=table({**WALKER, "phasing": 1}) + table(TRAIN, "T")))
    walker = [f"C-{p}-{s}" for p in (1, 2, 3) for s in (1, 2)]
    assert [s.name for s in scenario.satellites] == ["EAGLE1-LIKE", *walker, "T-1", "T-2"]
    assert all(s.terminal == scenario.satellites[0].terminal for s in scenario.satellites)
    assert scenario.satellites[3].orbit == CircularOrbit(
        kind="circular",
        altitude_km=600,
        inclination_deg=97.8,
        raan_deg=120,
        mean_anomaly_deg=60,
        epoch=datetime(2027, 3, 1, 12, tzinfo=UTC),
    )
    short = scenario.model_copy(update={"end": scenario.start + timedelta(days=1)})
    assert set(find_passes(short)["satellite"]) == {s.name for s in scenario.satellites}


def test_a_scenario_may_have_constellations_only(edited):
    path = edited()
    text = path.read_text(encoding="utf-8")
    head, rest = text.split("[[satellite]]")
    path.write_text(head + rest[rest.index("[stations]") :] + table(TRAIN, "T"), encoding="utf-8")
    assert [s.name for s in load_scenario(path).satellites] == ["T-1", "T-2"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ({**WALKER, "planes": 4}, "6 satellites do not fill 4 planes equally"),
        ({**WALKER, "planes": 4}, "give 4 or 8 satellites in 4 planes, or 6 satellites in 3 or 6 planes"),
        ({**WALKER, "planes": 7}, "give 7 satellites in 7 planes, or 6 satellites in 6 planes"),
        (
            {**WALKER, "satellites": 19, "planes": 6},
            "give 18 or 24 satellites in 6 planes, or 19 satellites in 1 or 19",
        ),
        ({**WALKER, "satellites": 10_000, "planes": 9_999}, "give 9999 satellites in 9999 planes, or 10000 satellites"),
        (
            {**WALKER, "planes": 10_001},
            "10001 planes equally; each plane takes the same number: give 6 satellites in 6",
        ),
        ({**WALKER, "phasing": 3}, "phasing 3; expected 0 to planes - 1 = 2"),
        ({**WALKER, "altitude_km": 100}, "greater than or equal to 200 (got 100)"),
        ({**WALKER, "inclination_deg": 181}, "less than or equal to 180"),
        ({**WALKER, "satellites": 0}, "greater than or equal to 1"),
        ({**WALKER, "plane": 3}, "unknown key; did you mean 'planes'"),
        ({k: v for k, v in WALKER.items() if k != "satellites"}, "is missing; add it"),
        ({**WALKER, "kind": '"ring"'}, "does not match any of the expected tags"),
        ({**TRAIN, "spacing_s": 0}, "greater than 0"),
        ({**TRAIN, "track": '"sky"'}, "'orbit' or 'ground'"),
        ({**TRAIN, "orbit": '{ kind = "circular", altitude_km = 500 }'}, "is missing; add it"),
    ],
)
def test_broken_patterns_are_named_by_their_path(edited, pattern, message):
    found = problems(edited(extra=table(WALKER, "OK") + table(pattern)))
    ((path, text),) = found.items()
    assert path.startswith("constellation.1.pattern")
    assert message in text


@pytest.mark.parametrize(
    ("pattern", "path"),
    [({**WALKER, "altitude_km": 100}, "constellation.0.pattern.altitude_km"),
     ({**TRAIN, "orbit": '{ kind = "circular", altitude_km = 500 }'}, "constellation.0.pattern.orbit.inclination_deg")],
)  # fmt: skip
def test_paths_name_only_what_stands_in_the_file(edited, pattern, path):
    assert list(problems(edited(extra=table(pattern)))) == [path]


def test_the_path_of_an_orbit_names_only_what_stands_in_the_file(edited):
    assert list(problems(edited(("altitude_km = { value = 500", "altitude_km = { value = 100")))) == [
        "satellite.0.orbit.altitude_km"
    ]


def test_names_that_clash_with_satellites_are_refused(edited):
    found = problems(edited(('name = "EAGLE1-LIKE"', 'name = "C-2-1"'), extra=table(WALKER)))
    assert "satellite names must differ; 'C-2-1' stands twice" in found[""]
    twice = problems(edited(extra=table(WALKER) + table(WALKER)))
    assert "'C-1-1' stands twice" in twice[""]


def test_names_with_separators_are_refused(edited):
    assert "is no name" in problems(edited(extra=table(WALKER, "A|B")))["constellation.0.name"]


def test_an_unknown_terminal_of_a_constellation_is_named_once(edited):
    extra = table(WALKER).replace("eagle1-like-nominal", "eagle-like")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(edited(extra=extra))
    assert [path for path, _ in caught.value.problems] == ["constellation.0.terminal"]
    assert "unknown preset" in caught.value.problems[0][1]


def test_a_single_table_is_told_how_to_be_written(edited):
    assert "write [[constellation]]" in problems(edited(extra='\n[constellation]\nname = "C"\n'))["constellation"]

"""Satellites that see no two stations at once, and scenarios that cannot send pairs."""

import numpy as np
import pytest
from dual_cases import SOURCE, dual

from eqci_space.errors import ScenarioError
from eqci_space.orbits.ephemeris import highest_radius_m
from eqci_space.scenario import load_scenario
from eqci_space.scenario.changes import with_values
from eqci_space.schedule.partners import horizon_angle_deg, lonely_satellites, partner_stations


@pytest.fixture(scope="module")
def pairs(scenario):
    return dual(scenario)


def only(scenario, *names):
    return scenario.model_copy(update={"stations": {o: scenario.stations[o] for o in names}})


def test_the_horizon_is_that_of_the_triangle():
    """Station, satellite and centre: at the angle found the elevation is the one asked for."""
    radius, earth = 6_878_137.0, 6_356_752.3
    for elevation in (0.0, 10.0, 35.0):
        angle = np.radians(horizon_angle_deg(radius, elevation))
        seen = np.degrees(np.arctan2(np.cos(angle) - earth / radius, np.sin(angle)))
        assert seen == pytest.approx(elevation, abs=1e-9)


def test_pairs_are_of_stations_at_different_nodes(pairs):
    assert len(partner_stations(pairs)) == 10
    stations = {o: s.model_copy(update={"attach": "fibre", "node": "BER"}) for o, s in pairs.stations.items()}
    assert partner_stations(pairs.model_copy(update={"stations": stations})) == []


def test_a_satellite_is_lonely_where_no_pair_is_within_twice_the_horizon(pairs):
    """Two stations of one place on the equator and apart: the limit is 2 λ, from above and below."""
    assert lonely_satellites(pairs) == []
    radius = highest_radius_m(pairs.satellites[0], pairs)
    assert radius == pytest.approx(6_878_137.0, rel=2e-3)
    most = 2 * horizon_angle_deg(radius + 20e3, 20.0)
    for apart, lonely in ((most - 0.05, False), (most + 0.05, True)):
        two = only(pairs, "GRAZ", "PQSAT")
        places = {"GRAZ": 10.0, "PQSAT": 10.0 + apart}
        stations = {
            o: s.model_copy(update={"latitude_deg": 0.0, "longitude_deg": places[o]}) for o, s in two.stations.items()
        }
        found = lonely_satellites(two.model_copy(update={"stations": stations}))
        assert bool(found) == lonely
    ((path, text),) = found
    assert path == "satellite.0"
    assert "'EAGLE1-LIKE' sees no two stations at once: its nearest pair 'GRAZ' and 'PQSAT' are" in text
    assert f"{np.radians(apart) * 6371:.0f} km apart; expected at most {np.radians(most) * 6371:.0f} km" in text
    assert "downlink = 'single'" in text


def test_one_station_is_no_pair_and_single_downlinks_need_none(pairs, scenario):
    ((_, text),) = lonely_satellites(only(pairs, "GRAZ"))
    assert "has no two stations" in text
    assert lonely_satellites(only(scenario, "GRAZ")) == []


def test_a_mobile_station_counts_wherever_it_stands(pairs):
    far = only(pairs, "GRAZ", "PQSAT")
    place = far.stations["PQSAT"].model_copy(update={"latitude_deg": -40.0})
    stations = {"GRAZ": far.stations["GRAZ"], "PQSAT": place}
    assert lonely_satellites(far.model_copy(update={"stations": stations}))


def test_pairs_need_two_terminals_and_entangled_light(scenario):
    values = {"protocol.kind": "bbm92", "protocol.source": SOURCE, "protocol.downlink": "dual"}
    message = (
        "satellite 'EAGLE1-LIKE': terminals = 1, .* expected at least 2; set terminals = 2, or downlink = 'single'"
    )
    with pytest.raises(ScenarioError, match=message):
        with_values(scenario, values)
    with pytest.raises(ScenarioError, match="downlink = 'dual' sends entangled pairs, and kind is 'bb84-two-decoy'"):
        with_values(scenario, {"protocol.downlink": "dual", "satellite.0.terminals": 2})
    with pytest.raises(ScenarioError, match="downlink"):
        with_values(scenario, {"protocol.downlink": "triple"})


def test_constellations_take_terminals(edited):
    constellation = (
        '\n[[constellation]]\nname = "W"\nterminal = "eagle1-like-nominal"\nterminals = 4\n[constellation.pattern]\n'
        'kind = "walker_delta"\naltitude_km = 600\ninclination_deg = 60\nsatellites = 2\nplanes = 1\n'
        "epoch = 2027-03-01T12:00:00Z\n"
    )
    found = load_scenario(edited(extra=constellation))
    assert {s.name: s.terminals for s in found.satellites} == {"EAGLE1-LIKE": 1, "W-1-1": 4, "W-1-2": 4}

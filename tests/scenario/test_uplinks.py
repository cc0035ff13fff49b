"""What a scenario may say of an uplink, and what of it is refused, each with one clear error."""

import json
import tomllib

import jsonschema
import pytest

from eqci_space.errors import ScenarioError
from eqci_space.scenario import Receiver, load_scenario, receiver_of, scenario_schema, with_variant
from eqci_space.scenario.changes import with_values
from eqci_space.scenario.packed import packed_scenario, unpacked_scenario
from eqci_space.scenario.presets_io import preset_values

BEACON = "background_radiance_w_m2_sr_m"
PAIRS = """
[protocol]
kind = "bbm92"
downlink = "{}"
[protocol.source]
pair_rate_hz = 1e9
"""
VARIANT = """
[[variant]]
name = "other"
terminal = "eagle1-like-nominal"
receiver = "ogs-80cm-snspd"
"""
DOWN = """
[[satellite]]
name = "SINKER"
terminal = "eagle1-like-nominal"
orbit = { kind = "sun_synchronous", altitude_km = 500, ltan_h = 22.5, epoch = 2027-03-01T12:00:00Z }
"""
TRAIN = """
[[constellation]]
name = "T"
{}
[constellation.pattern]
kind = "train"
satellites = 2
spacing_s = 60
orbit = {{ kind = "sun_synchronous", altitude_km = 500, ltan_h = 22.5, epoch = 2027-03-01T12:00:00Z }}
"""
TRAIN_UPLINK = """[constellation.uplink]
transmitter = "ground-13cm-785nm"
receiver = "satellite-30cm-si"
background_radiance_w_m2_sr_m = 0
"""


def problems(path):
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    return dict(caught.value.problems)


def test_the_terminal_of_an_uplink_is_the_transmitter_and_the_satellite_receives(uplinked):
    (satellite,), station = uplinked.satellites, uplinked.stations["GRAZ"]
    assert satellite.terminal == satellite.uplink.transmitter
    assert satellite.terminal.beam_radius_m == 0.0333
    assert receiver_of(satellite, station) == satellite.uplink.receiver == Receiver(**preset_values(
        "receiver", "satellite-30cm-si"
    ))  # fmt: skip
    assert (satellite.uplink.tracked, satellite.uplink.delay_s) == (True, 0.001)


def test_a_downlink_is_received_by_the_station(scenario):
    station = scenario.stations["GRAZ"]
    assert scenario.satellites[0].uplink is None
    assert receiver_of(scenario.satellites[0], station) is station.receiver
    assert "uplink" not in scenario.satellites[0].model_dump(exclude_unset=True)


def test_sources_of_presets_and_of_the_light_of_the_earth_are_kept(uplinked):
    sources = {path: source for path, _, source in uplinked.sources}
    assert "Ren et al. 2017" in sources["transmitter:ground-13cm-785nm.wavelength_m"]
    assert "assumed" in sources["receiver:satellite-30cm-si.dark_count_rate_hz"]
    assert "assumed" in sources[f"satellite.0.uplink.{BEACON}"]


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        (('name = "RISER"', 'name = "RISER"\nterminal = "eagle1-like-nominal"'), "satellite.0.terminal",
         "give exactly one of terminal (the satellite sends) and uplink (the ground sends); found both"),
        (('"ground-13cm-785nm"', '"ground-13cm"'), "satellite.0.uplink.transmitter",
         "unknown preset 'ground-13cm'; did you mean 'ground-13cm-785nm'"),
        (('"satellite-30cm-si"', '"satellite-si"'), "satellite.0.uplink.receiver", "unknown preset 'satellite-si'"),
        (('"ground-13cm-785nm"', '"micius-like-850nm"'), "satellite.0.uplink",
         "transmitter.beam_radius_m is missing; expected the 1/e² radius at the exit, not a divergence"),
        (('"satellite-30cm-si"', '"ogs-40cm-si"'), "satellite.0.uplink",
         "receiver.coupling = 'modelled'; expected 'stated', for the satellite stands above the turbulence"),
        (("delay_s = 0.001", "delay_s = 2"), "satellite.0.uplink.delay_s", "less than or equal to 1 (got 2)"),
        (("tracked = true", "track = true"), "satellite.0.uplink.track", "unknown key; did you mean 'tracked'"),
        ((f"{BEACON} = {{ value = 100,", f"{BEACON} = {{ value = -1,"), f"satellite.0.uplink.{BEACON}", "(got -1)"),
        ((f"{BEACON} = {{", "# {"), f"satellite.0.uplink.{BEACON}", "is missing; add it"),
        (('"ground-13cm-785nm"', '{ wavelength_m = 780e-9 }'), "satellite.0.uplink.transmitter.jitter_rad",
         "is missing; add it"),
    ],
)  # fmt: skip
def test_a_wrong_uplink_is_named_with_its_remedy(upwards, change, path, message):
    found = problems(upwards(change))
    assert message in found[path]
    assert path.endswith("jitter_rad") or len(found) == 1


def test_a_satellite_without_terminal_and_uplink_is_refused(edited):
    found = problems(edited(('terminal = "eagle1-like-nominal"\n[sat', "[sat")))
    assert found == {
        "satellite.0.terminal": "give exactly one of terminal (the satellite sends) and uplink (the ground sends); "
        "found neither"
    }


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (PAIRS.format("single"), "satellite 'RISER': an uplink, and protocol.kind = 'bbm92' sends pairs of a source on "
         "the satellite down (downlink = 'single'); expected prepared states; set kind = 'bb84-two-decoy'"),
        (PAIRS.format("dual"), "an uplink, and protocol.kind = 'bbm92' sends pairs of a source on the satellite down "
         "(downlink = 'dual')"),
        (VARIANT, "variant 'other': terminal and receiver of downlinks, and all satellites are uplinked"),
    ],
)  # fmt: skip
def test_what_an_uplink_cannot_serve_is_refused(upwards, extra, message):
    found = problems(upwards(extra=extra))
    assert list(found) == [""]
    assert message in found[""]


def test_a_gate_longer_than_the_pulse_period_is_that_of_the_satellite(upwards):
    """The satellite's gate of 2 ns bounds the rate to 0.5 GHz; the station's 0.5 ns, which looks nowhere, does not."""
    path = upwards()
    scenario = load_scenario(path)
    rate = "satellite.0.uplink.transmitter.pulse_rate_hz"
    assert with_values(scenario, {rate: 5e8}).satellites[0].terminal.pulse_rate_hz == 5e8
    longer = r"satellite 'RISER': uplink\.receiver\.gate_s = 2e-09 s is longer than the 1e-09 s between pulses of its"
    with pytest.raises(ScenarioError, match=longer):
        with_values(scenario, {rate: 1e9})
    slow = {"station.GRAZ.receiver.gate_s": 1e-6}
    assert with_values(scenario, slow).stations["GRAZ"].receiver.gate_s == 1e-6


def test_values_and_presets_of_an_uplink_can_be_swept_and_workers_know_them(uplinked):
    changed = with_values(uplinked, {
        "satellite.*.uplink.tracked": False, "satellite.0.uplink.transmitter": preset_values(
            "transmitter", "ground-13cm-785nm") | {"jitter_rad": 2e-6}, "satellite.0.uplink.receiver.detectors": 2,
    })  # fmt: skip
    assert changed.satellites[0].terminal.jitter_rad == 2e-6
    assert changed.satellites[0].uplink.receiver.detectors == 2
    named = with_values(uplinked, {"satellite.0.uplink.transmitter": "ground-13cm-785nm"})
    assert named.satellites == uplinked.satellites
    assert unpacked_scenario(packed_scenario(changed)).satellites == changed.satellites
    table = {"name": "W", "pattern": {"kind": "walker_delta", "altitude_km": 600, "inclination_deg": 60,
                                      "satellites": 2, "planes": 1}}  # fmt: skip
    many = with_values(uplinked, {"satellites": table})
    assert [s.uplink for s in many.satellites] == [uplinked.satellites[0].uplink] * 2


def test_a_constellation_can_be_uplinked(upwards):
    many = load_scenario(upwards(extra=TRAIN.format(TRAIN_UPLINK)))
    assert [s.name for s in many.satellites] == ["RISER", "T-1", "T-2"]
    assert many.satellites[2].terminal == many.satellites[0].terminal
    assert problems(upwards(extra=TRAIN.format("")))["constellation.0.terminal"].endswith("found neither")
    both = TRAIN.format('terminal = "eagle1-like-nominal"\n' + TRAIN_UPLINK)
    assert problems(upwards(extra=both))["constellation.0.terminal"].endswith("found both")


def test_variants_exchange_what_downlinks_have_and_leave_uplinks(upwards):
    mixed = load_scenario(upwards(extra=DOWN + VARIANT.replace("nominal", "optimistic")))
    other = with_variant(mixed, mixed.variants[0])
    up, down = other.satellites
    assert up == mixed.satellites[0]
    assert down.terminal == mixed.variants[0].terminal != mixed.satellites[1].terminal


def test_an_overlay_adds_an_uplink_changes_one_or_turns_a_link_round(edited, tmp_path):
    (tmp_path / "new.toml").write_text(DOWN.replace("SINKER", "RISER").replace(
        'terminal = "eagle1-like-nominal"\n', "") + TRAIN_UPLINK.replace("constellation", "satellite"))  # fmt: skip
    (tmp_path / "late.toml").write_text('[[satellite]]\nname = "RISER"\nuplink.tracked = true\nuplink.delay_s = 0.1\n')
    (tmp_path / "down.toml").write_text('[[satellite]]\nname = "RISER"\nterminal = "eagle1-like-nominal"\n')
    (tmp_path / "up.toml").write_text(
        '[[satellite]]\nname = "EAGLE1-LIKE"\n' + TRAIN_UPLINK.replace("constellation", "satellite")
    )
    base = edited()
    risen = load_scenario(base, overlays=[tmp_path / "new.toml", tmp_path / "late.toml"])
    assert [s.uplink is not None for s in risen.satellites] == [False, True]
    assert (risen.satellites[1].uplink.tracked, risen.satellites[1].uplink.delay_s) == (True, 0.1)
    turned = load_scenario(base, overlays=[tmp_path / n for n in ("new.toml", "down.toml", "up.toml")])
    assert [s.uplink is not None for s in turned.satellites] == [True, False]
    assert turned.satellites[0].orbit == risen.satellites[0].orbit
    assert turned.satellites[1].terminal == risen.satellites[0].terminal


def test_the_schema_knows_the_table(upwards):
    schema = scenario_schema()
    json.dumps(schema)
    validator = jsonschema.Draft202012Validator(schema["$defs"]["Satellite"] | {"$defs": schema["$defs"]})
    (satellite,) = tomllib.loads(upwards().read_text(encoding="utf-8"))["satellite"]
    satellite["orbit"]["epoch"] = satellite["orbit"]["epoch"].isoformat()
    assert [e.message for e in validator.iter_errors(satellite)] == []
    assert [e.validator for e in validator.iter_errors(satellite | {"terminal": "eagle1-like-nominal"})] == ["oneOf"]
    stray = satellite | {"uplink": satellite["uplink"] | {"power_w": 1.0}}
    assert list(validator.iter_errors(stray))

"""Loading scenarios: what is accepted, what is refused, and how it is said."""

import json

import pytest
from pydantic import ValidationError

from eqci_space.errors import DataError, ScenarioError
from eqci_space.scenario import Scenario, with_variant
from eqci_space.scenario_io import load_scenario, scenario_schema


def problems(path) -> dict[str, str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    return dict(caught.value.problems)


def test_shipped_scenario_has_stations_with_their_own_apertures(scenario):
    assert [s.name for s in scenario.satellites] == ["EAGLE1-LIKE"]
    assert scenario.stations["GRAZ"].receiver.aperture_diameter_m == 0.5
    assert scenario.stations["DLR-TRAUEN"].receiver.aperture_diameter_m == 0.8
    assert scenario.stations["ONDREJOV"].status_class == "hypothetical"
    assert scenario.stations["PQSAT"].attach == "colocated"


def test_sources_are_kept_beside_the_path_of_their_value(scenario):
    sources = {path: (value, source) for path, value, source in scenario.sources}
    assert sources["satellite.0.orbit.ltan_h"][0] == "22.5"
    assert "assumed" in sources["satellite.0.orbit.ltan_h"][1]
    assert "terminal:eagle1-like-nominal.jitter_rad" in sources


def test_records_are_frozen(scenario):
    with pytest.raises(ValidationError, match="frozen"):
        scenario.seed = 8


def test_all_problems_are_reported_at_once_with_paths(edited):
    path = edited(
        ("min_elevation_deg = { value = 20", "min_elevation_dge = { value = 20"),
        ('between = ["BER", "WAW"]\npurpose = "government"', 'between = ["BER", "WAV"]\npurpose = "government"'),
        ("start = 2027-03-01T12:00:00Z", "start = 2027-03-01T12:00:00"),
    )
    found = problems(path)
    assert "did you mean 'min_elevation_deg'" in found["stations.min_elevation_dge"]
    assert "has no time zone; write 2027-03-01T12:00:00Z" in found["start"]


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        (("end = 2027-03-08T12:00:00Z", "end = 2027-02-08T12:00:00Z"), "", "is not after start"),
        (
            ('node = { value = "WAW"', 'node = { value = "WAX"'),
            "station.PQSAT.node",
            "unknown node 'WAX'; did you mean",
        ),
        (('use = ["DLR-OP"', 'use = ["DLR-OB"'), "stations.use", "unknown station 'DLR-OB'; did you mean 'DLR-OP'"),
        (
            ("aperture_diameter_m = { value = 0.6", "latitude_deg = { value = 91"),
            "station.PQSAT.latitude_deg",
            "got 91",
        ),
        (
            ('terminal = "eagle1-like-nominal"\n[sat', 'terminal = "eagle-like"\n[sat'),
            "satellite.0.terminal",
            "unknown preset",
        ),
        (('network = "de-pl-cz"', 'network = "de-pl"'), "fiber.network", "no shipped data 'fiber/de-pl'"),
        (
            ("keys_256_per_day = { value = 400", "bit_per_day = 1\nkeys_256_per_day = { value = 400"),
            "demand.0",
            "exactly one",
        ),
        (('assurance = "space_path"', 'assurance = "orbital"'), "demand.0.assurance", "space_path"),
    ],
)
def test_wrong_value_is_named_with_its_remedy(edited, change, path, message):
    found = problems(edited(change))
    assert path in found
    assert message in found[path]


def test_unknown_top_level_key_is_refused(edited):
    assert "did you mean 'schedule'" in problems(edited(extra='\n[shedule]\nbin = "1D"\n'))["shedule"]


def test_scenario_without_demand_is_refused(edited, tmp_path):
    text = edited().read_text(encoding="utf-8")
    head, tail = text.split("# Government keys", 1)
    (tmp_path / "none.toml").write_text(head + tail[tail.index("[schedule]") :], encoding="utf-8")
    assert "is missing" in problems(tmp_path / "none.toml")["demand"]


def test_names_with_separators_are_refused(edited):
    assert "no name" in problems(edited(('name = "EAGLE1-LIKE"', 'name = "A|B"')))["satellite.0.name"]


def test_broken_toml_and_unknown_names_are_one_line(tmp_path):
    (tmp_path / "x.toml").write_text("name = [", encoding="utf-8")
    assert "not valid TOML" in problems(tmp_path / "x.toml")[""]
    assert "did you mean 'quant-gpicz'" in problems("quant-gpcz")[""]
    assert "no such file" in problems(tmp_path / "none.toml")[""]


def test_user_catalogue_is_read_beside_the_scenario(edited, tmp_path):
    (tmp_path / "mine.csv").write_text(
        "ogs,name,country,latitude_deg,longitude_deg,height_ellipsoid_m,height_msl_m,status_class,node\n"
        "POLE,South Pole,PL,-90,0,2880,2900,hypothetical,WAW\n",
        encoding="utf-8",
    )
    text = edited().read_text(encoding="utf-8")
    text = text.replace('catalogue = "euroqci"', 'catalogue = "mine.csv"').replace(
        'use = ["DLR-OP", "DLR-TRAUEN", "GRAZ", "PQSAT", "ONDREJOV"]', 'use = ["POLE"]'
    )
    text = text.replace(
        "[station.PQSAT]                 # the mobile Polish station, parked at Warsaw", "[station.POLE]"
    )
    (tmp_path / "edited.toml").write_text(text, encoding="utf-8")
    station = load_scenario(tmp_path / "edited.toml").stations["POLE"]
    assert (station.latitude_deg, station.receiver.aperture_diameter_m) == (-90, 0.6)


def test_duplicate_station_in_a_catalogue_is_named(edited, tmp_path):
    (tmp_path / "mine.csv").write_text("ogs,name\nA,x\nA,y\n", encoding="utf-8")
    found = problems(edited(('catalogue = "euroqci"', 'catalogue = "mine.csv"')))
    assert "line 3: ogs 'A' stands twice" in found["stations.catalogue"]


def test_schema_accepts_the_shipped_file_forms():
    schema = scenario_schema()
    json.dumps(schema)
    terminal = schema["$defs"]["Satellite"]["properties"]["terminal"]
    assert {"type": "string"} in terminal["anyOf"]
    assert "required" not in schema["$defs"]["Station"]
    assert set(schema["required"]) >= {"name", "start", "end", "fiber", "demand"}


def test_variant_keeps_the_apertures_of_the_stations(scenario):
    other = with_variant(scenario, scenario.variants[0])
    assert other.satellites[0].terminal.pulse_rate_hz == 1e8
    assert other.stations["GRAZ"].receiver.aperture_diameter_m == 0.5
    assert other.stations["GRAZ"].receiver.detector_efficiency == 0.2


def test_missing_data_file_is_a_data_error():
    from eqci_space.data import data_path

    with pytest.raises(DataError, match="no shipped data"):
        data_path("sites", "nowhere.csv")


def test_model_field_names_and_file_keys_agree():
    aliases = {f.alias for f in Scenario.model_fields.values() if f.alias}
    assert aliases == {"satellite", "stations", "station", "demand", "variant"}

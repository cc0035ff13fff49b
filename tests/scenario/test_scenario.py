"""Loading scenarios: what is accepted, what is refused, and how it is said."""

import csv
import hashlib
import json
import tomllib
from datetime import timedelta

import jsonschema
import pytest
from pydantic import ValidationError

from eqci_space.data import data_path
from eqci_space.errors import DataError, ScenarioError
from eqci_space.fiber.problem import bin_edges
from eqci_space.scenario import Scenario, load_scenario, scenario_schema, with_variant
from eqci_space.scenario.changes import with_values


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


def test_a_receiver_given_for_a_station_keeps_its_own_telescope(tmp_path):
    """The catalogue says 0.8 m at Oberpfaffenhofen; a receiver of that station's table is what the user meant."""
    text = data_path("scenarios", "quant-gpicz.toml").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text + '\n[station.DLR-OP]\nreceiver = "ogs-40cm-si"\n', encoding="utf-8")
    mine = load_scenario(path)
    assert mine.stations["DLR-OP"].receiver.aperture_diameter_m == 0.4
    assert mine.stations["GRAZ"].receiver.aperture_diameter_m == 0.5
    assert not any(where == "station.DLR-OP.aperture_diameter_m" for where, _, _ in mine.sources)


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


@pytest.mark.parametrize("line", ['file = "a"', 'sha256 = "0"', 'overlays = ["a"]', "inputs = []", "sources = []"])
def test_no_file_says_where_a_scenario_comes_from(edited, line):
    key = line.partition(" ")[0]
    found = problems(edited(("seed = ", f"{line}\nseed = ")))
    assert list(found) == [key]
    assert "unknown key" in found[key]
    assert key not in scenario_schema()["properties"]


def test_marks_of_bins_go_through_toml_and_back(scenario, edited, tmp_path):
    """What splits the bins of a scenario in memory splits those of the scenario that was written and read."""
    nights = bin_edges(scenario)
    between = scenario.start + timedelta(hours=30)
    marked = scenario.model_copy(update={"bin_marks": (between, scenario.end + timedelta(days=1))})
    line = f"bin_marks = {json.dumps(marked.model_dump(mode='json')['bin_marks'])}"
    read = load_scenario(edited(("seed = ", f"{line}\nseed = ")))
    assert read.bin_marks == marked.bin_marks
    assert read.model_dump(exclude_unset=True) == marked.model_dump(exclude_unset=True)
    assert bin_edges(read) == bin_edges(marked) == sorted([*nights, between])
    (tmp_path / "marks.toml").write_text(f"bin_marks = [{between:%Y-%m-%dT%H:%M:%SZ}]\n", encoding="utf-8")
    laid = load_scenario(edited(), overlays=[tmp_path / "marks.toml"])
    assert bin_edges(laid) == bin_edges(marked)
    assert [source for path, _, source in laid.sources if path == "bin_marks"] == ["overlay marks.toml"]
    assert with_values(laid, {"seed": 5}).bin_marks == laid.bin_marks
    jsonschema.validate({"bin_marks": [between.isoformat()]}, {**scenario_schema(), "required": []})


def test_marks_without_a_zone_or_beyond_all_measure_are_refused(edited):
    found = problems(edited(("seed = ", "bin_marks = [2027-03-02T00:00:00]\nseed = ")))
    assert "has no time zone" in found["bin_marks.0"]
    marks = "bin_marks = [" + ", ".join(["2027-03-02T00:00:00Z"] * 100_000) + "]"
    demand = '[[demand]]\nname = "d{}"\nbetween = ["BER", "WAW"]\nbit_per_day = 1\n'
    many = "\n" + "".join(demand.format(i) for i in range(60))
    assert "demands times bins" in problems(edited(("seed = ", f"{marks}\nseed = "), extra=many))["schedule.bin"]


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
        "POLE,South Pole,AQ,-90,0,2880,2900,hypothetical,WAW\n",
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
    head = "ogs,name,country,latitude_deg,longitude_deg,height_ellipsoid_m,height_msl_m,status_class\n"
    row = "A,x,DE,50,10,350,300,planned\n"
    (tmp_path / "mine.csv").write_text(head + 2 * row, encoding="utf-8")
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
    with pytest.raises(DataError, match="no shipped data"):
        data_path("sites", "nowhere.csv")


def test_model_field_names_and_file_keys_agree():
    aliases = {f.alias for f in Scenario.model_fields.values() if f.alias}
    assert aliases == {
        "satellite", "stations", "station", "link", "handover", "outage", "booking", "satellite_quota", "demand",
        "variant", "uncertainty",
    }  # fmt: skip


# ---------------------------------------------------------------- names in messages


@pytest.mark.parametrize(
    ("change", "path", "shown"),
    [
        (("[satellite.orbit]", 'elements = "x.json"\n[satellite.orbit]'), "satellite.0.elements",
         "satellite.0 ('EAGLE1-LIKE').elements: no file"),
        (("[satellite.orbit]", 'ephemeris = "x.oem"\n[satellite.orbit]'), "satellite.0",
         "satellite.0 ('EAGLE1-LIKE'): give exactly one of orbit, elements and ephemeris; found orbit and ephemeris"),
        (("altitude_km = { value = 500", "altitude_km = { value = 50"), "satellite.0.orbit.altitude_km",
         "satellite.0 ('EAGLE1-LIKE').orbit.altitude_km: "),
        (('terminal = "eagle1-like-nominal"\n[sat', 'terminal = "eagle-like"\n[sat'), "satellite.0.terminal",
         "satellite.0 ('EAGLE1-LIKE').terminal: unknown preset 'eagle-like'"),
        (('between = ["WAW", "PRG"]\npurpose = "gov', 'between = ["WAV", "PRG"]\npurpose = "gov'), "demand.1.between",
         "demand.1 ('government Warsaw-Prague').between: unknown node 'WAV'"),
    ],
)  # fmt: skip
def test_a_message_names_the_satellite_or_demand_beside_its_place(edited, change, path, shown):
    with pytest.raises(ScenarioError) as caught:
        load_scenario(edited(change))
    assert path in dict(caught.value.problems)
    assert f"\n  {shown}" in str(caught.value)


def test_a_table_without_a_name_is_named_by_its_number(edited):
    with pytest.raises(ScenarioError, match=r"\n  satellite\.0\.name: is missing") as caught:
        load_scenario(edited(('name = "EAGLE1-LIKE"\n', "")))
    assert list(dict(caught.value.problems)) == ["satellite.0.name"]


# ---------------------------------------------------------------- stations by filter

USE = 'use = ["DLR-OP", "DLR-TRAUEN", "GRAZ", "PQSAT", "ONDREJOV"]\n'
MOBILE = "[station.PQSAT]                 # the mobile Polish station, parked at Warsaw\n"
POLISH = (
    'node = { value = "WAW", source = "assumed: PIONIER-Q-SAT is mobile; its sites are not published" }\n'
    'attach = { value = "colocated", source = "assumed: parked at the Warsaw node" }\n'
    'aperture_diameter_m = { value = 0.6, source = "assumed: transportable telescope" }\n'
)


def catalogue() -> list[dict[str, str]]:
    with data_path("sites", "euroqci.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def filtered(edited, filters: str, extra: str = ""):
    return edited((USE, filters), (MOBILE, ""), (POLISH, ""), extra=extra)


@pytest.mark.parametrize(
    ("filters", "admit"),
    [
        ('countries = ["DE"]\n', lambda r: r["country"] == "DE"),
        (
            'status_class = ["operational"]\ncountries = ["DE", "AT"]\n',
            lambda r: r["status_class"] == "operational" and r["country"] in ("DE", "AT"),
        ),
        ('status_class = ["operational", "planned"]\ncountries = ["DE"]\n',
         lambda r: r["status_class"] != "hypothetical" and r["country"] == "DE"),
    ],
)  # fmt: skip
def test_without_use_the_filters_choose_from_the_catalogue(edited, filters, admit):
    text = 'attach = "none"\n'
    chosen = [r["ogs"] for r in catalogue() if admit(r)]
    extra = "".join(f"\n[station.{ogs}]\n{text}" for ogs in chosen)
    stations = load_scenario(filtered(edited, filters, extra)).stations
    assert list(stations) == chosen
    assert len(chosen) >= 3


def test_without_use_and_filters_the_whole_catalogue_takes_part(edited):
    chosen = [r["ogs"] for r in catalogue()]
    extra = "".join(f'\n[station.{ogs}]\nattach = "none"\n' for ogs in chosen)
    assert list(load_scenario(filtered(edited, "", extra)).stations) == chosen


def test_operational_stations_of_germany_are_the_published_ones(edited):
    path = filtered(edited, 'status_class = ["operational"]\ncountries = ["DE"]\n')
    assert list(load_scenario(path).stations) == ["DLR-OP", "DLR-TRAUEN", "UNIBW"]


def test_a_station_in_use_that_a_filter_leaves_out_is_refused(edited):
    found = problems(edited((USE, USE + 'status_class = ["operational", "planned"]\n')))
    assert found == {
        "stations.use": "'ONDREJOV' is hypothetical in CZ; status_class or countries leave it out; "
        "widen them or drop the station"
    }
    assert "'GRAZ' is operational in AT" in problems(
        edited((USE, 'use = ["GRAZ", "DLR-OP", "PQSAT"]\ncountries = ["DE", "PL"]\n'))
    )["stations.use"]  # fmt: skip


LEFT_OUT = "status_class or countries leave it out; widen them or drop this table"


def test_without_use_a_table_of_a_station_that_a_filter_leaves_out_is_refused(edited):
    path = edited((USE, 'status_class = ["operational"]\ncountries = ["DE", "PL"]\n'))
    assert problems(path) == {"station.PQSAT": f"'PQSAT' is planned in PL; {LEFT_OUT}"}
    path = edited((USE, 'countries = ["DE"]\n'))
    assert problems(path)["station.PQSAT"] == f"'PQSAT' is planned in PL; {LEFT_OUT}"


def test_filters_go_by_what_the_table_of_a_station_states(edited):
    german = 'status_class = ["operational"]\ncountries = ["DE"]\n'
    opened = filtered(edited, german, '\n[station.UNIBW]\nstatus_class = "planned"\n')
    assert problems(opened) == {"station.UNIBW": f"'UNIBW' is planned in DE; {LEFT_OUT}"}
    operational = MOBILE + 'status_class = "operational"\n'
    path = edited((USE, 'status_class = ["operational"]\ncountries = ["PL"]\n'), (MOBILE, operational))
    assert list(load_scenario(path).stations) == ["PQSAT"]


OWN = """
[station.MINE]
name = "Own station"
country = "US"
latitude_deg = 40
longitude_deg = -105
height_ellipsoid_m = 1600
height_msl_m = 1620
status_class = "planned"
node = "BER"
attach = "none"
"""


def test_filters_hold_for_a_station_of_ones_own_too(edited):
    assert "MINE" in load_scenario(filtered(edited, 'countries = ["DE", "US"]\nunconnected = "none"\n', OWN)).stations
    path = filtered(edited, 'status_class = ["operational"]\ncountries = ["DE", "US"]\n', OWN)
    assert problems(path) == {"station.MINE": f"'MINE' is planned in US; {LEFT_OUT}"}
    path = filtered(edited, 'use = ["MINE"]\ncountries = ["DE"]\n', OWN)
    assert "'MINE' is planned in US" in problems(path)["stations.use"]


# ---------------------------------------------------------------- misspelt stations


@pytest.mark.parametrize("ogs", ["PQSATT", "pqsat"])
@pytest.mark.parametrize("filters", [USE, 'countries = ["PL"]\nunconnected = "none"\n'])
def test_a_misspelt_station_table_is_the_only_problem(edited, filters, ogs):
    found = problems(edited((USE, filters), (MOBILE, f"[station.{ogs}]\n")))
    assert list(found) == [f"station.{ogs}"]
    assert f"unknown station '{ogs}'; did you mean 'PQSAT'" in found[f"station.{ogs}"]


def test_what_is_wrong_in_a_misspelt_table_is_reported_where_it_stands(edited):
    found = problems(edited((MOBILE, "[station.PQSATT]\nlatitude_deg = 91\n")))
    assert list(found) == ["station.PQSATT", "station.PQSATT.latitude_deg"]


@pytest.mark.parametrize("table", [MOBILE, "[station.PQSATT]\n"])
def test_a_station_misspelt_in_use_is_the_only_problem(edited, table):
    found = problems(edited((USE, USE.replace("PQSAT", "PQSATT")), (MOBILE, table)))
    assert list(found) == ["stations.use"]
    assert "unknown station 'PQSATT'; did you mean 'PQSAT'" in found["stations.use"]


def test_a_table_of_a_station_that_is_not_used_is_told_what_to_do(edited):
    found = problems(edited(extra="\n[station.UNIBW]\nmin_elevation_deg = 25\n"))
    assert found == {"station.UNIBW": "not in stations.use; add 'UNIBW' there, or drop this table"}


def test_a_station_of_ones_own_is_told_every_field_that_it_lacks(edited):
    extra = OWN.replace("longitude_deg = -105\n", "").replace("height_msl_m = 1620\n", "")
    found = problems(edited((USE, USE.replace("]", ', "MINE"]')), extra=extra))
    assert list(found) == ["station.MINE.longitude_deg", "station.MINE.height_msl_m"]


def test_use_within_the_filters_is_accepted(edited):
    text = (
        'use = ["GRAZ", "DLR-OP", "PQSAT"]\nstatus_class = ["operational", "planned"]\ncountries = ["DE", "AT", "PL"]\n'
    )
    assert list(load_scenario(edited((USE, text))).stations) == ["GRAZ", "DLR-OP", "PQSAT"]


@pytest.mark.parametrize(
    ("filters", "path"),
    [
        ('status_class = ["working"]\n', "stations.status_class.0"),
        ('status_class = "operational"\n', "stations.status_class"),
        ("status_class = 5\n", "stations.status_class"),
        ('countries = "DE"\n', "stations.countries"),
        ("countries = 5\n", "stations.countries"),
        ('countries = ["GER"]\n', "stations.countries.0"),
        ("countries = [{ a = 1 }]\n", "stations.countries.0"),
    ],
)
def test_filters_of_the_wrong_kind_are_named(edited, filters, path):
    assert path in problems(edited((USE, filters)))


HEAD = "ogs,name,country,latitude_deg,longitude_deg,height_ellipsoid_m,height_msl_m,status_class,node\n"


def test_filters_hold_for_a_catalogue_beside_the_scenario(edited, tmp_path):
    text = HEAD + "".join(
        f"{o},{o},{c},52,21,110,80,{s},WAW\n"
        for o, c, s in [("A", "PL", "planned"), ("B", "PL", "operational"), ("C", "DE", "operational")]
    )
    (tmp_path / "mine.csv").write_text(text, encoding="utf-8")
    filters = 'status_class = ["operational"]\ncountries = ["PL"]\n'
    path = edited((USE, filters), (MOBILE, ""), (POLISH, ""), ('catalogue = "euroqci"', 'catalogue = "mine.csv"'))
    scenario = load_scenario(path)
    assert list(scenario.stations) == ["B"]
    assert dict(scenario.inputs) == {"mine.csv": hashlib.sha256(text.encode()).hexdigest()}


@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        ("ogs,name\nPQSAT,x\n", "latitude_deg"),
        ("ogs,name,latitude_deg,longitude_deg\nPQSAT,x,52,21\n", "country"),
        (HEAD.replace(",status_class", "") + "PQSAT,x,PL,52,21,100,90,WAW\n", "status_class"),
    ],
)
@pytest.mark.parametrize("filters", ['use = ["PQSAT"]\n', 'countries = ["PL"]\nstatus_class = ["planned"]\n'])
def test_a_catalogue_without_a_column_is_a_problem_and_no_crash(edited, tmp_path, rows, missing, filters):
    (tmp_path / "mine.csv").write_text(rows, encoding="utf-8")
    found = problems(edited((USE, filters), ('catalogue = "euroqci"', 'catalogue = "mine.csv"')))
    assert any(missing in path or missing in message for path, message in found.items())


def test_filters_on_a_catalogue_without_their_column_are_a_problem_and_no_crash(edited, tmp_path):
    (tmp_path / "mine.csv").write_text("ogs,name\nA,x\n", encoding="utf-8")
    found = problems(edited((USE, 'countries = ["PL"]\n'), (MOBILE, ""), (POLISH, ""), ('"euroqci"', '"mine.csv"')))
    assert any("country" in message for message in found.values())


def test_a_catalogue_that_is_not_utf8_is_a_problem_and_no_crash(edited, tmp_path):
    (tmp_path / "mine.csv").write_bytes((HEAD + "A,Pozna\xf1,PL,52,21,100,90,planned,WAW\n").encode("latin-1"))
    assert "mine.csv" in problems(edited(('catalogue = "euroqci"', 'catalogue = "mine.csv"')))["stations.catalogue"]


@pytest.mark.parametrize("text", ["[[station]]\n", "station = 5\n"])
def test_stations_that_are_no_table_are_a_problem_and_no_crash(edited, text):
    path = edited((MOBILE, text if text.startswith("[") else ""), (POLISH, ""))
    if not text.startswith("["):
        path.write_text(text + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert any(p.startswith("station") for p in problems(path))


# ---------------------------------------------------------------- rules shared by stations


def test_common_rules_reach_each_station_and_yield_to_its_own(edited):
    rules = "sun_keep_out_deg = 20\nmoon_keep_out_deg = 3\n"
    own = "sun_max_elevation_deg = -6\nmoon_keep_out_deg = 7\n"
    scenario = load_scenario(edited((USE, USE + rules), (MOBILE, MOBILE + own)))
    graz, mobile = scenario.stations["GRAZ"], scenario.stations["PQSAT"]
    assert (graz.sun_max_elevation_deg, graz.sun_keep_out_deg, graz.moon_keep_out_deg) == (-10, 20, 3)
    assert (mobile.sun_max_elevation_deg, mobile.sun_keep_out_deg, mobile.moon_keep_out_deg) == (-6, 20, 7)


def test_stations_without_rules_have_the_defaults(scenario):
    graz = scenario.stations["GRAZ"]
    assert (graz.sun_keep_out_deg, graz.moon_keep_out_deg, graz.horizon_mask, graz.maintenance) == (0, 0, (), ())


USE_AND_RULES = f"""{USE}receiver = "ogs-80cm-snspd"
min_elevation_deg = {{ value = 20, source = "assumed" }}
sun_max_elevation_deg = {{ value = -10, source = "assumed" }}
"""


@pytest.mark.parametrize(
    "rule", ["min_elevation_deg", "sun_max_elevation_deg", "sun_keep_out_deg", "moon_keep_out_deg"]
)
def test_a_common_rule_out_of_range_is_reported_once(edited, rule):
    rules = [line for line in USE_AND_RULES.splitlines(keepends=True) if not line.startswith(rule)]
    path = edited((USE_AND_RULES, "".join(rules) + f'{rule} = {{ value = 200, source = "assumed" }}\n'))
    assert list(problems(path)) == [f"stations.{rule}"]


def test_a_station_that_breaks_the_rule_by_itself_is_named_beside_it(edited):
    rules = (USE, USE + "moon_keep_out_deg = 200\n")
    found = problems(edited(rules, (MOBILE, MOBILE + "moon_keep_out_deg = 200\n")))
    assert list(found) == ["stations.moon_keep_out_deg", "station.PQSAT.moon_keep_out_deg"]
    found = problems(edited((MOBILE, MOBILE + "moon_keep_out_deg = 200\n")))
    assert list(found) == ["station.PQSAT.moon_keep_out_deg"]


def test_a_common_receiver_that_is_wrong_is_reported_once(edited):
    receiver = 'receiver = { aperture_diameter_m = 0.8, optics_transmittance = 5, field = "free_space" }\n'
    found = problems(edited(('receiver = "ogs-80cm-snspd"\nmin', receiver + "min")))
    assert "stations.receiver.optics_transmittance" in found
    assert all(path.startswith("stations.receiver.") for path in found)


# ---------------------------------------------------------------- inputs and schema

EXTENDED = """
[[constellation]]
name = "W"
terminal = "eagle1-like-nominal"
[constellation.pattern]
kind = "walker_delta"
altitude_km = 600
inclination_deg = 97.8
satellites = 4
planes = 2
epoch = 2027-03-01T12:00:00Z

[[constellation]]
name = "T"
terminal = "eagle1-like-nominal"
[constellation.pattern]
kind = "train"
satellites = 2
spacing_s = { value = 60, source = "assumed" }
track = "ground"
orbit = { kind = "circular", altitude_km = 500, inclination_deg = 97.4, epoch = 2027-02-01T00:00:00Z }

[[satellite]]
name = "SYN EAGLE1-C 600KM"
elements = "sets.json"
terminal = "eagle1-like-nominal"

[station.GRAZ]
horizon_mask = "mask.csv"
maintenance = "works.csv"

[station.ONDREJOV]
horizon_mask = [[0, 5], [90, 12.5]]
maintenance = [{ start = 2027-03-03T00:00:00Z, end = 2027-03-04T00:00:00Z, reason = "coating" }]
sun_keep_out_deg = 20
attach = "courier"
node = "PRG"
courier = { interval_day = 7, pad_bit = 1e9 }

[[station.PQSAT.position]]
latitude_deg = 52.2297
longitude_deg = 21.0122
height_ellipsoid_m = 155
height_msl_m = 110
valid_from = 2027-03-01T12:00:00Z
valid_to = 2027-03-04T12:00:00Z
node = "WAW"
"""


@pytest.fixture
def extended(edited, tmp_path):
    (tmp_path / "mask.csv").write_text("azimuth_deg,elevation_deg\n0,12\n", encoding="utf-8")
    (tmp_path / "works.csv").write_text("start,end\n2027-03-02T00:00:00Z,2027-03-02T12:00:00Z\n", encoding="utf-8")
    sets = data_path("orbits", "synthetic_constellations.omm.json").read_bytes()
    (tmp_path / "sets.json").write_bytes(sets)
    return edited(extra=EXTENDED)


def test_files_and_constellations_are_loaded_and_noted_with_their_hashes(extended, tmp_path):
    scenario = load_scenario(extended)
    names = ["EAGLE1-LIKE", "SYN EAGLE1-C 600KM", "W-1-1", "W-1-2", "W-2-1", "W-2-2", "T-1", "T-2"]
    assert [s.name for s in scenario.satellites] == names
    files = {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
             for name in ("mask.csv", "sets.json", "works.csv")}  # fmt: skip
    assert scenario.inputs == tuple(files.items())
    assert scenario.sha256 == hashlib.sha256(extended.read_bytes()).hexdigest()
    assert ("constellation.1.pattern.spacing_s", "60", "assumed") in scenario.sources


def test_a_missing_element_file_is_named(extended, tmp_path):
    (tmp_path / "sets.json").unlink()
    assert problems(extended) == {"satellite.1.elements": "no file 'sets.json' beside the scenario"}


def test_a_scenario_without_files_has_no_inputs(scenario):
    assert scenario.inputs == ()


def as_json(value):
    """TOML values as an editor's JSON validator sees them: times as text."""
    if isinstance(value, dict):
        return {k: as_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_json(v) for v in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def schema_errors(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(scenario_schema())
    found = validator.iter_errors(as_json(tomllib.loads(text)))
    return [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in found]


def test_the_schema_is_valid_itself():
    jsonschema.Draft202012Validator.check_schema(scenario_schema())


def test_the_shipped_scenario_fits_the_schema():
    text = data_path("scenarios", "quant-gpicz.toml").read_text(encoding="utf-8")
    assert schema_errors(text) == []


def test_the_new_keys_fit_the_schema(extended):
    assert schema_errors(extended.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('kind = "walker_delta"', 'kind = "ring"'),
        ("planes = 2", "planes = 0"),
        ("spacing_s = { value = 60,", "spacing_s = { value = 0,"),
        ("sun_keep_out_deg = 20", "sun_keep_out_deg = 180"),
        ('attach = "courier"', 'attach = "pigeon"'),
        ("[[0, 5], [90, 12.5]]", "[[0, 5], [90, 95]]"),
        ('node = "WAW"\n', 'nodee = "WAW"\n'),
        ('reason = "coating"', "reason = 5"),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses_too(extended, old, new):
    text = extended.read_text(encoding="utf-8")
    assert old in text
    changed = text.replace(old, new)
    assert schema_errors(changed) != []
    extended.write_text(changed, encoding="utf-8")
    assert problems(extended)


@pytest.mark.parametrize("start", ["2027-03-01", '"2027-03-01"'])
def test_a_day_without_time_is_refused_wherever_the_machine_stands(edited, start):
    found = problems(edited(("start = 2027-03-01T12:00:00Z", f"start = {start}")))
    assert "write 2027-03-01T00:00:00" in found["start"]

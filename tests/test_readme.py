"""The README's scenario example is a scenario."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

import eqci_space as eq
from eqci_space.data import data_path
from eqci_space.errors import BadRecordWarning
from eqci_space.scenario import Weather
from eqci_space.weather.outlook import clear_probability
from eqci_space.weather.records import record_sites

ROOT = Path(__file__).parents[1]

HEAD = """name = "example"
start = 2027-03-01T12:00:00Z
end = 2027-03-05T12:00:00Z

"""
TAIL = """
[fiber]
network = "de-pl-cz"
device = "apd-1ghz"

[[demand]]
name = "a"
between = ["BER", "POZ"]
keys_256_per_day = 1
"""
CALENDAR = """BEGIN:VCALENDAR\r
VERSION:2.0\r
BEGIN:VEVENT\r
UID:1\r
DTSTART:20270302T000000Z\r
DTEND:20270303T000000Z\r
SUMMARY:mirror\r
END:VEVENT\r
END:VCALENDAR\r
"""


def forecast(scenario):
    """Clear skies at every station and place, as a forecast service answers."""
    hours = pd.date_range(scenario.start, scenario.end, freq="h").strftime("%Y-%m-%dT%H:%M").tolist()
    places = [p for name, station in scenario.stations.items() for p in record_sites(name, station).values()]
    return [
        {"latitude": p.latitude_deg, "longitude": p.longitude_deg, "utc_offset_seconds": 0,
         "hourly_units": {"cloud_cover": "%"}, "hourly": {"time": hours, "cloud_cover": [0] * len(hours)}}
        for p in places
    ]  # fmt: skip


def test_the_scenario_example_loads_with_its_files_and_gives_windows(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "example.toml").write_text(HEAD + example + TAIL, encoding="utf-8")
    shipped = eq.read_elements(data_path("orbits", "synthetic_constellations.omm.json"))[0]
    new = {"catalogue_number": 799_501_299, "epoch": datetime(2027, 3, 1, tzinfo=UTC)}
    eq.write_omm([shipped.model_copy(update=new)], tmp_path / "catalogue.csv")
    with (tmp_path / "catalogue.csv").open("a", encoding="utf-8") as stream:
        stream.write("broken,record\n")
    (tmp_path / "trees.csv").write_text("azimuth_deg,elevation_deg\n0,12\n70,25\n180,10\n", encoding="utf-8")
    (tmp_path / "observatory.ics").write_text(CALENDAR, encoding="utf-8", newline="")
    (tmp_path / "forecast.json").write_text("[]", encoding="utf-8")

    scenario = eq.load_scenario(tmp_path / "example.toml")
    assert len(scenario.satellites) == 1 + 18
    assert {s.country for s in scenario.stations.values()} == {"DE", "AT", "PL"}
    assert {s.status_class for s in scenario.stations.values()} == {"operational", "planned"}
    assert [n for n, _ in scenario.inputs] == ["catalogue.csv", "forecast.json", "observatory.ics", "trees.csv"]
    with pytest.warns(BadRecordWarning, match=r"1 of 2 records skipped: catalogue.csv line 3"):
        passes = eq.find_passes(scenario)
    windows = eq.observable_windows(passes, scenario)
    assert set(windows["satellite"]) >= {"LEO-A", "W18-1-1"}
    at_dlr = windows[windows["ogs"] == "DLR-OP"]
    closed = (at_dlr["end"] > "2027-03-02T00:00Z") & (at_dlr["start"] < "2027-03-03T00:00Z")
    assert len(at_dlr)
    assert not closed.any()
    mobile = windows[windows["ogs"] == "PQSAT"]
    assert len(mobile)
    assert (mobile["end"] <= "2027-03-04T00:00Z").all()
    (tmp_path / "forecast.json").write_text(json.dumps(forecast(scenario)), encoding="utf-8")
    clear = clear_probability(eq.sample_windows(mobile, scenario), scenario)
    climate = scenario.model_copy(update={"weather": Weather()})
    assert (clear > clear_probability(eq.sample_windows(mobile, climate), climate) + 0.1).all()

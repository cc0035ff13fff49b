"""A synthetic planning instance as a scenario and CANDIDATES, for what plans scenarios rather than relay problems."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import eqci_space as eq
from benchmarks.synthetic import PLACES, Instance
from eqci_space.scenario import Scenario

__all__ = ["synthetic_candidates", "synthetic_scenario"]

START = pd.Timestamp("2027-03-20T12:00:00Z")
_COUNTRIES = {
    "Vienna": "AT", "Brussels": "BE", "Sofia": "BG", "Zagreb": "HR", "Nicosia": "CY", "Prague": "CZ",
    "Copenhagen": "DK", "Tallinn": "EE", "Helsinki": "FI", "Paris": "FR", "Berlin": "DE", "Athens": "GR",
    "Budapest": "HU", "Dublin": "IE", "Rome": "IT", "Riga": "LV", "Vilnius": "LT", "Luxembourg": "LU",
    "Valletta": "MT", "Amsterdam": "NL", "Warsaw": "PL", "Lisbon": "PT", "Bucharest": "RO", "Bratislava": "SK",
    "Ljubljana": "SI", "Madrid": "ES", "Stockholm": "SE", "Tenerife": "ES", "Oberpfaffenhofen": "DE", "Matera": "IT",
}  # fmt: skip
_NODE_HEAD = "node,name,country,domain,role,trust,latitude_deg,longitude_deg\n"
_LINK_HEAD = "link,a,b,length_km,loss_db,medium,corridor,listed_sites,status,confidence\n"


def synthetic_scenario(instance: Instance, folder: Path) -> Scenario:
    """The instance as a scenario file with its network, written to a folder and loaded; rates are stated per link."""
    network = folder / "network"
    network.mkdir(parents=True, exist_ok=True)
    stations = sorted(instance.candidates["ogs"].unique())
    nodes = [f"{p},{p},{_COUNTRIES[p]},synthetic,ix,trusted,{lat},{lon}\n" for p, (lat, lon) in PLACES.items()]
    links = [f"{r.link},{r.a},{r.b},10,2,terrestrial,,1,assumed,assumed\n" for r in instance.links.itertuples()]
    (network / "nodes.csv").write_text(_NODE_HEAD + "".join(nodes))
    (network / "links.csv").write_text(_LINK_HEAD + "".join(links))
    parts = [
        f'name = "synthetic"\nstart = {START:%Y-%m-%dT%H:%M:%SZ}\n'
        f"end = {START + pd.Timedelta(days=instance.days):%Y-%m-%dT%H:%M:%SZ}\n"
    ]
    for name in sorted(instance.candidates["satellite"].unique()):
        orbit = f'{{ kind = "sun_synchronous", altitude_km = 550, ltan_h = 22.5, epoch = {START:%Y-%m-%dT%H:%M:%SZ} }}'
        parts.append(f'[[satellite]]\nname = "{name}"\nterminal = "eagle1-like-nominal"\norbit = {orbit}\n')
    parts.append(f'[stations]\nuse = {stations!r}\nreceiver = "ogs-80cm-snspd"\n'.replace("'", '"'))
    for name in stations:
        lat, lon = PLACES[name]
        parts.append(
            f'[station.{name}]\nname = "{name}"\ncountry = "{_COUNTRIES[name]}"\n'
            f"latitude_deg = {lat}\nlongitude_deg = {lon}\n"
            f'height_ellipsoid_m = 0\nheight_msl_m = 0\nstatus_class = "hypothetical"\n'
            f'node = "{name}"\nattach = "fibre"\n'
        )
    parts.append('[fiber]\nnetwork = "./network"\ndevice = "apd-1ghz"\n')
    parts += [f'[link."{r.link}"]\nrate_bit_s = {r.rate_bit_s!r}\n' for r in instance.links.itertuples()]
    for r in instance.demands.itertuples():
        parts.append(
            f'[[demand]]\nname = "{r.a}-{r.b}"\nbetween = ["{r.a}", "{r.b}"]\npurpose = "other"\n'
            f"bit_per_day = {r.asked_bit_per_day!r}\nweight = {r.weight!r}\n"
        )
    parts.append('[schedule]\nbin = "1D"\n')
    file = folder / "synthetic.toml"
    file.write_text("".join(parts))
    return eq.load_scenario(file)


def synthetic_candidates(instance: Instance, scenario: Scenario) -> pd.DataFrame:
    """CANDIDATES of the instance."""
    table = instance.candidates
    start, end = (START + pd.to_timedelta(table[c], unit="s") for c in ("start_s", "end_s"))
    name = table["satellite"] + "/" + table["ogs"] + "/" + start.dt.strftime("%Y%m%dT%H%M%SZ")
    delay = pd.Timedelta(seconds=scenario.schedule.post_processing_s)
    return pd.DataFrame({
        "candidate_id": name, "window_id": name, "satellite": table["satellite"], "ogs": table["ogs"], "ogs_b": "",
        "start": start, "end": end, "skl_bit": table["skl_bit"], "p_clear": table["p_clear"],
        "available_at": end + delay, "edge": table["satellite"] + "|" + table["ogs"], "block": name,
    }).set_index("candidate_id")  # fmt: skip

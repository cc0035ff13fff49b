"""Write docs/validation.md: every reference row judged, and published numbers beside the model that claims them."""

from __future__ import annotations

import csv
import importlib.util
import json
import tomllib
from pathlib import Path

import numpy as np

from eqci_space.data import data_path
from eqci_space.linkbudget import extinction
from eqci_space.linkbudget.background import (
    moonlight_luminance_cd_m2,
    moonlight_radiance_w_m2_sr_m,
    night_radiance_w_m2_sr_m,
)
from eqci_space.linkbudget.pass_geometry import MEAN_EARTH_RADIUS_M
from eqci_space.linkbudget.terms import TERMS, Link
from eqci_space.scenario import Atmosphere, Receiver, Terminal
from eqci_space.scenario_io import load_scenario

ROOT = Path(__file__).parents[1]
BANDS_M = {"V": 0.55e-6, "R": 0.65e-6, "I": 0.80e-6, "J": 1.25e-6, "H": 1.63e-6}
WATER_BAND_DB = {810e-9: (0.36, 0.65)}


def adapters():
    """The module that judges the reference tables."""
    path = ROOT / "tests" / "cases" / "test_reference_tables.py"
    spec = importlib.util.spec_from_file_location("reference_tables", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def preset(kind, name, model):
    table = tomllib.loads(data_path("presets", f"{kind}.toml").read_text(encoding="utf-8"))[name]
    return model(**{key: value["value"] for key, value in table.items()})


def modtran_db(i):
    """Rayleigh and 23 km of visibility, and the water band at 810 nm."""
    airmass = extinction.airmass_kasten_young(extinction.apparent_elevation_deg(i["elevation_deg"]))
    zenith, power = WATER_BAND_DB.get(i["wavelength_m"], (0.0, 1.0))
    air = extinction.clear_sky_loss_db(airmass=airmass, wavelength_m=i["wavelength_m"], visibility_km=23.0)
    return float(air + extinction.gas_loss_db(airmass, zenith_loss_db=zenith, airmass_exponent=power))


def night_sky(i):
    """Dark sky, and the Moon by Krisciunas and Schaefer with the colour of the full Moon's excess."""
    wavelength = BANDS_M[i["band"]]
    radiance = night_radiance_w_m2_sr_m(wavelength_m=wavelength, sun_elevation_deg=-40.0)
    if i["moon"] != "new":
        light = moonlight_luminance_cd_m2(
            moon_phase_angle_deg=180 - i["sun_moon_separation_deg"],
            moon_target_separation_deg=i["moon_target_separation_deg"],
            moon_zenith_angle_deg=90 - i["moon_elevation_deg"], target_zenith_angle_deg=90 - i["elevation_deg"],
            extinction_mag_per_airmass=0.12,
        )  # fmt: skip
        radiance = radiance + moonlight_radiance_w_m2_sr_m(light, wavelength_m=wavelength)
    return float(radiance)


def micius_db(i):
    """The shipped Micius-like terminal and 1 m station, 500 km, without the detector."""
    some = load_scenario("quant-gpicz").stations["GRAZ"]
    receiver = preset("receivers", "ogs-1m-si", Receiver)
    station = some.model_copy(update={"receiver": receiver, "height_msl_m": 900.0})
    link = Link(preset("terminals", "micius-like-850nm", Terminal), station, Atmosphere())
    orbit = MEAN_EARTH_RADIUS_M + 500e3
    sine = (orbit**2 - MEAN_EARTH_RADIUS_M**2 - i["range_m"] ** 2) / (2 * MEAN_EARTH_RADIUS_M * i["range_m"])
    part = {"range_m": np.array([i["range_m"]]), "elevation_deg": np.degrees(np.arcsin([sine])),
            "angular_rate_rad_s": np.zeros(1)}  # fmt: skip
    excluded = ("detector_loss_db", "gate_loss_db")
    return float(sum(t.loss_db(part, link)[0] for name, t in TERMS.items() if name not in excluded))


PUBLISHED = {
    "published_modtran_extinction": modtran_db,
    "published_night_sky_radiance": night_sky,
    "published_micius_link_loss": micius_db,
}
NO_MODEL = {
    "published_micius_budget_loss": "ends of a printed budget; the Micius rows above compare the link itself",
    "published_satquma_pass_loss": "another tool's data file, whose terminal it does not state",
}


def validation_text() -> str:
    """The page, in Markdown."""
    module = adapters()
    path = ROOT / "tests" / "cases" / "linkbudget.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    lines = [
        "# Validation of the link budget", "",
        "Written by `python docs/make_validation.py` from `tests/cases/linkbudget.csv`; the tests hold it up to date.",
        "",
        "## Formulas", "", "| quantity | rows | largest deviation / tolerance |", "| --- | ---: | ---: |",
    ]  # fmt: skip
    for quantity, func in module.QUANTITIES.items():
        mine = [r for r in rows if r["quantity"] == quantity]
        shares = [share(r, func, module.half_unit) for r in mine]
        if mine:
            lines.append(f"| `{quantity}` | {len(mine)} | {max(shares):.2f} |")
    lines += [
        "", "## Published and tabulated numbers", "",
        "Reported, never fitted to: a miss stays visible. The dark-sky rows are the model's own nodes.", "",
        "| row | what | published | model | verdict |", "| --- | --- | ---: | ---: | --- |",
    ]  # fmt: skip
    for r in rows:
        if r["quantity"] in PUBLISHED:
            lines.append(published_line(r))
    for quantity, reason in NO_MODEL.items():
        lines.append(f"| {sum(r['quantity'] == quantity for r in rows)} rows | `{quantity}` | | | gap: {reason} |")
    return "\n".join(lines) + "\n"


def share(row, func, half_unit):
    expected = float(row["expected"])
    tolerance = max(abs(expected) * float(row["rel_tol"]), half_unit(row["expected"]))
    return abs(float(func(json.loads(row["inputs"]))) - expected) / tolerance


def published_line(row):
    i, expected = json.loads(row["inputs"]), float(row["expected"])
    value = PUBLISHED[row["quantity"]](i)
    if row["unit"] == "dB":
        what = f"{i['dataset']}, {i['wavelength_m'] * 1e9:g} nm, " + (
            f"{i['elevation_deg']:g}°" if "elevation_deg" in i else f"{i['range_m'] / 1e3:g} km"
        )
        shown = f"{expected:.2f} dB | {value:.2f} dB"
    else:
        what = f"{i['dataset']}, {i['band']} band, {i['moon']} Moon"
        shown = f"{expected:.3g} {row['unit']} | {value:.3g}"
    hit = abs(value - expected) <= abs(expected) * float(row["rel_tol"])
    verdict = "reproduced" if hit else f"missed (tolerance {100 * float(row['rel_tol']):.0f} %)"
    return f"| {row['id']} | {what} | {shown} | {verdict} |"


if __name__ == "__main__":
    (ROOT / "docs" / "validation.md").write_text(validation_text(), encoding="utf-8", newline="\n")

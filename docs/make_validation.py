"""Write docs/validation.md: every reference row judged, and published numbers beside the model that claims them."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

from eqci_space.data import data_path
from eqci_space.linkbudget import extinction
from eqci_space.linkbudget.background import (
    moonlight_luminance_cd_m2,
    moonlight_radiance_w_m2_sr_m,
    night_radiance_w_m2_sr_m,
)
from eqci_space.linkbudget.gas import gas_absorption
from eqci_space.linkbudget.link import Link
from eqci_space.linkbudget.pass_geometry import MEAN_EARTH_RADIUS_M
from eqci_space.linkbudget.terms import BEFORE_THE_DETECTOR, total_loss_db
from eqci_space.scenario import load_scenario

ROOT = Path(__file__).parents[1]
BANDS_M = {"V": 0.55e-6, "R": 0.65e-6, "I": 0.80e-6, "J": 1.25e-6, "H": 1.63e-6}


def adapters():
    """The module that judges the reference tables."""
    path = ROOT / "tests" / "cases" / "test_reference_tables.py"
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("reference_tables", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def modtran_db(i):
    """Rayleigh and 23 km of visibility, and the gas of the table."""
    airmass = extinction.airmass_kasten_young(extinction.apparent_elevation_deg(i["elevation_deg"]))
    zenith, power = gas_absorption(wavelength_m=i["wavelength_m"])
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
    """The link of the flown passes over Xinglong, 500 km, without the detector."""
    flown = load_scenario(data_path("flown", "micius.toml"))
    link = Link(flown.satellites[0].terminal, flown.stations["XINGLONG"], flown.atmosphere)
    orbit = MEAN_EARTH_RADIUS_M + 500e3
    sine = (orbit**2 - MEAN_EARTH_RADIUS_M**2 - i["range_m"] ** 2) / (2 * MEAN_EARTH_RADIUS_M * i["range_m"])
    elevation = float(np.degrees(np.arcsin(sine)))
    return float(total_loss_db(link, elevation_deg=elevation, range_m=i["range_m"], terms=BEFORE_THE_DETECTOR))


def micius_budget_db(i):
    """The same link with its detector, against the ends of the budget that the paper prints."""
    return micius_db(i) - 10 * float(np.log10(i["detector_efficiency"]))


PUBLISHED = {
    "published_modtran_extinction": modtran_db,
    "published_night_sky_radiance": night_sky,
    "published_micius_link_loss": micius_db,
    "published_micius_budget_loss": micius_budget_db,
}
KEY_TABLES = {
    "satquma_fixed_params": "SatQuMA v2 at fixed parameters with its shared errors: key and what leads to it, 1e-9",
    "satquma_optimised": "key against the global optimum, 1e-4 below to 1e-3 above",
    "satquma_diffraction": "diffraction efficiency, 1e-6",
    "tno_asymptotic": "qkd_key_rate 2.0.4, asymptotic BB84 and BBM92, 1e-7; two-decoy rates between two bounds",
    "tno_finite_anomaly": "finite rates stay below the asymptotic one, where that tool's do not",
    "fibre_model_rates": "decoy-state rates of two device classes over fibre, 1e-3",
    "aggregation_gain": "several passes in one block, with and without the best cut",
}
NO_MODEL = {
    "published_satquma_pass_loss": "another tool's data file, whose terminal it does not state",
}
MISSED_BECAUSE = {
    "published_night_sky_radiance": "another model of scattered moonlight there, and extinction assumed here",
    "published_micius_link_loss": "the printed 3 to 8 dB of the atmosphere are read as the span of a pass",
    "published_micius_budget_loss": "less than the printed terms add up to",
}
INTRO = {
    "page": "Every row says one of: reproduced, missed (by how much, and what it rests on), gap (what is missing), "
    "bound respected or violated, unverified (recalled, not read in the source). The count stands at the end.",
    "link budget": "A miss stays visible. Two kinds of rows are no test, because the model was made from them: the "
    "dark sky (its own nodes, which are 98 % of the H band under a full Moon), and MODTRAN (the aerosol's scale height "
    "and the table of gas absorption).",
    "keys": "Inputs that the sources do not print are assumed (noise and intrinsic error of Micius, generic diodes for "
    "products), so a row shows the order of magnitude, not agreement in detail. V1 to V6 take losses digitised from "
    "the paper; the same figures from the link budget stand in the table below.",
    "own budget": "Micius over Xinglong from its element set of the night, with the shipped terminal, receiver and "
    "losses: the replay of F05 on the page [Flown passes](flown.md). Nothing is fitted, but the printed span of the "
    "atmosphere was read with six digitised losses of this very pass in view. The figures are recalled from the paper, "
    "so they stay unverified and are counted apart.",
    "chains": "Fibre, entangled pairs, data in the same fibre, field trials, and key of flown passes from their sifted "
    "bits. The model's value follows from the inputs that the source states and from what stands under *assumed*; "
    "nothing is fitted to a row. A source that lacks an input gives a ratio or a bound, no level.",
    "count": "Counted are rows with a two-sided tolerance of a factor 2 or less, each line once. Apart stand wider "
    "tolerances (orders), bounds, recalled figures, rows that the model was made from, and gaps. A tolerance in per "
    "cent is of the published figure.",
}


def validation_text() -> str:
    """The page, in Markdown."""
    module = adapters()
    verdicts, chains = sys.modules["verdicts"], sys.modules["chains"]
    with (ROOT / "tests" / "cases" / "linkbudget.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    lines = [
        "# Validation", "",
        "Written by `python docs/make_validation.py` from the tables in `tests/cases/`; the tests hold it up to date.",
        "", INTRO["page"], "",
        "## Link budget: formulas", "", "| quantity | rows | largest deviation / tolerance |", "| --- | ---: | ---: |",
    ]  # fmt: skip
    for quantity, func in module.QUANTITIES.items():
        mine = [r for r in rows if r["quantity"] == quantity]
        shares = [share(r, func, module.half_unit) for r in mine]
        if mine:
            lines.append(f"| `{quantity}` | {len(mine)} | {max(shares):.2f} |")
    parts = {
        "link budget": published_lines(rows, verdicts), "keys": anchor_lines(module, verdicts),
        "keys, own link budget": own_budget_lines(module), "other chains": chain_lines(chains),
    }  # fmt: skip
    lines += [*parts["link budget"][0], *reference_lines(module)]
    for name in ("keys", "keys, own link budget", "other chains"):
        lines += parts[name][0]
    lines += [
        "",
        "## Count",
        "",
        INTRO["count"],
        "",
        *verdicts.count_lines({name: part[1] for name, part in parts.items()}),
    ]
    generic = generic_verdicts(module, chains)
    lines += [
        "",
        f"Of the counted rows {len(generic)} rest on a generic class of devices; {sum(v.good for v in generic)} of "
        "these are reproduced.",
    ]
    return "\n".join(lines) + "\n"


def published_lines(rows, verdicts):
    """The section on published numbers of the link budget, and its verdicts."""
    lines = [
        "", "## Link budget: published and tabulated numbers", "", INTRO["link budget"], "",
        "| row | what | published | model | verdict |", "| --- | --- | ---: | ---: | --- |",
    ]  # fmt: skip
    found = []
    for r in rows:
        if r["quantity"] in PUBLISHED:
            line, verdict = published_line(r, verdicts)
            lines.append(line)
            found.append(verdict)
    for quantity, reason in NO_MODEL.items():
        mine = [verdicts.gap(reason) for r in rows if r["quantity"] == quantity]
        lines.append(f"| {len(mine)} rows | `{quantity}` | | | {mine[0].text} |")
        found += mine
    return lines, found


def reference_lines(module) -> list[str]:
    """The section on tables of other tools, judged row by row."""
    lines = [
        "", "## Keys: other tools and reference tables", "",
        "Two-sided tolerances: an overstated key is a security error, not a success.", "",
        "| table | rows | within tolerance | what is compared |", "| --- | ---: | ---: | --- |",
    ]  # fmt: skip
    for table, what in KEY_TABLES.items():
        with (ROOT / "tests" / "cases" / f"{table}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        lines.append(f"| `{table}` | {len(rows)} | {sum(holds(module.JUDGES[table], r) for r in rows)} | {what} |")
    return lines


def anchor_lines(module, verdicts):
    """The section on published keys of missions and devices, and its verdicts."""
    lines = [
        "", "## Keys: published figures", "", INTRO["keys"], "",
        "| id | what | published | model | verdict |", "| --- | --- | ---: | ---: | --- |",
    ]  # fmt: skip
    found = []
    for name, anchor in module.ANCHORS.items():
        value, verdict = module.anchor_verdict(name)
        unit = anchor.unit
        lines.append(
            f"| {name} | {anchor.what} | {anchor.published:.6g} {unit} | {value:.4g} {unit} | {verdict.text} |"
        )
        found.append(verdict)
    for name, reason in module.GAPS.items():
        found.append(verdicts.gap(reason))
        lines.append(f"| {name} | | | | {found[-1].text} |")
    return lines, found


def own_budget_lines(module):
    """The section on the pass of 2016-12-19 from the package's own losses, beside the digitised ones."""
    lines = [
        "", "## Keys: the pass of 2016-12-19 end to end", "", INTRO["own budget"], "",
        "| id | what | published | digitised losses | link budget | ratio | tolerance | verdict |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- | --- |",
    ]  # fmt: skip
    found = []
    for name, what in module.FROM_THE_BUDGET.items():
        anchor, (value, verdict) = module.ANCHORS[name], module.budget_verdict(name)
        digitised, unit = module.anchor_verdict(name)[0], anchor.unit
        figures = f"{anchor.published:.6g} {unit} | {digitised:.4g} {unit} | {value:.4g} {unit}"
        share = f"{value / anchor.published:.2f}"
        lines.append(f"| {name}, budget | {what} | {figures} | {share} | {anchor.tolerance} | {verdict.text} |")
        found.append(verdict)
    return lines, found


def generic_verdicts(module, chains):
    """Counted rows whose device is not stated, so that a generic class stands in."""
    anchors = [module.anchor_verdict(name)[1] for name, a in module.ANCHORS.items() if a.what.startswith("generic")]
    others = [v for r, (_, v) in judged_chains(chains) if "preset" in r["assumed"]]
    return [v for v in anchors + others if v.kind == "counted"]


def judged_chains(chains):
    """Rows of the other chains with their values and verdicts."""
    return [(row, chains.chain_verdict(row)) for row in chains.chain_rows()]


def chain_lines(chains):
    """The section on the other measured chains, and its verdicts."""
    lines = [
        "", "## Other measured chains", "", INTRO["chains"], "",
        "| id | what | published | model | assumed | verdict |", "| --- | --- | ---: | ---: | --- | --- |",
    ]  # fmt: skip
    judged = judged_chains(chains)
    for r, (value, verdict) in judged:
        unit = "" if r["unit"] == "1" else " " + r["unit"]
        above = "> " if r["tolerance"] == "above" else ""
        model = "" if value is None else f"{value:.4g}{unit}"
        what = f"{r['what']} ({r['source']})"
        lines.append(
            f"| {r['id']} | {what} | {above}{r['published']}{unit} | {model} | {r['assumed']} | {verdict.text} |"
        )
    return lines, [verdict for _, (_, verdict) in judged]


def holds(judge, row) -> bool:
    try:
        judge(row)
    except AssertionError:
        return False
    return True


def share(row, func, half_unit):
    expected = float(row["expected"])
    tolerance = max(abs(expected) * float(row["rel_tol"]), half_unit(row["expected"]))
    return abs(float(func(json.loads(row["inputs"]))) - expected) / tolerance


def published_line(row, verdicts):
    """The row's line, and its verdict."""
    i, expected = json.loads(row["inputs"]), float(row["expected"])
    value = PUBLISHED[row["quantity"]](i)
    tolerance, unit = f"{100 * float(row['rel_tol']):g} %", row["unit"]
    if "bound" in i:
        tolerance = {"low": "at least", "high": "at most"}[i["bound"]]
        what = f"{i['dataset']}, {i['bound']} end of the printed budget, {i['range_m'] / 1e3:g} km"
    elif unit == "dB":
        what = f"{i['dataset']}, {i['wavelength_m'] * 1e9:g} nm, " + (
            f"{i['elevation_deg']:g}°" if "elevation_deg" in i else f"{i['range_m'] / 1e3:g} km"
        )
    else:
        what = f"{i['dataset']}, {i['band']} band, {i['moon']} Moon"
    shown = f"{expected:.2f} dB | {value:.2f} dB" if unit == "dB" else f"{expected:.3g} {unit} | {value:.3g}"
    good = verdicts.kept(expected, value, tolerance)
    why = "" if good else MISSED_BECAUSE.get(row["quantity"], "")
    if "bound" in i and not good:
        why = f"{value - expected:+.1f} dB, {why}"
    verdict = verdicts.judge(expected, value, tolerance, unit=unit, grade=grade(row, i), why=why)
    return f"| {row['id']} | {what} | {shown} | {verdict.text} |", verdict


def grade(row, i) -> str:
    """What the model was made from is its own: MODTRAN's extinction and the dark sky, which is nearly all of H."""
    dark = i.get("moon") == "new" or i.get("band") == "H"
    return "own" if row["quantity"] == "published_modtran_extinction" or dark else "stated"


if __name__ == "__main__":
    (ROOT / "docs" / "validation.md").write_text(validation_text(), encoding="utf-8", newline="\n")

"""Write docs/nomenclature.md: the tables with their columns, units by suffix, and the words of the field."""

from __future__ import annotations

from pathlib import Path

from eqci_space.tables import TABLES

KINDS = {
    "text": "text", "time": "time, UTC", "number": "number", "whole": "whole number", "flag": "true or false",
    "list": "list", "shape": "geometry",
}  # fmt: skip
SUFFIXES = (
    ("_m", "metre"), ("_km", "kilometre: fibre lengths, orbit altitudes, distances on maps"), ("_deg", "degree"),
    ("_rad", "radian"), ("_s", "second"), ("_h", "hour"), ("_day", "day"),
    ("_hz", "per second"), ("_db", "decibel; losses are positive"),
    ("_bit", "bit"), ("_bit_s", "bit per second"), ("_m_s", "metre per second"), ("_rad_s", "radian per second"),
    ("_w", "watt"), ("_pa", "pascal"), ("_m13", "m^(1/3): Cn² times length"), ("_m_neg_2_3", "m^(-2/3): Cn²"),
    ("_utc", "a time in UTC, in files for people"), ("no suffix", "dimensionless: transmittance, qber, p_clear"),
)  # fmt: skip
MAKERS = {
    "SITES": "eq.station_table", "NODES": "eq.build_network", "LINKS": "eq.build_network", "DEMANDS": "eq.demand_table",
    "PASSES": "eq.find_passes", "WINDOWS": "eq.observable_windows", "SAMPLES": "eq.sample_windows",
    "BUDGET": "eq.link_budget", "KEYS": "eq.window_keys", "CANDIDATES": "eq.contact_candidates",
    "CONTACTS": "eq.schedule_contacts", "DEPOSITS": "eq.key_deposits", "ROUTES": "eq.relay_keys",
    "STORES": "eq.relay_keys", "DELIVERY": "eq.relay_keys",
}  # fmt: skip
WORDS = (
    ("pass", "geometry alone: from rising above the lowest elevation of a station to setting below it"),
    ("window", "the part of a pass that the station can use: night, horizon, keep-outs, maintenance"),
    ("candidate", "a contact that a plan may choose: a window or a part of it"),
    ("contact", "what the plan assigns to a satellite and a station"),
    ("AOS, TCA, LOS", "acquisition of signal, time of closest approach (here: culmination), loss of signal"),
    ("OGS", "optical ground station"),
    ("LTAN", "local time of the ascending node of a sun-synchronous orbit"),
    ("OMM, TLE, OEM", "files of orbits: mean elements, two lines of them, tabulated states"),
    ("transmittance", "from the exit aperture of the satellite to the click, detector efficiency included"),
    ("QBER", "quantum bit error rate: share of wrong bits among the sifted"),
    ("SKL, SKR", "secret key length [bit] of a block; secret key rate [bit/s] of a fibre span"),
    ("block", "what one finite-key statement covers"),
    ("epsilon", "probability that a key is not what it is said to be, secrecy and correctness together"),
    ("CFLOS", "cloud-free line of sight; its probability is p_clear"),
    ("edge", "two neighbours that share a store of key: a span of fibre, a last mile, a satellite and a station"),
    ("store", "key that two neighbours hold and have not yet used"),
    ("demand", "key asked for between two nodes, under a class of assurance"),
    ("assurance", "which paths are admissible: who may see the key"),
    ("exposure", "who saw the key: nodes, operators, nations"),
    ("reach", "the largest loss that a fibre device bridges"),
    ("gap, bound", "the bound is proven: no plan is better; the gap is how far the plan may be from it"),
)


def nomenclature_text() -> str:
    """The page, in Markdown."""
    lines = [
        "# Nomenclature", "",
        "Written by `python docs/make_nomenclature.py` from `eqci_space.tables`; the tests hold it up to date.", "",
        "Times are UTC and intervals half-open, `[start, end)`. Losses are positive decibels. Azimuth runs from north "
        "through east. Extra columns are welcome everywhere; a missing or mistyped one raises `TableError` naming it.",
        "", "## Units by suffix", "", "| suffix | unit |", "| --- | --- |",
        *(f"| {suffix if ' ' in suffix else f'`{suffix}`'} | {unit} |" for suffix, unit in SUFFIXES),
        "", "## Words", "", "| word | meaning |", "| --- | --- |",
        *(f"| {word} | {meaning} |" for word, meaning in WORDS),
        "", "## Tables",
    ]  # fmt: skip
    order = [name for name in MAKERS if name in TABLES] + sorted(set(TABLES) - set(MAKERS))
    for name in order:
        lines += ["", f"### {name}", "", *table_lines(name)]
    return "\n".join(lines) + "\n"


def table_lines(name: str) -> list[str]:
    """One table of the dictionary."""
    contract = TABLES[name]
    maker = f" Made by `{MAKERS[name]}`." if name in MAKERS else ""
    index = f"Index: `{contract.index}`." if contract.index else "Rows by number."
    columns = [f"| `{c}` | {KINDS[kind]} | {meaning.replace('|', chr(92) + '|')} |" for c, (kind, meaning) in
               contract.columns.items()]  # fmt: skip
    return [index + maker, "", "| column | kind | meaning |", "| --- | --- | --- |", *columns]


if __name__ == "__main__":
    page = Path(__file__).with_name("nomenclature.md")
    page.write_text(nomenclature_text(), encoding="utf-8", newline="\n")

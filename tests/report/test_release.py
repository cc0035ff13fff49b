"""The public release: what must not leave is in no byte of what is written."""

import base64
import html
import json
import re
import sqlite3
import struct
import zipfile
from dataclasses import replace

import pandas as pd
import pyarrow.parquet as pq
import pytest

from eqci_space.errors import DataError
from eqci_space.report.compare import compare_runs
from eqci_space.report.page.public import write_public_report
from eqci_space.report.release import PUBLIC_COLUMNS, release
from eqci_space.report.run_io import load_run
from eqci_space.tables import check_table
from eqci_space.words import format_bits, percent


def contents(path):
    """All bytes of a file, what it compresses unpacked."""
    blobs = [path.read_bytes()]
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as archive:
            blobs += [archive.read(n) for n in archive.namelist()]
    elif path.suffix == ".parquet":
        table = pq.read_table(path)
        blobs += [str(table.schema).encode(), table.to_pandas().to_csv().encode()]
        blobs += [c.to_numpy().tobytes() for c in table.columns if str(c.type) == "double"]
    elif path.suffix == ".gpkg":
        with sqlite3.connect(path) as base:
            blobs += ["\n".join(base.iterdump()).encode()]
    elif path.suffix == ".html":
        blobs += [base64.b64decode(picture) for picture in re.findall(rb"svg\+xml;base64,([^\"]*)", blobs[0])]
    elif path.suffix == ".ics":
        blobs = [blobs[0].replace(b"\r\n ", b"")]
    return b"\n".join(blobs)


def numbers(values):
    """A number as it may stand in a file: text of four digits or more, and both orders of its bytes."""
    for value in values:
        text = f"{value:.6f}".rstrip("0")
        if len(text.partition(".")[2]) >= 3:
            yield text.encode()
        yield struct.pack("<d", value)
        yield struct.pack(">d", value)


@pytest.fixture(scope="module")
def secrets(study, material):
    """What must stay behind, by kind, as bytes."""
    stations = list(study.scenario.stations.values())
    routes, links, stores = (material.tables[n] for n in ("routes", "links", "stores"))
    between = {n for path in routes["path"] for n in path[1:-1] if "/" in n or n.startswith("OGS-")}
    exact = [t.strftime(f) for t in material.tables["contacts"]["start"] for f in ("T%H%M%S", "T%H:%M:%S")]
    crew = material.tables["crew"]
    return {
        "station coordinates": set(numbers([s.latitude_deg for s in stations] + [s.longitude_deg for s in stations])),
        "node coordinates": set(numbers([p.x for p in material.tables["nodes"].geometry][::5])),
        "station names": {s.name.encode() for s in stations},
        "pointing": set(numbers(crew["rise_azimuth_deg"])),
        "exact times": {t.encode() for t in exact if not t.endswith("00")},
        "relay routes": {n.encode() for n in between},
        "fibre routes": {str(link).encode() for link in links.index[::5]},
        "stocks": {b"stock_bit", b"initial_bit", *numbers(stores["stock_bit"].nlargest(1000).unique()[:40])},
        "prices": {b"worth_per_mbit", *numbers(material.tables["prices"]["worth_per_mbit"].unique()[:40])},
        "free text": {b"chosen over", b"stands in for the first", b"no rival"},
    }  # fmt: skip


KINDS = [
    "station coordinates", "node coordinates", "station names", "pointing", "exact times",
    "relay routes", "fibre routes", "stocks", "prices", "free text",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_public_files_hold_nothing_that_must_stay(exported, secrets, kind):
    everything = {p.name: contents(p) for p in exported["public"].iterdir()}
    assert {"contacts.ics", "contacts.csv", "contacts.parquet", "tables.xlsx", "qkdn.json", "report.html"} <= set(
        everything
    )
    found = {(name, s) for name, blob in everything.items() for s in secrets[kind] if s in blob}
    assert not found


@pytest.mark.parametrize("kind", KINDS)
def test_the_scan_finds_it_in_the_internal_files(exported, secrets, kind):
    everything = b"\n".join(contents(p) for p in exported["internal"].iterdir())
    assert any(s in everything for s in secrets[kind])


def test_only_listed_columns_are_released_whatever_is_added_later(material):
    extra = {n: pd.DataFrame(t).assign(vault="x") for n, t in material.tables.items()}
    grown = type(material)(material.name, material.start, material.end, {**extra, "vaults": extra["bins"]},
                           {**material.manifest, "vault": 1}, material.orbits)  # fmt: skip
    public = release(grown, level="public")
    filled = {"contacts": {"candidate_id", "window_id", "reason"}}
    levels = {"mean_bit", "exceeded_90pct_bit", "exceeded_50pct_bit"}  # where the run was simulated
    assert {n: set(t.columns) - filled.get(n, set()) for n, t in public.tables.items()} == {
        n: set(c) - levels for n, c in PUBLIC_COLUMNS.items()
    }
    assert "vault" not in public.manifest
    assert not public.orbits
    assert {"vaults", "routes", "stores", "links", "prices", "crew", "ephemerides"} <= set(public.withheld)
    demands = material.tables["demands"]
    assert set(public.tables["nodes"].index) == {*demands["a"], *demands["b"]}


def test_public_times_are_whole_minutes_around_the_contact(material):
    contacts, public = material.tables["contacts"], release(material, level="public").tables["contacts"]
    assert ((contacts["start"].array - public["start"].array) < pd.Timedelta(minutes=1)).all()
    assert (public["start"].array <= contacts["start"].array).all()
    assert (public["end"].array >= contacts["end"].array).all()
    assert (public["start"].dt.second == 0).all()
    assert public.index.is_unique
    assert (check_table(public, "CONTACTS", "test")[["candidate_id", "window_id", "reason"]] == "").all(axis=None)
    assert public.index[0] == "EAGLE1-LIKE/PQSAT/20270301T2005Z"


def test_a_public_run_reloads_and_compares(exported):
    run = load_run(exported["public"])
    assert set(run.tables) == {"contacts", "delivery"}
    assert run.manifest["release"] == "public"
    found = compare_runs(run, load_run(exported["internal"]))
    assert set(found.contacts["change"]) <= {"moved", "same"}
    assert (found.delivery["difference_bit"] == 0).all()
    manifest = json.loads((exported["public"] / "run.json").read_text(encoding="utf-8"))
    assert "inputs" not in manifest["scenario"]


def test_public_report_tells_contacts_key_and_delivery(exported, material):
    page = (exported["public"] / "report.html").read_text(encoding="utf-8")
    planned = material.tables["contacts"].query("status == 'planned'")
    assert f"{len(planned)} contacts bring" in page
    assert f"{format_bits(planned['expected_skl_bit'].sum())} on average over clouds" in page
    total = material.tables["delivery"].groupby("demand")[["asked_bit", "delivered_bit"]].sum()
    for name, row in total.iterrows():
        cells = (format_bits(row["asked_bit"]), format_bits(row["delivered_bit"]))
        share = percent(row["delivered_bit"] / row["asked_bit"], 1)
        assert f'<td>{name}</td><td class="n">{cells[0]}</td><td class="n">{cells[1]}</td><td class="n">{share}' in page
    assert re.findall(r'data-figure="(\w+)"', page) == ["contacts", "keys", "delivery"]
    assert "ONDREJOV (hypothetical)" in page
    assert "<script" not in page
    assert not re.search(r"@import|url\(|https?://", re.sub(r"base64,[A-Za-z0-9+/=]+", "", page))
    starts = material.tables["contacts"]["start"].dt.floor("min").sort_values()
    assert re.findall(r'<td class="k">(\d{4}-[^<]*)</td>', page) == [f"{t:%Y-%m-%d %H:%M}" for t in starts]


def test_public_report_escapes_names_and_stands_without_contacts(material, tmp_path):
    evil = '<b>$x$&"{{7*7}}'
    contacts = material.tables["contacts"].iloc[:0]
    delivery = material.tables["delivery"].replace("government Berlin-Warsaw", evil)
    tables = {**material.tables, "contacts": contacts, "delivery": delivery}
    changed = replace(material, name=evil, tables=tables)
    write_public_report(release(changed, level="public"), tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert f"<td>{html.escape(evil)}</td>" in page
    assert "<b>" not in page
    assert "No contact is planned." in page
    assert "No key comes from space." in page


def test_an_unknown_level_is_refused(material):
    with pytest.raises(DataError, match="level 'publik'; did you mean 'public'"):
        release(material, level="publik")

"""Mutations of files by the thousand, reader by reader: ``python tests/robustness/fuzz.py --inputs 100000``.

Whatever a file holds, it is read or refused by an error of ours, within seconds and bounded memory. What is counted as
uncaught is anything else that a reader raises.
"""

import argparse
import io
import json
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.append(str(Path(__file__).parent))
from hostile import SHIPPED, VALUES, changed, mutated_bytes, mutated_text, places

from eqci_space.data import data_path
from eqci_space.errors import EqciError
from eqci_space.files.csv_rows import keyed_rows
from eqci_space.files.parquet_io import read_table
from eqci_space.machine.checkpoints import Checkpoints
from eqci_space.orbits.elements_io import read_elements, write_omm
from eqci_space.orbits.oem_io import read_oem, write_oem
from eqci_space.report.compare import compare_runs
from eqci_space.report.coverage_io import read_coverage, write_coverage
from eqci_space.report.exports.contact_calendar import write_calendar
from eqci_space.report.release import Released
from eqci_space.report.run_io import SCHEMA_VERSION, load_run
from eqci_space.report.summary import demand_lines, summary_line
from eqci_space.scenario import load_scenario
from eqci_space.scenario.calendars_io import read_maintenance
from eqci_space.scenario.horizons_io import read_horizon_mask
from eqci_space.scenario.networks_io import read_network_rows
from eqci_space.studies import batch
from eqci_space.studies.batch import load_batch
from eqci_space.tables import empty_table
from eqci_space.weather.weather_io import read_weather

START, END = pd.Timestamp("2027-03-01T12:00Z"), pd.Timestamp("2027-03-02T12:00Z")
LONGEST_S, LARGEST_MB = 5.0, 500.0
NETWORK = Path(__file__).parents[1] / "field" / "network-weather" / "iberia"
CLOSURES = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//y//EN
X-WR-TIMEZONE:Europe/Vienna
BEGIN:VEVENT
UID:weekly
SUMMARY:mirror
DTSTART;TZID=Europe/Vienna:20270201T200000
DTEND;TZID=Europe/Vienna:20270201T220000
RRULE:FREQ=WEEKLY;BYDAY=MO,TH;UNTIL=20270401T000000Z
EXDATE;TZID=Europe/Vienna:20270301T200000
END:VEVENT
BEGIN:VEVENT
UID:weekly
RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Vienna:20270301T200000
DTSTART:20270301T210000
DURATION:PT3H
END:VEVENT
BEGIN:VFREEBUSY
FREEBUSY;FBTYPE=BUSY:20270301T180000Z/PT1H,20270302T000000Z/20270302T010000Z
END:VFREEBUSY
END:VCALENDAR
"""


@dataclass(frozen=True)
class Reader:
    """A file, and what is done with it; `text` mutates words and lines beside bytes."""

    path: Path
    read: Callable[[Path], object]
    text: bool = True


@dataclass
class Figures:
    """What came of many inputs."""

    counts: Counter = field(default_factory=Counter)
    slowest_s: float = 0.0
    uncaught: dict = field(default_factory=dict)

    def line(self, name, seconds):
        """One line for people."""
        return (
            f"{name:>18}: {self.counts['read']} read, {self.counts['refused']} refused, {self.counts['uncaught']} "
            f"uncaught; slowest {self.slowest_s:.2f} s; all {seconds:.0f} s"
        )


def contacts_table():
    """Contacts of two stations, one of them cancelled."""
    row = {
        "candidate_id": "S/G/1", "window_id": "S/G/1", "satellite": "S", "ogs": "G", "ogs_b": "",
        "start": START + pd.Timedelta(hours=8, seconds=13), "end": START + pd.Timedelta(hours=8, seconds=313),
        "skl_bit": 1e6, "expected_skl_bit": 5e5, "p_clear": 0.5, "status": "planned", "reason": "only one, so far",
    }  # fmt: skip
    later = {c: row[c] + pd.Timedelta(hours=2) for c in ("start", "end")}
    rows = [row, {**row, **later, "ogs": "H", "status": "backup"}, {**row, **later, "status": "cancelled"}]
    return pd.DataFrame(rows, index=pd.Index(["S/G/20270301T200013Z/1", "b", "c"], name="contact_id"))


def tiny_run(folder):
    """A run of two tables."""
    folder.mkdir()
    delivery = pd.DataFrame(
        {"bin": [START], "demand": ["bank"], "asked_bit": [10.0], "delivered_bit": [4.0], "shortage_bit": [6.0]}
    )
    contacts_table().to_parquet(folder / "contacts.parquet")
    delivery.to_parquet(folder / "delivery.parquet")
    levels = {f"all_in_{c}_bit": 3.0 for c in ("mean", "exceeded_90pct", "median")} | {"asked_bit": 10.0}
    manifest = {
        "schema_version": SCHEMA_VERSION, "tables": ["contacts", "delivery"], "release": "public",
        "scenario": {"name": "X", "start": START.isoformat(), "end": END.isoformat()},
        "plan": {"objective": 1.0, "bound": 1.5, "gap": 0.5}, "counts": {"passes": 3, "contacts": 1},
        "unreachable_demands": [], "unreachable_reasons": {"bank": "no path"}, "versions": {"eqci-space": "0"},
        "simulation": {"demands": {"bank": levels}, "totals": {"other": levels}, "warnings": []},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return folder


def told(path):
    """All that is said of a run, and how it differs from itself."""
    run = load_run(path.parent)
    summary_line(run), demand_lines(run), compare_runs(run, run), run._repr_html_()


def replanned(path):
    """The calendar of a run that follows another, at both levels."""
    place = {"name": "Hill", "country": "AT", "status_class": "planned", "mobile": False}
    tables = {"contacts": contacts_table(), "sites": pd.DataFrame([place] * 2, index=pd.Index(["G", "H"], name="ogs"))}
    for level in ("internal", "public"):
        released = Released(level, "X", START, END, tables, {})
        write_calendar(released, path.parent.parent / path.name, earlier=path.parent)


def kept(path):
    """A check-point if it is whole."""
    store = Checkpoints(path.parent, tiny_run)
    name = path.name.split(".")[0]
    if not store.has(name):
        raise EqciError("missing")
    store.load(name)


def tiny_batch(folder):
    """A finished batch of tables without rows."""
    folder.mkdir()
    for name in batch.BATCH_TABLES:
        empty_table(name.upper()).to_parquet(folder / f"{name}.parquet")
    note = {"schema_version": batch.SCHEMA_VERSION, "rows": dict.fromkeys(batch.BATCH_TABLES, 0), "chunks": 1}
    (folder / "batch.json").write_text(json.dumps(note, indent=1), encoding="utf-8")


def grid(path):
    """Cover of a day over four cells."""
    import xarray

    time_h = pd.date_range("2027-03-01", periods=6, freq="4h")
    axes = {"time": time_h, "latitude": [48.0, 47.75], "longitude": [11.0, 11.25]}
    cover = (tuple(axes), np.full((6, 2, 2), 0.5, dtype="float32"), {"units": "(0 - 1)"})
    xarray.Dataset({"tcc": cover}, coords=axes).to_netcdf(path, engine="netcdf4")


def readers(folder):
    """Readers by name, with sound files in `folder`."""
    found = {}
    run = tiny_run(folder / "run")
    for name in ("run.json", "contacts.parquet", "delivery.parquet"):
        found[name] = Reader(run / name, told, name.endswith("json"))
    (folder / "earlier").mkdir()
    released = Released("internal", "X", START, END, {
        "contacts": contacts_table(), "sites": pd.DataFrame(
            [{"name": "Hill", "country": "AT", "status_class": "planned", "mobile": False}] * 2,
            index=pd.Index(["G", "H"], name="ogs"),
        ),
    }, {})  # fmt: skip
    write_calendar(released, folder / "earlier" / "contacts.ics")
    found["previous calendar"] = Reader(folder / "earlier" / "contacts.ics", replanned)
    store = Checkpoints(folder / "kept", tiny_run)
    store.save("a", "{}", {"x": [1, 2.5, None]})
    store.save("b", "{}", {"one": contacts_table()})
    found["check-point value"] = Reader(folder / "kept" / "a.json", kept)
    found["check-point note"] = Reader(folder / "kept" / "b.json", kept)
    found["check-point table"] = Reader(folder / "kept" / "b.one.parquet", kept, False)
    tiny_batch(folder / "batch")
    for name in ("batch.json", "windows.parquet"):
        found[name] = Reader(folder / "batch" / name, lambda p: load_batch(p.parent), name.endswith("json"))
    contacts_table().assign(path=[["a", "b"]] * 3).to_parquet(folder / "x.parquet")
    found["parquet"] = Reader(folder / "x.parquet", lambda p: read_table(p, "fuzz"), False)
    from test_fuzz_files import small_coverage

    (folder / "coverage").mkdir()
    found["geopackage"] = Reader(write_coverage(small_coverage(), folder / "coverage")[0], read_coverage, False)
    return found | _foreign(folder)


def _foreign(folder):
    """Readers of files that others made."""
    sites = {"A": (47.9, 11.1)}
    grid(folder / "g.nc")
    clouds = "site,time,cloud_fraction\n" + "".join(f"A,2027-03-01T{h:02}:00Z,0.{h % 10}\n" for h in range(24))
    (folder / "c.csv").write_text(clouds, encoding="utf-8")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data_stream-oper_stepType-instant.csv", clouds)
    (folder / "z.zip").write_bytes(packed.getvalue())
    seconds = np.arange(12) * 60.0
    turn = np.stack([np.cos(seconds / 900), np.sin(seconds / 900), 0 * seconds], axis=1)
    speeds = 7e6 / 900 * turn[:, [1, 0, 2]] * [-1, 1, 0]
    for name in ("x.oem", "oem.xml"):
        write_oem("X", datetime(2027, 3, 1, tzinfo=UTC), seconds, 7e6 * turn, speeds, folder / name)
    omm = data_path("orbits", "synthetic_constellations.omm.json").read_text(encoding="utf-8")
    (folder / "o.json").write_text(json.dumps(json.loads(omm)[:3], indent=1), encoding="utf-8")
    tle = data_path("orbits", "synthetic_constellations.tle").read_text(encoding="utf-8")
    (folder / "o.tle").write_text("".join(tle.splitlines(keepends=True)[:9]), encoding="utf-8")
    write_omm(read_elements(folder / "o.json"), folder / "o.xml")
    (folder / "closures.ics").write_text(CLOSURES.replace("\n", "\r\n"), encoding="utf-8")
    (folder / "net").mkdir()
    for name in ("nodes.csv", "links.csv"):
        (folder / "net" / name).write_bytes((NETWORK / name).read_bytes())
    (folder / "s.toml").write_text(SHIPPED, encoding="utf-8")
    (folder / "sites.csv").write_text(data_path("sites", "euroqci.csv").read_text(encoding="utf-8"), encoding="utf-8")
    mask = "azimuth_deg,elevation_deg\n" + "".join(f"{a},{10 + a % 7}\n" for a in range(0, 360, 20))
    (folder / "m.csv").write_text(mask, encoding="utf-8")
    return {
        "netcdf": Reader(folder / "g.nc", lambda p: read_weather(p, sites=sites), False),
        "zip": Reader(folder / "z.zip", lambda p: read_weather(p, sites=sites), False),
        "weather csv": Reader(folder / "c.csv", read_weather),
        "oem": Reader(folder / "x.oem", read_oem),
        "oem in xml": Reader(folder / "oem.xml", read_oem),
        "omm": Reader(folder / "o.json", read_elements),
        "omm in xml": Reader(folder / "o.xml", read_elements),
        "closures": Reader(folder / "closures.ics", lambda p: read_maintenance(p, START, END)),
        "nodes": Reader(folder / "net" / "nodes.csv", lambda p: read_network_rows(p.parent)),
        "links": Reader(folder / "net" / "links.csv", lambda p: read_network_rows(p.parent)),
        "tle": Reader(folder / "o.tle", read_elements),
        "scenario": Reader(folder / "s.toml", load_scenario),
        "sites": Reader(folder / "sites.csv", lambda p: keyed_rows(p, "ogs")),
        "horizon mask": Reader(folder / "m.csv", read_horizon_mask),
    }


def mutated_json(tree, seed):
    """A JSON document with one or two values changed or lost; the same for a seed."""
    draw = random.Random(seed)
    for _ in range(draw.choice((1, 1, 2))):
        path = draw.choice([*places(tree)] or [()])
        with suppress(LookupError, TypeError):
            tree = changed(tree, path, draw.choice(VALUES), lost=draw.random() < 0.15) if path else draw.choice(VALUES)
    return json.dumps(tree, default=str).encode("utf-8", "surrogatepass")


def fuzz(reader, inputs, *, first=0):
    """Read `inputs` mutations of a file, the same for the same `first`; the file is sound again afterwards."""
    sound, figures = reader.path.read_bytes(), Figures()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(first, first + inputs):
            if reader.text and seed % 2:
                content = mutated_text(sound.decode(), seed).encode("utf-8", "surrogatepass")
            else:
                content = mutated_bytes(sound, seed)
            if reader.path.suffix == ".json" and seed % 4 < 2:
                content = mutated_json(json.loads(sound), seed)
            reader.path.write_bytes(content)
            begin = time.perf_counter()
            try:
                reader.read(reader.path)
                figures.counts["read"] += 1
            except EqciError:
                figures.counts["refused"] += 1
            except Exception as error:  # noqa: BLE001, what is looked for
                figures.counts["uncaught"] += 1
                where = traceback.extract_tb(error.__traceback__)[-1]
                figures.uncaught.setdefault(f"{type(error).__name__} at {where.name}: {str(error)[:80]}", seed)
            figures.slowest_s = max(figures.slowest_s, time.perf_counter() - begin)
    reader.path.write_bytes(sound)
    return figures


def main():
    """Fuzz all readers, or those named, and leave with 1 if anything is uncaught, slow or large."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name, reader in readers(Path(folder)).items():
            if options.only and name not in options.only:
                continue
            begin = time.perf_counter()
            found = fuzz(reader, options.inputs)
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(found.line(name, time.perf_counter() - begin), f"peak {peak_mb:.0f} MB", flush=True)  # noqa: T201
            for text, seed in found.uncaught.items():
                print(f"    seed {seed}: {text}")  # noqa: T201
            failed |= bool(found.uncaught) or found.slowest_s > LONGEST_S
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

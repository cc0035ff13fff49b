"""Files that are written: inside their folder and escaped whatever names are, of one schema, whole or not at all."""

import errno
import gc
import json
import resource
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pyogrio
import pytest

from eqci_space.data import data_path
from eqci_space.errors import DataError
from eqci_space.files.atomic import write_atomically
from eqci_space.machine.checkpoints import Checkpoints
from eqci_space.orbits.elements_io import read_elements, write_omm
from eqci_space.report import coverage_io
from eqci_space.report.coverage_io import read_coverage, write_coverage
from eqci_space.report.exports.file_names import file_stems
from eqci_space.report.exports.tables import write_geopackage
from eqci_space.report.run_io import SCHEMA_VERSION, load_run, write_directory
from eqci_space.scenario import load_scenario
from eqci_space.studies.batch import load_batch
from eqci_space.study import Study
from eqci_space.weather.weather_io import read_weather, write_weather_csv

sys.path.append(str(Path(__file__).parent))
from hostile import SHIPPED

# The fonts at hand have not every script, and figures of such names have little room.
pytestmark = pytest.mark.filterwarnings("ignore:(Glyph|constrained_layout):UserWarning")
SCRIPT = "<script>alert({})</script>{{{{7*7}}}}"
IMAGE = "<img src=x onerror=alert(1)>"
STATION = """
[station.'{ogs}']
name = "{script}"
country = "PL"
latitude_deg = 52.2
longitude_deg = {longitude}
height_ellipsoid_m = 130
height_msl_m = 100
status_class = "hypothetical"
node = "WAW"
attach = "colocated"
note = "{script}"
status = "{script}"
"""


class Tags(HTMLParser):
    """Collects what a browser would take for scripts, images, handlers, and their texts."""

    def __init__(self):
        super().__init__()
        self.found, self.handlers, self.inside = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.inside = tag
        self.handlers += [f"{name}={value}" for name, value in attrs if name.startswith("on")]

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "script":
            self.handlers += [data[:60]] if data.startswith("alert(") else []


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory):
    """A run whose every name is hostile, in a folder of its own."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "in" / "net").mkdir(parents=True)
    for name in ("nodes", "links"):
        text = data_path("fiber", "de-pl-cz", f"{name}.csv").read_text(encoding="utf-8")
        text = text.replace("BER,Berlin,", f"BER,{SCRIPT.format(4)},", 1)
        (folder / "in" / "net" / f"{name}.csv").write_text(text, encoding="utf-8")
    text = SHIPPED[: SHIPPED.index("[[variant]]")].replace("2027-03-08", "2027-03-02")
    text = text.replace("[schedule]\n", '[schedule]\nplan_for = "expected_key"\nspare_tolerance = 0.0\n')
    for old, new in (
        ('name = "QUANT-GPICz"', f'name = "{IMAGE}"'),
        ('description = "', f'description = "{SCRIPT.format(5)}'),
        ('"EAGLE1-LIKE"', f"'..\\..\\{IMAGE}'"),
        ('terminal = "eagle1-like-nominal"', f'terminal = "eagle1-like-nominal"\noperator = "={SCRIPT.format(6)}"'),
        ('"government Berlin-Warsaw"', '"<svg onload=alert(1)> 👩‍🚀 אב"'),
        ('source = "assumed: spans', f'source = "assumed: {SCRIPT.format(7)} spans'),
        ('network = "de-pl-cz"', 'network = "./net"'),
        ('use = ["DLR-OP"', "use = ['<b>..\\..', 'con', \"𠀀𠀁𠀂" + "𠀃" * 70 + '", "DLR-OP"'),
    ):
        assert old in text, old
        text = text.replace(old, new, 1)
    for i, ogs in enumerate(("<b>..\\..", "con", "𠀀𠀁𠀂" + "𠀃" * 70)):
        text += STATION.format(ogs=ogs, script=SCRIPT.format(10 + i), longitude=21 + i / 10)
    (folder / "in" / "x.toml").write_text(text, encoding="utf-8")
    Study(load_scenario(folder / "in" / "x.toml")).save(folder / "out" / "run", trials=0)
    return folder


def test_every_file_of_hostile_names_stays_inside_its_folder(hostile_run):
    files = sorted(p.relative_to(hostile_run).as_posix() for p in hostile_run.rglob("*") if p.is_file())
    assert [f for f in files if not f.startswith("out/run/")] == ["in/net/links.csv", "in/net/nodes.csv", "in/x.toml"]
    names = [f.removeprefix("out/run/") for f in files if f.startswith("out/run/")]
    assert {"orbit-img-src-x-onerror-alert-1.oem", "report.html"} <= set(names)
    assert any(n.startswith(("crew-b.", "crew-con-.", "crew-𠀀")) for n in names)
    assert all(len(n.encode()) < 200 and not set(n) & set('<>:"/\\|?*') for n in names)


def test_no_hostile_name_becomes_markup(hostile_run):
    pages = sorted((hostile_run / "out" / "run").glob("*.html"))
    assert len(pages) > 3
    for page in pages:
        text, tags = page.read_text(encoding="utf-8"), Tags()
        tags.feed(text)
        assert not tags.handlers, (page.name, tags.handlers)
        assert "img" not in tags.found or IMAGE not in text
        for raw in ("<script>alert", "<img src=x", "<svg onload", "<b>.."):
            assert raw not in text, (page.name, raw)
    report = (hostile_run / "out" / "run" / "report.html").read_text(encoding="utf-8")
    assert "&lt;img src=x onerror=alert(1)&gt;" in report
    assert "{{7*7}}" in report


def test_a_run_of_hostile_names_is_loaded_again_with_them(hostile_run):
    run = load_run(hostile_run / "out" / "run")
    assert run.manifest["scenario"]["name"] == IMAGE
    assert set(run.passes["satellite"]) == {f"..\\..\\{IMAGE}"}


@pytest.mark.parametrize(
    ("names", "stems"),
    [
        (["../../x", "..\\..\\x"], ["x", "x-2"]),
        (["con", "CON", "nul.txt", "console", "lpt1"], ["con-", "CON--2", "nul.txt-", "console", "lpt1-"]),
        (["a/b", "a b", "A:B"], ["a-b", "a-b-2", "A-B-3"]),
        (["", ".", "...", "👩‍🚀"], ["unnamed", "unnamed-2", "unnamed-3", "unnamed-4"]),
        (["e\u0301", "é"], ["é", "é-2"]),
        (["𠀀" * 80], ["𠀀" * 30]),
        (["a\0b\nc\u202ed"], ["a-b-c-d"]),
    ],
)
def test_stems_suit_every_file_system(names, stems):
    assert list(file_stems(names).values()) == stems


# ---------------------------------------------------------------- schema versions


def with_version(path, version):
    note = json.loads(path.read_text(encoding="utf-8"))
    note = {k: v for k, v in note.items() if k != "schema_version"}
    path.write_text(json.dumps(note if version is None else {**note, "schema_version": version}), encoding="utf-8")


VERSIONS = [None, 0, SCHEMA_VERSION + 1, "2", [2]]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_of_another_schema_is_refused_with_what_is_read(day_run, tmp_path, version):
    shutil.copytree(day_run, tmp_path / "run")
    with_version(tmp_path / "run" / "run.json", version)
    with pytest.raises(DataError) as caught:
        load_run(tmp_path / "run")
    assert f"has schema version {version!r}; this version reads {SCHEMA_VERSION}; run the scenario" in str(caught.value)


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_a_batch_of_another_schema_is_refused_with_what_is_read(tmp_path, version):
    (tmp_path / "batch.json").write_text("{}", encoding="utf-8")
    with_version(tmp_path / "batch.json", version)
    with pytest.raises(DataError, match=f"schema version {version}; this version reads 1; run the batch again"):
        load_batch(tmp_path)


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_a_check_point_of_another_schema_is_made_again(tmp_path, version):
    store = Checkpoints(tmp_path, with_version)
    store.save("a", "{}", 1)
    assert store.has("a")
    with_version(tmp_path / "a.json", version)
    assert not store.has("a")
    with pytest.raises(DataError, match=r"'a' .* is missing or damaged; run again"):
        store.load("a")


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_a_coverage_of_another_schema_is_refused_with_what_is_read(tmp_path, monkeypatch, version):
    from test_fuzz_files import small_coverage

    monkeypatch.setattr(coverage_io, "SCHEMA_VERSION", version)
    path, _ = write_coverage(small_coverage(), tmp_path)
    monkeypatch.undo()
    with pytest.raises(DataError) as caught:
        read_coverage(path)
    assert f"coverage.gpkg has schema version {version!r}; this version reads 1; compute" in str(caught.value)


def test_a_coverage_without_facts_of_its_version_is_refused(tmp_path):
    from test_fuzz_files import small_coverage

    pyogrio.write_dataframe(small_coverage(), tmp_path / "c.gpkg", layer="coverage", driver="GPKG")
    with pytest.raises(DataError, match=r"c\.gpkg: .*expected a GeoPackage of write_coverage"):
        read_coverage(tmp_path / "c.gpkg")


# ---------------------------------------------------------------- full disk

# A limit on the size of files stands for the full disk: writes beyond it fail with an error of the system.
FULL = """
import resource, signal, sys
from pathlib import Path
from eqci_space.errors import DataError
{prepare}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    {write}
except DataError as error:
    print(error)
    sys.exit(3)
"""
PREPARE_OEM = """import datetime, numpy as np
from eqci_space.orbits.oem_io import write_oem
start, s = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC), np.arange(9) * 60.0"""
PREPARE_COVERAGE = """sys.path.append({folder!r})
from test_fuzz_files import small_coverage, write_coverage
table = small_coverage()"""


@pytest.mark.parametrize(
    ("prepare", "write", "limit"),
    [
        (PREPARE_OEM, "write_oem('X', start, s, np.full((9, 3), 7e6), np.ones((9, 3)), 'x.oem')", 500),
        (PREPARE_COVERAGE, "write_coverage(table, '.')", 20_000),
    ],
)
def test_a_full_disk_is_named_and_leaves_no_file(tmp_path, prepare, write, limit):
    prepare = prepare.format(folder=str(Path(__file__).parent))
    code = FULL.format(prepare=prepare, write=write, limit=limit)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "make room" in done.stdout) == (3, True), done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the workbook's own, when cut off
@pytest.mark.parametrize("limit", [2_000, 40_000, 200_000])
def test_a_disk_that_fills_up_while_a_run_is_saved_leaves_the_earlier_run(day_study, day_run, tmp_path, limit):
    shutil.copytree(day_run, tmp_path / "run")
    before = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(DataError, match=r"cannot write .*make room") as caught:
            day_study.save(tmp_path / "run", trials=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        gc.collect()  # what the workbook left half written ends within this test
    assert str(caught.value).count("\n") == 0
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before


def test_a_folder_that_cannot_be_renamed_leaves_the_earlier_run(tmp_path, monkeypatch):
    write_directory(tmp_path / "run", lambda folder: write_atomically(folder / "run.json", b"first"))
    rename, calls = shutil.os.replace, []

    def once(source, target):
        calls.append(target)
        if len(calls) == 3:  # after the file itself and the earlier run
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(shutil.os, "replace", once)
    with pytest.raises(DataError, match="Invalid cross-device link; make room"):
        write_directory(tmp_path / "run", lambda folder: write_atomically(folder / "run.json", b"second"))
    assert [(p.name, (p / "run.json").read_bytes()) for p in tmp_path.iterdir()] == [("run", b"first")]


def test_geodata_that_were_written_in_part_are_not_taken_for_whole(day_study, tmp_path, monkeypatch):
    from eqci_space.report.release import export_material, release

    run = day_study.run
    released = release(export_material(run.tables, run.manifest, day_study.scenario, network=day_study.network))
    whole = pyogrio.write_dataframe
    monkeypatch.setattr(pyogrio, "write_dataframe", lambda table, *a, **options: whole(table[:3], *a, **options))
    with pytest.raises(DataError, match=r"cannot write 'n\.gpkg'.*could not write all of it"):
        write_geopackage(released, tmp_path / "n.gpkg")


@pytest.mark.parametrize("name", ["x.json", "x.csv", "x.xml", "x.kvn"])
def test_element_sets_and_clouds_that_cannot_be_written_leave_what_was_there(tmp_path, monkeypatch, name):
    sets = read_elements(data_path("orbits", "synthetic_constellations.omm.json"))[:2]
    (tmp_path / "c.csv").write_text("site,time,cloud_fraction\nA,2027-03-01T00:00Z,0.5\n", encoding="utf-8")
    clouds = read_weather(tmp_path / "c.csv")
    write_omm(sets, tmp_path / name)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(self, content):
        Path(self).touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=f"cannot write '{name}' .* No space left on device; make room"):
        write_omm(sets[:1], tmp_path / name)
    with pytest.raises(DataError, match=r"cannot write 'c\.csv'"):
        write_weather_csv(clouds, tmp_path / "c.csv")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_tables_survive_their_saved_run(day_study, day_run):
    pd.testing.assert_frame_equal(load_run(day_run).contacts, day_study.run.contacts)

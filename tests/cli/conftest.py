"""What the tests of the command line share: a way to call it, and a scenario of one day that is quick to plan."""

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from eqci_space.cli import app
from eqci_space.study import Study

DAY = ("end = 2027-03-08T12:00:00Z", "end = 2027-03-02T12:00:00Z")
TWO_STATIONS = ('use = ["DLR-OP", "DLR-TRAUEN", "GRAZ", "PQSAT", "ONDREJOV"]', 'use = ["DLR-OP", "PQSAT"]')
DESIGNED = "[satellite.orbit]"
CUT_OFF = """
[[demand]]
name = "cut off"
between = ["FRA", "WAW"]
purpose = "government"
assurance = "max_nodes=1"
keys_256_per_day = 10
"""


@pytest.fixture(scope="session")
def eqci():
    """Call the command line in this process; the result has exit_code, stdout and stderr."""

    def call(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments], prog_name="eqci")

    return call


@pytest.fixture(scope="session")
def parsed(eqci):
    """Call a command with --json; its document, after checks that hold for all of them."""

    def call(*arguments, exit_code=0):
        done = eqci(*arguments, "--json")
        assert done.exit_code == exit_code, done.stderr
        document = json.loads(done.stdout, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
        assert document["schema_version"] == 1
        assert document["command"] == " ".join(a for a in arguments[:2] if a in (arguments[0], "status"))
        return document

    return call


@pytest.fixture(scope="session")
def kept_studies():
    return {}


@pytest.fixture
def studies_once(kept_studies, monkeypatch):
    """Commands that ask about one and the same scenario share its stages, whichever test calls them."""
    make = Study
    monkeypatch.setattr(
        "eqci_space.study.Study",
        lambda scenario: kept_studies.setdefault(scenario.model_dump_json(), make(scenario)),
    )


@pytest.fixture
def blank(monkeypatch):
    """Figures are drawn and stand empty in reports: laying them out takes most of the time of a run."""
    monkeypatch.setattr("eqci_space.report.page.figures.svg_text", lambda axes: "<svg/>\n")


@pytest.fixture
def short(edited):
    """Path of a scenario with one satellite, two stations and one day, after further changes."""

    def write(*changes, extra=""):
        path = edited(DAY, TWO_STATIONS, *changes, extra=extra)
        text = path.read_text(encoding="utf-8")
        head, tail = text.replace('plan_for = "expected_key"', "plan_skies = 8").split("[[variant]]", 1)
        path.write_text(head + tail[tail.index("# What is not known well") :], encoding="utf-8")
        return path

    return write


@pytest.fixture
def cut_off(short):
    """Path of the short scenario with a demand whose class no path fulfils."""
    return short(extra=CUT_OFF)


@pytest.fixture
def with_elements(short):
    """The short scenario with its satellite from an element set of the epoch asked for."""

    def write(epoch=datetime(2027, 3, 1, tzinfo=UTC), name="mine.omm.json"):
        from eqci_space.data import data_path
        from eqci_space.orbits.elements_io import read_elements, write_omm

        path = short()
        text = path.read_text(encoding="utf-8")
        head, tail = text.split(DESIGNED)
        line = f'elements = "{name}"\ncatalogue_number = 99001\n\n'
        path.write_text(head + line + tail[tail.index("[stations]") :], encoding="utf-8")
        elements = read_elements(data_path("orbits", "synthetic_constellations.omm.json"))[0]
        write_omm([elements.model_copy(update={"epoch": epoch})], path.parent / "mine.omm.json")
        return path

    return write


@pytest.fixture(scope="session")
def short_run(eqci, once, tmp_path_factory):
    """Directory of a run of the quick scenario, and what the command said; to be read only."""
    return once("short-run", lambda: _short_run(eqci, tmp_path_factory.mktemp("short")))


def _short_run(eqci, folder):
    text = (Path(__file__).parents[2] / "data" / "scenarios" / "quant-gpicz.toml").read_text(encoding="utf-8")
    for old, new in (DAY, TWO_STATIONS):
        assert old in text
        text = text.replace(old, new)
    head, tail = text.replace("[schedule]", "[schedule]\nplan_skies = 8").split("[[variant]]", 1)
    (folder / "short.toml").write_text(head + tail[tail.index("# What is not known well") :], encoding="utf-8")
    done = eqci("run", folder / "short.toml", "--out", folder / "run", "--trials", "20", "--verbose")
    assert done.exit_code == 0, done.stderr
    return folder / "run", SimpleNamespace(exit_code=0, stdout=done.stdout, stderr=done.stderr)

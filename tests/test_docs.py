"""The documentation says what the code does: generated pages, names, commands, scenario parts, examples, pictures."""

import ast
import importlib
import importlib.util
import json
import pkgutil
import re
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import matplotlib.image
import matplotlib.pyplot
import pandas as pd
import pytest

import eqci_space as eq
from eqci_space.data import data_path
from eqci_space.fiber.network_io import read_network
from eqci_space.tables import TABLES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
HOW_TO = sorted(p.stem for p in (DOCS / "how-to").glob("*.md") if "```toml" in p.read_text(encoding="utf-8"))
ALTERNATIVES = {"weather"}  # pages whose blocks stand for each other instead of adding up


def loaded(path):
    """A script or extension of the documentation as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_the_validation_page_is_up_to_date():
    text = loaded(DOCS / "make_validation.py").validation_text()
    assert (DOCS / "validation.md").read_text(encoding="utf-8") == text


def test_the_page_of_flown_passes_is_up_to_date():
    made = loaded(DOCS / "make_flown.py")
    assert (DOCS / "flown.md").read_text(encoding="utf-8") == made.flown_text(*made.replayed())


def test_shipped_scenarios_take_their_link_loss_from_the_flown_losses():
    made = loaded(DOCS / "make_flown.py")
    prior = made.prior(eq.load_scenario(data_path("flown", "micius.toml")))
    assert made.missing(eq.load_scenario(data_path("flown", "micius.toml")))[0] == pytest.approx(
        [1.72, 1.49, 0.17, -0.09, 0.54, 3.55], abs=0.01
    )
    for name in ("quant-gpicz", "euroqci", data_path("templates", "scenario.toml")):
        stated = {u.quantity: (u.mean, u.sd) for u in eq.load_scenario(name).uncertainties}
        for quantity, values in prior.items():
            assert stated[quantity] == pytest.approx(values, abs=0.05), (name, quantity)


def test_the_nomenclature_page_is_up_to_date_and_says_where_each_table_comes_from():
    module = loaded(DOCS / "make_nomenclature.py")
    assert (DOCS / "nomenclature.md").read_text(encoding="utf-8") == module.nomenclature_text()
    assert set(module.MAKERS) == set(TABLES)
    assert all(hasattr(eq, maker.removeprefix("eq.")) for maker in module.MAKERS.values())


@pytest.fixture(scope="module")
def generated():
    return loaded(DOCS / "_ext" / "generated_pages.py")


def test_the_api_pages_hold_every_module_and_public_name(generated):
    pages = [p.read_text(encoding="utf-8") for p in (DOCS / "api").glob("*.rst")]
    rooms = [match for page in pages for match in re.findall(r"GENERATED: room (.+)", page)]
    shown = set(re.findall(r"automodule:: (\S+)", "\n".join(generated.room(room) for room in rooms)))
    assert shown == {m.name for m in pkgutil.walk_packages(eq.__path__, "eqci_space.") if not m.ispkg}
    listed = set(re.findall(r"`eq\.(\w+) <", generated.public_names()))
    assert listed == set(eq.__all__) - {"__version__"}


def test_the_page_of_scenario_files_holds_every_key_with_its_range(generated):
    text = generated.scenario_keys()
    assert "| `altitude_km` | number ≥ 200, ≤ 2000 | **required** |" in text
    assert "| `reach_db` | number > 0, ≤ 100 | 24 |" in text
    assert "| `beyond_reach` | `split`, `dead` | `dead` |" in text
    headings = set(re.findall(r"^## (\w+)$", text, re.MULTILINE))
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= {h.lower() for h in headings}
    assert {"Scenario", "Terminal", "Receiver", "LinkRules", "Handover", "Outage", "SchedulePolicy"} <= headings


def options_by_command(generated):
    parts = re.split(r"^## eqci (.+)$", generated.commands(), flags=re.MULTILINE)[1:]
    return {name: set(re.findall(r"`(--?[\w-]+)", text)) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def test_pages_call_commands_and_options_that_exist(generated):
    known = options_by_command(generated)
    assert {"run", "check", "explain", "schema"} <= set(known)
    calls = [
        (page.name, line.split("#")[0])
        for page in PAGES
        for block in [*blocks(page, "bash"), *re.findall(r"`(eqci [^`]+)`", page.read_text(encoding="utf-8"))]
        for line in re.sub(r" ?\\\n", " ", block).splitlines()
        if re.search(r"(^|[ /`])eqci ", line)
    ]
    assert len(calls) >= 15
    for page, line in calls:
        for call in re.findall(r"(?:^|[ /])eqci ([a-z][^&|>]*)", line):
            name = next((n for n in sorted(known, key=len, reverse=True) if re.match(rf"{n}\b", call)), None)
            assert name, f"{page}: eqci {call}"
            unknown = set(re.findall(r"(?<=\s)--[\w-]+", call)) - known[name] - {"--help"}
            assert not unknown, f"{page}: eqci {call}"


def test_pages_name_what_the_package_has():
    names = [
        (page.name, name) for page in PAGES for name in re.findall(r"\beq\.([\w.]+)", page.read_text(encoding="utf-8"))
    ]
    assert len(names) >= 40
    for page, name in names:
        value = eq
        for part in name.rstrip(".").split("."):
            assert hasattr(value, part), f"{page}: eq.{name}"
            value = getattr(value, part)
    for page in PAGES:
        for module in re.findall(r"\{py:mod\}`(\S+?)`", page.read_text(encoding="utf-8")):
            assert importlib.util.find_spec(module), f"{page.name}: {module}"


NOT_THERE = {"eqci_space/weather/okta_io.py"}  # the new reader of the worked example in CONTRIBUTING


def test_pages_name_files_and_modules_that_exist():
    rooms = "|".join(m.name for m in pkgutil.iter_modules(eq.__path__) if m.ispkg)
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for path in re.findall(r"`((?:eqci_space|tests|docs|data|benchmarks|notebooks)/[\w./-]*)`", text):
            assert (ROOT / path).exists() or path in NOT_THERE, f"{page.name}: {path}"
        for name in re.findall(rf"`(?:eqci_space\.)?((?:{rooms})\.[a-z_]+(?:\.\w+)*)(?:\(.*?\))?`", text):
            if name != "report.html":
                assert pkgutil.resolve_name(f"eqci_space.{name}"), f"{page.name}: {name}"


def test_python_examples_parse_and_import_what_exists():
    examples = [(page, code) for page in PAGES for code in blocks(page, "python")]
    assert len(examples) >= 10
    for page, code in examples:
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("eqci_space"):
                module = importlib.import_module(str(node.module))
                assert all(hasattr(module, alias.name) for alias in node.names), f"{page.name}: {ast.unparse(node)}"


def test_every_public_name_has_a_place_in_a_guide():
    """Pages made of the code do not count: a name that no page explains is one that nobody looks for."""
    guides = [p for p in PAGES if p.name != "nomenclature.md" and p.parent.name != "api"]
    text = "\n".join(p.read_text(encoding="utf-8") for p in [*guides, *(ROOT / "notebooks").glob("*.py")])
    missing = [n for n in eq.__all__ if not re.search(rf"\beq\.{n}\b|`{n}(\(|`)", text) and n != "__version__"]
    assert missing == []


RUNNABLE = {  # pages whose Python needs no file of the reader's own; blocks with these words are left out all the same
    "coverage": ("coverage_map(",), "demands": (), "dual-downlink": (), "fibre": (),
    "nightly": ("run.json",), "stations": (),
    "what-if": (), "read-a-run": ("geopandas", 'load_run("out/quant-gpicz")'),
    "weather": ("read_weather",),
}  # fmt: skip


@pytest.mark.parametrize("page", RUNNABLE)
def test_python_examples_of_how_to_pages_run(page, tmp_path, monkeypatch, day_studies):
    """Each block by itself, as a reader would paste it, with the shipped scenario cut to one day."""
    load, study = day_studies
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(eq, "load_scenario", load)
    monkeypatch.setattr(eq, "Study", study)
    if page == "read-a-run":
        study(load("quant-gpicz")).save(tmp_path / "out" / "a", trials=20)
        shutil.copytree(tmp_path / "out" / "a", tmp_path / "out" / "b")
    left_out = RUNNABLE[page]
    done = [code for code in blocks(DOCS / "how-to" / f"{page}.md", "python") if not any(w in code for w in left_out)]
    assert done
    for code in done:
        exec(compile(code, f"{page}.md", "exec"), {})
    matplotlib.pyplot.close("all")


@pytest.fixture(scope="module")
def day_studies(tmp_path_factory):
    """`load_scenario` of one day, and a `Study` that is made but once per scenario."""
    overlay = tmp_path_factory.mktemp("day") / "day.toml"
    overlay.write_text("end = 2027-03-02T12:00:00Z\n\n[schedule]\nplan_skies = 8\n", encoding="utf-8")
    load_scenario, make, made = eq.load_scenario, eq.Study, {}

    def load(name):
        return load_scenario(name, overlays=[overlay])

    def study(scenario):
        return made.setdefault(scenario.model_dump_json(), make(scenario))

    return load, study


def scenario_folder(folder):
    """A folder with the shipped scenario and every file that the how-to pages name."""
    shutil.copyfile(data_path("scenarios", "quant-gpicz.toml"), folder / "base.toml")
    shipped = eq.read_elements(data_path("orbits", "synthetic_constellations.omm.json"))[0]
    new = {"catalogue_number": 799_501_299, "epoch": datetime(2027, 3, 1, tzinfo=UTC)}
    eq.write_omm([shipped.model_copy(update=new)], folder / "my-satellites.omm.json")
    text = (DOCS / "how-to" / "stations.md").read_text(encoding="utf-8")
    needed = re.search(r"at least the columns\s+`([\w ]+)`", text)[1].split()
    sites = pd.read_csv(data_path("sites", "euroqci.csv"), keep_default_na=False)
    sites[needed].to_csv(folder / "my-stations.csv", index=False)
    (folder / "trees.csv").write_text("azimuth_deg,elevation_deg\n0,12\n70,25\n180,10\n", encoding="utf-8")
    event = ("BEGIN:VEVENT", "UID:x", "DTSTART:20270303T200000Z", "DURATION:PT2H", "SUMMARY:Coating of the mirror")
    events = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", *event, "END:VEVENT", "END:VCALENDAR", "")
    (folder / "observatory.ics").write_text("\r\n".join(events), encoding="utf-8", newline="")
    (folder / "clouds.csv").write_text("site,time,cloud_fraction\nGRAZ,2020-03-01T00:00Z,0.5\n", encoding="utf-8")
    (folder / "forecast.json").write_text(json.dumps([]), encoding="utf-8")
    (folder / "my-network").mkdir()
    page = (DOCS / "how-to" / "fibre.md").read_text(encoding="utf-8")
    for name in ("nodes", "links"):
        (table,) = re.findall(rf"`{name}\.csv`:\n\n(.*?)\n\n", page, re.DOTALL)
        required = "\n".join(line for line in table.splitlines() if "| optional" not in line)
        columns = re.findall(r"`(\w+)`", re.sub(r"(?m)^(\|[^|]*\|).*$", r"\1", required))
        shipped = pd.read_csv(data_path("fiber", "de-pl-cz", f"{name}.csv"), keep_default_na=False)
        shipped[columns].to_csv(folder / "my-network" / f"{name}.csv", index=False)


@pytest.mark.parametrize("name", HOW_TO)
def test_scenario_parts_of_a_how_to_page_load(name, tmp_path):
    scenario_folder(tmp_path)
    # A station of one's own is named in `use`, as the page says.
    own = '[stations]\nuse = ["DLR-OP", "DLR-TRAUEN", "GRAZ", "PQSAT", "ONDREJOV", "HILL"]\n'
    (tmp_path / "use.toml").write_text(own if name == "stations" else "", encoding="utf-8")
    parts = [tmp_path / "use.toml"]
    plain = eq.load_scenario(tmp_path / "base.toml")
    for number, block in enumerate(blocks(DOCS / "how-to" / f"{name}.md", "toml")):
        part = tmp_path / f"part{number}.toml"
        part.write_text(block, encoding="utf-8")
        parts = [part] if name in ALTERNATIVES else [*parts, part]
        if name == "stations" and number == 0:
            continue  # the station in `use` comes with the next block
        scenario = eq.load_scenario(tmp_path / "base.toml", overlays=parts)
        assert scenario.model_dump() != plain.model_dump()
        nodes, links = read_network(scenario)
        assert len(nodes)
        assert len(links)
    if name == "fibre":
        network = eq.build_network(scenario)
        assert network.links.loc["QNQ-ERF-JEN", "length_km"] == 75
        assert network.links.loc["QNQ-NDH-ERF-1", "skr_bit_s"] == 2500


def test_the_change_of_the_quick_start_changes_the_scenario(tmp_path):
    (part,) = blocks(DOCS / "quickstart.md", "toml")
    (tmp_path / "narrow.toml").write_text(part, encoding="utf-8")
    scenario = eq.load_scenario("quant-gpicz", overlays=[tmp_path / "narrow.toml"])
    assert {s.min_elevation_deg for s in scenario.stations.values()} == {30.0}


def test_the_example_of_the_readme_delivers_key(tmp_path, monkeypatch):
    """Planned for expected key, which takes a tenth of the time; the guides plan a day for delivery over skies."""
    (example,) = blocks(ROOT / "README.md", "python")
    (tmp_path / "fast.toml").write_text('[schedule]\nplan_for = "expected_key"\n', encoding="utf-8")
    load = eq.load_scenario
    monkeypatch.setattr(eq, "load_scenario", lambda name: load(name, overlays=[tmp_path / "fast.toml"]))
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    delivery = names["relay"].delivery.groupby("demand")["delivered_bit"].sum()
    assert (delivery > 0).all()


def test_pictures_are_there_and_show_something():
    made = loaded(DOCS / "make_images.py")
    assert made.FOLDER == DOCS / "images"
    used = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"!\[[^\]]{10,}\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    assert len(used) >= 2
    assert used <= set((DOCS / "images").glob("*.png"))
    for path in used:
        pixels = matplotlib.image.imread(path)[..., :3]
        assert min(pixels.shape[:2]) > 200, path.name
        assert 0.01 < (pixels.min(axis=2) < 0.9).mean() < 0.9, path.name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('<script src="https://cdn.example.org/x.js"></script>', 1),
        ("<img alt='x' src=//example.org/x.png>", 1),
        ('<link rel="stylesheet" type="text/css" href="https://example.org/x.css">', 1),
        ("@import url(https://example.org/x.css);", 1),
        ("body { background: url('http://example.org/x.png') }", 1),
        ('<a href="https://example.org">x</a><link rel="next" href="https://example.org/2">', 0),
        ('<script src="_static/x.js"></script><img src="data:image/png;base64,AA">', 0),
    ],
)
def test_what_a_page_would_load_from_elsewhere_is_found(text, found):
    loads = loaded(DOCS / "_ext" / "offline_check.py").external_loads(text)
    assert bool(loads) == bool(found)


def test_configuration_builds_without_running_notebooks(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    conf = loaded(DOCS / "conf.py")
    assert conf.nb_execution_mode == "off"
    assert conf.nb_ipywidgets_js == {}
    assert {"generated_pages", "offline_check"} <= set(conf.extensions)

"""The report as text: what it says, that names are escaped, and that nothing in it would be loaded."""

import base64
import gzip
import hashlib
import html
import importlib.util
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs

from eqci_space.data import data_path
from eqci_space.errors import DataError
from eqci_space.fiber.exposure import exposure
from eqci_space.fiber.relay import relay_keys
from eqci_space.report.compare import compare_runs
from eqci_space.report.page import charts, figures, interactive, tables
from eqci_space.report.page.answer import answer, band_words, change_words, largest_assumptions
from eqci_space.report.page.document import write_report
from eqci_space.report.page.exposure import _path_words, exposures
from eqci_space.report.page.figures import costly
from eqci_space.report.page.tables import store_table
from eqci_space.report.plots import schedule as schedule_plots
from eqci_space.scenario import load_scenario
from eqci_space.scenario.changes import with_values
from eqci_space.schedule.simulate import simulate_plan
from eqci_space.study import Study
from eqci_space.tables import empty_table
from eqci_space.words import format_bits

CHAPTERS = [
    "Network", "Windows", "Contacts", "Link budget", "Keys", "Weather and confidence", "Delivery and exposure",
    "Resilience", "Assumptions and sources", "How to reproduce",
]  # fmt: skip
ALWAYS = ["map", "windows", "gantt", "waterfall", "profile", "keys", "chances", "delivery", "exposure", "stores"]


class Page(HTMLParser):
    """Tables, figures, headings, text and whatever would be loaded or run, of a page."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.figures, self.headings, self.loads, self.scripts, self.order = {}, {}, [], [], [], []
        self.policy = self.words = ""
        self._inside, self._cell, self._rows, self._caption, self._figure = [], None, [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag in ("img", "meta"):
            if tag == "img":
                self.figures[self._figure] = found
            if found.get("http-equiv") == "Content-Security-Policy":
                self.policy = found["content"]
        else:
            self._inside.append(tag)
        if tag in ("link", "iframe", "object", "embed", "base", "video", "audio"):
            self.loads.append(tag)
        self.loads += [
            v for k, v in attrs
            if (k in ("src", "href", "srcset", "action", "data", "poster") and not (v or "").startswith(("data:", "#")))
            or k.startswith("on")
        ]  # fmt: skip
        if tag == "figure":
            self._figure = found["data-figure"]
            self.order.append("figure")
        if tag == "table":
            self._rows, self._caption = [], ""
            self.order.append("table")
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th", "script"):
            self._cell = ""

    def handle_data(self, data):
        tag = self._inside[-1] if self._inside else ""
        if tag in ("td", "th", "script"):
            self._cell += data
        if tag == "caption":
            self._caption += data
        if tag in ("h2", "h3"):
            self.headings.append(data)
        if tag not in ("script", "style"):
            self.words += data

    def handle_endtag(self, tag):
        assert self._inside.pop() == tag
        if tag in ("td", "th"):
            self._rows[-1].append(self._cell)
        if tag == "script":
            self.scripts.append(self._cell)
        if tag == "table":
            self.tables[self._caption] = self._rows

    def table(self, start):
        (name,) = [c for c in self.tables if c.startswith(start)]
        return self.tables[name]


@pytest.fixture(scope="module")
def findings(study):
    return study._findings()


@pytest.fixture(scope="module")
def simulation(study):
    return simulate_plan(study.plan, study.budget, study.contact_keys, study.scenario, network=study.network, trials=40)


@pytest.fixture(scope="module")
def earlier(study):
    """The run as it would have been without its first contact, with 100 kbit less for one demand."""
    run = study.run
    contacts, delivery = run.tables["contacts"].iloc[1:], run.tables["delivery"].copy()
    row = delivery.index[(delivery["demand"] == "government Berlin-Warsaw") & (delivery["delivered_bit"] > 1e5)][0]
    delivery.loc[row, "delivered_bit"] -= 1e5
    return replace(run, tables={**run.tables, "contacts": contacts, "delivery": delivery})


def written(path, findings, **options):
    write_report(findings, path, **options)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(findings, tmp_path_factory):
    return written(tmp_path_factory.mktemp("report") / "report.html", findings, interactive=False)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.fixture
def blank(monkeypatch):
    """Figures are drawn and stand empty on the page: laying them out takes most of the time of a report."""
    monkeypatch.setattr(figures, "svg_text", lambda axes: "<svg/>\n")


def test_chapters_stand_in_order_and_page_one_has_its_four_parts(page):
    first = ["How sure this is", "The three largest assumptions behind it", "What changed"]
    assert page.headings == [*first, *CHAPTERS]
    assert "No earlier run was given to compare with." in page.words


def test_every_figure_has_text_and_a_table_after_it(page):
    assert list(page.figures) == [*ALWAYS[:7], "delivery", "exposure", "stores", "failures"]
    for name, image in page.figures.items():
        assert len(image["alt"]) > 30, name
        assert image["src"].startswith("data:image/svg+xml;base64,")
        assert base64.b64decode(image["src"].split(",")[1]).endswith(b"</svg>\n")
    follows = [page.order[i + 1] for i, what in enumerate(page.order) if what == "figure"]
    assert follows == ["table"] * len(page.figures)


def test_nothing_is_loaded_and_no_script_runs(page, text):
    assert page.loads == []
    assert page.scripts == []
    assert page.policy.startswith("default-src 'none'; img-src data:;")
    assert page.policy.endswith("script-src 'none'")
    assert not re.search(r"@import|url\(|https?://", re.sub(r"base64,[A-Za-z0-9+/=]+|<td[^>]*>[^<]*</td>", "", text))
    assert len(text) < 1e6


def test_same_findings_give_the_same_bytes(findings, text, tmp_path):
    assert written(tmp_path / "again.html", findings, interactive=False) == text


@pytest.mark.usefixtures("blank")
def test_same_findings_give_the_same_interactive_figures(findings, tmp_path):
    one, other = (written(tmp_path / name, findings, interactive=True) for name in ("a.html", "b.html"))
    assert one == other


def test_exposure_of_government_demands_by_fibre_alone_and_with_space(page, study):
    """Numbers against `exposure` of relays that are solved here: with space, and with any path but no satellite key."""
    rows = page.table("Who sees the key of the government demands")
    assert rows[0] == [
        "demand", "key comes over", "of expected key", "nodes", "foreign nodes", "hand-overs", "nations", "operators",
        "satellites", "node-disjoint paths", "security",
    ]  # fmt: skip
    assert [r[1] for r in rows[1:]] == ["fibre alone", "fibre alone, any path", "fibre and space"] * 3
    freed = [d.model_copy(update={"assurance": ("any",)}) for d in study.scenario.demands]
    changed = study.scenario.model_copy(update={"demands": tuple(freed)})
    free = exposure(relay_keys(empty_table("DEPOSITS"), changed, network=study.network), changed)
    seen = exposure(study.relay, study.scenario)
    for number, name in enumerate(d.name for d in study.scenario.demands if d.purpose == "government"):
        none, fibre, space = rows[1 + 3 * number : 4 + 3 * number]
        assert none[:3] == [f"{name} (space_path)", "fibre alone", "no key"]
        for row, table, paths in ((fibre, free, "fibre_connectivity"), (space, seen, "connectivity")):
            truth = table.loc[name]
            assert row[3:6] == [f"{truth[c]:.1f}" for c in ("trusted_nodes", "foreign_nodes", "handovers")]
            assert row[6:9] == [truth["nations"], truth["operators"], truth["satellites"] or "none"]
            assert row[9] == str(truth[paths])
    # Between Berlin and Warsaw, fibre shows the key to twelve nodes and hands it over between two domains.
    assert rows[2][3:7] == ["12.0", "0.0", "1.0", "DE, PL"]
    assert rows[3][5] == "0.0"
    assert rows[3][8] == "EAGLE1-LIKE"


def test_contacts_with_backups_are_listed_with_gap_gain_and_hand_over(page, findings):
    rows = page.table("Contacts, planned and backup")[1:]
    assert len(rows) == len(findings.plan.contacts)
    assert {r[4] for r in rows} == {"planned", "backup"}
    assert [r[0] for r in rows] == sorted(r[0] for r in rows)
    plan = findings.plan
    assert f"Objective {plan.objective:.4f}, proven bound {plan.bound:.4f}, gap" in page.words
    assert f"space adds {plan.objective - plan.without_space:.4f}" in page.words
    gain = plan.expected_key_bound - findings.whole_windows.objective
    assert gain > 0
    assert f"hand-over inside crossings raises what a plan can reach by {gain:.4f} of the objective" in page.words


@pytest.mark.usefixtures("blank")
def test_notes_of_the_plan_are_on_page_one_and_with_the_contacts(findings, tmp_path):
    noted = replace(findings, plan=replace(findings.plan, notes=("space changes nothing",)))
    assert "Space changes nothing." in answer(noted, *(exposure(r, findings.scenario) for r in [findings.relay] * 2))
    assert "Note: space changes nothing." in Page(written(tmp_path / "r.html", noted, interactive=False)).words


def test_resilience_lists_the_ten_failures_that_cost_most_keys(page, findings):
    rows = page.table("The 10 single failures")[1:]
    worst = findings.failures.sort_values("lost_bit", ascending=False, kind="stable").head(10)
    assert [r[0] for r in rows] == list(worst.index) == list(costly(findings).index)
    assert rows[0][1] == f"{worst['lost_bit'].iloc[0] / 256:,.0f}"
    none = replace(findings, failures=findings.failures.assign(lost_bit=0.0, lost_share=0.0))
    assert len(costly(none)) == 0
    assert costly(replace(findings, failures=None)) is None


def test_the_three_assumptions_on_which_most_key_rests(findings):
    """Shares by hand: presets 1 - worst/best, clouds 1 - expected/clear, stations and orbits by their contacts."""
    lines = largest_assumptions(findings, count=9)
    shares = [float(re.search(r"\((\d+) %\)$", line)[1]) for line in lines]
    assert shares == sorted(shares, reverse=True)
    planned = findings.planned
    clouds = 1 - planned["expected_skl_bit"].sum() / planned["skl_bit"].sum()
    unreal = planned.loc[planned["ogs"].isin(["PQSAT", "ONDREJOV"]), "expected_skl_bit"].sum()
    bits = findings.variants["planned_expected_bit"]
    wanted = {
        "Terminal": 1 - bits.min() / bits.max(), "Orbits": 1.0, "Weather": clouds,
        "Stations": unreal / planned["expected_skl_bit"].sum(),
    }  # fmt: skip
    for start, share in wanted.items():
        (line,) = [text for text in lines if text.startswith(start)]
        assert line.endswith(f"({100 * share:.0f} %)")
    assert lines[:3] == largest_assumptions(findings)


@pytest.mark.usefixtures("blank")
def test_band_of_a_simulation_is_on_page_one(findings, simulation, tmp_path):
    page = Page(written(tmp_path / "r.html", replace(findings, simulation=simulation), interactive=False))
    rows = page.table("Delivery over sampled worlds")[1:]
    for row, (name, values) in zip(rows, simulation.delivered_bit.items(), strict=True):
        quantiles = np.quantile(values, [0.1, 0.5, 0.9])
        assert row[0] == name
        assert row[4:7] == [format_bits(q) for q in quantiles]
        assert row[3].split(" ± ")[0] == format_bits(values.mean())
        assert row[2] == format_bits(simulation.weather_only_bit[name].mean())
    worst = simulation.demands.iloc[0]
    assert f"{format_bits(worst['all_in_mean_bit'])} on average of 717 kbit asked" in page.words
    low, middle = np.quantile(simulation.contact_bit.sum(axis=1), [0.1, 0.5])
    assert f"90 % exceed {format_bits(low)} of key from space, half exceed {format_bits(middle)}" in page.words
    assert {"fan", "causes"} <= set(page.figures)
    assert "No simulation was run" in band_words(findings)


@pytest.mark.usefixtures("blank")
def test_changes_since_a_compared_run_are_on_page_one(findings, study, earlier, tmp_path):
    change = compare_runs(earlier, study.run)
    page = Page(
        written(tmp_path / "r.html", replace(findings, comparison=change, compared_with="Monday"), interactive=False)
    )
    assert "Of the contacts of Monday and of this run, 30 as they were, 1 added." in page.words
    assert "Delivery of expected key: government Berlin-Warsaw +100 kbit." in page.words
    rows = {r[0]: r for r in page.table("Headline numbers that differ from Monday")[1:]}
    planned = (study.plan.contacts["status"] == "planned").sum()
    assert rows["planned contacts"][1:4] == [str(planned - 1), str(planned), "+1"]
    assert rows["delivered of expected key [bit]"][3] == "+100 kbit"
    same = replace(findings, comparison=compare_runs(study.run, study.run))
    assert change_words(same)[1] == "No demand gets more or less than before."


def test_stores_that_never_held_key_are_left_out_and_counted(page, findings, study):
    def listed(stores):
        table, empty = store_table(replace(findings, relay=replace(study.relay, stores=stores)))
        return [] if table is None else [row[0].split(" (")[0] for row in table.rows], empty

    stores = study.relay.stores
    space = stores["edge"].str.contains("|", regex=False)
    totals = stores[space].groupby("edge")[["deposited_bit", "used_bit", "spilled_bit", "stock_bit"]].sum()
    held = totals.index[(totals >= 0.5).any(axis=1)]
    left_out = len(totals) - len(held)
    assert 0 < len(held) < len(totals)
    assert listed(stores) == ([edge.replace("|", " – ") for edge in held], left_out)
    assert listed(stores.assign(**{c: stores[c].where(~space, 0.0) for c in totals.columns})) == ([], len(totals))
    assert listed(stores.assign(deposited_bit=stores["deposited_bit"].where(~space, 1e3)))[1] == 0
    assert f"{left_out} store{'s' * (left_out > 1)} of a satellite and a station that never held key" in page.words
    assert len(page.table("Satellite stores")) == len(held) + 1


@pytest.mark.usefixtures("blank")
def test_overlays_are_listed_with_the_values_that_they_change(findings, tmp_path):
    overlay = tmp_path / "what-if.toml"
    overlay.write_text("[fiber]\ncommissioning_factor = 0.1\n", encoding="utf-8")
    changed = load_scenario("quant-gpicz", overlays=[overlay])
    page = Page(written(tmp_path / "r.html", replace(findings, scenario=changed), interactive=False))
    rows = page.table("Values changed by what-if.toml")
    assert [r[:2] for r in rows[1:]] == [["fiber.commissioning_factor", "0.1"]]
    assert "eqci run quant-gpicz.toml --with what-if.toml --out DIR" in page.words


def test_many_windows_are_counted_by_station_and_night(findings, tmp_path, monkeypatch):
    for module in (figures, charts):
        monkeypatch.setattr(module, "MANY_WINDOWS", 10)
    page = Page(written(tmp_path / "r.html", findings, interactive=True))
    assert "46 windows of 5 stations" in page.figures["windows"]["alt"]
    spec = json.loads(page.scripts[1])["windows"]
    (data,) = spec["data"]
    assert Figure(spec).data
    assert np.sum(data["z"]) == len(findings.windows)
    assert data["x"] == [f"{d}/{d + 1} Mar" for d in range(1, 8)]
    counts = findings.windows.groupby("ogs").size()
    assert [sum(row) for row in data["z"]] == [counts[o] for o in findings.scenario.stations]
    taken = [int(cell.split(" of ")[0]) for row in data["text"] for cell in row]
    assert sum(taken) == len(findings.planned)
    gantt = {d["name"]: d for d in json.loads(page.scripts[1])["gantt"]["data"]}
    assert set(gantt) == {"windows", "planned", "backup"}
    joined = schedule_plots.joined_windows(findings.windows, "ogs", pd.Timedelta("25min"))
    assert len(gantt["windows"]["y"]) == len(joined)


@pytest.mark.usefixtures("blank")
def test_of_many_contacts_those_with_most_key_are_listed(findings, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MOST_CONTACTS", 8)
    page = Page(written(tmp_path / "r.html", findings, interactive=False))
    rows = page.table("The 8 planned contacts with most expected key")[1:]
    best = findings.planned.nlargest(8, "expected_skl_bit").sort_values("start")
    assert [r[0] for r in rows] == [f"{t:%Y-%m-%d %H:%M:%S}" for t in best["start"]]
    assert "All 31 contacts and backups stand in contacts.csv and contacts.ics of the run." in page.words
    monkeypatch.setattr(tables, "_MOST_STORES", 2)
    stores = Page(written(tmp_path / "r.html", findings, interactive=False)).table("The 2 of ")[1:]
    used = findings.relay.stores[findings.relay.stores["edge"].str.contains("|", regex=False)]
    most = used.groupby("edge")["used_bit"].sum().nlargest(2).index
    assert {r[0].split(" (")[0] for r in stores} == {edge.replace("|", " – ") for edge in most}


def test_the_middle_of_a_long_path_is_counted():
    short, long = [f"N{i}" for i in range(17)], [f"N{i}" for i in range(30)]
    assert _path_words(short) == " – ".join(short)
    assert _path_words(long) == " – ".join([*long[:8], "14 more nodes", *long[-8:]])


EVIL = '<script>alert(1)<&>"$a$ {{7*7}}'


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Findings of a scenario whose names carry markup, of the page, of templates and of mathematics."""
    path = tmp_path_factory.mktemp("hostile") / "edited.toml"
    content = data_path("scenarios", "quant-gpicz.toml").read_text(encoding="utf-8")
    quoted = EVIL.replace('"', '\\"')
    for old in (
        'name = "QUANT-GPICz"',
        'name = "government Berlin-Warsaw"',
        'name = "pessimistic"',
        'description = "One',
    ):
        assert content.count(old) == 1
        content = content.replace(old, f'{old[:-1]} {quoted}"' if old.endswith('"') else f"{old[:-3]}{quoted} One")
    path.write_text(content, encoding="utf-8")
    fast = {"schedule.plan_for": "expected_key", "schedule.spare_tolerance": 0.0}
    return Study(with_values(load_scenario(path), fast))._findings()


def test_names_from_the_scenario_are_escaped_everywhere(hostile, tmp_path):
    page = Page(written(tmp_path / "r.html", hostile, interactive=True))
    name = f"government Berlin-Warsaw {EVIL}"
    assert name in hostile.relay.delivery["demand"].to_numpy()
    assert f"QUANT-GPICz {EVIL}" in page.words
    assert any(row[0] == name for row in page.table("Whole period, delivery of expected key"))
    assert EVIL in page.figures["delivery"]["alt"]
    assert page.loads == []
    assert len(page.scripts) == 3
    assert "<" not in page.scripts[1]
    shown = json.loads(page.scripts[1])["delivery"]["data"][0]["y"]
    assert f"government Berlin-Warsaw {html.escape(EVIL, quote=False)}" in shown


def test_interactive_figures_are_valid_and_only_the_reports_scripts_may_run(findings, simulation, tmp_path):
    text = written(tmp_path / "r.html", replace(findings, simulation=simulation), interactive=True)
    assert len(text) < 4e6
    page = Page(text)
    packed, data, show = page.scripts
    library = gzip.decompress(base64.b64decode(packed)).decode("utf-8")
    assert library == get_plotlyjs()
    specs = json.loads(data)
    assert set(specs) == set(page.figures) == set(interactive.CHARTS)
    for name, spec in specs.items():
        assert Figure(spec).data, name
    sums = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in (library, show)]
    assert page.policy.endswith("script-src " + " ".join(f"'sha256-{s}'" for s in sums))


@pytest.mark.usefixtures("blank")
def test_figures_are_interactive_only_where_plotly_is_installed(findings, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "plotly" else found(name, *a))
    assert Page(written(tmp_path / "r.html", findings)).scripts == []
    with pytest.raises(DataError, match=r"need plotly, which is missing; install eqci-space\[report\]"):
        write_report(findings, tmp_path / "r.html", interactive=True)


def test_exposures_relax_only_the_demands_that_fibre_alone_leaves_without_key(findings):
    found = exposures(findings)
    assert list(found.relaxed.index) == [d.name for d in findings.scenario.demands if d.purpose == "government"]
    assert found.relaxed["delivered_bit"].to_numpy() == pytest.approx(found.relaxed["asked_bit"].to_numpy())


def test_report_without_a_contact_says_so(findings, tmp_path):
    empty = findings.plan.contacts.iloc[:0]
    none = replace(findings, plan=replace(findings.plan, contacts=empty), whole_windows=None, failures=None)
    page = Page(written(tmp_path / "r.html", none, interactive=False))
    assert "No contact is planned." in page.words
    assert "none of them can bring key that arrives in the period" in page.words
    assert "Single failures were not computed for this report;" in page.words


def test_report_without_satellites_has_no_chapters_on_space(tmp_path):
    text = load_scenario("quant-gpicz")
    bare = text.model_copy(update={"satellites": (), "stations": {}, "variants": ()})
    page = Page(written(tmp_path / "r.html", Study(bare)._findings(), interactive=False))
    assert page.headings[3:] == [c for c in CHAPTERS if c in ("Network", *CHAPTERS[6:])]
    assert "This scenario has no satellite" in page.words

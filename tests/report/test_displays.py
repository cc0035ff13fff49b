"""What notebooks show of scenarios, plans, relays and runs: numbers of the tables, well-formed, every name escaped."""

import html
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import eqci_space as eq
from eqci_space.scenario import asked_bit_per_day, assumed_values
from eqci_space.words import format_bits, html_summary, html_table, percent, short_list

EVIL = "<b onload='x'>&\"$a$"


class Display(HTMLParser):
    """Rows of the tables of a display and its text; every element closes in order."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.words, self._open = [], "", []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        assert tag in {"div", "style", "p", "strong", "br", "table", "caption", "thead", "tbody", "tr", "th", "td"}
        if tag != "br":
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] in ("th", "td"):
            self.rows[-1][-1] += data
        elif "style" not in self._open:
            self.words += data


def shown(thing):
    text = thing._repr_html_()
    assert len(text) < 20_000
    return Display(text)


def test_cells_are_escaped_and_styled_by_the_first_letter_of_the_title():
    text = html_table(EVIL, (">bit", "=when", "~id", "name"), [("1", "noon", "a/b", EVIL)])
    parsed = Display(text)
    assert parsed.rows == [["bit", "when", "id", "name"], ["1", "noon", "a/b", EVIL]]
    assert parsed.words.strip() == EVIL
    assert f'<td class="n">1</td><td class="k">noon</td><td class="w">a/b</td><td>{html.escape(EVIL)}</td>' in text
    assert EVIL not in text
    assert Display(html_summary(EVIL, {EVIL: EVIL}, [text])).words.count(EVIL) == 4


def test_rows_of_another_length_than_the_head_are_refused():
    with pytest.raises(ValueError, match="zip"):
        html_table("", ("a", "b"), [("1",)])


@pytest.mark.parametrize(
    ("bit", "text"),
    [(0, "0 bit"), (999, "999 bit"), (7.02e6, "7.02 Mbit"), (999.6e3, "1000 kbit"), (-2.5e9, "-2.5 Gbit")],
)
def test_amounts_have_three_digits_and_a_prefix(bit, text):
    assert format_bits(bit) == text


def test_shares_and_lists_in_words():
    assert (percent(0.254), percent(0.25449, 2)) == ("25 %", "25.45 %")
    assert short_list(["a", "b"], 2) == "a, b"
    assert short_list(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_a_scenario_shows_its_period_sizes_demands_and_how_much_is_assumed(scenario):
    page = shown(scenario)
    assert "Scenario QUANT-GPICz" in page.words
    assert "period: 2027-03-01 12:00 to 2027-03-08 12:00 UTC" in page.words
    assert "satellites: 1 (EAGLE1-LIKE)" in page.words
    assert "ONDREJOV [hypothetical]" in page.words
    assert f"{len(scenario.sources)} with a source, of them {len(assumed_values(scenario))} assumed" in page.words
    assert len(page.rows) == 1 + len(scenario.demands)
    first = scenario.demands[0]
    assert page.rows[1] == [
        first.name, "BER – WAW", "government", "space_path", format_bits(asked_bit_per_day(first)), "3",
    ]  # fmt: skip


def test_names_of_a_scenario_are_escaped(scenario):
    named = scenario.demands[0].model_copy(update={"name": EVIL})
    many = (named, *(scenario.demands[1].model_copy(update={"name": f"d{i}"}) for i in range(30)))
    page = shown(scenario.model_copy(update={"name": EVIL, "demands": many}))
    assert f"Scenario {EVIL}" in page.words
    assert page.rows[1][0] == EVIL
    assert "The first 12 of 31 demands" in page.words
    bare = scenario.model_copy(update={"satellites": (), "stations": {}})
    assert "satellites: 0 (none)" in shown(bare).words


def test_a_plan_shows_objective_bound_gap_gain_and_its_first_contacts(study):
    plan = replace(study.plan, notes=(EVIL,))
    page = shown(plan)
    planned = plan.contacts[plan.contacts["status"] == "planned"].sort_values("start")
    assert f"objective: {plan.objective:.4f}, proven bound {plan.bound:.4f}, gap {percent(plan.gap, 3)}" in page.words
    assert f"gain over fibre alone: {plan.gain:.4f}" in page.words
    assert f"{len(planned)} planned, {(plan.contacts['status'] == 'backup').sum()} backups" in page.words
    assert f"notes: {EVIL}" in page.words
    assert len(page.rows) == 11
    first = planned.iloc[0]
    assert page.rows[1] == [
        f"{first['start']:%Y-%m-%d %H:%M:%S}", f"{first['end'].ceil('s'):%H:%M:%S}", "EAGLE1-LIKE", first["ogs"],
        format_bits(first["skl_bit"]), percent(first["p_clear"]), format_bits(first["expected_skl_bit"]),
    ]  # fmt: skip
    assert shown(replace(plan, contacts=planned.iloc[:0])).rows == []


def test_a_relay_shows_delivery_by_demand_and_days_of_cover(study):
    page = shown(study.relay)
    total = study.relay.delivery.groupby("demand", sort=False)[["asked_bit", "delivered_bit"]].sum()
    names = [r[0] for r in page.rows[1 : 1 + len(total)]]
    assert names == list(total.index)
    row = total.loc["government Berlin-Warsaw"]
    share = percent(row["delivered_bit"] / row["asked_bit"], 1)
    assert page.rows[1] == ["government Berlin-Warsaw", *map(format_bits, row), share]
    stores = study.relay.stores.query("edge == 'EAGLE1-LIKE|PQSAT'").sort_values("bin")
    need = stores["used_bit"].sum() / 7
    (cover,) = [r for r in page.rows if r[0] == "EAGLE1-LIKE|PQSAT"]
    least, last = stores["stock_bit"].min() / need, stores["stock_bit"].iloc[-1] / need
    assert cover[1:] == [format_bits(need), f"{least:.1f}", f"{last:.1f}"]


def test_a_relay_of_many_demands_shows_those_served_least(study):
    delivery = study.relay.delivery
    first = delivery["demand"].iloc[0]
    more = [delivery[delivery["demand"] == first].assign(demand=f"d{i:02}", delivered_bit=float(i)) for i in range(20)]
    page = shown(replace(study.relay, delivery=pd.concat([delivery, *more]), unreachable=(EVIL,)))
    assert "The 12 of 30 demands served least" in page.words
    assert [r[0] for r in page.rows[1:13]] == [f"d{i:02}" for i in range(12)]
    assert f"no path fulfils the class of: {EVIL}" in page.words
    one = delivery[delivery["bin"] == delivery["bin"].min()]
    assert "stores in use" not in shown(replace(study.relay, delivery=one)).words
    nothing = shown(replace(study.relay, delivery=delivery.assign(asked_bit=0.0, delivered_bit=0.0)))
    assert {r[3] for r in nothing.rows[1:11]} == {"100.0 %"}


def test_a_loaded_run_shows_its_plan_and_tables(run_directory, study):
    run = eq.load_run(run_directory)
    page = shown(run)
    assert "Run of QUANT-GPICz" in page.words
    assert "period: 2027-03-01 12:00 to 2027-03-08 12:00 UTC" in page.words
    assert f"objective {study.plan.objective:.4f}" in page.words
    rows = {r[0]: r[1] for r in page.rows[1:]}
    assert rows == {name: f"{len(table):,}" for name, table in run.tables.items()}
    evil = replace(run, manifest={**run.manifest, "scenario": {**run.manifest["scenario"], "name": EVIL}})
    assert f"Run of {EVIL}" in shown(evil).words


def test_format_bits_is_finite_for_whatever_a_table_holds():
    rng = np.random.default_rng(1)
    for bit in 10 ** rng.uniform(-3, 14, 200):
        text = format_bits(float(bit))
        value, unit = text.split()
        size = {"bit": 1.0, "kbit": 1e3, "Mbit": 1e6, "Gbit": 1e9}[unit]
        assert abs(float(value) * size - bit) <= max(0.0051 * bit, 0.5)


def test_a_study_shows_which_stages_there_are(scenario):
    study = eq.Study(scenario)
    assert {r[1] for r in shown(study).rows[1:]} == {"not computed yet"}
    passes = study.passes
    rows = dict(shown(study).rows[1:])
    assert rows["passes"] == f"{len(passes)} rows"
    assert rows["plan"] == "not computed yet"

"""Verdicts on published figures: what the words mean, what is counted, and the verdicts that must not change unseen."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import chains
import numpy as np
import pytest
import test_reference_tables
import verdicts
from anchors import ANCHORS, GAPS, anchor_verdict
from chains import chain_rows, chain_verdict
from flown_pass import FROM_THE_BUDGET, budget_figures, budget_verdict
from verdicts import GRADES, KINDS, WORDS, count_lines, gap, judge, kept, largest_factor

from eqci_space.qkd.security import SecurityParameters

ROWS = {row["id"]: row for row in chain_rows()}
HELD = {
    "reproduced": "B154 B156 B158 B159 E193 E194 E195 E196 E197 E198 E199 E200 E201 V8 V9 V9,all V11 V13 V14 V15 V16 "
    "M210 M211 M212 M214 M215",
    "missed": "B155 B157 M213 V9,rigorous",
    "bound respected": "M216 M217 V17",
    "unverified": "V1 V2 V3 V4 V5 V6 V1,budget V2,budget V3,budget V4,budget V5,budget V6,budget",
}
NOT_COUNTED = (
    "B154 B156 B158 B159 E193 E194 E195 E196 E197 E198 E199 E200 E201 M216 M217 V1 V2 V3 V4 V5 V6 V13 V14 V15 V17 "
    "V1,budget V2,budget V3,budget V4,budget V5,budget V6,budget"
)


def linkbudget_verdicts():
    root = Path(__file__).parents[2]
    spec = importlib.util.spec_from_file_location("make_validation", root / "docs" / "make_validation.py")
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    with (root / "tests" / "cases" / "linkbudget.csv").open(encoding="utf-8", newline="") as stream:
        rows = [r for r in csv.DictReader(stream) if r["quantity"] in page.PUBLISHED]
    return {r["id"]: page.published_line(r, verdicts)[1] for r in rows}


def test_published_figures_of_link_budget_and_satellites_keep_their_verdicts():
    """Those of the other chains stand in their table; a change here belongs into the changelog."""
    found = linkbudget_verdicts() | {name.replace(" ", ""): anchor_verdict(name)[1] for name in ANCHORS}
    found |= {f"{name},budget": budget_verdict(name)[1] for name in FROM_THE_BUDGET}
    assert {name: v.word for name, v in found.items()} == {n: word for word, ids in HELD.items() for n in ids.split()}
    assert {name for name, v in found.items() if v.kind != "counted"} == set(NOT_COUNTED.split())
    assert not set(ANCHORS) & set(GAPS)


@pytest.mark.parametrize("name", FROM_THE_BUDGET)
def test_the_pass_of_2016_from_the_link_budget_stays_inside_its_tolerances(name):
    """An unverified row keeps its word wherever it lies, so here its side of the tolerance is held."""
    _, found = budget_verdict(name)
    assert found.good, found.text
    assert ANCHORS[name].grade == "recalled"


def test_rates_of_the_pass_of_2016_are_those_of_its_losses():
    """Sent 50/25/25 % at 0.8, 0.1 and 0: half the clicks of 1e8 pulses a second at 32.22 and 42.4 dB, within 3 %."""
    rates = budget_figures()
    for name, loss_db in (("V1", 32.217), ("V2", 42.4)):
        eta = 10 ** (-loss_db / 10)
        clicks = 1e8 * (0.5 * -np.expm1(-0.8 * eta) + 0.25 * -np.expm1(-0.1 * eta))
        assert 1e3 * rates[name] == pytest.approx(clicks / 2, rel=0.03)
    assert rates["V3"] == pytest.approx(2 * rates["V4"], rel=1e-3)


def test_a_flipped_verdict_of_a_chain_fails(monkeypatch):
    row = ROWS["N41"]
    test_reference_tables.judge_measured_chains(row)
    plain = chains.ADAPTERS["pair_key_infinite"]
    for factor in (0.95, 2.1):
        monkeypatch.setitem(chains.ADAPTERS, "pair_key_infinite", lambda i, factor=factor: factor * plain(i))
        with pytest.raises(AssertionError, match="missed"):
            test_reference_tables.judge_measured_chains(row)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_of_the_chains_says_what_it_rests_on(row):
    value, found = chain_verdict(row)
    assert row["what"]
    assert row["source"]
    assert row["verdict"] in WORDS
    assert row["grade"] in ("stated", "recalled")
    assert found.kind in KINDS
    assert not (row["grade"] == "recalled" and found.kind == "counted")
    assert row["assumed"] or value is None
    assert row["why"] or found.word not in ("missed", "gap", "bound violated")
    assert value is None or isinstance(json.loads(row["inputs"]), dict)


def test_no_row_of_the_chains_is_fitted():
    """Devices are the presets; what a row changes of them is what its own words state."""
    changed = {r["id"]: set(json.loads(r["inputs"]).get("changes", {})) for r in ROWS.values() if r["kind"]}
    assert {name: keys for name, keys in changed.items() if keys} == {
        "N45/N48, noise": {"extraneous_probability", "afterpulse_probability"},
        "N52": {"protocol", "pulse_rate_hz"}, "N54": {"protocol", "pulse_rate_hz"}, "N65": {"coexistence"},
    }  # fmt: skip


def test_figures_in_the_reasons_are_those_of_the_model():
    def inputs(name, **changes):
        return json.loads(ROWS[name]["inputs"]) | changes

    perfect = SecurityParameters(error_correction_efficiency=1.0, bound="asymptotic", leakage="block")
    assert round(chains.pair_key_bit(inputs("N42, infinite"), perfect) / 1e3) == 356
    assert "356 kbit" in ROWS["N42, infinite"]["why"]
    assert round(100 * (1 - chain_verdict(ROWS["N42, share"])[0])) == 8
    assert "costs 8 %" in ROWS["N42, share"]["why"]
    assert round(2 * chain_verdict(ROWS["N43"])[0], 1) == 8.4
    assert "8.4 kbit/s" in ROWS["N43"]["why"]
    rates = [chains.ADAPTERS["device_rate"]({"device": "apd-1ghz", "loss_db": loss}) for loss in (35.0, 36.0)]
    assert rates[0] > 0 == rates[1]
    assert "below 36 dB" in ROWS["N50"]["why"]
    light = inputs("N65")["changes"]["coexistence"] | {"gate_s": 0.2e-9}
    short = chains.ADAPTERS["device_rate"](inputs("N65", changes={"coexistence": light}))
    assert round(short / 1e3) == 1431
    assert "0.2 ns would give 1431 kbit/s" in ROWS["N65"]["why"]


@pytest.mark.parametrize(
    ("tolerance", "inside", "outside", "factor"),
    [
        ("25 %", (75, 125), (74.9, 125.1), 1.25),
        ("factor 2", (50, 200), (49.9, 200.1), 2.0),
        ("factor 3", (34, 300), (33, 301), 3.0),
        ("within 30", (70, 130), (69.9, 130.1), 1.3),
    ],
)
def test_two_sided_tolerances(tolerance, inside, outside, factor):
    assert all(kept(100.0, value, tolerance) for value in inside)
    assert not any(kept(100.0, value, tolerance) for value in outside)
    assert largest_factor(100.0, tolerance) == pytest.approx(factor)
    assert judge(100.0, 100.0, tolerance).kind == ("counted" if factor <= 2 else "order")
    assert judge(100.0, outside[0], tolerance).word == "missed"


@pytest.mark.parametrize(
    ("tolerance", "below", "at", "over"),
    [("at least", False, True, True), ("at most", True, True, False), ("above", False, False, True)],
)
def test_bounds_are_never_counted(tolerance, below, at, over):
    for value, good in ((0.9, below), (1.0, at), (1.1, over)):
        found = judge(1.0, value, tolerance, why="so")
        assert (found.word, found.kind) == ("bound respected" if good else "bound violated", "bound")
        assert found.text == f"{found.word}: so"


def test_recalled_figures_and_own_ones_are_apart_and_misses_say_by_how_much():
    assert judge(1.0, 1.1, "20 %", grade="recalled").text == "unverified (inside the tolerance, 20 %)"
    assert judge(1.0, 2.0, "above", grade="recalled").word == "unverified"
    assert judge(1.0, 9.0, "20 %", grade="recalled").text == "unverified (outside the tolerance, 20 %)"
    assert judge(1.0, 1.0, "20 %", grade="own").text == "reproduced, no test: the model was made from it"
    assert judge(10.0, 4.0, "20 %", why="so").text == "missed (0.40 of it; tolerance 20 %): so"
    assert judge(10.0, 6.5, "20 %", unit="dB").text == "missed (-3.5 dB; tolerance 20 %)"
    assert judge(10.0, 25.0, "factor 3").text == "reproduced (an order: factor 3)"
    assert gap("nothing is stated").text == "gap: nothing is stated"
    with pytest.raises(ValueError, match="expected one of stated, recalled, own"):
        judge(1.0, 1.0, "20 %", grade="guessed")
    with pytest.raises(ValueError, match="'about right'; expected"):
        judge(1.0, 1.0, "about right")
    assert set(GRADES) == {"stated", "recalled", "own"}


def test_the_count_takes_two_sided_rows_alone():
    first = [judge(1.0, 1.0, "20 %"), judge(1.0, 3.0, "20 %"), judge(1.0, 1.0, "factor 3"), judge(1.0, 2.0, "at most"),
             judge(1.0, 0.5, "at most"), gap("x")]  # fmt: skip
    second = [judge(1.0, 1.9, "factor 2"), judge(1.0, 1.0, "20 %", grade="recalled"), judge(1, 1, "5 %", grade="own")]
    lines = count_lines({"first": first, "second": second})
    assert lines[2:5] == [
        "| first | 2 | 1 | 1 of 1 | 1 of 2 |  |  | 1 |",
        "| second | 1 | 1 |  |  | 1 of 1 | 1 of 1 | 0 |",
        "| all | 3 | 2 | 1 of 1 | 1 of 2 | 1 of 1 | 1 of 1 | 1 |",
    ]
    assert lines[-1] == "**Reproduced: 2 of 3, 67 %.**"
    assert count_lines({"none": []})[-1] == "**Reproduced: 0 of 0.**"

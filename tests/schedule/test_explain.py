"""Why a pass was not taken and why a demand is short, on a run that was saved and reloaded."""

import json

import pandas as pd
import pytest
from plan_cases import planned

from eqci_space.errors import PlanError
from eqci_space.fiber.obstacles import unreachable_reasons
from eqci_space.report.run_io import Run, load_run
from eqci_space.schedule.explain import explain, explain_demand

TAKEN = "EAGLE1-LIKE/PQSAT/20270301T200508Z"
RIVAL = "EAGLE1-LIKE/ONDREJOV/20270301T200546Z"


@pytest.fixture(scope="module")
def run(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    for name, table in study.run.tables.items():
        table.to_parquet(folder / f"{name}.parquet")
    (folder / "run.json").write_text(json.dumps(study.run.manifest), encoding="utf-8")
    return load_run(folder)


def changed(run, **tables):
    return Run({**run.tables, **tables}, run.manifest)


def test_taken_pass_says_when_and_how_much(run):
    """1,387,244 bits clear, 25 % of them expected."""
    head, line = explain(run, TAKEN).split("\n")
    assert head == (
        "EAGLE1-LIKE/PQSAT/20270301T200508Z: EAGLE1-LIKE over PQSAT, 2027-03-01 20:05:08 to 20:09:51 UTC, "
        f"culmination {run.tables['passes'].loc[TAKEN, 'max_elevation_deg']:.0f} deg"
    )
    assert line == (
        "taken: 20:05:08 to 20:09:51 UTC, 351 kbit expected (1.39 Mbit in a clear sky, 25% clear); "
        "chosen over DLR-TRAUEN, GRAZ, ONDREJOV (same satellite)"
    )


@pytest.mark.parametrize("suffix", ["/1", "/1@200700-200800"])
def test_windows_candidates_and_contacts_stand_for_their_pass(run, suffix):
    assert explain(run, TAKEN + suffix) == explain(run, TAKEN)
    backup = next(i for i in run.tables["contacts"].index if i.startswith("backup"))
    window = run.tables["contacts"].loc[backup, "window_id"]
    assert explain(run, backup) == explain(run, window)


def test_every_planned_contact_is_taken_and_every_other_window_has_a_reason(run):
    contacts = run.tables["contacts"]
    main = set(contacts.loc[contacts["status"] == "planned", "window_id"])
    for pass_id in run.tables["passes"].index:
        windows = run.tables["windows"].index[run.tables["windows"]["pass_id"] == pass_id]
        lines = explain(run, pass_id).split("\n")[1:]
        assert lines
        assert any(line.startswith("taken: ") for line in lines) == bool(main & set(windows))
        assert all(line.startswith(("taken: ", "not taken: ", "best offer: ", "it is backup of ")) for line in lines)
        assert bool(main & set(windows)) or any(line.startswith("not taken: ") for line in lines)


def test_rival_is_named_with_its_value(run):
    lines = explain(run, RIVAL).split("\n")
    assert lines[1] == "best offer: 106 kbit expected (529 kbit in a clear sky, 20% clear)"
    assert lines[2] == (
        "not taken: the satellite serves EAGLE1-LIKE/PQSAT/20270301T200508Z/1 then (EAGLE1-LIKE over PQSAT, 351 kbit "
        "expected), which is worth more to the demands"
    )
    assert lines[3] == "it is backup of EAGLE1-LIKE/PQSAT/20270301T200508Z/1"
    assert len(lines) == 4


def test_rival_at_the_station_is_named_as_such(run):
    """The same station serves another satellite at that time."""
    contacts = run.tables["contacts"].drop(index=planned_ids(run)).copy()
    other = run.tables["contacts"].loc[[TAKEN + "/1"]].assign(satellite="SECOND", ogs="ONDREJOV", window_id="other")
    text = explain(changed(run, contacts=pd.concat([contacts, other])), RIVAL)
    assert "not taken: the station serves EAGLE1-LIKE/PQSAT/20270301T200508Z/1 then (SECOND over ONDREJOV" in text


def planned_ids(run):
    contacts = run.tables["contacts"]
    return contacts.index[contacts["status"] == "planned"]


def test_pass_without_an_observable_part(run):
    bare = [p for p in run.tables["passes"].index if p not in set(run.tables["windows"]["pass_id"])]
    assert len(bare) > 5
    assert explain(run, bare[0]).endswith(
        "\nnot taken: no part of it is observable (daylight, mask, keep-out or maintenance)"
    )


def test_window_without_key_gives_its_reason(run):
    keys = run.tables["keys"].copy()
    keys.loc[RIVAL + "/1", ["skl_bit", "reason"]] = [0.0, "QBER too high (12.1 %)"]
    text = explain(changed(run, keys=keys), RIVAL)
    assert text.endswith("\nnot taken: no key even in a clear sky (QBER too high (12.1 %))")
    assert text.count("\n") == 1


def test_booked_time_is_said_to_be_booked(run):
    candidates = run.tables["candidates"]
    left = candidates[candidates["window_id"] != RIVAL + "/1"]
    text = explain(changed(run, candidates=left), RIVAL)
    assert text.endswith("\nnot taken: satellite or station is booked or out of order")
    assert text.count("\n") == 1


def test_offer_without_a_rival_helps_nobody(run):
    contacts = run.tables["contacts"]
    bare = contacts[contacts["start"] > pd.Timestamp("2027-03-01T21:00Z")]
    text = explain(changed(run, contacts=bare), RIVAL)
    assert "best offer: 106 kbit expected" in text
    assert "not taken: its key helps no demand within the period" in text


def test_unknown_pass_names_near_ones(run):
    with pytest.raises(PlanError, match=r"explain: no pass 'EAGLE1-LIKE/PQSAT/20270301T200509Z' in the run; .*200508Z"):
        explain(run, "EAGLE1-LIKE/PQSAT/20270301T200509Z")


def test_short_demand_names_the_edges_that_cut_it_off(run):
    """Key of the satellite's stores is what is missing, first on the first day, in which none has come yet."""
    lines = explain_demand(run, "government Berlin-Warsaw").split("\n")
    mine = run.tables["delivery"].query("demand == 'government Berlin-Warsaw'")
    share = mine["delivered_bit"].sum() / mine["asked_bit"].sum()
    assert lines[0].startswith("government Berlin-Warsaw: ")
    assert lines[0].endswith(f"of 717 kbit ({share:.0%}) of expected key")
    assert 0.5 < share < 1
    short = [line for line in lines if line.startswith("short of key on EAGLE1-LIKE|")]
    assert [line.split("short of key on ")[1].split(":")[0] for line in short] == [
        "EAGLE1-LIKE|DLR-TRAUEN", "EAGLE1-LIKE|DLR-OP"]  # fmt: skip
    worth = [float(line.split("is worth ")[1].split()[0]) for line in short]
    assert worth == sorted(worth, reverse=True)
    prices = run.tables["prices"]
    mean = prices.groupby("edge")["worth_per_mbit"].mean()
    assert worth == pytest.approx(list(mean[["EAGLE1-LIKE|DLR-TRAUEN", "EAGLE1-LIKE|DLR-OP"]]), rel=6e-3)
    assert lines[-1] == "first short on 2027-03-01"


def test_served_demand_is_served_in_full(run):
    assert explain_demand(run, "control Nordhausen-Jena").split("\n") == [
        "control Nordhausen-Jena: 25.8 Mbit of 25.8 Mbit (100%) of expected key", "served in full"]  # fmt: skip


def test_demand_without_key_says_whether_a_rule_or_its_stores_are_to_blame(run):
    name = "government Berlin-Warsaw"
    delivery, routes = run.tables["delivery"].copy(), run.tables["routes"]
    delivery.loc[delivery["demand"] == name, "delivered_bit"] = 0.0
    short = changed(run, delivery=delivery, routes=routes[routes["demand"] != name])
    head = f"{name}: 0 bit of 717 kbit (0%) of expected key"
    assert explain_demand(short, name) == f"{head}\nno path of its class carries key: its stores are empty"
    blocked = Run(short.tables, {**short.manifest, "unreachable_reasons": {name: "no path: it is shut"}})
    assert explain_demand(blocked, name) == f"{head}\nno path: it is shut"


def test_a_run_holds_the_rule_that_leaves_a_demand_without_a_path(study):
    """PL forbidden between Berlin and Warsaw by satellite: the station's node at Warsaw is Polish."""
    demands = tuple(
        d.model_copy(update={"forbidden_nations": ("PL",)}) if d.name == "government Berlin-Warsaw" else d
        for d in study.scenario.demands
    )
    scenario = study.scenario.model_copy(update={"demands": demands})
    text = unreachable_reasons(study.network, scenario)
    assert list(text) == ["government Berlin-Warsaw"]
    assert text["government Berlin-Warsaw"] == (
        "no path: forbidden_nations: PL (node OGS-PQSAT of PL) stands in the way"
    )
    assert study.run.manifest["unreachable_reasons"] == {}


def test_unknown_demand_names_near_ones(run):
    with pytest.raises(
        PlanError, match=r"no demand 'government Berlin-Warschau' in the run; .*government Berlin-Warsaw"
    ):
        explain_demand(run, "government Berlin-Warschau")


def test_reloaded_run_explains_as_the_one_in_memory(run, study):
    assert explain(run, TAKEN) == explain(study.run, TAKEN)
    assert len(planned(study.plan)) == len(planned_ids(run))
    assert explain_demand(run, "government Warsaw-Prague") == explain_demand(study.run, "government Warsaw-Prague")


def test_a_simulated_run_explains_a_demand_by_its_levels_first(run_directory):
    run = load_run(run_directory)
    name = "government Warsaw-Prague"
    levels = {"all_in_mean_bit": 143_360.0, "all_in_exceeded_90pct_bit": 1_024.0, "all_in_met_share": 0.05}
    simulated = Run(run.tables, {**run.manifest, "simulation": {"demands": {name: levels}}})
    first, second, *_ = explain_demand(simulated, name).splitlines()
    assert (
        first
        == f"{name}: 143 kbit on average of 717 kbit (20%), in 9 of 10 worlds at least 1.02 kbit; the ask is met in 5%"
    )
    assert second.startswith("of expected key ")

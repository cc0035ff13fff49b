"""Commands that answer a question about a scenario or about runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from eqci_space.cli.options import AsJson, ScenarioArgument, command, load
from eqci_space.cli.output import Output
from eqci_space.cli.records import rows_of
from eqci_space.errors import DataError, PlanError, near_matches
from eqci_space.units import KEY_BIT

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from eqci_space.fiber.resilience import OutageAnswer
    from eqci_space.report.compare import Comparison
    from eqci_space.report.run_io import Run
    from eqci_space.scenario import Scenario
    from eqci_space.schedule.edits import EditedPlan
    from eqci_space.study import Study

__all__ = ["compare", "explain", "whatif"]

_NAMED = "Contact, candidate, window or pass"
_NEEDED = ("passes", "windows", "keys", "candidates", "contacts", "routes", "delivery", "prices")


@command
def explain(
    output: Output,
    run_directory: Annotated[Path, typer.Argument(help="Directory written by eqci run.")],
    name: Annotated[str, typer.Argument(help="Id of a pass, window, candidate or contact, or name of a demand.")],
    as_json: AsJson = False,
) -> None:
    """Say why a pass carries a contact or none, or why a demand is short."""
    from eqci_space.report.run_io import load_run
    from eqci_space.schedule.explain import explain as explain_pass
    from eqci_space.schedule.explain import explain_demand

    run = load_run(run_directory)
    lacking = [table for table in _NEEDED if table not in run.tables]
    if lacking:
        raise DataError(
            f"explain: '{run_directory}' holds no {', '.join(lacking)}, as public releases do; give the internal run"
        )
    demands = set(run.tables["delivery"]["demand"])
    is_demand = name in demands
    try:
        text = explain_demand(run, name) if is_demand else explain_pass(run, name)
    except PlanError as error:
        hint = near_matches(name, [*demands, *run.tables["passes"].index])
        raise PlanError(f"explain: no pass and no demand '{name}' in the run; {hint}") from error
    if as_json:
        kind = "demand" if is_demand else "pass"
        output.document("explain", name=name, kind=kind, lines=text.splitlines(), **_facts(run, name, is_demand))
    else:
        output.result(text)


def _facts(run: Run, name: str, is_demand: bool) -> dict[str, Any]:
    """The rows that an explanation rests on."""
    if is_demand:
        delivery = run.tables["delivery"]
        return {"delivery": rows_of(delivery[delivery["demand"] == name])}
    found: dict[str, Any] = {}
    for table in ("candidates", "contacts"):
        if name in run.tables[table].index:
            name = str(run.tables[table].loc[name, "window_id"])
    windows = run.tables["windows"]
    pass_id = str(windows.loc[name, "pass_id"]) if name in windows.index else name
    mine = windows[windows["pass_id"] == pass_id]
    found["pass"] = rows_of(run.tables["passes"].loc[[pass_id]])[0]
    for table in ("candidates", "contacts"):
        rows = run.tables[table]
        found[table] = rows_of(rows[rows["window_id"].isin(mine.index)])
    return found


@command
def whatif(
    output: Output,
    scenario: ScenarioArgument,
    overlays: Annotated[
        list[Path] | None, typer.Option("--with", help="File with outages or other changes; repeatable.")
    ] = None,
    pin: Annotated[list[str] | None, typer.Option(help=f"{_NAMED} that the plan must take; repeatable.")] = None,
    ban: Annotated[list[str] | None, typer.Option(help=f"{_NAMED} whose pass is not used; repeatable.")] = None,
    force: Annotated[list[str] | None, typer.Option(help=f"{_NAMED} taken against rules too; repeatable.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a change costs.

    With --with alone the contacts stay as planned: what demands get on average over skies and in 9 of 10, until when
    they are served, by which new paths, and when stores have refilled. With --pin, --ban or --force the plan of the
    scenario, files laid over it, is made anew; what it costs is a mean over skies in 256-bit keys, and each edit is
    priced in expected key: clear-sky key times the chance of a clear sky.
    """
    if pin or ban or force:
        _edited(output, load(scenario, overlays), _Edits(pin or [], ban or [], force or []), as_json=as_json)
        return
    if not overlays:
        raise PlanError("whatif: nothing to change; give a file by --with, or a contact by --pin, --ban or --force")
    base, changed = load(scenario), load(scenario, overlays)
    from eqci_space.fiber.resilience import outage_answer
    from eqci_space.schedule.candidates import out_of_service
    from eqci_space.study import Study
    from eqci_space.tables import planned_contacts

    with output.progress(2) as advance:
        advance("planning")
        study = Study(base)
        deposits = study.deposits
        advance("relaying")
        planned = planned_contacts(study.plan.contacts)
        lost = planned[out_of_service(planned, changed)]
        answer = outage_answer(deposits, base, changed, lost=lost.index.tolist())
        levels = _levels(study, changed, planned, lost)
    splits = _splits(base, changed)
    if as_json:
        output.document(
            "whatif", base, changes=list(changed.overlays), demands=rows_of(answer.demands.join(levels)),
            lost_contacts=lost.index.tolist(),
            stores=rows_of(answer.stores.rename_axis("edge")), bins_split_at=splits,
        )  # fmt: skip
    else:
        if len(lost):
            output.result(f"{len(lost)} of {len(planned)} planned contacts fall out: {', '.join(lost.index)}")
        _say_answer(output, answer, levels)
        _say_splits(output, splits)


def _levels(study: Study, changed: Scenario, planned: pd.DataFrame, lost: pd.DataFrame) -> pd.DataFrame:
    """Levels over the same skies without and with the change, per demand of both scenarios."""
    import pandas as pd

    from eqci_space.schedule.fresh_skies import fresh_deliveries

    taken, seed = planned["candidate_id"], study.scenario.seed
    choices = [taken.tolist(), taken.drop(lost.index).tolist()]
    columns = {}
    for i, (when, scenario) in enumerate((("before", study.scenario), ("after", changed))):
        bits = fresh_deliveries(choices, study.candidates, scenario, rng=seed)[i]
        names = [d.name for d in scenario.demands]
        columns[f"{when}_mean_bit"] = pd.Series(bits.mean(axis=0), index=names)
        columns[f"{when}_exceeded_90pct_bit"] = pd.DataFrame(bits, columns=names).quantile(0.1)
    return pd.DataFrame(columns).dropna().rename_axis("demand")


def _splits(*scenarios: Scenario) -> list[datetime]:
    """Where outages that stop everything split bins."""
    from eqci_space.fiber.problem import bin_edges, nominal_edges

    edges, nominal = ({t for s in scenarios for t in find(s)} for find in (bin_edges, nominal_edges))
    return sorted(edges - nominal)


def _say_splits(output: Output, splits: list[datetime]) -> None:
    if splits:
        times = ", ".join(f"{t:%Y-%m-%d %H:%M}" for t in splits)
        output.result(f"bins are split at {times} UTC, where outages that stop everything begin and end")


class _Edits(NamedTuple):
    """Names of what is pinned, banned and forced."""

    pin: list[str]
    ban: list[str]
    force: list[str]


def _edited(output: Output, scenario: Scenario, edits: _Edits, *, as_json: bool) -> None:
    """Plan with contacts pinned, banned or forced, and say what it costs."""
    from eqci_space.schedule.edits import edit_plan
    from eqci_space.study import Study

    with output.progress(2) as advance:
        advance("planning")
        study = Study(scenario)
        plan, candidates, network = study.plan, study.candidates, study.network
        advance("planning anew")
        found = edit_plan(plan, candidates, scenario, network=network, pin=edits.pin, ban=edits.ban, force=edits.force)
    if as_json:
        output.document(
            "whatif", scenario, cost=found.cost, cost_keys=found.cost_keys, mean_cost_keys=found.mean_cost_keys,
            mean_cost_error_keys=found.mean_cost_error_keys, edits=rows_of(found.edits),
            demands=rows_of(found.demands), contacts=rows_of(found.changes), notes=list(found.plan.notes),
            bins_split_at=_splits(scenario),
        )  # fmt: skip
    else:
        _say_edits(output, found)
        _say_splits(output, _splits(scenario))


def _say_edits(output: Output, found: EditedPlan) -> None:
    from eqci_space.words import joined, whole_seconds

    output.result(
        f"{_lost(found.mean_cost_keys)} over all demands, mean over skies (± {found.mean_cost_error_keys:,.0f}), "
        f"weather alone; objective {-found.cost:+.4g}"
    )
    output.result(f"{_lost(found.cost_keys)} in expected key, a bound before and after")
    for name, row in found.edits.iterrows():
        output.result(f"  {row['edit']} {name}: {_lost(row['cost_keys'])}, in expected key")
    changed = (found.demands["change_mean_bit"].abs() >= KEY_BIT) | (found.demands["change_keys"].abs() >= 1)
    for name, row in found.demands[changed].iterrows():
        output.result(f"{name}: {_from_to(row, 'mean_bit')} mean, {_from_to(row, 'exceeded_90pct_bit')} in 9 of 10")
    for row in found.changes.itertuples():
        old = row.start_new if row.change == "added" else row.start_old
        start, _ = whole_seconds(old, old)
        place = joined(row.ogs, row.ogs_b)
        output.result(f"{row.change} {row.satellite} over {place}, {start:%Y-%m-%d %H:%M:%S} UTC; {row.cause}")
    for note in found.plan.notes:
        output.result(f"note: {note}")


def _from_to(row: pd.Series, level: str) -> str:
    from eqci_space.words import format_bits

    return " to ".join(format_bits(row[f"{when}_{level}"]) for when in ("before", "after"))


def _lost(keys: float) -> str:
    """Keys lost or won in words."""
    count = f"{abs(keys):,.0f} 256-bit keys"
    return "no key lost" if abs(keys) < 0.5 else f"{count} lost" if keys > 0 else f"{count} won"


def _say_answer(output: Output, answer: OutageAnswer, levels: pd.DataFrame) -> None:
    from eqci_space.words import format_bits

    moved = levels[(levels["after_mean_bit"] - levels["before_mean_bit"]).abs() >= KEY_BIT]
    if len(moved):
        output.result("over skies, weather alone, contacts as planned:")
    for name, row in moved.iterrows():
        output.result(f"  {name}: {_from_to(row, 'mean_bit')} mean, {_from_to(row, 'exceeded_90pct_bit')} in 9 of 10")
    touched = answer.demands[(answer.demands["shortage_bit"] >= 1) | (answer.demands["path_during"] != "")]
    if touched.empty:
        output.result("every demand is served as before of expected key, by the same paths")
    else:
        output.result("of expected key, relay without foresight:")
    for name, row in touched.iterrows():
        served = "served throughout" if row["shortage_bit"] < 1 else (
            f"served until {row['served_until']:%Y-%m-%d %H:%M} UTC, then {format_bits(row['shortage_bit'])} short"
        )  # fmt: skip
        output.result(f"{name}: {served}; path: {row['path_during'] or 'none'}")
    for edge, row in answer.stores.iterrows():
        refilled = "not refilled within the period" if row["refilled_at"] != row["refilled_at"] else (
            f"refilled on {row['refilled_at']:%Y-%m-%d %H:%M} UTC"
        )  # fmt: skip
        output.result(f"  store {edge}: down to {format_bits(row['lowest_bit'])}, {refilled}")


@command
def compare(
    output: Output,
    run_a: Annotated[Path, typer.Argument(help="Directory of the earlier run.")],
    run_b: Annotated[Path, typer.Argument(help="Directory of the later run.")],
    as_json: AsJson = False,
) -> None:
    """Say what differs between two runs: contacts, delivery, headline numbers."""
    from eqci_space.report.compare import compare_runs

    found = compare_runs(run_a, run_b)
    if as_json:
        output.document(
            "compare", headline=rows_of(found.headline), delivery=rows_of(found.delivery),
            contacts=rows_of(found.contacts),
        )  # fmt: skip
    else:
        _say_comparison(output, found)


def _say_comparison(output: Output, found: Comparison) -> None:
    from eqci_space.words import joined

    columns = [
        "change", "satellite", "ogs", "start_a", "start_b", "start_shift_s", "end_shift_s", "difference_bit",
        "status_a", "status_b",
    ]  # fmt: skip
    places = [joined(*pair) for pair in zip(found.contacts["ogs"], found.contacts["ogs_b"], strict=True)]
    changed = found.contacts.assign(ogs=places).loc[found.contacts["change"] != "same", columns]
    for column in ("start_a", "start_b"):
        changed[column] = changed[column].dt.strftime("%Y-%m-%dT%H:%M:%SZ").fillna("–")
    for table in (found.delivery.reset_index(), found.headline.reset_index(), changed):
        text = table.to_string(index=False, na_rep="–", float_format="{:,.4g}".format)
        output.result(f"{'no contact differs' if table.empty else text}\n")

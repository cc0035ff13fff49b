"""Commands that work out one stage and print its table."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

from eqci_space.cli.options import (
    AsJson,
    FailOnEmpty,
    Format,
    Jobs,
    Overlays,
    ScenarioArgument,
    TableFile,
    command,
    load,
)
from eqci_space.cli.output import INFEASIBLE, Output
from eqci_space.cli.records import chosen_format, csv_text, rows_of, write_table

if TYPE_CHECKING:
    import pandas as pd

    from eqci_space.scenario import Scenario
    from eqci_space.study import Study

    Answer = tuple[pd.DataFrame, dict[str, Any]]

__all__ = ["budget", "give_table", "keys", "passes", "relay", "schedule", "windows"]

_UP_TO_BUDGET = ("passes", "windows", "samples", "budget")
_SHOW_KEY = ("budget", "keys", "schedule", "relay")
_UP_TO_PLAN = (*_UP_TO_BUDGET, "keys", "candidates", "network", "plan")


def give_table(
    output: Output,
    name: str,
    table: pd.DataFrame,
    scenario: Scenario,
    *,
    contract: str = "",
    out: Path | None,
    form: str,
    fail_on_empty: bool = False,
    **more: Any,
) -> None:
    """Print the table of a command or write it to a file; `contract` names it, and `more` joins the JSON document."""
    content = {"table": contract or name, **more}
    if out is None and form == "csv":
        output.result(csv_text(table), end=False)
    elif out is None:
        output.document(name, scenario, **content, rows=rows_of(table))
    else:
        document = output.documented(name, scenario, {**content, "rows": rows_of(table)}) if form == "json" else {}
        write_table(table, out, form, document)
        output.log(f"{len(table)} rows in {out}")
    if table.empty:
        output.note("no pass in the period" if name == "passes" else f"{name}: no rows")
        if fail_on_empty:
            raise typer.Exit(INFEASIBLE)


def _worked_out(output: Output, scenario: Scenario, stages: tuple[str, ...]) -> Study:
    from eqci_space.study import Study

    study = Study(scenario)
    with output.progress(len(stages)) as advance:
        for stage in stages:
            advance(stage)
            getattr(study, stage)
    return study


def _stage(function: Callable[..., Answer]) -> Callable[..., None]:
    """A command that prints the table of a stage, with the options that all stages share beside the function's own.

    The function takes the output and the loaded scenario; it returns the table and what else `give_table` takes.
    """

    def call(
        output: Output,
        scenario: ScenarioArgument,
        out: TableFile = None,
        form: Format = None,
        as_json: AsJson = False,
        fail_on_empty: FailOnEmpty = False,
        overlays: Overlays = None,
        **own: Any,
    ) -> None:
        from eqci_space.scenario.proven import unproven_links, unproven_sentence

        chosen, loaded = chosen_format(out, form, as_json), load(scenario, overlays)
        table, more = function(output, loaded, **own)
        name = function.__name__
        if name in _SHOW_KEY and (names := unproven_links(loaded)):
            output.note(unproven_sentence(names))
        give_table(output, name, table, loaded, out=out, form=chosen, fail_on_empty=fail_on_empty, **more)

    *shared, _ = inspect.signature(call, eval_str=True).parameters.values()
    kinds = get_type_hints(function, localns={"Scenario": Any, "Answer": Any}, include_extras=True)
    own = [p.replace(annotation=kinds[n]) for n, p in list(inspect.signature(function).parameters.items())[2:]]
    vars(call)["__signature__"] = inspect.Signature([*shared, *own])
    call.__name__, call.__qualname__, call.__doc__ = function.__name__, function.__qualname__, function.__doc__
    return command(call)


@_stage
def passes(output: Output, scenario: Scenario) -> Answer:
    """List the passes of a scenario."""
    from eqci_space.orbits.passes import find_passes

    with output.progress(1) as advance:
        advance("passes")
        return find_passes(scenario), {}


@_stage
def windows(output: Output, scenario: Scenario) -> Answer:
    """List the observable windows of a scenario: the parts of passes that its stations can use."""
    from eqci_space.ogs.windows import observable_windows
    from eqci_space.orbits.passes import find_passes

    with output.progress(2) as advance:
        advance("passes")
        found = find_passes(scenario)
        advance("windows")
        return observable_windows(found, scenario), {}


@_stage
def budget(output: Output, scenario: Scenario) -> Answer:
    """Print the link budget of every window, second by second, one column per term."""
    return _worked_out(output, scenario, _UP_TO_BUDGET).budget, {}


@_stage
def keys(output: Output, scenario: Scenario) -> Answer:
    """Print the secret key of every window under a clear sky, parameters optimised, and why it is zero where it is."""
    return _worked_out(output, scenario, (*_UP_TO_BUDGET, "keys")).keys, {}


@_stage
def schedule(
    output: Output,
    scenario: Scenario,
    rolling: Annotated[
        bool,
        typer.Option("--rolling", help="As it is flown: horizon_day ahead, anew every replan_day. For long periods."),
    ] = False,
    jobs: Jobs = 1,
) -> Answer:
    """Plan the contacts and print them, backups included; how good the plan is goes to stderr."""
    if rolling:
        return _rolled(output, scenario, jobs)
    if jobs > 1:
        raise typer.BadParameter("--jobs goes with --rolling; a plan in one piece is made by one process")
    plan = _worked_out(output, scenario, _UP_TO_PLAN).plan
    output.note(f"objective {plan.objective:.6g}, bound {plan.bound:.6g}, gap {100 * plan.gap:.2f} %")
    for text in plan.notes:
        output.note(text)
    quality = {"objective": plan.objective, "bound": plan.bound, "gap": plan.gap, "notes": list(plan.notes)}
    return plan.contacts, {"contract": "contacts", "plan": quality}


def _rolled(output: Output, scenario: Scenario, jobs: int) -> Answer:
    """Contacts of a rolling plan over candidates made in chunks, and its steps and delivery for a document."""
    from math import ceil
    from tempfile import TemporaryDirectory

    from eqci_space.schedule.rolling import rolling_plan
    from eqci_space.studies.batch import batch_chunks, load_batch, run_batch

    days = (scenario.end - scenario.start).total_seconds() / 86400
    steps = len(batch_chunks(scenario)) + ceil(days / scenario.schedule.replan_day)
    with TemporaryDirectory() as work, output.progress(steps) as advance:
        run_batch(scenario, work, jobs=jobs, progress=lambda done: advance("chunks", done))
        found = rolling_plan(load_batch(work)["candidates"], scenario, progress=lambda done, _: advance("plans"))
    made = found.steps
    output.note(
        f"plans made: {len(made)}, largest gap {100 * made['gap'].max():.2f} %; of contacts planned before "
        f"{made['kept'].sum()} kept, {made['dropped'].sum()} dropped"
    )
    delivered = found.delivery.groupby("demand", sort=False)[["asked_bit", "delivered_bit"]].sum()
    return found.contacts, {"contract": "contacts", "steps": rows_of(made), "demands": rows_of(delivered)}


@_stage
def relay(
    output: Output,
    scenario: Scenario,
    table: Annotated[
        Literal["delivery", "routes", "stores"], typer.Option(help="Key per demand, paths, or contents of stores.")
    ] = "delivery",
) -> Answer:
    """Plan the contacts, relay their expected key over the network, and print what every demand gets."""
    from eqci_space.fiber.obstacles import unreachable_reasons

    found = _worked_out(output, scenario, (*_UP_TO_PLAN, "relay")).relay
    reasons = unreachable_reasons(found.network, scenario) if found.unreachable else {}
    for demand in found.unreachable:
        output.note(f"{demand}: {reasons.get(demand, 'no path')}")
    more = {"contract": table, "unreachable": list(found.unreachable), "unreachable_reasons": reasons}
    return getattr(found, table), more

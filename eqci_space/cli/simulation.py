"""The command that replays a plan in sampled worlds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eqci_space.cli.options import AsJson, Overlays, ScenarioArgument, check_inputs, command, load, processes
from eqci_space.cli.output import Output
from eqci_space.cli.records import rows_of

if TYPE_CHECKING:
    import pandas as pd

    from eqci_space.scenario import Scenario
    from eqci_space.schedule.simulate import Simulation

__all__ = ["simulate"]

_RELAY = {True: "relay with the sky of each known", False: "relay bin by bin, without foresight"}
_QUANTILES = ("exceeded_90pct", "median", "exceeded_10pct")


@command
def simulate(
    output: Output,
    scenario: ScenarioArgument,
    trials: Annotated[int, typer.Option(min=10, help="Sampled worlds.")] = 1000,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed; default the scenario's.")] = None,
    regret: Annotated[int, typer.Option(min=0, help="Worlds in which the plan is made anew, the sky known.")] = 5,
    foresight: Annotated[
        bool, typer.Option("--foresight/--no-foresight", help="Whether relay knows what comes in the period.")
    ] = True,
    out: Annotated[Path | None, typer.Option(help="Folder for demands.csv, causes.csv and trials.parquet.")] = None,
    as_json: AsJson = False,
    overlays: Overlays = None,
) -> None:
    """Replay the plan of a scenario in sampled skies and under its stated uncertainties."""
    loaded = load(scenario, overlays)
    check_inputs(loaded)
    if out is not None and out.exists() and not out.is_dir():
        raise typer.BadParameter(f"'{out}' is not a folder")
    from eqci_space.files.atomic import write_atomically
    from eqci_space.files.csv_text import csv_text
    from eqci_space.schedule.simulate import simulate_plan
    from eqci_space.study import Study

    study = Study(loaded)
    with output.progress(2 * trials) as advance:
        advance("planning", 0)
        result = simulate_plan(
            study.plan, study.budget, study.contact_keys, loaded, candidates=study.candidates, network=study.network,
            trials=trials, rng=seed, regret_trials=regret, foresight=foresight, jobs=processes(trials),
            progress=lambda done: advance("worlds", done),
        )  # fmt: skip
    for warning in result.warnings:
        output.warn(warning)
    if as_json:
        output.document(
            "simulate", loaded, trials=trials, seed=loaded.seed if seed is None else seed,
            demands=rows_of(result.demands), causes=rows_of(result.causes.rename_axis("cause")),
            regret_trials=regret, regret_bit=result.regret_bit, foresight=foresight,
            totals=rows_of(result.totals.rename_axis("demands")),
        )  # fmt: skip
    else:
        _say_simulation(output, loaded, result, trials, regret)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / "demands.csv", csv_text(result.demands, index=True))
        write_atomically(out / "causes.csv", csv_text(result.causes, index=True))
        write_atomically(out / "trials.parquet", result.delivered_bit.to_parquet())


def _say_simulation(output: Output, scenario: Scenario, result: Simulation, trials: int, regret: int) -> None:
    from eqci_space.units import KEY_BIT
    from eqci_space.words import format_bits

    output.result(f"{scenario.name}: {trials} worlds, contacts as planned, {_RELAY[result.foresight]}")
    output.result("delivered, exceeded in 90 % / 50 % / 10 % of the worlds: weather alone; all stated uncertainties")
    output.result("(± one standard error of the sampling)")
    for name, row in result.demands.iterrows():
        _say_demand(output, str(name), row, list(result.causes.index), with_regret=regret > 0)
    output.result("variance of the key from space, each cause alone:")
    for cause, share in result.causes["share_of_variance"].items():
        output.result(f"  {cause}: {100 * share:.0f} %")
    if regret:
        output.result(
            f"regret against plans that knew the sky: {format_bits(result.regret_bit)}, "
            f"{round(result.regret_bit / KEY_BIT):,} keys of 256 bit ({regret} worlds)"
        )


def _say_demand(output: Output, name: str, row: pd.Series, causes: list[str], *, with_regret: bool) -> None:
    from eqci_space.words import format_bits

    weather, everything = (
        " / ".join(
            f"{format_bits(row[f'{kind}_{c}_bit'])} ± {format_bits(row[f'{kind}_{c}_error_bit'])}" for c in _QUANTILES
        )
        for kind in ("weather_only", "all_in")
    )
    per_day = f"{row['all_in_exceeded_90pct_keys_per_day']:,.0f} keys of 256 bit a day in 90 %"
    output.result(f"  {name}: {weather}; {everything} of {format_bits(row['asked_bit'])} ({per_day})")
    large = [(c, row[f"share_{c}"]) for c in causes if row[f"share_{c}"] >= 0.005]
    shares = ", ".join(f"{cause} {100 * share:.0f} %" for cause, share in large)
    lost = f"; regret {format_bits(row['regret_bit'])}, {round(row['regret_keys']):,} keys" if with_regret else ""
    if shares or lost:
        output.result(f"    variance by cause: {shares or 'none'}{lost}")

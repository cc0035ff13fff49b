"""The command line. Heavy imports stand inside the commands, so that ``eqci --help`` is quick.

Exit codes: 0 ok, 1 internal error, 2 usage or invalid input, 3 nothing feasible, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eqci_space.errors import EqciError, EqciWarning, InfeasibleError

if TYPE_CHECKING:
    import pandas as pd

    from eqci_space.scenario import Scenario

__all__ = ["app", "main"]

app = typer.Typer(
    name="eqci",
    help="Plan satellite QKD passes and terrestrial key relay together, from orbit to delivered key.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ScenarioArgument = Annotated[str, typer.Argument(help="Name of a shipped scenario, or path of a .toml file.")]
Overlays = Annotated[
    list[Path] | None, typer.Option("--with", help="File with changed values, laid over the scenario; repeatable.")
]


def main() -> None:
    """Entry point of ``eqci``; turns errors into one message and an exit code."""
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    try:
        app()
    except InfeasibleError as error:
        _fail(error, 3)
    except EqciError as error:
        _fail(error, 2)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)


def _fail(error: EqciError, code: int) -> None:
    typer.echo(f"error: {error}", err=True)
    sys.exit(code)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    if issubclass(category, EqciWarning):
        typer.echo(f"warning: {message}", err=True)


@app.command()
def run(
    scenario: ScenarioArgument,
    out: Annotated[Path, typer.Option(help="Directory for tables, exports, report.html and run.json.")],
    fail_on_empty: Annotated[bool, typer.Option("--fail-on-empty", help="Exit with 3 when there is no pass.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    overlays: Overlays = None,
) -> None:
    """Plan a scenario from orbit to delivered key and write everything to a directory."""
    loaded = _load(scenario, overlays)
    _check_inputs(loaded)
    from eqci_space.report.html import format_bits
    from eqci_space.study import STAGES, Study

    study = Study(loaded)
    with _Progress(len(STAGES) + 1, quiet) as advance:
        result = study.save(out, progress=advance)
    delivered = study.relay.delivery.groupby("demand", sort=False)[["asked_bit", "delivered_bit"]].sum()
    contacts = study.plan.contacts
    typer.echo(
        f"{loaded.name}: {len(study.passes)} passes, {len(study.windows)} windows, {len(contacts)} contacts, "
        f"{format_bits(contacts['expected_skl_bit'].sum())} expected from space"
    )
    for name, row in delivered.iterrows():
        typer.echo(f"  {name}: {format_bits(row['delivered_bit'])} of {format_bits(row['asked_bit'])}")
    if loaded.satellites and study.passes.empty:
        typer.echo("no pass in the period", err=True)
        if fail_on_empty:
            raise typer.Exit(3)
    typer.echo(f"report: {out / 'report.html'} ({sum(result.manifest['wall_s'].values()):.1f} s)")


@app.command()
def simulate(
    scenario: ScenarioArgument,
    trials: Annotated[int, typer.Option(min=10, help="Sampled worlds.")] = 1000,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed; default the scenario's.")] = None,
    regret: Annotated[int, typer.Option(min=0, help="Worlds in which the plan is made anew, the sky known.")] = 5,
    out: Annotated[Path | None, typer.Option(help="Folder for demands.csv, causes.csv and trials.parquet.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    overlays: Overlays = None,
) -> None:
    """Replay the plan of a scenario in sampled skies and under its stated uncertainties."""
    loaded = _load(scenario, overlays)
    _check_inputs(loaded)
    if out is not None and out.exists() and not out.is_dir():
        raise typer.BadParameter(f"'{out}' is not a folder")
    from eqci_space.report.html import format_bits
    from eqci_space.schedule.simulate import simulate_plan
    from eqci_space.study import Study

    study = Study(loaded)
    with _Progress(2 * trials, quiet) as advance:
        advance("planning", 0)
        result = simulate_plan(
            study.plan, study.budget, study.keys, loaded, candidates=study.candidates, network=study.network,
            trials=trials, rng=seed, regret_trials=regret, workers=os.cpu_count() or 1,
            progress=lambda done: advance("worlds", done),
        )  # fmt: skip
    typer.echo(f"{loaded.name}: {trials} worlds, contacts as planned, relay solved in each (an upper bound)")
    typer.echo("delivered, exceeded in 90 % / 50 % / 10 % of the worlds: weather alone; all stated uncertainties")
    typer.echo("(± one standard error of the sampling)")
    for name, row in result.demands.iterrows():
        weather, everything = (
            " / ".join(
                f"{format_bits(row[f'{kind}_{c}_bit'])} ± {format_bits(row[f'{kind}_{c}_error_bit'])}"
                for c in ("exceeded_90pct", "median", "exceeded_10pct")
            )
            for kind in ("weather_only", "all_in")
        )
        keys = f"{row['all_in_exceeded_90pct_keys_per_day']:,.0f} keys of 256 bit a day in 90 %"
        typer.echo(f"  {name}: {weather}; {everything} of {format_bits(row['asked_bit'])} ({keys})")
        causes = [(c, row[f"share_{c}"]) for c in result.causes.index if row[f"share_{c}"] >= 0.005]
        shares = ", ".join(f"{cause} {100 * share:.0f} %" for cause, share in causes)
        lost = f"; regret {format_bits(row['regret_bit'])}, {row['regret_keys']:,.0f} keys" if regret else ""
        if shares or lost:
            typer.echo(f"    variance by cause: {shares or 'none'}{lost}")
    typer.echo("variance of the key from space, each cause alone:")
    for cause, share in result.causes["share_of_variance"].items():
        typer.echo(f"  {cause}: {100 * share:.0f} %")
    if regret:
        typer.echo(
            f"regret against plans that knew the sky: {format_bits(result.regret_bit)}, "
            f"{result.regret_bit / 256:,.0f} keys of 256 bit ({regret} worlds)"
        )
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        result.demands.to_csv(out / "demands.csv")
        result.causes.to_csv(out / "causes.csv")
        result.delivered_bit.to_parquet(out / "trials.parquet")


@app.command()
def check(scenario: ScenarioArgument, overlays: Overlays = None) -> None:
    """Validate a scenario with its element sets and network, and list what it assumes and what overlays change."""
    loaded = _load(scenario, overlays)
    _check_inputs(loaded)
    typer.echo(
        f"{loaded.name}: valid; {len(loaded.satellites)} satellites, {len(loaded.stations)} stations, "
        f"{len(loaded.demands)} demands, {(loaded.end - loaded.start).total_seconds() / 86400:g} days"
    )
    _state_ages(loaded)
    for path, value, source in loaded.sources:
        if "assumed" in source.lower():
            typer.echo(f"  assumed: {path} = {value} ({source})")
        elif any(overlay in source for overlay in loaded.overlays):
            typer.echo(f"  changed: {path} = {value} ({source})")


@app.command()
def whatif(
    scenario: ScenarioArgument,
    overlays: Annotated[list[Path], typer.Option("--with", help="File with outages or other changes; repeatable.")],
) -> None:
    """Say what a change costs with the contacts as planned: until when demands are served, new paths, refill dates."""
    base, changed = _load(scenario), _load(scenario, overlays)
    from eqci_space.fiber.resilience import outage_answer
    from eqci_space.report.html import format_bits
    from eqci_space.study import Study

    answer = outage_answer(Study(base).deposits, base, changed)
    for name, row in answer.demands.iterrows():
        if row["shortage_bit"] < 1 and not row["path_during"]:
            continue
        served = "served throughout" if row["shortage_bit"] < 1 else (
            f"served until {row['served_until']:%Y-%m-%d %H:%M} UTC, then {format_bits(row['shortage_bit'])} short"
        )  # fmt: skip
        typer.echo(f"{name}: {served}; path: {row['path_during'] or 'none'}")
    for edge, row in answer.stores.iterrows():
        refilled = "not within the period" if row["refilled_at"] != row["refilled_at"] else (
            f"on {row['refilled_at']:%Y-%m-%d %H:%M} UTC"
        )  # fmt: skip
        typer.echo(f"  store {edge}: down to {format_bits(row['lowest_bit'])}, refilled {refilled}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files."""
    import json

    from eqci_space.scenario_io import scenario_schema

    typer.echo(json.dumps(scenario_schema(), indent=2))


@app.command()
def passes(
    scenario: ScenarioArgument,
    out: Annotated[
        Path | None, typer.Option(help="File to write (.csv, .json, .parquet); default: CSV to stdout.")
    ] = None,
    fail_on_empty: Annotated[bool, typer.Option("--fail-on-empty", help="Exit with 3 when there is no pass.")] = False,
) -> None:
    """List the passes of a scenario."""
    loaded = _load(scenario)
    from eqci_space.orbits.passes import find_passes

    table = find_passes(loaded)
    _write_table(table, out)
    if table.empty:
        typer.echo("no pass in the period", err=True)
        if fail_on_empty:
            raise typer.Exit(3)


@app.command()
def windows(
    scenario: ScenarioArgument,
    out: Annotated[
        Path | None, typer.Option(help="File to write (.csv, .json, .parquet); default: CSV to stdout.")
    ] = None,
) -> None:
    """List the observable windows of a scenario: the parts of passes that its stations can use."""
    loaded = _load(scenario)
    from eqci_space.ogs.windows import observable_windows
    from eqci_space.orbits.passes import find_passes

    _write_table(observable_windows(find_passes(loaded), loaded), out)


@app.command()
def doctor() -> None:
    """Report versions and data, and compute one known key length as a self-test."""
    import hashlib
    import importlib.metadata
    import platform

    from eqci_space.data import data_root
    from eqci_space.fiber.rates import fibre_key_rate_bit_s
    from eqci_space.orbits.earth import orientation_end
    from eqci_space.scenario_io import load_scenario

    typer.echo(f"eqci-space {importlib.metadata.version('eqci-space')}, Python {platform.python_version()}")
    wrong = []
    import csv

    with (data_root() / "SOURCES.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        content = (data_root() / row["file"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != row["sha256"]:
            wrong.append(row["file"])
    typer.echo(f"data: {len(rows)} files, " + (f"changed: {', '.join(wrong)}" if wrong else "all checksums right"))
    typer.echo(f"Earth orientation until {orientation_end():%Y-%m-%d}")
    rate = fibre_key_rate_bit_s(16.4, load_scenario("quant-gpicz").fiber.device)
    right = abs(rate / 282_458.2 - 1) < 1e-5
    typer.echo(f"self-test: {rate:.1f} bit/s over 16.4 dB, " + ("as published" if right else "expected 282458.2"))
    if wrong or not right:
        raise typer.Exit(1)


def _load(scenario: str, overlays: list[Path] | None = None) -> Scenario:
    from eqci_space.scenario_io import load_scenario

    return load_scenario(scenario, overlays=overlays or ())


def _check_inputs(scenario: Scenario) -> None:
    """Read everything the scenario points to, so that a bad file stops a run before it begins."""
    from eqci_space.fiber.network import build_network
    from eqci_space.orbits.elements import propagator
    from eqci_space.orbits.ephemeris import satellite_elements, satellite_segments, tabulated_ephemeris

    for satellite in scenario.satellites:
        if satellite.ephemeris is not None:
            tabulated_ephemeris(satellite_segments(satellite, scenario), scenario.start, scenario.end)
        else:
            propagator(satellite_elements(satellite, scenario))
    build_network(scenario)


def _state_ages(scenario: Scenario) -> None:
    """Print how far the period lies from the epochs of element sets, and warn of stale ones."""
    from eqci_space.orbits.elements import age_day, check_age
    from eqci_space.orbits.ephemeris import satellite_elements

    for satellite in scenario.satellites:
        if satellite.elements is not None:
            found = satellite_elements(satellite, scenario)
            check_age(found, scenario.start, scenario.end)
            age = age_day(found, scenario.start, scenario.end)
            typer.echo(f"  elements of {satellite.name}: {found.epoch:%Y-%m-%dT%H:%MZ}, at most {age:.1f} days away")


def _write_table(table: pd.DataFrame, out: Path | None) -> None:
    if out is None:
        typer.echo(table.to_csv(lineterminator="\n"), nl=False)
        return
    writers = {
        ".csv": lambda p: table.to_csv(p, lineterminator="\n"),
        ".json": lambda p: table.reset_index().to_json(p, orient="records", date_format="iso", indent=1),
        ".parquet": table.to_parquet,
    }
    if out.suffix not in writers:
        raise typer.BadParameter(f"'{out.name}' ends in none of {', '.join(writers)}")
    if not out.parent.is_dir():
        raise typer.BadParameter(f"no folder '{out.parent}' to write '{out.name}' into")
    part = out.with_name(f".{out.name}.part")
    writers[out.suffix](part)
    part.replace(out)


class _Progress:
    """A progress bar on stderr when it is a terminal, silent otherwise."""

    def __init__(self, total: int, quiet: bool):
        self._total = total
        self._on = sys.stderr.isatty() and not quiet
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Any:
        if self._on:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description:>12}"), BarColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total)
        return self._advance

    def _advance(self, stage: str, done: int = 1) -> None:
        if self._bar is not None:
            self._bar.update(self._task, description=stage, advance=done)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


if __name__ == "__main__":
    main()

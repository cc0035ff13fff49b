"""The command line. Heavy imports stand inside the commands, so that ``eqci --help`` is quick.

Exit codes: 0 ok, 1 internal error, 2 usage or invalid input, 3 nothing feasible, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from eqci_space.errors import DataError, EqciError, EqciWarning, InfeasibleError

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
    release: Annotated[
        Literal["internal", "public"],
        typer.Option(help="Who may read the files; public: no coordinates, routes, stocks, prices, and no report."),
    ] = "internal",
    previous: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Run that this one re-plans; its calendar is carried on."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes for passes to candidates.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a dask scheduler, tcp://...")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the chunks of a run that stopped.")] = False,
    overlays: Overlays = None,
) -> None:
    """Plan a scenario from orbit to delivered key and write everything to a directory."""
    loaded = _load(scenario, overlays)
    _check_inputs(loaded)
    from eqci_space.report.html import format_bits
    from eqci_space.study import STAGES, Study

    chunked = jobs > 1 or scheduler is not None or resume
    study = Study(loaded, _batched(loaded, out, jobs, scheduler, resume, quiet) if chunked else None)
    with _Progress(len(STAGES) + 1, quiet) as advance:
        result = study.save(out, level=release, previous=previous, progress=advance)
    delivered = study.relay.delivery.groupby("demand", sort=False)[["asked_bit", "delivered_bit"]].sum()
    contacts = study.plan.contacts[study.plan.contacts["status"] == "planned"]
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
    written = f"report: {out / 'report.html'}" if release == "internal" else f"public files: {out}"
    typer.echo(f"{written} ({sum(result.manifest['wall_s'].values()):.1f} s)")


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(help="Directory of the earlier run.")],
    run_b: Annotated[Path, typer.Argument(help="Directory of the later run.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Say what differs between two runs: contacts, delivery, headline numbers."""
    from eqci_space.report.compare import compare_runs

    found = compare_runs(run_a, run_b)
    if as_json:
        tables = {"headline": found.headline.reset_index(), "delivery": found.delivery.reset_index(),
                  "contacts": found.contacts}  # fmt: skip
        parts = {n: json.loads(t.to_json(orient="records", date_format="iso")) for n, t in tables.items()}
        typer.echo(json.dumps({"schema_version": 1, **parts}, ensure_ascii=False))
        return
    columns = ["change", "satellite", "ogs", "start_a", "start_b", "start_shift_s", "difference_bit"]
    changed = found.contacts.loc[found.contacts["change"] != "same", columns]
    for column in ("start_a", "start_b"):
        changed[column] = changed[column].dt.strftime("%Y-%m-%dT%H:%M:%SZ").fillna("–")
    for table in (found.headline.reset_index(), found.delivery.reset_index(), changed):
        text = table.to_string(index=False, na_rep="–", float_format="{:,.4g}".format)
        typer.echo(f"{'no contact differs' if table.empty else text}\n")


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
            study.plan, study.budget, study.contact_keys, loaded, candidates=study.candidates, network=study.network,
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
def coverage(
    scenario: ScenarioArgument,
    out: Annotated[Path, typer.Option(help="Directory for coverage.gpkg, coverage.csv and the maps.")],
    compare: Annotated[
        str | None, typer.Option(help="Second scenario, or coverage.gpkg of an earlier run; adds difference maps.")
    ] = None,
    resolution: Annotated[float, typer.Option(help="Side of a cell [deg], 0.1 to 5.")] = 1.0,
    month: Annotated[
        list[int] | None, typer.Option(help="Month 1 to 12, once per month; default that of the scenario's start.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Map what a reference station at every point of Europe would see and earn."""
    loaded = _load(scenario)
    other = None if compare is None or compare.endswith(".gpkg") else _load(compare)
    for one in (loaded, other):
        if one is not None:
            _check_inputs(one)
    from eqci_space.coverage_grid import compare_coverages
    from eqci_space.coverage_grid import coverage as cover
    from eqci_space.report.coverage_io import read_coverage, write_coverage
    from eqci_space.report.coverage_maps import save_maps

    with _Progress(1 if other is None else 2, quiet) as advance:
        table = cover(loaded, resolution_deg=resolution, months=month)
        advance("coverage")
        second = None if compare is None or other is not None else read_coverage(compare)
        if other is not None:
            second = cover(other, resolution_deg=resolution, months=month)
            advance("comparison")
        write_coverage(table, out)
        written = save_maps(table, out, loaded)
        if second is not None:
            change = compare_coverages(table, second)
            write_coverage(change, out, name="difference")
            written += save_maps(change, out, loaded)
    error = table.attrs["key_lookup_error"]
    typer.echo(f"{loaded.name}: {len(table)} points and months, {len(written)} maps in {out}")
    typer.echo(
        f"key lookup: {error['windows']} windows of {error['cells']} points checked; largest error of a point's month "
        f"{100 * error['month_largest']:.2g} %, 1 in 20 windows off by more than "
        f"{100 * error['window_exceeded_5pct']:.2g} % of a mean window"
    )


@app.command()
def explain(
    run_directory: Annotated[Path, typer.Argument(help="Directory written by eqci run.")],
    name: Annotated[str, typer.Argument(help="Id of a pass, window, candidate or contact, or name of a demand.")],
) -> None:
    """Say why a pass carries a contact or none, or why a demand is short."""
    from eqci_space.report.run_io import load_run
    from eqci_space.schedule.explain import explain as explain_pass
    from eqci_space.schedule.explain import explain_demand

    run = load_run(run_directory)
    demands = set(run.tables["delivery"]["demand"])
    typer.echo(explain_demand(run, name) if name in demands else explain_pass(run, name))


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


def _batched(
    scenario: Scenario, out: Path, jobs: int, scheduler: str | None, resume: bool, quiet: bool
) -> dict[str, pd.DataFrame]:
    """Tables from passes to candidates, worked in chunks; finished chunks outlive an interrupted run."""
    import shutil
    from contextlib import nullcontext

    from eqci_space.batch import batch_chunks, load_batch, run_batch

    work = out.with_name(f".{out.name}-batch")
    if not resume:
        shutil.rmtree(work, ignore_errors=True)
    with (
        _client(scheduler) if scheduler else nullcontext() as client,
        _Progress(len(batch_chunks(scenario)), quiet) as advance,
    ):
        run_batch(scenario, work, executor=client, jobs=jobs, progress=lambda done: advance("chunks", done))
    tables = load_batch(work)
    shutil.rmtree(work)
    return tables


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise DataError("--scheduler needs dask: pip install 'eqci-space[scale]'") from error
    return Client(address)


@app.command()
def sweep(
    scenario: ScenarioArgument,
    values: Annotated[list[str], typer.Option("--set", help="PATH=V1,V2,...; repeatable.")],
    measure: Annotated[str, typer.Option(help="offers, plan or delivery.")] = "offers",
    trials: Annotated[int, typer.Option(min=0, help="Sampled skies, the same for every option.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="File to write (.csv, .json, .parquet); default: CSV to stdout.")
    ] = None,
    overlays: Overlays = None,
) -> None:
    """Vary values of a scenario and tabulate what comes of it, under common skies."""
    import tomllib

    from eqci_space.sweeps import sweep as swept

    if any("=" not in value for value in values):
        raise typer.BadParameter("--set takes PATH=V1,V2,...")
    try:
        grid = {path: tomllib.loads(f"v = [{v}]")["v"] for path, _, v in (x.partition("=") for x in values)}
    except tomllib.TOMLDecodeError as error:
        raise typer.BadParameter(f"--set: {error}; text values stand in quotes") from error
    _write_table(swept(_load(scenario, overlays), grid, measure=measure, trials=trials, jobs=jobs), out)


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

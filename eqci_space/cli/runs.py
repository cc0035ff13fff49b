"""Commands that plan everything: the run and its report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from eqci_space.cli.options import (
    AsJson,
    Jobs,
    Overlays,
    ScenarioArgument,
    StrictData,
    Trials,
    check_inputs,
    checked_trials,
    command,
    load,
    processes,
    refuse_stale,
    show_input_ages,
)
from eqci_space.cli.output import INFEASIBLE, Output
from eqci_space.cli.records import rows_of
from eqci_space.errors import DataError, EqciError

if TYPE_CHECKING:
    import pandas as pd

    from eqci_space.report.run_io import Run
    from eqci_space.scenario import Scenario
    from eqci_space.study import Study

__all__ = ["SCHEDULER_ANSWERS_S", "report", "run"]

SCHEDULER_ANSWERS_S = 10
"""How long a dask scheduler may take to answer [s]."""

Previous = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="Run that this one re-plans; its calendar is carried on."),
]


_OF_EXPECTED_KEY = "by demand, delivery of expected key: weighted and summed, an upper bound of the mean over skies"
_OF_WORLDS = "by demand, over worlds of weather and all stated uncertainties, relay with foresight"


@command
def run(
    output: Output,
    scenario: ScenarioArgument,
    out: Annotated[Path, typer.Option(help="Directory for tables, exports, report.html and run.json.")],
    trials: Trials = None,
    previous: Previous = None,
    release: Annotated[
        Literal["internal", "public"],
        typer.Option(help="Who may read the files, report included; public: no coordinates, routes, stocks, prices."),
    ] = "internal",
    strict_data: StrictData = False,
    fail_on_empty: Annotated[bool, typer.Option("--fail-on-empty", help="Exit with 3 when there is no pass.")] = False,
    jobs: Jobs = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a dask scheduler, tcp://...")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the chunks of a run that stopped.")] = False,
    as_json: AsJson = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a finished run in --out.")] = False,
    overlays: Overlays = None,
) -> None:
    """Plan a scenario from orbit to delivered key and write everything to a directory."""
    checked_trials(trials)
    study = _checked_study(output, scenario, overlays, strict_data)
    loaded = study.scenario
    from eqci_space.report.exports.export_set import load_earlier
    from eqci_space.report.run_io import load_run, target_lock
    from eqci_space.study import STAGES

    with target_lock(out, force=force):
        if previous is not None:
            load_earlier(previous)
        if jobs > 1 or scheduler is not None or resume:
            vars(study).update(_batched(output, loaded, out, jobs, scheduler, resume))
        with output.progress(len(STAGES) + 1 + (trials != 0)) as advance:
            result = study.save(
                out, level=release, previous=previous, trials=trials, jobs=processes(trials), progress=advance
            )
        if release == "public":
            result = load_run(out)  # what its readers see: nothing else is said of a public run
    for warning in result.manifest.get("simulation", {}).get("warnings", []):
        output.warn(warning)
    if as_json:
        _document(output, loaded, result, out)
    else:
        _say(output, result, out)
    if loaded.satellites and study.passes.empty:
        output.note("no pass in the period")
        if fail_on_empty:
            raise typer.Exit(INFEASIBLE)


@command
def report(
    output: Output,
    scenario: ScenarioArgument,
    out: Annotated[Path, typer.Option(help="File to write, .html.")],
    trials: Trials = None,
    previous: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Run that page 1 compares this one with.")
    ] = None,
    overlays: Overlays = None,
) -> None:
    """Plan a scenario and write its report alone; eqci run writes the same one beside everything else."""
    checked_trials(trials)
    if out.suffix != ".html" or not out.parent.is_dir():
        raise typer.BadParameter(f"'{out}'; expected a file that ends in .html, in a folder that exists")
    study = _checked_study(output, scenario, overlays, strict=False)
    from eqci_space.study import STAGES

    with output.progress(len(STAGES) + 1 + (trials != 0)) as advance:
        study.report(out, previous=previous, trials=trials, jobs=processes(trials), progress=advance)
    output.result(f"report: {out}")


def _checked_study(output: Output, scenario: str, overlays: list[Path] | None, strict: bool) -> Study:
    """A study whose inputs were read and, if asked for, are fresh."""
    output.strict = strict
    loaded = load(scenario, overlays)
    check_inputs(loaded)
    from eqci_space.study import Study

    study = Study(loaded)
    show_input_ages(output.log, study.input_ages)
    if strict:
        refuse_stale(output, study.input_ages)
    return study


def _say(output: Output, result: Run, out: Path) -> None:
    """The result in words, the first line fit for the subject of a mail."""
    from eqci_space.report.summary import demand_lines, summary_line
    from eqci_space.scenario.proven import unproven_sentence
    from eqci_space.words import format_bits

    output.result(summary_line(result))
    worlds = result.manifest.get("simulation")
    output.result(f"  {_OF_WORLDS if worlds else _OF_EXPECTED_KEY}")
    for line in demand_lines(result):
        output.result(f"  {line}")
    if worlds:
        bits = [format_bits(worlds[f"space_{c}_bit"]) for c in ("exceeded_90pct", "median", "exceeded_10pct")]
        output.result(f"  key from space in 90 / 50 / 10 % of {worlds['trials']} worlds exceeds {' / '.join(bits)}")
    unproven = unproven_sentence(result.manifest.get("unproven_links", []))
    if unproven:
        output.result(f"  {unproven}")
    counts = result.manifest["counts"]
    output.result(f"  {counts['passes']} passes, {counts['windows']} windows, {counts['candidates']} candidates")
    took = f" (stages {sum(result.manifest['wall_s'].values()):.1f} s)" if "wall_s" in result.manifest else ""
    output.result(f"report: {out / 'report.html'}{took}")


def _document(output: Output, scenario: Scenario, result: Run, out: Path) -> None:
    from eqci_space.report.summary import delivery_by_demand, summary_line
    from eqci_space.tables import planned_contacts

    kept = (
        "input_ages",
        "counts",
        "plan",
        "unreachable_demands",
        "unreachable_reasons",
        "unproven_links",
        "simulation",
        "versions",
        "wall_s",
    )
    contacts = result.tables["contacts"]
    public = result.manifest.get("release") == "public"
    if public:  # of inputs and of this machine the files say nothing
        output.warnings = list(result.manifest.get("simulation", {}).get("warnings", []))
    output.document(
        "run", scenario, public=public, summary=summary_line(result), directory=out.name if public else str(out),
        files=sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()),
        demands=rows_of(delivery_by_demand(result)), contacts=rows_of(planned_contacts(contacts)),
        **{name: result.manifest[name] for name in kept if name in result.manifest},
    )  # fmt: skip


def _batched(
    output: Output, scenario: Scenario, out: Path, jobs: int, scheduler: str | None, resume: bool
) -> dict[str, pd.DataFrame]:
    """Tables from passes to candidates, worked in chunks; finished chunks outlive an interrupted run."""
    import shutil
    from contextlib import nullcontext

    from eqci_space.studies.batch import batch_chunks, load_batch, run_batch

    work = out.with_name(f".{out.name}-batch")
    if work.is_symlink():
        raise DataError(f"'{work}' is a link; finished chunks are kept there: remove it")
    if not resume:
        shutil.rmtree(work, ignore_errors=True)
    try:
        with (
            _client(scheduler) if scheduler else nullcontext() as client,
            output.progress(len(batch_chunks(scenario))) as advance,
        ):
            run_batch(scenario, work, executor=client, jobs=jobs, progress=lambda done: advance("chunks", done))
    except (KeyboardInterrupt, EqciError):
        if any(work.glob(".chunks/*.json")):
            output.note(f"finished chunks are kept in {work}; the same command with --resume goes on from them")
        raise
    tables = load_batch(work)
    shutil.rmtree(work)
    return tables


@contextmanager
def _client(address: str) -> Iterator[Any]:
    """A client of a dask scheduler.

    Raises
    ------
    DataError
        dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
        from distributed.comm import parse_host_port
    except ImportError as error:
        raise DataError("--scheduler needs dask: pip install 'eqci-space[scale]'") from error
    try:
        parse_host_port(address.rpartition("://")[2])
        client = Client(address, timeout=SCHEDULER_ANSWERS_S, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(
            f"--scheduler {address}: no dask scheduler answers within {SCHEDULER_ANSWERS_S} s ({error}); start it, "
            "mend the address, or use --jobs"
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=1)

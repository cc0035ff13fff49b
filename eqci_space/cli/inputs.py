"""Commands for what plans are made from: a scenario of one's own, its schema, whether it and the data are sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eqci_space.cli.options import (
    AsJson,
    Overlays,
    ScenarioArgument,
    StrictData,
    check_inputs,
    command,
    complete_scenario,
    load,
    refuse_stale,
    show_input_ages,
)
from eqci_space.cli.output import STALE, Output, aligned
from eqci_space.data import data_path, shipped_files, shipped_names
from eqci_space.errors import DataError, EqciError, ScenarioError

if TYPE_CHECKING:
    from eqci_space.scenario import Scenario

__all__ = ["check", "init", "schema", "status"]

_MOST_NAMED = 20


def _complete_example(incomplete: str) -> list[str]:
    return [name for name in shipped_names("scenarios", ".toml") if name.startswith(incomplete)]


@command
def init(
    output: Output,
    target: Annotated[
        Path, typer.Argument(help="File to write, .toml, or folder to write scenario.toml into.", show_default="here")
    ] = Path(),
    example: Annotated[
        str | None, typer.Option(help="Shipped scenario to copy instead.", autocompletion=_complete_example)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Write a commented scenario that runs as it is, to be changed."""
    from eqci_space.files.atomic import write_atomically

    if example is not None and example.endswith(".toml"):
        raise typer.BadParameter(f"--example {example}; expected a name: {', '.join(_complete_example(''))}")
    source = data_path("templates", "scenario.toml") if example is None else data_path("scenarios", f"{example}.toml")
    path = target if target.suffix == ".toml" else target / ("scenario.toml" if example is None else source.name)
    if path.exists() and not force:
        raise DataError(f"init: '{path}' exists; choose another name, or replace it with --force")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, source.read_bytes())
    output.result(str(path))
    shown = f"./{path}" if path.parent == Path() else str(path)
    output.note(f"next: eqci check {shown}, then eqci run {shown} --out out/{path.stem}")


@command
def schema(output: Output) -> None:
    """Print the JSON Schema of scenario files."""
    import json

    from eqci_space.scenario.schema import scenario_schema

    output.result(json.dumps(scenario_schema(), indent=2))


@command
def check(
    output: Output,
    scenario: ScenarioArgument,
    strict_data: StrictData = False,
    as_json: AsJson = False,
    overlays: Overlays = None,
) -> None:
    """Validate a scenario with all files that it names; list input ages, assumptions and what overlays change.

    What is called valid can be planned. Spans without a rate and stations off the network are named, and a demand
    without a path with the rule that stands in the way.
    """
    output.strict = strict_data
    try:
        loaded = load(scenario, overlays)
        network = check_inputs(loaded)
        from eqci_space.fiber.obstacles import unreachable_reasons

        blocked = unreachable_reasons(network, loaded)
    except EqciError as error:
        if as_json:
            found = error.problems if isinstance(error, ScenarioError) else [("", str(error))]
            problems = [{"path": path, "message": message} for path, message in found]
            output.document("check", valid=False, problems=problems)
        raise
    from eqci_space.fiber.hubs import dead_spans, off_network
    from eqci_space.report.input_ages import age_records, input_ages

    ages = input_ages(loaded)
    for row in ages[ages["stale"]].itertuples():
        output.warn(f"{row.input}: {row.state}")
    assumed, changed = _noted(loaded)
    dead = dead_spans(network)["reason"].to_dict()
    alone = off_network(loaded)
    if as_json:
        output.document(
            "check", loaded, valid=True, problems=[], satellites=len(loaded.satellites), stations=len(loaded.stations),
            demands=len(loaded.demands), input_ages=age_records(ages), assumed=assumed, changed=changed,
            unreachable_reasons=blocked, dead_spans=dead, stations_off_network=alone,
        )  # fmt: skip
    else:
        output.result(
            f"{loaded.name}: valid; {_counted(len(loaded.satellites), 'satellite')}{_uplinked(loaded)}, "
            f"{_counted(len(loaded.stations), 'station')}, {_counted(len(loaded.demands), 'demand')}, "
            f"{_counted((loaded.end - loaded.start).total_seconds() / 86400, 'day')}"
        )
        show_input_ages(output.result, ages)
        for word, entries in (("assumed", assumed), ("changed", changed)):
            for entry in entries:
                output.result(f"  {word}: {entry['path']} = {entry['value']} ({entry['source']})")
        _say_network(output, dead, alone)
        for demand, reason in blocked.items():
            output.result(f"  {demand}: {reason}")
    if strict_data:
        refuse_stale(output, ages)


def _uplinked(scenario: Scenario) -> str:
    """How many satellites are uplinked, in brackets; nothing where none is."""
    up = sum(s.uplink is not None for s in scenario.satellites)
    return f" ({up} uplinked)" if up else ""


def _say_network(output: Output, dead: dict[str, str], alone: list[str]) -> None:
    """Spans without a rate and stations off the network; of many the first, and how many more."""
    for span, reason in list(dead.items())[:_MOST_NAMED]:
        output.result(f"  dead span: {span}: {reason}")
    if len(dead) > _MOST_NAMED:
        output.result(f"  dead span: and {len(dead) - _MOST_NAMED} more (--json lists all)")
    if alone:
        more = f", and {len(alone) - _MOST_NAMED} more" if len(alone) > _MOST_NAMED else ""
        output.result(
            f'  off the network: {", ".join(alone[:_MOST_NAMED])}{more}; their key serves no demand (attach = "none")'
        )


def _counted(number: float, noun: str) -> str:
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {noun}s"


def _noted(scenario: Scenario) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Values that are assumed, as the report counts them, and others that an overlay changed, with their sources."""
    from eqci_space.scenario import assumed_values, overlaid_values

    assumed = assumed_values(scenario)
    changed = [entry for entry in overlaid_values(scenario) if entry not in set(assumed)]
    return _entries(assumed), _entries(changed)


def _entries(values: list[tuple[str, str, str]]) -> list[dict[str, str]]:
    return [{"path": path, "value": value, "source": source} for path, value, source in values]


@command
def status(
    output: Output,
    scenario: Annotated[
        str | None,
        typer.Option(
            help="Scenario whose element sets and weather are looked at too.", autocompletion=complete_scenario
        ),
    ] = None,
    strict_data: StrictData = False,
    as_json: AsJson = False,
    overlays: Overlays = None,
) -> None:
    """Show the shipped data files with the state of their checksums, and how old the inputs are."""
    from eqci_space.orbits.earth import orientation_end
    from eqci_space.report.input_ages import age_records, input_ages, orientation_issued

    output.strict = strict_data
    ages = None if scenario is None else input_ages(load(scenario, overlays))
    files, issued, until = shipped_files(), orientation_issued(), orientation_end()
    if as_json:
        output.document(
            "data status", files=files, earth_orientation={"issued": issued, "until": until},
            input_ages=[] if ages is None else age_records(ages),
        )  # fmt: skip
    else:
        rows = [(f["file"], f["state"], f["licence"], f["sha256"][:12]) for f in files]
        output.result(aligned(("file", "state", "licence", "sha256"), rows))
        of = "" if issued is None else f" of {issued:%Y-%m-%d},"
        output.result(f"Earth orientation{of} until {until:%Y-%m-%d}")
        if ages is not None:
            show_input_ages(output.result, ages)
    wrong = [f["file"] for f in files if f["state"] != "as shipped"]
    if strict_data and ages is not None:
        refuse_stale(output, ages)
    if strict_data and wrong:
        output.error(f"--strict-data: changed or missing: {', '.join(wrong)}; reinstall the package")
        raise typer.Exit(STALE)

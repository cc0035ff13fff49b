"""Arguments and options that several commands share, and what all commands have in common."""

from __future__ import annotations

import functools
import inspect
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from eqci_space.cli.output import STALE, Output
from eqci_space.data import shipped_names
from eqci_space.errors import ScenarioError

if TYPE_CHECKING:
    import pandas as pd

    from eqci_space.fiber.network import Network
    from eqci_space.scenario import Scenario

__all__ = [
    "AsJson",
    "FailOnEmpty",
    "Format",
    "Jobs",
    "Overlays",
    "ScenarioArgument",
    "StrictData",
    "TableFile",
    "Trials",
    "check_inputs",
    "checked_trials",
    "command",
    "complete_scenario",
    "load",
    "processes",
    "refuse_stale",
    "show_input_ages",
]

_FEWEST_TRIALS, _TRIALS_PER_PROCESS, _USUAL_TRIALS = 10, 400, 800


def complete_scenario(incomplete: str) -> list[str]:
    """Shipped scenarios, folders and .toml files that begin so, for completion in the shell."""
    shipped = [name for name in shipped_names("scenarios", ".toml") if name.startswith(incomplete)]
    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    if not folder.is_dir():
        return shipped
    head = incomplete[: incomplete.rfind("/") + 1]
    found = sorted(
        f"{head}{path.name}{'/' if path.is_dir() else ''}"
        for path in folder.iterdir()
        if (path.is_dir() or path.suffix == ".toml") and not path.name.startswith(".")
    )
    return shipped + [name for name in found if name.startswith(incomplete)]


ScenarioArgument = Annotated[
    str,
    typer.Argument(
        help="Name of a shipped scenario, or path of a .toml file.",
        autocompletion=complete_scenario,
    ),
]
Overlays = Annotated[
    list[Path] | None, typer.Option("--with", help="File with changed values, laid over the scenario; repeatable.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
TableFile = Annotated[Path | None, typer.Option(help="File to write (.csv, .json, .parquet); default: CSV to stdout.")]
Format = Annotated[
    Literal["csv", "json", "parquet"] | None,
    typer.Option("--format", help="Default by the file's name, else csv; parquet only to a file."),
]
FailOnEmpty = Annotated[bool, typer.Option("--fail-on-empty", help="Exit with 3 when there is nothing to list.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]
Trials = Annotated[
    int | None,
    typer.Option(
        min=0, help="Sampled worlds in which the plan is replayed, 0 or at least 10; default: as means to 5 % need."
    ),
]
StrictData = Annotated[
    bool,
    typer.Option(
        "--strict-data",
        help="Exit with 4 when element sets are stale, Earth orientation ends too early, or files are missing.",
    ),
]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")]
_Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Stages with their times on stderr, and tracebacks.")]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """A command with ``--quiet`` and ``--verbose``, whose errors become exit codes.

    The function takes an `Output` first; the command line does not see that argument.
    """
    _, *own = inspect.signature(function, eval_str=True).parameters.values()
    switches = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in (("quiet", _Quiet), ("verbose", _Verbose))
    ]
    parameters = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *switches]

    @functools.wraps(function)
    def call(*, quiet: bool, verbose: bool, **values: Any) -> None:
        output = Output(quiet=quiet, verbose=verbose)
        with output.errors_as_codes():
            function(output, **values)

    vars(call)["__signature__"] = inspect.Signature(parameters)
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    return call


def checked_trials(trials: int | None) -> int | None:
    """The number of trials, None for as many as needed.

    Raises
    ------
    BadParameter
        It is between 0 and 10.
    """
    if trials is not None and 0 < trials < _FEWEST_TRIALS:
        raise typer.BadParameter(f"--trials {trials}; expected 0 or at least {_FEWEST_TRIALS}")
    return trials


def processes(trials: int | None) -> int:
    """Processes worth starting for a number of trials, None for as many as needed: each takes seconds to begin."""
    expected = _USUAL_TRIALS if trials is None else trials
    return max(1, min(os.cpu_count() or 1, expected // _TRIALS_PER_PROCESS))


def load(scenario: str, overlays: list[Path] | None = None) -> Scenario:
    """A scenario by name or path, with what is laid over it."""
    from eqci_space.scenario import load_scenario

    return load_scenario(scenario, overlays=overlays or ())


def check_inputs(scenario: Scenario) -> Network:
    """Read everything the scenario points to, so that a bad file stops a run before it begins; its network."""
    from eqci_space.errors import LostOrbitWarning
    from eqci_space.fiber.network import build_network
    from eqci_space.orbits.elements import propagator
    from eqci_space.orbits.ephemeris import check_states, satellite_elements
    from eqci_space.report.local_time import station_zones
    from eqci_space.schedule.partners import lonely_satellites
    from eqci_space.weather.records import check_weather_file

    for satellite in scenario.satellites:
        if satellite.orbit is not None:
            propagator(satellite_elements(satellite, scenario))
        else:
            lost = check_states(satellite, scenario)
            if lost:
                warnings.warn(lost, LostOrbitWarning, stacklevel=2)
    station_zones(scenario, {})
    check_weather_file(scenario)
    _check_climate(scenario)
    network = build_network(scenario)
    lonely = lonely_satellites(scenario)
    if lonely:
        raise ScenarioError(scenario.file or scenario.name, lonely)
    return network


def _check_climate(scenario: Scenario) -> None:
    """Refuse stations without cloud climate that see a satellite: their windows could not be planned."""
    from eqci_space.errors import DataError
    from eqci_space.ogs.windows import observable_windows
    from eqci_space.orbits.passes import find_passes
    from eqci_space.weather.outlook import without_climate

    lost = without_climate(scenario)
    if not lost:
        return
    alone = scenario.model_copy(update={"stations": {name: scenario.stations[name] for name in lost}})
    seen = observable_windows(find_passes(alone), alone)["ogs"].unique()
    problems = [f"station '{name}': {lost[name]}" for name in lost if name in seen]
    if problems:
        raise DataError("; ".join(problems))


def refuse_stale(output: Output, ages: pd.DataFrame) -> None:
    """Leave with 4 when an input is stale or missing."""
    stale = ages[ages["stale"]]
    if stale.empty:
        return
    for row in stale.itertuples():
        output.error(f"--strict-data: {row.input}: {row.state}")
    raise typer.Exit(STALE)


def show_input_ages(say: Callable[[str], None], ages: pd.DataFrame) -> None:
    """Print what the inputs are, how old at the start of the period, and whether that is well."""
    from eqci_space.cli.output import aligned

    rows = [
        (
            row.input, row.file, row.date or "–", row.until or "–",
            "–" if row.age_day != row.age_day else f"{row.age_day:.1f}", row.state,
        )
        for row in ages.itertuples()
    ]  # fmt: skip
    head = ("input", "file", "of", "until", "days before start", "state")
    for line in aligned(head, rows).splitlines():
        say(f"  {line}")

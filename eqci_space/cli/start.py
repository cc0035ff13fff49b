"""Commands to begin with: a scenario of one's own, its schema, and whether data and installation are sound."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from eqci_space.cli.options import (
    AsJson,
    Overlays,
    StrictData,
    command,
    complete_scenario,
    load,
    refuse_stale,
    show_input_ages,
)
from eqci_space.cli.output import INTERNAL, STALE, Output, aligned
from eqci_space.data import data_path, shipped_files, shipped_names
from eqci_space.errors import DataError

__all__ = ["doctor", "init", "schema", "status"]

_EXTRAS = {
    "report": ("plotly",), "weather": ("xarray", "netCDF4", "cfgrib", "metar"), "scale": ("dask", "distributed"),
    "notebook": ("jupyter",),
}  # fmt: skip
_SELF_TEST_LOSS_DB, _SELF_TEST_BIT_S = 16.4, 282_458.2


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
    if example is not None and example.endswith(".toml"):
        raise typer.BadParameter(f"--example {example}; expected a name: {', '.join(_complete_example(''))}")
    source = data_path("templates", "scenario.toml") if example is None else data_path("scenarios", f"{example}.toml")
    path = target if target.suffix == ".toml" else target / ("scenario.toml" if example is None else source.name)
    if path.exists() and not force:
        raise DataError(f"init: '{path}' exists; choose another name, or replace it with --force")
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f".{path.name}.{os.getpid()}.part")
    work.write_bytes(source.read_bytes())
    work.replace(path)
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


@command
def doctor(output: Output, as_json: AsJson = False) -> None:
    """Report versions and data, and compute one known key rate as a self-test."""
    import importlib.metadata
    import platform

    from eqci_space.fiber.rates import fibre_key_rate_bit_s
    from eqci_space.orbits.earth import orientation_end
    from eqci_space.scenario import load_scenario

    files = shipped_files()
    wrong = [f["file"] for f in files if f["state"] != "as shipped"]
    rate = fibre_key_rate_bit_s(_SELF_TEST_LOSS_DB, load_scenario("quant-gpicz").fiber.device)
    right = abs(rate / _SELF_TEST_BIT_S - 1) < 1e-5
    facts: dict[str, Any] = {
        "version": importlib.metadata.version("eqci-space"), "python": platform.python_version(),
        "platform": platform.platform(), "processors": os.cpu_count(),
        "data": {"files": len(files), "changed": wrong}, "earth_orientation_until": orientation_end(),
        "extras": {name: _lacking(modules) for name, modules in _EXTRAS.items()},
        "self_test": {"loss_db": _SELF_TEST_LOSS_DB, "bit_s": rate, "expected_bit_s": _SELF_TEST_BIT_S, "right": right},
        "well": right and not wrong,
    }  # fmt: skip
    if as_json:
        output.document("doctor", **facts)
    else:
        _say_facts(output, facts)
    if not facts["well"]:
        raise typer.Exit(INTERNAL)


def _lacking(modules: tuple[str, ...]) -> list[str]:
    import importlib.util

    return [module for module in modules if importlib.util.find_spec(module) is None]


def _say_facts(output: Output, facts: dict[str, Any]) -> None:
    data, test = facts["data"], facts["self_test"]
    output.result(
        f"eqci-space {facts['version']}, Python {facts['python']}, {facts['platform']}, "
        f"{facts['processors']} processors"
    )
    state = f"changed or missing: {', '.join(data['changed'])}" if data["changed"] else "all checksums right"
    output.result(f"data: {data['files']} files, {state}")
    output.result(f"Earth orientation until {facts['earth_orientation_until']:%Y-%m-%d}")
    for name, missing in facts["extras"].items():
        output.result(f"extra {name}: {'lacks ' + ', '.join(missing) if missing else 'installed'}")
    result = "as published" if test["right"] else f"expected {test['expected_bit_s']:.1f}"
    output.result(f"self-test: {test['bit_s']:.1f} bit/s over {test['loss_db']} dB, {result}")

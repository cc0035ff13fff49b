"""Commands over many scenarios: varied values, every point of Europe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eqci_space.cli.options import (
    AsJson,
    Format,
    Jobs,
    Overlays,
    ScenarioArgument,
    TableFile,
    check_inputs,
    command,
    load,
)
from eqci_space.cli.output import Output
from eqci_space.cli.records import chosen_format, rows_of
from eqci_space.cli.stages import give_table

if TYPE_CHECKING:
    import geopandas as gpd

    from eqci_space.scenario import Scenario

__all__ = ["coverage", "sweep"]


@command
def sweep(
    output: Output,
    scenario: ScenarioArgument,
    values: Annotated[list[str], typer.Option("--set", help="PATH=V1,V2,...; repeatable.")],
    measure: Annotated[str, typer.Option(help="offers, plan or delivery.")] = "offers",
    trials: Annotated[
        int | None,
        typer.Option(min=0, help="Sampled skies, the same for all; default 200 for delivery, else 0."),
    ] = None,
    jobs: Jobs = 1,
    out: TableFile = None,
    form: Format = None,
    as_json: AsJson = False,
    overlays: Overlays = None,
) -> None:
    """Vary values of a scenario and tabulate what comes of it, under common skies."""
    chosen, grid = chosen_format(out, form, as_json), _grid(values)
    loaded = load(scenario, overlays)
    from math import prod

    from eqci_space.studies.sweeps import sweep as swept

    with output.progress(prod(map(len, grid.values()))) as advance:
        table = swept(
            loaded, grid, measure=measure, trials=trials, jobs=jobs, progress=lambda done: advance("options", done)
        )
    give_table(output, "sweep", table, loaded, out=out, form=chosen, measure=measure)


def _grid(values: list[str]) -> dict[str, list[Any]]:
    """Values by path, as TOML reads them."""
    import tomllib

    if any("=" not in value for value in values):
        raise typer.BadParameter("--set takes PATH=V1,V2,...")
    try:
        return {path: tomllib.loads(f"v = [{v}]")["v"] for path, _, v in (x.partition("=") for x in values)}
    except tomllib.TOMLDecodeError as error:
        raise typer.BadParameter(f"--set: {error}; text values stand in quotes") from error


@command
def coverage(
    output: Output,
    scenario: ScenarioArgument,
    out: Annotated[Path, typer.Option(help="Directory for coverage.gpkg, coverage.csv and the maps.")],
    compare: Annotated[
        str | None, typer.Option(help="Second scenario, or coverage.gpkg of an earlier run; adds difference maps.")
    ] = None,
    resolution: Annotated[float, typer.Option(help="Side of a cell in degrees, 0.1 to 5.")] = 1.0,
    month: Annotated[
        list[int] | None, typer.Option(help="Month 1 to 12, once per month; default that of the scenario's start.")
    ] = None,
    as_json: AsJson = False,
    overlays: Overlays = None,
) -> None:
    """Map what a reference station at every point of Europe would see and earn."""
    loaded = load(scenario, overlays)
    other = None if compare is None or compare.endswith(".gpkg") else load(compare)
    for one in (loaded, other):
        if one is not None:
            check_inputs(one)
    from eqci_space.report.coverage_io import read_coverage, write_coverage
    from eqci_space.report.plots.coverage import save_maps
    from eqci_space.studies.coverage import compare_coverages

    table = _covered(output, loaded, resolution, month, "coverage")
    write_coverage(table, out)
    written = save_maps(table, out, scenario=loaded)
    if compare is not None:
        second = read_coverage(compare) if other is None else _covered(output, other, resolution, month, "comparison")
        change = compare_coverages(table, second)
        write_coverage(change, out, name="difference")
        written += save_maps(change, out, scenario=loaded)
    _give_coverage(output, loaded, table, out, [str(path) for path in written], as_json)


def _covered(
    output: Output, scenario: Scenario, resolution: float, months: list[int] | None, name: str
) -> gpd.GeoDataFrame:
    from eqci_space.studies.coverage import coverage as cover

    steps = 1000
    with output.progress(steps) as advance:
        shown = 0

        def follow(done: int, total: int) -> None:
            nonlocal shown
            now = steps * done // total
            advance(name, now - shown)
            shown = now

        advance(name, 0)
        return cover(scenario, resolution_deg=resolution, months=months, progress=follow)


def _give_coverage(
    output: Output, scenario: Scenario, table: gpd.GeoDataFrame, out: Path, maps: list[str], as_json: bool
) -> None:
    error = table.attrs["key_lookup_error"]
    if as_json:
        output.document(
            "coverage", scenario, directory=str(out), points=len(table), maps=maps, key_lookup_error=error,
            rows=rows_of(table.drop(columns="geometry")),
        )  # fmt: skip
        return
    output.result(f"{scenario.name}: {len(table)} points and months, {len(maps)} maps in {out}")
    output.result(
        f"key lookup: {error['windows']} windows of {error['cells']} points checked; largest error of a point's month "
        f"{100 * error['month_largest']:.2g} %, 1 in 20 windows off by more than "
        f"{100 * error['window_exceeded_5pct']:.2g} % of a mean window"
    )

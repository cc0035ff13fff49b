"""The command for passes that flew."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eqci_space.cli.options import AsJson, command, load
from eqci_space.cli.output import Output, aligned
from eqci_space.cli.records import rows_of
from eqci_space.data import data_path

if TYPE_CHECKING:
    from eqci_space.studies.replay import Replay

__all__ = ["validate"]


@command
def validate(
    output: Output,
    file: Annotated[
        Path | None, typer.Argument(help="Table of passes that flew.", show_default="the shipped passes of Micius")
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(help="Terminal, stations, air and protocol: a path or shipped name; default those of Micius."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Picture of predicted against reported, .png.")] = None,
    as_json: AsJson = False,
) -> None:
    """Predict passes that flew from their element sets, and hold the prediction against what was reported."""
    from eqci_space.studies.flown_io import read_flown_passes
    from eqci_space.studies.replay import replay_passes

    table = file or data_path("flown", "micius.csv")
    loaded = load(scenario or str(data_path("flown", "micius.toml")))
    passes = read_flown_passes(table)
    with output.progress(len(passes)) as advance:
        replay = replay_passes(passes, loaded, progress=lambda done: advance("passes", done))
    for problem in replay.problems:
        output.warn(problem)
    if out is not None:
        from eqci_space.report.plots.flown import save_flown

        save_flown(replay, out)
    if as_json:
        output.document(
            "validate", loaded, file=table.name, problems=list(replay.problems), skill=replay.skill,
            rows=rows_of(replay.passes),
        )  # fmt: skip
        return
    for line in [f"{table.name} under {loaded.name}", *_lines(replay)]:
        output.result(line)


def _lines(replay: Replay) -> list[str]:
    """What counts, every pass, and the skill."""
    from eqci_space.studies.replay import skill_sentences

    passes = replay.passes
    first, *rest = skill_sentences(replay)
    header = (
        "pass", "station", "culmination", "elevation", "sifted", "reported", "QBER", "reported", "key (90 % band)",
        "reported", "counts",
    )  # fmt: skip
    rows = []
    for name, row in passes.iterrows():
        band = f"{_kbit(row.predicted_key_bit)} ({_kbit(row.key_low_bit)} to {_kbit(row.key_high_bit)})"
        counts = " and ".join([*(["counts"] if row.counts else []), *(["QBER"] if row.counts_qber else [])])
        rows.append((
            str(name), row.station, f"{row.culmination:%Y-%m-%dT%H:%M:%SZ}", f"{row.max_elevation_deg:.1f}",
            _kbit(row.predicted_sifted_bit), _kbit(row.sifted_bit), _percent(row.predicted_qber), _percent(row.qber),
            band, _kbit(row.key_bit), counts or "no",
        ))  # fmt: skip
    return [first, "amounts in kbit, elevation in deg", aligned(header, rows), *rest]


def _kbit(bit: float) -> str:
    return "–" if isnan(bit) else f"{bit / 1e3:.0f}"


def _percent(share: float) -> str:
    return "–" if isnan(share) else f"{100 * share:.2f} %"

"""The command line. Heavy imports stand inside the commands, so that ``eqci --help`` is quick.

Exit codes: 0 ok, 1 internal error, 2 usage or invalid input, 3 nothing feasible, 4 stale or missing data under
``--strict-data``, 130 interrupted, 143 ended by SIGTERM. stdout carries results alone; log, progress, warnings and
errors go to stderr.
"""

from __future__ import annotations

from typing import Annotated

import typer

from eqci_space.cli import flown, inputs, installation, questions, runs, simulation, stages, studies
from eqci_space.cli.output import INVALID, show_what_can_be_shown, unwritten

__all__ = ["app", "main"]

app = typer.Typer(
    name="eqci",
    help="Plan satellite QKD passes and terrestrial key relay together, from orbit to delivered key.",
    epilog="Exit codes: 0 ok, 1 internal error, 2 usage or invalid input, 3 nothing feasible, "
    "4 stale or missing data under --strict-data, 130 interrupted, 143 ended by SIGTERM.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_data = typer.Typer(help="What is known of the data that plans rest on.", no_args_is_help=True)

_PANELS = {
    "Plan": (runs.run, runs.report, simulation.simulate, studies.sweep, studies.coverage, flown.validate),
    "Ask": (inputs.check, questions.explain, questions.whatif, questions.compare),
    "One stage each": (
        stages.passes, stages.windows, stages.budget, stages.keys, stages.schedule, stages.relay,
    ),
    "Set up": (inputs.init, inputs.schema, installation.doctor),
}  # fmt: skip


def _version(wanted: bool) -> None:
    if wanted:
        from eqci_space import __version__

        typer.echo(f"eqci {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Version.")] = False,
) -> None:
    """Plan satellite QKD passes and terrestrial key relay together, from orbit to delivered key."""


for _panel, _commands in _PANELS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)
_data.command(name="status")(inputs.status)
app.add_typer(_data, name="data", rich_help_panel="Set up")


def main() -> None:
    """Entry point of ``eqci``."""
    show_what_can_be_shown()
    try:
        app(prog_name="eqci")
    except OSError as error:  # of help and usage, which no command writes
        typer.echo(f"error: {unwritten(error)}", err=True)
        raise SystemExit(INVALID) from error

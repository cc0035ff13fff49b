"""The report of a run: one HTML file that opens offline and loads nothing.

Figures are SVG; where plotly is installed (extra ``report``) a screen shows interactive ones in their place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from eqci_space.files.atomic import write_atomically
from eqci_space.machine.deprecation import once_first
from eqci_space.report.page import answer as words
from eqci_space.report.page.exposure import exposures
from eqci_space.report.page.figures import draw_figures
from eqci_space.report.page.findings import Findings
from eqci_space.report.page.interactive import content_policy, interactive_figures, page_scripts, plotly_installed
from eqci_space.report.page.sections import sections

__all__ = ["Findings", "render_page", "write_report"]


@once_first("path")
def write_report(findings: Findings, path: Path, *, interactive: bool | None = None) -> None:
    """Write the report; every name from the scenario is escaped, and no script runs but the report's own.

    Parameters
    ----------
    findings : Findings
    path : path
    interactive : bool, optional
        Default: where plotly is installed.

    Raises
    ------
    DataError
        Interactive figures are asked for and plotly is not installed.
    """
    live = plotly_installed() if interactive is None else interactive
    write_atomically(path, render_page(_content(findings, live)))


def render_page(content: dict[str, Any]) -> str:
    """The page of a report; every text of the content is escaped.

    Parameters
    ----------
    content : dict
        What the template fills in; without `scripts` the page has none, and nothing may run.
    """
    template = (Path(__file__).parent / "report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render({"scripts": (), "policy": content_policy(()), **content})


def _content(f: Findings, live: bool) -> dict[str, Any]:
    """All that the template fills in."""
    exposed = exposures(f)
    figures = draw_figures(f, exposed)
    scripts = page_scripts(interactive_figures(f, exposed, list(figures))) if live else None
    scripted = {"scripts": scripts[1:], "policy": content_policy((scripts[0], scripts[3]))} if scripts else {}
    return {
        "scenario": f.scenario,
        "version": f.manifest["versions"]["eqci-space"],
        "answer": words.answer(f, exposed.seen, exposed.alone),
        "band": words.band_words(f),
        "band_table": words.band_table(f),
        "assumptions": words.largest_assumptions(f),
        "changes": words.change_words(f),
        "change_table": words.change_table(f),
        "sections": sections(f, exposed, figures),
        **scripted,
    }

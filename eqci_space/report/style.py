"""Colours and figure helpers shared by all plots; colour-blind safe (Okabe and Ito 2008)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "NIGHT",
    "ORANGE",
    "PURPLE",
    "RED",
    "SKY",
    "STATUS_COLOURS",
    "NotebookFigure",
    "new_axes",
    "new_figure",
    "svg_text",
]

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, GREY, NIGHT = "#CC79A7", "#56B4E9", "#6B6B6B", "#E4E8F2"
STATUS_COLOURS = {"operational": GREEN, "planned": BLUE, "hypothetical": ORANGE}


@contextmanager
def _fixed_ids() -> Iterator[None]:
    with mpl.rc_context({"svg.hashsalt": "eqci_space", "svg.fonttype": "path"}):
        yield


class NotebookFigure(Figure):
    """A figure outside pyplot's global state that notebooks show by themselves."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=100)
        return stream.getvalue()


def new_figure(width_in: float = 8.0, height_in: float = 4.0) -> NotebookFigure:
    """An empty figure."""
    return NotebookFigure(figsize=(width_in, height_in), layout="constrained")


def new_axes(width_in: float = 8.0, height_in: float = 4.0) -> Axes:
    """Axes on a figure of its own."""
    return new_figure(width_in, height_in).subplots()


def svg_text(axes: Axes) -> str:
    """The figure of `axes` as SVG, the same bytes for the same content."""
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)  # axes of ours always stand on a figure
    stream = io.StringIO()
    with _fixed_ids():
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": "eqci_space"})
    return stream.getvalue()

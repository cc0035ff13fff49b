"""Colours and figure helpers shared by all plots; colour-blind safe (Okabe and Ito 2008)."""

from __future__ import annotations

import io

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
    "key_unit",
    "new_axes",
    "new_figure",
]

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, GREY, NIGHT = "#CC79A7", "#56B4E9", "#6B6B6B", "#E4E8F2"
STATUS_COLOURS = {"operational": GREEN, "planned": BLUE, "hypothetical": ORANGE}


def key_unit(largest_bit: float) -> tuple[float, str]:
    """Size and name of the unit in which amounts up to the largest are shown, with at most five digits."""
    return (1e6, "Mbit") if largest_bit >= 1e7 else (1e3, "kbit")


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

"""Figures as small SVG files, the same bytes for the same content.

Text stays text, in a font that systems have or in one as wide, so that labels keep clear of each other.
"""

from __future__ import annotations

import io
import re
from itertools import groupby

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["svg_text"]

_FONTS = "'DejaVu Sans', Verdana, sans-serif"
_PATH = re.compile(r'\s*<path d="([^"]*)"([^>]*)/>\s*')


def svg_text(axes: Axes) -> str:
    """The figure of `axes` as SVG."""
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)  # axes of ours always stand on a figure
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "eqci_space", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": "eqci_space"})
    text = re.sub(r' transform="rotate\(-?0 [^"]*"', "", stream.getvalue())
    text = re.sub(r' (d|x|y|width|height|transform)="([^"]+)"', _short, text)
    text = re.sub(r"font-family: [^;\"]+", f"font-family: {_FONTS}", text)
    return re.sub(r'(?:\s*<path d="[^"]*"[^>]*/>)+', _joined, text)


def _short(attribute: re.Match[str]) -> str:
    """Numbers in hundredths of a point, which no eye can tell apart; a path on one line."""
    name, value = attribute.groups()
    value = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", value)
    if name == "d":
        value = re.sub(r"\s*\n\s*|(?<=[A-Za-z]) ", "", value).strip()
    return f' {name}="{value}"'


def _joined(run: re.Match[str]) -> str:
    """Paths that follow each other and look the same as one path."""
    found = _PATH.findall(run[0])
    return "".join(
        f'\n<path d="{"".join(d for d, _ in same)}"{look}/>' for look, same in groupby(found, key=lambda path: path[1])
    )

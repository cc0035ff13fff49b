"""Figures as SVG: small, well-formed, the same bytes, and drawn as matplotlib would draw them."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from eqci_space.report.page.svg import svg_text
from eqci_space.report.plots.style import new_axes

NAME = "{http://www.w3.org/2000/svg}"


def drawn(*, lines=40, text="label"):
    ax = new_axes(4, 3)
    x = np.arange(lines)
    ax.add_collection(LineCollection([[(i, 0), (i, 1)] for i in x], colors="red", linewidths=1.0))
    ax.add_collection(LineCollection([[(i, 1), (i, 2)] for i in x], colors="blue", linewidths=1.0))
    ax.set(xlim=(0, lines), ylim=(0, 2))
    ax.text(1, 1.5, text)
    return ax


def paths(root, colour):
    return [p for p in root.iter(f"{NAME}path") if f"stroke: {colour}" in p.get("style", "")]


def test_paths_of_one_look_become_one_that_passes_all_their_points():
    root = ET.fromstring(svg_text(drawn()))
    (red,), (blue,) = paths(root, "#ff0000"), paths(root, "#0000ff")
    starts = re.findall(r"M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)", red.get("d"))
    assert len(starts) == 40
    x = np.array([float(s[0]) for s in starts])
    assert np.diff(x) == pytest.approx(np.full(39, np.diff(x).mean()), abs=0.011)
    low, high = float(starts[0][1]), float(starts[0][3])
    other = re.findall(r"M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)", blue.get("d"))
    assert float(other[0][1]) == high < low  # the second half begins where the first ends; y runs downwards


def test_paths_of_different_looks_stay_apart_and_in_order():
    ax = new_axes(3, 2)
    for colour in ("red", "blue", "red"):
        ax.add_collection(LineCollection([[(0, 0), (1, 1)]], colors=colour))
    found = re.findall(r"stroke: (#ff0000|#0000ff)", svg_text(ax))
    assert found == ["#ff0000", "#0000ff", "#ff0000"]


def test_text_stays_text_in_a_font_as_wide_and_is_escaped():
    text = svg_text(drawn(text="<Graz & Wien>"))
    root = ET.fromstring(text)
    (label,) = [t for t in root.iter(f"{NAME}text") if t.text == "<Graz & Wien>"] or [None]
    assert label is not None
    assert "'DejaVu Sans', Verdana, sans-serif" in label.get("style")
    assert "Bitstream" not in text


def test_numbers_have_two_decimals_and_bytes_repeat():
    text = svg_text(drawn())
    assert text == svg_text(drawn())
    attributes = re.findall(r' (?:d|x|y|transform)="([^"]*)"', text)
    assert attributes
    assert not any(re.search(r"\d\.\d{3,}", value) for value in attributes)

"""Names of stations with their status, and labels on maps that keep clear of each other, of markers and of lines.

The same input gives the same places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from shapely import LineString, MultiLineString, Polygon, area, box, intersection, length, transform

from eqci_space.fiber.network import satellite_and_station
from eqci_space.scenario import Scenario
from eqci_space.words import joined

__all__ = ["MapLabel", "contact_label", "hypothetical_note", "place_labels", "station_label", "store_label"]

_GAP_PT = 2.5
_RINGS_PT = (0.0, 6.0, 14.0, 24.0, 36.0)
_GROUND = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.4}
_LEADER_FROM_PT = 14.0
_TOUCH_PT2 = 1e-6
_SIDES = ((1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
_DIAGONAL = 0.7
_HORIZONTAL, _VERTICAL = {1: "left", 0: "center", -1: "right"}, {1: "bottom", 0: "center", -1: "top"}
# In points of line under a label. A covered label or marker, or a label cut by the frame, outweighs any line.
_COST_OF_COVERING, _COST_OF_RING, _COST_OF_SIDE, _LEADER_WEIGHT = 1e4, 8.0, 0.5, 20.0


def contact_label(ogs: str, ogs_b: str, scenario: Scenario) -> str:
    """Label of the station of a contact, or of both of a dual downlink."""
    return joined(*(station_label(o, scenario) if o else "" for o in (ogs, ogs_b)))


def store_label(edge: str, scenario: Scenario) -> str:
    """Label of a store through space: its satellite and station, or its two stations."""
    return " – ".join(
        station_label(end, scenario) if end in scenario.stations else end for end in satellite_and_station(edge)
    )


def station_label(ogs: str, scenario: Scenario) -> str:
    """Station id, with the status of a station that does not operate yet."""
    status = scenario.stations[ogs].status_class
    return ogs if status == "operational" else f"{ogs} ({status})"


def hypothetical_note(scenario: Scenario, *, shown: Iterable[str] | None = None) -> str:
    """What a title adds about the stations, or pairs of them, shown (default all) that are hypothetical."""
    entries = scenario.stations if shown is None else shown
    each = [o for entry in entries for o in ([entry] if entry in scenario.stations else entry.split(" + "))]
    names = [o for o in dict.fromkeys(each) if scenario.stations[o].status_class == "hypothetical"]
    if len(names) > 3:
        return f"; {len(names)} stations are hypothetical"
    return f"; hypothetical: {', '.join(names)}" if names else ""


@dataclass(frozen=True)
class MapLabel:
    """A text beside a marker of diameter `marker_pt` that stands at `x`, `y` in data units.

    An optional one is left out where no place around its marker is free.
    """

    text: str
    x: float
    y: float
    marker_pt: float
    style: dict[str, Any] = field(default_factory=dict)
    optional: bool = False


@dataclass(frozen=True)
class _Choice:
    """A place of a label [pt]: its offset and side, what it covers, and the line that joins it if it is distant."""

    offset: tuple[float, float]
    side: tuple[int, int]
    shape: Polygon
    leader: LineString
    preference: float


@dataclass
class _Surroundings:
    """What labels should not cover [pt]: the frame's outside, markers and labels, and lines by their weight."""

    frame: Polygon
    taken: list[Polygon]
    lines: list[tuple[MultiLineString | LineString, float]]

    def cost(self, choice: _Choice, own: Polygon) -> float:
        others = np.array([shape for shape in self.taken if shape is not own], dtype=object)
        covered = area(intersection(others, choice.shape)).sum()
        covered += choice.shape.area - choice.shape.intersection(self.frame).area
        crossed = 0.0 if choice.leader.is_empty else length(intersection(others, choice.leader)).sum()
        lines = sum(weight * choice.shape.intersection(line).length for line, weight in self.lines)
        bad = _COST_OF_COVERING + covered if covered > _TOUCH_PT2 else 0.0
        return float(bad + _LEADER_WEIGHT * crossed + lines + choice.preference)


def place_labels(ax: Axes, labels: Sequence[MapLabel], lines: Sequence[tuple[LineString, float]] = ()) -> None:
    """Draw labels beside their markers, each where it covers no other label or marker and least of the lines.

    Large labels choose first, among eight sides at rising distances, optional ones after all others; a distant label
    gets a thin line to its marker.
    To be called last: the layout of the figure is taken as final.

    Parameters
    ----------
    ax : Axes
    labels : sequence of MapLabel
    lines : sequence of (LineString, float)
        Lines in data units, and how much it weighs to cover them.
    """
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)  # axes of ours always stand on a figure
    figure.draw_without_rendering()
    to_points = 72.0 / figure.dpi

    def in_points(xy: np.ndarray) -> np.ndarray:
        return np.asarray(ax.transData.transform(xy)) * to_points

    anchors = [in_points(np.array([[label.x, label.y]]))[0] for label in labels]
    sizes = [_size(ax, label) * to_points for label in labels]
    under = [
        (transform(MultiLineString([line for line, w in lines if w == weight]), in_points), weight)
        for weight in sorted({weight for _, weight in lines})
    ]
    frame = box(*(np.asarray(ax.get_window_extent().extents) * to_points))
    markers = [box(*(a - m.marker_pt / 2), *(a + m.marker_pt / 2)) for a, m in zip(anchors, labels, strict=True)]
    around = _Surroundings(frame, list(markers), list(under))

    def turn(i: int) -> tuple[bool, float, str, float, float]:
        return labels[i].optional, -sizes[i].prod(), labels[i].text, labels[i].x, labels[i].y

    for i in sorted(range(len(labels)), key=turn):
        choices = _choices(anchors[i], sizes[i], labels[i].marker_pt)
        costs = [around.cost(choice, markers[i]) for choice in choices]
        if labels[i].optional and min(costs) >= _COST_OF_COVERING:
            continue
        best = choices[int(np.argmin(costs))]
        around.taken.append(best.shape)
        if not best.leader.is_empty:
            around.lines.append((best.leader, _LEADER_WEIGHT))
        _draw(ax, labels[i], best)


def _size(ax: Axes, label: MapLabel) -> np.ndarray:
    """Width and height of the drawn text [pixel]."""
    trial = ax.text(0, 0, label.text, **label.style)
    extent = trial.get_window_extent()
    trial.remove()
    return np.array([extent.width, extent.height])


def _choices(anchor: np.ndarray, size: np.ndarray, marker_pt: float) -> list[_Choice]:
    """Places around a marker, the preferred first."""
    found = []
    for ring, distance in enumerate(_RINGS_PT):
        for number, side in enumerate(_SIDES):
            reach = (marker_pt / 2 + _GAP_PT + distance) * (_DIAGONAL if all(side) else 1.0)
            offset = np.array(side) * reach
            low = anchor + offset + size * (np.array(side) - 1) / 2
            leader = LineString([anchor, anchor + offset] if distance >= _LEADER_FROM_PT else [])
            preference = _COST_OF_RING * ring + _COST_OF_SIDE * number
            found.append(_Choice((offset[0], offset[1]), side, box(*low, *(low + size)), leader, preference))
    return found


def _draw(ax: Axes, label: MapLabel, choice: _Choice) -> None:
    nearest = tuple((1 - s) / 2 for s in choice.side)
    line = {"arrowstyle": "-", "linewidth": 0.6, "relpos": nearest, "shrinkA": 0, "shrinkB": label.marker_pt / 2}
    ax.annotate(
        label.text, (label.x, label.y), xytext=choice.offset, textcoords="offset points", zorder=8,
        ha=_HORIZONTAL[choice.side[0]], va=_VERTICAL[choice.side[1]],
        bbox=_GROUND, arrowprops=None if choice.leader.is_empty else line, **label.style,
    )  # fmt: skip

"""What plots have to keep to: no two texts cover each other, and all lie on the figure."""

import itertools

from matplotlib.text import Text
from shapely import box


def shown(labels, which, limits):
    """Tick labels inside the limits of their axis; others exist but are not drawn."""
    low, high = sorted(limits)
    return [t for t in labels if low <= t.get_position()[which] <= high]


def assert_labels_apart(ax):
    """No two texts of a figure cover each other: ticks, titles, legend, annotations."""
    ax.figure.draw_without_rendering()
    texts = [*shown(ax.get_xticklabels(), 0, ax.get_xlim()), *shown(ax.get_yticklabels(), 1, ax.get_ylim()),
             ax.xaxis.label, ax.yaxis.label, *ax.texts, ax.title, ax._left_title]  # fmt: skip
    if ax.get_legend() is not None:
        texts += [*ax.get_legend().get_texts(), ax.get_legend().get_title()]
    shapes = [
        (t.get_text(), box(*Text.get_window_extent(t).extents)) for t in texts if t.get_text() and t.get_visible()
    ]
    assert shapes
    for (first, a), (second, b) in itertools.combinations(shapes, 2):
        assert a.intersection(b).area <= 1.0, (first, second)
    page = box(*ax.figure.bbox.extents).buffer(1.0)
    assert all(page.contains(shape) for _, shape in shapes)

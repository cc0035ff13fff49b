"""Passes that flew: predicted against reported."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from eqci_space.files.atomic import write_atomically
from eqci_space.report.plots.style import BLUE, GREY, ORANGE, new_axes, new_figure
from eqci_space.studies.replay import Replay

__all__ = ["flown_passes", "save_flown"]


def flown_passes(replay: Replay, *, ax: Axes | None = None) -> Axes:
    """Key of every pass over its greatest elevation with its 90 % band, and what was reported.

    Reported figures that may judge are filled, recalled ones are open.

    Parameters
    ----------
    replay : Replay
    """
    passes = replay.passes.sort_values("max_elevation_deg")
    axes = new_axes(8.0, 4.6) if ax is None else ax
    elevation = passes["max_elevation_deg"].to_numpy()
    key, low, high = (passes[c].to_numpy() / 1e3 for c in ("predicted_key_bit", "key_low_bit", "key_high_bit"))
    axes.errorbar(
        elevation, key, yerr=np.stack([np.maximum(key - low, 0), np.maximum(high - key, 0)]), fmt="o", color=BLUE,
        markersize=4, elinewidth=1, capsize=2, label="predicted, 90 % band of the link loss",
    )  # fmt: skip
    for counts, label in ((True, "reported"), (False, "reported, recalled: does not count")):
        some = passes[(passes["counts"] == counts) & passes["key_bit"].notna()]
        if len(some):
            axes.plot(
                some["max_elevation_deg"], some["key_bit"] / 1e3, "D", color=ORANGE, markersize=7, zorder=5,
                label=label, markerfacecolor=ORANGE if counts else "white", markeredgewidth=1.5,
            )  # fmt: skip
            for name, row in some.iterrows():
                axes.annotate(str(name), (row["max_elevation_deg"], row["key_bit"] / 1e3), fontsize=8, color=GREY,
                              xytext=(6, -10), textcoords="offset points")  # fmt: skip
    axes.set_xlabel("greatest elevation of the pass [deg]")
    axes.set_ylabel("secret key of the pass [kbit]")
    axes.set_yscale("log")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    return axes


def save_flown(replay: Replay, path: str | Path) -> None:
    """Write `flown_passes` as a PNG."""
    figure, stream = new_figure(8.0, 4.6), io.BytesIO()
    flown_passes(replay, ax=figure.add_subplot())
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    write_atomically(Path(path), stream.getvalue())

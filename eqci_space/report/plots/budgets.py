"""Plots of link budgets: a window at its culmination, and over time."""

from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from eqci_space.errors import TableError
from eqci_space.linkbudget.budget import loss_labels
from eqci_space.report.plots.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, new_axes

__all__ = ["loss_profile", "waterfall"]

_STACK = [GREY, SKY, GREEN, ORANGE, PURPLE, RED, BLUE]


def waterfall(budget: pd.DataFrame, window_id: str, *, ax: Axes | None = None) -> Axes:
    """Loss terms of a window at its culmination, adding up to the total; of a quantile budget the fade too.

    Parameters
    ----------
    budget : DataFrame
        BUDGET.
    window_id : str
    """
    ax = ax or new_axes(8, 3.6)
    part = budget[budget["window_id"] == window_id]
    if part.empty:
        raise TableError(f"waterfall: no window '{window_id}' in the budget")
    top = part.loc[part["elevation_deg"].idxmax()]
    labels, left = [], 0.0
    present = {term: label for term, label in loss_labels(part).items() if top[term] != 0}
    for i, (term, label) in enumerate(present.items()):
        ax.barh(i, top[term], left=left, color=BLUE, height=0.65)
        left += top[term]
        ax.text(max(left, left - top[term]) + 0.4, i, f"{top[term]:.2f} dB", va="center", fontsize=9)
        labels.append(label)
    ax.barh(len(labels), left, color=GREY, height=0.65)
    ax.text(left + 0.4, len(labels), f"{left:.2f} dB", va="center", fontsize=9, fontweight="bold")
    ax.set_yticks(range(len(labels) + 1), [*labels, "total"])
    ax.invert_yaxis()
    ax.set_xlim(0, left * 1.16)
    ax.set_xlabel("loss from the exit aperture to the click [dB]")
    ax.set_title(
        f"{top['satellite']} over {top['ogs']}, {top['time']:%Y-%m-%d %H:%M} UTC: "
        f"elevation {top['elevation_deg']:.0f}°, range {top['range_m'] / 1e3:.0f} km", fontsize=10,
    )  # fmt: skip
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def loss_profile(budget: pd.DataFrame, window_id: str, *, ax: Axes | None = None) -> Axes:
    """Loss terms of a window over time, stacked to the total; the elevation dotted on the right.

    Parameters
    ----------
    budget : DataFrame
        BUDGET.
    window_id : str
    """
    ax = ax or new_axes(8.6, 4.2)
    part = budget[budget["window_id"] == window_id]
    if part.empty:
        raise TableError(f"loss_profile: no window '{window_id}' in the budget")
    names = loss_labels(part)
    terms = [c for c in names if part[c].abs().max() > 0]
    # What changes most stands on top, so that the others stay level.
    terms.sort(key=lambda c: float(np.ptp(part[c])))
    colours = [_STACK[i % len(_STACK)] for i in range(len(terms))]
    ax.stackplot(part["time"], [part[c] for c in terms], labels=[names[c] for c in terms],
                 colors=colours, edgecolor="white", linewidth=0.4)  # fmt: skip
    other = ax.twinx()
    other.plot(part["time"], part["elevation_deg"], color="black", linestyle=":", linewidth=1.2)
    other.set_ylim(0, 90)
    other.set_ylabel("elevation [°] (dotted)")
    ax.set_ylim(0, part["total_loss_db"].max() * 1.08)
    ax.set_ylabel("loss [dB]")
    ax.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M", tz="UTC"))
    ax.set_xlabel("UTC")
    top = part.iloc[0]
    ax.set_title(f"{top['satellite']} over {top['ogs']}, {top['time']:%d %b %Y}", fontsize=10)
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(handles[::-1], labels[::-1], fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3,
              frameon=False)  # fmt: skip
    return ax

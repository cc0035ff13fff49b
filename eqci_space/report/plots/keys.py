"""Plots of keys: what a window gives second by second, what extra loss leaves of it, and what waiting gains."""

from __future__ import annotations

import json

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from eqci_space.errors import TableError
from eqci_space.qkd.counts import table_counts
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.slots import window_slots
from eqci_space.report.plots.labels import station_label
from eqci_space.report.plots.style import BLUE, GREY, NIGHT, ORANGE, RED, new_axes
from eqci_space.scenario import Scenario
from eqci_space.tables import check_table

__all__ = ["aggregation_gain", "key_profile", "key_response"]


def key_profile(
    budget: pd.DataFrame, keys: pd.DataFrame, scenario: Scenario, window_id: str, *, ax: Axes | None = None
) -> Axes:
    """Sifted rate and error rate along a window, at its own parameters; what the cut leaves out is shaded.

    Parameters
    ----------
    budget, keys : DataFrame
        BUDGET and the KEYS made from it, by a decoy-state protocol.
    scenario : Scenario
    window_id : str

    Raises
    ------
    TableError
        The window is not in both tables, or its protocol has no decoy states.
    """
    check_table(budget, "BUDGET", "key_profile")
    check_table(keys, "KEYS", "key_profile")
    part = budget[budget["window_id"] == window_id]
    if part.empty or window_id not in keys.index or not str(keys.loc[window_id, "protocol"]).startswith("bb84"):
        raise TableError(f"key_profile: window '{window_id}'; expected one of both tables, with a decoy-state protocol")
    key = keys.loc[window_id]
    sifted_hz, qber = _slot_by_slot(part, DecoyParameters(**json.loads(key["parameters"])), scenario)
    axes = new_axes() if ax is None else ax
    time = part["time"].dt.tz_convert(None).to_numpy()
    axes.plot(time, sifted_hz / 1e3, color=BLUE)
    axes.set_ylabel("sifted rate [kbit/s]", color=BLUE)
    axes.set_ylim(bottom=0)
    for left, right in ((time[0], key["usable_start"]), (key["usable_end"], time[-1])):
        a, b = (pd.Timestamp(t).tz_localize(None) for t in (pd.Timestamp(left).tz_localize(None), pd.Timestamp(right)))
        if b > a:
            axes.axvspan(a, b, color=NIGHT, zorder=0)
    errors = axes.twinx()
    errors.plot(time, 100 * qber, color=RED)
    errors.set_ylabel("error rate [%]", color=RED)
    errors.set_ylim(bottom=0)
    axes.set_xlim(time[0], time[-1])
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M:%S"))
    axes.set_xlabel(f"UTC, {part['time'].iloc[0]:%d %b %Y}")
    cut = key["usable_start"] > part["time"].iloc[0] or key["usable_end"] < part["time"].iloc[-1]
    note = "; shaded: not used" if cut else ""
    label = station_label(str(part["ogs"].iloc[0]), scenario)
    axes.set_title(f"{label}: {key['skl_bit'] / 1e3:,.0f} kbit of key{note}", fontsize=10)
    return axes


def _slot_by_slot(part: pd.DataFrame, p: DecoyParameters, scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
    """Sifted clicks per second of the key basis and their error rate in every slot, as the key counts them."""
    window, x = next(iter(window_slots(part, scenario))), p.as_array()
    light = p.mean_photon_number, p.key_basis_probability
    blocks = [window.block(i, i + 1, *light) for i in range(len(part))]
    counts = np.array([table_counts(block.series, block.light(), x) for block in blocks])
    sifted, wrong = counts[:, :3].sum(axis=1), counts[:, 6:9].sum(axis=1)
    qber = np.divide(wrong, sifted, out=np.full(len(part), np.nan), where=sifted > 0)
    return sifted / window.weight_s, qber


def key_response(responses: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Key of windows under extra loss, each as a share of what it gives without; the mean in bold.

    Parameters
    ----------
    responses : DataFrame
        Of `window_responses`, with a column 0 dB.

    Raises
    ------
    TableError
        No column is 0 dB, or no window has key there.
    """
    if 0.0 not in responses.columns or not (responses[0.0] > 0).any():
        raise TableError("key_response: expected a column 0.0 with key in some window")
    useful = responses[responses[0.0] > 0]
    axes = new_axes() if ax is None else ax
    loss = responses.columns.to_numpy(dtype=float)
    axes.plot(loss, 100 * (useful.to_numpy() / useful[[0.0]].to_numpy()).T, color=BLUE, alpha=0.25, linewidth=0.8)
    axes.plot(loss, 100 * useful.sum() / useful[0.0].sum(), color=ORANGE, linewidth=2.5, label="all windows together")
    axes.plot([], [], color=BLUE, alpha=0.5, linewidth=0.8, label="single windows")
    axes.set_xlabel("extra loss [dB]")
    axes.set_ylabel("key left [%]")
    axes.set_xlim(loss[0], loss[-1])
    axes.set_ylim(bottom=0)
    axes.grid(color=GREY, alpha=0.2)
    axes.legend(frameon=False)
    return axes


def aggregation_gain(blocks: dict[int, pd.DataFrame], *, ax: Axes | None = None) -> Axes:
    """Key of blocks of several windows over that of the windows alone, against the delay.

    Parameters
    ----------
    blocks : dict
        Tables of `aggregate_keys` by the number of windows in a block.
    """
    axes = new_axes() if ax is None else ax
    rows = []
    for windows, table in sorted(blocks.items()):
        weight = table["skl_bit"].to_numpy()
        alone = table["separate_bit"].sum()
        if alone > 0 and weight.sum() > 0:
            rows.append((windows, table["mean_delay_s"] @ weight / weight.sum() / 86_400, weight.sum() / alone))
    if not rows:
        raise TableError("aggregation_gain: no block has key to compare")
    axes.plot([x for _, x, _ in rows], [y for _, _, y in rows], color=BLUE, marker="o")
    for count, x, y in rows:
        label = f"{count} window" + ("s" if count > 1 else "")
        axes.annotate(label, (x, y), xytext=(6, -12), textcoords="offset points", fontsize=9)
    axes.margins(x=0.15, y=0.15)
    axes.set_xlabel("mean delay of the key [days]")
    axes.set_ylabel("key over that of single windows")
    axes.grid(color=GREY, alpha=0.2)
    return axes

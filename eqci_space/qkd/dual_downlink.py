"""Entangled pairs to two stations at once: key between them that the satellite never knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.qkd.protocols import security_parameters
from eqci_space.qkd.slots import WindowSlots, nearest_edges, slot_edges, window_slots
from eqci_space.qkd.window_keys import (
    best_cut_entangled,
    block_text,
    copies_in_block,
    entangled_block,
    filled_block,
    key_columns,
    own_dark_coincidences,
    pair_coincidences,
)
from eqci_space.qkd.window_responses import part_of_block, part_responses
from eqci_space.scenario import PairSource, Protocol, Scenario
from eqci_space.tables import TABLES, check_table

__all__ = ["contact_responses", "dual_downlink_keys", "dual_part_keys"]

_COLUMNS = [
    "dual_id", "satellite", "ogs", "ogs_b", "window_id", "window_id_b", "start", "end", "sifted_bit", "qber", "skl_bit",
    "authentication_bit", "epsilon", "block", "protocol", "proof", "reason",
]  # fmt: skip


def dual_downlink_keys(budget: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """BBM92 key of every time in which a satellite's windows over two stations overlap.

    The slots of the first station are used; efficiency (in dB) and noise of the second are interpolated to them. Errors
    of both arms add up as independent causes. A satellite is taken to have a terminal per station.

    Parameters
    ----------
    budget : DataFrame
        BUDGET.
    scenario : Scenario
        Its protocol is ``bbm92`` with a source.

    Returns
    -------
    DataFrame
        Index `dual_id`; satellite, ogs, ogs_b, window_id, window_id_b, start and end of the slots used, sifted_bit,
        qber, skl_bit (authentication paid), authentication_bit, epsilon, block (what one finite key covers), protocol,
        proof, reason (why zero).

    Raises
    ------
    TableError
        The scenario's protocol has no pair source.
    """
    check_table(budget, "BUDGET", "dual_downlink_keys")
    source = _source(scenario, "dual_downlink_keys")
    by_satellite: dict[str, list[WindowSlots]] = {}
    for window in window_slots(budget, scenario):
        by_satellite.setdefault(window.satellite, []).append(window)
    rows = []
    for windows in by_satellite.values():
        for one, other in combinations(sorted(windows, key=_order), 2):
            if one.ogs != other.ogs:
                row = _dual_row(one, other, source, scenario.protocol)
                rows += [row] if row else []
    table = pd.DataFrame(rows, columns=_COLUMNS)
    again = table.groupby("dual_id").cumcount()
    table["dual_id"] = table["dual_id"].where(again == 0, table["dual_id"] + "/" + (again + 1).astype(str))
    return table.set_index("dual_id")


def dual_part_keys(parts: pd.DataFrame, budget: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """KEYS of times in which two windows overlap, or of parts of them, each a block of its own.

    Parameters
    ----------
    parts : DataFrame
        window_id, window_id_b, start, end; edges are moved to the nearest slot edge of the window that begins first.
    budget : DataFrame
        BUDGET of the windows.
    scenario : Scenario
        Its protocol is ``bbm92`` with a source.

    Returns
    -------
    DataFrame
        KEYS, by the rows of `parts`; a part without a slot of both windows has no key.

    Raises
    ------
    TableError
        The protocol has no pair source, or a window is not in the budget.
    """
    check_table(budget, "BUDGET", "dual_part_keys")
    source, protocol = _source(scenario, "dual_part_keys"), scenario.protocol
    rows, security = [], security_parameters(protocol)
    for part, shared in _shared_parts(parts, budget, scenario, "dual_part_keys"):
        count, qber, dark = shared.coincidences(source)
        copies = copies_in_block(protocol, entangled_block(count, qber, dark, security).sifted_bit)
        key = entangled_block(copies * count, qber, copies * dark, security)
        own = key_columns(key, _block_text(protocol), security, copies)
        rows.append({"usable_start": part["start"], "usable_end": part["end"], **own})
    columns = list(TABLES["KEYS"].columns)
    table = pd.DataFrame(rows, columns=columns, index=parts.index).rename_axis("window_id")
    for column in ("usable_start", "usable_end"):
        table[column] = pd.to_datetime(table[column], utc=True).dt.as_unit("us")
    numbers = [c for c, (kind, _) in TABLES["KEYS"].columns.items() if kind == "number"]
    return check_table(table.astype(dict.fromkeys(numbers, float)), "KEYS", "dual_part_keys")


def contact_responses(
    parts: pd.DataFrame,
    budget: pd.DataFrame,
    keys: pd.DataFrame,
    scenario: Scenario,
    extra_loss_db: Sequence[float],
    *,
    seen_share: float | Sequence[float] = 1.0,
) -> pd.DataFrame:
    """Key of parts of windows, or of times that two windows share, under extra losses.

    Rows with a second window are dual downlinks, whose loss is that of both arms together. True coincidences go with
    the product of the efficiencies, accidental ones do not: where it lies decides about them, and the key stated is
    that of the arm on which the whole loss costs most, the least of all ways to share it. Other rows are those of
    `part_responses`.

    Parameters
    ----------
    parts : DataFrame
        Indexed by part: window_id, start, end and, of a dual downlink, window_id_b.
    budget, keys : DataFrame
        BUDGET, and KEYS for parts of single windows.
    scenario : Scenario
    extra_loss_db : sequence
        [dB], from -6 (gain) on.
    seen_share : float or sequence
        Of the signal of a part under each loss, 0 to 1.

    Returns
    -------
    DataFrame
        Index of `parts`, a column per loss, key in bit, authentication paid; zero where there is no key.

    Raises
    ------
    TableError
        A part has no row in KEYS, or names a window that is not in the budget.
    """
    if scenario.protocol.downlink != "dual":
        single = parts[["window_id", "start", "end"]]
        return part_responses(single, budget, keys, scenario, extra_loss_db, seen_share=seen_share)
    source, protocol = _source(scenario, "contact_responses"), scenario.protocol
    losses, seen = np.broadcast_arrays(np.asarray(extra_loss_db, dtype=float), seen_share)
    out = np.zeros((len(parts), len(losses)))
    for i, (_, shared) in enumerate(_shared_parts(parts, budget, scenario, "contact_responses")):
        sifted = entangled_block(*shared.coincidences(source), security_parameters(protocol)).sifted_bit
        lost_db = np.inf  # from which on nothing is left
        for j in np.argsort(losses, kind="stable"):
            if losses[j] < lost_db:
                arms = ((losses[j], 0.0), (0.0, losses[j])) if losses[j] else ((0.0, 0.0),)
                out[i, j] = min(
                    part_of_block(*shared.dimmed(*arm).coincidences(source), protocol, sifted_bit=sifted,
                                  loss_db=float(losses[j]), seen_share=float(seen[j]))
                    for arm in arms
                )  # fmt: skip
                lost_db = losses[j] if seen[j] == 1 and not out[i, j] else lost_db
    return pd.DataFrame(out, index=parts.index, columns=pd.Index(losses, name="extra_loss_db"))


def _source(scenario: Scenario, where: str) -> PairSource:
    source = scenario.protocol.source
    if source is None:
        raise TableError(
            f"{where}: protocol '{scenario.protocol.kind}'; expected kind = 'bbm92' with a [protocol.source]"
        )
    return source


def _order(window: WindowSlots) -> tuple[pd.Timestamp, str]:
    """Windows of a pair in order: the slots of the first are used."""
    return window.time[0], window.ogs


@dataclass(frozen=True)
class _Shared:
    """Two windows of a satellite and the slots (n,) of the first in which both are open."""

    one: WindowSlots
    other: WindowSlots
    inside: np.ndarray

    def between(self, first: int, last: int) -> _Shared:
        """Only slots from `first` to before `last` of the first window."""
        return _Shared(self.one, self.other, self.inside[(self.inside >= first) & (self.inside < last)])

    def dimmed(self, loss_db: float, loss_b_db: float) -> _Shared:
        """With extra losses of the two arms."""
        return _Shared(self.one.dimmed(loss_db), self.other.dimmed(loss_b_db), self.inside)

    def merit(self, source: PairSource) -> np.ndarray:
        """What true coincidences go with."""
        return self.one.efficiency[self.inside] * self._second(source)["efficiency"]

    def coincidences(self, source: PairSource) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coincidences of every slot, their error rate, and those with dark counts of one basis (2, n)."""
        one, inside, second = self.one, self.inside, self._second(source)
        wrong = (1 - (1 - 2 * one.intrinsic_error[inside]) * (1 - 2 * second["intrinsic_error"])) / 2
        noise_hz, dark_hz = (column[inside] for column in one.pair_noise_hz(source))
        arms: dict[str, Any] = {
            "pulse_rate_hz": one.terminal.pulse_rate_hz, "efficiency": (one.efficiency[inside], second["efficiency"]),
            "noise_hz": (noise_hz, second["noise_hz"]), "intrinsic_error": wrong,
        }  # fmt: skip
        split = pair_coincidences(source, **arms)
        dark = own_dark_coincidences(source, split, (dark_hz, second["dark_hz"]), **arms)
        weight = one.weight_s[inside]
        return split.rate * weight, split.qber, dark * weight

    def _second(self, source: PairSource) -> dict[str, np.ndarray]:
        return _at(self.other, self.one.time[self.inside], source)


def _shared(one: WindowSlots, other: WindowSlots) -> _Shared:
    begin, end = slot_edges(other) if len(other.time) == 1 else other.time[[0, -1]]
    return _Shared(one, other, np.flatnonzero((one.time >= begin) & (one.time <= end)))


def _shared_parts(
    parts: pd.DataFrame, budget: pd.DataFrame, scenario: Scenario, where: str
) -> Iterator[tuple[pd.Series, _Shared]]:
    """Every part with the slots that it has of both windows."""
    named = {*parts["window_id"], *parts["window_id_b"]}
    windows = {w.window_id: w for w in window_slots(budget[budget["window_id"].isin(named)], scenario)}
    missing = sorted(named - set(windows))
    if missing:
        raise TableError(f"{where}: BUDGET has no window '{missing[0]}'; give the budget that the parts were made from")
    for _, part in parts.iterrows():
        one, other = sorted((windows[part[c]] for c in ("window_id", "window_id_b")), key=_order)
        first, last = nearest_edges(one, pd.DatetimeIndex([part["start"], part["end"]]))
        yield part, _shared(one, other).between(int(first), int(last))


def _block_text(protocol: Protocol) -> str:
    return "overlap" if protocol.block == "window" else block_text(protocol)


def _dual_row(one: WindowSlots, other: WindowSlots, source: PairSource, protocol: Protocol) -> dict[str, object] | None:
    shared, security = _shared(one, other), security_parameters(protocol)
    inside = shared.inside
    if not len(inside):
        return None
    (count, qber, dark), merit = shared.coincidences(source), shared.merit(source)
    (key, first, last), copies = filled_block(
        protocol, lambda n: best_cut_entangled(n * count, qber, merit, security, own_dark=n * dark)
    )
    edges = slot_edges(one)
    return {
        "dual_id": f"{one.window_id}+{other.ogs}", "satellite": one.satellite, "ogs": one.ogs, "ogs_b": other.ogs,
        "window_id": one.window_id, "window_id_b": other.window_id, "start": edges[inside[first]].round("us"),
        "end": edges[inside[last - 1] + 1].round("us"), **key_columns(key, _block_text(protocol), security, copies),
    }  # fmt: skip


def _at(window: WindowSlots, time: pd.DatetimeIndex, source: PairSource) -> dict[str, np.ndarray]:
    """Efficiency, noise and intrinsic error of a window at other times inside it."""
    origin = window.time[0]
    known, asked = (((t - origin) / pd.Timedelta(seconds=1)).to_numpy() for t in (window.time, time))
    log_efficiency = np.interp(asked, known, np.log(np.maximum(window.efficiency, 1e-300)))
    noise_hz, dark_hz = window.pair_noise_hz(source)
    return {
        "efficiency": np.exp(log_efficiency),
        "noise_hz": np.interp(asked, known, noise_hz),
        "dark_hz": np.interp(asked, known, dark_hz),
        "intrinsic_error": np.interp(asked, known, window.intrinsic_error),
    }

"""Slots of windows as arrays, the form in which protocols take a budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.qkd.blocks import BlockTable, block_table, live_share, running_tables
from eqci_space.scenario import Receiver, Scenario, Terminal, unknown_pair

__all__ = ["WindowSlots", "nearest_edges", "nearest_numbers", "slot_edges", "slot_edges_ns", "window_slots"]

_UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


@dataclass(frozen=True)
class WindowSlots:
    """One window: times in the middle of the slots, their lengths, and what the link does in them."""

    window_id: str
    satellite: str
    ogs: str
    time: pd.DatetimeIndex
    weight_s: np.ndarray
    efficiency: np.ndarray
    extraneous_probability: np.ndarray
    intrinsic_error: np.ndarray
    terminal: Terminal
    receiver: Receiver

    @property
    def pulses(self) -> np.ndarray:
        """Pulses sent in each slot."""
        return self.terminal.pulse_rate_hz * self.weight_s

    @property
    def noise_hz(self) -> np.ndarray:
        """Dark and sky clicks per second, over all detectors."""
        per_gate = -np.log1p(-self.extraneous_probability)
        return per_gate / self.receiver.gate_s * self.receiver.detectors

    def live(self, mean_photon_number: float) -> np.ndarray:
        """Share of the time in each slot that the detectors are ready, at a mean photon number."""
        return live_share(
            self.efficiency, self.extraneous_probability, mean_photon_number=mean_photon_number,
            pulse_rate_hz=self.terminal.pulse_rate_hz, detectors=self.receiver.detectors,
            dead_time_s=self.receiver.dead_time_s,
        )  # fmt: skip

    def running(self, mean_photon_number: float = 0.0) -> np.ndarray:
        """`blocks.running_tables` of the window, the detectors' dead time counted at a mean photon number."""
        return running_tables(
            self.efficiency, self.extraneous_probability, self.intrinsic_error, self._counted(mean_photon_number)
        )

    def block(self, first: int, last: int, mean_photon_number: float = 0.0) -> BlockTable:
        """The slots ``first:last`` as one block, the dead time counted likewise."""
        columns = (
            self.efficiency, self.extraneous_probability, self.intrinsic_error, self._counted(mean_photon_number),
        )  # fmt: skip
        return block_table(
            *(c[first:last] for c in columns), afterpulse_probability=self.receiver.afterpulse_probability
        )

    def _counted(self, mean_photon_number: float) -> np.ndarray:
        """Pulses that meet a ready detector."""
        if self.receiver.dead_time_s and mean_photon_number:
            return self.pulses * self.live(mean_photon_number)
        return self.pulses


def window_slots(budget: pd.DataFrame, scenario: Scenario) -> Iterator[WindowSlots]:
    """Windows of a BUDGET in order of their first sample.

    Raises
    ------
    TableError
        A window names a satellite or station that the scenario does not have.
    """
    terminals = {s.name: s.terminal for s in scenario.satellites}
    codes, ids = pd.factorize(budget["window_id"])
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(ids) + 1))
    time = pd.DatetimeIndex(budget["time"])
    weight, eta, noise, error = (
        budget[c].to_numpy(dtype=float)
        for c in ("weight_s", "transmittance", "extraneous_probability", "intrinsic_error")
    )
    satellites, stations = budget["satellite"].to_numpy(), budget["ogs"].to_numpy()
    for i, window_id in enumerate(ids):
        rows = order[starts[i] : starts[i + 1]]
        satellite, ogs = str(satellites[rows[0]]), str(stations[rows[0]])
        if satellite not in terminals or ogs not in scenario.stations:
            raise TableError(f"window_keys: {unknown_pair(satellite, ogs, scenario)}")
        yield WindowSlots(
            str(window_id), satellite, ogs, time[rows], weight[rows], eta[rows], noise[rows], error[rows],
            terminals[satellite], scenario.stations[ogs].receiver,
        )  # fmt: skip


def slot_edges(window: WindowSlots) -> pd.DatetimeIndex:
    """Edges of a window's slots; equal slots and quadrature nodes both lie symmetrically in their window."""
    return pd.DatetimeIndex(pd.to_datetime(slot_edges_ns(window), unit="ns", utc=True))


def slot_edges_ns(window: WindowSlots) -> np.ndarray:
    """`slot_edges` as whole nanoseconds since 1970, for loops over windows."""
    stamps, unit_ns = window.time.asi8, _UNIT_NS[window.time.unit]
    middle_ns = (stamps[0] + (stamps[-1] - stamps[0]) // 2) * unit_ns
    since_s = np.concatenate([[0.0], np.cumsum(window.weight_s)]) - window.weight_s.sum() / 2
    whole_s = since_s.astype(np.int64)
    return middle_ns + whole_s * _UNIT_NS["s"] + (np.round(since_s - whole_s, 9) * 1e9).astype(np.int64)


def nearest_edges(window: WindowSlots, times: pd.Series | pd.DatetimeIndex) -> np.ndarray:
    """Number of the slot edge nearest to each time."""
    return nearest_numbers(slot_edges_ns(window), pd.DatetimeIndex(times).as_unit("ns").asi8)


def nearest_numbers(edges: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Numbers of the rising edges nearest to given ones, the earlier of two equally near."""
    right = np.clip(np.searchsorted(edges, at), 1, len(edges) - 1)
    return np.where(at - edges[right - 1] <= edges[right] - at, right - 1, right)

"""Slots of windows as arrays, the form in which protocols take a budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from eqci_space.errors import TableError
from eqci_space.qkd.blocks import BlockTable, block_table, running_tables
from eqci_space.qkd.dead_time import live_share
from eqci_space.scenario import PairSource, Receiver, Scenario, Terminal, receiver_of, unknown_pair

__all__ = ["WindowSlots", "nearest_edges", "nearest_numbers", "slot_edges", "slot_edges_ns", "window_slots"]

_FEWEST_PASSIVE = 4
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
    neighbour_ratio: np.ndarray
    terminal: Terminal
    receiver: Receiver

    def dimmed(self, loss_db: float) -> WindowSlots:
        """The window with an extra loss [dB] in all slots, negative for a gain; noise stays as it is."""
        return replace(self, efficiency=np.minimum(self.efficiency * 10 ** (-loss_db / 10), 1.0))

    @property
    def pulses(self) -> np.ndarray:
        """Pulses sent in each slot."""
        return self.terminal.pulse_rate_hz * self.weight_s

    @property
    def passive(self) -> bool:
        """Whether a beam splitter chooses the basis, so that each basis has detectors of its own."""
        return self.receiver.detectors >= _FEWEST_PASSIVE

    @property
    def noise_hz(self) -> np.ndarray:
        """Dark and sky clicks per second, over all detectors."""
        return self._idle_counts() / self.receiver.gate_s * self.receiver.detectors

    def pair_noise_hz(self, source: PairSource) -> tuple[np.ndarray, np.ndarray]:
        """Clicks per second of this arm that belong to no pair.

        First what splits over the bases as the choice does, photons of other pulses' pairs included; then the dark
        counts of the detectors of one basis, where each has its own.
        """
        own = self._own_dark_counts() / self.receiver.gate_s * self.receiver.detectors / 2
        split = self.noise_hz - 2 * own
        if source.kind == "pulsed":
            stray = self.neighbour_ratio * self.efficiency * float(source.mean_pairs or 0.0)
            split = split + stray / source.coincidence_window_s
        return split, own

    def times(self, copies: float) -> WindowSlots:
        """As many windows like this one in one."""
        return self if copies == 1 else replace(self, weight_s=copies * self.weight_s)

    def _idle_counts(self) -> np.ndarray:
        """Mean dark and sky counts per detector and gate."""
        return -np.log1p(-self.extraneous_probability)

    def _own_dark_counts(self) -> np.ndarray:
        """Mean dark counts per gate of a detector that serves one basis alone."""
        if not self.passive:
            return np.zeros(len(self.efficiency))
        return np.minimum(self._idle_counts(), self.receiver.dark_count_rate_hz * self.receiver.gate_s)

    def _noise(self) -> tuple[np.ndarray, np.ndarray]:
        """Clicks per output of a basis and gate: what comes with the light if all went to one basis; own dark counts.

        Passive choice splits the sky as it splits the signal; more than four detectors share the four outputs.
        """
        if not self.passive:
            return self.extraneous_probability, np.zeros(len(self.efficiency))
        dark, half = self._own_dark_counts(), self.receiver.detectors / 2
        return -np.expm1(-(self._idle_counts() - dark) * half), -np.expm1(-dark * half / 2)

    def live(self, mean_photon_number: float, key_basis_probability: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
        """Share of the time in each slot that the detectors of key and test basis are ready.

        Passive choice sends each basis its part of the light, so that the detectors of the likelier one are blind more.
        """
        if not self.passive:
            share = self._live_share(mean_photon_number, 1.0, self.extraneous_probability, self.receiver.detectors)
            return share, share
        dark, half = self._own_dark_counts(), self.receiver.detectors // 2
        sky = self._idle_counts() - dark
        key, test = (
            self._live_share(mean_photon_number, p, -np.expm1(-(dark + 2 * p * sky)), half)
            for p in (key_basis_probability, 1 - key_basis_probability)
        )
        return key, test

    def _live_share(self, mean: float, part: float, noise: np.ndarray, detectors: int) -> np.ndarray:
        """`dead_time.live_share` of detectors that get a part of the light of a pulse and of its neighbours."""
        light = np.minimum(self.efficiency * (1 + self.neighbour_ratio), 1.0)
        return live_share(
            part * light, noise, mean_photon_number=mean, pulse_rate_hz=self.terminal.pulse_rate_hz,
            detectors=detectors, dead_time_s=self.receiver.dead_time_s,
        )  # fmt: skip

    def running(self, mean_photon_number: float = 0.0, key_basis_probability: float = 0.5) -> np.ndarray:
        """`blocks.running_tables` of the window, the detectors' dead time counted for light of these parameters."""
        columns, more = self._columns(mean_photon_number, key_basis_probability)
        return running_tables(*columns, **more)

    def block(
        self, first: int, last: int, mean_photon_number: float = 0.0, key_basis_probability: float = 0.5
    ) -> BlockTable:
        """The slots ``first:last`` as one block, the dead time counted likewise."""
        columns, more = self._columns(mean_photon_number, key_basis_probability)
        return block_table(
            *(c[first:last] for c in columns), **{name: c[first:last] for name, c in more.items()},
            afterpulse_probability=self.receiver.afterpulse_probability,
        )  # fmt: skip

    def _columns(self, mean: float, key_basis: float) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
        """Arguments of `blocks.block_table`; a pulse that meets a blind detector counts as not sent."""
        noise, dark = self._noise()
        key = test = self.pulses
        if self.receiver.dead_time_s and mean:
            live = self.live(mean, key_basis)
            key, test = key * live[0], test * live[1]
        more = {"pair_dark_probability": dark, "neighbour_ratio": self.neighbour_ratio}
        if self.passive and test is not key:
            more["test_pulses"] = test
        return [self.efficiency, noise, self.intrinsic_error, key], more


def window_slots(budget: pd.DataFrame, scenario: Scenario) -> Iterator[WindowSlots]:
    """Windows of a BUDGET in order of their first sample.

    A budget without `neighbour_ratio` has no light of neighbouring pulses in its gates.

    Raises
    ------
    TableError
        A window names a satellite or station that the scenario does not have.
    """
    known = {s.name: s for s in scenario.satellites}
    codes, ids = pd.factorize(budget["window_id"])
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(ids) + 1))
    time = pd.DatetimeIndex(budget["time"])
    weight, eta, noise, error = (
        budget[c].to_numpy(dtype=float)
        for c in ("weight_s", "transmittance", "extraneous_probability", "intrinsic_error")
    )
    stray = budget.get("neighbour_ratio", pd.Series(0.0, index=budget.index)).to_numpy(dtype=float)
    satellites, stations = budget["satellite"].to_numpy(), budget["ogs"].to_numpy()
    for i, window_id in enumerate(ids):
        rows = order[starts[i] : starts[i + 1]]
        satellite, ogs = str(satellites[rows[0]]), str(stations[rows[0]])
        if satellite not in known or ogs not in scenario.stations:
            raise TableError(f"window_keys: {unknown_pair(satellite, ogs, scenario)}")
        yield WindowSlots(
            str(window_id), satellite, ogs, time[rows], weight[rows], eta[rows], noise[rows], error[rows], stray[rows],
            known[satellite].terminal, receiver_of(known[satellite], scenario.stations[ogs]),
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

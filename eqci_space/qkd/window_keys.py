"""Secret key of observable windows: one finite-key block per window, parameters and interval optimised."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from eqci_space.machine.progress import notebook_bar
from eqci_space.machine.workers import threads_per_process
from eqci_space.qkd.decoy import KeyResult, key_length
from eqci_space.qkd.decoy_parameters import REFERENCE_PARAMETERS, DecoyParameters
from eqci_space.qkd.entangled import Coincidences, EntangledKey, continuous_pairs, entangled_key, pulsed_pairs
from eqci_space.qkd.intervals import optimise_interval
from eqci_space.qkd.optimiser import ParameterLimits, nearest_parameters, optimise_common
from eqci_space.qkd.protocols import parameter_limits, security_parameters
from eqci_space.qkd.security import MOST_QBER, SecurityParameters
from eqci_space.qkd.slots import WindowSlots, slot_edges_ns, window_slots
from eqci_space.scenario import BlockLength, PairSource, Protocol, Scenario
from eqci_space.tables import TABLES, check_table, empty_table

__all__ = [
    "best_cut_entangled",
    "best_decoy",
    "block_fills",
    "block_text",
    "copies_in_block",
    "copies_received",
    "entangled_block",
    "filled_block",
    "key_columns",
    "own_coincidences",
    "own_dark_coincidences",
    "pair_coincidences",
    "parameters_json",
    "why_no_key",
    "window_keys",
]

_CUT_SHARES = np.arange(0.0, 0.96, 0.05)
DEAD_TIME_ROUNDS = 8
DEAD_TIME_SETTLED = 2e-3
_USUAL_PHOTONS = 0.45
_NOTABLE_DEAD_TIME = 0.03
_DIMMED_TRIES = 16
_FEWEST_PHOTONS = 0.02
_COMMON_ROUNDS = 3
_LENGTH_ROUNDS = 3
_BETWEEN_STATIONS = "dual downlink: key is between two stations"
_BATCH = 512

Key = TypeVar("Key", bound=KeyResult | EntangledKey)
Used = tuple[KeyResult | EntangledKey, int, int]
Row = dict[str, object]


@notebook_bar("windows", total=lambda budget, **_: budget["window_id"].nunique())
def window_keys(
    budget: pd.DataFrame, scenario: Scenario, *, progress: Callable[[int], None] | None = None
) -> pd.DataFrame:
    """Clear-sky secret key of every window of a budget, authentication paid.

    For each window the key is optimised over the protocol parameters that the scenario leaves free and over the
    interval of slots used. With ``parameters = "common"`` one parameter set serves all windows of a satellite, and
    only the intervals differ. Windows are worked on in threads; the result does not depend on their number.

    Under ``downlink = "dual"`` a window has no key of its own: `skl_bit` is 0, and `reason` says so. That of two
    stations is worked out by `dual_downlink_keys`, and for plans by `contact_candidates`.

    Parameters
    ----------
    budget : DataFrame
        BUDGET, slots of a window in order of time.
    scenario : Scenario
    progress : callable, optional
        Called with the number of windows done since the last call.

    Returns
    -------
    DataFrame
        KEYS, one row per window in order of first sample. `skl_bit` is floored to whole bits; `reason` says
        why it is zero, with counts at ordinary parameters. Protocol parameters are JSON.

    Raises
    ------
    TableError
        A window names a satellite or station that the scenario does not have.
    """
    check_table(budget, "BUDGET", "window_keys")
    if budget.empty:
        return empty_table("KEYS")
    windows = window_slots(budget, scenario)
    if scenario.protocol.parameters == "common" and scenario.protocol.kind != "bbm92":
        rows = _common_rows(list(windows), scenario.protocol, progress)
    else:
        rows = _mapped(lambda window: _window_row(window, scenario.protocol), windows, progress)
    columns = list(TABLES["KEYS"].columns)
    keys = pd.DataFrame(rows, columns=["window_id", *columns]).set_index("window_id")
    return check_table(keys, "KEYS", "window_keys")


def _mapped(
    func: Callable[[WindowSlots], Row], windows: Iterable[WindowSlots], progress: Callable[[int], None] | None
) -> list[Row]:
    """Rows in order; the kernels release the interpreter, so that threads share the work."""
    rows: list[Row] = []
    queue, threads = iter(windows), threads_per_process()
    with ThreadPoolExecutor(max_workers=threads) as pool:
        while batch := list(islice(queue, _BATCH)):
            # A thread of its own would only cost the hand-over.
            rows += map(func, batch) if threads == 1 else pool.map(func, batch)
            if progress:
                progress(len(batch))
    return rows


def _window_row(window: WindowSlots, protocol: Protocol) -> Row:
    security = security_parameters(protocol)
    if protocol.downlink == "dual":
        nothing = entangled_key(0.0, 0.5, security), 0, len(window.efficiency)
        return key_row(window, nothing, protocol, security) | {"skl_bit": 0.0, "reason": _BETWEEN_STATIONS}
    used, copies = filled_block(protocol, lambda number: _best(window.times(number), protocol, security))
    return key_row(window, used, protocol, security, copies)


def filled_block(
    protocol: Protocol, best: Callable[[float], tuple[Key, int, int]]
) -> tuple[tuple[Key, int, int], float]:
    """Best key and interval of the block that copies of a window fill, and their number; `best` takes the number."""
    copies = copies_in_block(protocol)
    used = best(copies)
    for _ in range(_LENGTH_ROUNDS if isinstance(protocol.block, BlockLength) else 0):
        copies = copies_in_block(protocol, used[0].sifted_bit / copies)
        used = best(copies)
    return used, copies


def _best(window: WindowSlots, protocol: Protocol, security: SecurityParameters) -> Used:
    if protocol.source is not None:
        return _best_entangled(window, protocol.source, security)
    return best_decoy(window, security, parameter_limits(protocol))


def copies_in_block(protocol: Protocol, sifted_bit: float | None = None) -> float:
    """How many windows like one that brings `sifted_bit` fill a block, at least one."""
    if isinstance(protocol.block, BlockLength):
        return max(1.0, protocol.block.sifted_bit / max(sifted_bit, 1.0)) if sifted_bit else 1.0
    return 1.0 if protocol.block == "window" else float(protocol.block)


def copies_received(protocol: Protocol, sifted_bit: float, received: float) -> float:
    """How many contacts like one of which only a share is received fill a block."""
    if protocol.block == "window":
        return 1.0
    number = copies_in_block(protocol, received * sifted_bit)
    return number if isinstance(protocol.block, BlockLength) else number / received


def block_fills(protocol: Protocol, sifted_bit: pd.Series) -> list[float]:
    """Part of a block that each of some windows fills, by its sifted bits."""
    return [1 / copies_in_block(protocol, bit) for bit in sifted_bit]


def block_text(protocol: Protocol) -> str:
    """What a block is, as tables say it."""
    if isinstance(protocol.block, BlockLength):
        return f"{protocol.block.sifted_bit:g} sifted bits"
    return "window" if protocol.block == "window" else f"{protocol.block} windows"


def best_decoy(
    window: WindowSlots, security: SecurityParameters, limits: ParameterLimits
) -> tuple[KeyResult, int, int]:
    """Best parameters and interval; where dead time matters, fewer photons may give more key."""
    best = _with_dead_time(window, security, limits)
    lost = 1 - np.min(window.live(*light_of(best[0].parameters)))
    if lost > _NOTABLE_DEAD_TIME:
        low, high = limits.intensity_1
        weak_low, weak_high = limits.intensity_2
        room = 1.05 * (max(weak_low, limits.intensity_3) + limits.intensity_3)
        least = max(low, _FEWEST_PHOTONS * high, 2.5 * limits.intensity_3, room)
        for most in np.geomspace(high, least, _DIMMED_TRIES)[1:] if least < high else ():
            dimmed = replace(
                limits, intensity_1=(low, float(most)), intensity_2=(weak_low, min(weak_high, float(most)))
            )
            found = _with_dead_time(window, security, dimmed)
            if found[0].length_bit > best[0].length_bit:
                best = found
    if best[0].length_bit - security.authentication_bit >= 1:
        return best
    ordinary = nearest_parameters(REFERENCE_PARAMETERS, limits)
    slots = len(window.efficiency)
    return key_length(window.block(0, slots, *light_of(ordinary)), ordinary, security), 0, slots


def light_of(parameters: DecoyParameters) -> tuple[float, float]:
    """What detectors see of parameters: mean photon number, and the part that goes to the key basis."""
    return parameters.mean_photon_number, parameters.key_basis_probability


def _with_dead_time(
    window: WindowSlots, security: SecurityParameters, limits: ParameterLimits
) -> tuple[KeyResult, int, int]:
    """Optimum with the dead time of its own light: repeated until the share of ready time settles, then counted."""
    receiver, usual = window.receiver, nearest_parameters(REFERENCE_PARAMETERS, limits)
    light = min(_USUAL_PHOTONS, limits.intensity_1[1]), usual.key_basis_probability
    for _ in range(DEAD_TIME_ROUNDS):
        result, first, last = optimise_interval(
            window.running(*light), security, afterpulse_probability=receiver.afterpulse_probability, limits=limits
        )
        if not receiver.dead_time_s:
            return result, first, last
        before, light = window.live(*light), light_of(result.parameters)
        if np.abs(np.divide(window.live(*light), before) - 1).max() < DEAD_TIME_SETTLED:
            break
    return key_length(window.block(first, last, *light), result.parameters, security), first, last


def _common_rows(windows: list[WindowSlots], protocol: Protocol, progress: Callable[[int], None] | None) -> list[Row]:
    """One parameter set per satellite: alternate between the set, at given intervals, and the intervals."""
    security, limits = security_parameters(protocol), parameter_limits(protocol)
    best: dict[str, Used] = {}
    copies: dict[str, float] = {}
    for satellite in dict.fromkeys(w.satellite for w in windows):
        mine = [w for w in windows if w.satellite == satellite]
        found = [filled_block(protocol, lambda n, w=w: best_decoy(w.times(n), security, limits)) for w in mine]  # type: ignore[misc]
        copies |= {w.window_id: number for w, (_, number) in zip(mine, found, strict=True)}
        mine = [w.times(copies[w.window_id]) for w in mine]
        used = [own for own, _ in found]
        for _ in range(_COMMON_ROUNDS):
            blocks = [
                w.block(first, last, *light_of(result.parameters))
                for w, (result, first, last) in zip(mine, used, strict=True)
            ]
            common = optimise_common(blocks, security, limits=limits)[0].parameters
            used = [best_decoy(w, security, ParameterLimits.fixed(common)) for w in mine]
        best |= {w.window_id: u for w, u in zip(mine, used, strict=True)}
        if progress:
            progress(len(mine))
    return [key_row(w, best[w.window_id], protocol, security, copies[w.window_id]) for w in windows]


def pair_coincidences(
    source: PairSource,
    *,
    pulse_rate_hz: float,
    efficiency: tuple[np.ndarray | float, np.ndarray | float],
    noise_hz: tuple[np.ndarray | float, np.ndarray | float],
    intrinsic_error: np.ndarray | float,
) -> Coincidences:
    """Coincidences per second of a scenario's source for two arms."""
    (a, b), (noise_a, noise_b) = efficiency, noise_hz
    if source.kind == "continuous":
        return continuous_pairs(
            pair_rate_hz=float(source.pair_rate_hz or 0.0), efficiency_a=a, efficiency_b=b, noise_a_hz=noise_a,
            noise_b_hz=noise_b, window_s=source.coincidence_window_s, window_share=source.window_share,
            intrinsic_error=intrinsic_error,
        )  # fmt: skip
    gate = source.coincidence_window_s
    per_pulse = pulsed_pairs(
        mean_pairs=float(source.mean_pairs or 0.0), efficiency_a=a, efficiency_b=b,
        noise_a=-np.expm1(-np.asarray(noise_a) * gate), noise_b=-np.expm1(-np.asarray(noise_b) * gate),
        intrinsic_error=intrinsic_error,
    )  # fmt: skip
    return Coincidences(per_pulse.rate * pulse_rate_hz, per_pulse.qber)


def own_dark_coincidences(
    source: PairSource,
    split: Coincidences,
    own_dark_hz: tuple[np.ndarray | float, np.ndarray | float],
    *,
    pulse_rate_hz: float,
    efficiency: tuple[np.ndarray | float, np.ndarray | float],
    noise_hz: tuple[np.ndarray | float, np.ndarray | float],
    intrinsic_error: np.ndarray | float,
) -> np.ndarray:
    """Coincidences per second with dark counts of detectors of one basis, on one side and on both (2, slots).

    They are what noise adds to `split`, the coincidences without them, for it counts in proportion.
    """
    (a, b), (dark_a, dark_b) = noise_hz, own_dark_hz
    with_a, with_b, with_both = (
        pair_coincidences(
            source, pulse_rate_hz=pulse_rate_hz, efficiency=efficiency, noise_hz=noise, intrinsic_error=intrinsic_error
        ).rate
        for noise in ((a + dark_a, b), (a, b + dark_b), (a + dark_a, b + dark_b))
    )
    found = np.stack([with_a + with_b - 2 * split.rate, with_both - with_a - with_b + split.rate])
    return np.maximum(found, 0.0)


def _best_entangled(window: WindowSlots, source: PairSource, security: SecurityParameters) -> Used:
    """BBM92 with one photon measured on board, whose noise splits with the choice: the best of nested intervals."""
    count, qber, dark = own_coincidences(window, source)
    return best_cut_entangled(count, qber, window.efficiency, security, own_dark=dark)


def own_coincidences(window: WindowSlots, source: PairSource) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coincidences with detectors on board in every slot, their error rate, and those with dark counts of one basis."""
    noise_hz, dark_hz = window.pair_noise_hz(source)
    arms: dict[str, Any] = {
        "pulse_rate_hz": window.terminal.pulse_rate_hz, "efficiency": (source.own_efficiency, window.efficiency),
        "noise_hz": (source.own_noise_hz, noise_hz), "intrinsic_error": window.intrinsic_error,
    }  # fmt: skip
    split = pair_coincidences(source, **arms)
    dark = own_dark_coincidences(source, split, (0.0, dark_hz), **arms)
    return split.rate * window.weight_s, split.qber, dark * window.weight_s


def best_cut_entangled(
    coincidences: np.ndarray,
    qber: np.ndarray,
    merit: np.ndarray,
    security: SecurityParameters,
    *,
    own_dark: np.ndarray | None = None,
) -> tuple[EntangledKey, int, int]:
    """Largest key over the intervals that hold the slots above successive quantiles of merit, or of fewer errors."""
    dark = np.zeros((2, len(coincidences))) if own_dark is None else own_dark
    balanced = np.array([2.0, 4.0]) @ dark
    errors = np.divide(
        coincidences * qber + balanced / 2, coincidences + balanced, out=np.full(len(qber), 0.5),
        where=coincidences + balanced > 0,
    )  # fmt: skip
    found: list[tuple[EntangledKey, int, int]] = []
    for first, last in _intervals(merit) + _intervals(-errors):
        part = slice(first, last)
        found.append((entangled_block(coincidences[part], qber[part], dark[:, part], security), first, last))
    best = max(found, key=lambda one: one[0].length_bit)
    return best if best[0].length_bit > 0 else found[0]


def entangled_block(
    coincidences: np.ndarray, qber: np.ndarray, own_dark: np.ndarray, security: SecurityParameters
) -> EntangledKey:
    """Key of all slots given as one block.

    Per slot (n,) coincidences [1] and the error rate among them [1], and coincidences with dark counts of one basis, on
    one side and on both (2, n) [1].
    """
    total = float(coincidences.sum())
    mean = float(coincidences @ qber) / total if total > 0 else 0.5
    one, both = own_dark.sum(axis=1).tolist()
    return entangled_key(total, mean, security, own_dark=(one, both))


def _intervals(merit: np.ndarray) -> list[tuple[int, int]]:
    kept = [np.flatnonzero(merit >= level) for level in np.quantile(merit, _CUT_SHARES)]
    return list(dict.fromkeys((int(k[0]), int(k[-1]) + 1) for k in kept))


def key_row(
    window: WindowSlots, used: Used, protocol: Protocol, security: SecurityParameters, copies: float = 1.0
) -> Row:
    """One row of KEYS: the part of a window in the block that copies of it fill."""
    result, first, last = used
    edges_ns = slot_edges_ns(window)
    return {
        "window_id": window.window_id,
        "usable_start": pd.Timestamp(edges_ns[first], tz="UTC").round("us").as_unit("us"),
        "usable_end": pd.Timestamp(edges_ns[last], tz="UTC").round("us").as_unit("us"),
        **key_columns(result, block_text(protocol), security, copies),
    }


def key_columns(result: KeyResult | EntangledKey, block: str, security: SecurityParameters, copies: float = 1.0) -> Row:
    """What KEYS say of a part of a key that copies of it fill, authentication paid and floored."""
    length = max(0, math.floor((result.length_bit - security.authentication_bit) / copies))
    return {
        "sifted_bit": result.sifted_bit / copies,
        "qber": result.qber,
        "skl_bit": float(length),
        "authentication_bit": security.authentication_bit / copies,
        "epsilon": security.epsilon,
        "block": block,
        "protocol": result.protocol,
        "proof": result.proof,
        "parameters": parameters_json(result),
        "reason": "" if length > 0 else why_no_key(result, security),
    }


def parameters_json(result: KeyResult | EntangledKey) -> str:
    """Protocol parameters of a key as tables hold them."""
    if isinstance(result, KeyResult):
        return json.dumps({k: round(v, 9) for k, v in vars(result.parameters).items()})
    return json.dumps({"key_basis_probability": round(result.key_basis_probability, 9)})


def why_no_key(result: KeyResult | EntangledKey, security: SecurityParameters) -> str:
    """What stands between a block and a key."""
    if result.sifted_bit < 1:
        return f"too few counts: {result.sifted_bit:.2g} sifted bits"
    if result.qber > MOST_QBER:
        return f"QBER too high ({100 * result.qber:.1f} %)"
    if isinstance(result, KeyResult) and result.single_photon_bit < 1:
        return "too few counts: no single-photon detection can be certified"
    return f"block too short: {security.authentication_bit - result.length_bit:.0f} bit short of a key"

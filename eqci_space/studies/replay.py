"""Passes that flew, predicted from their element sets and held against what was reported of them.

The chain is that of planning: orbit, budget, finite key; nothing is fitted to a pass. One bias of the link, in dB of
sifted bits, is fitted on every other row that counts and applied to the rest, on which skill is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pandas as pd
from scipy.special import ndtri

from eqci_space.errors import DataError, EqciError, near_matches
from eqci_space.linkbudget.budget import link_budget
from eqci_space.machine.progress import notebook_bar
from eqci_space.ogs.sampling import sample_windows
from eqci_space.orbits.earth import station_frame, times_from
from eqci_space.orbits.ephemeris import Trajectory, make_ephemeris, positions_m
from eqci_space.orbits.pass_kernels import AOS, LOS, RANGE, SINE, TCA
from eqci_space.orbits.passes import search_passes
from eqci_space.qkd.decoy import KeyResult, key_length
from eqci_space.qkd.decoy_parameters import REFERENCE_PARAMETERS
from eqci_space.qkd.optimiser import ParameterLimits, nearest_parameters
from eqci_space.qkd.protocols import parameter_limits, security_parameters
from eqci_space.qkd.slots import WindowSlots, window_slots
from eqci_space.qkd.window_keys import best_decoy, light_of
from eqci_space.scenario import Scenario
from eqci_space.schedule.worlds import uncertain_value
from eqci_space.studies.flown_io import COUNTED_GRADES, FlownPass

__all__ = ["Replay", "flown_budget", "replay_passes", "skill_sentences"]

_AROUND = timedelta(minutes=40)
_SEARCH_STEP_S = 1.0
_BAND = (0.05, 0.95)
_FEWEST_TO_FIT = 4


@dataclass(frozen=True)
class Replay:
    """Passes beside their prediction, and how well it fits.

    Attributes
    ----------
    passes : DataFrame
        Index `id`, in order of time: `station`, `culmination`, `age_day` (of the elements, signed), `aos`, `los`,
        `seconds` (of the exchange), `max_elevation_deg`, `min_range_m`, `off_s` (predicted less stated culmination),
        `mean_loss_db`; `predicted_sifted_bit`, `predicted_qber`, `predicted_key_bit` with `key_low_bit` and
        `key_high_bit` (5 % and 95 % over the scenario's uncertainty of the link loss); `sifted_bit`, `qber`, `key_bit`
        as reported, `grade`, `qber_grade`; `sifted_off_db` (10 lg predicted over reported), `key_ratio`; `counts`,
        `counts_qber` (whether its counts, its error rate, may judge), `held_back` (whether it was kept from the fit).
    skill : dict
        `counted`, `bias_db` (of sifted bits, fitted; NaN below four rows that count), `held_back`,
        `held_back_median_db` (of what is left after the bias, absolute), `within_factor_1_5`, `in_band`, `key_rows` (of
        the rows held back that state key); `qber_rows`, `qber_rms`, `qber_rms_constant` (on the rows held back; the
        constant is the mean of the others).
    problems : tuple of str
        Rows that could not be judged, and why.
    """

    passes: pd.DataFrame
    skill: dict[str, float]
    problems: tuple[str, ...]


@notebook_bar("passes", total=lambda flown, *_, **__: len(flown))
def replay_passes(
    flown: Sequence[FlownPass], scenario: Scenario, *, progress: Callable[[int], None] | None = None
) -> Replay:
    """Predict passes that flew, and hold them against what was reported.

    Parameters
    ----------
    flown : sequence of FlownPass
        As `read_flown_passes` gives them.
    scenario : Scenario
        Its first satellite's terminal, its stations, air, protocol and uncertainty of the link loss. A protocol without
        free parameters is taken as it is, over the whole exchange; otherwise each key is optimised.
    progress : callable, optional
        Called with the number of passes done since the last call.

    Raises
    ------
    DataError
        There is no pass, or the scenario has no satellite.
    """
    rows: list[dict[str, object]] = []
    problems: list[str] = []
    if not scenario.satellites:
        raise DataError("replay_passes: no satellite in the scenario; expected one, whose terminal sends")
    for one in sorted(flown, key=lambda p: (p.culmination, p.id)):
        try:
            rows.append(_row(one, scenario))
        except EqciError as error:
            problems.append(f"'{one.id}': {error}; it is not judged")
        if progress:
            progress(1)
    if not rows:
        raise DataError("replay_passes: no pass can be judged\n" + "\n".join(problems))
    passes = pd.DataFrame(rows).set_index("id")
    judges = passes["counts"] | passes["counts_qber"]
    passes["held_back"] = judges & (judges.cumsum() % 2 == 0)
    return Replay(passes, _skill(passes), tuple(problems))


def flown_budget(flown: FlownPass, scenario: Scenario) -> pd.DataFrame:
    """Budget of the exchange of a pass that flew, in slots of about a second.

    Parameters
    ----------
    flown : FlownPass
    scenario : Scenario
        As of `replay_passes`.

    Returns
    -------
    DataFrame
        BUDGET; its window is named by the pass.

    Raises
    ------
    DataError
        The scenario has no such station, or no such pass is found.
    """
    orbit, found = _geometry(flown, scenario)
    aos, los = (times_from(orbit.start, np.array([found[i]]))[0] for i in (AOS, LOS))
    return _budget(flown, scenario, orbit, *_exchange(flown, scenario, orbit, aos, los))


def _budget(
    flown: FlownPass, scenario: Scenario, orbit: Trajectory, begin: pd.Timestamp, end: pd.Timestamp
) -> pd.DataFrame:
    satellite = scenario.satellites[0].name
    windows = pd.DataFrame(
        {"pass_id": [flown.id], "satellite": [satellite], "ogs": [flown.station], "start": [begin], "end": [end],
         "truncated": [False]}, index=pd.Index([flown.id], name="window_id"),
    )  # fmt: skip
    samples = sample_windows(windows, scenario, step_s=_SEARCH_STEP_S, orbits={satellite: orbit})
    return link_budget(samples, scenario)


def _row(flown: FlownPass, scenario: Scenario) -> dict[str, object]:
    """Everything of one pass."""
    orbit, found = _geometry(flown, scenario)
    aos, tca, los = (times_from(orbit.start, np.array([found[i]]))[0] for i in (AOS, TCA, LOS))
    begin, end = _exchange(flown, scenario, orbit, aos, los)
    budget = _budget(flown, scenario, orbit, begin, end)
    (window,) = window_slots(budget, scenario)
    used = _key(window, flown, scenario)
    low, high = (_key(window.dimmed(extra), flown, scenario).length_bit for extra in _band_db(scenario)[::-1])
    loss_db = -10 * np.log10(np.average(budget["transmittance"], weights=budget["weight_s"]))
    row: dict[str, object] = {
        "id": flown.id, "station": flown.station, "culmination": tca,
        "age_day": (flown.culmination - flown.elements.epoch) / timedelta(days=1), "aos": aos, "los": los,
        "seconds": (end - begin).total_seconds(), "max_elevation_deg": np.degrees(np.arcsin(found[SINE])),
        "min_range_m": found[RANGE], "off_s": (tca - pd.Timestamp(flown.culmination)).total_seconds(),
        "mean_loss_db": loss_db, "predicted_sifted_bit": used.sifted_bit, "predicted_qber": used.qber,
        "predicted_key_bit": used.length_bit, "key_low_bit": low, "key_high_bit": high,
        "grade": flown.grade, "qber_grade": flown.qber_grade,
    }  # fmt: skip
    for name in ("sifted_bit", "qber", "key_bit"):
        value = getattr(flown, name)
        row[name] = np.nan if value is None else value
    return row | _compared(flown, used)


def _compared(flown: FlownPass, used: KeyResult) -> dict[str, object]:
    """Predicted against reported, and what of it may judge."""
    off, ratio = np.nan, np.nan
    if flown.sifted_bit and used.sifted_bit > 0:
        off = 10 * np.log10(used.sifted_bit / flown.sifted_bit)
    if flown.key_bit:
        ratio = used.length_bit / flown.key_bit
    return {
        "sifted_off_db": off, "key_ratio": ratio,
        "counts": flown.grade in COUNTED_GRADES and bool(np.isfinite(off)),
        "counts_qber": flown.qber_grade in COUNTED_GRADES and flown.qber is not None,
    }  # fmt: skip


def _geometry(flown: FlownPass, scenario: Scenario) -> tuple[Trajectory, np.ndarray]:
    """The orbit about the pass, and the pass of the search whose culmination lies nearest to the stated one."""
    station = scenario.stations.get(flown.station)
    if station is None:
        raise DataError(f"no station '{flown.station}'; {near_matches(flown.station, scenario.stations)}")
    start, end = flown.culmination - _AROUND, flown.culmination + _AROUND
    name = scenario.satellites[0].name
    arc = make_ephemeris(flown.elements, start, end, name=name)
    length_s = (end - start).total_seconds()
    place, rotation = station_frame(station.latitude_deg, station.longitude_deg, station.height_ellipsoid_m)
    found = search_passes(arc, place, rotation[2], station.min_elevation_deg, 0.0, length_s)
    if not len(found):
        raise DataError(
            f"no pass over {flown.station} within 40 min of {flown.culmination:%Y-%m-%dT%H:%M:%SZ}; mend time, station "
            "or elements"
        )
    nearest = found[np.argmin(np.abs(found[:, TCA] - length_s / 2))]
    return Trajectory(name, start, (arc,), ((0.0, length_s),)), nearest


def _exchange(
    flown: FlownPass, scenario: Scenario, orbit: Trajectory, aos: pd.Timestamp, los: pd.Timestamp
) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Begin and end of the exchange: as stated, or where the range is small enough."""
    if flown.start is not None and flown.end is not None:
        begin, end = max(aos, pd.Timestamp(flown.start)), min(los, pd.Timestamp(flown.end))
        if begin >= end:
            raise DataError(f"its exchange, from {flown.start:%H:%M:%S} to {flown.end:%H:%M:%S}, lies outside the pass")
        return begin, end
    if not np.isfinite(flown.max_range_m):
        return aos, los
    station = scenario.stations[flown.station]
    place, _ = station_frame(station.latitude_deg, station.longitude_deg, station.height_ellipsoid_m)
    first, last = ((t - pd.Timestamp(orbit.start)).total_seconds() for t in (aos, los))
    seconds = np.linspace(first, last, int(np.ceil((last - first) / 0.1)) + 1)
    near = seconds[np.linalg.norm(positions_m(orbit, seconds) - place, axis=1) <= flown.max_range_m]
    if len(near) < 2:
        raise DataError(f"its range never falls below {flown.max_range_m / 1e3:g} km; mend max_range_km")
    begin, end = times_from(orbit.start, near[[0, -1]])
    return begin, end


def _key(window: WindowSlots, flown: FlownPass, scenario: Scenario) -> KeyResult:
    """Key of a window; of both bases alike it is twice that of one, at half the failure probability."""
    protocol = scenario.protocol
    if protocol.source is not None:
        raise DataError("the protocol sends entangled pairs; passes are replayed with decoy states alone")
    security = security_parameters(protocol)
    times = 1
    if flown.key_bases == "both":
        times = 2
        security = replace(
            security, epsilon_secrecy=security.epsilon_secrecy / 2, epsilon_correctness=security.epsilon_correctness / 2
        )
    limits = parameter_limits(protocol)
    parameters = nearest_parameters(REFERENCE_PARAMETERS, limits)
    if limits == ParameterLimits.fixed(parameters):
        block = window.block(0, len(window.efficiency), *light_of(parameters))
        result = key_length(block, parameters, security)
    else:
        result = best_decoy(window, security, limits)[0]
    return replace(result, sifted_bit=times * result.sifted_bit, length_bit=times * result.length_bit)


def _band_db(scenario: Scenario) -> tuple[float, float]:
    """Extra loss [dB] at 5 % and 95 % of the scenario's uncertainty of the link loss."""
    stated = next((u for u in scenario.uncertainties if u.quantity == "link_loss_bias_db"), None)
    if stated is None:
        return 0.0, 0.0
    levels = np.array(_BAND)
    low, high = uncertain_value(stated, levels if stated.distribution == "uniform" else ndtri(levels)).tolist()
    return low, high


def _skill(passes: pd.DataFrame) -> dict[str, float]:
    """What `Replay.skill` holds."""
    counted = passes[passes["counts"]]
    fitted, held = counted[~counted["held_back"]], counted[counted["held_back"]]
    enough = len(counted) >= _FEWEST_TO_FIT
    bias = float(fitted["sifted_off_db"].mean()) if enough else np.nan
    left = held["sifted_off_db"] - bias
    keyed = held[held["key_bit"] > 0]
    # The bias is taken off the counts, so it shifts the key by as many dB of loss; as far as the key is linear in it.
    ratio = keyed["key_ratio"] / 10 ** (bias / 10)
    inside = keyed["key_bit"].between(keyed["key_low_bit"], keyed["key_high_bit"])
    errors = passes[passes["counts_qber"]]
    known, unseen = errors[~errors["held_back"]], errors[errors["held_back"]]
    off = unseen["predicted_qber"] - unseen["qber"]
    return {
        "counted": len(counted), "bias_db": bias, "held_back": len(held) if enough else 0,
        "held_back_median_db": float(left.abs().median()) if enough else np.nan,
        "within_factor_1_5": int(ratio.between(1 / 1.5, 1.5).sum()) if enough else 0,
        "in_band": int(inside.sum()) if enough else 0, "key_rows": len(keyed) if enough else 0,
        "qber_rows": len(unseen), "qber_rms": float(np.sqrt((off**2).mean())) if len(unseen) else np.nan,
        "qber_rms_constant": float(np.sqrt(((unseen["qber"] - known["qber"].mean()) ** 2).mean()))
        if len(unseen) and len(known)
        else np.nan,
    }  # fmt: skip


def skill_sentences(replay: Replay) -> list[str]:
    """What counted, and what the rows held back say, in sentences; the first stands before anything is fitted."""
    s, passes = replay.skill, replay.passes
    sentences = [
        f"{len(passes)} passes replayed; {s['counted']:.0f} count for sifted bits and key, "
        f"{int(passes['counts_qber'].sum())} for QBER (recalled and assumed figures never do)"
    ]
    if np.isfinite(s["bias_db"]):
        sentences.append(
            f"sifted bits: bias {s['bias_db']:+.2f} dB, fitted on {s['counted'] - s['held_back']:.0f} rows; on the "
            f"{s['held_back']:.0f} held back the median error left is {s['held_back_median_db']:.2f} dB"
        )
        sentences.append(
            f"key of the rows held back: {s['within_factor_1_5']:.0f} of {s['key_rows']:.0f} within a factor 1.5, "
            f"{s['in_band']:.0f} of {s['key_rows']:.0f} inside the 90 % band"
        )
    else:
        sentences.append(
            f"sifted bits and key: no bias is fitted and no skill claimed, for fewer than {_FEWEST_TO_FIT} rows count"
        )
    if np.isfinite(s["qber_rms_constant"]):
        shown = "skill" if s["qber_rms"] < s["qber_rms_constant"] else "no skill"
        sentences.append(
            f"QBER of the {s['qber_rows']:.0f} rows held back: rms error {100 * s['qber_rms']:.2f} %, that of the best "
            f"constant {100 * s['qber_rms_constant']:.2f} %: {shown} is shown"
        )
    return sentences

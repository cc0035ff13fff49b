"""Write docs/flown.md and its picture: the shipped passes replayed, and the link's readings decided by numbers."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

import eqci_space as eq
from eqci_space.data import data_path
from eqci_space.linkbudget.closed_forms import divergence_half_angle_rad
from eqci_space.linkbudget.extinction import airmass_kasten_young, apparent_elevation_deg
from eqci_space.linkbudget.link import Link
from eqci_space.linkbudget.pointing import mean_pointing_loss_db
from eqci_space.linkbudget.terms import BEFORE_THE_DETECTOR, total_loss_db
from eqci_space.report.plots.flown import save_flown
from eqci_space.scenario import Scenario, load_scenario
from eqci_space.studies.replay import Replay, skill_sentences

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "flown_passes.png"
PRINTED_DB = (3.0, 5.5, 8.0)  # atmosphere of the printed budget at 1200 km: its ends and their middle
FARTHEST_DEG = 19.4  # elevation at 1200 km in the pass of 2016-12-19
STATIC_RAD, LOW_RAD = 1.17e-6, 2.5e-6
MIDDLE = 4  # of the readings: middle of the printed atmosphere, growing jitter
BETWEEN_FLIGHTS_DB = 2.0  # assumed: one pass cannot say how others differ


def replayed() -> tuple[Replay, Scenario]:
    """The shipped passes."""
    scenario = load_scenario(data_path("flown", "micius.toml"))
    return eq.replay_passes(eq.read_flown_passes(data_path("flown", "micius.csv")), scenario), scenario


def losses() -> list[dict[str, str]]:
    with data_path("flown", "micius_losses.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def elevations_deg(range_m: np.ndarray) -> np.ndarray:
    """At 500 km over a sphere, as the pass flew to a tenth of a degree."""
    radius, orbit = 6371e3, 6871e3
    return np.degrees(np.arcsin((orbit**2 - radius**2 - range_m**2) / (2 * radius * range_m)))


def readings(scenario: Scenario) -> list[tuple[str, np.ndarray]]:
    """Loss at the digitised ranges under each reading of what was published."""
    range_m = np.array([1e3 * float(r["range_km"]) for r in losses()])
    elevation = elevations_deg(range_m)
    link = Link(scenario.satellites[0].terminal, scenario.stations["XINGLONG"], scenario.atmosphere)
    others = [name for name in BEFORE_THE_DETECTOR if name not in ("pointing_loss_db", "extinction_loss_db")]
    rest = total_loss_db(link, elevation_deg=elevation, range_m=range_m, terms=others)
    airmass = airmass_kasten_young(apparent_elevation_deg(elevation))
    far = float(airmass_kasten_young(apparent_elevation_deg(np.array([FARTHEST_DEG])))[0])
    width = divergence_half_angle_rad(10e-6, "uniform_disc")

    def pointing(jitter: np.ndarray | float) -> np.ndarray:
        jitter = np.broadcast_to(jitter, elevation.shape)
        return mean_pointing_loss_db(divergence_half_angle_rad=width, jitter_rad=np.stack([jitter, jitter], axis=1))

    growing = STATIC_RAD + (LOW_RAD - STATIC_RAD) * (90 - elevation) / 90
    found = [("clear air (0.24 dB at the zenith), jitter 0.48 µrad", rest + 0.24 * airmass + pointing(0.48e-6))]
    for db in PRINTED_DB:
        found.append((f"atmosphere {db:g} dB at 1200 km, jitter 1.17 µrad", rest + db / far * airmass
                      + pointing(STATIC_RAD)))  # fmt: skip
        found.append((f"atmosphere {db:g} dB at 1200 km, jitter 1.17 to 2.5 µrad", rest + db / far * airmass
                      + pointing(growing)))  # fmt: skip
    return found


def missing(scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
    """What the middle of the printed budget leaves of the six losses [dB], and their airmass beyond the zenith."""
    range_m = np.array([1e3 * float(r["range_km"]) for r in losses()])
    reported = np.array([float(r["loss_db"]) for r in losses()])
    airmass = airmass_kasten_young(apparent_elevation_deg(elevations_deg(range_m)))
    return reported - readings(scenario)[MIDDLE][1], airmass - 1


def line_fit(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Constant and slope by least squares, and their standard errors (NaN without a degree of freedom)."""
    columns = np.column_stack([np.ones(len(x)), x])
    fit, *_ = np.linalg.lstsq(columns, y, rcond=None)
    left = y - columns @ fit
    variance = left @ left / (len(y) - 2)
    return fit, np.sqrt(variance * np.diag(np.linalg.inv(columns.T @ columns)))


def prior(scenario: Scenario) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation [dB] of the link loss that shipped scenarios add, and of what an airmass adds."""
    y, x = missing(scenario)
    (_, slope), (_, error) = line_fit(y, x)
    supported = all(line < constant for _, constant, line in held_back(y, x))
    return {
        "link_loss_bias_db": (y.mean(), float(np.hypot(y.std(ddof=1), BETWEEN_FLIGHTS_DB))),
        "link_loss_airmass_db": (slope if supported else 0.0, error),
    }


def held_back(y: np.ndarray, x: np.ndarray) -> list[tuple[float, float, float]]:
    """Rms of each half when nothing, a constant, or a line is taken from the other half."""
    rows = []
    for fitted in (0, 1):
        mine, other = slice(fitted, None, 2), slice(1 - fitted, None, 2)
        constant, (a, b) = y[mine].mean(), line_fit(y[mine], x[mine])[0]
        off = (y[other], y[other] - constant, y[other] - a - b * x[other])
        rows.append(tuple(float(np.sqrt((v**2).mean())) for v in off))
    return rows


def learnt(scenario: Scenario) -> list[str]:
    """The section on what unflown links take from it."""
    y, x = missing(scenario)
    fit, error = line_fit(y, x)
    (mean, sd), (slope, slope_sd) = prior(scenario).values()
    halves = [f"{a:.1f}, {b:.1f} and {c:.1f} dB" for a, b, c in held_back(y, x)]
    return [
        "## What links that have not flown take from it", "",
        "A planner who had taken the middle of every printed range, with the jitter above, would have missed "
        f"{y.mean():+.1f} dB on average (flown less predicted), with a spread of {y.std(ddof=1):.1f} dB. On the half "
        "of the losses that is held back the rms error with nothing, a constant, and a line in the airmass taken from "
        f"the other half is {halves[0]}; the other way round {halves[1]}. A constant helps one half and costs the "
        "other next to nothing: a budget before flight is too optimistic. A slope "
        f"({fit[1]:.1f} ± {error[1]:.1f} dB an airmass) makes both worse, so it enters as an uncertainty alone.", "",
        f"The shipped scenarios therefore add a link loss of {mean:.1f} ± {sd:.1f} dB, in which {BETWEEN_FLIGHTS_DB:g} "
        f"dB between flights and terminals are assumed, and {slope:.1f} ± {slope_sd:.1f} dB for every airmass beyond "
        "the zenith's. All of it rests on one pass of one satellite; whether it carries over to another terminal, "
        "wavelength and site is assumed, and until a terminal has flown its links are called unproven.", "",
    ]  # fmt: skip


def flown_text(replay: Replay, scenario: Scenario) -> str:
    """The page, in Markdown."""
    reported = np.array([float(r["loss_db"]) for r in losses()])
    first, *rest = skill_sentences(replay)
    own = replay.passes.loc["F05"]
    lines = [
        "# Flown passes", "",
        "Written by `python docs/make_flown.py` from `data/flown`; the tests hold it up to date. `eqci validate` "
        "prints the same for the shipped passes of Micius, and `eqci validate LOG.csv --scenario MINE.toml` for a log "
        "of your own.", "",
        "## What counts", "",
        f"{first[0].upper()}{first[1:]}. A row counts by the grade of its figures: measured, published or secondary "
        "(set in a public simulator after the flights). No parameter is fitted to a pass. One bias, in dB of sifted "
        "bits, is fitted on every other row that counts and applied to the rest, on which skill is stated.", "",
        *(f"- {sentence[0].upper()}{sentence[1:]}." for sentence in rest), "",
        "## The pass of 2016-12-19", "",
        f"End to end, from the element set of the night: {own.predicted_sifted_bit / 1e3:.0f} kbit sifted where "
        f"{own.sifted_bit / 1e3:.0f} were reported ({own.sifted_off_db:+.2f} dB), {own.predicted_key_bit / 1e3:.0f} "
        f"kbit of key where {own.key_bit / 1e3:.0f} were (factor {own.key_ratio:.2f}), QBER "
        f"{100 * own.predicted_qber:.2f} % where {100 * own.qber:.2f} % was. "
        "Sifted bits and key are recalled from the paper, so they do not count above. "
        "[Validation](validation.md#keys-the-pass-of-2016-12-19-end-to-end) holds rates, detections, sifted bits, QBER "
        "and key of this pass one by one, beside those from digitised losses.", "",
        "## The link, decided by numbers", "",
        "Six losses of that pass are digitised (M210 to M215). The paper prints the terms of its budget as ranges: "
        "3 to 8 dB for the atmosphere, up to 3 dB for pointing. Readings of these ranges against the six, model less "
        "flown, in dB:", "",
        "| reading | " + " | ".join(f"{r['range_km']} km" for r in losses()) + " | mean | rms |",
        "| --- | " + "---: | " * (len(reported) + 2),
    ]  # fmt: skip
    for label, loss in readings(scenario):
        off = loss - reported
        cells = [*(f"{x:+.1f}" for x in off), f"{off.mean():+.1f}", f"{np.sqrt((off**2).mean()):.1f}"]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Clear air alone is too optimistic by 4 to 10 dB. The middle of the printed range leaves an rms error below "
        "2 dB without any choice. The shipped link takes 8 dB at 1200 km, with the airmass below it: 3 dB then stand "
        "at 63 deg, so that 3 to 8 dB are the span of a pass. That one choice between two readings was made with these "
        "six rows in view; they are no independent proof of it. The jitter is that of a public simulator of these "
        "passes, 1.17 at the zenith to 2.5 low in the sky, whose unit is presumed.",
        "",
        *learnt(scenario),
        "![predicted and reported key of the passes](images/flown_passes.png)",
        "",
        "## Every pass",
        "",
        "| pass | station | culmination | off [s] | elevation [deg] | range [km] | sifted [kbit] | QBER [%] | "
        "reported [%] | key (90 % band) [kbit] | reported [kbit] |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in replay.passes.iterrows():
        key = "" if np.isnan(row.key_bit) else f"{row.key_bit / 1e3:.0f} ({row.grade})"
        mark = "" if row.counts_qber else " (assumed)"
        lines.append(
            f"| {name} | {row.station.capitalize()} | {row.culmination:%Y-%m-%d %H:%M:%S} | "
            f"{round(row.off_s, 1) + 0.0:+.1f} | "
            f"{row.max_elevation_deg:.2f} | {row.min_range_m / 1e3:.1f} | {row.predicted_sifted_bit / 1e3:.0f} | "
            f"{100 * row.predicted_qber:.2f} | {100 * row.qber:.2f}{mark} | {row.predicted_key_bit / 1e3:.0f} "
            f"({row.key_low_bit / 1e3:.0f} to {row.key_high_bit / 1e3:.0f}) | {key} |"
        )
    lines += [
        "",
        "Culminations are stated to a second. The band is that of the scenario's uncertainty of the link loss, 2 dB "
        "(one standard deviation, assumed). Elements and error rates: OpenSATQKD (fjlc-73); sources stand in the "
        "table.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Write page and picture."""
    replay, scenario = replayed()
    (ROOT / "docs" / "flown.md").write_text(flown_text(replay, scenario), encoding="utf-8")
    save_flown(replay, PICTURE)


if __name__ == "__main__":
    main()

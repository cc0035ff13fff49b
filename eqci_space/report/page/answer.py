"""Page 1 of a report: the answer, its band, its three largest assumptions, and what changed since an earlier run."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqci_space.linkbudget.clear_air import USUAL_VISIBILITY_KM
from eqci_space.report.page.findings import Findings, Table
from eqci_space.report.plots.labels import station_label
from eqci_space.scenario import Scenario
from eqci_space.scenario.proven import unproven_links, unproven_sentence
from eqci_space.schedule.simulate import Simulation
from eqci_space.units import KEY_BIT
from eqci_space.words import SERVED_IN_FULL, format_bits, percent, short_list, such_periods

__all__ = [
    "aerosol_words",
    "answer",
    "band_table",
    "band_words",
    "cause_words",
    "change_table",
    "change_words",
    "largest_assumptions",
    "recourse_words",
    "weather_words",
]

_MOST_CHANGES, _MOST_SHORT, _OFTEN = 12, 4, 0.9
_CAUSE_WORDS = {
    "sky": "the clouds of the period",
    "link_loss_bias_db": "a bias of the link budget",
    "link_loss_airmass_db": "a link loss that grows towards the horizon",
    "availability": "contacts that do not take place",
    "commissioning_factor": "the rate of installed fibre links",
    "cloud_table_logit": "the error of the cloud table",
    "interannual_logit": "the year",
}


def answer(f: Findings, seen: pd.DataFrame, alone: pd.DataFrame) -> list[str]:
    """The result in a few sentences, what demands get first."""
    levels = _bounds(f, seen) if f.simulation is None else _levels(f, f.simulation)
    return [*levels, _offer(f), _gain(f, seen, alone), *_proof(f)]


def _bounds(f: Findings, seen: pd.DataFrame) -> list[str]:
    """What demands get of expected key."""
    share = (seen["delivered_bit"] / seen["asked_bit"]).fillna(1.0)
    short = share[share <= SERVED_IN_FULL]
    words = f"{len(share) - len(short)} of {len(seen)} demands get all the key they ask for"
    if len(short):
        words += f"; short are {short_list([f'{name} ({percent(value)})' for name, value in short.items()])}"
    if not f.scenario.satellites:
        return [words + "."]
    return [
        f"{words}, all of expected key, which bounds the means over skies, weighted and summed, from above; they were "
        "not simulated."
    ]


def _levels(f: Findings, simulation: Simulation) -> list[str]:
    """What demands get on average and in 9 of 10 sampled worlds."""
    table, such = simulation.demands, such_periods(f.scenario.start, f.scenario.end)
    met = table["all_in_met_share"] >= _OFTEN
    lines = [f"{int(met.sum())} of {len(table)} demands get all the key they ask for in 9 of 10 such {such}."]
    for name, row in table[~met].head(_MOST_SHORT).iterrows():
        mean, low, weather, asked = (
            format_bits(row[c]) for c in ("all_in_mean_bit", "all_in_exceeded_90pct_bit", "weather_only_mean_bit",
                                          "asked_bit")
        )  # fmt: skip
        lines.append(
            f"{name}: {mean} on average of {asked} asked, {row['all_in_mean_keys_per_day']:,.0f} keys of 256 bit a "
            f"day; in 9 of 10 such {such} at least {low}. Weather alone: {weather} on average."
        )
    if (more := int((~met).sum()) - _MOST_SHORT) > 0:
        lines.append(f"{more} more demands are short; the table lists them.")
    purposes = [d.purpose for d in f.scenario.demands if not met[d.name]]
    for purpose in dict.fromkeys(p for p in purposes if purposes.count(p) > 1):
        row = simulation.totals.loc[purpose]
        lines.append(
            f"All {str(purpose).replace('_', ' ')} demands together: {format_bits(row['all_in_mean_bit'])} on average "
            f"of {format_bits(row['asked_bit'])}, in 9 of 10 such {such} at least "
            f"{format_bits(row['all_in_exceeded_90pct_bit'])}."
        )
    return lines


def _offer(f: Findings) -> str:
    """What space offers and the plan takes."""
    days = (f.scenario.end - f.scenario.start).total_seconds() / 86400
    if not f.scenario.satellites:
        return f"This scenario has no satellite; all key of the {days:g} days comes from fibre."
    begin = f"In {days:g} days from {f.scenario.start:%Y-%m-%d %H:%M} UTC"
    planned = f.planned
    if planned.empty:
        return (
            f"{begin} there are {len(f.passes)} passes and {len(f.windows)} windows, and none of them can bring key "
            "that arrives in the period."
        )
    backups = int((f.plan.contacts["status"] == "backup").sum())
    spare = f" (and {backups} backups)" if backups else ""
    return (
        f"{begin}, {len(f.passes)} passes give {len(f.windows)} windows that stations can use. The plan takes "
        f"{len(planned)} contacts{spare} worth {format_bits(planned['skl_bit'].sum())} under clear skies and "
        f"{format_bits(planned['expected_skl_bit'].sum())} on average over clouds."
    )


def _gain(f: Findings, seen: pd.DataFrame, alone: pd.DataFrame) -> str:
    """What is delivered beyond fibre alone."""
    counted, kind = seen["delivered_bit"], "of expected key"
    if f.simulation is not None:
        counted, kind = f.simulation.demands["weather_only_mean_bit"], "on average over weather"
    more = counted - alone["delivered_bit"]
    helped = [str(d) for d in seen.index[(more > 1).to_numpy()]]
    if not f.scenario.satellites:
        return "There is nothing to gain over fibre alone."
    if not helped:
        return "The satellite adds no delivered key over fibre alone; the plan fills the stores of the stations."
    bit = float(more.sum())
    return (
        f"Over fibre alone the satellite adds {kind} {format_bits(bit)} ({bit / KEY_BIT:,.0f} keys of 256 bit) for "
        f"{short_list(helped)}."
    )


def _proof(f: Findings) -> list[str]:
    """How good the plan is, in words."""
    if not f.scenario.satellites:
        return []
    proof = f"The plan is proven within {percent(f.plan.gap, 2)} of the best possible"
    if f.plan.skies:
        proof += f" in the {f.plan.skies} sampled skies that it was made for; the worlds above are others"
    said = [*f.plan.notes, *filter(None, [unproven_sentence(unproven_links(f.scenario))])]
    notes = [f"{note[:1].upper()}{note[1:]}." for note in said]
    return [proof + ".", *notes]


def band_words(f: Findings) -> str:
    """How far the answer may be off, in one paragraph."""
    if not f.scenario.satellites:
        return "Nothing of this result hangs on weather: there is no satellite."
    if f.simulation is not None:
        space = f.simulation.space_key_bit
        low, middle, high = np.quantile(space, [0.1, 0.5, 0.9])
        return (
            f"Over {len(space)} sampled worlds (weather and the stated uncertainties together; relay knows the sky of "
            f"the whole period, so operators without foresight deliver less), 90 % exceed "
            f"{format_bits(low)} of key from space, half exceed {format_bits(middle)} and 10 % exceed "
            f"{format_bits(high)}."
        )
    words = "No simulation was run, so the shares of worlds that exceed an amount are not known."
    if len(f.variants):
        bits = f.variants["planned_expected_bit"]
        words += (
            f" Between the hardware presets {bits.idxmin()} and {bits.idxmax()} the same contacts bring "
            f"{format_bits(bits.min())} to {format_bits(bits.max())} on average over clouds."
        )
    return words


def recourse_words(f: Findings) -> list[str]:
    """What deciding on the night adds, in a sentence."""
    if f.simulation is None or f.simulation.recourse.empty:
        return []
    found, skill = f.simulation.recourse, f.scenario.schedule.night_skill
    gain = {name: found[f"{name}_bit"] - found["as_planned_bit"] for name in ("night", "perfect")}
    return [
        f"Flying backups where a forecast of skill {skill:g} (assumed) puts the contact under cloud and the backup in "
        f"the clear would add {format_bits(gain['night'])} ± {format_bits(found['night_error_bit'])} on average over "
        f"weather, all demands together, and a forecast that is always right {format_bits(gain['perfect'])} ± "
        f"{format_bits(found['perfect_error_bit'])}; the figures above do not count on it."
    ]


def band_table(f: Findings) -> Table | None:
    """Per demand what 90 % of the worlds exceed, and the median; None without a simulation."""
    if f.simulation is None:
        return None
    rows = []
    for name, row in f.simulation.demands.iterrows():
        mean = f"{format_bits(row['all_in_mean_bit'])} ± {format_bits(row['all_in_mean_error_bit'])}"
        values = (row[f"all_in_{c}_bit"] for c in ("exceeded_90pct", "median", "exceeded_10pct"))
        rows.append((
            str(name), format_bits(row["asked_bit"]), format_bits(row["weather_only_mean_bit"]), mean,
            *(format_bits(v) for v in values), percent(row["all_in_met_share"]),
            *(f"{row[f'all_in_{c}_keys_per_day']:,.0f}" for c in ("mean", "exceeded_90pct")),
        ))  # fmt: skip
    head = ("demand", ">asked", ">mean, weather alone", ">mean", ">9 of 10 exceed", ">median", ">1 of 10 exceeds",
            ">ask met in", ">256-bit keys a day, mean", ">9 of 10 exceed a day")  # fmt: skip
    return Table("Delivery over sampled worlds; where not said otherwise all stated uncertainties count", head, rows)


def largest_assumptions(f: Findings, *, count: int = 3) -> list[str]:
    """The assumptions on which the largest share of the key rests, the largest first, each with that share."""
    found = [*_hardware(f), *_weather(f), *_orbits(f), *_stations(f), *_nodes(f)]
    found.sort(key=lambda line: -line[0])
    return [f"{words} ({percent(share)})" for share, words in found[:count]]


def _hardware(f: Findings) -> list[tuple[float, str]]:
    bits = f.variants["planned_expected_bit"]
    if not len(bits) or bits.max() <= 0:
        return []
    words = (
        f"Terminal and receiver: the same contacts bring {format_bits(bits.min())} with the preset {bits.idxmin()} and "
        f"{format_bits(bits.max())} with {bits.idxmax()}; clock, detector, coupling and pointing are assumed"
    )
    return [(1 - bits.min() / bits.max(), words)]


def _weather(f: Findings) -> list[tuple[float, str]]:
    clear, expected = f.planned["skl_bit"].sum(), f.planned["expected_skl_bit"].sum()
    if clear <= 0:
        return []
    words = (
        f"Weather: {weather_words(f.scenario)}, each contact's key weighted by its chance of a clear line of sight; "
        "clouds take this share of the clear-sky key"
    )
    return [(1 - expected / clear, words)]


def _orbits(f: Findings) -> list[tuple[float, str]]:
    total = f.planned["expected_skl_bit"].sum()
    designed = {s.name: s.orbit for s in f.scenario.satellites if s.orbit is not None}
    if total <= 0 or not designed:
        return []
    share = f.planned.loc[f.planned["satellite"].isin(designed), "expected_skl_bit"].sum()
    hours = [f"{n}: {o.ltan_h:g} h" for n, o in designed.items() if o.kind == "sun_synchronous"]
    local = f" (local time of the ascending node {short_list(hours)})" if hours else ""
    words = f"Orbits are by design{local}; they decide how many passes fall into the night"
    return [(share / total, words)]


def _stations(f: Findings) -> list[tuple[float, str]]:
    total = f.planned["expected_skl_bit"].sum()
    unreal = [o for o, s in f.scenario.stations.items() if s.status_class != "operational"]
    if total <= 0 or not unreal:
        return []
    share = f.planned.loc[f.planned[["ogs", "ogs_b"]].isin(unreal).any(axis=1), "expected_skl_bit"].sum() / total
    names = short_list([station_label(o, f.scenario) for o in unreal])
    return [(share, f"Stations that do not operate today take part of the key from space: {names}")]


def _nodes(f: Findings) -> list[tuple[float, str]]:
    nodes, routes = f.relay.network.nodes, f.relay.routes
    assumed = set(nodes.index[nodes["trust"] == "assumed"])
    total = routes["bit"].sum()
    if not assumed or total <= 0:
        return []
    over = routes["bit"][[bool(assumed.intersection(p)) for p in routes["path"]]].sum()
    words = (
        f"Backbone: delivered key passes some of {len(assumed)} trusted nodes that are assumed so that spans stay "
        f"within {f.scenario.fiber.reach_db:g} dB; installed links are taken to reach "
        f"{percent(f.scenario.fiber.commissioning_factor)} of the modelled rate"
    )
    return [(over / total, words)]


def weather_words(scenario: Scenario) -> str:
    """What the chances of a clear sky rest on."""
    model = scenario.weather
    return {
        "climatology": "monthly cloud climate",
        "record": f"the years of {model.file} over the period",
        "forecast": f"the forecast {model.file}, blended with the monthly cloud climate",
        "clear_sky": "no clouds",
        "constant": f"a clear line of sight with probability {model.p_clear}",
    }[model.model]


def aerosol_words(scenario: Scenario) -> str:
    """Which aerosol the extinction of clear air rests on."""
    air = scenario.atmosphere
    own = [name for name, s in scenario.stations.items() if s.optical_depth_500nm_by_month]
    if air.extinction_table:
        words = "a table of radiative transfer for all stations"
    elif air.aerosol == "climatology":
        words = "the climatology of turbidity by station and month"
    elif air.optical_depth_500nm is not None:
        words = f"an optical depth of {air.optical_depth_500nm:g} at all stations"
    else:
        words = f"a visibility of {air.visibility_km or USUAL_VISIBILITY_KM:g} km at all stations"
    return words + (f"; {short_list(own)} by months of their own" if own else "")


def change_words(f: Findings) -> list[str]:
    """What changed since the compared run, in sentences."""
    if f.comparison is None:
        return ["No earlier run was given to compare with."]
    change = f.comparison.contacts["change"]
    counts = [
        (int((change == "same").sum()), "as they were"), (int((change == "added").sum()), "added"),
        (int((change == "dropped").sum()), "dropped"),
        (int(change.str.contains("moved").sum()), "moved"),
        (int(change.isin(["key", "status", "key, status"]).sum()), "changed in key or status only"),
    ]  # fmt: skip
    table, counted = f.comparison.delivery, "of expected key"
    moved = table["difference_bit"].fillna(0.0)
    if table[["mean_bit_a", "mean_bit_b"]].notna().any(axis=None):
        moved, counted = (table["mean_bit_b"] - table["mean_bit_a"]).fillna(0.0), "on average over worlds"
    differ = moved[moved.abs() > 1]
    delivery = [f"{name} {'+' if bit > 0 else '−'}{format_bits(abs(bit))}" for name, bit in differ.items()]
    return [
        f"Of the contacts of {f.compared_with} and of this run, "
        + ", ".join(f"{n} {words}" for n, words in counts if n) + ".",
        f"Delivery {counted}: {short_list(delivery)}." if delivery else "No demand gets more or less than before.",
    ]  # fmt: skip


def change_table(f: Findings) -> Table | None:
    """Headline numbers that differ from the compared run; None without one, or where nothing differs."""
    if f.comparison is None:
        return None
    table = f.comparison.headline
    differ = table[~np.isclose(table["a"], table["b"], rtol=1e-9, atol=0, equal_nan=True)].head(_MOST_CHANGES)
    if differ.empty:
        return None
    rows = [
        (str(name), _amount(str(name), row["a"]), _amount(str(name), row["b"]),
         ("+" if row["difference"] > 0 else "") + _amount(str(name), row["difference"]),
         "–" if np.isnan(row["relative"]) else f"{100 * row['relative']:+.1f} %")
        for name, row in differ.iterrows()
    ]  # fmt: skip
    head = ("quantity", f">{f.compared_with}", ">this run", ">difference", ">relative")
    return Table(f"Headline numbers that differ from {f.compared_with}", head, rows)


def _amount(name: str, value: float) -> str:
    """A headline number, key in its usual units."""
    if np.isnan(value):
        return "–"
    return ("−" if value < 0 else "") + format_bits(abs(value)) if "[bit]" in name else f"{value:,.6g}"


def cause_words(cause: str) -> str:
    """What a cause of the simulation is, in words."""
    return _CAUSE_WORDS.get(cause, cause)

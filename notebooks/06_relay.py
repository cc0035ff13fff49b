# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How does a key from space reach Erfurt, and who sees it on the way?
#
# Erfurt has no ground station. A key from space arrives somewhere else and is relayed over fibre, and every hop costs
# as much key as it carries. This notebook follows one demand hop by hop, then asks what the ground adds to the risk:
# trusted eyes, dead spans, failing nodes, late requests.

# %%
import os
from pathlib import Path

import pandas as pd

import eqci_space as eq

out = Path(os.environ.get("EQCI_NOTEBOOK_OUT", "out"))
out.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## A question is an overlay
#
# The shipped scenario has no demand at Erfurt, so we lay one over it: 400 keys a day with Warsaw, borders crossed only
# through the satellite. The period becomes two weeks, to leave room for an outage further down. The volume is assumed,
# as are those of the shipped demands; `scn.sources` says which file every value comes from. The plan counts few sampled
# skies, to be quick.

# %%
(out / "erfurt.toml").write_text("""
end = 2027-03-15T12:00:00Z

[[demand]]
name = "government Erfurt-Warsaw"
between = ["ERF", "WAW"]
purpose = "government"
assurance = "space_path"
keys_256_per_day = { value = 400, source = "assumed" }
weight = 3

[schedule]
plan_skies = 10
""")
scn = eq.load_scenario("quant-gpicz", overlays=[out / "erfurt.toml"])
study = eq.Study(scn)
relay = study.relay
relay

# %% [markdown]
# The paths of the key of one demand:

# %%
demand = "government Erfurt-Warsaw"
routes = relay.routes[relay.routes["demand"] == demand]
by_path = routes.assign(path=routes["path"].map(" – ".join)).groupby("path", sort=False)
by_path.agg(days=("bin", "nunique"), first_day=("bin", "min"), bit=("bit", "sum")).style.format({"bit": "{:,.0f}"})

# %% [markdown]
# Nothing on the first day: what a contact brings serves from the next bin on.
#
# ## One day, hop by hop
#
# The busiest day. The same number of bits is debited from every store on the path: a relayed key is encrypted hop by
# hop with as much key of each. The last columns show how different the stores are. Fibre brings Gbit a day and runs
# full; the two satellite stores are what the path is short of.

# %%
busiest = routes.loc[routes["bit"].idxmax()]
hops = pd.DataFrame({"from": busiest["path"][:-1], "to": busiest["path"][1:], "edge": busiest["edges"]})
today = relay.stores[relay.stores["bin"] == busiest["bin"]].set_index("edge")
levels = today.loc[hops["edge"], ["initial_bit", "deposited_bit", "used_bit", "stock_bit"]].reset_index(drop=True)
print(f"{busiest['bin']:%d %b}: {busiest['bit']:,.0f} bit for {demand}, debited on each of {len(hops)} hops")
pd.concat([hops.assign(debited_bit=busiest["bit"]), levels], axis=1).style.format(precision=0, thousands=",")

# %% [markdown]
# `used_bit` is at least `debited_bit`; the rest went to other demands. Now the stores over the two weeks. The dashed
# lines are the need of one day, and the legend says for how many days the last stock would cover it.

# %%
eq.plot.store_levels(relay, scn).figure

# %%
eq.plot.demand_heatmap(relay).figure

# %% [markdown]
# The bottleneck is not fibre. Prices of the relay's optimum say what one more Mbit would be worth, edge by edge:

# %%
eq.plot.bottleneck_map(relay, scn).figure

# %% [markdown]
# ## Who saw it
#
# The satellite crosses the border, so no hand-over between national networks happens on the ground. It does not mean
# fewer eyes everywhere: towards the nearest ground station the key passes a chain of trusted nodes, and for
# Prague–Berlin the chain is longer than that of plain fibre.

# %%
eq.plot.exposure_chart(relay, scn).figure

# %% [markdown]
# What would the demand get in other classes, were it alone? All that fibre and the two weeks' contacts give. The class
# decides over four orders of magnitude: that is the price of not trusting the border. Classes combine: within 12 nodes
# there is more key if it may also go by fibre to a station abroad than if all borders are left to the satellite.

# %%
classes = (("any",), ("two_disjoint",), ("max_nodes=8",), ("max_nodes=12",), ("max_nodes=14",), ("space_path",),
           ("space_path", "max_nodes=12"))  # fmt: skip
frontier = eq.exposure_frontier(study.deposits, scn, demand, network=study.network, classes=classes)
eq.plot.exposure_frontier_plot(frontier).figure

# %% [markdown]
# ## Two readings of Poznań–Warsaw
#
# Published are 380 km and five intermediate nodes, not where these stand. Prorated over the towns of the corridor, one
# span has 24.7 dB, beyond a reach of 24 dB. Six equal spans of 63 km have 15.8 dB each. Above, spans beyond reach were
# split by assumed nodes; here they are dead, as they would be if nobody built those nodes.

# %%
prorated = scn.model_copy(update={"fiber": scn.fiber.model_copy(update={"beyond_reach": "dead"})})
equal = scn.model_copy(update={"fiber": prorated.fiber.model_copy(update={"equal_spans": ("PIO-POZ-WAW",)})})
rows, shares = {}, {}
for name, reading in {"spans split": scn, "prorated, dead": prorated, "equal 63 km, dead": equal}.items():
    network = eq.build_network(reading)
    between = eq.hub_spans(network, reading).set_index(["a", "b"]).loc[("POZ", "WAW")]
    given = eq.relay_keys(study.deposits, reading, network=network)
    rows[name] = {"dead spans": len(eq.dead_spans(network)), **between, "unreachable": ", ".join(given.unreachable)}
    totals = given.delivery.groupby("demand", sort=False)[["delivered_bit", "asked_bit"]].sum()
    shares[name] = 100 * totals["delivered_bit"] / totals["asked_bit"]
pd.DataFrame(rows).T

# %%
eq.plot.scenario_comparison(pd.DataFrame(shares), quantity="delivered share of the key asked for [%]").figure

# %% [markdown]
# Equal spans bring Poznań–Warsaw back, but not Berlin–Warsaw: between the Oder and Poznań another span is too long.
# Then the satellite is the only way there, and it gives hundreds of kbit to demands that ask for hundreds of Mbit. The
# contacts are those of the plan above; planned anew, they would be chosen for the network that there is.
#
# ## Where do nodes have to stand?
#
# Berlin–Frankfurt, 670 km. Equal spans are best, for the weakest span sets the end-to-end rate. Fibre of 0.22 dB/km and
# 1 dB for the terminals of a span, and installed devices at a fifth of the modelled rate (all assumed):

# %%
fiber = scn.fiber
choices = [
    eq.place_nodes(670, fiber.device, spans=n, commissioning_factor=fiber.commissioning_factor) for n in range(5, 13)
]
siting = pd.DataFrame(
    [(len(c) - 1, 670 / len(c), c["loss_db"].iloc[0], c["skr_bit_s"].min() / 1e3) for c in choices],
    columns=["intermediate nodes", "span [km]", "span loss [dB]", "end to end [kbit/s]"],
).set_index("intermediate nodes")
wanted = eq.place_nodes(670, fiber.device, min_rate_bit_s=1e4, commissioning_factor=fiber.commissioning_factor)
print(f"10 kbit/s end to end takes {len(wanted) - 1} nodes, {wanted['end_km'].iloc[0]:.0f} km apart")
siting.round(1)

# %% [markdown]
# ## What if one thing fails?
#
# Every node, link, station and satellite in turn, relay solved anew, the period taken for one bin (a screening, so
# slightly hopeful). Ends of demands come first, for nothing can replace them; next come the satellite and the stations
# that stand alone in their country.

# %%
failures = eq.single_failures(study.deposits, scn, network=study.network, one_bin=True)
eq.plot.failure_ranking(failures, most=16).figure

# %% [markdown]
# ## Poznań is down for a week
#
# An overlay again. Nobody knows of an outage beforehand, so both relays go bin by bin, contacts as planned. Of the
# demands that it touches: until when they are served, what they lack in the two weeks, and their paths.

# %%
outage = """
[[outage]]
node = "POZ"
start = 2027-03-03T12:00:00Z
end = 2027-03-10T12:00:00Z
"""
(out / "poznan.toml").write_text(outage)
changed = eq.load_scenario("quant-gpicz", overlays=[out / "erfurt.toml", out / "poznan.toml"])
answer = eq.outage_answer(study.deposits, scn, changed)
moved = answer.demands[answer.demands["path_before"].str.contains("POZ")]
moved.style.format({"shortage_bit": "{:,.0f}"})

# %% [markdown]
# Poznań–Warsaw itself ends there and is lost. Berlin–Warsaw goes round by Dresden and Wrocław and draws on the stores
# of that way, while links at Poznań get nothing. From when on each holds as much again as without the outage (NaT: not
# within the two weeks):

# %%
answer.stores[~answer.stores.index.str.contains("|", regex=False)].style.format({"lowest_bit": "{:,.0f}"})

# %% [markdown]
# If only the QKD devices of the node stop, and its key management goes on, the stores bridge the week:

# %%
(out / "poznan_devices.toml").write_text(outage + 'stops = "key_generation"\n')
devices = eq.load_scenario("quant-gpicz", overlays=[out / "erfurt.toml", out / "poznan_devices.toml"])
bridged = eq.outage_answer(study.deposits, scn, devices)
print(f"lacking in two weeks: {bridged.demands['shortage_bit'].clip(lower=0).sum():,.0f} bit")
eq.plot.store_levels(bridged.after, devices, edges=["PIO-POZ-WAW-1", "X-BER-POZ-5"]).figure

# %% [markdown]
# ## Requests do not come by the day
#
# The plan counts whole days. Here the same routes meet requests at random times, in steps of 15 minutes; who waits more
# than an hour is blocked. Deposits are the expected ones, so this shows the effect of timing alone, not of weather.

# %%
replay = eq.replay_routes(relay, study.deposits, scn, traffic="poisson", rng=1)
eq.plot.replay_chart(replay).figure

# %% [markdown]
# A demand that comes first may take more of a route than the plan gives it, and another goes short days later. Without
# this fallback everyone keeps to the plan:

# %%
strict = eq.replay_routes(relay, study.deposits, scn, traffic="poisson", rng=1, fallback=False)
parts = ["requested_bit", "on_time_bit", "late_bit", "blocked_bit"]
modes = {"with fallback": replay, "plan only": strict}
pd.DataFrame({name: r.demands.loc[r.demands["demand"] == demand, parts].sum() for name, r in modes.items()}).round()

# %% [markdown]
# ## Keep it

# %%
replay.demands.to_csv(out / "erfurt_replay.csv", index=False)
failures.to_csv(out / "erfurt_failures.csv")
sorted(p.name for p in out.glob("erfurt*"))

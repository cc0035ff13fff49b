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
# # How much key can one satellite add between Berlin, Warsaw and Prague in a week?
#
# One EAGLE-1-like satellite, five stations, and the German–Polish–Czech backbone. Values that are assumed say so in the
# scenario file; one station (Ondřejov) is hypothetical.

# %%
import os
from pathlib import Path

import eqci_space as eq

out = Path(os.environ.get("EQCI_NOTEBOOK_OUT", "out"))
scn = eq.load_scenario("quant-gpicz")
scn

# %% [markdown]
# What the satellite is taken to be, and on what ground:

# %%
[line for line in scn.sources if line[0].startswith("satellite.0")]

# %% [markdown]
# ## Passes and windows
#
# A pass is geometry: the satellite stands above 20°. A window is its part at night.

# %%
study = eq.Study(scn)
passes, windows = study.passes, study.windows
passes.groupby("ogs").size().to_frame("passes").join(windows.groupby("ogs").size().rename("windows"))

# %% [markdown]
# ## Link budget of the best window

# %%
keys = study.keys
best = keys["skl_bit"].idxmax()
eq.plot.waterfall(study.budget, best).figure

# %% [markdown]
# ## Secret key per window
#
# One finite-key block per window, protocol parameters and elevation cut optimised. The chance of a clear line of sight
# comes from the monthly cloud climate.

# %%
offers = study.candidates
offers[["ogs", "start", "skl_bit", "p_clear"]].assign(expected_bit=offers["skl_bit"] * offers["p_clear"]).head(10)

# %% [markdown]
# ## The plan
#
# Contacts and key relay are chosen together, for the mean over sampled skies; the bound says how far from the best
# possible plan this one can be.

# %%
plan = study.plan
plan

# %% [markdown]
# What the demands get over a week: the mean over sampled worlds of weather and all stated uncertainties, and what 9 of
# 10 such weeks exceed. Data centres and control are served by fibre; the government demands cross borders by satellite.

# %%
worlds = study.simulate(trials=200)
columns = ["asked_bit", "all_in_mean_bit", "all_in_mean_error_bit", "all_in_exceeded_90pct_bit", "all_in_met_share"]
worlds.demands[columns].round(2)

# %%
eq.plot.gantt(plan, scn, windows=windows).figure

# %% [markdown]
# ## What reaches the cities of expected key, and who saw it
#
# Relay of expected key shows the paths. What it delivers to all demands together is an upper bound of the mean over
# skies.

# %%
study.relay

# %%
eq.exposure(study.relay, scn)[["asked_bit", "delivered_bit", "space_share", "trusted_nodes", "nations"]]

# %%
eq.plot.network_map(study.relay, scn).figure

# %%
eq.plot.key_stores(study.relay, scn).figure

# %% [markdown]
# ## Against fibre alone
#
# The class `space_path` lets key cross a border only through the satellite, so fibre alone gives these demands nothing.

# %%
both, alone = (eq.exposure(r, scn)["delivered_bit"] for r in (study.relay, study.fibre_only))
(both - alone).rename("gain_bit").to_frame()

# %% [markdown]
# ## Keep it

# %%
study.save(out / "quant-gpicz-notebook", trials=200)
eq.load_run(out / "quant-gpicz-notebook")

# %%
sorted(p.name for p in (out / "quant-gpicz-notebook").iterdir())

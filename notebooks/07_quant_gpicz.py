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
# Contacts and key relay are chosen together; the bound says how far from the best possible plan this one can be.

# %%
plan = study.plan
plan

# %%
eq.plot.gantt(plan, scn, windows=windows).figure

# %% [markdown]
# ## What reaches the cities, and who saw it

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
study.save(out / "quant-gpicz-notebook")
eq.load_run(out / "quant-gpicz-notebook")

# %%
sorted(p.name for p in (out / "quant-gpicz-notebook").iterdir())

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
# # From photons to certified key
#
# Every window is one finite-key block of efficient BB84 with two decoys. Protocol parameters and the part of the window
# that is used are optimised; authentication is paid. A length carries its proof and its failure probability.

# %%
import os
from pathlib import Path

import eqci_space as eq
from eqci_space.qkd.blocks import BlockTable
from eqci_space.qkd.optimiser import optimise_key
from eqci_space.qkd.protocols import security_parameters
from eqci_space.qkd.slots import window_slots

out = Path(os.environ.get("EQCI_NOTEBOOK_OUT", "out"))
out.mkdir(parents=True, exist_ok=True)
scn = eq.load_scenario("quant-gpicz")
samples = eq.sample_windows(eq.observable_windows(eq.find_passes(scn), scn), scn)
budget = eq.link_budget(samples, scn)
keys = eq.window_keys(budget, scn)
keys[["skl_bit", "sifted_bit", "qber", "epsilon", "proof"]].head()

# %% [markdown]
# ## Window by window

# %%
strong = keys["skl_bit"].idxmax()
eq.plot.key_profile(budget, keys, scn, strong).figure

# %% [markdown]
# ## The elevation cut
#
# A worse link shows why not every second of a window is used: with 12 dB into the fibre instead of some 4, noise
# outweighs signal at the edges. The shaded parts cost more key than they give, so they are left out.


# %%
def with_coupling_loss(loss_db):
    stations = {}
    for name, station in scn.stations.items():
        receiver = type(station.receiver)(
            **(station.receiver.model_dump() | {"coupling": "stated", "coupling_loss_db": loss_db})
        )
        stations[name] = station.model_copy(update={"receiver": receiver})
    return scn.model_copy(update={"stations": stations})


worse = with_coupling_loss(12.0)
worse_budget = eq.link_budget(samples, worse)
worse_keys = eq.window_keys(worse_budget, worse)
lasting_s = worse_budget.groupby("window_id")["weight_s"].sum()
used = (worse_keys["usable_end"] - worse_keys["usable_start"]).dt.total_seconds() / lasting_s
weak = used[worse_keys["skl_bit"] > 0].idxmin()
ax = eq.plot.key_profile(worse_budget, worse_keys, worse, weak)
ax.figure.savefig(out / "cut_window.png", dpi=120)
ax.figure

# %% [markdown]
# How much the cut gives: the same windows, used from end to end.

# %%
security = security_parameters(worse.protocol)
whole = {}
for window in window_slots(worse_budget, worse):
    block = BlockTable(window.running()[-1], window.receiver.afterpulse_probability)
    whole[window.window_id] = max(0.0, optimise_key(block, security).length_bit - security.authentication_bit)
cut = worse_keys[["skl_bit"]].assign(uncut_bit=whole).query("skl_bit > 0")
cut.assign(gain_bit=cut["skl_bit"] - cut["uncut_bit"]).sort_values("gain_bit", ascending=False).head(6).round(0)

# %% [markdown]
# ## What 3 dB cost
#
# Half the light is far less than half the key. Thin lines: single windows at the parameters chosen for the clear sky,
# as when cirrus comes unannounced.

# %%
responses = eq.window_responses(budget, keys, scn, [0.0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10])
ax = eq.plot.key_response(responses)
ax.figure

# %%
share = responses.sum() / responses[0.0].sum()
f"3 dB leave {100 * share[3.0]:.0f} % of the key at fixed parameters"

# %% [markdown]
# ## Waiting for more statistics
#
# Several windows in one block give more key than alone, later. The gain is small for strong windows and large for weak
# ones, such as those of the worse link; the price is the age of the key.

# %%
blocks = {n: eq.aggregate_keys(worse_budget, worse_keys, worse, windows_per_block=n) for n in (1, 2, 3, 5)}
ax = eq.plot.aggregation_gain(blocks)
ax.figure

# %% [markdown]
# ## Other choices
#
# One decoy instead of two, one parameter set for all windows of a satellite, a modulator that never goes quite dark,
# and the usual expansion of the sampling inequality, which small samples break.


# %%
def total_mbit(**protocol):
    changed = type(scn.protocol)(**(scn.protocol.model_dump() | protocol))
    total = eq.window_keys(budget, scn.model_copy(update={"protocol": changed}))["skl_bit"].sum()
    return round(float(total) / 1e6, 2)


{
    "two decoys": total_mbit(),
    "one decoy": total_mbit(kind="bb84-one-decoy"),
    "one parameter set": total_mbit(parameters="common"),
    "vacuum of 0.002 photons": total_mbit(intensity_3=0.002),
    "expanded sampling of Lim et al. 2014": total_mbit(sampling="lim2014"),
    "Hoeffding bounds": total_mbit(bound="hoeffding"),
}

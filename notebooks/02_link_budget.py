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
# # Where do the photons go?
#
# The link budget of a pass: every decibel named, with the model and source behind it. Key counts are linear in the mean
# transmittance, so the budget holds means; fades come apart.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import eqci_space as eq
from eqci_space.linkbudget.budget import budget_terms, waterfall_table
from eqci_space.linkbudget.coupling import smf_coupling_kolmogorov
from eqci_space.linkbudget.link import Link
from eqci_space.linkbudget.lookup import lookup_loss_db, make_lookup
from eqci_space.linkbudget.turbulence import fried_parameter_m, hufnagel_valley_layers

out = Path(os.environ.get("EQCI_NOTEBOOK_OUT", "out"))
out.mkdir(parents=True, exist_ok=True)
scn = eq.load_scenario("quant-gpicz")
samples = eq.sample_windows(eq.observable_windows(eq.find_passes(scn), scn), scn)
budget = eq.link_budget(samples, scn)
budget_terms()

# %% [markdown]
# ## One window

# %%
best = budget.loc[budget["total_loss_db"].idxmin(), "window_id"]
waterfall_table(budget, scn, best).round(2)

# %%
eq.plot.waterfall(budget, best).figure

# %%
eq.plot.loss_profile(budget, best).figure

# %% [markdown]
# ## What adaptive optics are worth
#
# The receiver corrects 36 modes at 200 Hz, a system of the Strehl ratio that OPALS had. Its loss into the fibre follows
# the elevation and the slew of the telescope. Beside it: nothing corrected, tip and tilt alone, and 90 modes at 400 Hz.


# %%
def with_optics(**receiver):
    station = scn.stations["GRAZ"]
    optics = station.receiver.model_copy(update=receiver)
    return scn.model_copy(update={"stations": {"GRAZ": station.model_copy(update={"receiver": optics})}})


graz = samples[samples["ogs"] == "GRAZ"]
options = {
    "no correction": {"adaptive_optics_modes": 1, "adaptive_optics_bandwidth_hz": None},
    "tip-tilt": {"adaptive_optics_modes": 3},
    "36 modes, 200 Hz: the receiver": {},
    "90 modes, 400 Hz": {"adaptive_optics_modes": 90, "adaptive_optics_bandwidth_hz": 400.0},
}
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for label, receiver in options.items():
    modelled = eq.link_budget(graz, with_optics(**receiver)).sort_values("elevation_deg")
    ax.plot(modelled["elevation_deg"], modelled["coupling_loss_db"], ".", markersize=2, label=label)
ax.set(xlabel="elevation [°]", ylabel="coupling loss [dB]", ylim=(0, None))
ax.legend(frameon=False, fontsize=8, markerscale=6)
plt.close(figure)
figure

# %%
layers = hufnagel_valley_layers()
fried = fried_parameter_m(layers, wavelength_m=1.55e-6, elevation_deg=90.0)
print(
    f"HV 5/7 at 1550 nm: r0 = {100 * fried:.1f} cm; an 80 cm telescope couples "
    f"{100 * smf_coupling_kolmogorov(0.8 / fried):.1f} % without correction"
)

# %% [markdown]
# ## Means and quantiles
#
# A 1 % fade of pointing and scintillation together. It tells how a tracker lives, not how much key there is.

# %%
faded = eq.link_budget(samples, scn, statistic="quantile", exceeded_probability=0.01)
faded.groupby("ogs")["fade_loss_db"].describe()[["min", "mean", "max"]].round(2)

# %% [markdown]
# ## Upwards: a beacon
#
# On the way up turbulence stands at the transmitter: the beam spreads and wanders, and nothing averages it. A mirror
# that follows the tilt of the satellite's own beacon looks behind by the point-ahead angle, and takes out a part only.

# %%
from eqci_space.linkbudget.uplink_budget import Uplink, uplink_budget
from eqci_space.scenario import Atmosphere, Receiver, Terminal

transmitter = Terminal(
    wavelength_m=1.064e-6, aperture_diameter_m=0.15, beam_radius_m=0.05, jitter_rad=1e-6, pulse_rate_hz=1e6,
    intrinsic_error=0.0,
)  # fmt: skip
camera = Receiver(
    aperture_diameter_m=0.08, optics_transmittance=0.5, coupling_loss_db=0.0, field="free_space",
    field_of_view_rad=1e-3, filter_bandwidth_m=1e-8, detector_efficiency=1.0, dark_count_rate_hz=0.0, gate_s=1e-3,
    intrinsic_error=0.0,
)  # fmt: skip
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for tracked, label in ((False, "wander and spread"), (True, "tilt tracked, 2 ms late")):
    beacon = Uplink(
        transmitter=transmitter, receiver=camera, satellite_altitude_m=500e3, tracked=tracked, delay_s=2e-3,
        power_w=1.0, background_radiance_w_m2_sr_m=0.0,
    )  # fmt: skip
    up = uplink_budget(graz, beacon, scn.stations["GRAZ"], scn.atmosphere).sort_values("elevation_deg")
    ax.plot(up["elevation_deg"], up["turbulence_loss_db"], ".", markersize=2, label=label)
ax.set(xlabel="elevation [°]", ylabel="turbulence loss of the uplink [dB]", ylim=(0, None))
ax.legend(frameon=False, fontsize=8, markerscale=6)
plt.close(figure)
print(
    f"{1e6 * up['received_power_w'].min():.0f} to {1e6 * up['received_power_w'].max():.0f} µW of 1 W arrive; within "
    f"{up['eye_hazard_distance_m'].iloc[0] / 1e3:.1f} km the beam is no place for an eye (a flag, not a certificate)"
)
figure

# %% [markdown]
# ## Micius, flown and predicted
#
# Losses digitised from the downlink of 2016-12-19 (Liao et al. 2017, Nature 549, 43; receiver optics included, detector
# excluded), and the link as flown: the terminal's pointing grows from the zenith to the horizon, and the printed 3 to 8
# dB of the atmosphere are read as the span of a pass. Under clear standard air alone the model would be too optimistic
# by 4 to 10 dB. Nothing is fitted to a pass.

# %%
flown = eq.load_scenario(eq.data_path("flown", "micius.toml"))
replay = eq.replay_passes(eq.read_flown_passes(eq.data_path("flown", "micius.csv")), flown)
from eqci_space.studies.replay import skill_sentences

for sentence in skill_sentences(replay):
    print(sentence)
columns = ["max_elevation_deg", "predicted_sifted_bit", "sifted_bit", "predicted_qber", "qber", "predicted_key_bit",
           "key_bit", "grade"]  # fmt: skip
replay.passes[columns].round({"max_elevation_deg": 1, "predicted_sifted_bit": 0, "predicted_qber": 4,
                              "predicted_key_bit": 0})  # fmt: skip

# %%
from eqci_space.linkbudget.pass_geometry import slant_range_m

losses = pd.read_csv(eq.data_path("flown", "micius_losses.csv"))
elevation = np.linspace(15, 88, 100)
distance = slant_range_m(elevation, satellite_altitude_m=500e3)
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for air, label in ((flown.atmosphere, "as flown"), (Atmosphere(), "clear standard air")):
    link = Link(flown.satellites[0].terminal, flown.stations["XINGLONG"], air)
    model = lookup_loss_db(make_lookup(link, lowest_elevation_deg=12.0), elevation_deg=elevation, range_m=distance)
    model += 10 * np.log10(flown.stations["XINGLONG"].receiver.detector_efficiency)
    ax.plot(distance / 1e3, model, label=f"predicted, {label}")
ax.plot(losses["range_km"], losses["loss_db"], "o", label="flown (Liao et al. 2017)")
ax.plot([1200, 1200], [33.0, 41.0], color="grey", linewidth=5, alpha=0.4, zorder=0, label="range of the printed budget")
ax.set(xlabel="slant range [km]", ylabel="loss without detector [dB]", xlim=(480, 1350))
ax.legend(frameon=False, fontsize=8)
plt.close(figure)
figure

# %%
replay.passes.to_csv(out / "flown_passes.csv")
eq.plot.flown_passes(replay).figure

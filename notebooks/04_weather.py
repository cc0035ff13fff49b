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
# # Clouds, and what a stated figure is worth
#
# Cloud decides how much of a plan survives. This notebook goes from the climate of stations to skies that are
# correlated in space and time, from there to records and forecasts, and ends with the figure that 90 % of the worlds
# exceed.

# %%
import os
from pathlib import Path

import numpy as np
import pandas as pd

import eqci_space as eq
from eqci_space.scenario import Weather
from eqci_space.weather import analysis, field
from eqci_space.weather.climatology import cloud_cover, monthly_cover
from eqci_space.weather.forecast import cloud_quantile
from eqci_space.weather.outlook import clear_probability

out = Path(os.environ.get("EQCI_NOTEBOOK_OUT", "out"))
out.mkdir(parents=True, exist_ok=True)
scn = eq.with_values(eq.load_scenario("quant-gpicz"), {"schedule.plan_skies": 25})  # few, to be quick; by default 100
study = eq.Study(scn)
{name: monthly_cover(s.latitude_deg, s.longitude_deg)[1] for name, s in scn.stations.items()}

# %% [markdown]
# ## How often is the line of sight clear?
#
# Not one minus the cloud cover: the line of sight crosses more cloud at low elevation, and half-covered skies leave
# holes. At 45 degrees, at night:

# %%
availability = analysis.availability(scn.stations)
eq.plot.availability_matrix(availability).figure

# %% [markdown]
# ## Neighbours share their weather
#
# Düsseldorf, Maastricht and De Bilt, days with more than three oktas, 2005 to 2009 (ECA&D). Independent coin flips miss
# by more than 0.2 how often all three are cloudy; a Gaussian field with correlations of the five years before does not.

# %%
cities = ["DUSSELDORF", "MAASTRICHT", "DE_BILT"]
cloudiness = pd.read_csv(eq.data_path("weather", "ecad_monthly_cloudiness.csv")).query("half == '2005-2009'")
pairs = pd.read_csv(eq.data_path("weather", "ecad_latent_correlations.csv")).query("half == '2000-2004'")
latent = pairs.set_index(["a", "b"])["latent_correlation"]
matrix = np.array([[1.0 if a == b else latent.get((a, b), latent.get((b, a))) for b in cities] for a in cities])
months = cloudiness.pivot_table(index="month", columns="station", values="p_cloudy")[cities].to_numpy()
together = pd.read_csv(eq.data_path("weather", "ecad_joint_cloudiness.csv")).query("period == '2005-2009'")
pd.Series({
    "observed": together.set_index("stations").loc["+".join(cities), "p_all_cloudy"],
    "correlated": np.mean([analysis.joint_cloudiness(p, matrix) for p in months]),
    "independent": months.prod(axis=1).mean(),
}).round(3)  # fmt: skip

# %%
diversity = analysis.site_diversity(scn.stations, month=3)
eq.plot.diversity_map(diversity, availability[3], scn.stations).figure

# %% [markdown]
# ## Droughts size the key stores
#
# Twenty years, hour by hour. A network's droughts are far shorter than those of any of its stations.

# %%
hours = pd.date_range("2027-01-01", periods=8760, freq="h", tz="UTC")
clear = analysis.hourly_availability(scn.stations, hours, trials=20)
droughts = {name: analysis.drought_lengths(clear[:, i]) for i, name in enumerate(scn.stations)}
droughts["all five at once"] = analysis.drought_lengths(clear.any(axis=1))
eq.plot.drought_distribution(droughts).figure

# %% [markdown]
# ## Is the better station really better?
#
# The cloud table is good to about 0.03. `p_ahead_of_next` is the chance that the order of two holds against that; that
# of all of them:

# %%
ranking = analysis.rank_stations(scn.stations)
print(f"chance that the whole order is right: {ranking.attrs['p_order_holds']:.2f}")
ranking.round(3)

# %% [markdown]
# ## A record of your own
#
# `eq.read_weather` takes ERA5 netCDF and GRIB, Open-Meteo JSON, METAR, EPW and CSV. Here a CSV of four years is made
# from the model itself, in oktas, so that we know what `eq.fit_sky` should find: shares 0.672 and 0.328, 9.9 h and
# 59.7 h, 918 km; the fast length, 337 km, is not fitted.

# %%
names, stations = list(scn.stations), list(scn.stations.values())
model = field.SkyModel()
times = pd.date_range("2023-01-01", "2026-12-31T23:00", freq="h", tz="UTC")
place = np.tile(np.arange(len(names)), len(times))
factors = field.spatial_factors(
    np.array([s.latitude_deg for s in stations]), np.array([s.longitude_deg for s in stations]), model
)
sky = field.sample_latent(np.repeat(np.arange(float(len(times))), len(names)), place, factors, model, trials=1, seed=1)
mean = np.column_stack([cloud_cover(s, times) for s in stations])
okta = np.round(8 * cloud_quantile(sky.reshape(mean.shape), mean))
record = pd.DataFrame(okta, columns=names).assign(time=times.strftime("%Y-%m-%dT%H:%MZ"))
record.melt("time", var_name="site", value_name="cloud_okta").assign(cover_kind="earth").to_csv(
    out / "clouds.csv", index=False
)
table = eq.read_weather(out / "clouds.csv")
table.head(3)

# %%
fit = eq.fit_sky(table, {n: (s.latitude_deg, s.longitude_deg, s.height_msl_m) for n, s in scn.stations.items()})
fit.model

# %% [markdown]
# The same file can be replayed: each trial takes the same days of one of its years, at all stations at once. And
# `fit.cover_by_month` is what a station's `cloud_fraction_by_month` expects.

# %%
replayed = scn.model_copy(update={"weather": Weather(model="record", file=str((out / "clouds.csv").resolve()))})
climate = clear_probability(study.budget, scn)
pd.DataFrame({"climate": climate, "four years": clear_probability(study.budget, replayed)}).describe().round(3)

# %% [markdown]
# ## A forecast fades into the climate
#
# Suppose it says clear for the whole week. It is worth 0.9 in correlation at once and less by 1/e every 60 h (assumed;
# `weather.forecast.fit_skill` measures it).

# %%
week = pd.date_range(scn.start, scn.end, freq="h")
told = pd.concat([pd.DataFrame({"site": n, "time": week.strftime("%Y-%m-%dT%H:%MZ")}) for n in names])
told.assign(cloud_percent=0).to_csv(out / "forecast.csv", index=False)
hopeful = scn.model_copy(update={"weather": Weather(model="forecast", file=str((out / "forecast.csv").resolve()))})
start = study.windows["start"].reindex(climate.index)
lead_day = ((start - pd.Timestamp(scn.start)) / pd.Timedelta("1D")).astype(int)
by_day = pd.DataFrame({"climate": climate, "with the forecast": clear_probability(study.budget, hopeful)})
by_day.groupby(lead_day.rename("days ahead")).mean().round(2)

# %% [markdown]
# ## What 90 % of the worlds exceed
#
# The contacts of the plan stay; skies and all stated uncertainties are drawn anew in each world, and the relay is
# solved again. The scenario states each uncertainty with its source. Weather alone is not the whole band.

# %%
simulation = eq.simulate_plan(study.plan, study.budget, study.contact_keys, scn, trials=200)
eq.plot.delivery_fan(simulation, study.plan).figure

# %%
eq.plot.cause_tornado(simulation).figure

# %%
columns = ["asked_bit", "all_in_mean_bit", "weather_only_exceeded_90pct_bit", "all_in_exceeded_90pct_bit",
           "all_in_exceeded_90pct_error_bit"]  # fmt: skip
(simulation.demands[columns] / 1e3).round(1)

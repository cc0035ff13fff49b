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
# # Which passes should which station take, and what does each choice cost?
#
# Five stations see the same satellite within minutes, and it can serve one at a time. The plan chooses contacts and the
# relay of their key together: what counts is key that reaches the demands, not key on the ground. This notebook shows
# the choice, its proof, its price against simpler ways, and what happens when people or forecasts change it.

# %%
import os
from dataclasses import replace
from pathlib import Path

import pandas as pd

import eqci_space as eq
from eqci_space.errors import InfeasibleError
from eqci_space.fiber.problem import flow_problem
from eqci_space.schedule.baselines import BASELINES
from eqci_space.schedule.contacts import candidate_problem, usable_candidates
from eqci_space.schedule.joint import value_of_choice

out = Path(os.environ.get("EQCI_NOTEBOOK_OUT", "out"))
out.mkdir(parents=True, exist_ok=True)
scn = eq.with_values(eq.load_scenario("quant-gpicz"), {"schedule.plan_skies": 12})  # few, to be quick; by default 100
study = eq.Study(scn)


def with_schedule(scenario, **change):
    return scenario.model_copy(update={"schedule": scenario.schedule.model_copy(update=change)})


# %% [markdown]
# ## What can be chosen
#
# Every window that gives key in a clear sky is a candidate. Where two stations see the satellite at once, parts of the
# windows are candidates too, cut on a grid of a minute, so that the satellite can hand over inside a crossing (60 s of
# slew between, assumed).

# %%
offers = study.candidates
offers = offers.assign(expected_bit=offers["skl_bit"] * offers["p_clear"], part=offers.index.str.contains("@"))
offers.groupby("ogs")["part"].agg(windows=lambda p: (~p).sum(), parts="sum")

# %% [markdown]
# A part gives less than its share of the time: the ends of a window lie low, and finite-key statistics punish short
# blocks. One window over Ondřejov, cut off ever later:

# %%
window = offers[offers["window_id"] == "EAGLE1-LIKE/ONDREJOV/20270303T205906Z/1"]
begun = window[window["start"] == window["start"].min()]
pd.DataFrame({
    "time used [s]": (begun["end"] - begun["start"]).dt.total_seconds(), "key [kbit]": begun["skl_bit"] / 1e3,
    "chance of a clear sky": begun["p_clear"], "expected key [kbit]": begun["expected_bit"] / 1e3,
}).sort_values("time used [s]").reset_index(drop=True).round(2)  # fmt: skip

# %% [markdown]
# ## The plan and its proof
#
# The objective is the satisfied share of each demand times its weight, summed over the days, and its mean over sampled
# skies. No choice of contacts can exceed the bound in these skies; the gap is how far the plan may be from the best.

# %%
plan = eq.schedule_contacts(offers, scn, network=study.network)
planned = plan.contacts[plan.contacts["status"] == "planned"]
plan

# %%
eq.plot.gantt_by_station(plan, scn, windows=study.windows).figure

# %% [markdown]
# Hatched: the station that takes over if the first one reports cloud. Grey over the nights is the chance of cloud; in
# March the climate gives all stations about the same. By satellite, coloured by station:

# %%
eq.plot.gantt_by_satellite(plan, scn, windows=study.windows).figure

# %% [markdown]
# A night that is clear everywhere gives four times the expected key, clear-sky key times the chance of a clear sky;
# most nights give less, or nothing.

# %%
eq.plot.night_keys(plan, scn).figure

# %% [markdown]
# ## Hand-over against whole passes, optimum against greed
#
# The same candidates chosen by plain rules: most key first, most key for heavy demands first, or to whom has got least.
# Greed collects key for one station; a satellite path needs key at both ends. Gains are over fibre alone.

# %%
whole_passes = with_schedule(scn, hand_over_step_s=0.0)
whole_offers = eq.contact_candidates(study.budget, study.keys, whole_passes)
whole = eq.schedule_contacts(whole_offers, whole_passes, network=study.network)
problem = candidate_problem(flow_problem(study.network, scn), usable_candidates(offers, scn), scn)
greedy = {f"greedy {name}": value_of_choice(problem, rule(problem)).objective for name, rule in BASELINES.items()}
reached = {"optimum with hand-over": plan.objective, "optimum of whole passes": whole.objective, **greedy}
gains = pd.Series(reached) - plan.without_space
eq.plot.scenario_comparison(gains.to_frame("gain"), quantity="gain in weighted satisfied demand-days [1]").figure

# %% [markdown]
# ## Why not this pass? Why is this demand short?

# %%
study.simulate(trials=50)
run = study.run
for pass_id in study.windows.loc[study.windows["ogs"] == "GRAZ", "pass_id"].iloc[:2]:
    print(eq.explain(run, pass_id), end="\n\n")
print(eq.explain_demand(run, "government Warsaw-Prague"))

# %% [markdown]
# Graz is never taken: no demand ends near it, and the way from there to Prague or Berlin crosses borders over fibre,
# which the class of the government demands forbids.
#
# ## What an edit costs
#
# A colleague wants Graz to have its best pass; PQSAT has to be let off on the first evening. Each edit is solved anew
# and priced in the objective and in keys of the demands.

# %%
graz = offers.loc[offers["ogs"] == "GRAZ", "expected_bit"].idxmax()
first = planned.loc[planned["ogs"] == "PQSAT", "candidate_id"].iloc[0]
pinned = eq.edit_plan(plan, offers, scn, pin=[graz], network=study.network)
banned = eq.edit_plan(plan, offers, scn, ban=[first], network=study.network)
for name, edit in ((f"pin {graz}", pinned), (f"ban {first}", banned)):
    lost = f"{edit.mean_cost_keys:,.0f} ± {edit.mean_cost_error_keys:,.0f} keys on average over skies"
    print(f"{name}: costs {edit.cost:.2f} of {plan.gain:.2f}, {lost}")
pinned.changes[["ogs", "change", "start_old", "start_new", "expected_bit_old", "expected_bit_new", "cause"]]

# %% [markdown]
# Two pins that exclude each other are both named, and nothing changes:

# %%
rival = planned.loc[planned["start"].sub(offers.loc[graz, "start"]).abs().idxmin(), "candidate_id"]
try:
    eq.edit_plan(plan, offers, scn, pin=[graz, rival], network=study.network)
except InfeasibleError as error:
    print(error)

# %% [markdown]
# ## The bound, the mean, and what 9 of 10 weeks exceed
#
# Expected key arrives in every night a little. Real key arrives whole or not at all, and both ends of a satellite path
# have to be lucky. A plan for expected key promises its delivery, which is a bound that no mean over skies reaches; a
# plan for sampled skies counts them, and with a tail it counts the worst of them more. All are judged in the same 200
# skies, which none of them has seen, by what the government demands get together.

# %%
policies = {
    "expected key": {"plan_for": "expected_key"}, "12 skies": {}, "100 skies": {"plan_skies": 100},
    "12 skies, half on the worst third": {"cvar_share": 0.5, "cvar_tail": 0.34},
}  # fmt: skip
plans = {
    name: plan if not change else eq.schedule_contacts(offers, with_schedule(scn, **change), network=study.network)
    for name, change in policies.items()
}
choices = [p.contacts.loc[p.contacts["status"] == "planned", "candidate_id"].tolist() for p in plans.values()]
worlds = eq.fresh_deliveries(choices, offers, scn, network=study.network, skies=200)
government = [d.purpose == "government" for d in scn.demands]
rows = {}
for (name, one), bits in zip(plans.items(), worlds, strict=True):
    promised = eq.relay_keys(eq.key_deposits(one, scn), scn, network=study.network).delivery
    promised = promised.loc[promised["demand"].str.startswith("government"), "delivered_bit"].sum()
    total = bits[:, government].sum(axis=1) / 1e3
    rows[name] = {
        "contacts": len(choices[list(plans).index(name)]), "delivery of expected key [kbit]": promised / 1e3,
        "mean [kbit]": total.mean(), "standard error [kbit]": total.std() / len(total) ** 0.5,
        "half exceed [kbit]": pd.Series(total).quantile(0.5), "9 of 10 exceed [kbit]": pd.Series(total).quantile(0.1),
    }  # fmt: skip
table = pd.DataFrame(rows).T.round(0)
table

# %%
shown = table[["delivery of expected key [kbit]", "mean [kbit]", "half exceed [kbit]", "9 of 10 exceed [kbit]"]]
shown.columns = ["of expected key: a bound", "mean", "half of the weeks exceed", "9 of 10 exceed"]
eq.plot.scenario_comparison(shown.T, quantity="government key of a week [kbit]").figure

# %%
eq.diff_plans(plans["expected key"], plan)[["ogs", "change", "start_old", "start_new", "cause"]]

# %% [markdown]
# The bound is what a plan for expected key would be headlined with; the mean is what a planner gets, and 9 of 10 weeks
# are the figure that he can sign. 12 skies are few: in its own skies a plan looks better than in others, and may be no
# better than the plan for expected key; the shipped default is 100. No plan insures what is not there: stock at the
# start covers droughts (`eq.store_sizes`), choice does not.
#
# ## Plan, fly, plan again
#
# A plan for four days ahead, made anew every second noon; what begins within six hours stays, and a planned contact
# that stays is worth a little more. At the second planning a forecast has come (invented here): clear at Trauen,
# overcast at Warsaw until the 6th.

# %%
news = pd.Timestamp("2027-03-03T12:00Z")


def forecast(now, candidates):
    told = (candidates["start"] < "2027-03-06T12:00Z") & (pd.Timestamp(now) >= news)
    chance = candidates["p_clear"].mask(told & (candidates["ogs"] == "DLR-TRAUEN"), 0.8)
    return chance.mask(told & (candidates["ogs"] == "PQSAT"), 0.02).to_numpy()


rolling_scn = with_schedule(scn, horizon_day=4.0, replan_day=2.0)
rolling = eq.rolling_plan(offers, rolling_scn, network=study.network, outlook=forecast)
rolling.steps[["made_at", "horizon_end", "gap", "contacts", "kept", "added", "dropped", "moved"]]

# %%
flown = replace(plan, contacts=rolling.contacts)
changes = eq.diff_plans(plan, flown)
changes[["ogs", "change", "start_old", "start_new", "expected_bit_old", "expected_bit_new", "cause"]]

# %% [markdown]
# What the demands get of expected key, side by side. The rolling plan sees four days only, and counts the forecast
# instead of the climate: an overcast Warsaw shows up in its two demands.

# %%
base = pinned.demands["before_bit"]
delivered = pd.DataFrame({
    "plan": base, "Graz pinned": pinned.demands["after_bit"], "PQSAT banned once": banned.demands["after_bit"],
    "rolling, with the forecast": rolling.delivery.groupby("demand")["delivered_bit"].sum(),
}).loc[[d.name for d in scn.demands if d.purpose == "government"]]  # fmt: skip
eq.plot.scenario_comparison(delivered / 256, quantity="delivery of expected key in the week [256-bit keys]").figure

# %% [markdown]
# ## Keep it
#
# The contacts with their backups, and what the edits would change. `study.save` writes calendar, crew sheets and report
# of the plan too.

# %%
plan.contacts.to_csv(out / "contacts_with_backups.csv")
both = {"Graz pinned": pinned.changes, "PQSAT banned once": banned.changes}
pd.concat(both, names=["edit", "row"]).to_csv(out / "edits.csv")
sorted(p.name for p in out.glob("*.csv"))

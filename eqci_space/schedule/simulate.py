"""What a plan delivers in sampled worlds: weather and the scenario's stated uncertainties, contacts fixed.

In each world the planned contacts give the key that their response has at the world's loss, or nothing, and the relay
is solved anew for the key that arrived: an upper bound of what routes fixed beforehand would deliver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from eqci_space.errors import PlanError
from eqci_space.fiber.edges import contact_arrivals
from eqci_space.fiber.key_flow import solve_key_flow
from eqci_space.fiber.key_problem import Column, KeyFlowProblem
from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.problem import bin_of, flow_problem
from eqci_space.machine.deprecation import once_named
from eqci_space.machine.progress import notebook_bar
from eqci_space.machine.workers import one_thread_each, spawned_pool
from eqci_space.scenario import Scenario
from eqci_space.schedule.causes import explained_share
from eqci_space.schedule.contacts import Plan, schedule_contacts
from eqci_space.schedule.quantiles import quantile_standard_error
from eqci_space.schedule.sky_keys import key_in_skies, key_responses
from eqci_space.schedule.worlds import CLIMATE_CAUSES, Worlds, climate_shift, sample_worlds
from eqci_space.tables import check_table, planned_contacts
from eqci_space.units import KEY_BIT
from eqci_space.weather.field import SkyModel
from eqci_space.weather.skies import SkySamples, mean_clear

__all__ = ["Simulation", "simulate_plan"]

_TRIALS_PER_TASK = 25
_FEWEST_IN_TAIL = 20


@dataclass(frozen=True)
class Simulation:
    """Delivery of a plan over sampled worlds.

    Attributes
    ----------
    delivered_bit, weather_only_bit : DataFrame
        Trials by demands, over the whole period: all stated uncertainties, and weather alone.
    contact_bit, weather_only_contact_bit : DataFrame
        Trials by contacts (contact_id, in order of time): the key that arrives from space.
    demands : DataFrame
        Per demand: asked_bit, and for weather_only and all_in the mean and the bits that 90, 50 and 10 % of the worlds
        exceed, each with its standard error; the share of the variance of the delivery that each cause explains
        (`share_sky` and so on, `schedule.causes`); and the regret in bits and in 256-bit keys (NaN if not asked for).
    causes : DataFrame
        Per cause, varied alone: its share of the variance of the space key, and the space key that 90 and 10 % of the
        worlds exceed; what acts together is left out.
    regret_bit : float
        Mean delivery lost, over all demands, against plans that knew the sky; NaN if not asked for.
    warnings : tuple of str
    """

    delivered_bit: pd.DataFrame
    weather_only_bit: pd.DataFrame
    contact_bit: pd.DataFrame
    weather_only_contact_bit: pd.DataFrame
    demands: pd.DataFrame
    causes: pd.DataFrame
    regret_bit: float
    warnings: tuple[str, ...]

    @property
    def space_key_bit(self) -> np.ndarray:
        """Key from space per trial, all uncertainties counted."""
        return self.contact_bit.sum(axis=1).to_numpy()


@once_named(workers="jobs")
@notebook_bar("worlds", total=lambda trials=1000, **_: 2 * trials)
def simulate_plan(
    plan: Plan,
    budget: pd.DataFrame,
    keys: pd.DataFrame,
    scenario: Scenario,
    *,
    candidates: pd.DataFrame | None = None,
    network: Network | None = None,
    trials: int = 1000,
    regret_trials: int = 0,
    model: SkyModel | None = None,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
    rng: int | None = None,
) -> Simulation:
    """Replay a plan in sampled worlds and deliver what arrives.

    Parameters
    ----------
    plan : Plan
        Its planned contacts stay as they are.
    budget, keys : DataFrame
        BUDGET and KEYS of the plan's windows.
    candidates : DataFrame, optional
        CANDIDATES, needed for the regret.
    trials : int
        At least 10.
    regret_trials : int
        Worlds in which the plan is made anew with the sky known.
    model : SkyModel, optional
        Correlation of the sky, such as `fit_sky` measures.
    jobs : int
        Processes; the result does not depend on it. More than one need a script whose own work stands under
        ``if __name__ == "__main__":``, for each process imports it.
    progress : callable, optional
        Called with the number of trials done since the last call.
    rng : int, optional
        Seed; default the scenario's.

    Raises
    ------
    PlanError
        Fewer than 10 trials, or a regret without candidates.
    """
    if trials < 10 or regret_trials < 0 or (regret_trials and candidates is None):
        raise PlanError(
            f"simulate_plan: trials = {trials}, regret_trials = {regret_trials}; expected at least 10, and candidates "
            "for a regret"
        )
    contacts = check_table(plan.contacts, "CONTACTS", "simulate_plan")
    contacts = planned_contacts(contacts)
    seed = scenario.seed if rng is None else rng
    network = network or build_network(scenario)
    responses = key_responses(contacts, budget, keys, scenario)
    problem = flow_problem(network, scenario)
    slots = _slots(contacts, scenario, problem)
    worlds = sample_worlds(contacts, scenario, trials=trials, rng=seed, model=model)
    weather = sample_worlds(contacts, scenario, trials=trials, rng=seed, only="sky", model=model)
    arrived = _key_bit(contacts, responses, worlds)
    parts = {
        "all_in": (arrived, worlds.fibre_factor),
        "weather_only": (_key_bit(contacts, responses, weather), weather.fibre_factor),
    }
    delivered = {name: _delivered(problem, slots, key, factor, jobs, progress) for name, (key, factor) in parts.items()}
    names = [d.name for d in scenario.demands]
    frames = {name: pd.DataFrame(values, columns=names).rename_axis("trial") for name, values in delivered.items()}
    alone = _space_key_by_cause(responses, contacts, scenario, trials, seed, model)
    regret = np.full(len(names), np.nan)
    if regret_trials and candidates is not None:
        again = min(regret_trials, trials)
        regret = _regret(contacts, candidates, budget, keys, scenario, network, again, seed, model)
    demands = _summary(frames, problem, scenario)
    demands = demands.join(_shares(alone, delivered, parts["all_in"][1], demands.index))
    demands = demands.assign(regret_bit=regret, regret_keys=regret / KEY_BIT)
    return Simulation(
        frames["all_in"], frames["weather_only"],
        _by_contact(arrived, contacts), _by_contact(parts["weather_only"][0], contacts),
        demands, _causes(alone, arrived), float(regret.sum()), _warnings(trials),
    )  # fmt: skip


def _by_contact(key_bit: np.ndarray, contacts: pd.DataFrame) -> pd.DataFrame:
    """Key of the contacts in order of time."""
    order = np.argsort(contacts["start"].to_numpy(), kind="stable")
    return pd.DataFrame(key_bit[:, order], columns=contacts.index[order]).rename_axis("trial")


def _key_bit(contacts: pd.DataFrame, responses: pd.DataFrame, worlds: Worlds) -> np.ndarray:
    """Key of every contact in every world (trials, contacts)."""
    key = key_in_skies(contacts, worlds.sky, responses, link_loss_db=worlds.link_loss_bias_db)
    return np.where(worlds.takes_place, key, 0.0)


@dataclass(frozen=True)
class _Slots:
    """Edge and bin into which each contact's key falls; bin -1 after the period."""

    edge: np.ndarray
    bin: np.ndarray


def _slots(contacts: pd.DataFrame, scenario: Scenario, problem: KeyFlowProblem) -> _Slots:
    index = problem.edge_number
    arrivals = contact_arrivals(contacts, scenario)
    return _Slots(arrivals["edge"].map(index).to_numpy(dtype=int), bin_of(arrivals["time"], scenario))


def _delivered(
    problem: KeyFlowProblem,
    slots: _Slots,
    key_bit: np.ndarray,
    fibre_factor: np.ndarray,
    jobs: int,
    progress: Callable[[int], None] | None,
) -> np.ndarray:
    """Bits per trial and demand; tasks of 25 trials, in processes when there are many."""
    tasks = [
        (problem, slots, key_bit[i : i + _TRIALS_PER_TASK], fibre_factor[i : i + _TRIALS_PER_TASK])
        for i in range(0, len(key_bit), _TRIALS_PER_TASK)
    ]
    parts = []
    for part in _mapped(tasks, jobs):
        parts.append(part)
        if progress:
            progress(len(part))
    return np.concatenate(parts)


def _mapped(tasks: list[tuple[KeyFlowProblem, _Slots, np.ndarray, np.ndarray]], jobs: int) -> Iterator[np.ndarray]:
    if jobs == 1:
        yield from map(_solve, tasks)
        return
    with one_thread_each(), spawned_pool(jobs) as pool:
        yield from pool.map(_solve, tasks)


def _solve(task: tuple[KeyFlowProblem, _Slots, np.ndarray, np.ndarray]) -> np.ndarray:
    """Relay of some trials; paths found in one serve the next."""
    problem, slots, key_bit, fibre_factor = task
    inside = slots.bin >= 0
    known: list[Column] = []
    out = np.zeros((len(key_bit), len(problem.ends)))
    for i, (key, factor) in enumerate(zip(key_bit, fibre_factor, strict=True)):
        supply = problem.supply_bit * factor
        np.add.at(supply, (slots.edge[inside], slots.bin[inside]), key[inside])
        flow = solve_key_flow(replace(problem, supply_bit=supply), known=known)
        known = list(dict.fromkeys([*known, *((k, t, route) for k, t, route, _ in flow.paths)]))
        out[i] = flow.delivered_bit(len(problem.ends))
    return out


def _summary(frames: dict[str, pd.DataFrame], problem: KeyFlowProblem, scenario: Scenario) -> pd.DataFrame:
    """Quantiles per demand with standard errors, in bits and in 256-bit keys per day."""
    days = (scenario.end - scenario.start).total_seconds() / 86_400
    table = pd.DataFrame({"asked_bit": problem.asked_bit.sum(axis=1)}, index=frames["all_in"].columns)
    for name in ("weather_only", "all_in"):
        values = np.sort(frames[name].to_numpy(), axis=0)
        table[f"{name}_mean_bit"] = values.mean(axis=0)
        table[f"{name}_mean_error_bit"] = values.std(axis=0) / np.sqrt(len(values))
        for share in (90, 50, 10):
            column = f"{name}_exceeded_{share}pct_bit" if share != 50 else f"{name}_median_bit"
            table[column] = np.quantile(values, 1 - share / 100, axis=0)
            table[column.replace("_bit", "_error_bit")] = quantile_standard_error(values, 1 - share / 100)
    table["all_in_exceeded_90pct_keys_per_day"] = table["all_in_exceeded_90pct_bit"] / KEY_BIT / days
    return table.rename_axis("demand")


def _space_key_by_cause(
    responses: pd.DataFrame, contacts: pd.DataFrame, scenario: Scenario, trials: int, seed: int, model: SkyModel | None
) -> dict[str, np.ndarray]:
    """Space key of every trial with one cause varied alone, the sky at its mean but for its own."""
    usual = _usual(trials, len(contacts))
    clear_bit, expected = _key_bit(contacts, responses, usual), contacts["p_clear"].to_numpy(dtype=float)
    alone = {}
    for cause in ("sky", *(str(u.quantity) for u in scenario.uncertainties)):
        if cause in CLIMATE_CAUSES:
            shift = climate_shift(contacts, scenario, trials=trials, only=cause, rng=seed)
            alone[cause] = (clear_bit * mean_clear(contacts, scenario, shift)).sum(axis=1)
            continue
        worlds = sample_worlds(contacts, scenario, trials=trials, rng=seed, only=cause, model=model)
        if cause == "sky":
            alone[cause] = _key_bit(contacts, responses, worlds).sum(axis=1)
        else:
            alone[cause] = _key_bit(contacts, responses, replace(worlds, sky=usual.sky)) @ expected
    return alone


def _causes(alone: dict[str, np.ndarray], arrived: np.ndarray) -> pd.DataFrame:
    """Space key with one cause varied alone, and its share of all variance."""
    total = arrived.sum(axis=1).var()
    rows = {
        cause: (bits.var() if np.ptp(bits) > 0 else 0.0, *np.quantile(bits, [0.1, 0.9]))
        for cause, bits in alone.items()
    }
    table = pd.DataFrame.from_dict(
        rows, orient="index", columns=["share_of_variance", "exceeded_90pct_bit", "exceeded_10pct_bit"]
    )
    table["share_of_variance"] /= total if total > 0 else 1.0
    return table.rename_axis("cause")


def _shares(
    alone: dict[str, np.ndarray], delivered: dict[str, np.ndarray], fibre_factor: np.ndarray, demands: pd.Index
) -> pd.DataFrame:
    """Share of the variance of every demand's delivery that each cause explains: the sky by what it alone delivers."""
    everything, columns = delivered["all_in"], {}
    for cause, bits in alone.items():
        if cause == "sky":
            pairs = zip(delivered["weather_only"].T, everything.T, strict=True)
            columns[f"share_{cause}"] = np.array([explained_share(x, y[:, None])[0] for x, y in pairs])
        else:
            columns[f"share_{cause}"] = explained_share(
                fibre_factor if cause == "commissioning_factor" else bits, everything
            )
    return pd.DataFrame(columns, index=demands)


def _usual(trials: int, count: int) -> Worlds:
    """Clear skies and nothing uncertain."""
    sky = SkySamples(np.zeros((trials, count), bool), np.zeros((trials, count)))
    return Worlds(sky, np.zeros(trials), np.ones((trials, count), bool), np.ones(trials))


def _regret(
    contacts: pd.DataFrame,
    candidates: pd.DataFrame,
    budget: pd.DataFrame,
    keys: pd.DataFrame,
    scenario: Scenario,
    network: Network,
    trials: int,
    seed: int,
    model: SkyModel | None,
) -> np.ndarray:
    """Mean over skies of what a plan made with the sky known delivers more, per demand."""
    offered = candidates.assign(candidate_id=candidates.index)
    worlds = sample_worlds(offered, scenario, trials=trials, rng=seed, only="sky", model=model)
    realised = _key_bit(offered, key_responses(offered, budget, keys, scenario), worlds)
    problem = flow_problem(network, scenario)
    mine = candidates.index.get_indexer(contacts["candidate_id"])
    base = _solve((problem, _slots(contacts, scenario, problem), realised[:, mine], np.ones(trials)))
    # The sky is known: nothing to hedge against.
    policy = scenario.schedule.model_copy(update={"backups": False, "plan_for": "expected_key", "cvar_share": 0.0})
    certain = scenario.model_copy(update={"schedule": policy})
    best = []
    for key in realised:
        known = candidates.assign(skl_bit=key, p_clear=1.0)
        plan = schedule_contacts(known[known["skl_bit"] > 0], certain, network=network).contacts
        task = problem, _slots(plan, scenario, problem), plan[["skl_bit"]].to_numpy().T, np.ones(1)
        best.append(_solve(task)[0])
    return (np.array(best) - base).mean(axis=0)


def _warnings(trials: int) -> tuple[str, ...]:
    tail = trials // 10
    if tail >= _FEWEST_IN_TAIL:
        return ()
    return (f"only {tail} of {trials} trials lie beyond the 90 % figures; run at least {10 * _FEWEST_IN_TAIL}",)

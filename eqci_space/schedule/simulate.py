"""What a plan delivers in sampled worlds: weather and the scenario's stated uncertainties, contacts fixed.

In each world the planned contacts give the key that their response has at the world's loss, or nothing, and the relay
is solved anew for the key that arrived: with the whole period known, an upper bound of what operators reach, or bin by
bin. The worlds are none of those that the plan was made for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from eqci_space.errors import PlanError
from eqci_space.fiber.key_flow import solved_to_a_gap
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.problem import flow_problem
from eqci_space.machine.deprecation import once_named
from eqci_space.machine.progress import notebook_bar
from eqci_space.scenario import Scenario
from eqci_space.schedule.causes import cause_table, shares_of_demands
from eqci_space.schedule.contacts import Plan
from eqci_space.schedule.dual_skies import contact_skies, mean_contact_clear
from eqci_space.schedule.levels import bin_levels, demand_levels, settled, total_levels
from eqci_space.schedule.looks import with_looks
from eqci_space.schedule.recourse import night_choices
from eqci_space.schedule.regret import sky_regret
from eqci_space.schedule.roles import contact_roles
from eqci_space.schedule.sky_deposits import KeyPlaces, key_places, placed_key, received_share, with_open_blocks
from eqci_space.schedule.sky_keys import KeyResponses, key_in_skies, key_responses
from eqci_space.schedule.verify_worlds import verify_worlds
from eqci_space.schedule.world_chunks import Run, WorldsTask, world_runner
from eqci_space.schedule.worlds import CLIMATE_CAUSES, Worlds, climate_shift, sample_worlds
from eqci_space.tables import check_table, planned_contacts
from eqci_space.units import KEY_BIT
from eqci_space.weather.field import SkyModel
from eqci_space.weather.skies import SkySamples

__all__ = ["Simulation", "simulate_plan"]

_FEWEST_IN_TAIL = 20
_FIRST_TRIALS, _MOST_TRIALS, _TRIALS_OF_LARGE, _TRIALS_OF_ROLES = 200, 1600, 20, 100


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
        exceed, each with its standard error, and the share of the worlds in which the ask is met; the share of the
        variance of the delivery that each cause explains (`share_sky` and so on, `schedule.causes`); and the regret in
        bits and in 256-bit keys (NaN if not asked for).
    totals : DataFrame
        The same levels of the sums over the demands of a purpose, and over all of them (``all``). No level of a sum is
        the sum of levels.
    delivery : DataFrame
        DELIVERY over worlds, a row per bin and demand: asked_bit, mean_bit, exceeded_90pct_bit, exceeded_50pct_bit, all
        stated uncertainties counted.
    contacts : DataFrame
        By contact, in the first hundred worlds of weather alone: `role` (needed, spare or useless), and the mean
        delivery lost without it, with its standard error (`schedule.roles`); without rows if not asked for.
    causes : DataFrame
        Per cause, varied alone: its share of the variance of the space key, and the space key that 90 and 10 % of the
        worlds exceed; what acts together is left out.
    recourse : Series
        Mean over a hundred worlds of weather alone of what all demands get [bit], as planned (`as_planned_bit`), with
        backups flown where a forecast of the policy's `night_skill` advises it (`night_bit`) or one that is always
        right (`perfect_bit`), and the paired standard errors of what that adds (`night_error_bit`,
        `perfect_error_bit`); empty without backups or if roles are not asked for (`schedule.recourse`).
    regret_bit : float
        Mean delivery lost, over all demands, against plans that knew the sky; NaN if not asked for.
    foresight : bool
        Whether relay knew what each world brings in the whole period, which bounds what operators reach from above.
    warnings : tuple of str
    """

    delivered_bit: pd.DataFrame
    weather_only_bit: pd.DataFrame
    contact_bit: pd.DataFrame
    weather_only_contact_bit: pd.DataFrame
    demands: pd.DataFrame
    totals: pd.DataFrame
    delivery: pd.DataFrame
    contacts: pd.DataFrame
    causes: pd.DataFrame
    recourse: pd.Series
    regret_bit: float
    foresight: bool
    warnings: tuple[str, ...]

    @property
    def space_key_bit(self) -> np.ndarray:
        """Key from space per trial, all uncertainties counted."""
        return self.contact_bit.sum(axis=1).to_numpy()


@once_named(workers="jobs")
@notebook_bar("worlds", total=lambda trials=1000, **_: 2 * (trials or _FIRST_TRIALS))
def simulate_plan(
    plan: Plan,
    budget: pd.DataFrame,
    keys: pd.DataFrame,
    scenario: Scenario,
    *,
    candidates: pd.DataFrame | None = None,
    network: Network | None = None,
    trials: int | None = 1000,
    regret_trials: int = 0,
    roles: bool = False,
    foresight: bool = True,
    verified: int = 0,
    model: SkyModel | None = None,
    executor: Any = None,
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
    trials : int or None
        At least 10. None for as many as it takes: 200, doubled until the standard error of the mean of every demand is
        at most 5 % of it, or there are 1,600; a demand that gets less than a hundredth of its ask does not count. Of
        networks so large that a world takes seconds, 20.
    regret_trials : int
        Worlds in which the plan is made anew with the sky known.
    roles : bool
        Whether each contact is left out in turn, to see what it is worth.
    foresight : bool
        Whether relay knows what each world brings in the whole period, or each bin takes all it can use.
    verified : int
        Worlds of weather alone, drawn at random, that are relayed anew as tables, and their tables verified, where
        relay has foresight.
    model : SkyModel, optional
        Correlation of the sky, such as `fit_sky` measures.
    executor : optional
        A `concurrent.futures.Executor` or a dask ``Client`` on which worlds are relayed, with the same result.
    jobs : int
        Processes, if no executor is given; the result does not depend on it. More than one need a script whose own work
        stands under ``if __name__ == "__main__":``, for each process imports it.
    progress : callable, optional
        Called with the number of trials done since the last call.
    rng : int, optional
        Seed; default the scenario's.

    Raises
    ------
    PlanError
        Fewer than 10 trials, a regret without candidates, or other processes with a network that is not the scenario's.
    VerificationError
        A world that is looked at again differs.
    """
    if (trials is not None and trials < 10) or regret_trials < 0 or (regret_trials and candidates is None):
        raise PlanError(
            f"simulate_plan: trials = {trials}, regret_trials = {regret_trials}; expected at least 10, and candidates "
            "for a regret"
        )
    contacts = with_looks(planned_contacts(check_table(plan.contacts, "CONTACTS", "simulate_plan")), budget)
    seed = scenario.seed if rng is None else rng
    network = network or build_network(scenario)
    responses = key_responses(contacts, budget, keys, scenario)
    problem = flow_problem(network, scenario)
    places = key_places(contacts, scenario, problem)
    play = _Play(contacts, responses, scenario, problem, places, seed, model, foresight)
    with world_runner(problem, network, scenario, executor=executor, jobs=jobs) as run:
        found = play.worlds(trials, run, progress)
        by_contact = play.roles(run) if roles else pd.DataFrame()
        recourse = pd.Series(dtype=float)
        if roles and (plan.contacts["status"] == "backup").any():
            recourse = _recourse(plan, budget, keys, scenario, problem, seed, model, run)
    trials = len(found.arrived["all_in"])
    if foresight:
        play.verify(found, verified, network)
    names = [d.name for d in scenario.demands]
    total = {name: bits.sum(axis=2) for name, bits in found.delivered.items()}
    frames = {name: pd.DataFrame(bits, columns=names).rename_axis("trial") for name, bits in total.items()}
    alone = _space_key_by_cause(responses, contacts, scenario, trials, seed, model)
    regret = np.full(len(names), np.nan)
    if regret_trials and candidates is not None:
        regret = sky_regret(
            contacts, candidates, budget, keys, scenario, network=network, trials=min(regret_trials, trials), rng=seed,
            model=model,
        )  # fmt: skip
    demands = demand_levels(total, problem.asked_bit.sum(axis=1), scenario)
    demands = demands.join(shares_of_demands(alone, total, found.fibre_factor, demands.index))
    demands = demands.assign(regret_bit=regret, regret_keys=regret / KEY_BIT)
    return Simulation(
        frames["all_in"], frames["weather_only"],
        _by_contact(found.arrived["all_in"], contacts), _by_contact(found.arrived["weather_only"], contacts),
        demands, total_levels(total, problem.asked_bit.sum(axis=1), scenario),
        bin_levels(found.delivered["all_in"], problem.asked_bit, scenario), by_contact,
        cause_table(alone, found.arrived["all_in"]), recourse, float(regret.sum()), foresight, _warnings(trials),
    )  # fmt: skip


@dataclass(frozen=True)
class _Played:
    """By ``all_in`` and ``weather_only``: key that arrived of contacts (W, n) and at places (W, m), and was delivered
    (W, K, T); and fibre's factor in the former.
    """

    arrived: dict[str, np.ndarray]
    placed: dict[str, np.ndarray]
    delivered: dict[str, np.ndarray]
    fibre_factor: np.ndarray


@dataclass(frozen=True)
class _Play:
    """What is replayed, and in which worlds."""

    contacts: pd.DataFrame
    responses: KeyResponses
    scenario: Scenario
    problem: KeyFlowProblem
    places: KeyPlaces
    seed: int
    model: SkyModel | None
    foresight: bool

    def worlds(self, trials: int | None, run: Run, progress: Callable[[int], None] | None) -> _Played:
        """Worlds of a number, or as many as it takes."""
        asked_bit = self.problem.asked_bit.sum(axis=1)
        none = np.empty((0, *self.problem.asked_bit.shape))
        delivered = {"all_in": none, "weather_only": none}
        count, most = trials or _FIRST_TRIALS, _MOST_TRIALS
        if trials is None and solved_to_a_gap(self.problem):
            count = most = _TRIALS_OF_LARGE
        while True:
            drawn = {name: self._drawn(count, only) for name, only in (("all_in", None), ("weather_only", "sky"))}
            arrived, placed = {}, {}
            for name, worlds in drawn.items():
                arrived[name], closes = self._arrived(worlds)
                new = slice(len(delivered[name]), None)
                placed[name] = placed_key(self.places, arrived[name], closes)
                task = WorldsTask(
                    self.places.edge, self.places.bin, placed[name][new], worlds.fibre_factor[new], self.foresight
                )  # fmt: skip
                delivered[name] = np.concatenate([delivered[name], *run([task], progress)])
            if trials or count >= most or settled(delivered["all_in"].sum(axis=2), asked_bit):
                return _Played(arrived, placed, delivered, drawn["all_in"].fibre_factor)
            count *= 2

    def roles(self, run: Run) -> pd.DataFrame:
        """Roles of the contacts in the first worlds of weather alone."""
        worlds = self._drawn(_TRIALS_OF_ROLES, "sky")
        key_bit, received = _key_bit(self.contacts, self.responses, worlds), received_share(worlds.sky)

        def placed(left: np.ndarray, some: np.ndarray) -> np.ndarray:
            flown = (left > 0) | (key_bit[some] == 0)
            closed = with_open_blocks(self.contacts, self.scenario, left, np.where(flown, received[some], 0.0))
            return placed_key(self.places, *closed)

        return contact_roles(self.places.edge, self.places.bin, key_bit, self.contacts.index, run=run, placed=placed)

    def verify(self, found: _Played, worlds: int, network: Network) -> None:
        """Some worlds of weather alone, relayed anew and verified."""
        trials = len(found.delivered["weather_only"])
        some = np.random.default_rng(self.seed).choice(trials, size=min(worlds, trials), replace=False)
        verify_worlds(
            found.delivered["weather_only"], self.places, found.placed["weather_only"],
            [name for name, *_ in self.problem.edges], self.scenario, network=network, worlds=some,
        )  # fmt: skip

    def _arrived(self, worlds: Worlds) -> tuple[np.ndarray, np.ndarray | None]:
        """Key of every contact whose block closes (W, n), and with which."""
        received = received_share(worlds.sky, worlds.link_loss_db) * worlds.takes_place
        return with_open_blocks(self.contacts, self.scenario, _key_bit(self.contacts, self.responses, worlds), received)

    def _drawn(self, trials: int, only: str | None) -> Worlds:
        return sample_worlds(self.contacts, self.scenario, trials=trials, rng=self.seed, model=self.model, only=only)


def _recourse(
    plan: Plan,
    budget: pd.DataFrame,
    keys: pd.DataFrame,
    scenario: Scenario,
    problem: KeyFlowProblem,
    seed: int,
    model: SkyModel | None,
    run: Run,
) -> pd.Series:
    """What backups add on nights on which a forecast prefers them."""
    contacts = plan.contacts[plan.contacts["status"].isin(["planned", "backup"])]
    sky = contact_skies(contacts, scenario, trials=_TRIALS_OF_ROLES, rng=seed, model=model)
    key_bit = key_in_skies(contacts, sky, key_responses(contacts, budget, keys, scenario))
    places, ones = key_places(contacts, scenario, problem), np.ones(_TRIALS_OF_ROLES)
    planned = np.broadcast_to((contacts["status"] == "planned").to_numpy(), key_bit.shape)
    skills = {"night": scenario.schedule.night_skill, "perfect": 1.0}
    clear, received = sky.blocked_share <= 0.5, received_share(sky)
    flown = {name: night_choices(contacts, clear, skill=skill, rng=seed) for name, skill in skills.items()}
    tasks = []
    for which in (planned, *flown.values()):
        closed = with_open_blocks(contacts, scenario, np.where(which, key_bit, 0.0), received * which)
        tasks.append(WorldsTask(places.edge, places.bin, placed_key(places, *closed), ones))
    as_planned, *others = (bits.sum(axis=(1, 2)) for bits in run(tasks, None))
    found = {"as_planned_bit": as_planned.mean()}
    for name, bits in zip(flown, others, strict=True):
        found[f"{name}_bit"] = bits.mean()
        found[f"{name}_error_bit"] = (bits - as_planned).std() / np.sqrt(len(bits))
    return pd.Series(found, dtype=float)


def _by_contact(key_bit: np.ndarray, contacts: pd.DataFrame) -> pd.DataFrame:
    """Key of the contacts in order of time."""
    order = np.argsort(contacts["start"].to_numpy(), kind="stable")
    return pd.DataFrame(key_bit[:, order], columns=contacts.index[order]).rename_axis("trial")


def _key_bit(contacts: pd.DataFrame, responses: KeyResponses, worlds: Worlds) -> np.ndarray:
    """Key of every contact in every world (trials, contacts), or what it brings to its block."""
    key = key_in_skies(contacts, worlds.sky, responses, link_loss_db=worlds.link_loss_db)
    return np.where(worlds.takes_place, key, 0.0)


def _space_key_by_cause(
    responses: KeyResponses, contacts: pd.DataFrame, scenario: Scenario, trials: int, seed: int, model: SkyModel | None
) -> dict[str, np.ndarray]:
    """Space key of every trial with one cause varied alone, the sky at its mean but for its own."""
    usual = _usual(trials, len(contacts))
    clear_bit, expected = _key_bit(contacts, responses, usual), contacts["p_clear"].to_numpy(dtype=float)
    alone = {}
    for cause in ("sky", *(str(u.quantity) for u in scenario.uncertainties)):
        if cause in CLIMATE_CAUSES:
            shift = climate_shift(contacts, scenario, trials=trials, only=cause, rng=seed)
            alone[cause] = (clear_bit * mean_contact_clear(contacts, scenario, shift)).sum(axis=1)
            continue
        worlds = sample_worlds(contacts, scenario, trials=trials, rng=seed, only=cause, model=model)
        if cause == "sky":
            alone[cause] = _key_bit(contacts, responses, worlds).sum(axis=1)
        else:
            alone[cause] = _key_bit(contacts, responses, replace(worlds, sky=usual.sky)) @ expected
    return alone


def _usual(trials: int, count: int) -> Worlds:
    """Clear skies and nothing uncertain."""
    sky = SkySamples(np.zeros((trials, count), dtype=np.uint8), np.zeros((trials, count)))
    return Worlds(sky, np.zeros((trials, count)), np.ones((trials, count), bool), np.ones(trials))


def _warnings(trials: int) -> tuple[str, ...]:
    tail = trials // 10
    if tail >= _FEWEST_IN_TAIL:
        return ()
    return (f"only {tail} of {trials} trials lie beyond the 90 % figures; run at least {10 * _FEWEST_IN_TAIL}",)

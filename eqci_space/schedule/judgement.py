"""A plan for sampled skies, judged in skies that it was not made for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.schedule.expected import SkyPlan, mean_problem, sky_worth
from eqci_space.schedule.joint import solve_joint
from eqci_space.schedule.quantiles import quantile_standard_error

__all__ = ["Estimate", "Judgement", "judge_plan"]


@dataclass(frozen=True)
class Estimate:
    """A mean over skies and its standard error; NaN where one sky or group tells none."""

    mean: float
    error: float


@dataclass(frozen=True)
class Judgement:
    """What a plan is worth in fresh skies, in units of its objective.

    Attributes
    ----------
    worth : Estimate
        Mean objective, which bounds that of the best plan from below.
    levels : dict
        What 90, 50 and 10 % of the skies exceed.
    statistical_gap : Estimate
        Mean of the bounds of independent groups of skies (Mak, Morton and Wood 1999) less `worth`: no plan is better by
        more than this, but for its error.
    stochastic_solution : Estimate
        Worth beyond that of the plan for expected key in the same skies (Birge 1982).
    perfect_information : Estimate
        What plans that know the sky would reach more, over the first skies.
    foresight : Estimate
        What relay that knows the period reaches more than relay bin by bin, over the first skies.
    """

    worth: Estimate
    levels: dict[int, Estimate]
    statistical_gap: Estimate
    stochastic_solution: Estimate
    perfect_information: Estimate
    foresight: Estimate


def judge_plan(problem: KeyFlowProblem, plan: SkyPlan, fresh_bit: np.ndarray, *, few: int = 20) -> Judgement:
    """Judge a plan of weighted satisfaction without a tail.

    Parameters
    ----------
    problem : KeyFlowProblem
        That of the plan.
    plan : SkyPlan
        Of `solve_expected`.
    fresh_bit : (S, N) array
        Key of every candidate in skies that are none of the plan's [bit].
    few : int
        Skies for perfect information and foresight, which take a plan or many relays each.
    """
    mine = sky_worth(problem, plan.chosen, fresh_bit).objective
    other = sky_worth(problem, plan.mean_key.chosen, fresh_bit).objective
    known = np.array([_with_known_sky(problem, key) for key in fresh_bit[:few]])
    bounds = np.array(plan.group_bounds)
    worth, upper = _estimate(mine), _estimate(bounds)
    return Judgement(
        worth,
        {share: Estimate(float(np.quantile(mine, 1 - share / 100)),
                         float(quantile_standard_error(np.sort(mine), 1 - share / 100))) for share in (90, 50, 10)},
        Estimate(upper.mean - worth.mean, float(np.hypot(upper.error, worth.error))),
        _estimate(mine - other), _estimate(known - mine[:few]),
        _estimate(mine[:few] - sky_worth(problem, plan.chosen, fresh_bit[:few], foresight=False).objective),
    )  # fmt: skip


def _estimate(values: np.ndarray) -> Estimate:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return Estimate(float(values.mean()) if len(values) else np.nan, float(error))


def _with_known_sky(problem: KeyFlowProblem, key_bit: np.ndarray) -> float:
    """What the best plan for one sky reaches."""
    return solve_joint(mean_problem(problem, key_bit[None, :])).objective

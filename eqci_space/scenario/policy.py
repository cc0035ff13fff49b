"""The records of planning: rules of pass choice, foreign bookings, quotas of satellite use."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from eqci_space.scenario.fields import Country, Fraction, NotNegative, Positive, Record, UtcTime

__all__ = ["Booking", "SatelliteQuota", "SchedulePolicy"]


class SchedulePolicy(Record):
    """Rules of pass choice.

    Inside a pass a satellite may hand over between stations every `hand_over_step_s` (0: whole windows only), with
    `slew_s` between; a contact lasts at least `min_contact_s`. `objective` is that of relay and of the choice: weighted
    satisfaction, or the smallest share that demands get of their ask. Contacts are chosen for its mean over
    `plan_skies` sampled skies (`plan_for = "expected_delivery"`), to a relative gap of `sky_gap` where that can be
    proven, or for that of the mean key of every contact (`"expected_key"`, fast, and an upper bound of what the skies
    will deliver). Of the former a share `cvar_share` is the mean over the
    worst `cvar_tail` of the skies instead of all. Stock at the end of the period counts up to `stock_target_bit` per
    satellite store, at `stock_worth` for all of them together.

    A plan leaves out contacts that together cost no more than `spare_tolerance` of what space adds to fibre alone; at 0
    it keeps them, and ties go to more expected key.

    Backups are flown in place of their contacts where a forecast of skill `night_skill` (assumed) puts the one under
    cloud and the other in the clear; what that is worth is simulated, and the plan does not count on it.

    A rolling plan covers `horizon_day`, is made anew every `replan_day`, and leaves alone what begins within
    `freeze_h`; contacts have to be uploaded `upload_cutoff_h` before they begin. A planned contact that stays is worth
    `stability` more.
    """

    bin: Literal["1D", "12h", "6h", "4h", "3h", "2h", "1h"] = "1D"
    slew_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    turnaround_s: Annotated[float, Field(ge=0, le=86400)] = 120.0
    hand_over_step_s: Annotated[float, Field(ge=0, le=600)] = 60.0
    min_contact_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    post_processing_s: Annotated[float, Field(ge=0, le=30 * 86400)] = 3600.0
    objective: Literal["weighted", "max_concurrent", "max_min"] = "weighted"
    plan_for: Literal["expected_key", "expected_delivery"] = "expected_delivery"
    plan_skies: Annotated[int, Field(ge=2, le=10_000)] = 100
    sky_gap: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    relative_gap: Annotated[float, Field(ge=0, le=0.5)] = 1e-4
    spare_tolerance: Annotated[float, Field(ge=0, le=0.2)] = 1e-3
    cvar_share: Fraction = 0.0
    cvar_tail: Annotated[float, Field(gt=0, le=1)] = 0.1
    stock_target_bit: NotNegative = 0.0
    stock_worth: Annotated[float, Field(ge=0, le=100)] = 0.05
    backups: bool = True
    night_skill: Fraction = 0.6
    horizon_day: Annotated[float, Field(gt=0, le=366)] = 10.0
    replan_day: Annotated[float, Field(gt=0, le=366)] = 7.0
    freeze_h: NotNegative = 6.0
    upload_cutoff_h: NotNegative = 0.0
    stability: Annotated[float, Field(ge=0, le=10)] = 1e-3

    @model_validator(mode="after")
    def _rolls(self) -> SchedulePolicy:
        if self.replan_day > self.horizon_day:
            raise ValueError(f"replan_day {self.replan_day:g} is longer than horizon_day {self.horizon_day:g}")
        return self

    @model_validator(mode="after")
    def _has_a_tail(self) -> SchedulePolicy:
        if self.cvar_share and self.plan_for == "expected_key":
            raise ValueError(
                f"cvar_share {self.cvar_share:g} counts the worst of sampled skies, and plan_for = 'expected_key' has "
                "none; set plan_for = 'expected_delivery', or cvar_share = 0"
            )
        if self.cvar_share and self.cvar_tail * self.plan_skies < 1:
            raise ValueError(
                f"the worst {self.cvar_tail:g} of {self.plan_skies} skies is less than one sky; set plan_skies to at "
                f"least {math.ceil(1 / self.cvar_tail)}, or cvar_tail to at least {1 / self.plan_skies:g}"
            )
        return self


class Booking(Record):
    """A time in which a satellite or a station (exactly one of them) serves somebody else."""

    satellite: str | None = None
    station: str | None = None
    start: UtcTime
    end: UtcTime
    reason: str = ""

    @model_validator(mode="after")
    def _one_thing(self) -> Booking:
        if (self.satellite is None) == (self.station is None):
            raise ValueError("give exactly one of satellite and station")
        if self.end <= self.start:
            raise ValueError(f"end {self.end.isoformat()} is not after start {self.start.isoformat()}")
        return self


class SatelliteQuota(Record):
    """How much a nation's stations may use a satellite, or all of them (without `satellite`), in each day."""

    nation: Country
    satellite: str | None = None
    contact_s_per_day: Positive | None = None
    contacts_per_day: Annotated[int, Field(ge=0, le=10_000)] | None = None

    @model_validator(mode="after")
    def _some_quota(self) -> SatelliteQuota:
        if self.contact_s_per_day is None and self.contacts_per_day is None:
            raise ValueError("give contact_s_per_day, contacts_per_day or both")
        return self
